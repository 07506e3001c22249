"""The site's pages by the keys under which they are kept: what a recorded or made-up schedule of reads asks for.

Reading is real, all the way to the origin. Nothing is ever written: a change is told to the cache alone, because
whoever measures a site must not change its data.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..async_cache import AsyncCache
from .ledger import Ledger, LedgerRefused
from .origin import Origin
from .properties import owner_dashboard, property_page, public_properties, search_city
from .visits import visit_slots

_ANY_DAY = "2026-01-15"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Inventory:
    """What a site has pages of.

    Args:
        property_ids: of the published properties, lowest first.
        cities: by name.
        owner_ids: who has a dashboard that may be read here; empty with a key that may not.
        slots: whether visit slots may be read here.
    """

    property_ids: list[int]
    cities: list[str]
    owner_ids: list[int]
    slots: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """Read the site's pages through its cache.

    Args:
        cache: keeps them.
        origin: what anybody may read.
        ledger: what needs the service role's rights.
        as_of: the moment at which the site's data stands; None for now.
    """

    cache: AsyncCache
    origin: Origin
    ledger: Ledger
    as_of: datetime | None = None

    async def read(self, key: str) -> Any:
        """Return what a page shows, from the cache if it is there.

        Args:
            key: `all_properties_public`, `detail:7`, `search:Dakar:any`, `dashboard:3` or `slots:7:2026-01-15`.

        Raises:
            ValueError: no page has such a key.
            LookupError: there is no such property.
            LedgerError: a dashboard or slots could not be read.
        """
        match key.split(":"):
            case ["all_properties_public"]:
                return await public_properties(self.cache, self.origin)
            case ["detail", number] if number.isdecimal():
                return await property_page(self.cache, self.origin, int(number))
            case ["search", city, kind]:
                return await search_city(self.cache, self.origin, city, None if kind == "any" else kind)
            case ["dashboard", number] if number.isdecimal():
                day = self.as_of.date() if self.as_of else None
                return await owner_dashboard(self.cache, self.ledger, int(number), as_of=day)
            case ["slots", number, day] if number.isdecimal() and _DAY.fullmatch(day):
                moment = date.fromisoformat(day)
                return await visit_slots(self.cache, self.ledger, int(number), moment, as_of=self.as_of)
        message = f"no page is kept under a key like {key!r}"
        raise ValueError(message)

    async def withdraw(self, key: str) -> None:
        """Tell the cache that what a page shows has changed.

        Raises:
            CacheUnavailable: it could not be told.
        """
        await self.cache.invalidate(key)

    async def inventory(self, properties: int, owners: int) -> Inventory:
        """Return what there is, up to so many, trying once what this key may read."""
        ids = await self.origin.property_ids(properties)
        holders = await self.origin.owner_ids(owners)
        may_see = bool(holders) and await self._allowed("owner_dashboard", {"owner_id": holders[0]})
        slots = bool(ids) and await self._allowed("free_slots", {"property_id": ids[0], "day": _ANY_DAY})
        return Inventory(ids, await self.origin.cities(), holders if may_see else [], slots)

    async def _allowed(self, function: str, arguments: dict[str, Any]) -> bool:
        try:
            await self.ledger.call(function, arguments)
        except LedgerRefused:
            return False
        return True
