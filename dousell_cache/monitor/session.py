"""Watch a cache for a while: look after look, shown as they come, until the time is over or somebody stops it.

So that there is something to see on a laptop, visitors of our own may read the site meanwhile, through a cache that
flushes its figures as a service's would.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from ..async_cache import AsyncCache
from ..connecting import connect_async
from ..dousell.pages import Pages
from ..dousell.properties import HOME_KEY, property_key, search_key
from ..dousell.site import Site
from ..measure.kpis import kpis_in_force
from ..measure.load import run_open_loop
from ..measure.outcomes import outcomes
from ..measure.plans import check_bounds, check_profile
from ..measure.popularity import zipf_ranks
from ..measure.provenance import commit
from ..measure.result import Result, this_host, utc_now
from ..measure.workload import Schedule
from ..transport.connect import Place
from .alert_book import Watch
from .alert_file import InMemory
from .alert_rules import limits_of, rules
from .figures import Sample
from .monitor import Monitor

_SECONDS = {"quick": 12.0, "full": 120.0}
_BOUNDS = {"seconds": (0, 86_400), "every": (0.2, 3_600), "traffic": (0, 1_000)}
_PROPERTIES = 20
_VISITORS = "the visitors (made by this notebook)"


class WatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long to watch, and what.

    Args:
        seconds: how long; 0 for what the profile says (12 quick, 120 full).
        every: seconds between two looks.
        traffic: reads per second that visitors of our own make meanwhile; 0 to see only what others do.
        namespace: what stands before the keys that are watched, where there are no visitors of our own.
        seed: of those visitors.
        profile: ``quick`` or ``full``.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    seconds: float = 0.0
    every: float = 1.0
    traffic: float = 30.0
    namespace: str = ""
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _SECONDS)
        check_bounds(self, _BOUNDS)

    @property
    def length(self) -> float:
        """How many seconds to watch."""
        return self.seconds or _SECONDS[self.profile]

    @property
    def looks(self) -> int:
        """How many looks that makes, the first one at the beginning."""
        return 1 + round(self.length / self.every)


@dataclass(frozen=True, eq=False)
class Watched:
    """What was seen.

    Args:
        site: where.
        plan: what was asked.
        started: UTC.
        seconds: how long it was.
        samples: each look.
        stopped: whether somebody stopped it.
    """

    site: Site
    plan: WatchPlan
    started: str
    seconds: float
    samples: list[Sample]
    stopped: bool

    @property
    def alert_level(self) -> float:
        """The hit rate below which an alert fires, as the targets in force say."""
        return limits_of(kpis_in_force()).hit_rate

    @property
    def reading(self) -> str:
        """What was seen, in plain sentences."""
        last, ending = self.samples[-1], "until it was stopped" if self.stopped else "to the end"
        lines = [f"{len(self.samples):,} looks in {self.seconds:.0f} s, {ending}."]
        row = last.of()
        if last.problem:
            lines.append(f"At the end the server could not be seen: {last.problem}.")
        elif row is None or row.hit_rate is None:
            lines.append("No process has flushed figures: connect(figures=True) records them.")
        else:
            lines.append(f"{row.reads:,} reads so far, {row.hit_rate.value:.1%} of them hits.")
        fired = sorted({alert.name for sample in self.samples for alert in sample.alerts if alert.firing})
        lines.append(f"Alerts: {', '.join(fired) or 'none'}.")
        return "\n".join([*lines, *(f"Emulated on this machine: {part}." for part in self.emulated)])

    @property
    def emulated(self) -> list[str]:
        """A line for each part imitated on this machine."""
        return [*self.site.emulated, *([_VISITORS] if self.plan.traffic else [])]

    @property
    def result(self) -> Result:
        """What was seen, as it is published."""
        row = self.samples[-1].of()
        return Result(
            notebook="06_monitor_cache",
            environment=self.site.environment.name,
            cache=self.site.environment.address,
            origin=self.site.origin_name,
            emulated=self.emulated,
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters=msgspec.structs.asdict(self.plan),
            outcomes=row.outcomes if row else {},
            host=this_host(),
            commit=commit(),
            seed=self.plan.seed,
        )


async def watch_cache(site: Site, plan: WatchPlan, show: Callable[[Sample], object]) -> Watched:
    """Look at a site's cache again and again; when it is stopped, return what was seen so far.

    Args:
        site: an open site.
        plan: how long, how often, and who reads meanwhile.
        show: is shown each look.

    Raises:
        asyncio.CancelledError: it was stopped before the first look.
    """
    started, clock = utc_now(), time.monotonic()
    samples, stopped = list[Sample](), False

    def seen(sample: Sample) -> None:
        samples.append(sample)
        show(sample)

    try:
        async with _visitors(site, plan) as (namespace, flush):
            await _look(site, plan, namespace, flush, seen)
    except asyncio.CancelledError:
        if not samples:
            raise
        stopped = True
        task = asyncio.current_task()
        if task:  # there always is one
            task.uncancel()
    return Watched(site, plan, started, time.monotonic() - clock, samples, stopped)


async def _look(
    site: Site,
    plan: WatchPlan,
    namespace: str,
    flush: Callable[[], Awaitable[object]],
    show: Callable[[Sample], object],
) -> None:
    loop = asyncio.get_running_loop()
    # One thread, so that the monitor is closed after a look that is under way, never during it.
    with ThreadPoolExecutor(1, "dousell-cache monitor") as thread:
        watch = Watch(InMemory(), rules(limits_of(kpis_in_force())))
        monitor = Monitor(Place(site.environment), namespace=namespace, alerts=watch)
        try:
            for number in range(plan.looks):
                await asyncio.sleep(plan.every if number else 0)
                await flush()
                show(await loop.run_in_executor(thread, monitor.look))
        finally:
            thread.submit(monitor.close)


@asynccontextmanager
async def _visitors(site: Site, plan: WatchPlan) -> AsyncIterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Have visitors read, if there are to be any; yield what stands before the keys, and what flushes their figures."""
    if not plan.traffic:
        yield plan.namespace, _nothing
        return
    namespace = site.cache.namespace
    async with await connect_async(site.environment, namespace=namespace, figures=True) as cache:
        reading = asyncio.create_task(_read(cache, site, plan), name="dousell-cache visitors")
        try:
            yield namespace, lambda: cache.flush(force=True)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.result()  # what kept visitors from coming is no cold cache


async def _read(cache: AsyncCache, site: Site, plan: WatchPlan) -> Any:
    """Read the home page, properties and searches, some far more often than others."""
    pages = Pages(cache, site.origin, site.ledger, site.as_of)
    ids, cities = await site.origin.property_ids(_PROPERTIES), await site.origin.cities()
    keys = [HOME_KEY, *map(property_key, ids), *(search_key(city) for city in cities[:3])]
    schedule = Schedule.poisson(plan.traffic, plan.length + plan.every, seed=plan.seed)
    asked = zipf_ranks(len(keys), len(schedule.times), skew=1.0, seed=plan.seed)
    with outcomes(cache) as outcome:

        async def read(index: int) -> str:
            await pages.read(keys[int(asked[index])])
            return outcome()

        return await run_open_loop(schedule, read)


async def _nothing() -> None:
    """Flush nothing: whoever reads flushes by itself."""
