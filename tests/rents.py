"""Dousell's ledger for tests: rents that nobody else pays, slots that nobody else books."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from dousell_cache.dousell import database, stand_in
from dousell_cache.dousell.ledger import Ledger, SupabaseLedger, postgres_ledger, supabase_ledger
from dousell_cache.dousell.receipts import Rent, Slot, Visit
from dousell_cache.local import Cloud

Hook = Callable[[], Awaitable[object]]

LEDGERS = ["supabase", "postgres"]
MONTH = date(2031, 3, 1)  # after all that was generated
_leases, _homes = itertools.count(), itertools.count()


def run(cloud: Cloud, query: str, *arguments: object) -> list[dict[str, Any]]:
    """Run a statement as the database's owner and return its rows."""
    with psycopg.connect(cloud.postgres_url, row_factory=dict_row, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), arguments or None)
        return cursor.fetchall() if cursor.description else []


@cache
def _running_leases(cloud: Cloud) -> list[dict[str, Any]]:
    database.load(cloud.postgres_url)
    query = """
        select l.id, l.rent_xof, p.owner_id, l.tenant_id from leases l join properties p on p.id = l.property_id
        where l.ends_on is null order by l.id
    """
    return run(cloud, query)


@cache
def _offered(cloud: Cloud) -> list[dict[str, Any]]:
    database.load(cloud.postgres_url)
    return run(cloud, "select id, owner_id from properties where published order by id")


def new_rent(cloud: Cloud, key: str = "", channel: str = "wave") -> Rent:
    """Return the rent of a running lease for a month in which nobody has tried to pay it."""
    lease = _running_leases(cloud)[next(_leases)]
    return Rent(lease["id"], MONTH, lease["rent_xof"], channel, key or uuid.uuid4().hex)


def owner_of(cloud: Cloud, rent: Rent) -> int:
    """Return whose dashboard a rent is on."""
    return next(int(lease["owner_id"]) for lease in _running_leases(cloud) if lease["id"] == rent.lease_id)


def new_visit(cloud: Cloud) -> Visit:
    """Return a visit, on a Monday at ten, of a published property that nobody visits that year."""
    begins = datetime(2031, 3, 3, 10, tzinfo=UTC)
    home = _offered(cloud)[next(_homes)]
    return Visit(home["id"], uuid.uuid4(), "Visiteur", Slot(begins, begins + timedelta(minutes=30)))


def rows(cloud: Cloud, rent: Rent) -> list[dict[str, Any]]:
    """Return what the database holds for a rent's month."""
    query = "select * from payments where lease_id = %s and period = %s"
    return run(cloud, query, rent.lease_id, rent.period)


def visits(cloud: Cloud, property_id: int) -> list[dict[str, Any]]:
    """Return a property's visits of that year."""
    return run(
        cloud, "select * from visits where property_id = %s and starts_at > '2031-01-01' order by id", property_id
    )


@asynccontextmanager
async def opened(kind: str, cloud: Cloud) -> AsyncIterator[Ledger]:
    """Open the ledger, through PostgREST or past it."""
    ready(cloud)
    if kind == "postgres":
        async with postgres_ledger(cloud.postgres_url) as direct:
            yield direct
    else:
        async with supabase_ledger(str(cloud.supabase_url), cloud.supabase_service_key) as ledger:
            yield ledger


@cache
def ready(cloud: Cloud) -> None:
    """Load the data, and wait until PostgREST knows its schema."""
    _running_leases(cloud)
    stand_in.await_schema(cloud)


@asynccontextmanager
async def gateway(body: bytes) -> AsyncIterator[SupabaseLedger]:
    """Open a ledger behind a gateway that says 200 to everything, with this body."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with supabase_ledger(f"http://127.0.0.1:{port}", "key") as ledger:
            yield ledger


def second_of_two(cloud: Cloud, function: str, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Make two calls of which the second begins before the first has ended; return what the second is answered."""
    arguments = sql.SQL(", ").join(sql.SQL("{} => {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in first)
    query = sql.SQL("select {}({})").format(sql.Identifier(function), arguments)
    waiting = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(cloud.postgres_url) as later,
        psycopg.connect(cloud.postgres_url) as earlier,  # ends first, whatever happens, so that the later one can end
    ):
        earlier.execute(query, first)
        attempt = pool.submit(lambda: later.execute(query, second).fetchall())
        deadline = time.monotonic() + 20
        while not run(cloud, waiting, later.info.backend_pid):
            assert time.monotonic() < deadline
        earlier.commit()
        ((answer,),) = attempt.result()
    return dict(answer)


def claiming(rent: Rent, fence: int, **changed: object) -> dict[str, Any]:
    """Return the arguments of a claim."""
    return {
        "lease_id": rent.lease_id,
        "period": rent.period,
        "amount_xof": rent.amount_xof,
        "channel": rent.channel,
        "idempotency_key": rent.key,
        "fence": fence,
    } | changed


def settling(rent: Rent, fence: int, outcome: str = "paid", attempt: int = 1, **changed: object) -> dict[str, Any]:
    """Return the arguments of a settlement."""
    return {
        "lease_id": rent.lease_id,
        "period": rent.period,
        "fence": fence,
        "outcome": outcome,
        "reference": f"RENT-{rent.lease_id}-203103-{attempt}",
    } | changed


async def nothing() -> None:
    """Do nothing at a step."""


class Broken:
    """A ledger with something that happens before or after the calls of one function."""

    def __init__(self, ledger: Ledger, function: str, before: Hook = nothing, after: Hook = nothing) -> None:
        self.ledger, self.function, self.before, self.after = ledger, function, before, after

    async def call(self, function: str, arguments: Any) -> Any:
        """Call the function, with what happens around it."""
        if function != self.function:
            return await self.ledger.call(function, arguments)
        await self.before()
        answer = await self.ledger.call(function, arguments)
        await self.after()
        return answer


class Answered:
    """A ledger for which somebody else answers the calls of one function."""

    def __init__(self, ledger: Ledger, function: str, instead: Callable[[str, Any], Awaitable[Any]]) -> None:
        self.ledger, self.function, self.instead = ledger, function, instead

    async def call(self, function: str, arguments: Any) -> Any:
        """Call the function, or ask who answers instead."""
        return await (self.instead if function == self.function else self.ledger.call)(function, arguments)


def stale_above(ledger: Ledger, high_water: int) -> Callable[[str, Any], Awaitable[Any]]:
    """Return what answers that the ledger has seen such a fence."""

    async def answer(function: str, arguments: Any) -> Any:
        return await ledger.call(function, arguments) | {"answer": "stale", "high_water": high_water}

    return answer


def once(error: Exception) -> Hook:
    """Return what raises an error the first time."""
    left = [error]

    async def fail() -> None:
        if left:
            raise left.pop()

    return fail
