"""What visitors and owners read, and what a change of a property withdraws: on a real database, read both ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
import pytest_asyncio

from dousell_cache import AsyncCache, CacheUnavailable, connect_async
from dousell_cache.dousell import database
from dousell_cache.dousell.ledger import Ledger, LedgerRefused, LedgerUnavailable, postgres_ledger, supabase_ledger
from dousell_cache.dousell.origin import Origin, postgres_origin, supabase_origin
from dousell_cache.dousell.properties import (
    owner_dashboard,
    property_page,
    public_properties,
    search_city,
    update_property,
)
from dousell_cache.local import Cloud
from dousell_cache.testing import FaultProxy

WAYS = ["supabase", "postgres"]
DAY = date(2026, 1, 15)


@pytest.fixture(scope="module")
def loaded(cloud: Cloud) -> Cloud:
    """The session's cloud, with Dousell's data in it."""
    database.load(cloud.postgres_url)
    return cloud


@dataclass
class Reader:
    """A site's reads, all from one origin, with a ledger that may write."""

    cache: AsyncCache
    origin: Origin
    ledger: Ledger


@pytest_asyncio.fixture(params=WAYS)
async def reader(
    request: pytest.FixtureRequest, loaded: Cloud, valkey_url: str, namespace: str
) -> AsyncIterator[Reader]:
    """The site over PostgREST as it is on Vercel, and over PostgreSQL as on a laptop without npm."""
    async with AsyncExitStack() as stack:
        cache = await stack.enter_async_context(await connect_async(valkey_url, namespace=namespace, patience=5))
        if request.param == "supabase":
            url = str(loaded.supabase_url)
            origin: Origin = await stack.enter_async_context(supabase_origin(url, loaded.supabase_anon_key))
            ledger: Ledger = await stack.enter_async_context(supabase_ledger(url, loaded.supabase_service_key))
        else:
            origin = await stack.enter_async_context(postgres_origin(loaded.postgres_url, None))
            ledger = await stack.enter_async_context(postgres_ledger(loaded.postgres_url))
        yield Reader(cache, origin, ledger)


async def outcome(site: Reader, key: str) -> str:
    """How the cache would answer a read of a key now."""
    return (await site.cache.explain(key)).outcome


async def test_both_origins_list_the_same(loaded: Cloud) -> None:
    """Home page, every city and every search are equal to the last column, whichever way they are read."""
    async with (
        supabase_origin(str(loaded.supabase_url), loaded.supabase_anon_key) as supabase,
        postgres_origin(loaded.postgres_url, None) as postgres,
    ):
        assert await supabase.newest() == await postgres.newest()
        assert len(await postgres.newest()) == 50
        cities = await supabase.cities()
        assert cities == await postgres.cities()
        assert cities[0] == "Dakar"
        for city in cities[:4]:
            for kind in (None, "studio"):
                found = await supabase.in_city(city, kind)
                assert found == await postgres.in_city(city, kind)
                assert {row["city"]["name"] for row in found} <= {city}
                assert [row["rent_xof"] for row in found] == sorted(row["rent_xof"] for row in found)
                assert {row["kind"] for row in found} == {"studio"} or kind is None


async def test_the_second_read_is_a_hit_with_the_same_value(reader: Reader) -> None:
    """Home page, page, search and dashboard are loaded once, and a hit returns what the miss did."""
    (first, *_) = await public_properties(reader.cache, reader.origin)
    page = await property_page(reader.cache, reader.origin, first["id"])
    reads = [
        [
            await public_properties(reader.cache, reader.origin),
            await property_page(reader.cache, reader.origin, first["id"]),
            await search_city(reader.cache, reader.origin, first["city"]["name"], "villa"),
            await owner_dashboard(reader.cache, reader.ledger, page["owner_id"], as_of=DAY),
        ]
        for _ in range(2)
    ]
    assert reads[0] == reads[1]
    dashboard = reads[0][3]
    assert isinstance(dashboard, dict)
    assert dashboard["owner"]["id"] == page["owner_id"]
    counters = reader.cache.counters()
    assert (counters.misses, counters.hits) == (4, 6)


