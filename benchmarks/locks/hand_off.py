"""A lock that many want: how soon it passes from hand to hand, in which order, and what that costs.

A hand-off is the time from a holder's beginning to give the lock back to the next holder's being inside, counted where
somebody was waiting by then. Holders do nothing; so a machine of few cores is not what is measured.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import redis

from dousell_cache.measure.stats import Interval

from ..cold_key import watched
from ..contenders import Contender
from ..harness import LOCKS, Calm, Process, Round, Server, calm, median, processes, run_rounds
from ..machine import cores, pin
from .contenders import ASYNC_HAND_OFF, HAND_OFF
from .tasks import Contend, Contended, Grant

ROUNDS = {"full": 6, "quick": 2}
SECONDS = {"full": 1.0, "quick": 0.5}
PROCESSES = 8
_NOTICE_SECONDS = 0.05  # from telling the processes to the moment when all begin


class Crowd(msgspec.Struct, frozen=True):
    """Who wants the lock: how many processes of how many callers, how long each holds it and then does without."""

    processes: int
    callers: int
    hold: float
    think: float


ROOMY, TIGHT = (0.02, 0.1), (0.005, 0.005)
CROWDS = {
    "processes": Crowd(8, 1, *ROOMY),
    "one process": Crowd(1, 8, *ROOMY),
    "8, tight": Crowd(8, 1, *TIGHT),
    "16, tight": Crowd(8, 2, *TIGHT),
}


class Passing(msgspec.Struct, frozen=True):
    """One contender in one round.

    Args:
        p50_ms: of the hand-offs.
        p95_ms: likewise.
        grants: how often the lock was got, per second.
        commands: that clients sent for a grant, not those inside scripts.
        cpu_us: processor time of all clients for a grant.
        longest: wait, over the median wait.
        overtaken: share of grants that went to somebody who asked too late, past those who waited.
        overlaps: grants before the one before had begun to leave: 0, or it is no lock.
    """

    p50_ms: float
    p95_ms: float
    grants: float
    commands: float
    cpu_us: float
    longest: float
    overtaken: float
    overlaps: int


class PassingRow(msgspec.Struct, frozen=True):
    """One contender in one crowd: medians over the rounds, and the longest wait of the worst round."""

    contender: str
    face: str
    crowd: str
    p50_ms: Interval
    p95_ms: Interval
    grants: Interval
    commands: Interval
    cpu_us: Interval
    longest: Interval
    longest_ever: float
    overtaken: Interval
    overlaps: int


class PassingReport(msgspec.Struct, frozen=True):
    """All crowds, and how calm the machine was."""

    rows: list[PassingRow]
    noise: list[Calm]
    versions: dict[str, str]


def measure_hand_off(where: Server, profile: str) -> PassingReport:
    """Let every crowd want a lock of each contender, round by round."""
    pin(where.pid, cores())  # eight processes have no core each: the scheduler places them, and the server
    contenders = HAND_OFF + ASYNC_HAND_OFF
    report = PassingReport([], [], {})
    with (
        redis.Redis.from_url(where.url) as ours,
        processes([one for one in contenders for _ in range(PROCESSES)], where.url, LOCKS) as (started, versions),
    ):
        ours.ping()  # connected: what that takes is no contender's
        pids = [where.pid, *(process.pid for process in started)]
        for name, crowd in CROWDS.items():

            def visit(contender: Contender, number: int, name: str = name, crowd: Crowd = crowd) -> Passing:
                team = [process for process in started if process.contender == contender][: crowd.processes]
                lock = f"{name}:{contender.place}:{number}".replace(" ", "")
                if number == 0:  # connections and threads are made once, and not here
                    _contend(team, crowd, f"{lock}:warm", crowd.hold)
                return measured(ours, team, crowd, lock, SECONDS[profile])

            rounds = run_rounds(visit, contenders, ROUNDS[profile], pids)
            report.rows.extend(_row(rounds, contender, name) for contender in contenders)
            report.noise.append(calm(name, rounds))
    report.versions.update(versions)
    return report


def measured(ours: redis.Redis, team: Sequence[Process], crowd: Crowd, lock: str, seconds: float) -> Passing:
    """Let a crowd want a lock, and count what that takes.

    Args:
        ours: a connected client that nobody else uses.
        team: the processes of the crowd.
        crowd: who wants it.
        lock: its name.
        seconds: for how long they ask.
    """
    with watched(ours) as commands_so_far:
        done = _contend(team, crowd, lock, seconds)
        commands = commands_so_far()
    return summed([one.grants for one in done], commands, sum(one.cpu_seconds for one in done), seconds)


def _contend(team: Sequence[Process], crowd: Crowd, lock: str, seconds: float) -> list[Contended]:
    start = time.monotonic() + _NOTICE_SECONDS
    for process in team:
        process.tell(Contend(lock, crowd.callers, start, seconds, crowd.hold, crowd.think))
    return [process.hear(Contended) for process in team]


def summed(each: Sequence[Sequence[Grant]], commands: int, cpu_seconds: float, seconds: float) -> Passing:
    """Return what the grants of some processes amount to.

    Args:
        each: the grants of each process.
        commands: that all of them sent.
        cpu_seconds: that all of them used.
        seconds: for which they asked.
    """
    grants = sorted((grant for one in each for grant in one), key=lambda grant: grant.granted)
    times = np.array(list(hand_offs(grants))) * 1000
    waits = np.array([grant.granted - grant.asked for grant in grants])
    return Passing(
        p50_ms=float(np.percentile(times, 50)),
        p95_ms=float(np.percentile(times, 95)),
        grants=len(grants) / seconds,
        commands=commands / len(grants),
        cpu_us=cpu_seconds / len(grants) * 1e6,
        longest=float(waits.max() / np.median(waits)),
        overtaken=overtaken(grants),
        overlaps=sum(after.granted < before.leaving for before, after in pairwise(grants)),
    )


def hand_offs(grants: Sequence[Grant]) -> Iterator[float]:
    """Yield the seconds from one holder's leaving to the next one's grant, where somebody waited by then.

    Args:
        grants: in the order in which they were granted.
    """
    for before, after in pairwise(grants):
        if after.asked < before.leaving:
            yield after.granted - before.leaving


def overtaken(grants: Sequence[Grant]) -> float:
    """Return the share of grants that went to one who asked after the holder began to leave, past one who waited.

    Args:
        grants: in the order in which they were granted.
    """
    passed = [
        after.asked > before.leaving and any(other.asked < before.leaving for other in grants[number + 2 :])
        for number, (before, after) in enumerate(pairwise(grants))
    ]
    return sum(passed) / len(passed)


def _row(rounds: list[Round[Passing]], contender: Contender, crowd: str) -> PassingRow:
    def over_rounds(name: str) -> Interval:
        return median(rounds, lambda answers: getattr(answers[contender], name))

    return PassingRow(
        contender.how,
        contender.face,
        crowd,
        p50_ms=over_rounds("p50_ms"),
        p95_ms=over_rounds("p95_ms"),
        grants=over_rounds("grants"),
        commands=over_rounds("commands"),
        cpu_us=over_rounds("cpu_us"),
        longest=over_rounds("longest"),
        longest_ever=max(one.answers[contender].longest for one in rounds),
        overtaken=over_rounds("overtaken"),
        overlaps=sum(one.answers[contender].overlaps for one in rounds),
    )
