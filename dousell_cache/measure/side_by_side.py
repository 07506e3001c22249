"""Measure Dousell's pages in several environments, the same reads at the same times in each.

A machine drifts while it measures. So each environment gets the schedule in two halves, and they take turns: A B, B A.
All of them read the same origin. A change of a page is told to the cache alone: nothing is written.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..async_cache import AsyncCache
from ..dousell.pages import Inventory, Pages
from ..dousell.site import Site, open_site, why_unreachable
from ..environments import Environment
from ..errors import MeasurementFailed
from ..events import Event, Read
from ..transport.connect import Place as Nowhere
from ..transport.nowhere import AsyncNowhere
from .cost import PRICES, prices_from
from .load import LoadResult, run_open_loop
from .outcomes import outcomes
from .place import survey
from .progress import Altogether, Watcher
from .rates import hopeless, requests_of, step
from .result import utc_now
from .sides import WITHDRAWN, Side, SideBySide, SidePlan
from .site_mix import site_pages
from .usage import Meter
from .workload import INVALIDATE, Schedule

_RATES = {"quick": (100, 200, 400, 800, 1_600, 3_200), "full": (25, 50, 100, 200, 400, 800, 1_600, 3_200)}
_STEP_SECONDS = {"quick": 1.0, "full": 5.0}
_WARM = 40  # pages that the sweep reads, all of them kept: it asks how fast hits are


async def measure_side_by_side(
    environments: str, plan: SidePlan, *, prices: str = "", progress: Watcher | None = None
) -> SideBySide:
    """Read Dousell's pages in several environments, the same at the same times in each.

    Args:
        environments: their names, separated by commas; one that cannot be reached is skipped, and said to be.
        plan: what to ask for.
        prices: a file of prices that goes over the usual ones, see :func:`.cost.load_prices`; default none.
        progress: shown how far it is, the sweep over rates included.

    Raises:
        ValueError: a name is given twice, or the origin has too few properties.
        ConfigurationError: the prices cannot be read, or make no sense.
        MeasurementFailed: none could be reached, or reads of the origin alone failed.
    """
    started, clock = utc_now(), time.monotonic()
    paid = prices_from(Path(prices)) if prices else PRICES
    async with _opened(_names(environments)) as (sites, skipped):
        inventory = await sites[0].pages.inventory(plan.properties, max(1, plan.properties // 10))
        _check(inventory, plan)
        pages = site_pages(inventory, sites[0].as_of.date() if sites[0].as_of else date.fromisoformat(started[:10]))
        schedule = plan.schedule(pages)
        keys = np.array(list(schedule.keys or ()))
        reads = np.ones(len(keys), bool) if schedule.operations is None else schedule.operations != INVALIDATE
        sides = [Side(site, (await survey(site.environment)).until_now(), keys, reads) for site in sites]
        bar = Altogether(progress, len(plan.origin_schedule) + len(sides) * (len(schedule) + _sweep_requests(plan)))
        origin = await _origin_alone(sites[0], keys, plan, bar)
        await _in_turns(sides, schedule, bar)
        await _sweep(sides, plan, bar)
        bar.end()
    return SideBySide(plan, pages, schedule, started, time.monotonic() - clock, origin, sides, skipped, paid)


def _names(environments: str) -> list[str]:
    names = [name.strip() for name in environments.split(",") if name.strip()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice or not names:
        message = f"environments must name each of them once, such as local,vercel, not {environments!r}"
        raise ValueError(message)
    return names


@asynccontextmanager
async def _opened(names: list[str]) -> AsyncIterator[tuple[list[Site], dict[str, str]]]:
    """Open the sites that can be reached, and say why the others cannot."""
    reasons = {name: await why_unreachable(name) for name in names}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    if len(skipped) == len(names):
        message = f"no environment could be reached: {'; '.join(f'{name}: {why}' for name, why in skipped.items())}"
        raise MeasurementFailed(message)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_site(name)) for name in names if name not in skipped], skipped


def _check(inventory: Inventory, plan: SidePlan) -> None:
    if len(inventory.property_ids) < plan.properties:
        message = f"properties={plan.properties} asks for more than the origin has: {len(inventory.property_ids)}"
        raise ValueError(message)


async def _origin_alone(site: Site, keys: NDArray[np.str_], plan: SidePlan, bar: Altogether) -> LoadResult:
    """Read pages past every cache, each read by itself: what it would be like without one."""

    async def read(index: int) -> str:
        cacheless = AsyncCache(AsyncNowhere(), Nowhere(Environment("local", "none")))
        async with cacheless:
            await Pages(cacheless, site.origin, site.ledger, site.as_of).read(str(keys[index % len(keys)]))
        return "origin"

    load = await run_open_loop(plan.origin_schedule, read, progress=bar.part())
    if failure := load.failure("reads of the origin"):
        raise MeasurementFailed(failure)
    return load


async def _in_turns(sides: list[Side], schedule: Schedule, bar: Altogether) -> None:
    """Give each side the first half of the schedule, then, in the opposite order, the second."""
    middle = len(schedule) // 2
    halves = (slice(0, middle), slice(middle, len(schedule)))
    for half, order in zip(halves, (sides, sides[::-1]), strict=True):
        for side in order:
            meter = await Meter(side.site).start()
            side.loads.append(await _half(side, schedule, half, bar.part()))
            side.usages.append(await meter.usage())


async def _half(side: Side, schedule: Schedule, half: slice, progress: Watcher | None) -> LoadResult:
    pages, keys = side.site.pages, side.keys[half]
    reads = side.reads[half]
    with outcomes(side.site.cache) as outcome, _sizes(side):

        async def request(index: int) -> str:
            key = str(keys[index])
            if not reads[index]:
                await pages.withdraw(key)
                return WITHDRAWN
            await pages.read(key)
            return outcome()

        part = Schedule(schedule.times[half] - schedule.times[half.start])
        return await run_open_loop(part, request, progress=progress)


@contextmanager
def _sizes(side: Side) -> Iterator[None]:
    """Note how large the answers are."""

    def note(event: Event) -> None:
        if isinstance(event, Read) and event.size:
            side.sizes.append(event.size)

    unsubscribe = side.site.cache.subscribe(note)
    try:
        yield
    finally:
        unsubscribe()


def _sweep_requests(plan: SidePlan) -> int:
    return sum(requests_of(rate, _STEP_SECONDS[plan.profile]) for rate in _RATES[plan.profile])


async def _sweep(sides: list[Side], plan: SidePlan, bar: Altogether) -> None:
    """Offer each side ever more reads of pages that are kept there, until it answers slowly."""
    warm = {side.name: await _warmed(side) for side in sides}
    seconds = _STEP_SECONDS[plan.profile]
    for number, rate in enumerate(_RATES[plan.profile]):
        for side in sides[:: -1 if number % 2 else 1]:
            if hopeless(side.steps):
                continue
            with outcomes(side.site.cache) as outcome:
                reader = _reader(side, warm[side.name], outcome)
                done = await step(rate, seconds, reader, seed=plan.seed + number, progress=bar.part())
            side.steps.append(done)


async def _warmed(side: Side) -> list[str]:
    """Read some pages once, so that they are kept, and return their keys."""
    names, counts = np.unique(side.keys, return_counts=True)
    popular: list[str] = names[np.argsort(-counts, kind="stable")][:_WARM].tolist()
    for key in popular:
        await side.site.pages.read(key)
    return popular


def _reader(side: Side, keys: list[str], outcome: Callable[[], str]) -> Callable[[int], Awaitable[str]]:
    async def read(index: int) -> str:
        await side.site.pages.read(keys[index % len(keys)])
        return outcome()

    return read
