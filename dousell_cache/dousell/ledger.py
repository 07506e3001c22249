"""The ledger: Dousell's payments and visits in the database, which has the last word about them.

One method, which calls a function of schema.sql; two ways to it, Supabase's own client and PostgreSQL itself. What
goes wrong is sorted here and nowhere else: nobody knows (unavailable), somebody was first (conflict), no (refused).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol, TypedDict

import httpx
import msgspec
import psycopg
from postgrest import APIError
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb
from supabase import AsyncClient

from ..errors import CacheError
from ..local import LatencyProfile
from .origin import supabase_client

Answer = dict[str, Any]

_SECONDS = 10.0  # as the origin's: a database that takes this long is down
_FAREWELL_SECONDS = 1.0  # for the driver, to have the server stop what it was too slow for
_LIMITS = "-c statement_timeout=8s -c lock_timeout=5s"  # the server's own, which come first and say more
_FENCES_END = 2**53  # as the schema has it


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


class _Payment(TypedDict):
    lease_id: int
    period: str
    amount_xof: int
    status: Literal["pending", "paid", "failed"]
    channel: str
    reference: str


class _PaymentAnswer(TypedDict):
    answer: str
    payment: _Payment | None
    high_water: int
    owner_id: int | None


class _VisitAnswer(TypedDict):
    answer: str
    visit: dict[str, Any] | None
    high_water: int
    owner_id: int | None


class _Slot(TypedDict):
    starts_at: str
    ends_at: str


class _UpdateAnswer(TypedDict):
    answer: Literal["updated", "no_such_property"]
    property: dict[str, Any] | None
    owner_id: int | None
    cities: list[str]


_SHAPES: Mapping[str, Any] = {
    "find_payment": _PaymentAnswer,
    "claim_payment": _PaymentAnswer,
    "settle_payment": _PaymentAnswer,
    "book_visit": _VisitAnswer,
    "free_slots": list[_Slot],
    "update_property": _UpdateAnswer,
    "owner_dashboard": dict[str, Any] | None,
}


def checked_answer(function: str, answer: object) -> Any:
    """Return an answer if it is one of that function's; a gateway's 200 may hold anything.

    Args:
        function: its name.
        answer: what came back.

    Raises:
        LedgerUnavailable: it is not, so nobody knows whether the call was carried out.
    """
    try:
        msgspec.convert(answer, _SHAPES.get(function, Answer))
    except msgspec.ValidationError as error:
        raise LedgerUnavailable(f"{function}: what came back is no answer: {error}") from None
    return answer


def high_water(stale: Answer) -> int:
    """Return the fence that a lock's is to be above.

    Args:
        stale: the answer that tells it.

    Raises:
        LedgerRefused: none can be above it; no lock has ever written such a number.
    """
    fence: int = stale["high_water"]
    if not 0 <= fence < _FENCES_END:
        raise LedgerRefused(f"the ledger's fence {fence} is none of a lock's")
    return fence


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
            answer = (await self._client.rpc(function, dict(arguments)).execute()).data
        except APIError as error:
            raise sort_failure(error.code or "", f"{function}: {error.message}") from error
        except httpx.HTTPError as error:
            raise LedgerUnavailable(f"{function}: {type(error).__name__}") from error
        return checked_answer(function, answer)


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
        latency: the distance to imitate; None for none.
    """

    def __init__(self, url: str, latency: LatencyProfile | None = None) -> None:
        self._url = url
        self._delays = latency.delays() if latency else None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the schema; see :class:`Ledger`."""
        named = [sql.SQL("{} => %s").format(sql.Identifier(name)) for name in arguments]
        query = sql.SQL("select {}({})").format(sql.Identifier("public", function), sql.SQL(", ").join(named))
        if self._delays:
            await asyncio.sleep(next(self._delays))
        values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments.values()]
        try:
            # Interrupted once, the driver asks the server to stop; interrupted again, it closes the connection.
            async with asyncio.timeout(_SECONDS + _FAREWELL_SECONDS), asyncio.timeout(_SECONDS), self._turn:
                cursor = await (await self._connected()).execute(query, values)
                (answer,) = await cursor.fetchone() or (None,)
        except TimeoutError as error:
            raise LedgerUnavailable(f"{function}: no answer within {_SECONDS:g} s") from error
        except psycopg.Error as error:
            raise sort_failure(error.sqlstate or "", f"{function}: {_said(error)}") from error
        return checked_answer(function, answer)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            await self._connection.close()

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            connect = psycopg.AsyncConnection.connect
            options = f"{_LIMITS} {conninfo_to_dict(self._url).get('options', '')}"  # the URL's own have the last word
            self._connection = await connect(self._url, autocommit=True, options=options)
        return self._connection


@asynccontextmanager
async def postgres_ledger(url: str, latency: LatencyProfile | None = None) -> AsyncIterator[PostgresLedger]:
    """Open a database's ledger directly; arguments as for :class:`PostgresLedger`."""
    ledger = PostgresLedger(url, latency)
    try:
        yield ledger
    finally:
        await ledger.close()


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__  # a connection's own message shows where it went
