"""Callers at one lock: how long they wait, who is served first, and what a double click is told.

A closed loop, and meant to be one: contention *is* the number of callers that are there at once. Each of them asks
again as soon as it has let go, so that all but the holder are always waiting. They are tasks of one process, on one
cache.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..async_cache import AsyncCache
from ..errors import LockBusy, LockLost, LockUnavailable
from ..events import Event, LockAsked, LockEnded
from .result import ClickRow, ContentionRow
from .stats import percentile, ratio_of_means, share

Answer = Literal["let in", "already under way", "no answer"]

_TTL = 10.0  # nobody here is paused past it
_WAIT = 20.0


@dataclass(frozen=True, eq=False)
class Contention:
    """What became of so many callers at one lock; the arrays have an element for each grant, in order of the grants.

    Args:
        contenders: how many there were at once.
        fair: whether the lock was asked for with ``fair=True``.
        asked_s: when it was asked for, in seconds from the start.
        granted_s: when it was granted.
        released_s: when the server had confirmed that it was given back.
        commands: sent for all of it.
        refused: how often it could not be had.
    """

    contenders: int
    fair: bool
    asked_s: NDArray[np.float64]
    granted_s: NDArray[np.float64]
    released_s: NDArray[np.float64]
    commands: int
    refused: int

    @property
    def wait_ms(self) -> NDArray[np.float64]:
        """From asking to the grant."""
        return (self.granted_s - self.asked_s) * 1000

    @property
    def hold_ms(self) -> NDArray[np.float64]:
        """From the grant to the confirmed release."""
        return (self.released_s - self.granted_s) * 1000

    def row(self, instant_ms: float) -> ContentionRow:
        """Return it as it is published; for ``instant_ms`` see :meth:`in_order`."""
        waits = self.wait_ms
        return ContentionRow(
            contenders=self.contenders,
            fair=self.fair,
            grants=len(waits),
            refused=self.refused,
            grants_per_second=ratio_of_means(np.ones(len(waits) - 1), np.diff(self.granted_s)),
            wait_p50_ms=percentile(waits, 50),
            wait_p95_ms=percentile(waits, 95),
            hold_p50_ms=percentile(self.hold_ms, 50),
            hold_p95_ms=percentile(self.hold_ms, 95),
            longest_to_median=float(waits.max() / np.median(waits)),
            in_order=share(self.in_order(instant_ms)),
            commands_per_grant=self.commands / len(waits),
        )

    def in_order(self, instant_ms: float) -> NDArray[np.bool_]:
        """Tell of each grant whether nobody was passed over who had asked earlier.

        Args:
            instant_ms: whoever asked no more than this earlier asked at the same instant: a command's way takes longer.
        """
        # The one who had waited longest, of those who were still waiting then and after.
        earliest = np.minimum.accumulate(self.asked_s[::-1])[::-1]
        passed: NDArray[np.bool_] = self.asked_s - earliest > instant_ms / 1000
        return ~passed


@dataclass(frozen=True, eq=False)
class Clicks:
    """What became of double clicks; the lists have an element for each click, in order of the rounds.

    Args:
        contenders: how many clicks came at the same instant, in each round.
        answers: what each was told.
        answer_ms: how long it took to be told.
    """

    contenders: int
    answers: list[Answer]
    answer_ms: NDArray[np.float64]

    @property
    def row(self) -> ClickRow:
        """It as it is published."""
        told = np.array(self.answers)
        rejected = self.answer_ms[told == "already under way"]
        return ClickRow(
            contenders=self.contenders,
            clicks=len(told),
            let_in=int((told == "let in").sum()),
            rejected=len(rejected),
            no_answer=int((told == "no answer").sum()),
            rejected_p50_ms=percentile(rejected, 50) if len(rejected) else None,
            rejected_p95_ms=percentile(rejected, 95) if len(rejected) else None,
        )


def levels(most: int) -> list[int]:
    """Return the levels of contention up to the highest: powers of two, and it."""
    return sorted({1 << power for power in range(most.bit_length())} | {most})


class Counter:
    """Counts the commands that a lock's name costs, as its cache tells.

    Args:
        name: the lock's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.commands = 0

    def __call__(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, (LockAsked, LockEnded)) and event.name == self._name:
            self.commands += event.commands


async def contend(
    cache: AsyncCache, contenders: int, seconds: float, body_seconds: float, *, fair: bool = False
) -> Contention:
    """Let callers take one lock in turn, for a while; those who wait at the end are still served.

    Args:
        cache: grants it.
        contenders: how many callers.
        seconds: for how long they ask anew.
        body_seconds: how long each holds it.
        fair: whether they ask for it with ``fair=True``.
    """
    name = f"contended:{contenders}{':fair' if fair else ''}"
    grants: list[tuple[float, float, float]] = []
    refused = 0
    start = time.perf_counter()

    async def caller() -> None:
        nonlocal refused
        while time.perf_counter() - start < seconds:
            asked = time.perf_counter() - start
            try:
                async with cache.lock(name, _TTL, wait=_WAIT, fair=fair):
                    granted = time.perf_counter() - start
                    await asyncio.sleep(body_seconds)
                grants.append((granted, asked, time.perf_counter() - start))
            except (LockBusy, LockUnavailable, LockLost):
                refused += 1

    counter = Counter(name)
    unsubscribe = cache.subscribe(counter)
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(contenders):
                tasks.create_task(caller())
    finally:
        unsubscribe()
    granted, asked, released = np.array(sorted(grants), dtype=np.float64).reshape(-1, 3).T
    return Contention(contenders, fair, asked, granted, released, counter.commands, refused)


async def double_click(cache: AsyncCache, contenders: int, rounds: int) -> Clicks:
    """Let clicks on one button come at the same instant, round after round; who got in works until all are answered.

    Args:
        cache: grants the lock.
        contenders: how many clicks.
        rounds: how often.
    """
    answers: list[Answer] = []
    times: list[float] = []
    for number in range(rounds):
        for answer, ms in await _round(cache, f"clicked:{contenders}:{number}", contenders):
            answers.append(answer)
            times.append(ms)
    return Clicks(contenders, answers, np.array(times))


async def _round(cache: AsyncCache, name: str, contenders: int) -> list[tuple[Answer, float]]:
    answered, waiting = asyncio.Event(), contenders

    def one_more() -> float:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            answered.set()
        return (time.perf_counter() - start) * 1000

    async def click() -> tuple[Answer, float]:
        try:
            async with cache.lock(name, _TTL):
                ms = one_more()
                await answered.wait()
        except LockBusy:
            return "already under way", one_more()
        except LockUnavailable:
            return "no answer", one_more()
        return "let in", ms

    start = time.perf_counter()
    return list(await asyncio.gather(*(click() for _ in range(contenders))))
