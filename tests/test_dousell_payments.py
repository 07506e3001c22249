"""A rent is paid once: double clicks, crashes at each step, answers that come late, servers that forget or are gone."""

import asyncio
import multiprocessing
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
import pytest_asyncio

from dousell_cache import MISSING, AsyncCache, connect_async
from dousell_cache.dousell import receipts
from dousell_cache.dousell.charging import Case, Timing
from dousell_cache.dousell.ending import _UNDER_WAY
from dousell_cache.dousell.ledger import Ledger, LedgerRefused, LedgerUnavailable, PostgresLedger, supabase_ledger
from dousell_cache.dousell.paydunya import Charge, Faults, PayDunya, Provider
from dousell_cache.dousell.payments import pay_rent, verify_rent
from dousell_cache.dousell.receipts import Receipt, Rent
from dousell_cache.environments import from_url, rest
from dousell_cache.errors import LockLost
from dousell_cache.local import Cloud
from dousell_cache.local.process import free_ports
from dousell_cache.locks import AsyncHeld

from .rents import (
    MONTH,
    Answered,
    Broken,
    Hook,
    claiming,
    gateway,
    new_rent,
    nothing,
    once,
    opened,
    owner_of,
    rows,
    run,
    stale_above,
)

if TYPE_CHECKING:
    from .conftest import FreeValkey

SHORT = Timing(lock=0.3, charge=0.1, find=0.05, settling=0.1)  # for locks that are to end
QUICK = Timing(lock=30, charge=0.1, find=2, settling=6)  # for charges that are to take too long


class Watched:
    """A provider with something that happens before and after its charges, and a count of them."""

    def __init__(self, provider: Provider, before: Hook = nothing, after: Hook = nothing) -> None:
        self.provider, self.before, self.after = provider, before, after
        self.asked = 0

    async def charge(self, reference: str, amount_xof: int, channel: str) -> Charge:
        """Charge, with what happens around it."""
        self.asked += 1
        await self.before()
        charge = await self.provider.charge(reference, amount_xof, channel)
        await self.after()
        return charge

    async def find(self, reference: str) -> Charge | None:
        """Ask what became of it."""
        return await self.provider.find(reference)


class Delayed(Watched):
    """A provider whose requests are on their way whatever becomes of who sent them."""

    def __init__(self, provider: Provider, before: Hook) -> None:
        super().__init__(provider, before)
        self.under_way = set[asyncio.Task[Charge]]()

    async def charge(self, reference: str, amount_xof: int, channel: str) -> Charge:
        """Send a charge, and wait for its answer."""
        request = asyncio.create_task(super().charge(reference, amount_xof, channel))
        self.under_way.add(request)
        return await asyncio.shield(request)


def again(rent: Rent) -> Rent:
    """Return the same rent under a key of another page."""
    return Rent(rent.lease_id, rent.month, rent.amount_xof, rent.channel, uuid.uuid4().hex)


def still_held(remaining: float) -> AsyncHeld:
    """Return what looks like a lock that is held for so many seconds."""

    class StillHeld:
        async def ensure(self) -> None: ...

        def remaining(self) -> float:
            return remaining

    return cast("AsyncHeld", StillHeld())


def statuses(receipts: list[Receipt]) -> list[str]:
    """Return what came of each click."""
    return [receipt.status for receipt in receipts]


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
def provider() -> Iterator[PayDunya]:
    """A provider without a fault."""
    with PayDunya() as provider:
        yield provider


@pytest.fixture
def rent(cloud: Cloud) -> Rent:
    """A rent that nobody has tried to pay."""
    return new_rent(cloud)


def is_paid_once(cloud: Cloud, rent: Rent, provider: PayDunya) -> bool:
    """Tell whether the month has one row, paid, and its reference one debit."""
    (row,) = rows(cloud, rent)
    return bool(row["status"] == "paid" and provider.debits() == {row["reference"]: 1})


# Clicks


async def test_a_rent_is_paid(cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent) -> None:
    """A click without trouble: the money has moved, the row says so under the lock's fence, the tenant is thanked."""
    receipt = await pay_rent(cache, ledger, provider, rent)
    assert (receipt.status, receipt.message, receipt.cause) == ("paid", "Paiement effectué, merci", "")
    assert is_paid_once(cloud, rent, provider)
    assert receipt.payment is not None
    assert rows(cloud, rent)[0]["fence"] == receipt.payment["fence"] > 0
    async with cache.lock(f"payment:lease:{rent.lease_id}:2031-03") as held:
        assert held.fence > receipt.payment["fence"]


