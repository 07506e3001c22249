"""How soon a change is seen, and how many reads are stale: with leases, without them, and by time to live alone.

Writers change rows and withdraw them while visitors read them through caches of their own, as several processes would.
The rows are numbers in this process, some way away, so that every answer says which version it is; the cache is real.
"""

import asyncio
import math
import os
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd

from ..async_cache import AsyncCache
from ..connecting import connect_async
from ..dousell.site import cache_environment
from ..environments import Environment
from ..errors import CacheUnavailable
from .caching_ways import GUARDED, WAYS, Way
from .kpis import Verdict, judge_all, kpis_in_force
from .load import LoadResult, run_open_loop
from .plans import check_bounds, check_profile
from .popularity import zipf_ranks
from .progress import Watcher
from .provenance import commit
from .result import LatencyRow, Result, this_host, utc_now
from .stats import Interval, Samples, never, percentile
from .withdrawals import Change, Seen, promised, seconds_stale, seconds_until_correct, stale
from .workload import Schedule

_SECONDS = {"quick": 8.0, "full": 90.0}  # of each way
_BOUNDS = {
    "seconds": (0, 3_600),
    "rate": (1, 1_000),
    "changes": (0.1, 100),
    "rows": (1, 100),
    "load_ms": (0, 5_000),
    "ttl": (0.1, 3_600),
}
_VISITORS = 3  # caches that read, each with its own connections and its own loads, as processes have
_PATIENCE = 2.0  # a busy machine is not on trial here
_ORIGIN = "rows in this process, {ms:g} ms away"


class InvalidationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure; equal plans read and change the same rows at the same times.

    Args:
        seconds: how long each of the three ways is measured; 0 for what the profile says (8 quick, 90 full).
        rate: reads per second.
        changes: changes per second, of any row.
        rows: how many there are.
        load_ms: how long a load takes, 300 as from Supabase; the row is read half-way, as by a database far away.
        ttl: seconds an entry lives.
        seed: of reads and changes.
        profile: ``quick`` or ``full``.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    seconds: float = 0.0
    rate: float = 60.0
    changes: float = 4.0
    rows: int = 4
    load_ms: float = 300.0
    ttl: float = 3.0
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _SECONDS)
        check_bounds(self, _BOUNDS)

    @property
    def each_seconds(self) -> float:
        """How long each way is measured."""
        return self.seconds or _SECONDS[self.profile]

    @property
    def reads(self) -> Schedule:
        """When visitors read: Poisson arrivals."""
        return Schedule.poisson(self.rate, self.each_seconds, seed=self.seed)

    @property
    def writes(self) -> Schedule:
        """When rows change, likewise; none of the last fifth, so that visitors have time to see the last one."""
        return Schedule.poisson(self.changes, 0.8 * self.each_seconds, seed=self.seed + 1)


@dataclass(frozen=True, eq=False)
class WayMeasured:
    """What one way to keep rows in a cache came to.

    Args:
        way: which.
        load: what became of the reads.
        reads: what each of them saw, in their order; those that failed saw nothing.
        changes: what was changed meanwhile.
    """

    way: Way
    load: LoadResult
    reads: list[Seen]
    changes: list[Change]

    @cached_property
    def stale(self) -> int:
        """How many reads showed an old version after its withdrawal."""
        return int(stale(self.reads, self.changes).sum())

    @cached_property
    def at_risk(self) -> int:
        """How many reads could have: those that began after a withdrawal of their row."""
        return int(np.count_nonzero(promised(self.reads, self.changes)))

    @cached_property
    def stale_share(self) -> Interval:
        """The share of those that did; of none, how sure that is."""
        return never(stale(self.reads, self.changes)[promised(self.reads, self.changes) > 0])

    @cached_property
    def until_correct_ms(self) -> Samples:
        """How long after each change that was seen the first visitor saw it."""
        seconds = seconds_until_correct(self.reads, self.changes)
        return seconds[~np.isnan(seconds)] * 1000

    @cached_property
    def longest_stale_s(self) -> float:
        """How long after a withdrawal the old version was still begun to be read; 0 if it never was."""
        return float(max(seconds_stale(self.reads, self.changes), default=0.0))

    @property
    def unseen(self) -> int:
        """How many changes nobody saw before the end."""
        return len(self.changes) - len(self.until_correct_ms)

    @property
    def untold(self) -> int:
        """Of how many changes the cache could not be told: nothing was promised of them."""
        return sum(math.isinf(change.told) for change in self.changes)

    def until_correct(self, percent: float) -> Interval | None:
        """Return a percentile of how long changes took to be seen, in ms; None where it is one of those nobody saw."""
        times = self.until_correct_ms
        among_seen = percent * len(self.changes) / len(times) if len(times) else math.inf
        return percentile(times, among_seen) if among_seen < 100 else None

    @property
    def reading(self) -> list[str]:
        """What it says, in plain sentences."""
        lines = [f"{self.stale:,} of {self.at_risk:,} reads that began after a withdrawal of their row were stale"]
        failed = int(self.load.failed.sum())
        if failed:
            lines.append(f"{failed:,} of {len(self.load.outcomes):,} reads failed")
        if self.untold:
            lines.append(f"{self.untold:,} of {len(self.changes):,} changes could not be told to the cache")
        return [f"{self.way.name}: {line}." for line in lines]


