"""What visitors and owners read, from the cache, and what a change of a property withdraws from it.

An entry's key says what it is: `all_properties_public`, `detail:7`, `search:Dakar:any`, `search:Dakar:villa`,
`dashboard:3`. Lists of a city carry its tag and the tag of all lists, dashboards their owner's and that of all of them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from ..async_cache import AsyncCache
from ..errors import CacheUnavailable
from .ending import to_its_end
from .ledger import Answer, Ledger, LedgerUnavailable
from .origin import Origin, Row
from .receipts import owner_tag

HOME_SECONDS, PROPERTY_SECONDS, SEARCH_SECONDS, DASHBOARD_SECONDS = 300.0, 3600.0, 600.0, 1800.0

HOME_KEY = "all_properties_public"
LISTS_TAG, DASHBOARDS_TAG = "lists", "dashboards"  # for a change of which nobody knows what it was


def property_key(property_id: int) -> str:
    """Return the key of a property's page."""
    return f"detail:{property_id}"


def search_key(city: str, kind: str | None = None) -> str:
    """Return the key of what is on offer in a city, of one kind or of any."""
    return f"search:{city}:{kind or 'any'}"


def dashboard_key(owner_id: int) -> str:
    """Return the key of an owner's dashboard."""
    return f"dashboard:{owner_id}"


def city_tag(city: str) -> str:
    """Return the tag of every list that shows a city's properties."""
    return f"city:{city}"


async def public_properties(cache: AsyncCache, origin: Origin) -> list[Row]:
    """Return what the home page shows, the newest first, from the cache for five minutes."""
    return await cache.get_or_set(HOME_KEY, origin.newest, ttl=HOME_SECONDS)


async def property_page(cache: AsyncCache, origin: Origin, property_id: int) -> Row:
    """Return one property as its page shows it, from the cache for an hour.

    Raises:
        LookupError: no published property has this id; that is not kept, so one that appears is seen at once.
    """
    return await cache.get_or_set(property_key(property_id), lambda: origin.property(property_id), ttl=PROPERTY_SECONDS)


async def search_city(cache: AsyncCache, origin: Origin, city: str, kind: str | None = None) -> list[Row]:
    """Return what is on offer in a city, cheapest first, from the cache for ten minutes.

    Args:
        cache: keeps it.
        origin: read on a miss.
        city: its name, as in `cities`.
        kind: `room`, `studio`, `apartment`, `house` or `villa`; None for any.
    """
    return await cache.get_or_set(
        search_key(city, kind),
        lambda: origin.in_city(city, kind),
        ttl=SEARCH_SECONDS,
        tags=[city_tag(city), LISTS_TAG],
    )


async def owner_dashboard(
    cache: AsyncCache, ledger: Ledger, owner_id: int, *, as_of: date | None = None
) -> Answer | None:
    """Return an owner's dashboard, from the cache for half an hour; None for an owner who does not exist.

    Args:
        cache: keeps it.
        ledger: with the service role's rights: the caller has checked that the owner is signed in.
        owner_id: whose.
        as_of: the day it stands around, for data that does not stand around today.

    Raises:
        LedgerError: the ledger had to be asked, and did not answer.
    """
    arguments: dict[str, Any] = {"owner_id": owner_id} | ({"as_of": as_of.isoformat()} if as_of else {})

    async def load() -> Answer | None:
        answer: Answer | None = await ledger.call("owner_dashboard", arguments)
        return answer

    return await cache.get_or_set(
        dashboard_key(owner_id), load, ttl=DASHBOARD_SECONDS, tags=[owner_tag(owner_id), DASHBOARDS_TAG]
    )


async def update_property(
    cache: AsyncCache, ledger: Ledger, property_id: int, changes: Mapping[str, Any]
) -> Row | None:
    """Change a property, then withdraw what shows it: no read that starts after this returns sees it as it was.

    A reply that is lost is asked for once more: the second call waits for the first, and changes nothing anew. Once
    begun it goes on to its end, also if the caller is cancelled: what was changed must not be shown as it was.

    Args:
        cache: from which it is withdrawn.
        ledger: with the service role's rights: the caller has checked that the owner is signed in.
        property_id: which.
        changes: columns to values, as JSON has them: `{"rent_xof": 475_000}`.

    Returns:
        The property as it stands now; None if there is none.

    Raises:
        LedgerRefused: a column is none that may be changed, or a value none that can be; nothing was changed.
        LedgerUnavailable: nobody knows whether it was, or will yet be, changed. Every list and dashboard was withdrawn,
            but only a call that ends well withdraws what a late change makes outdated: so call again until one does.
        CacheUnavailable: it was changed, and the cache does not know; this process tells it before trusting it again.
    """
    return await to_its_end(_update_property(cache, ledger, property_id, changes))


async def _update_property(
    cache: AsyncCache, ledger: Ledger, property_id: int, changes: Mapping[str, Any]
) -> Row | None:
    arguments, lost = {"property_id": property_id, "changes": dict(changes)}, False
    try:
        try:
            answer = await ledger.call("update_property", arguments)
        except LedgerUnavailable:
            lost = True
            answer = await ledger.call("update_property", arguments)
    except LedgerUnavailable:
        with suppress(CacheUnavailable):  # it is owed, and the ledger's failure is what the caller has to know
            await withdraw_property(cache, property_id, [LISTS_TAG, DASHBOARDS_TAG])
        raise
    if answer["answer"] != "updated":
        return None
    # Asked again, the ledger no longer knows in which city the property was before.
    lists = [LISTS_TAG] if lost else [city_tag(city) for city in answer["cities"]]
    await withdraw_property(cache, property_id, [*lists, owner_tag(answer["owner_id"])])
    row: Row = answer["property"]
    return row


async def withdraw_property(cache: AsyncCache, property_id: int, tags: Sequence[str]) -> None:
    """Withdraw a property's page, the home page, and what carries the tags: two commands, whatever their number.

    Args:
        cache: from which.
        property_id: whose page.
        tags: of the lists and the dashboard that show it.

    Raises:
        CacheUnavailable: the cache could not be told all of it; what it was not told is owed.
    """
    # Both are tried, whatever becomes of the other: only what was tried is owed.
    told = await asyncio.gather(
        cache.invalidate(property_key(property_id), HOME_KEY), cache.invalidate_tags(*tags), return_exceptions=True
    )
    for failure in told:
        if isinstance(failure, BaseException):
            raise failure