async def test_the_owners_pages_are_withdrawn(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """What was cached of the owner is gone once the rent is paid, another owner's is not."""
    owner = owner_of(cloud, rent)
    await cache.get_or_set("dashboard:mine", lambda: "unpaid", ttl=60, tags=[f"owner:{owner}"])
    await cache.get_or_set("dashboard:other", lambda: "unpaid", ttl=60, tags=[f"owner:{owner + 1}"])
    await pay_rent(cache, ledger, provider, rent)
    assert await cache.get("dashboard:mine") is MISSING
    assert await cache.get("dashboard:other") == "unpaid"


async def test_a_double_click_is_told_so(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """The second click, while the first is at the provider, reads "Paiement déjà en cours"; a later one the result."""
    second: list[Receipt] = []

    async def click() -> None:
        second.append(await pay_rent(cache, ledger, provider, rent))

    first = await pay_rent(cache, ledger, Watched(provider, before=click), rent)
    assert [receipt.message for receipt in second] == ["Paiement déjà en cours"]
    assert first.status == "paid"
    assert (await pay_rent(cache, ledger, provider, rent)).message == first.message
    assert (await pay_rent(cache, ledger, provider, again(rent))).message == "Ce loyer est déjà payé"
    assert is_paid_once(cloud, rent, provider)


@pytest.mark.parametrize("one_key", [True, False])
async def test_of_twenty_clicks_one_pays(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, one_key: bool
) -> None:
    """Twenty clicks at once, of one page or of twenty: one charge, one row, nineteen times "Paiement déjà en cours"."""
    others_answered = asyncio.Event()
    watched = Watched(provider, before=others_answered.wait)
    clicks = [
        asyncio.create_task(pay_rent(cache, ledger, watched, rent if one_key else again(rent))) for _ in range(20)
    ]
    while sum(click.done() for click in clicks) < 19:
        await asyncio.wait([click for click in clicks if not click.done()], return_when="FIRST_COMPLETED")
    others_answered.set()
    receipts = await asyncio.gather(*clicks)
    assert sorted(statuses(receipts)) == ["in_progress"] * 19 + ["paid"]
    assert {receipt.message for receipt in receipts if receipt.status != "paid"} == {"Paiement déjà en cours"}
    assert (watched.asked, is_paid_once(cloud, rent, provider)) == (1, True)


async def test_a_declined_payment_can_be_tried_again(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Refused: its key stays refused and is not charged again; a new page's key pays, and the old one hears that."""
    watched = Watched(provider)
    provider.faults = Faults(declined=1)
    assert (await pay_rent(cache, ledger, watched, rent)).message.startswith("Paiement refusé")
    provider.faults = Faults()
    assert (await pay_rent(cache, ledger, watched, rent)).status == "declined"
    assert watched.asked == 1
    assert (await pay_rent(cache, ledger, watched, again(rent))).status == "paid"
    assert (await pay_rent(cache, ledger, watched, rent)).status == "already_paid"
    assert (watched.asked, is_paid_once(cloud, rent, provider)) == (2, True)


async def test_a_refused_page_does_not_hide_what_a_later_one_began(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Refused, and a new page's charge still unsettled: the old page is never told that nothing was debited."""

    async def down() -> None:
        raise LedgerUnavailable("down")

    watched = Watched(provider)
    provider.faults = Faults(declined=1)
    assert (await pay_rent(cache, ledger, watched, rent)).status == "declined"
    provider.faults = Faults()
    later = await pay_rent(cache, Broken(ledger, "settle_payment", before=down), watched, again(rent))
    assert (later.status, sum(provider.debits().values())) == ("verifying", 1)
    provider.faults = Faults(request_lost=1)
    assert (await pay_rent(cache, ledger, watched, rent)).status == "verifying"
    provider.faults = Faults()
    assert (await pay_rent(cache, ledger, watched, rent)).status == "paid"
    assert (await pay_rent(cache, ledger, watched, rent)).status == "already_paid"
    (row,) = rows(cloud, rent)
    assert (watched.asked, row["status"], provider.debits()) == (2, "paid", {row["reference"]: 1})


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"channel": "card"}, "key_reused"),
        ({"amount_xof": 1}, "key_reused"),
        ({"amount_xof": 1, "key": "k"}, "wrong_amount"),
    ],
)
async def test_what_does_not_fit_is_not_charged(
    cache: AsyncCache, ledger: Ledger, provider: PayDunya, rent: Rent, changed: dict[str, Any], status: str
) -> None:
    """A key that was used with other parameters, or another amount than the rent: refused, and nobody is charged."""
    provider.faults = Faults(declined=1)
    await pay_rent(cache, ledger, provider, rent)
    watched = Watched(provider)
    values: dict[str, Any] = {"channel": rent.channel, "amount_xof": rent.amount_xof, "key": rent.key} | changed
    receipt = await pay_rent(cache, ledger, watched, Rent(rent.lease_id, rent.month, **values))
    assert (receipt.status, watched.asked) == (status, 0)


