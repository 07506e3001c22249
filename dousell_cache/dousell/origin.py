"""The origin: where Dousell's data is read when the cache has none.

Two ways to the same rows: Supabase by its own client, and, on a laptop without npm, PostgreSQL itself.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import httpx
import psycopg
from psycopg.rows import dict_row
from supabase import AsyncClient, AsyncClientOptions, AsyncSupabaseException, acreate_client

from ..errors import ConfigurationError
from ..local import LatencyProfile

Row = dict[str, Any]

_LISTED = 50  # properties on one page of a list
# What a list shows of a property; PostgREST takes the same names.
_SUMMARY = ("id", "title", "kind", "neighbourhood", "rooms", "area_m2", "furnished", "rent_xof", "available_on")
_SECONDS = 10  # an origin 300 ms away that takes this long is down


class Origin(Protocol):
    """What the loaders read from."""

    async def property_ids(self, count: int) -> list[int]:
        """Return the ids of so many published properties, lowest first."""
        ...

    async def property(self, property_id: int) -> Row:
        """Return one published property as its page shows it, city included.

        Raises:
            LookupError: there is none.
        """
        ...

    async def newest(self) -> list[Row]:
        """Return the published properties that were added last, newest first, as a list shows them."""
        ...

    async def in_city(self, city: str, kind: str | None) -> list[Row]:
        """Return what is on offer in a city, of one kind or of any, cheapest first, as a list shows it."""
        ...

    async def cities(self) -> list[str]:
        """Return the names of all cities, in the order of their ids."""
        ...

    async def owner_ids(self, count: int) -> list[int]:
        """Return the ids of so many owners of published properties, lowest first."""
        ...


class SupabaseOrigin:
    """Read through PostgREST with the supabase client.

    Args:
        client: made by :func:`supabase_origin`.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def property_ids(self, count: int) -> list[int]:
        """Return the ids of so many published properties, lowest first."""
        ids: list[int] = []
        while len(ids) < count:
            # A project answers no more rows at once than its own limit, usually 1,000: the rest is asked for again.
            query = self._client.table("properties").select("id").eq("published", "true").order("id")
            rows = cast("list[Row]", (await query.range(len(ids), count - 1).execute()).data)
            if not rows:
                break
            ids += [row["id"] for row in rows]
        return ids

    async def property(self, property_id: int) -> Row:
        """Return one property as its page shows it, city included."""
        pages = self._client.table("properties").select("*, city:cities(name, region)").eq("published", "true")
        query = pages.eq("id", property_id)
        rows = cast("list[Row]", (await query.limit(1).execute()).data)
        return _only(rows, property_id)

    async def newest(self) -> list[Row]:
        """Return the published properties that were added last."""
        return await self._listed(self._lists("cities(name)").order("created_at", desc=True).order("id"))

    async def in_city(self, city: str, kind: str | None) -> list[Row]:
        """Return what is on offer in a city."""
        query = self._lists("cities!inner(name)").eq("city.name", city).order("rent_xof").order("id")
        return await self._listed(query if kind is None else query.eq("kind", kind))

    async def cities(self) -> list[str]:
        """Return the names of all cities."""
        rows = cast("list[Row]", (await self._client.table("cities").select("name").order("id").execute()).data)
        return [row["name"] for row in rows]

    async def owner_ids(self, count: int) -> list[int]:
        """Return the ids of so many owners of published properties, lowest first."""
        ids: list[int] = []
        while len(ids) < count:
            query = self._client.table("properties").select("owner_id").eq("published", "true").order("owner_id")
            rows = cast("list[Row]", (await query.gt("owner_id", ids[-1] if ids else 0).execute()).data)
            if not rows:
                break
            ids += sorted({row["owner_id"] for row in rows})
        return ids[:count]

    def _lists(self, city: str) -> Any:
        shown = f"{', '.join(_SUMMARY)}, photo:photos->>0, city:{city}"
        return self._client.table("properties").select(shown).eq("published", "true")

    @staticmethod
    async def _listed(query: Any) -> list[Row]:
        return cast("list[Row]", (await query.limit(_LISTED).execute()).data)


