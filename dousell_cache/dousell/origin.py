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

_SECONDS = 10  # an origin 300 ms away that takes this long is down


class Origin(Protocol):
    """What the loaders read from."""

    async def property_ids(self, count: int) -> list[int]:
        """Return the ids of so many published properties, lowest first."""
        ...

    async def property(self, property_id: int) -> Row:
        """Return one property as its page shows it, city included."""
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
        query = self._client.table("properties").select("*, city:cities(name, region)").eq("id", property_id)
        return cast("Row", (await query.single().execute()).data)


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
            "from properties p join cities c on c.id = p.city_id where p.id = %s"
        )
        return cast("Row", (await self._rows(query, property_id))[0]["row"])

    async def _rows(self, query: str, argument: int) -> list[Row]:
        if self._delays:
            await asyncio.sleep(next(self._delays))
        cursor = await self._connection.execute(query, (argument,))
        return await cursor.fetchall()


@asynccontextmanager
async def postgres_origin(url: str, latency: LatencyProfile | None) -> AsyncIterator[PostgresOrigin]:
    """Open a database directly."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row)
    async with connection:
        yield PostgresOrigin(connection, latency)
