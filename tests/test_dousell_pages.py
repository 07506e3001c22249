"""The site's pages by key: what a schedule asks for is what the site reads, and nothing is ever written."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from dousell_cache.dousell.ledger import LedgerRefused
from dousell_cache.dousell.site import Site, open_site

DAY = "2026-01-15"


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    """Dousell's site on the local cloud."""
    async with open_site("vercel") as opened:
        yield opened


async def test_each_kind_of_page_is_read_under_its_key(site: Site) -> None:
    """Every kind of key leads to a page, and what was read is kept under exactly that key."""
    inventory = await site.pages.inventory(10, 3)
    first, owner = inventory.property_ids[0], inventory.owner_ids[0]
    keys = [
        "all_properties_public",
        f"detail:{first}",
        f"search:{inventory.cities[0]}:any",
        f"search:{inventory.cities[0]}:villa",
        f"dashboard:{owner}",
        f"slots:{first}:{DAY}",
    ]
    for key in keys:
        assert await site.pages.read(key)
        assert (await site.cache.explain(key)).outcome == "hit"
    assert site.cache.counters().misses == len(keys)


async def test_a_withdrawn_page_is_read_anew(site: Site) -> None:
    """What is withdrawn is loaded by the next read; the origin's data was not touched."""
    inventory = await site.pages.inventory(1, 1)
    key = f"detail:{inventory.property_ids[0]}"
    before = await site.pages.read(key)
    await site.pages.withdraw(key)
    assert (await site.cache.explain(key)).outcome == "miss"
    assert await site.pages.read(key) == before


@pytest.mark.parametrize("key", ["", "detail", "detail:seven", "search:Dakar", "slots:7", "slots:7:2026-1-1", "home"])
async def test_a_key_that_no_page_has_is_refused(site: Site, key: str) -> None:
    """A key of no page is a ValueError, and the cache is not asked."""
    with pytest.raises(ValueError, match="no page is kept under a key like"):
        await site.pages.read(key)
    assert site.cache.counters().misses == 0


async def test_what_the_key_may_not_read_is_left_out(site: Site) -> None:
    """With a visitor's rights there are no dashboards and no slots to read, and the inventory says so."""

    class Visitor:
        async def call(self, function: str, _arguments: Mapping[str, Any]) -> Any:
            raise LedgerRefused(f"permission denied for function {function}", "42501")

    whole = await site.pages.inventory(5, 3)
    visitors = await dataclasses.replace(site, ledger=Visitor()).pages.inventory(5, 3)
    assert (len(whole.property_ids), len(whole.owner_ids), len(whole.cities), whole.slots) == (5, 3, 9, True)
    assert (visitors.property_ids, visitors.owner_ids, visitors.slots) == (whole.property_ids, [], False)