@asynccontextmanager
async def supabase_client(url: str, key: str, *, redirects: bool = True) -> AsyncIterator[AsyncClient]:
    """Open a Supabase project; the client's own retries are off, since they would be measured as latency.

    Args:
        url: the project's.
        key: is sent with every request.
        redirects: whether a request, with its key, goes where an answer sends it, as with the client's own settings.

    Raises:
        ConfigurationError: the URL is none.
    """
    # The client's own HTTP settings, with our timeout; its option for one warns that it is deprecated.
    async with httpx.AsyncClient(timeout=_SECONDS, follow_redirects=redirects, http2=True) as http:
        options = AsyncClientOptions(httpx_client=http, postgrest_client_retry=False)
        try:
            client = await acreate_client(url, key, options)
        except (AsyncSupabaseException, ValueError):
            message = "SUPABASE_URL must be an address such as https://project.supabase.co"
            raise ConfigurationError(message) from None
        yield client


@asynccontextmanager
async def supabase_origin(url: str, key: str) -> AsyncIterator[SupabaseOrigin]:
    """Open a Supabase project as an origin; raises as :func:`supabase_client`."""
    async with supabase_client(url, key) as client:
        yield SupabaseOrigin(client)


class PostgresOrigin:
    """Read from PostgreSQL itself, as far away as the emulated Supabase would be.

    Args:
        connection: to the database.
        latency: the distance to imitate; None for none.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Row], latency: LatencyProfile | None) -> None:
        self._connection = connection
        self._delays = latency.delays() if latency else None

    async def property_ids(self, count: int) -> list[int]:
        """Return the ids of so many published properties, lowest first."""
        rows = await self._rows("select id from properties where published order by id limit %s", count)
        return [row["id"] for row in rows]

    async def property(self, property_id: int) -> Row:
        """Return one property as its page shows it, city included."""
        query = (
            "select to_jsonb(p) || jsonb_build_object("
            "'city', jsonb_build_object('name', c.name, 'region', c.region)) as row "
            "from properties p join cities c on c.id = p.city_id where p.id = %s and p.published"
        )
        return cast("Row", _only(await self._rows(query, property_id), property_id)["row"])

    async def newest(self) -> list[Row]:
        """Return the published properties that were added last."""
        return await self._listed("true order by p.created_at desc, p.id")

    async def in_city(self, city: str, kind: str | None) -> list[Row]:
        """Return what is on offer in a city."""
        return await self._listed("c.name = %s and coalesce(p.kind = %s, true) order by p.rent_xof, p.id", city, kind)

    async def cities(self) -> list[str]:
        """Return the names of all cities."""
        return [row["name"] for row in await self._rows("select name from cities order by id")]

    async def owner_ids(self, count: int) -> list[int]:
        """Return the ids of so many owners of published properties, lowest first."""
        query = "select distinct owner_id from properties where published order by owner_id limit %s"
        return [row["owner_id"] for row in await self._rows(query, count)]

    async def _listed(self, condition: str, *arguments: int | str | None) -> list[Row]:
        shown = ", ".join(f"'{column}', p.{column}" for column in _SUMMARY)
        query = (
            f"select jsonb_build_object({shown}, 'photo', p.photos[1], "  # noqa: S608 - names and conditions of our own
            "'city', jsonb_build_object('name', c.name)) as row "
            f"from properties p join cities c on c.id = p.city_id where p.published and {condition} limit {_LISTED}"
        )
        return [cast("Row", row["row"]) for row in await self._rows(query, *arguments)]

    async def _rows(self, query: str, *arguments: int | str | None) -> list[Row]:
        if self._delays:
            await asyncio.sleep(next(self._delays))
        cursor = await self._connection.execute(query, arguments)
        return await cursor.fetchall()


@asynccontextmanager
async def postgres_origin(url: str, latency: LatencyProfile | None) -> AsyncIterator[PostgresOrigin]:
    """Open a database directly."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row)
    async with connection:
        yield PostgresOrigin(connection, latency)


def _only(rows: list[Row], property_id: int) -> Row:
    if not rows:
        message = f"there is no published property {property_id}"
        raise LookupError(message)
    return rows[0]
