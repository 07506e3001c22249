"""Dousell's page mix on a site as it is."""

from datetime import date

import pytest

from dousell_cache.dousell.pages import Inventory
from dousell_cache.measure.pages import PAGES, page_mix
from dousell_cache.measure.site_mix import site_pages
from dousell_cache.measure.workload import INVALIDATE, Schedule

DAY = date(2026, 1, 15)
WHOLE = Inventory([3, 7, 9], ["Dakar", "Thiès"], [4, 5], slots=True)
PUBLIC = Inventory([3, 7, 9], ["Dakar", "Thiès"], [], slots=False)


def test_the_keys_are_the_sites_own() -> None:
    """Each kind has the pages of the inventory under the keys that the site uses, and the table's times to live."""
    pages = {page.kind: page for page in site_pages(WHOLE, DAY)}
    keys = {kind: [page.key(rank) for rank in range(page.keys)] for kind, page in pages.items()}
    assert keys["home"] == ["all_properties_public"]
    assert keys["property"] == ["detail:3", "detail:7", "detail:9"]
    assert keys["search"][:2] == ["search:Dakar:any", "search:Dakar:room"]
    assert len(keys["search"]) == 12
    assert keys["dashboard"] == ["dashboard:4", "dashboard:5"]
    assert keys["slots"][0] == "slots:3:2026-01-15"
    assert len(keys["slots"]) == 21
    assert {page.kind: page.ttl for page in pages.values()} == {page.kind: page.ttl for page in PAGES}


def test_what_may_not_be_read_is_not_asked_for() -> None:
    """With a visitor's rights there are no dashboards and no slots, in reads and in withdrawals alike."""
    pages = site_pages(PUBLIC, DAY)
    assert [page.kind for page in pages] == ["home", "property", "search"]
    schedule = page_mix(Schedule.constant(100, requests=5_000), seed=2, pages=pages)
    assert schedule.keys is not None
    assert schedule.operations is not None
    assert {key.partition(":")[0] for key in schedule.keys} == {"all_properties_public", "detail", "search"}
    assert (schedule.operations == INVALIDATE).any()


def test_an_update_withdraws_what_shows_it() -> None:
    """A property's update withdraws the home page, a search and a dashboard; a booking withdraws a dashboard."""
    pages = {page.kind: page for page in site_pages(WHOLE, DAY)}
    assert pages["property"].withdraws(1) == ["all_properties_public", "search:Dakar:room", "dashboard:5"]
    assert pages["slots"].withdraws(8) == ["dashboard:5"]


@pytest.mark.parametrize("inventory", [Inventory([], ["Dakar"], [1], True), Inventory([1], [], [1], True)])
def test_a_site_without_pages_is_refused(inventory: Inventory) -> None:
    """Without a property or a city there is nothing to ask for, and the sentence says so."""
    with pytest.raises(ValueError, match="a site needs properties and cities"):
        site_pages(inventory, DAY)
