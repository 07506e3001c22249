"""What a site does when its cache dies: refused, hanging and slow, in the middle of an open-loop load.

The cache stands behind a proxy of this machine that fails on purpose, so nobody else's cache is ever harmed; what reads
through it is the cache as shipped, with its patience and its breaker.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..async_cache import AsyncCache
from ..connecting import connect_async
from ..dousell.site import Site, shared_cloud
from ..environments import from_url, rest
from ..events import BreakerMoved, Event, Read
from ..local import embedded
from ..testing.faults import FaultProxy, HttpFaultProxy
from ..transport.connect import PATIENCE
from .kpis import Verdict, judge_all, kpis_in_force
from .load import LoadResult, run_open_loop
from .phases import PHASES, Array, Moved, PhaseRow, open_during, openings, own_cost_ms, phase_of, phase_rows
from .plans import check_bounds, check_profile
from .popularity import zipf_ranks
from .progress import Watcher
from .provenance import commit
from .result import LatencyRow, Result, this_host, utc_now
from .stats import Interval, never, percentile
from .workload import Schedule

_SECONDS = {"quick": 4.0, "full": 40.0}  # of each phase
_BOUNDS = {"seconds": (0, 3_600), "rate": (1, 1_000), "keys": (1, 1_000)}
_TTL = 2.0  # seconds: short, so that misses come in every phase
_LATE = 1.5  # of its patience a slow server is late on the way there, and as much on the way back
_BEHIND = "the failures (a proxy of this machine before a server of this machine)"
_STATES = {True: "closed", False: "still open"}

_READ: ContextVar[Read | None] = ContextVar("read", default=None)


class SurvivalPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to put a site through; equal plans ask for the same pages at the same times.

    Args:
        seconds: how long each of the seven phases lasts; 0 for what the profile says (4 quick, 40 full).
        rate: reads per second.
        keys: how many different pages are asked for.
        seed: of the arrivals and of the choice of pages.
        profile: ``quick`` or ``full``.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    seconds: float = 0.0
    rate: float = 30.0
    keys: int = 20
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _SECONDS)
        check_bounds(self, _BOUNDS)

    @property
    def phase_seconds(self) -> float:
        """How long each phase lasts."""
        return self.seconds or _SECONDS[self.profile]

    @property
    def schedule(self) -> Schedule:
        """When the reads start: Poisson arrivals."""
        return Schedule.poisson(self.rate, self.phase_seconds * len(PHASES), seed=self.seed)


@dataclass(frozen=True, eq=False)
class Survival:
    """A measured run.

    Args:
        site: where it was measured; its origin was read.
        plan: what was asked.
        started: UTC.
        seconds: how long it took.
        load: what became of the reads.
        cost_ms: what the cache added to each of them; not a number where nobody can tell.
        moves: of the breaker.
        patience: seconds a dead cache may cost one read.
    """

    site: Site
    plan: SurvivalPlan
    started: str
    seconds: float
    load: LoadResult
    cost_ms: Array
    moves: list[Moved]
    patience: float

    @cached_property
    def rows(self) -> list[PhaseRow]:
        """What became of the reads of each phase."""
        return phase_rows(PHASES, self.plan.phase_seconds, self.load)

    @property
    def unanswered(self) -> int:
        """How many reads failed."""
        return int(self.load.failed.sum())

    @property
    def openings(self) -> list[tuple[float, float]]:
        """From when to when the breaker was open, each time, in seconds since the load began."""
        return openings(self.moves, self.plan.phase_seconds * len(PHASES))

    @cached_property
    def tried(self) -> NDArray[np.bool_]:
        """Which reads the failing cache put to the test: those due while it failed, and those it failed under way."""
        ends = self.load.times, self.load.times + self.load.response_ms / 1000
        begun, ended = (phase_of(end, self.plan.phase_seconds, len(PHASES)) for end in ends)
        is_ill = np.array([bool(each.fault) for each in PHASES])
        tried: NDArray[np.bool_] = is_ill[begun] | is_ill[ended]
        return tried

    @cached_property
    def costs(self) -> dict[str, Array]:
        """What the cache added to a read, in ms: while it was well, and while it was not, by the breaker's state."""
        ill = self.tried
        is_open, known = open_during(self.load.times, self.moves), ~np.isnan(self.cost_ms)
        return {
            "well": self.cost_ms[known & ~ill & ~is_open],
            "ill, breaker closed": self.cost_ms[known & ill & ~is_open],
            "ill, breaker open": self.cost_ms[known & ill & is_open],
        }

    @property
    def figures(self) -> dict[str, Interval]:
        """How many failed of the reads that could, and what a dead cache added before and after the breaker opened."""
        names = {"dead_cost_before_p95_ms": "ill, breaker closed", "dead_cost_after_p95_ms": "ill, breaker open"}
        costs = {name: percentile(self.costs[key], 95) for name, key in names.items() if len(self.costs[key])}
        return {"unanswered": never(self.load.failed[self.tried | self.load.failed])} | costs

    @property
    def verdicts(self) -> list[Verdict]:
        """The figures against their targets; where the breaker never opened, nothing was survived.

        That reads were started late, which speaks against their times, does not change whether they were answered.
        """
        flaw = None if self.openings else "the breaker never opened: the cache was not seen to fail"
        return judge_all(self.figures, kpis_in_force(), flaw=flaw)

    @property
    def reading(self) -> str:
        """What the run says, in plain sentences."""
        count = len(self.load.outcomes)
        answered = f"{count - self.unanswered:,} of {count:,} reads were answered"
        lines = [f"{answered}; {self.tried.sum():,} reads met a cache that failed, in three ways."]
        is_closed = not self.moves or self.moves[-1].state == "closed"
        lines.append(f"The breaker opened {len(self.openings)} times; at the end it was {_STATES[is_closed]}.")
        told = [f"{name}: {np.median(times):.1f} ms" for name, times in self.costs.items() if len(times)]
        lines.append(f"What the cache added to a read, median; {'; '.join(told)}.")
        lines += [f"Its times are not to be trusted: {self.load.doubt}."] if self.load.doubt else []
        return "\n".join([*lines, *(f"Emulated on this machine: {part}." for part in self.emulated)])

    @property
    def emulated(self) -> list[str]:
        """A line for each part imitated on this machine."""
        return [*self.site.emulated, _BEHIND]

    @property
    def samples(self) -> pd.DataFrame:
        """Every read, a row each."""
        load = self.load
        times = {"intended_s": load.times, "response_ms": load.response_ms, "cost_ms": self.cost_ms}
        return pd.DataFrame({"path": "failing cache", **times, "outcome": load.outcomes})

    @property
    def result(self) -> Result:
        """The run as it is published."""
        return Result(
            notebook="05_survive_failures",
            environment=self.site.environment.name,
            cache="a server of this machine, behind a proxy that fails",
            origin=self.site.origin_name,
            emulated=self.emulated,
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters=msgspec.structs.asdict(self.plan),
            figures=self.figures,
            outcomes=self.load.counts,
            verdicts=self.verdicts,
            latency=[LatencyRow(row.name, row.reads, _mean(self, n), row.p50_ms, row.p95_ms) for n, row in self._some],
            host=this_host(),
            commit=commit(),
            seed=self.plan.seed,
        )

    @property
    def _some(self) -> list[tuple[int, PhaseRow]]:
        return [(number, row) for number, row in enumerate(self.rows) if row.reads]


