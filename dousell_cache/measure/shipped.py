"""Dousell's payments and visits as shipped, while everything goes wrong: is any rent paid twice, any slot given twice?

Locks are those of the environment. The ledger is a database of one's own on the local PostgreSQL, with the shipped
schema and gone afterwards; PayDunya is simulated. A rent counts as paid twice when the provider was made to debit it
twice.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import psycopg
from psycopg import sql

from ..dousell import database
from ..dousell.charging import Timing
from ..dousell.ledger import Ledger, postgres_ledger
from ..dousell.paydunya import Charge, Faults, PayDunya, Provider
from ..dousell.payments import pay_rent
from ..dousell.receipts import Rent, Slot, Visit
from ..dousell.visits import LOCK_SECONDS, book_visit
from .lab_locks import Bench

_LEDGERS = 4  # connections, so that payments meet in the database
_PROPERTIES = 200
_LOCK = 0.5  # seconds, so that a pause outlasts it
_HURRIED = Timing(lock=_LOCK, charge=0.15, find=0.1, settling=0.15)
_UNHURRIED = Timing()  # as shipped, for the last click
_FAULTS = Faults(latency=0.004, seconds=0.005, late=0.1, late_seconds=0.6, request_lost=0.05, reply_lost=0.05)
_PAUSED, _CUT_OFF, _FORGOTTEN = 0.35, 0.1, 0.1  # shares: rare in life, common here
_PAUSE = 1.3 * _LOCK
_SWEEPS = 40
_PAID, _BOOKED = {"paid", "already_paid"}, {"booked", "taken"}


class Kept(msgspec.Struct, frozen=True):
    """What came of a run.

    Args:
        wanted: how many rents or slots there were.
        twice: how many were paid for, or given, more than once.
        never: how many were not at all, after the last click.
        told: how often callers were told what.
        paused: how many clicks were paused past their lock's time.
        cut_off: how many did not reach the lock's server.
        forgotten: how often the server forgot a lock.
    """

    wanted: int
    twice: int
    never: int
    told: dict[str, int]
    paused: int
    cut_off: int
    forgotten: int


@dataclass(frozen=True, slots=True)
class Lab:
    """A ledger of one's own, and who asks it.

    Args:
        bench: what locks are asked of.
        ledgers: connections to it.
        provider: moves the money.
        url: the database.
    """

    bench: Bench
    ledgers: Sequence[Ledger]
    provider: PayDunya
    url: str = field(repr=False)


@asynccontextmanager
async def open_lab(bench: Bench, server_url: str, seed: int) -> AsyncIterator[Lab]:
    """Make a database with the shipped schema, and drop it afterwards.

    Args:
        bench: what locks are asked of.
        server_url: the local cloud's PostgreSQL, as a role that may create a database.
        seed: of the provider's latency and failures.
    """
    name = f"lab_{uuid.uuid4().hex[:12]}"
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    async with AsyncExitStack() as stack:
        owner = await psycopg.AsyncConnection.connect(server_url, autocommit=True)
        await stack.enter_async_context(owner)
        await owner.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
        stack.push_async_callback(owner.execute, drop)
        await asyncio.to_thread(database.load, url, properties=_PROPERTIES)
        ledgers = [await stack.enter_async_context(postgres_ledger(url)) for _ in range(_LEDGERS)]
        yield Lab(bench, ledgers, stack.enter_context(PayDunya(seed, _FAULTS)), url)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One click, and what befalls it.

    Args:
        after: seconds from the first click.
        step: before which it is paused; nothing for no pause.
        reachable: whether it reaches the lock's server.
        hurried: whether its lock is short, so that a pause outlasts it.
    """

    after: float = 0.0
    step: str = ""
    reachable: bool = True
    hurried: bool = False

    @classmethod
    def drawn(cls, chance: Random, after: float, steps: Sequence[str]) -> Self:
        """Draw one."""
        step = chance.choice(steps) if chance.random() < _PAUSED else ""
        return cls(after, step, chance.random() >= _CUT_OFF, hurried=True)