async def test_no_lease_owes_nothing(cache: AsyncCache, ledger: Ledger, provider: PayDunya) -> None:
    """A lease that does not exist owes no rent."""
    receipt = await pay_rent(cache, ledger, provider, Rent(0, MONTH, 1, "wave", "k"))
    assert (receipt.message, receipt.owner_id) == ("Aucun loyer n'est dû pour ce mois", None)


# Crashes


def die_while_paying(point: str, url: str, database: str, namespace: str, path: str, rent: Rent) -> None:
    """Pay a rent in a process that is killed before or after the provider has charged."""

    async def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def pay() -> None:
        async with await connect_async(url, namespace=namespace, patience=5) as cache:
            watched = Watched(PayDunya(path=path), **{point: die})
            await pay_rent(cache, PostgresLedger(database), watched, rent)

    asyncio.run(pay())


@pytest.mark.parametrize(("point", "debits"), [("before", 0), ("after", 1)])
async def test_a_crash_on_either_side_of_the_charge_is_made_good(
    cloud: Cloud, ledger: Ledger, stack: AsyncExitStack, rent: Rent, tmp_path: Path, point: str, debits: int
) -> None:
    """Killed between claim and charge, or charge and settlement: a click after the dead lock asks, and pays once."""
    namespace, path = f"test-{uuid.uuid4().hex}:", str(tmp_path / "book")
    arguments = (point, cloud.valkey_url, cloud.postgres_url, namespace, path, rent)
    child = multiprocessing.get_context("spawn").Process(target=die_while_paying, args=arguments)
    child.start()
    await asyncio.to_thread(child.join)
    assert child.exitcode == -signal.SIGKILL
    child.close()
    (left,) = rows(cloud, rent)
    cache = await stack.enter_async_context(await connect_async(cloud.valkey_url, namespace=namespace, patience=5))
    provider = stack.enter_context(PayDunya(path=path))
    assert (left["status"], sum(provider.debits().values())) == ("pending", debits)
    assert (await pay_rent(cache, ledger, provider, again(rent))).status == "in_progress"
    await cache._port.send("PEXPIRE", f"{{{namespace}payment:lease:{rent.lease_id}:2031-03}}:lock", 1)  # time passes
    async with cache.lock(f"payment:lease:{rent.lease_id}:2031-03", wait=10):
        pass
    watched = Watched(provider)
    assert (await pay_rent(cache, ledger, watched, again(rent))).status == "paid"
    assert watched.asked == 1 - debits
    assert is_paid_once(cloud, rent, provider)
    assert rows(cloud, rent)[0]["fence"] > left["fence"]


