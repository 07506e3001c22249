"""The ledger: Dousell's payments and visits in the database, which has the last word about them.

One method, which calls a function of schema.sql; two ways to it, Supabase's own client and PostgreSQL itself. What
goes wrong is sorted here and nowhere else: nobody knows (unavailable), somebody was first (conflict), no (refused).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import psycopg
from postgrest import APIError
from psycopg import sql
from supabase import AsyncClient

from ..errors import CacheError
from .origin import supabase_client

Answer = dict[str, Any]

_SECONDS = 10  # as the origin's: a database that takes this long is down


class LedgerError(CacheError):
    """The ledger did not answer a call.

    Args:
        message: what happened, in one sentence.
        code: PostgreSQL's or PostgREST's code, or the HTTP status; empty if nothing came back.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class LedgerUnavailable(LedgerError):
    """The network's: no answer, so nobody knows whether the call was carried out; calling again does no harm."""


class LedgerConflict(LedgerError):
    """Another's: a unique row or an excluded slot is there already, and nothing was changed."""


class LedgerRefused(LedgerError):
    """Yours: the ledger understood and said no (rights, a value that cannot be, a function that is not there)."""


class Ledger(Protocol):
    """What payments and visits are kept in."""

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the schema.

        Args:
            function: its name.
            arguments: by name, as JSON has them: dates and times in ISO's form.

        Returns:
            Its answer, as JSON has it.

        Raises:
            LedgerUnavailable: nobody knows whether it was carried out.
            LedgerConflict: the database's own constraint refused it.
            LedgerRefused: it was refused for another reason.
        """
        ...


_CONFLICTS = ("23505", "23P01")  # unique; excluded
# PostgreSQL: connection, transaction taken back, resources, lock, operator, system. PostgREST: no database.
_UNANSWERED = ("08", "40", "53", "55P03", "57", "58", "PGRST00")
_STATUSES_UNANSWERED = ("5", "408", "429")  # a gateway's


def sort_failure(code: str, message: str) -> LedgerError:
    """Return the error that a code means; without any code nobody knows what happened.

    Args:
        code: PostgreSQL's of five characters, PostgREST's, or an HTTP status.
        message: what to say.
    """
    if code in _CONFLICTS:
        return LedgerConflict(message, code)
    if not code or code.startswith(_STATUSES_UNANSWERED if len(code) == 3 else _UNANSWERED):
        return LedgerUnavailable(message, code)
    return LedgerRefused(message, code)


class SupabaseLedger:
    """Call through PostgREST with the supabase client.

    Args:
        client: with the service role's key; anybody else is refused.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the schema; see :class:`Ledger`."""
        try:
            return (await self._client.rpc(function, dict(arguments)).execute()).data
        except APIError as error:
            raise sort_failure(error.code or "", f"{function}: {error.message}") from error
        except httpx.HTTPError as error:
            raise LedgerUnavailable(f"{function}: {type(error).__name__}") from error


@asynccontextmanager
async def supabase_ledger(url: str, service_key: str) -> AsyncIterator[SupabaseLedger]:
    """Open a Supabase project's ledger.

    Args:
        url: the project's.
        service_key: the service role's key: a secret of the site's server, never a browser's.

    Raises:
        ConfigurationError: the URL is none.
    """
    async with supabase_client(url, service_key, redirects=False) as client:  # that key goes nowhere else
        yield SupabaseLedger(client)


class PostgresLedger:
    """Call PostgreSQL itself: where there is no PostgREST, and where processes are killed by the hundred.

    Args:
        url: of a role that may call the functions. It is connected to on first use, and again after a failure.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the schema; see :class:`Ledger`."""
        named = [sql.SQL("{} => %s").format(sql.Identifier(name)) for name in arguments]
        query = sql.SQL("select {}({})").format(sql.Identifier("public", function), sql.SQL(", ").join(named))
        async with self._turn:
            try:
                cursor = await (await self._connected()).execute(query, list(arguments.values()))
                (answer,) = await cursor.fetchone() or (None,)
            except psycopg.Error as error:
                raise sort_failure(error.sqlstate or "", f"{function}: {_said(error)}") from error
        return answer

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            await self._connection.close()

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            connect = psycopg.AsyncConnection.connect
            self._connection = await connect(self._url, autocommit=True, connect_timeout=_SECONDS)
        return self._connection


@asynccontextmanager
async def postgres_ledger(url: str) -> AsyncIterator[PostgresLedger]:
    """Open a database's ledger directly.

    Args:
        url: see :class:`PostgresLedger`.
    """
    ledger = PostgresLedger(url)
    try:
        yield ledger
    finally:
        await ledger.close()


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__  # a connection's own message shows where it went
