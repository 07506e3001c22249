"""A slot is booked once, and the free slots that a page shows are withdrawn by a booking."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from dousell_cache import MISSING, AsyncCache, connect_async
from dousell_cache.dousell.ledger import Ledger, LedgerConflict, LedgerRefused, LedgerUnavailable, PostgresLedger
from dousell_cache.dousell.receipts import Booking, Slot, Visit
from dousell_cache.dousell.visits import book_visit, visit_slots
from dousell_cache.environments import from_url, rest
from dousell_cache.local import Cloud
from dousell_cache.local.process import free_ports

from .rents import (
    LEDGERS,
    Answered,
    Broken,
    gateway,
    new_visit,
    once,
    opened,
    run,
    second_of_two,
    stale_above,
    visits,
)

if TYPE_CHECKING:
    from .conftest import FreeValkey

MONDAY, SUNDAY = date(2031, 3, 3), date(2031, 3, 2)


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens is closed at its end."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest_asyncio.fixture(params=["tcp", "rest"])
async def cache(request: pytest.FixtureRequest, cloud: Cloud, stack: AsyncExitStack) -> AsyncCache:
    """A cache over TCP, and over Upstash's REST."""
    place = from_url(cloud.valkey_url) if request.param == "tcp" else rest(cloud.upstash_url, cloud.upstash_token)
    namespace = f"test-{uuid.uuid4().hex}:"
    return await stack.enter_async_context(await connect_async(place, namespace=namespace, patience=5))


@pytest_asyncio.fixture
async def free_cache(free_valkey: "FreeValkey", stack: AsyncExitStack) -> AsyncCache:
    """A cache on a server that a test may maltreat."""
    return await stack.enter_async_context(await connect_async(free_valkey.url, lock_patience=2))


@pytest_asyncio.fixture
async def ledger(cloud: Cloud, stack: AsyncExitStack) -> Ledger:
    """The ledger as the site has it: through PostgREST with the supabase client."""
    return await stack.enter_async_context(opened("supabase", cloud))


@pytest.fixture
def visit(cloud: Cloud) -> Visit:
    """A visit that nobody else wants."""
    return new_visit(cloud)


def moved(visit: Visit, minutes: int, longer: int = 0) -> Visit:
    """Return a visit of the same property by somebody else, so many minutes later and so many longer."""
    begins = visit.slot.starts_at + timedelta(minutes=minutes)
    return replace(visit, visitor_id=uuid.uuid4(), slot=Slot(begins, begins + timedelta(minutes=30 + longer)))


def booking(visit: Visit, fence: int) -> dict[str, Any]:
    """Return the arguments of a booking."""
    return {
        "property_id": visit.property_id,
        "visitor_id": str(visit.visitor_id),
        "visitor_label": visit.visitor_label,
        "starts_at": visit.slot.starts_at.isoformat(),
        "ends_at": visit.slot.ends_at.isoformat(),
        "fence": fence,
    }


def cancel(cloud: Cloud, visit: Visit) -> None:
    """Cancel what is booked in a property."""
    run(cloud, "update visits set status = 'cancelled' where property_id = %s and status = 'booked'", visit.property_id)


# The ledger's part


@pytest.mark.parametrize("way", LEDGERS)
async def test_the_ledger_books_a_slot_once(stack: AsyncExitStack, cloud: Cloud, visit: Visit, way: str) -> None:
    """Booked; the same visitor again: the same booking; another visitor: taken; the row has its fence."""
    ledger = await stack.enter_async_context(opened(way, cloud))
    first = await ledger.call("book_visit", booking(visit, 5))
    again = await ledger.call("book_visit", booking(visit, 6))
    other = await ledger.call("book_visit", booking(moved(visit, 0), 7))
    assert [one["answer"] for one in (first, again, other)] == ["booked", "booked", "taken"]
    assert first["visit"]["id"] == again["visit"]["id"]
    assert other["visit"] is None
    assert [(row["visitor_id"], row["fence"]) for row in visits(cloud, visit.property_id)] == [(visit.visitor_id, 6)]