async def measure_survival(site: Site, plan: SurvivalPlan, progress: Watcher | None = None) -> Survival:
    """Read a site's pages while their cache is well, killed, paused and slow in turn.

    Args:
        site: an open site: its origin answers, and its environment says by which protocol the cache is asked.
        plan: what to put it through.
        progress: shown how far it is.

    Raises:
        ValueError: the plan asks for more pages than there are.
    """
    started, clock = utc_now(), time.monotonic()
    pages = await site.origin.property_ids(plan.keys)
    if len(pages) < plan.keys:
        message = f"keys={plan.keys} asks for more pages than the origin has: {len(pages)}"
        raise ValueError(message)
    schedule = plan.schedule
    ranks = zipf_ranks(plan.keys, len(schedule.times), skew=1.0, seed=plan.seed)
    costs, moves = np.full(len(schedule.times), np.nan), list[Moved]()
    async with _failing_cache(site) as (cache, proxy, patience):

        async def read(index: int) -> str:
            page = pages[int(ranks[index])]
            await cache.get_or_set(f"detail:{page}", lambda: site.origin.property(page), ttl=_TTL)
            seen = _READ.get()
            costs[index] = own_cost_ms(seen) if seen else np.nan
            return seen.outcome if seen else "error"

        begun = time.monotonic()
        unsubscribe = cache.subscribe(lambda event: _note(event, begun, moves))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_go_through(proxy, plan.phase_seconds, patience))
                loading = tasks.create_task(run_open_loop(schedule, read, progress=progress))
        finally:
            unsubscribe()
    return Survival(site, plan, started, time.monotonic() - clock, loading.result(), costs, moves, patience)


@asynccontextmanager
async def _failing_cache(site: Site) -> AsyncIterator[tuple[AsyncCache, FaultProxy, float]]:
    """Yield a cache behind a proxy that can be told to fail, the proxy, and the cache's patience in seconds."""
    with ExitStack() as stack:
        if site.environment.kind == "rest":
            held = await asyncio.to_thread(shared_cloud)
            proxy: FaultProxy = stack.enter_context(HttpFaultProxy(held.upstash_url))
            environment = rest(proxy.url, held.upstash_token, emulated="Upstash")
        else:
            server = stack.enter_context(await asyncio.to_thread(embedded))
            proxy = stack.enter_context(FaultProxy(server.url))
            environment = replace(from_url(proxy.url), name=site.environment.name)
        namespace = f"dousell-lab-failing:{os.getpid()}:"
        async with await connect_async(environment, namespace=namespace) as cache:
            yield cache, proxy, PATIENCE[environment.kind]


async def _go_through(proxy: FaultProxy, seconds: float, patience: float) -> None:
    """Do to the cache what each phase says, each for so many seconds; what doing it takes is not added up."""
    begun = time.monotonic()
    for number, phase in enumerate(PHASES, 1):
        if phase.fault:
            await asyncio.to_thread(proxy.inject, phase.fault, seconds=_LATE * patience)
        else:
            await asyncio.to_thread(proxy.heal)
        await asyncio.sleep(begun + number * seconds - time.monotonic())


def _note(event: Event, begun: float, moves: list[Moved]) -> None:
    if isinstance(event, Read):
        _READ.set(event)
    elif isinstance(event, BreakerMoved):
        moves.append(Moved(time.monotonic() - begun, event.state))


def _mean(run: Survival, phase: int) -> float:
    of = phase_of(run.load.times, run.plan.phase_seconds, len(PHASES))
    return float(run.load.response_ms[of == phase].mean())