@dataclass(frozen=True, slots=True)
class Paused:
    """A ledger and a provider before one of whose steps the caller is paused past its lock's time.

    Args:
        ledger: keeps the payments.
        provider: moves the money.
        step: the step.
        late: takes charges that go out late, whether or not their caller still waits.
    """

    ledger: Ledger
    provider: Provider
    step: str
    late: list[asyncio.Task[Charge]]

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call the ledger."""
        await self._pause(function)
        return await self.ledger.call(function, arguments)

    async def charge(self, reference: str, amount_xof: int, channel: str) -> Charge:
        """Charge; after a pause the charge goes out whoever has given it up meanwhile: the last look was before."""

        async def charged() -> Charge:
            await self._pause("charge")
            return await self.provider.charge(reference, amount_xof, channel)

        self.late.append(charge := asyncio.create_task(charged()))
        await asyncio.wait([charge])
        return charge.result()

    async def find(self, reference: str) -> Charge | None:
        """Ask what became of a charge."""
        return await self.provider.find(reference)

    async def _pause(self, step: str) -> None:
        if step == self.step:
            await asyncio.sleep(_PAUSE)


Clicked = Callable[[Trouble], Awaitable[str]]


class _Run:
    """Rents or slots, clicked on by several, and counted."""

    def __init__(self, lab: Lab, steps: Sequence[str], enough: set[str]) -> None:
        self.lab, self._steps, self._enough = lab, steps, enough
        self._room = asyncio.Semaphore(lab.bench.at_once)
        self._told = Counter[str]()
        self._troubles: list[Trouble] = []
        self._late: list[asyncio.Task[Charge]] = []
        self._forgotten = 0

    async def one(self, chance: Random, lock: str, clicks: Sequence[Clicked]) -> None:
        """Let three clicks come: two at the same instant, one after a lock's time; then sweep."""
        async with self._room:
            afters = (chance.uniform(0, 0.02), chance.uniform(0, 0.02), chance.uniform(1.0, 1.5) * _LOCK)
            troubles = [Trouble.drawn(chance, after, self._steps) for after in afters]
            forgets = chance.random() < _FORGOTTEN
            async with asyncio.TaskGroup() as tasks:
                told = [tasks.create_task(_click(*each)) for each in zip(clicks, troubles, strict=True)]
                if forgets:
                    await asyncio.sleep(chance.uniform(0, 0.05))
                    await self.lab.bench.forget(lock)
            self._troubles += troubles
            self._forgotten += forgets
            self._told.update(task.result() for task in told)
            if self._enough.isdisjoint(task.result() for task in told):
                await self._sweep(clicks[-1])

    async def _sweep(self, click: Clicked) -> None:
        for _ in range(_SWEEPS):
            if await click(Trouble()) in self._enough:
                return
            await asyncio.sleep(_LOCK / 4)

    def paused(self, number: int, trouble: Trouble) -> Paused:
        """Return the ledger and the provider as one click meets them."""
        return Paused(self.lab.ledgers[number % _LEDGERS], self.lab.provider, trouble.step, self._late)

    async def over(self) -> None:
        """Wait for what is still on its way."""
        await asyncio.gather(*self._late, return_exceptions=True)

    def kept(self, times: Sequence[int]) -> Kept:
        """Return what came of it, by how often each was paid for or given."""
        return Kept(
            wanted=len(times),
            twice=sum(count > 1 for count in times),
            never=sum(count == 0 for count in times),
            told=dict(self._told.most_common()),
            paused=sum(bool(trouble.step) for trouble in self._troubles),
            cut_off=sum(not trouble.reachable for trouble in self._troubles),
            forgotten=self._forgotten,
        )


async def _click(click: Clicked, trouble: Trouble) -> str:
    await asyncio.sleep(trouble.after)
    return await click(trouble)


