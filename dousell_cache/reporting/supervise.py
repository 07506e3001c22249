"""A worker process from outside: started, watched, stopped, and nothing of it left behind.

The worker leads a process group of its own, so that a terminal's Ctrl-C reaches us alone and we stop it in order. Its
standard input is a pipe from us: when we are gone, however, it ends by itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from .spec import Progress, Spec
from .stopping import Halt, Watch

WORKER = (sys.executable, "-P", "-m", "dousell_cache.reporting.worker")

Ending = Literal["finished", "stopped", "overran", "died"]

_POLL_SECONDS = 0.1
START_SECONDS = 120.0  # beyond its own limit: the servers of the environment start, the last kernel shuts down
_FAREWELL_SECONDS = 10.0  # after SIGTERM, a worker needs up to 4 for its kernel


@dataclass(frozen=True)
class Watched:
    """How a worker ended and how far it was.

    Args:
        ending: ``finished`` its work, was ``stopped`` by us on request, ``overran`` its time, or ``died``.
        progress: what it last wrote.
        code: its exit code, negative for a signal.
        last_words: the last line it wrote to its log.
        halt: why it was stopped; None unless it was.
    """

    ending: Ending
    progress: Progress
    code: int
    last_words: str
    halt: Halt | None = None


def watch(
    folder: Path,
    spec: Spec,
    *,
    stop: Watch,
    observe: Callable[[Progress], None],
    command: Sequence[str] = WORKER,
) -> Watched:
    """Have a worker do what a spec says and return how that went.

    Args:
        folder: the environment's own, see :mod:`.spec`; notebooks are in ``sources`` already.
        spec: what to do.
        stop: asked every tenth of a second; a reason ends the worker.
        observe: told how far it is, as often.
        command: starts a worker when the folder is put behind it.

    Raises:
        OSError: the folder cannot be written, or no process be started.
    """
    (folder / "spec.json").write_bytes(msgspec.json.encode(spec))
    deadline = time.monotonic() + spec.seconds + START_SECONDS
    worker = _start(folder, command)
    try:
        ending = _wait(worker, folder, deadline, stop, observe)
    finally:
        _end(worker)
        _kill_leftovers(folder)
    progress = read_progress(folder)
    if ending == "finished" and not progress.done:
        ending = "died"
    halt = stop() if ending == "stopped" else None
    return Watched(ending, progress, worker.returncode, _last_words(folder), halt)


def read_progress(folder: Path) -> Progress:
    """Return what the worker of a folder last wrote; before it wrote anything, an empty progress."""
    try:
        return msgspec.json.decode((folder / "progress.json").read_bytes(), type=Progress)
    except FileNotFoundError:
        return Progress()


def _start(folder: Path, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    with (folder / "worker.log").open("wb") as log:
        return subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )


def _wait(
    worker: "subprocess.Popen[bytes]",
    folder: Path,
    deadline: float,
    stop: Watch,
    observe: Callable[[Progress], None],
) -> Ending:
    while worker.poll() is None:
        if stop():
            return "stopped"
        if time.monotonic() > deadline:
            return "overran"
        observe(read_progress(folder))
        with suppress(subprocess.TimeoutExpired):
            worker.wait(_POLL_SECONDS)
    return "finished"


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """Ask a worker to end, make it when it does not, and reap it."""
    worker.terminate()  # does nothing to one that has ended
    try:
        worker.wait(_FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    if worker.stdin:
        worker.stdin.close()


def _kill_leftovers(folder: Path) -> None:
    """Kill kernels that outlived their worker.

    A kernel looks once a second whether its parent still lives; not while it starts, nor while its code never lets the
    thread run. Its command line names a file in our folder. Where there is no /proc, its own look has to do.
    """
    mark = os.fsencode(folder) + b"/"
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark in cmdline.read_bytes():
                os.killpg(int(cmdline.parent.name), signal.SIGKILL)


def _last_words(folder: Path) -> str:
    lines = (folder / "worker.log").read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
