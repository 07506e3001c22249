"""The process that forks the workers of a chaos ledger, wakes those that were stopped, replaces those that were killed.

It has one thread and has imported everything, so that a worker is one ``fork`` away: a kill costs milliseconds.
"""

import gc
import logging
import mmap
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from .ledger_log import LogWriter
from .ledger_worker import Setting, Worker

END, SWEEP, SPARE = "end", "sweep", "spare"
"""What a nursery is told: that workers are to end early; then that there is to be a sweep, or none."""

_POLL_SECONDS = 0.002
_TOLD_SECONDS = 0.1
_WORD_BYTES = 8
_MOST_SAID = 1000
_SPARE_SECONDS = 60.0  # after the time of a trial, and for a sweep: a deadline for a laden machine


class Told(msgspec.Struct, frozen=True):
    """What a nursery tells now and then.

    Args:
        attempts: how many were begun.
        over: whether the workers, or then the sweeper, have ended.
        failure: what went wrong, "" if nothing did.
    """

    attempts: int
    over: bool = False
    failure: str = ""


def nurse(pipe: Connection) -> None:
    """Run the workers of each trial, then, when told to, its sweeper: what the nursery does.

    Args:
        pipe: brings a trial's setting, a word to end it early, then whether there is to be a sweep; takes what is told.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one too, which ends it
    logging.getLogger("dousell_cache").setLevel(logging.CRITICAL)  # that things fail is what this is about
    gc.freeze()
    with suppress(EOFError, BrokenPipeError):  # whoever started this process is gone
        while True:
            word = pipe.recv()
            if isinstance(word, Setting):  # else it is left over from a trial that failed
                _nurse_one(word, pipe)


def _nurse_one(setting: Setting, pipe: Connection) -> None:
    with LogWriter(Path(setting.log)) as log:
        nursery = _Nursery(setting, pipe, log)
        try:
            if nursery.run_workers() and nursery.is_to_sweep():
                nursery.run_sweeper()
        finally:
            nursery.end()


class _Nursery:
    def __init__(self, setting: Setting, pipe: Connection, log: LogWriter) -> None:
        self._setting, self._pipe, self._log = setting, pipe, log
        self._processes = setting.subject.pressure.processes
        shared = mmap.mmap(-1, (self._processes + 2) * _WORD_BYTES)  # shared with every fork; each writes its own word
        self._progress: Any = memoryview(shared).cast("Q")
        self._children: dict[int, int] = {}  # the number of the process, by process id
        self._asleep: list[tuple[float, int]] = []
        self._failure = ""
        self._complaints = os.pipe()

    def run_workers(self) -> bool:
        """Run the workers until they have ended; tell whether they did so well."""
        until = time.monotonic() + self._setting.seconds
        return self._run(range(self._processes), lambda worker: worker.work(until))

    def is_to_sweep(self) -> bool:
        """Wait for what is to be done now."""
        while (word := self._pipe.recv()) == END:
            pass  # it came when they had ended
        return bool(word == SWEEP)

    def run_sweeper(self) -> None:
        """Have whatever is left paid."""
        self._log.note("sweeping")
        self._run([self._processes], Worker.sweep)
        self._log.note("swept")

    def _run(self, processes: Iterable[int], job: Callable[[Worker], None]) -> bool:
        for process in processes:
            self._fork(process, job)
        self._mind(job, time.monotonic() + self._setting.seconds + _SPARE_SECONDS)
        self._pipe.send(Told(self._begun(), over=True, failure=self._failure))
        return not self._failure

    def _begun(self) -> int:
        return sum(self._progress[:-1])

    def end(self) -> None:
        """Kill whoever is left."""
        for child in self._children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        for end in self._complaints:
            os.close(end)

    def _fork(self, process: int, job: Callable[[Worker], None]) -> None:
        child = os.fork()
        if child:
            self._children[child] = process
            return
        code = 1
        try:
            _die_with_parent()
            job(Worker(self._setting, process, self._progress, self._log))
            code = 0
        except BaseException as error:  # noqa: BLE001 - this process must not go on as a second nursery
            traceback.print_exc()
            os.write(self._complaints[1], f"{type(error).__name__}: {error}".encode()[:_MOST_SAID])
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _mind(self, job: Callable[[Worker], None], deadline: float) -> None:
        told = 0.0
        while self._children and not self._failure:
            self._wake()
            if not self._reap(job):
                time.sleep(_POLL_SECONDS)
            now = time.monotonic()
            if now > told + _TOLD_SECONDS:
                told = now
                self._pipe.send(Told(self._begun()))
                self._progress[-1] = self._progress[-1] or self._pipe.poll()
            if now > deadline:
                self._failure = f"{len(self._children)} processes did not end"

    def _reap(self, job: Callable[[Worker], None]) -> bool:
        child, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not child:
            return False
        if os.WIFSTOPPED(status):
            pressure = self._setting.subject.pressure
            self._asleep.append((time.monotonic() + pressure.pause * pressure.ttl, child))
            return True
        process = self._children.pop(child)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            self._fork(process, job)
        elif status:
            said = os.read(self._complaints[0], _MOST_SAID) if os.WIFEXITED(status) else f"status {status}".encode()
            self._failure = f"process {process} failed: {said.decode(errors='replace')}"
        return True

    def _wake(self) -> None:
        now = time.monotonic()
        for due, child in self._asleep:
            if due <= now:
                os.kill(child, signal.SIGCONT)
        self._asleep = [(due, child) for due, child in self._asleep if due > now]


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also when the nursery is killed
