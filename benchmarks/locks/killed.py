"""A holder that is killed: when the next one gets the lock. Not before the TTL is over, and soon after.

Two moments of the holder's bound the server's own: the TTL began after it asked and before it was granted.
"""

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import msgspec
import numpy as np

from dousell_cache.measure.stats import Interval, percentile

from ..contenders import Contender
from ..harness import LOCKS, Process, Server, processes
from ..machine import cores, pin
from .contenders import KILLED, WHOLE_SECONDS
from .tasks import Grab, Grabbed, Held, Hold

KILLS = {"full": 200, "quick": 20}
TTL = 0.3
COARSE_TTL = 1.0
_ARRIVAL = 0.1  # seconds within which the waiter comes: whoever polls does so at any moment when the TTL ends
_NOTICE = 0.03  # seconds in which it has begun to wait
LANES = 4  # locks at a time: most of it is waiting


class KilledRow(msgspec.Struct, frozen=True):
    """One contender.

    Args:
        contender: as the tables call it.
        ttl: seconds, of every lock.
        kills: of holders, each while one other process waited.
        p50_ms: from the end of the holder's TTL to the next grant.
        p99_ms: likewise.
        worst_ms: likewise.
        earliest_ms: the least time from the end of a TTL that began when its holder asked; below 0 is too early.
    """

    contender: str
    ttl: float
    kills: int
    p50_ms: Interval
    p99_ms: Interval
    worst_ms: float
    earliest_ms: float


class KilledReport(msgspec.Struct, frozen=True):
    """All contenders."""

    rows: list[KilledRow]
    versions: dict[str, str]


class Kill(msgspec.Struct, frozen=True):
    """One killed holder and who came after it, by the machine's monotonic clock."""

    asked: float
    granted: float
    next_granted: float


def measure_killed(where: Server, profile: str) -> KilledReport:
    """Kill holders of every contender's lock, some locks at a time."""
    pin(where.pid, cores())
    rows, known = [], dict[str, str]()
    for contender in KILLED:
        with processes([contender] * 2 * LANES, where.url, LOCKS) as (started, versions):
            known |= versions
            ttl = COARSE_TTL if contender in WHOLE_SECONDS else TTL
            rows.append(_row(contender, ttl, _kills(started, ttl, KILLS[profile])))
    return KilledReport(rows, known)


def _kills(started: Sequence[Process], ttl: float, count: int) -> list[Kill]:
    for waiter in started[LANES:]:  # what connecting takes is no part of it
        waiter.tell(Grab(f"killed:{waiter.contender.place}:warm", ttl))
        waiter.hear(Grabbed)
    with ThreadPoolExecutor(LANES) as lanes:
        numbers = np.array_split(np.arange(count), LANES)
        done = lanes.map(_lane, started[:LANES], started[LANES:], [ttl] * LANES, [some.tolist() for some in numbers])
        return [kill for kills in done for kill in kills]


def _lane(holder: Process, waiter: Process, ttl: float, numbers: Sequence[int]) -> list[Kill]:
    return [one_kill(holder, waiter, ttl, number) for number in numbers]


def one_kill(holder: Process, waiter: Process, ttl: float, number: int) -> Kill:
    """Kill one holder's process while another process waits for its lock."""
    lock = f"killed:{holder.contender.place}:{number}"
    holder.tell(Hold(lock, ttl))
    held = holder.hear(Held)
    drawn = Random(number)  # noqa: S311 - drawn, not secret
    time.sleep(drawn.uniform(0.0, _ARRIVAL))
    waiter.tell(Grab(lock, ttl))
    time.sleep(drawn.uniform(_NOTICE, _ARRIVAL + _NOTICE))
    os.kill(held.pid, signal.SIGKILL)
    return Kill(held.asked, held.granted, waiter.hear(Grabbed).granted)


def _row(contender: Contender, ttl: float, kills: Sequence[Kill]) -> KilledRow:
    late = np.array([kill.next_granted - kill.granted - ttl for kill in kills]) * 1000
    sure = np.array([kill.next_granted - kill.asked - ttl for kill in kills]) * 1000
    return KilledRow(
        contender.how,
        ttl,
        len(kills),
        p50_ms=percentile(late, 50),
        p99_ms=percentile(late, 99),
        worst_ms=float(late.max()),
        earliest_ms=float(sure.min()),
    )