@dataclass(frozen=True, eq=False)
class Invalidation:
    """A measured run.

    Args:
        environment: where the cache is.
        plan: what was asked.
        started: UTC.
        seconds: how long it took.
        ways: what each way came to, the shipped one first.
    """

    environment: Environment
    plan: InvalidationPlan
    started: str
    seconds: float
    ways: list[WayMeasured]

    @property
    def shipped(self) -> WayMeasured:
        """What the shipped way came to."""
        return next(each for each in self.ways if each.way is GUARDED)

    @property
    def figures(self) -> dict[str, Interval]:
        """What the shipped way came to, in figures."""
        seen = {f"correct_after_p{percent}_ms": self.shipped.until_correct(percent) for percent in (50, 95)}
        return {"stale_reads": self.shipped.stale_share} | {name: time for name, time in seen.items() if time}

    @property
    def verdicts(self) -> list[Verdict]:
        """The figures against their targets; reads that failed, or changes the cache was not told, let none pass.

        That reads were started late, which speaks against their times, does not change whether they were stale.
        """
        failed = bool(self.shipped.load.failed.any())
        flaw = "reads failed" if failed else "changes could not be told to the cache" if self.shipped.untold else None
        return judge_all(self.figures, kpis_in_force(), flaw=flaw)

    @property
    def reading(self) -> str:
        """What the run says, in plain sentences."""
        lines = [line for each in self.ways for line in each.reading]
        median = self.shipped.until_correct(50)
        if median:
            lines.append(f"As shipped, a change was seen after {median.value:.0f} ms at the median.")
        lines += [
            f"Times not to be trusted ({each.way.name}): {each.load.doubt}." for each in self.ways if each.load.doubt
        ]
        return "\n".join([*lines, *(f"Emulated on this machine: {part}." for part in self.emulated)])

    @property
    def emulated(self) -> list[str]:
        """A line for each part imitated on this machine."""
        return [*filter(None, [self.environment.emulated]), f"the origin ({_ORIGIN.format(ms=self.plan.load_ms)})"]

    @property
    def samples(self) -> pd.DataFrame:
        """Every read, a row each."""
        return pd.concat([_samples(each) for each in self.ways], ignore_index=True)

    @property
    def result(self) -> Result:
        """The run as it is published."""
        return Result(
            notebook="07_measure_invalidation",
            environment=self.environment.name,
            cache=self.environment.address,
            origin=_ORIGIN.format(ms=self.plan.load_ms),
            emulated=self.emulated,
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters=msgspec.structs.asdict(self.plan),
            figures=self.figures,
            outcomes=self.shipped.load.counts,
            verdicts=self.verdicts,
            latency=[_latency(each) for each in self.ways if len(each.until_correct_ms)],
            host=this_host(),
            commit=commit(),
            seed=self.plan.seed,
        )


