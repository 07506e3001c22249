"""Booking a visit: the lock keeps double clicks away, the exclusion constraint of the ledger decides.

The free slots of a day are cached for two minutes and withdrawn by a booking.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime

from ..async_cache import AsyncCache
from ..errors import CacheError, LockBusy, LockLost, LockUnavailable
from .ending import to_its_end
from .ledger import Answer, Ledger, LedgerConflict, LedgerUnavailable, high_water
from .receipts import Booking, Slot, Visit, VisitStatus, owner_tag, slots_key

LOCK_SECONDS = 10.0
SLOTS_SECONDS = 120.0

_STATUSES: Mapping[str, VisitStatus] = {
    "booked": "booked",
    "taken": "taken",
    "not_offered": "not_offered",
    "past": "past",
    "stale": "in_progress",
}


async def visit_slots(
    cache: AsyncCache, ledger: Ledger, property_id: int, day: date, *, as_of: datetime | None = None
) -> list[Slot]:
    """Return the slots of a day that nobody has booked and that are still to come, from the cache for two minutes.

    Args:
        cache: keeps them.
        ledger: with the service role's rights.
        property_id: of a published property; any other has none.
        day: in Senegal's time, which is UTC.
        as_of: the moment of asking, for data that stands around another day than today; default now.

    Raises:
        LedgerError: the ledger had to be asked, and did not answer.
    """

    async def load() -> list[Slot]:
        arguments = {"property_id": property_id, "day": day.isoformat()}
        return [_slot(row) for row in await ledger.call("free_slots", arguments)]

    slots = await cache.get_or_set(slots_key(property_id, day), load, ttl=SLOTS_SECONDS, type=list[Slot])
    now = as_of or datetime.now(UTC)
    return [slot for slot in slots if slot.starts_at >= now]


async def book_visit(
    cache: AsyncCache,
    ledger: Ledger,
    visit: Visit,
    *,
    as_of: datetime | None = None,
    lock_seconds: float = LOCK_SECONDS,
) -> Booking:
    """Book a visit, once, whoever clicks how often and whatever breaks meanwhile.

    Once begun it goes on to its end, also if the caller is cancelled: a slot that was booked must not be shown as free.

    Args:
        cache: whose server grants the lock, and from which the day's slots and the owner's pages are withdrawn.
        ledger: with the service role's rights.
        visit: what the visitor clicked on.
        as_of: the moment of asking, for data that stands around another day than today; default now.
        lock_seconds: how long the lock lives.

    Returns:
        What came of it; its `message` is what the visitor reads.

    Raises:
        LedgerRefused: the ledger does not take such a call: a right or a function is missing, no visit can be so long
            or begin in the middle of a minute, or the slot's fence is none of a lock's.
    """
    return await to_its_end(_book_visit(cache, ledger, visit, as_of, lock_seconds))


async def _book_visit(
    cache: AsyncCache, ledger: Ledger, visit: Visit, as_of: datetime | None, lock_seconds: float
) -> Booking:
    booking: Booking | None = None
    try:
        async with cache.lock(visit.lock, lock_seconds) as held:
            answer = await _book(ledger, visit, as_of, held.fence)
            if answer["answer"] == "stale":
                await held.extend(fence_above=high_water(answer))
                answer = await _book(ledger, visit, as_of, held.fence)
            booking = Booking(_STATUSES[answer["answer"]], answer["visit"], answer["owner_id"])
    except (LockBusy, LockLost):
        # Lost while leaving: the ledger's word stands. Lost before: somebody newer is at it.
        booking = booking or Booking("in_progress")
    except LockUnavailable as error:
        booking = booking or Booking("lock_unavailable", cause=str(error))
    except LedgerUnavailable as error:
        booking = Booking("ledger_unavailable", cause=str(error))
    except LedgerConflict as error:
        booking = Booking("taken", cause=str(error))
    if booking.status in ("booked", "taken", "ledger_unavailable"):
        await _withdraw(cache, visit, booking)
    return booking


async def _book(ledger: Ledger, visit: Visit, as_of: datetime | None, fence: int) -> Answer:
    arguments: dict[str, object] = {
        "property_id": visit.property_id,
        "visitor_id": str(visit.visitor_id),
        "visitor_label": visit.visitor_label,
        "starts_at": visit.slot.starts_at.isoformat(),
        "ends_at": visit.slot.ends_at.isoformat(),
        "fence": fence,
    }
    if as_of:
        arguments["as_of"] = as_of.isoformat()
    try:
        answer: Answer = await ledger.call("book_visit", arguments)
    except LedgerUnavailable:
        answer = await ledger.call("book_visit", arguments)  # booking twice is booking once
    return answer


def _slot(row: Mapping[str, str]) -> Slot:
    begins, ends = (datetime.fromisoformat(row[name]).astimezone(UTC) for name in ("starts_at", "ends_at"))
    return Slot(begins, ends)


async def _withdraw(cache: AsyncCache, visit: Visit, booking: Booking) -> None:
    first, last = (time.astimezone(UTC).date() for time in (visit.slot.starts_at, visit.slot.ends_at))
    with suppress(CacheError):  # owed, and replayed before this process trusts the cache again
        await cache.invalidate(*{slots_key(visit.property_id, day) for day in (first, last)})
    if booking.owner_id is not None:
        with suppress(CacheError):
            await cache.invalidate_tags(owner_tag(booking.owner_id))
