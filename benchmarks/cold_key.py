"""One cold key, 100 callers: 25 in each of 4 processes ask at the same moment for what takes 200 ms to load."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import msgspec
import numpy as np
import redis

from dousell_cache.measure.stats import Interval

from .contenders import COLD, Contender
from .harness import Calm, Process, Round, Server, calm, median, processes, run_rounds
from .machine import cores, pin
from .tasks import Cold, ColdDone

PROCESSES, CALLERS, LOAD_SECONDS = 4, 25, 0.2
ROUNDS = {"full": 9, "quick": 3}
_NOTICE_SECONDS = 0.05  # from telling the processes to the moment when all begin


class OneCold(msgspec.Struct, frozen=True):
    """One contender in one round: the last of 95 of 100 callers was answered after so long, at that price."""

    p95: float
    loads: int
    commands: int


class ColdRow(msgspec.Struct, frozen=True):
    """One contender.

    Args:
        contender: as the tables call it.
        face: blocking or asyncio.
        p95_seconds: within which 95 of the 100 callers had their value; the median round.
        loads: how often the loader ran; in the median round.
        commands: how many the clients sent to the server, not those inside scripts; in the median round.
        most_loads: in the worst round.
    """

    contender: str
    face: str
    p95_seconds: Interval
    loads: Interval
    commands: Interval
    most_loads: int


class ColdReport(msgspec.Struct, frozen=True):
    """All contenders, and how calm the machine was."""

    rows: list[ColdRow]
    noise: list[Calm]
    versions: dict[str, str]


def measure_cold(where: Server, profile: str) -> ColdReport:
    """Let each contender's four processes meet a cold key, round by round."""
    pin(where.pid, cores())  # four processes have no core each: the scheduler places them, and the server
    ours = redis.Redis.from_url(where.url)
    ours.ping()  # connected: what that takes is no contender's
    with processes([contender for contender in COLD for _ in range(PROCESSES)], where.url) as (started, versions):

        def visit(contender: Contender, number: int) -> OneCold:
            team = [process for process in started if process.contender == contender]
            if number == 0:  # connections and threads are made once, and not here
                _ask_all(team, f"{contender.place}:warm", 0.02)
            return _one_cold(ours, team, f"{contender.place}:{number}")

        pids = [where.pid, *(process.pid for process in started)]
        rounds = run_rounds(visit, COLD, ROUNDS[profile], pids)
    return ColdReport([_row(rounds, contender) for contender in COLD], [calm("cold key", rounds)], versions)


def _row(rounds: list[Round[OneCold]], contender: Contender) -> ColdRow:
    return ColdRow(
        contender.how,
        contender.face,
        p95_seconds=median(rounds, lambda answers: answers[contender].p95),
        loads=median(rounds, lambda answers: answers[contender].loads),
        commands=median(rounds, lambda answers: answers[contender].commands),
        most_loads=max(one.answers[contender].loads for one in rounds),
    )


def _one_cold(ours: redis.Redis, team: Sequence[Process], key: str) -> OneCold:
    with watched(ours) as commands_so_far:
        done = _ask_all(team, key, LOAD_SECONDS)
        commands = commands_so_far()
    times = np.sort([seconds for one in done for seconds in one.seconds])
    return OneCold(float(times[len(times) * 95 // 100 - 1]), sum(one.loads for one in done), commands)


def _ask_all(team: Sequence[Process], key: str, load_seconds: float) -> list[ColdDone]:
    start = time.monotonic() + _NOTICE_SECONDS
    for process in team:
        process.tell(Cold(key, CALLERS, start, load_seconds))
    return [process.hear(ColdDone) for process in team]


@contextmanager
def watched(ours: redis.Redis) -> Iterator[Callable[[], int]]:
    """Watch a server; give what counts the commands that clients sent it since, leaving out what scripts did.

    Args:
        ours: a connected client that nobody else uses.
    """
    kwargs = ours.connection_pool.connection_kwargs
    watcher: Any = redis.Redis(host=kwargs["host"], port=kwargs["port"])
    with watcher, watcher.monitor() as monitor:

        def commands_so_far() -> int:
            ours.echo("that is all")  # in the server's own order: what stands before this line came before it
            lines = iter(monitor.next_command, None)
            before = takewhile(lambda line: line["command"] != "ECHO that is all", lines)
            return sum(line["client_type"] != "lua" for line in before)

        yield commands_so_far