async def measure_invalidation(
    environment: str, plan: InvalidationPlan, progress: Watcher | None = None
) -> Invalidation:
    """Change rows while they are read, in each of three ways to keep them, one after the other.

    Args:
        environment: ``local``, ``vercel`` or ``dedicated``.
        plan: what to measure.
        progress: shown how far each way is.

    Raises:
        ConfigurationError: there is no such environment, or its variables make no sense.
    """
    started, clock = utc_now(), time.monotonic()
    place = await asyncio.to_thread(cache_environment, environment, os.environ)
    async with await connect_async(place) as held:  # which cache it is, on a laptop, is known when it is connected
        ways = [await _measured(held.environment, plan, way, progress) for way in WAYS]
    return Invalidation(held.environment, plan, started, time.monotonic() - clock, ways)


@dataclass
class _Rows:
    """Rows some way away: each is the number of times it was changed."""

    seconds: float
    versions: list[int]

    async def load(self, row: int) -> int:
        """Return a row as it is half-way through the time that this takes."""
        await asyncio.sleep(self.seconds / 2)
        version = self.versions[row]
        await asyncio.sleep(self.seconds / 2)
        return version


@dataclass
class _Trial:
    """One way on trial: who reads and writes, and what was seen.

    Args:
        way: which.
        plan: what to measure.
        visitors: caches that read.
        writer: the cache of whoever changes rows.
    """

    way: Way
    plan: InvalidationPlan
    visitors: list[AsyncCache]
    writer: AsyncCache
    reads: list[Seen] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.origin = _Rows(self.plan.load_ms / 1000, [0] * self.plan.rows)
        count = len(self.plan.reads.times)
        self.asked = zipf_ranks(self.plan.rows, count, skew=0.5, seed=self.plan.seed)
        self.changed = zipf_ranks(self.plan.rows, len(self.plan.writes.times), skew=0, seed=self.plan.seed + 1)

    async def read(self, index: int) -> str:
        """Read a row as one of the visitors."""
        row, began = int(self.asked[index]), time.monotonic()
        cache = self.visitors[index % len(self.visitors)]
        version = await self.way.read(cache, f"row:{row}", lambda: self.origin.load(row), self.plan.ttl)
        self.reads.append(Seen(row, version, began, time.monotonic()))
        return "answered"

    async def change(self, index: int) -> str:
        """Change a row, then tell the cache."""
        row = int(self.changed[index])
        self.origin.versions[row] += 1
        version, made = self.origin.versions[row], time.monotonic()
        try:
            await self.way.withdraw(self.writer, f"row:{row}")
        except CacheUnavailable:
            self.changes.append(Change(row, version, made, math.inf))  # nothing was promised
            return "error"
        self.changes.append(Change(row, version, made, time.monotonic()))
        return "told"


async def _measured(place: Environment, plan: InvalidationPlan, way: Way, progress: Watcher | None) -> WayMeasured:
    namespace = f"dousell-lab:{uuid.uuid4().hex[:8]}:"
    async with AsyncExitStack() as stack:
        caches = [
            await stack.enter_async_context(await connect_async(place, namespace=namespace, patience=_PATIENCE))
            for _ in range(_VISITORS + 1)
        ]
        trial = _Trial(way, plan, caches[1:], caches[0])
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(run_open_loop(plan.reads, trial.read, progress=progress))
            tasks.create_task(run_open_loop(plan.writes, trial.change))
    reads = sorted(trial.reads, key=lambda read: read.began)  # they were noted as they were answered
    return WayMeasured(way, reading.result(), reads, trial.changes)


def _latency(each: WayMeasured) -> LatencyRow:
    times = each.until_correct_ms
    p50, p95 = np.percentile(times, (50, 95))
    return LatencyRow(f"change seen: {each.way.name}", len(times), float(times.mean()), float(p50), float(p95))


def _samples(each: WayMeasured) -> pd.DataFrame:
    outcomes = np.where(stale(each.reads, each.changes), "stale", "correct")
    response = [(read.ended - read.began) * 1000 for read in each.reads]
    return pd.DataFrame({"path": each.way.name, "response_ms": response, "outcome": outcomes})
