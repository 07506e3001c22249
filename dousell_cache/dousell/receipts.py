"""What is asked for and what comes of it, in the words the tenant and the visitor read. Pure.

Every status is one of a closed set, and every one has its sentence, which the site shows as it is: in French, or in
English for who asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from ..languages import Language, catalogue, section

PaymentStatus = Literal[
    "paid",
    "already_paid",
    "in_progress",
    "declined",
    "verifying",
    "unpaid",
    "key_reused",
    "wrong_amount",
    "not_due",
    "lock_unavailable",
    "ledger_unavailable",
]
VisitStatus = Literal["booked", "taken", "in_progress", "not_offered", "past", "lock_unavailable", "ledger_unavailable"]

PAYMENT_MESSAGES: Mapping[str, str] = section("fr", "payment")
VISIT_MESSAGES: Mapping[str, str] = section("fr", "visit")


@dataclass(frozen=True, slots=True)
class Rent:
    """One click on "Payer".

    Args:
        lease_id: of the tenant who is signed in: the caller has checked that.
        month: any day of the month that is paid for.
        amount_xof: what the tenant was shown; it must be the lease's rent.
        channel: `wave`, `orange_money`, `free_money` or `card`.
        key: the idempotency key, 1 to 255 characters: made once for each page that shows the button, and the same for
            each click on it.
    """

    lease_id: int
    month: date
    amount_xof: int
    channel: str
    key: str

    @property
    def period(self) -> str:
        """The month by its first day, as the ledger has it."""
        return first_day(self.month).isoformat()

    @property
    def lock(self) -> str:
        """The name of the lock under which it is paid."""
        return payment_lock(self.lease_id, self.month)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a click on "Payer".

    Args:
        status: one of the closed set.
        payment: the month's row in the ledger, as it was last seen; None if it was not.
        owner_id: whose dashboard it concerns; None if the ledger was not asked.
        cause: for the log, what kept it from being settled; empty if nothing did.
    """

    status: PaymentStatus
    payment: Mapping[str, Any] | None = None
    owner_id: int | None = None
    cause: str = ""

    @property
    def message(self) -> str:
        """The sentence that the tenant reads, in French."""
        return self.message_in("fr")

    def message_in(self, language: Language) -> str:
        """Return the sentence that the tenant reads.

        Args:
            language: ``fr`` or ``en``.
        """
        return catalogue(language)[f"payment.{self.status}"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Half an hour, or another stretch of time, in which a property may be visited."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if not (self.starts_at.tzinfo and self.ends_at.tzinfo and self.starts_at < self.ends_at):
            message = f"a slot needs two times with their zone, in order, not {self.starts_at} and {self.ends_at}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Visit:
    """One click on "Réserver".

    Args:
        property_id: what is to be visited.
        visitor_id: who is signed in: the caller has checked that.
        visitor_label: how the owner sees the visitor.
        slot: when.
    """

    property_id: int
    visitor_id: UUID
    visitor_label: str
    slot: Slot

    @property
    def lock(self) -> str:
        """The name of the lock under which it is booked: one for each beginning, in UTC."""
        return f"visit:{self.property_id}:{self.slot.starts_at.astimezone(UTC):%Y-%m-%dT%H:%M}"


@dataclass(frozen=True, slots=True)
class Booking:
    """What came of a click on "Réserver".

    Args:
        status: one of the closed set.
        visit: the row in the ledger if it is booked.
        owner_id: whose dashboard it concerns; None if the ledger was not asked, or shows no such property.
        cause: for the log, what went wrong; empty if nothing did.
    """

    status: VisitStatus
    visit: Mapping[str, Any] | None = None
    owner_id: int | None = None
    cause: str = ""

    @property
    def message(self) -> str:
        """The sentence that the visitor reads, in French."""
        return self.message_in("fr")

    def message_in(self, language: Language) -> str:
        """Return the sentence that the visitor reads.

        Args:
            language: ``fr`` or ``en``.
        """
        return catalogue(language)[f"visit.{self.status}"]


def payment_lock(lease_id: int, month: date) -> str:
    """Return the name of the lock under which a month of a lease is paid."""
    return f"payment:lease:{lease_id}:{month:%Y-%m}"


def slots_key(property_id: int, day: date) -> str:
    """Return the key under which a day's free slots are cached."""
    return f"slots:{property_id}:{day.isoformat()}"


def owner_tag(owner_id: int) -> str:
    """Return the tag of what an owner's pages show: their dashboard and their properties."""
    return f"owner:{owner_id}"


def first_day(month: date) -> date:
    """Return the first day of a day's month."""
    return date(month.year, month.month, 1)