async def test_what_is_not_there_is_said(reader: Reader) -> None:
    """A property that is not published has no page, and an owner who does not exist has no dashboard."""
    with pytest.raises(LookupError, match="there is no published property 999999"):
        await property_page(reader.cache, reader.origin, 999_999)
    assert await owner_dashboard(reader.cache, reader.ledger, 999_999) is None
    assert await update_property(reader.cache, reader.ledger, 999_999, {"title": "Nowhere"}) is None


async def test_an_update_withdraws_every_page_that_shows_the_property(reader: Reader) -> None:
    """After a new rent, page, home page, the city's searches and the owner's dashboard are loaded anew; others stay."""
    (first, second, *_) = await public_properties(reader.cache, reader.origin)
    city, number = first["city"]["name"], first["id"]
    page = await property_page(reader.cache, reader.origin, number)
    await property_page(reader.cache, reader.origin, second["id"])
    await search_city(reader.cache, reader.origin, city)
    await search_city(reader.cache, reader.origin, "Kaolack" if city != "Kaolack" else "Mbour")
    await owner_dashboard(reader.cache, reader.ledger, page["owner_id"], as_of=DAY)
    other = 1 if page["owner_id"] != 1 else 2
    await owner_dashboard(reader.cache, reader.ledger, other, as_of=DAY)
    changed = await update_property(reader.cache, reader.ledger, number, {"rent_xof": page["rent_xof"] + 5_000})
    assert changed is not None
    try:
        assert (await property_page(reader.cache, reader.origin, number))["rent_xof"] == changed["rent_xof"]
        withdrawn = ["all_properties_public", f"search:{city}:any", f"dashboard:{page['owner_id']}"]
        kept = [
            f"detail:{second['id']}",
            f"search:{'Kaolack' if city != 'Kaolack' else 'Mbour'}:any",
            f"dashboard:{other}",
        ]
        assert [await outcome(reader, key) for key in withdrawn] == ["miss"] * 3
        assert [await outcome(reader, key) for key in kept] == ["hit"] * 3
    finally:
        await update_property(reader.cache, reader.ledger, number, {"rent_xof": page["rent_xof"]})


async def test_a_move_withdraws_the_lists_of_both_cities(reader: Reader) -> None:
    """A property that was entered under the wrong city disappears from one list and appears in the other."""
    (first, *_) = await public_properties(reader.cache, reader.origin)
    page = await property_page(reader.cache, reader.origin, first["id"])
    names = await reader.origin.cities()
    target = next(number for number, name in enumerate(names, 1) if name != page["city"]["name"])
    for name in (page["city"]["name"], names[target - 1]):
        await search_city(reader.cache, reader.origin, name)
    await update_property(reader.cache, reader.ledger, first["id"], {"city_id": target})
    try:
        searched = [f"search:{name}:any" for name in (page["city"]["name"], names[target - 1])]
        assert [await outcome(reader, key) for key in searched] == ["miss"] * 2
    finally:
        await update_property(reader.cache, reader.ledger, first["id"], {"city_id": page["city_id"]})


@pytest.mark.parametrize("changes", [{"owner_id": 3}, {"id": 9, "title": "x"}, {"rent_xof": -1}, {"rent_xof": "dear"}])
async def test_a_change_that_makes_no_sense_changes_nothing(reader: Reader, changes: dict[str, Any]) -> None:
    """Columns that are not the owner's to change and values that cannot be are refused; the page stays in the cache."""
    (first, *_) = await public_properties(reader.cache, reader.origin)
    before = await reader.origin.property(first["id"])
    with pytest.raises(LedgerRefused):
        await update_property(reader.cache, reader.ledger, first["id"], changes)
    assert await reader.origin.property(first["id"]) == before
    assert await outcome(reader, "all_properties_public") == "hit"


class Losing:
    """A ledger whose first answers are lost, after their calls were carried out."""

    def __init__(self, ledger: Ledger, lost: int) -> None:
        self._ledger, self._lost = ledger, lost
        self.calls = 0

    async def call(self, function: str, arguments: Any) -> Any:
        """Call, and lose the answer if it is one of the first."""
        answer = await self._ledger.call(function, arguments)
        self.calls += 1
        if self.calls <= self._lost:
            raise LedgerUnavailable("the answer was lost")
        return answer


