"""Who runs chaos ledgers: the servers, the process that forks workers, and what is done to the servers meanwhile."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Self

from ..errors import MeasurementFailed
from .ledger_log import Began, LogWriter, Row
from .ledger_nursery import END, SPARE, SWEEP, Told, nurse
from .ledger_servers import LossyProxy, Servers, private_servers
from .ledger_subjects import Subject
from .ledger_worker import Setting

Progress = Callable[[int], None]
"""Told now and then how many attempts there were."""

Enough = Callable[[Path, list[Row]], bool]
"""Asked now and then, with the log as it is and the rows of just before, whether to end without a sweep."""


class Crew:
    """Runs one trial after the other on servers of its own; a context manager.

    A script that uses it needs ``if __name__ == "__main__":``, because a process imports it.

    Raises:
        ConfigurationError: the installation lacks a server.
        CacheUnavailable: a server could not be started.
    """

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._servers = stack.enter_context(private_servers())
            spawning = get_context("spawn")
            self._pipe, there = spawning.Pipe()
            nursery = spawning.Process(target=nurse, args=(there,), daemon=True)
            nursery.start()
            there.close()  # so that the other end is the only one, and its end is seen
            stack.callback(_ended, self._pipe, nursery)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def run(
        self,
        subject: Subject,
        seed: int,
        log: Path,
        attempts: int,
        seconds: float,
        progress: Progress = lambda _: None,
        enough: Enough | None = None,
    ) -> None:
        """Put one lock on trial and write its event log.

        Args:
            subject: the lock, and what it has to stand.
            seed: what is drawn from. What meets what is up to the machine.
            log: the file; one that is there is replaced.
            attempts: how many each process makes; 0 for as many as there is time for.
            seconds: how long the workers go on at most; the sweep comes on top.
            progress: see :data:`Progress`.
            enough: see :data:`Enough`.

        Raises:
            MeasurementFailed: a process failed, or did not end.
        """
        self._servers.forget()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        with LogWriter(log) as writer:
            writer.put(_began(subject, seed))
            with _Mischief(self._servers, subject, seed, writer) as mischief:
                self._pipe.send(Setting(subject, seed, mischief.url, self._servers.bank, str(log), attempts, seconds))
                all_of_them, started, ended = attempts * subject.pressure.processes, time.monotonic(), False
                for told in self._told():
                    progress(told.attempts)
                    done = told.attempts / all_of_them if attempts else (time.monotonic() - started) / seconds
                    mischief.go_on(done)
                    if enough and not ended and enough(log, self._servers.rows()):
                        self._pipe.send(END)
                        ended = True
                mischief.end()
                self._pipe.send(SPARE if ended else SWEEP)
                for told in () if ended else self._told():
                    progress(told.attempts)
            for row in self._servers.rows():
                writer.put(row)

    def _told(self) -> Iterator[Told]:
        while True:
            try:
                told: Told = self._pipe.recv()
            except EOFError:
                message = "the process that forks the workers ended early; what it wrote on stderr says why"
                raise MeasurementFailed(message) from None
            if told.failure:
                raise MeasurementFailed(told.failure)
            yield told
            if told.over:
                return


class _Mischief:
    """What is done to the lock server while the workers work; a context manager."""

    def __init__(self, servers: Servers, subject: Subject, seed: int, log: LogWriter) -> None:
        self._servers, self._pressure, self._log = servers, subject.pressure, log
        self._chance = random.Random(f"{seed} servers")  # noqa: S311 - nothing secret
        losing = random.Random(f"{seed} replies")  # noqa: S311 - nothing secret
        pressure = subject.pressure
        self._proxy = LossyProxy(servers.url, losing, pressure.lose, pressure.late, self._lost)
        self._to_be_restarted = subject.pressure.restart
        self._wipe_at = self._next_wipe()

    def __enter__(self) -> Self:
        self._proxy.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._proxy.close()

    @property
    def url(self) -> str:
        """The lock server, by way of the proxy that loses replies."""
        return self._proxy.url

    def go_on(self, done: float) -> None:
        """Make the server forget if it is time to; once, half way through, by killing it."""
        if self._to_be_restarted and done > 0.5:
            self._to_be_restarted = False
            self._forget("killed and started again", self._servers.restart)
        elif time.monotonic() >= self._wipe_at:
            self._forget("flushed", self._servers.wipe)
            self._wipe_at = self._next_wipe()

    def end(self) -> None:
        """Lose nothing more."""
        self._proxy.share = 0.0

    def _next_wipe(self) -> float:
        wipe = self._pressure.wipe
        return time.monotonic() + self._chance.uniform(wipe / 2, wipe * 1.5) if wipe else float("inf")

    def _forget(self, how: str, forget: Callable[[], None]) -> None:
        self._log.note("wiping", detail=how)
        forget()
        self._log.note("wiped", detail=how)

    def _lost(self, fault: str) -> None:
        self._log.note("reply lost", detail=fault)


def _began(subject: Subject, seed: int) -> Began:
    pressure = subject.pressure
    return Began(subject.name, seed, pressure.processes, pressure.names, pressure.ttl, pressure.ttl + pressure.linger)


def _ended(pipe: Connection, nursery: SpawnProcess) -> None:
    pipe.close()
    nursery.join(5)
    if nursery.is_alive():
        nursery.kill()
        nursery.join()
    nursery.close()