async def pay_rents(lab: Lab, count: int, seed: int) -> Kept:
    """Let rents be paid: a double click, and another tab later on, for each.

    Args:
        lab: where.
        count: how many rents.
        seed: of the troubles.
    """
    rents = [Rent(*each, "wave", "") for each in await _due(lab.url, count)]
    run = _Run(lab, ("claim_payment", "charge", "settle_payment"), _PAID)

    def click(number: int, key: str) -> Clicked:
        async def clicked(trouble: Trouble) -> str:
            cache = lab.bench.cache if trouble.reachable else lab.bench.lost_cache
            paused = run.paused(number, trouble)
            rent = rents[number]
            asked = Rent(rent.lease_id, rent.month, rent.amount_xof, rent.channel, f"{number}:{key}")
            timing = _HURRIED if trouble.hurried else _UNHURRIED
            return (await pay_rent(cache, paused, paused, asked, timing=timing)).status

        return clicked

    async with asyncio.TaskGroup() as tasks:
        for number, rent in enumerate(rents):
            clicks = [click(number, key) for key in ("first", "first", "second")]
            tasks.create_task(run.one(_chance(seed, "rent", number), rent.lock, clicks))
    await run.over()
    return run.kept([_debits(lab.provider, rent) for rent in rents])


async def book_visits(lab: Lab, count: int, seed: int) -> Kept:
    """Let slots be booked: by a visitor, by one whose slot begins in the middle of it, and later on by another.

    Args:
        lab: where.
        count: how many slots.
        seed: of the troubles.
    """
    visits = [_visit(property_id, day) for property_id, day in await _offered(lab.url, count)]
    run = _Run(lab, ("book_visit",), _BOOKED)

    def click(number: int, visitor: uuid.UUID, minutes: int) -> Clicked:
        async def clicked(trouble: Trouble) -> str:
            cache = lab.bench.cache if trouble.reachable else lab.bench.lost_cache
            paused = run.paused(number, trouble)
            visit, later = visits[number], timedelta(minutes=minutes)
            slot = Slot(visit.slot.starts_at + later, visit.slot.ends_at + later)
            asked = Visit(visit.property_id, visitor, "Visiteur", slot)
            seconds = _LOCK if trouble.hurried else LOCK_SECONDS
            return (await book_visit(cache, paused, asked, lock_seconds=seconds)).status

        return clicked

    async with asyncio.TaskGroup() as tasks:
        for number, visit in enumerate(visits):
            clicks = [click(number, uuid.uuid4(), minutes) for minutes in (0, 15, 0)]
            tasks.create_task(run.one(_chance(seed, "visit", number), visit.lock, clicks))
    booked = await _booked(lab.url)
    return run.kept([booked.get((visit.property_id, visit.slot.starts_at.date()), 0) for visit in visits])


def _chance(seed: int, what: str, number: int) -> Random:
    return Random(f"{seed}:{what}:{number}")  # noqa: S311 - drawn to be repeated


def _months() -> date:
    return date(datetime.now(UTC).year + 5, 1, 1)  # after all that was generated


def _debits(provider: PayDunya, rent: Rent) -> int:
    stem = f"RENT-{rent.lease_id}-{rent.month:%Y%m}-"
    return sum(times for reference, times in provider.debits().items() if reference.startswith(stem))


async def _due(url: str, count: int) -> list[tuple[int, date, int]]:
    """Return lease, month and rent of so many rents that nobody has tried to pay."""
    query = """
        select l.id, (%s::date + make_interval(months => month))::date, l.rent_xof
        from generate_series(0, 1000) month, leases l where l.ends_on is null order by month, l.id limit %s
    """
    return await _rows(url, query, _months(), count)


async def _offered(url: str, count: int) -> list[tuple[int, date]]:
    """Return property and day of so many days on which nobody visits it."""
    query = """
        select p.id, (%s::date + day)::date from generate_series(0, 300) day, properties p
        where p.published order by day, p.id limit %s
    """
    return await _rows(url, query, _months(), count)


async def _booked(url: str) -> dict[tuple[int, date], int]:
    """Return how often each property was booked on each day; all that was clicked on for a day overlaps."""
    query = """
        select property_id, starts_at::date, count(*) from visits
        where status = 'booked' and starts_at >= %s group by 1, 2
    """
    return {(property_id, day): times for property_id, day, times in await _rows(url, query, _months())}


async def _rows(url: str, query: str, *arguments: object) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(query.encode(), arguments)).fetchall()


def _visit(property_id: int, day: date) -> Visit:
    begins = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
    return Visit(property_id, uuid.uuid4(), "Visiteur", Slot(begins, begins + timedelta(minutes=30)))
