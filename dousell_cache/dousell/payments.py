"""Paying a rent: the lock keeps double clicks away, the ledger decides, the provider is asked before it is asked twice.

Which layer guarantees what is written in docs/decisions/0010-the-ledger-has-the-last-word.md.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date

from ..async_cache import AsyncCache
from ..errors import CacheError, LockBusy, LockLost, LockUnavailable
from ..locks import AsyncHeld
from .charging import AS_IT_STANDS, TIMING, Case, Timing
from .ending import to_its_end
from .ledger import Answer, Ledger, LedgerError, LedgerUnavailable, high_water
from .paydunya import Provider
from .receipts import PaymentStatus, Receipt, Rent, first_day, owner_tag, payment_lock

# What the ledger says instead of letting anybody charge.
_REFUSALS: Mapping[str, PaymentStatus] = {
    "paid": "paid",
    "already_paid": "already_paid",
    "key_reused": "key_reused",
    "wrong_amount": "wrong_amount",
    "not_due": "not_due",
    "no_such_lease": "not_due",
    "stale": "in_progress",  # still, after a larger fence was asked for: somebody newer is at it
}

Body = Callable[[AsyncHeld], Awaitable[Receipt]]


async def pay_rent(
    cache: AsyncCache, ledger: Ledger, provider: Provider, rent: Rent, *, timing: Timing = TIMING
) -> Receipt:
    """Pay a month's rent, once, whoever clicks how often and whatever breaks meanwhile.

    Once begun it goes on to its end, also if the caller is cancelled, who waits for it, about as long as the lock lives
    at most: what was paid must not be shown as due.

    Args:
        cache: whose server grants the lock, and from which the owner's pages are withdrawn.
        ledger: with the service role's rights.
        provider: charges a reference at most once.
        rent: what the tenant clicked on.
        timing: how long what may take; by default for people who wait and a provider far away.

    Returns:
        What came of it; its `message` is what the tenant reads. After `verifying` a further click, or `verify_rent`,
        tells more: nothing is charged twice.

    Raises:
        LedgerRefused: the ledger does not take such a call: a right or a function is missing, the channel or the key
            makes no sense, or the row's fence is none of a lock's. Nothing was charged.
        ProviderRefused: the provider knows the reference by another amount: somebody has changed the row by hand.
    """

    async def body(held: AsyncHeld) -> Receipt:
        answer = await _fenced(held, lambda fence: _claim(ledger, rent, fence))
        return await _pay(Case(held, ledger, provider, timing, answer))

    return await to_its_end(_locked(cache, ledger, rent.lease_id, rent.month, timing, body))


async def verify_rent(
    cache: AsyncCache, ledger: Ledger, provider: Provider, lease_id: int, month: date, *, timing: Timing = TIMING
) -> Receipt:
    """Ask the provider what became of a month's pending payment, and write it down; nothing is charged.

    Once begun it goes on to its end, as `pay_rent` does.

    Args:
        cache: as for `pay_rent`.
        ledger: likewise.
        provider: likewise.
        lease_id: whose rent.
        month: any day of the month.
        timing: as for `pay_rent`.

    Returns:
        How the month stands now; `unpaid` if nobody has tried to pay it.

    Raises:
        LedgerRefused: the ledger does not take such a call.
    """

    async def body(held: AsyncHeld) -> Receipt:
        found = await _find(ledger, lease_id, month)
        case = Case(held, ledger, provider, timing, found)
        pending = found["payment"] and found["payment"]["status"] == "pending"
        return await case.find() if pending else _as_it_stands(found, "unpaid")

    return await to_its_end(_locked(cache, ledger, lease_id, month, timing, body))


async def _locked(cache: AsyncCache, ledger: Ledger, lease_id: int, month: date, timing: Timing, body: Body) -> Receipt:
    receipt: Receipt | None = None
    try:
        async with cache.lock(payment_lock(lease_id, month), timing.lock) as held:
            receipt = await body(held)
    except LockBusy:
        receipt = Receipt("in_progress")
    except LockUnavailable as error:
        receipt = receipt or Receipt("lock_unavailable", cause=str(error))
    except LedgerUnavailable as error:
        receipt = Receipt("ledger_unavailable", cause=str(error))
    except LockLost as error:
        # Found out while leaving: the ledger took our fence, so its word stands. Else we have charged nothing.
        receipt = receipt or await _after_a_loss(ledger, lease_id, month, error)
    await _withdraw(cache, receipt)
    return receipt


async def _pay(case: Case) -> Receipt:
    """Charge, or find out about the charge that somebody else may have begun, or tell why not."""
    kind, payment = case.answer["answer"], case.answer["payment"]
    if kind == "claimed":
        return await case.charge()
    if kind == "taken_over":
        return await case.find(then_charge=True)
    if kind == "failed" and payment["status"] == "pending":
        return await case.find()  # what this key began failed; what a later one began may have been charged
    if kind == "failed":
        return case.receipt(AS_IT_STANDS[payment["status"]])
    return case.receipt(_REFUSALS[kind])


async def _fenced(held: AsyncHeld, step: Callable[[int], Awaitable[Answer]]) -> Answer:
    """Take a step under the lock's fence; if the ledger knows of a larger one, once more above that."""
    answer = await step(held.fence)
    if answer["answer"] == "stale":
        await held.extend(fence_above=high_water(answer))
        answer = await step(held.fence)
    return answer


async def _claim(ledger: Ledger, rent: Rent, fence: int) -> Answer:
    arguments = {
        "lease_id": rent.lease_id,
        "period": rent.period,
        "amount_xof": rent.amount_xof,
        "channel": rent.channel,
        "idempotency_key": rent.key,
        "fence": fence,
    }
    answer: Answer = await ledger.call("claim_payment", arguments)
    return answer


async def _find(ledger: Ledger, lease_id: int, month: date) -> Answer:
    arguments = {"lease_id": lease_id, "period": first_day(month).isoformat()}
    found: Answer = await ledger.call("find_payment", arguments)
    return found


async def _after_a_loss(ledger: Ledger, lease_id: int, month: date, lost: LockLost) -> Receipt:
    try:
        found = await _find(ledger, lease_id, month)
    except LedgerError:
        return Receipt("verifying", cause=str(lost))
    return replace(_as_it_stands(found, "lock_unavailable"), cause=str(lost))


def _as_it_stands(found: Answer, without: PaymentStatus) -> Receipt:
    payment = found["payment"]
    return Receipt(AS_IT_STANDS[payment["status"]] if payment else without, payment, found["owner_id"])


async def _withdraw(cache: AsyncCache, receipt: Receipt) -> None:
    if receipt.owner_id is not None:
        with suppress(CacheError):  # owed, and replayed before this process trusts the cache again
            await cache.invalidate_tags(owner_tag(receipt.owner_id))
