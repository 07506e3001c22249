"""Child processes: spawn, wait until ready, stop. Knows nothing of what they serve.

A child has its own session, so a notebook's interrupt passes it by; writes to a log file; and, on Linux, dies with the
thread that spawned it: spawn from a main thread.
"""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from dousell_cache.errors import CacheUnavailable

from .users import OURSELVES, User

__all__ = ["Child", "PortTaken", "answers_http", "free_ports", "passed_on", "spawn", "stop_all"]

_LIFELINE = Path(__file__).with_name("lifeline.py")
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH")
_POLL_SECONDS = 0.01
_HTTP_SECONDS = 2.0
_TAIL_LINES = 6
_CLASH = re.compile("address (already )?in use", re.IGNORECASE)


class PortTaken(CacheUnavailable):
    """Another process took the port between our choice and the child's bind."""


@dataclass(frozen=True)
class Child:
    """A running child process.

    Args:
        name: what messages call it.
        popen: the process.
        log: where its output goes.
        farewell: the signal that asks it to stop.
    """

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path
    farewell: signal.Signals

    @property
    def pid(self) -> int:
        """The process id, which is also its session's."""
        return self.popen.pid

    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return self.popen.poll() is None

    def wait_ready(self, probe: Callable[[], bool], seconds: float) -> None:
        """Wait until the probe says yes.

        Args:
            probe: asks the child; must not raise and must not block for long.
            seconds: the most to wait.

        Raises:
            PortTaken: the child ended because its port was in use.
            CacheUnavailable: the child ended or was not ready in time; the message ends with its last words.
        """
        deadline = time.monotonic() + seconds
        while not probe():
            self._check(deadline, seconds)
            time.sleep(_POLL_SECONDS)
        self._check(deadline + 1, seconds)  # a stranger on the same port may have answered for a dead child

    def wait_done(self, seconds: float) -> None:
        """Wait until a program that ends by itself has ended well.

        Args:
            seconds: the most to wait.

        Raises:
            CacheUnavailable: it failed or took too long; the message ends with its last words.
        """
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise CacheUnavailable(f"{self.name} was not done after {seconds:g} s") from None
        if status:
            raise CacheUnavailable(f"{self.name} failed: {_last_words(self.log)}")

    def _check(self, deadline: float, seconds: float) -> None:
        if not self.alive():
            words = _last_words(self.log)
            raise (PortTaken if _CLASH.search(words) else CacheUnavailable)(
                f"{self.name} ended before it was ready: {words}"
            )
        if time.monotonic() > deadline:
            raise CacheUnavailable(f"{self.name} was not ready after {seconds:g} s: {_last_words(self.log)}")


def spawn(
    name: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    user: User = OURSELVES,
    environment: Mapping[str, str] | None = None,
    death: signal.Signals = signal.SIGKILL,
    farewell: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a program that dies with the calling thread.

    Args:
        name: what messages call it.
        command: the program's full path and its arguments; no secrets, for anybody may list them.
        log: receives the program's output; its folder becomes the working folder.
        user: who to run as; only root may name another.
        environment: what to add to the variables of ``passed_on``; secrets go here.
        death: what the kernel sends when we die (Linux).
        farewell: what ``stop_all`` sends first.

    Returns:
        The child, running but perhaps not ready.
    """
    shim = [sys.executable, "-I", "-S", _LIFELINE, os.getpid(), int(death), user.uid, user.gid]
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [str(part) for part in (*shim, *command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=passed_on() | dict(environment or {}),
            start_new_session=True,
        )
    return Child(name, popen, log, farewell)


def stop_all(children: Iterable[Child], seconds: float = 3.0) -> None:
    """Ask every child to stop, then kill what has not stopped, and reap them all.

    Args:
        children: those to stop; ended ones are fine.
        seconds: how long they may take together.
    """
    children = list(children)
    deadline = time.monotonic() + seconds
    for child in children:
        child.popen.send_signal(child.farewell)
    for child in children:
        try:
            child.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.popen.wait()


def passed_on() -> dict[str, str]:
    """Return the few variables that a child inherits.

    The rest of ours stays here: a proxy setting would lead a gateway astray, and our credentials are none of its
    business.
    """
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def free_ports(count: int) -> list[int]:
    """Choose distinct free ports on the loopback interface.

    Whoever binds them later may find one taken: see ``PortTaken``.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]


def answers_http(port: int, path: str) -> bool:
    """Tell whether a server on loopback answers GET with 200; never raises, waits two seconds at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HTTP_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(lines[-_TAIL_LINES:]) or "it said nothing"