async def test_a_cancelled_click_goes_on_to_its_end(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """The tenant goes away while the provider works: the rent is paid, and the owner's dashboard shows it."""
    charged, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        charged.set()
        await go_on.wait()

    await cache.get_or_set("dashboard:mine", lambda: "unpaid", ttl=60, tags=[f"owner:{owner_of(cloud, rent)}"])
    click = asyncio.create_task(pay_rent(cache, ledger, Watched(provider, after=work), rent))
    await charged.wait()
    click.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await click
    assert (rows(cloud, rent)[0]["status"], await cache.get("dashboard:mine")) == ("paid", MISSING)
    assert is_paid_once(cloud, rent, provider)


async def test_a_loop_that_ends_leaves_a_payment_that_the_next_click_finds(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """A loop that ends breaks off what is under way: the lock is free at once, the next click finds the charge."""
    charged = asyncio.Event()

    async def stay() -> None:
        charged.set()
        await asyncio.Event().wait()

    click = asyncio.create_task(pay_rent(cache, ledger, Watched(provider, after=stay), rent))
    await charged.wait()
    for change in _UNDER_WAY:
        change.cancel()
    with pytest.raises(asyncio.CancelledError):
        await click
    watched = Watched(provider)
    assert (await pay_rent(cache, ledger, watched, rent)).status == "paid"
    assert (watched.asked, is_paid_once(cloud, rent, provider)) == (0, True)


# Answers that come late, or not at all


async def test_a_late_answer_is_verified_not_charged_again(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """A charge that outlasts its deadline: each click reads that it is being verified, until it is over."""
    provider.faults = Faults(late=1, late_seconds=600)
    first = await pay_rent(cache, ledger, provider, rent, timing=QUICK)
    assert first.message == "Paiement en cours de vérification : vous ne serez pas débité deux fois"
    assert first.cause == ""
    assert (await pay_rent(cache, ledger, provider, again(rent), timing=QUICK)).status == "verifying"
    assert (await verify_rent(cache, ledger, provider, rent.lease_id, MONTH, timing=QUICK)).status == "verifying"
    provider._book.execute("update charges set ends_at = ends_at - 600")  # time passes
    assert (await verify_rent(cache, ledger, provider, rent.lease_id, MONTH)).status == "paid"
    assert (await pay_rent(cache, ledger, provider, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


@pytest.mark.parametrize(("remaining", "charge"), [(6.05, 20), (30, 0.05)])
async def test_a_charge_has_a_deadline(
    ledger: Ledger, provider: PayDunya, rent: Rent, remaining: float, charge: float
) -> None:
    """A provider that never answers is given up while the lock has the seconds left that settling takes."""
    claimed = await ledger.call("claim_payment", claiming(rent, 1))
    silent = Watched(provider, before=asyncio.Event().wait)
    case = Case(still_held(remaining), ledger, silent, Timing(charge=charge), claimed)
    async with asyncio.timeout(3):
        receipt = await case.charge()
    assert (receipt.status, receipt.cause) == ("verifying", "TimeoutError")


async def test_too_little_of_a_lock_is_not_charged_under(ledger: Ledger, provider: PayDunya, rent: Rent) -> None:
    """A holder that was slow, and has no more than settling takes, charges nothing."""
    claimed = await ledger.call("claim_payment", claiming(rent, 1))
    watched = Watched(provider)
    with pytest.raises(LockLost, match="too little of the lock is left"):
        await Case(still_held(5.9), ledger, watched, Timing(), claimed).charge()
    assert watched.asked == 0


@pytest.mark.parametrize("faults", [Faults(request_lost=1), Faults(reply_lost=1)])
async def test_a_provider_that_breaks_off_is_asked_later(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, faults: Faults
) -> None:
    """Request or reply lost, and no answer about it either: being verified, with the cause; the next click pays."""
    provider.faults = faults
    lost = await pay_rent(cache, ledger, provider, rent)
    assert (lost.status, lost.cause.partition(":")[0]) == ("verifying", "ProviderUnavailable")
    provider.faults = Faults()
    assert (await pay_rent(cache, ledger, provider, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


async def test_a_lost_reply_is_asked_for(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Charged, and the reply lost: the provider tells at once what became of it, and the click is answered as paid."""
    lost = Watched(provider, after=once(TimeoutError()))
    assert (await pay_rent(cache, ledger, lost, rent)).status == "paid"
    assert (lost.asked, is_paid_once(cloud, rent, provider)) == (1, True)


@pytest.mark.parametrize(("idempotent", "debits"), [(True, 1), (False, 2)])
async def test_a_request_that_overtakes_nobody(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, rent: Rent, stack: AsyncExitStack, idempotent: bool, debits: int
) -> None:
    """A request that arrives after the next holder has paid is the same charge, to a provider that knows it again."""
    provider = stack.enter_context(PayDunya(idempotent=idempotent))
    arrives = asyncio.Event()
    delayed = Delayed(provider, before=arrives.wait)
    assert (await pay_rent(cache, ledger, delayed, rent, timing=QUICK)).status == "verifying"
    assert (await pay_rent(cache, ledger, provider, again(rent))).status == "paid"
    arrives.set()
    await asyncio.gather(*delayed.under_way)
    assert provider.debits() == {rows(cloud, rent)[0]["reference"]: debits}
    assert len(rows(cloud, rent)) == 1


# Fences


async def test_a_holder_that_was_paused_charges_nothing(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Paused after its claim until its lock is over and another has paid: it finds out before it charges."""

    async def pause() -> None:
        async with cache.lock(f"payment:lease:{rent.lease_id}:2031-03", wait=10):
            pass  # its time is over
        assert (await pay_rent(cache, ledger, provider, again(rent))).status == "paid"

    watched = Watched(provider)
    paused = Broken(ledger, "claim_payment", after=pause)
    receipt = await pay_rent(cache, paused, watched, rent, timing=SHORT)
    assert (receipt.status, watched.asked) == ("already_paid", 0)
    assert is_paid_once(cloud, rent, provider)


async def test_a_holder_that_was_paused_before_its_claim_is_refused(
    cache: AsyncCache, ledger: Ledger, provider: PayDunya, rent: Rent
) -> None:
    """Paused until another has claimed: its smaller fence is refused by the ledger, and it charges nothing."""

    async def pause() -> None:
        async with cache.lock(f"payment:lease:{rent.lease_id}:2031-03", wait=10) as held:
            await ledger.call("claim_payment", claiming(again(rent), held.fence))

    watched = Watched(provider)
    receipt = await pay_rent(cache, Broken(ledger, "claim_payment", before=pause), watched, rent, timing=SHORT)
    assert (receipt.status, watched.asked, provider.debits()) == ("verifying", 0, {})


async def test_a_ledger_that_knows_of_higher_fences_is_answered_once(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Fences that begin below the ledger's mark are begun above it, under the same lock, and the rent is paid."""
    high = 2**52
    await ledger.call("claim_payment", claiming(rent, high))
    assert (await pay_rent(cache, ledger, provider, rent)).status == "paid"
    assert rows(cloud, rent)[0]["fence"] == high + 1
    assert is_paid_once(cloud, rent, provider)


async def test_a_mark_that_rises_meanwhile_is_answered_too(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """A larger fence that the ledger saw while we charged is answered at the settlement, as the lock is still ours."""

    async def raised() -> None:
        run(cloud, "update payments set fence = fence + 5 where lease_id = %s and period = %s", rent.lease_id, MONTH)

    assert (await pay_rent(cache, ledger, Watched(provider, after=raised), rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


async def test_a_fence_that_no_lock_can_be_above(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Told before the charge it is an error of the site's, and nothing is charged; after it, being verified."""
    watched, beyond = Watched(provider), stale_above(ledger, 2**60)
    with pytest.raises(LedgerRefused, match=f"fence {2**60} is none of a lock's"):
        await pay_rent(cache, Answered(ledger, "claim_payment", beyond), watched, rent)
    assert watched.asked == 0
    said = await pay_rent(cache, Answered(ledger, "settle_payment", beyond), watched, rent)
    assert (said.status, said.cause.partition(":")[0], watched.asked) == ("verifying", "LedgerRefused", 1)
    assert (await pay_rent(cache, ledger, watched, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_server_that_forgets_is_not_believed(
    free_cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, point: str
) -> None:
    """FLUSHALL while a holder is paused on either side of its charge lets a second one in: one debit, one row."""
    second: list[Receipt] = []

    async def flushed() -> None:
        await free_cache._port.send("FLUSHALL")
        second.append(await pay_rent(free_cache, ledger, provider, again(rent)))

    first = await pay_rent(free_cache, ledger, Watched(provider, **{point: flushed}), rent)
    assert (first.status, statuses(second)) == ("paid", ["paid"])
    assert is_paid_once(cloud, rent, provider)


async def test_a_wiped_server_is_noticed_before_the_charge(
    free_cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """FLUSHALL after the claim: the last look at the lock finds it gone, and only the second holder charges."""

    async def flushed() -> None:
        await free_cache._port.send("FLUSHALL")
        assert (await pay_rent(free_cache, ledger, provider, again(rent))).status == "paid"

    watched = Watched(provider)
    receipt = await pay_rent(free_cache, Broken(ledger, "claim_payment", after=flushed), watched, rent)
    assert (receipt.status, watched.asked) == ("already_paid", 0)
    assert is_paid_once(cloud, rent, provider)


# Servers that are gone


@pytest.mark.parametrize("trouble", ["kill", "pause"])
async def test_without_the_lock_server_nothing_is_charged(
    free_valkey: "FreeValkey",
    free_cache: AsyncCache,
    ledger: Ledger,
    cloud: Cloud,
    provider: PayDunya,
    rent: Rent,
    trouble: str,
) -> None:
    """Refused or silent: the tenant reads that it cannot be done now; neither ledger nor provider was asked."""
    getattr(free_valkey, trouble)()
    watched = Watched(provider)
    receipt = await pay_rent(free_cache, ledger, watched, rent)
    assert receipt.status == "lock_unavailable"
    assert receipt.message.startswith("Paiement momentanément indisponible.")
    assert (watched.asked, rows(cloud, rent)) == (0, [])
    assert receipt.cause
    if trouble == "pause":
        free_valkey.resume()


async def test_a_lock_server_that_dies_after_the_claim_stops_the_charge(
    free_valkey: "FreeValkey", free_cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """The last look at the lock cannot be had: nothing is charged, the row waits, and a later click pays."""

    async def dies() -> None:
        free_valkey.kill()

    watched = Watched(provider)
    receipt = await pay_rent(free_cache, Broken(ledger, "claim_payment", after=dies), watched, rent)
    assert (receipt.status, watched.asked, rows(cloud, rent)[0]["status"]) == ("lock_unavailable", 0, "pending")
    free_valkey.restart()
    async with await connect_async(free_valkey.url) as cache:
        assert (await pay_rent(cache, ledger, watched, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


async def test_a_lock_server_that_dies_after_the_charge_does_not_matter(
    free_valkey: "FreeValkey", free_cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Once the money has moved, the ledger's word is enough: paid, although nobody could release or withdraw."""

    async def dies() -> None:
        free_valkey.kill()

    assert (await pay_rent(free_cache, ledger, Watched(provider, after=dies), rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


async def test_without_the_ledger_nothing_is_charged(cache: AsyncCache, provider: PayDunya, rent: Rent) -> None:
    """A ledger that cannot be reached: the tenant reads that it cannot be done now, and the lock is free again."""
    (port,) = free_ports(1)
    watched = Watched(provider)
    receipt = await pay_rent(cache, PostgresLedger(f"postgresql://me@127.0.0.1:{port}/x"), watched, rent)
    assert (receipt.status, watched.asked) == ("ledger_unavailable", 0)
    assert receipt.message.startswith("Paiement momentanément indisponible.")
    async with cache.lock(f"payment:lease:{rent.lease_id}:2031-03"):
        pass


async def test_without_rights_nothing_is_charged(
    cache: AsyncCache, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """A ledger opened with a browser's key is an error of the site's, not a sentence for the tenant."""
    watched = Watched(provider)
    async with supabase_ledger(str(cloud.supabase_url), cloud.supabase_anon_key) as ledger:
        with pytest.raises(LedgerRefused, match="permission denied"):
            await pay_rent(cache, ledger, watched, rent)
    assert watched.asked == 0


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_settlement_is_tried_twice(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, point: str
) -> None:
    """A settlement whose request or reply was lost is sent once more, and the click is answered as paid."""
    broken = Broken(ledger, "settle_payment", **{point: once(LedgerUnavailable("lost"))})
    assert (await pay_rent(cache, broken, provider, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


@pytest.mark.parametrize("error", [LedgerUnavailable("down"), LedgerRefused("no", "42501")])
async def test_a_settlement_that_fails_never_looks_unpaid(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, error: Exception
) -> None:
    """The money has moved and the ledger is gone, or refuses: being verified; the next click settles."""

    async def fails() -> None:
        raise error

    receipt = await pay_rent(cache, Broken(ledger, "settle_payment", before=fails), provider, rent)
    assert (receipt.status, receipt.cause) == ("verifying", f"{type(error).__name__}: {error}")
    assert (await pay_rent(cache, ledger, provider, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


@pytest.mark.parametrize("body", [b"<html>ok</html>", b"", b"null", b"{}"])
async def test_a_settlement_without_sense_never_looks_unpaid(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, body: bytes
) -> None:
    """The money has moved and a gateway answers for the ledger: being verified; the next click settles."""
    async with gateway(body) as senseless:
        receipt = await pay_rent(cache, Answered(ledger, "settle_payment", senseless.call), provider, rent)
    assert (receipt.status, receipt.cause.partition(":")[0]) == ("verifying", "LedgerUnavailable")
    assert (await pay_rent(cache, ledger, provider, rent)).status == "paid"
    assert is_paid_once(cloud, rent, provider)


@pytest.mark.parametrize("declined", [0, 1])
async def test_a_row_that_is_gone_after_the_charge_is_verified(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent, declined: float
) -> None:
    """Somebody has deleted the month's row while the provider worked: being verified, and the log learns of it."""
    provider.faults = Faults(declined=declined)

    async def deleted() -> None:
        run(cloud, "delete from payment_keys where lease_id = %s and period = %s", rent.lease_id, MONTH)
        run(cloud, "delete from payments where lease_id = %s and period = %s", rent.lease_id, MONTH)

    receipt = await pay_rent(cache, ledger, Watched(provider, after=deleted), rent)
    assert (receipt.status, receipt.cause) == ("verifying", "settle_payment answered unclaimed")


async def test_an_outcome_that_cannot_be_is_not_told_as_paid(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Money has moved for a month that somebody has closed as failed: being verified, and the log learns of it."""

    async def closed() -> None:
        run(cloud, "update payments set status = 'failed' where lease_id = %s and period = %s", rent.lease_id, MONTH)

    receipt = await pay_rent(cache, ledger, Watched(provider, after=closed), rent)
    assert (receipt.status, receipt.cause) == ("verifying", "settle_payment answered contradicted")


# Verifying


async def test_verifying_charges_nothing(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """Nobody tried, claimed and never charged, declined, paid: each is told as it stands, and nobody is charged."""
    watched = Watched(provider)

    async def verified() -> str:
        return (await verify_rent(cache, ledger, watched, rent.lease_id, MONTH)).status

    assert await verified() == "unpaid"
    await ledger.call("claim_payment", claiming(rent, 1))
    assert await verified() == "verifying"
    assert watched.asked == 0
    provider.faults = Faults(declined=1)
    await pay_rent(cache, ledger, provider, rent)
    assert await verified() == "declined"
    provider.faults = Faults()
    await pay_rent(cache, ledger, provider, again(rent))
    assert await verified() == "already_paid"
    assert (watched.asked, is_paid_once(cloud, rent, provider)) == (0, True)


async def test_verifying_settles_what_was_declined(
    cache: AsyncCache, ledger: Ledger, cloud: Cloud, provider: PayDunya, rent: Rent
) -> None:
    """A charge that failed while nobody listened is written down as failed."""
    await ledger.call("claim_payment", claiming(rent, 1))
    provider.faults = Faults(declined=1)
    await provider.charge(f"RENT-{rent.lease_id}-203103-1", rent.amount_xof, "wave")
    assert (await verify_rent(cache, ledger, provider, rent.lease_id, MONTH)).status == "declined"
    assert rows(cloud, rent)[0]["status"] == "failed"


# Words


def test_every_status_has_its_sentence() -> None:
    """The statuses are a closed set, each with one French sentence of one line."""
    assert set(receipts.PAYMENT_MESSAGES) == set(get_args(receipts.PaymentStatus))
    assert set(receipts.VISIT_MESSAGES) == set(get_args(receipts.VisitStatus))
    for message in [*receipts.PAYMENT_MESSAGES.values(), *receipts.VISIT_MESSAGES.values()]:
        assert message
        assert "\n" not in message


@pytest.mark.parametrize("wrong", [{"lock": 20}, {"settling": 2}, {"charge": 25}, {"charge": 0}, {"find": 0}])
def test_what_is_done_under_a_lock_fits_into_it(wrong: dict[str, float]) -> None:
    """Seconds that would leave no time to charge, or to settle, are refused when they are given."""
    with pytest.raises(ValueError, match="charge and settling together than lock"):
        Timing(**wrong)


def test_a_month_has_one_lock_and_one_period() -> None:
    """Whatever day of the month is named, the lock and the period are the month's."""
    first, last = (Rent(7, MONTH.replace(day=day), 1, "wave", "k") for day in (1, 31))
    assert first.lock == last.lock == "payment:lease:7:2031-03"
    assert first.period == last.period == "2031-03-01"
