"""Dousell's page mix on a site as it is: the table of :mod:`.pages`, with the pages that its origin has. Pure."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from ..dousell.pages import Inventory
from ..dousell.properties import HOME_KEY, dashboard_key, property_key, search_key
from ..dousell.receipts import slots_key
from ..dousell.seed import KINDS
from .pages import DAYS, PAGES, Page

_KINDS = [None, *(kind.name for kind in KINDS)]


def site_pages(inventory: Inventory, first_day: date, table: Sequence[Page] = PAGES) -> tuple[Page, ...]:
    """Return the table with a site's own keys; kinds of pages that may not be read there are left out.

    Which pages show a property is not known without reading it, so an update of one withdraws, beside its page and the
    home page, a search and a dashboard that stand for those.

    Args:
        inventory: what the site has pages of.
        first_day: of the days for which visit slots are offered.
        table: times to live, weights, skews and updates.

    Raises:
        ValueError: the site has no property, or no city.
    """
    if not inventory.property_ids or not inventory.cities:
        message = f"a site needs properties and cities, not {inventory.property_ids} and {inventory.cities}"
        raise ValueError(message)
    keys = _keys(inventory, first_day)
    shown = {"property": _showing_property(keys), "slots": _showing_slots(keys)}
    return tuple(
        page._replace(keys=len(keys[page.kind]), key=keys[page.kind].__getitem__, withdraws=shown.get(page.kind, _none))
        for page in table
        if keys.get(page.kind)
    )


def _keys(inventory: Inventory, first_day: date) -> dict[str, list[str]]:
    days = [first_day + timedelta(days=number) for number in range(DAYS)]
    return {
        "home": [HOME_KEY],
        "property": [property_key(number) for number in inventory.property_ids],
        "search": [search_key(city, kind) for city in inventory.cities for kind in _KINDS],
        "dashboard": [dashboard_key(number) for number in inventory.owner_ids],
        "slots": [slots_key(number, day) for number in inventory.property_ids for day in days] * inventory.slots,
    }


def _showing_property(keys: dict[str, list[str]]) -> Callable[[int], list[str]]:
    return lambda rank: [HOME_KEY, *(_one(keys[kind], rank) for kind in ("search", "dashboard") if keys[kind])]


def _showing_slots(keys: dict[str, list[str]]) -> Callable[[int], list[str]]:
    return lambda rank: [_one(keys["dashboard"], rank // DAYS)] if keys["dashboard"] else []


def _one(keys: list[str], rank: int) -> str:
    return keys[rank % len(keys)]


def _none(_rank: int) -> list[str]:
    return []
