"""PayDunya, emulated: no money moves and nothing leaves this machine.

What payments need of a provider is the protocol `Provider`; the real PayDunya would be another class with its two
methods. This one has latency, declines, requests and replies that get lost, and answers that come late, all drawn from
a seed and the reference, so that the order in which calls arrive changes nothing.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

from ..errors import CacheError

State = Literal["processing", "completed", "failed"]
Found = TypeVar("Found", bound="Charge | None")

_WAIT_FOR_FILE = 30.0  # seconds; another process may be paused while it writes

_BOOK = """
    create table if not exists charges (
      id integer primary key, reference text not null, amount_xof integer not null, channel text not null,
      outcome text not null, ends_at real not null
    )
"""


class ProviderUnavailable(CacheError):
    """The network's: no answer, so nobody knows whether the charge is being carried out; `find` tells later."""


class ProviderRefused(CacheError):
    """Yours: the reference stands for another amount."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a provider knows of a charge.

    Args:
        reference: the payer's own name for it.
        amount_xof: in whole francs.
        channel: the one it was charged through.
        state: `completed` and `failed` are for good.
        completed_at: when the money moved; None if it did not.
    """

    reference: str
    amount_xof: int
    channel: str
    state: State
    completed_at: datetime | None = None


class Provider(Protocol):
    """What payments need of a provider: it charges a reference at most once, and says what became of it."""

    async def charge(self, reference: str, amount_xof: int, channel: str) -> Charge:
        """Charge a reference, or wait for what becomes of it if it was asked for before.

        Args:
            reference: the provider's idempotency: one reference is charged at most once, and a failure is for good.
            amount_xof: in whole francs.
            channel: which of the payer's accounts.

        Raises:
            ProviderUnavailable: nobody knows whether it is being carried out.
            ProviderRefused: the reference stands for another amount.
        """
        ...

    async def find(self, reference: str) -> Charge | None:
        """Return what became of a reference; None if it never arrived.

        Raises:
            ProviderUnavailable: no answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Faults:
    """How the emulated provider behaves; probabilities are of one call, `declined` of one reference.

    Args:
        latency: mean seconds on the way there and back together, exponentially distributed.
        seconds: the provider's own seconds for a charge.
        late: probability that it takes `late_seconds` instead.
        late_seconds: longer than a lock lives, by default.
        declined: probability that the payer's account says no.
        request_lost: probability that a call never arrives, and its caller is told of a broken connection.
        reply_lost: probability that a call is carried out, and its caller is told of a broken connection.
    """

    latency: float = 0.0
    seconds: float = 0.0
    late: float = 0.0
    late_seconds: float = 40.0
    declined: float = 0.0
    request_lost: float = 0.0
    reply_lost: float = 0.0


_NONE = Faults()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one call meets."""

    there: float
    back: float
    seconds: float
    request_lost: bool
    reply_lost: bool


class PayDunya:
    """A provider that stands in for PayDunya. Close it, or use it in a ``with`` block.

    Args:
        seed: of everything that is drawn.
        faults: how it behaves; may be replaced at any time.
        path: of the file in which it keeps its charges, for several processes that meet one provider; in this object's
            memory by default.
        idempotent: False for a provider that charges whenever it is asked, to show what then becomes of the payer.
    """

    emulated = "PayDunya (simulated)"

    def __init__(
        self, seed: int = 0, faults: Faults = _NONE, *, path: str = ":memory:", idempotent: bool = True
    ) -> None:
        self.faults = faults
        self._seed = seed
        self._idempotent = idempotent
        self._calls = Counter[str]()
        self._book = sqlite3.connect(path, timeout=_WAIT_FOR_FILE, isolation_level=None)
        self._book.execute("pragma synchronous = off")  # it outlives killed processes, not the machine
        self._book.execute(_BOOK)

    async def charge(self, reference: str, amount_xof: int, channel: str) -> Charge:
        """Charge a reference; see :class:`Provider`. What has arrived goes on if the caller stops waiting."""
        plan = self._plan(reference)
        await self._arrive(plan)
        number = self._write(reference, amount_xof, channel, plan.seconds)
        _, ends_at = self._entry(number)
        await asyncio.sleep(max(0.0, ends_at - time.time()))
        return await self._reply(plan, self._as_of(number, ends_at))

    async def find(self, reference: str) -> Charge | None:
        """Return what became of a reference; see :class:`Provider`."""
        plan = self._plan(f"find {reference}")
        await self._arrive(plan)
        numbers = self._numbers(reference)
        return await self._reply(plan, self._as_of(numbers[0], time.time()) if numbers else None)

    def debits(self) -> dict[str, int]:
        """Return how often each reference was really charged, or is about to be."""
        rows = self._book.execute("select reference, count(*) from charges where outcome = 'completed' group by 1")
        return dict(rows.fetchall())

    def close(self) -> None:
        """Close its book; what is in a file stays there."""
        self._book.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _arrive(self, plan: _Plan) -> None:
        await asyncio.sleep(plan.there)
        if plan.request_lost:
            raise ProviderUnavailable("PayDunya (simulated) could not be reached")

    async def _reply(self, plan: _Plan, found: Found) -> Found:
        if plan.reply_lost:
            raise ProviderUnavailable("PayDunya (simulated) broke the connection off")
        await asyncio.sleep(plan.back)
        return found

    def _plan(self, subject: str) -> _Plan:
        self._calls[subject] += 1
        rng, faults = self._drawn(subject, self._calls[subject]), self.faults
        there, back = (rng.expovariate(2 / faults.latency) if faults.latency else 0.0 for _ in range(2))
        late, request_lost, reply_lost = rng.random(), rng.random(), rng.random()
        return _Plan(
            there,
            back,
            faults.late_seconds if late < faults.late else faults.seconds,
            request_lost < faults.request_lost,
            reply_lost < faults.reply_lost,
        )

    def _drawn(self, *subject: object) -> Random:
        return Random(repr((self._seed, *subject)))  # noqa: S311 - chance to be repeated, no secret

    def _write(self, reference: str, amount_xof: int, channel: str, seconds: float) -> int:
        """Enter a charge, unless the reference is in the book already; return its number."""
        outcome = "failed" if self._drawn("declined", reference).random() < self.faults.declined else "completed"
        self._book.execute("begin immediate")
        try:
            known = self._numbers(reference) if self._idempotent else []
            if known and self._entry(known[0])[0].amount_xof != amount_xof:
                raise ProviderRefused(f"{reference} stands for another amount than {amount_xof}")
            insert = "insert into charges (reference, amount_xof, channel, outcome, ends_at) values (?, ?, ?, ?, ?)"
            row = (reference, amount_xof, channel, outcome, time.time() + seconds)
            return known[0] if known else int(self._book.execute(insert, row).lastrowid or 0)
        finally:
            self._book.execute("commit")

    def _numbers(self, reference: str) -> list[int]:
        rows = self._book.execute("select id from charges where reference = ? order by id", [reference])
        return [number for (number,) in rows]

    def _entry(self, number: int) -> tuple[Charge, float]:
        """Return a charge as it ends, and when it does."""
        query = "select reference, amount_xof, channel, outcome, ends_at from charges where id = ?"
        reference, amount_xof, channel, outcome, ends_at = self._book.execute(query, [number]).fetchone()
        completed_at = datetime.fromtimestamp(ends_at, UTC) if outcome == "completed" else None
        return Charge(reference, amount_xof, channel, outcome, completed_at), ends_at

    def _as_of(self, number: int, now: float) -> Charge:
        charge, ends_at = self._entry(number)
        return replace(charge, state="processing", completed_at=None) if now < ends_at else charge