async def test_a_lost_answer_is_asked_for_again(reader: Reader) -> None:
    """When one answer is lost, a second call tells what stands; where it was before is unknown, so every list goes."""
    (first, *_) = await public_properties(reader.cache, reader.origin)
    page = await property_page(reader.cache, reader.origin, first["id"])
    other = next(name for name in await reader.origin.cities() if name != page["city"]["name"])
    for city in (page["city"]["name"], other):
        await search_city(reader.cache, reader.origin, city)
    losing = Losing(reader.ledger, 1)
    changed = await update_property(reader.cache, losing, first["id"], {"title": page["title"]})
    assert (losing.calls, changed and changed["title"]) == (2, page["title"])
    searched = [f"search:{page['city']['name']}:any", f"search:{other}:any"]
    assert [await outcome(reader, key) for key in searched] == ["miss"] * 2


async def test_a_change_of_which_nobody_knows_withdraws_every_list(reader: Reader) -> None:
    """When the answers stay lost, page, home page, the lists of all cities and all dashboards are loaded anew."""
    (first, *_) = await public_properties(reader.cache, reader.origin)
    page = await property_page(reader.cache, reader.origin, first["id"])
    for city in ("Dakar", "Mbour"):
        await search_city(reader.cache, reader.origin, city, "villa")
    await owner_dashboard(reader.cache, reader.ledger, page["owner_id"], as_of=DAY)
    with pytest.raises(LedgerUnavailable, match="the answer was lost"):
        await update_property(reader.cache, Losing(reader.ledger, 2), first["id"], {"title": page["title"]})
    shown = ["all_properties_public", f"detail:{first['id']}", "search:Dakar:villa", "search:Mbour:villa"]
    shown.append(f"dashboard:{page['owner_id']}")
    assert [await outcome(reader, key) for key in shown] == ["miss"] * 5


async def test_a_cancelled_caller_leaves_nothing_outdated(reader: Reader) -> None:
    """Cancelled while the ledger answers, an update goes on to its end, and its pages are withdrawn."""
    (first, *_) = await public_properties(reader.cache, reader.origin)
    page = await property_page(reader.cache, reader.origin, first["id"])
    answering, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        async def call(self, function: str, arguments: Any) -> Any:
            answer = await reader.ledger.call(function, arguments)
            answering.set()
            await go_on.wait()
            return answer

    task = asyncio.create_task(update_property(reader.cache, Slow(), first["id"], {"title": page["title"]}))
    await answering.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [await outcome(reader, key) for key in ("all_properties_public", f"detail:{first['id']}")] == ["miss"] * 2


async def test_a_cache_that_dies_meanwhile_is_told_all_of_it_later(
    loaded: Cloud, valkey_url: str, namespace: str
) -> None:
    """When neither command of a withdrawal arrives, page, search and dashboard are owed, and none stays as it was."""
    async with AsyncExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(valkey_url))
        connected = await connect_async(proxy.url, namespace=namespace, patience=1)
        cache = await stack.enter_async_context(connected)
        origin = await stack.enter_async_context(postgres_origin(loaded.postgres_url, None))
        ledger = await stack.enter_async_context(postgres_ledger(loaded.postgres_url))
        (first, *_) = await public_properties(cache, origin)
        page = await property_page(cache, origin, first["id"])
        await search_city(cache, origin, page["city"]["name"])
        await owner_dashboard(cache, ledger, page["owner_id"], as_of=DAY)
        proxy.inject("reset")
        with pytest.raises(CacheUnavailable):
            await update_property(cache, ledger, first["id"], {"title": page["title"]})
        proxy.heal()
        keys = ["all_properties_public", f"detail:{first['id']}", f"search:{page['city']['name']}:any"]
        keys.append(f"dashboard:{page['owner_id']}")
        async with await connect_async(valkey_url, namespace=namespace, patience=5) as other:
            deadline = asyncio.get_running_loop().time() + 20
            while (await other.explain(keys[0])).outcome == "hit":
                assert asyncio.get_running_loop().time() < deadline, "the debt was never paid"
                await cache.get("anything")  # a read pays what is owed first
                await asyncio.sleep(0.05)
            assert [(await other.explain(key)).outcome for key in keys] == ["miss"] * 4