async def test_a_slots_fence_outlives_its_booking(ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """A holder from before a booking that was cancelled since is refused and told the mark; a newer one books."""
    await ledger.call("book_visit", booking(visit, 5))
    cancel(cloud, visit)
    late = await ledger.call("book_visit", booking(moved(visit, 0), 4))
    assert (late["answer"], late["high_water"]) == ("stale", 5)
    assert (await ledger.call("book_visit", booking(moved(visit, 0), 5)))["answer"] == "booked"


async def test_bookings_at_the_same_moment_make_one_row(cloud: Cloud, visit: Visit) -> None:
    """Of many processes that book overlapping slots at once without any lock, one succeeds and none fails."""
    ledgers = [PostgresLedger(cloud.postgres_url) for _ in range(8)]
    wanted = [booking(moved(visit, 3 * number), number) for number in range(8)]
    said = await asyncio.gather(*(one.call("book_visit", asked) for one, asked in zip(ledgers, wanted, strict=True)))
    await asyncio.gather(*(one.close() for one in ledgers))
    assert sorted(one["answer"] for one in said) == ["booked"] + ["taken"] * 7
    assert len(visits(cloud, visit.property_id)) == 1


def test_a_booking_waits_for_the_one_under_way(cloud: Cloud, visit: Visit) -> None:
    """Bookings of a slot that overlap are judged one after the other: the same visitor's second is the same booking."""
    again = second_of_two(cloud, "book_visit", booking(visit, 5), booking(visit, 6))
    cancel(cloud, visit)
    late = second_of_two(cloud, "book_visit", booking(visit, 7), booking(moved(visit, 0), 6))
    first, second = visits(cloud, visit.property_id)
    assert (again["answer"], again["visit"]["id"], late["answer"]) == ("booked", first["id"], "stale")
    assert (first["fence"], second["fence"]) == (6, 7)


# Booking


async def test_a_visit_is_booked(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """A click without trouble: the row is there under the lock's fence, and the visitor reads so; again: the same."""
    first, again = [await book_visit(cache, ledger, visit) for _ in range(2)]
    assert (first.status, first.message) == ("booked", "Votre visite est réservée")
    assert first.visit is not None
    assert again.visit is not None
    assert first.visit["id"] == again.visit["id"]
    (row,) = visits(cloud, visit.property_id)
    assert row["fence"] == again.visit["fence"] > first.visit["fence"] > 0


@pytest.mark.parametrize(("minutes", "longer"), [(0, 0), (15, 0), (-15, 0), (-15, 60), (10, -20)])
async def test_what_overlaps_is_taken(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit, minutes: int, longer: int
) -> None:
    """However another visit overlaps, the visitor reads that the slot has just been booked."""
    await book_visit(cache, ledger, visit)
    taken = await book_visit(cache, ledger, moved(visit, minutes, longer))
    assert (taken.message, taken.visit) == ("Ce créneau vient d'être réservé. Choisissez-en un autre", None)
    assert len(visits(cloud, visit.property_id)) == 1


async def test_neighbours_are_booked(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """The slots before and after, and the same one in another property, are free."""
    elsewhere = replace(visit, property_id=new_visit(cloud).property_id)
    bookings = [await book_visit(cache, ledger, one) for one in (visit, moved(visit, 30), moved(visit, -30), elsewhere)]
    assert [one.status for one in bookings] == ["booked"] * 4


async def test_a_cancelled_slot_is_free_again(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """Somebody else, or the same visitor, books what was cancelled."""
    await book_visit(cache, ledger, visit)
    cancel(cloud, visit)
    assert (await book_visit(cache, ledger, moved(visit, 0))).status == "booked"
    cancel(cloud, visit)
    assert (await book_visit(cache, ledger, visit)).status == "booked"
    assert [row["status"] for row in visits(cloud, visit.property_id)] == ["cancelled", "cancelled", "booked"]


async def test_a_double_click_is_told_so(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """A second click while the first is under way reads that it is; there is one row."""
    second: list[Booking] = []

    async def click() -> None:
        second.append(await book_visit(cache, ledger, visit))

    first = await book_visit(cache, Broken(ledger, "book_visit", before=click), visit)
    assert (first.status, second[0].message) == ("booked", "Réservation déjà en cours")
    assert len(visits(cloud, visit.property_id)) == 1


async def test_of_twenty_visitors_one_books(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """Twenty visitors at once want one slot: one has it, everybody else is told, nobody gets an error."""
    bookings = await asyncio.gather(*(book_visit(cache, ledger, moved(visit, 0)) for _ in range(20)))
    kinds = [one.status for one in bookings]
    assert kinds.count("booked") == len(visits(cloud, visit.property_id)) == 1
    assert set(kinds) <= {"booked", "in_progress", "taken"}


@pytest.mark.parametrize(("published", "as_of", "status"), [(False, 2030, "not_offered"), (True, 2032, "past")])
async def test_what_is_not_offered_is_not_booked(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit, published: bool, as_of: int, status: str
) -> None:
    """A property that is not published, and a slot that is over, are told apart, and no row is made."""
    run(cloud, "update properties set published = %s where id = %s", published, visit.property_id)
    said = await book_visit(cache, ledger, visit, as_of=datetime(as_of, 1, 1, tzinfo=UTC))
    run(cloud, "update properties set published = true where id = %s", visit.property_id)
    assert (said.status, visits(cloud, visit.property_id)) == (status, [])


async def test_nonsense_is_refused(cache: AsyncCache, ledger: Ledger, visit: Visit) -> None:
    """A visit of five hours is an error of the site's; times without a zone are refused before anybody is asked."""
    with pytest.raises(LedgerRefused, match="violates check constraint"):
        await book_visit(cache, ledger, moved(visit, 0, longer=270))
    begins = visit.slot.starts_at
    for wrong in ((begins.replace(tzinfo=None), visit.slot.ends_at), (begins, begins)):
        with pytest.raises(ValueError, match="two times with their zone, in order"):
            Slot(*wrong)


def test_a_slot_has_one_lock(visit: Visit) -> None:
    """Whatever zone its times are given in, a slot's lock is named after its beginning in UTC."""
    zone = datetime.fromisoformat("2031-01-01T00:00+05:30").tzinfo
    elsewhere = replace(visit, slot=Slot(visit.slot.starts_at.astimezone(zone), visit.slot.ends_at.astimezone(zone)))
    assert elsewhere.lock == visit.lock == f"visit:{visit.property_id}:2031-03-03T10:00"


# Trouble


async def test_a_holder_that_was_paused_books_nothing(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit
) -> None:
    """Paused until its lock was over and another had booked: it is told so, and there is one row, the other's."""
    other = moved(visit, 0)

    async def pause() -> None:
        async with cache.lock(visit.lock, wait=10):
            pass  # its time is over
        assert (await book_visit(cache, ledger, other)).status == "booked"

    paused = Broken(ledger, "book_visit", before=pause)
    assert (await book_visit(cache, paused, visit, lock_seconds=0.2)).status == "in_progress"
    assert [row["visitor_id"] for row in visits(cloud, visit.property_id)] == [other.visitor_id]


async def test_fences_below_the_ledgers_are_answered(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit
) -> None:
    """Fences that begin below the ledger's mark are begun above it, under the same lock, and the visit is booked."""
    high = 2**52
    await ledger.call("book_visit", booking(moved(visit, 0), high))
    cancel(cloud, visit)
    assert (await book_visit(cache, ledger, visit)).status == "booked"
    assert visits(cloud, visit.property_id)[-1]["fence"] == high + 1


async def test_a_fence_that_no_lock_can_be_above(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """A number that no lock has written is an error of the site's, as a fence and as a mark; no row is made."""
    with pytest.raises(LedgerRefused) as refused:
        await ledger.call("book_visit", booking(visit, 2**53))
    assert (refused.value.code, visits(cloud, visit.property_id)) == ("23514", [])
    with pytest.raises(LedgerRefused, match=f"fence {2**60} is none of a lock's"):
        await book_visit(cache, Answered(ledger, "book_visit", stale_above(ledger, 2**60)), visit)


async def test_a_server_that_forgets_is_not_believed(
    free_cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit
) -> None:
    """FLUSHALL while a booking is under way lets a second one in: one row, and the first is told."""

    async def flushed() -> None:
        await free_cache._port.send("FLUSHALL")
        assert (await book_visit(free_cache, ledger, moved(visit, 0))).status == "booked"

    first = await book_visit(free_cache, Broken(ledger, "book_visit", before=flushed), visit)
    assert first.status == "in_progress"
    assert len(visits(cloud, visit.property_id)) == 1


@pytest.mark.parametrize("trouble", ["kill", "pause"])
async def test_without_the_lock_server_nothing_is_booked(
    free_valkey: "FreeValkey", free_cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit, trouble: str
) -> None:
    """Refused or silent: the visitor reads that it cannot be done now, and the ledger was not asked."""
    getattr(free_valkey, trouble)()
    said = await book_visit(free_cache, ledger, visit)
    assert said.message == "Réservation momentanément indisponible. Réessayez dans un instant"
    assert (said.status, visits(cloud, visit.property_id)) == ("lock_unavailable", [])
    assert said.cause
    if trouble == "pause":
        free_valkey.resume()


async def test_a_lock_server_that_dies_after_the_booking_does_not_matter(
    free_valkey: "FreeValkey", free_cache: AsyncCache, ledger: Ledger, visit: Visit
) -> None:
    """What the ledger has booked is booked, although nobody could release or withdraw."""

    async def dies() -> None:
        free_valkey.kill()

    assert (await book_visit(free_cache, Broken(ledger, "book_visit", after=dies), visit)).status == "booked"


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_lost_call_is_sent_again(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit, point: str
) -> None:
    """Request or reply lost once: booked all the same, and once."""
    lost = Broken(ledger, "book_visit", **{point: once(LedgerUnavailable("lost"))})
    assert (await book_visit(cache, lost, visit)).status == "booked"
    assert len(visits(cloud, visit.property_id)) == 1


async def test_a_ledger_that_is_down_is_told(cache: AsyncCache, visit: Visit) -> None:
    """A ledger that cannot be reached: the visitor reads that the booking is not confirmed, and may try again."""
    (port,) = free_ports(1)
    said = await book_visit(cache, PostgresLedger(f"postgresql://me@127.0.0.1:{port}/x"), visit)
    assert (said.status, said.cause) == ("ledger_unavailable", "book_visit: OperationalError")


@pytest.mark.parametrize("body", [b"<html>ok</html>", b"", b"null", b"{}"])
async def test_an_answer_without_sense_is_none(cache: AsyncCache, ledger: Ledger, visit: Visit, body: bytes) -> None:
    """A gateway answers for the ledger: the booking is not confirmed."""
    async with gateway(body) as senseless:
        said = await book_visit(cache, Answered(ledger, "book_visit", senseless.call), visit)
    assert (said.status, said.cause.partition(":")[0]) == ("ledger_unavailable", "book_visit")


async def test_a_conflict_is_a_taken_slot(cache: AsyncCache, ledger: Ledger, visit: Visit) -> None:
    """A constraint that refuses by an error, as another version of the schema might, means taken."""
    refused = Broken(ledger, "book_visit", before=once(LedgerConflict("excluded", "23P01")))
    assert (await book_visit(cache, refused, visit)).status == "taken"


# Slots


async def test_a_day_has_sixteen_slots(cache: AsyncCache, ledger: Ledger, visit: Visit) -> None:
    """Half hours from nine to five on a working day, none on a Sunday, and at noon only the later ones."""
    slots = await visit_slots(cache, ledger, visit.property_id, MONDAY)
    assert [f"{slot.starts_at:%H:%M}" for slot in slots] == [f"{9 + i // 2:02}:{i % 2 * 30:02}" for i in range(16)]
    assert {slot.ends_at - slot.starts_at for slot in slots} == {timedelta(minutes=30)}
    assert visit.slot in slots
    assert await visit_slots(cache, ledger, visit.property_id, SUNDAY) == []
    noon = datetime(2031, 3, 3, 12, tzinfo=UTC)
    assert await visit_slots(cache, ledger, visit.property_id, MONDAY, as_of=noon) == slots[6:]


async def test_a_booking_takes_its_slots_away(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """Cached slots are withdrawn by a booking at once; one from 10:15 to 11:15 takes three; cancelled ones return."""
    assert len(await visit_slots(cache, ledger, visit.property_id, MONDAY)) == 16
    await book_visit(cache, ledger, moved(visit, 15, longer=30))
    slots = await visit_slots(cache, ledger, visit.property_id, MONDAY)
    taken = {f"{hour}:{minute:02}" for hour, minute in ((10, 0), (10, 30), (11, 0))}
    assert len(slots) == 13
    assert not taken & {f"{slot.starts_at:%H:%M}" for slot in slots}
    cancel(cloud, visit)
    await cache.invalidate(f"slots:{visit.property_id}:2031-03-03")
    assert len(await visit_slots(cache, ledger, visit.property_id, MONDAY)) == 16


async def test_slots_are_cached_for_two_minutes(cache: AsyncCache, ledger: Ledger, visit: Visit) -> None:
    """The ledger is asked once in two minutes, and what is kept equals what was loaded."""
    calls = 0

    async def count() -> None:
        nonlocal calls
        calls += 1

    counted = Broken(ledger, "free_slots", before=count)
    first, second = [await visit_slots(cache, counted, visit.property_id, MONDAY) for _ in range(2)]
    left: Any = await cache._port.send("PTTL", f"{cache.namespace}slots:{visit.property_id}:2031-03-03")
    assert first == second
    assert calls == 1
    assert 100_000 < left <= 120_000


async def test_what_is_not_published_has_no_slots(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit
) -> None:
    """A property that is withdrawn, or does not exist, shows no slots."""
    run(cloud, "update properties set published = false where id = %s", visit.property_id)
    assert await visit_slots(cache, ledger, visit.property_id, MONDAY) == []
    run(cloud, "update properties set published = true where id = %s", visit.property_id)
    assert await visit_slots(cache, ledger, 0, MONDAY) == []


async def test_a_cancelled_visitor_leaves_nothing_outdated(cache: AsyncCache, ledger: Ledger, visit: Visit) -> None:
    """Cancelled while the ledger answers, a booking goes on to its end, and its day's slots are withdrawn."""
    booked, go_on = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        booked.set()
        await go_on.wait()

    assert len(await visit_slots(cache, ledger, visit.property_id, MONDAY)) == 16
    click = asyncio.create_task(book_visit(cache, Broken(ledger, "book_visit", after=answer), visit))
    await booked.wait()
    click.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await click
    assert len(await visit_slots(cache, ledger, visit.property_id, MONDAY)) == 15


async def test_the_owners_pages_are_withdrawn(cache: AsyncCache, ledger: Ledger, cloud: Cloud, visit: Visit) -> None:
    """The owner's dashboard, which shows coming visits, is loaded anew after a booking."""
    (home,) = run(cloud, "select owner_id from properties where id = %s", visit.property_id)
    await cache.get_or_set("dashboard:mine", lambda: "none", ttl=60, tags=[f"owner:{home['owner_id']}"])
    await book_visit(cache, ledger, visit)
    assert await cache.get("dashboard:mine") is MISSING
