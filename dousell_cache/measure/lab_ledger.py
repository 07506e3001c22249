"""A ledger to pay into for trial: tables of one's own on the local PostgreSQL, gone when the trial is over.

A row is money that moved. Which of its two guards are on, the fence and the unique row, is said with every payment, so
that a trial can do without one of them. The site's own ledger is never touched.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

_CONNECTIONS = 4  # so that payments meet in the database, and not in our queue

_SCHEMA: LiteralString = """
create schema {schema};
create table {schema}.marks (rent text primary key, fence bigint not null); -- the highest fence that each rent has seen
create table {schema}.payments (rent text not null, is_unique boolean not null);
create index on {schema}.payments (rent);
create unique index on {schema}.payments (rent) where is_unique;

create function {schema}.pay(p_rent text, p_fence bigint, by_fence boolean, by_row boolean) returns text
language plpgsql as $$
declare mark bigint;
begin
  if by_fence then
    insert into {schema}.marks as m values (p_rent, p_fence)
    on conflict (rent) do update set fence = greatest(m.fence, excluded.fence) returning fence into mark;
    if p_fence < mark then return 'fence too small'; end if;
  end if;
  insert into {schema}.payments values (p_rent, by_row) on conflict do nothing;
  return case when found then 'paid' else 'row is there' end;
end $$;
"""


@dataclass(frozen=True, slots=True)
class Guards:
    """What a ledger decides by.

    Args:
        fence: whether it refuses a smaller fence than it has seen.
        row: whether it refuses a second row for one rent.
    """

    fence: bool = False
    row: bool = False


class LabLedger:
    """Payments for trial. Made by :func:`open_lab_ledger`.

    Args:
        schema: where its tables are.
        connections: to the database, each used by one payer at a time.
    """

    def __init__(self, schema: sql.Identifier, connections: "list[psycopg.AsyncConnection[Any]]") -> None:
        self._schema = schema
        self._free = asyncio.Queue["psycopg.AsyncConnection[Any]"]()
        for connection in connections:
            self._free.put_nowait(connection)

    async def is_paid(self, rent: str) -> bool:
        """Look whether a rent is paid."""
        return bool(await self._rows("select from {schema}.payments where rent = %s limit 1", rent))

    async def pay(self, rent: str, fence: int, guards: Guards) -> str:
        """Move the money, and say ``paid``, or which guard refused it."""
        ((word,),) = await self._rows("select {schema}.pay(%s, %s, %s, %s)", rent, fence, guards.fence, guards.row)
        return str(word)

    async def times(self) -> dict[str, int]:
        """Return how often each rent was paid."""
        return dict(await self._rows("select rent, count(*) from {schema}.payments group by 1"))

    async def _rows(self, query: LiteralString, *arguments: object) -> list[Any]:
        connection = await self._free.get()
        try:
            cursor = await connection.execute(sql.SQL(query).format(schema=self._schema), arguments)
            return await cursor.fetchall()
        finally:
            self._free.put_nowait(connection)


@asynccontextmanager
async def open_lab_ledger(url: str) -> AsyncIterator[LabLedger]:
    """Make a ledger of one's own in a database, and drop it afterwards.

    Args:
        url: the local cloud's PostgreSQL, as a role that may create a schema.
    """
    schema = sql.Identifier(f"lab_{uuid.uuid4().hex[:12]}")
    async with AsyncExitStack() as stack:
        opened = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(_CONNECTIONS)]
        for connection in opened:
            await stack.enter_async_context(connection)
        await opened[0].execute(sql.SQL(_SCHEMA).format(schema=schema))
        try:
            yield LabLedger(schema, opened)
        finally:
            await opened[0].execute(sql.SQL("drop schema {} cascade").format(schema))
