"""Curves and the real cache agree, outcome by outcome and command by command, where its rules are the least obvious."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import AsyncCache, connect_async
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.trace import Trace

if TYPE_CHECKING:
    from .conftest import FreeValkey

COUNTERS = {"hits": "hits", "misses": "misses", "coalesced": "coalesced", "stale": "stale", "refused": "refused"}
LONG = 3_600.0


class Origin:
    """An origin whose loads end when they are told to, in the order in which they began."""

    def __init__(self) -> None:
        self.begun = 0
        self._ends: list[asyncio.Event] = []

    async def load(self) -> int:
        """Load, until told to end."""
        self.begun += 1
        end = asyncio.Event()
        self._ends.append(end)
        await end.wait()
        return self.begun

    async def end_one(self) -> None:
        """End the oldest load, once there is one."""
        await until(lambda: bool(self._ends))
        self._ends.pop(0).set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, giving way to whoever brings it about."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


Story = Callable[[AsyncCache, Origin, Callable[[], "asyncio.Task[Any]"]], Awaitable[None]]


async def withdrawn_once(cache: AsyncCache, origin: Origin, read: Callable[[], "asyncio.Task[Any]"]) -> None:
    """Three ask, the key is withdrawn while the first of them loads, and later one more asks."""
    tasks = [read()]
    await until(lambda: origin.begun == 1)
    tasks += [read(), read()]
    await asyncio.sleep(0)  # both have joined
    await cache.invalidate("page")
    await origin.end_one()
    await until(lambda: origin.begun == 2)
    await origin.end_one()
    await asyncio.gather(*tasks)
    await read()


async def withdrawn_twice(cache: AsyncCache, origin: Origin, read: Callable[[], "asyncio.Task[Any]"]) -> None:
    """Two ask, the key is withdrawn, one more asks and loads, and that is withdrawn as well."""
    tasks = [read()]
    await until(lambda: origin.begun == 1)
    tasks.append(read())
    await asyncio.sleep(0)
    await cache.invalidate("page")
    tasks.append(read())
    await until(lambda: origin.begun == 2)
    await cache.invalidate("page")
    await origin.end_one()
    await until(lambda: origin.begun == 3)
    await origin.end_one()
    await origin.end_one()
    await asyncio.gather(*tasks)


async def served_stale(_: AsyncCache, origin: Origin, read: Callable[[], "asyncio.Task[Any]"]) -> None:
    """One asks after the entry's time, and loads; one more asks meanwhile, and is served what is old."""
    first = read()
    await origin.end_one()
    await first
    await asyncio.sleep(0.03)  # longer than the entry is fresh, by whichever clock
    second = read()
    await until(lambda: origin.begun == 2)
    await read()
    await origin.end_one()
    await second


async def refreshed_behind(cache: AsyncCache, origin: Origin, read: Callable[[], "asyncio.Task[Any]"]) -> None:
    """Two ask after the entry's time and are served what is old, while it is refreshed behind the first of them."""
    first = read()
    await origin.end_one()
    await first
    await asyncio.sleep(0.03)
    await read()
    await until(lambda: origin.begun == 2)
    await read()
    written: list[object] = []
    cache.subscribe(written.append)
    await origin.end_one()
    await until(lambda: bool(written))  # the refresh is over


@pytest.mark.parametrize(
    ("story", "events", "options"),
    [
        (withdrawn_once, [(0, 0), (0.1, 0), (0.2, 0), (0.3, 1), (3, 0)], {"ttl": LONG}),
        (withdrawn_twice, [(0, 0), (0.1, 0), (0.2, 1), (0.3, 0), (0.4, 1)], {"ttl": LONG}),
        (served_stale, [(0, 0), (1.5, 0), (1.6, 0)], {"ttl": 0.02, "grace": LONG}),
        (refreshed_behind, [(0, 0), (1.5, 0), (1.6, 0)], {"ttl": 0.02, "grace": LONG, "background": True}),
    ],
)
async def test_the_cache_does_as_the_curve_says(
    free_valkey: "FreeValkey", story: Story, events: list[tuple[float, int]], options: dict[str, Any]
) -> None:
    """Outcomes, loads and commands of a story are those of the curve of its events, loads taking a second."""
    origin = Origin()
    async with await connect_async(free_valkey.url, namespace="reality:", patience=10, lease=60) as cache:
        await story(cache, origin, lambda: asyncio.create_task(cache.get_or_set("page", origin.load, **options)))
        counters = cache.counters()
    times, operations = zip(*events, strict=True)
    others = {name: option for name, option in options.items() if name != "ttl"}
    played = curve(Trace.of(times, ["page"] * len(times), operations), [options["ttl"]], fill=1.0, **others)
    told = {name: int(getattr(played, name)[0]) for name in COUNTERS}
    assert {name: getattr(counters, counter) for name, counter in COUNTERS.items()} == told
    assert origin.begun == played.origin_calls[0]
    assert counters.commands == played.commands[0]
