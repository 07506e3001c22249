"""What happens between the claim of a rent and its settlement: the provider charges, or tells what became of a charge.

Nothing here takes a lock or withdraws anything; money moves in one line, after the last look at the lock.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LockLost, LockUnavailable
from ..locks import AsyncHeld
from .ledger import Answer, Ledger, LedgerError, LedgerUnavailable, high_water
from .paydunya import Charge, Provider, ProviderUnavailable
from .receipts import PaymentStatus, Receipt

AS_IT_STANDS: Mapping[str, PaymentStatus] = {"paid": "already_paid", "failed": "declined", "pending": "verifying"}
"""What the status of a month's row means for somebody who has just asked."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The seconds of a payment.

    Args:
        lock: how long the lock lives.
        charge: how long the provider may take for a charge, before it is asked what became of it.
        find: how long it may take for that.
        settling: kept back from the lock's validity, for asking and for writing it down.

    Raises:
        ValueError: the lock would be over before what is done under it.
    """

    lock: float = 30.0
    charge: float = 20.0
    find: float = 3.0
    settling: float = 6.0

    def __post_init__(self) -> None:
        if not (0 < self.find < self.settling and 0 < self.charge < self.lock - self.settling):
            message = f"find must be shorter than settling, and charge and settling together than lock: {self}"
            raise ValueError(message)


TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Case:
    """A payment under way, under its lock; `answer` is what the ledger said last."""

    held: AsyncHeld
    ledger: Ledger
    provider: Provider
    timing: Timing
    answer: Answer

    async def charge(self) -> Receipt:
        """Let the provider charge what was claimed, in the time that the lock leaves, and settle it."""
        await self.held.ensure()  # the last look before money moves
        seconds = min(self.held.remaining() - self.timing.settling, self.timing.charge)
        if seconds <= 0:
            raise LockLost("too little of the lock is left to charge under it")
        payment = self.answer["payment"]
        try:
            async with asyncio.timeout(seconds):
                charge = await self.provider.charge(payment["reference"], payment["amount_xof"], payment["channel"])
        except (TimeoutError, ProviderUnavailable) as error:
            return await self.find(cause=_named(error))
        return await self.settle(charge)

    async def find(self, *, cause: str = "", then_charge: bool = False) -> Receipt:
        """Settle by what the provider knows. What it does not know may still arrive; one reference is charged once."""
        try:
            async with asyncio.timeout(self.timing.find):
                charge = await self.provider.find(self.answer["payment"]["reference"])
        except (TimeoutError, ProviderUnavailable) as error:
            return self.receipt("verifying", _named(error))
        if charge:
            return await self.settle(charge)
        return await self.charge() if then_charge else self.receipt("verifying", cause)

    async def settle(self, charge: Charge) -> Receipt:
        """Write down what the provider has said for good. From here on no failure may look as if nothing was paid."""
        if charge.state == "processing":
            return self.receipt("verifying")
        try:
            answer = await _settle(self.ledger, charge, self.answer, self.held.fence)
            if answer["answer"] == "stale":
                with suppress(LockLost, LockUnavailable):  # then a newer holder settles it
                    await self.held.extend(fence_above=high_water(answer))
                    answer = await _settle(self.ledger, charge, self.answer, self.held.fence)
        except LedgerError as error:
            return self.receipt("verifying", _named(error))
        status = _told(charge, answer["payment"])
        cause = f"settle_payment answered {answer['answer']}" if status == "verifying" else ""
        return replace(self, answer=answer).receipt(status, cause)

    def receipt(self, status: PaymentStatus, cause: str = "") -> Receipt:
        """Return a receipt with the row as the ledger showed it last."""
        return Receipt(status, self.answer["payment"], self.answer["owner_id"], cause)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _told(charge: Charge, payment: Mapping[str, Any] | None) -> PaymentStatus:
    """Return what to tell after a charge that is over, from the row as it stands after settling."""
    if payment is None:  # somebody has deleted it
        return "verifying"
    if charge.state == "completed":
        mine = payment["status"] == "paid" and payment["reference"] == charge.reference
        return "paid" if mine else "verifying"
    return AS_IT_STANDS[payment["status"]]


async def _settle(ledger: Ledger, charge: Charge, claimed: Answer, fence: int) -> Answer:
    arguments = {
        "lease_id": claimed["payment"]["lease_id"],
        "period": claimed["payment"]["period"],
        "fence": fence,
        "outcome": "paid" if charge.state == "completed" else "failed",
        "reference": charge.reference,
        "paid_at": charge.completed_at and charge.completed_at.isoformat(),
        "channel": charge.channel,
    }
    try:
        answer: Answer = await ledger.call("settle_payment", arguments)
    except LedgerUnavailable:
        answer = await ledger.call("settle_payment", arguments)  # settling twice is settling once
    return answer
