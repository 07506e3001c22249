"""The processes that play the histories of one seed: started, told what to play, stopped in mid-step, and ended."""

import os
import random
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Self

from ..environments import Environment
from ..errors import CacheError, MeasurementFailed
from ..keys import Names
from ..runner import run_blocking
from ..transport.connect import blocking_transport
from .history_checker import Event, Happening
from .history_episode import Episode, Origin
from .history_worker import PATIENCE, Setting, work

_ABREAST = 48  # histories at the same time: while one waits, others go on
_ABREAST_OVER_REST = 16  # an HTTP client has a hundred connections, and waiting for one uses up patience
_LONGEST_BATCH_SECONDS = 120.0  # a batch takes a fraction of a second, so somebody waits for ever
_BETWEEN_PAUSES_SECONDS = 0.05
_PAUSES_SECONDS = {0.005: 8, 0.02: 8, 0.05: 3, 0.4: 1}  # and how often; the longest outlasts a lease


class Crew:
    """Processes that play histories; a context manager.

    Args:
        environment: the server.
        seed: what programs are drawn from.
        histories: how many there are to play.
        processes: how many processes.
        without: the guard to switch off; "" for none.
    """

    def __init__(self, environment: Environment, seed: int, histories: int, processes: int, without: str = "") -> None:
        self.pauses = 0
        """How often a process was made to stand still."""
        self._seed, self._histories, self._processes = seed, histories, processes
        self._chance = random.Random(seed)  # noqa: S311 - nothing secret
        self._names = Names(f"histories:{secrets.token_hex(4)}:")  # runs on one server do not meet
        self._setting = Setting(environment, self._names.namespace, seed, Origin(histories), without)
        self._members: dict[Connection, SpawnProcess] = {}

    def __enter__(self) -> Self:
        self._server = blocking_transport(self._setting.environment, PATIENCE)
        spawning = get_context("spawn")
        try:
            for number in range(self._processes):
                here, there = spawning.Pipe()
                self._members[here] = spawning.Process(target=work, args=(self._setting, number, there), daemon=True)
                self._members[here].start()
                there.close()  # so that the other end is the only one, and its end is seen
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end()

    def play(self) -> Iterator[tuple[int, list[Event]]]:
        """Yield each history's number and everything that happened in it.

        Raises:
            MeasurementFailed: a process ended early or does not end.
        """
        for batch in self._batches():
            yield from self._played(batch).items()
            self._clean(batch)

    def _batches(self) -> Iterator[range]:
        abreast = _ABREAST_OVER_REST if self._setting.environment.kind == "rest" else _ABREAST
        for first in range(0, self._histories, abreast):
            yield range(first, min(first + abreast, self._histories))

    def _played(self, batch: range) -> dict[int, list[Event]]:
        events: dict[int, list[Event]] = {number: [] for number in batch}
        for pipe in self._members:
            pipe.send(batch)
        playing, deadline = set(self._members), time.monotonic() + _LONGEST_BATCH_SECONDS
        while playing:
            ready = wait(playing, self._chance.expovariate(1 / _BETWEEN_PAUSES_SECONDS))
            for pipe in playing.intersection(ready):
                for number, happened in self._received(pipe, batch):
                    events[number] += happened
                playing.remove(pipe)
            if playing and not ready:
                pause = self._pause(self._chance.choice([pipe for pipe in self._members if pipe in playing]))
                for happened in events.values():
                    happened.append(pause)
            if playing and time.monotonic() > deadline:
                raise MeasurementFailed(f"histories {batch} of seed {self._seed} did not end: {self._stuck(playing)}")
        return events

    def _received(self, pipe: Connection, batch: range) -> list[tuple[int, list[Event]]]:
        try:
            played: list[tuple[int, list[Event]]] = pipe.recv()
        except EOFError:
            message = f"a process ended during {batch} of seed {self._seed}; what it wrote on stderr says why"
            raise MeasurementFailed(message) from None
        return played

    def _stuck(self, playing: set[Connection]) -> str:
        return ", ".join(f"p{number}" for number, pipe in enumerate(self._members) if pipe in playing)

    def _pause(self, pipe: Connection) -> Event:
        """Make a process stand still for a while, as a laden machine or a garbage collection does."""
        member, called = self._members[pipe], time.monotonic_ns()
        pid = member.pid or 0
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(*self._chance.choices(list(_PAUSES_SECONDS), list(_PAUSES_SECONDS.values())))
        finally:
            os.kill(pid, signal.SIGCONT)
        self.pauses += 1
        number = list(self._members).index(pipe)
        return Happening(f"p{number}", called, time.monotonic_ns(), "paused")

    def _clean(self, batch: range) -> None:
        names = [name for number in batch for name in Episode(self._seed, number).names(self._names)]
        run_blocking(self._server.send("DEL", *names))

    def _end(self) -> None:
        for pipe, member in self._members.items():
            pipe.close()
            member.join(5)
            if member.is_alive():
                member.kill()
                member.join()
            member.close()
        with suppress(CacheError):  # it may be what went wrong
            for batch in self._batches():
                self._clean(batch)  # once more: refreshes went on behind their callers' backs
        self._server.close()
