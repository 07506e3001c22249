"""Stories of two payments for one rent: who does what, step by step; and what a ledger holds in the end.

A story is the same for every setup, so that what differs at its end is the setup's doing. Its pauses are real: the
server lets a lock end by its own clock.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

import msgspec

from .lab_ledger import LabLedger
from .lab_locks import Bench, Grant, Setup

Step = Literal["enters", "is cut off and enters", "looks", "pays", "leaves", "lock ends", "lock is forgotten"]
Who = Literal["A", "B", "C", "server"]

STORIES: Mapping[str, tuple[tuple[Who, Step], ...]] = {
    "double click": (
        ("A", "enters"), ("B", "enters"), ("A", "looks"), ("B", "looks"), ("A", "pays"), ("B", "pays"),
    ),
    "paused": (
        ("A", "enters"), ("A", "looks"), ("server", "lock ends"),
        ("B", "enters"), ("B", "looks"), ("B", "pays"), ("B", "leaves"), ("A", "pays"),
    ),
    "both inside": (
        ("A", "enters"), ("A", "looks"), ("server", "lock ends"),
        ("B", "enters"), ("B", "looks"), ("A", "pays"), ("B", "pays"),
    ),
    "late release": (
        ("A", "enters"), ("server", "lock ends"), ("B", "enters"), ("B", "looks"),
        ("A", "leaves"), ("C", "enters"), ("C", "looks"), ("B", "pays"), ("C", "pays"),
    ),
    "cut off": (
        ("A", "enters"), ("A", "looks"), ("B", "is cut off and enters"), ("B", "looks"), ("A", "pays"), ("B", "pays"),
    ),
    "forgotten": (
        ("A", "enters"), ("A", "looks"), ("server", "lock is forgotten"),
        ("B", "enters"), ("B", "looks"), ("B", "pays"), ("B", "leaves"), ("A", "pays"),
    ),
}  # fmt: skip
"""Every story, by name."""

DRAWN = "paused"
"""The one that is drawn."""

_TTL = 1.0  # longer than a story without a pause takes on a laden machine
_AFTER = 0.05


class Happened(msgspec.Struct, frozen=True):
    """One step of a story, as it went.

    Args:
        who: did it.
        step: what.
        ms: when it was over, from the story's beginning.
        word: what came of it.
    """

    who: Who
    step: Step
    ms: float
    word: str


class Told(msgspec.Struct, frozen=True):
    """A story as it went with one setup.

    Args:
        setup: its name.
        story: its name.
        payments: how often the rent was paid.
        happened: step by step.
    """

    setup: str
    story: str
    payments: int
    happened: list[Happened]


class Caller:
    """Somebody who wants to pay a rent once; whoever was not let in does nothing from then on.

    Args:
        setup: what guards the payment.
        bench: what locks are asked of.
        ledger: what is paid into.
        rent: what is to be paid.
        ttl: seconds that a lock lasts.
    """

    def __init__(self, setup: Setup, bench: Bench, ledger: LabLedger, rent: str, ttl: float) -> None:
        self._setup, self._bench, self._ledger, self._rent, self._ttl = setup, bench, ledger, rent, ttl
        self._grant: Grant | None = None
        self._may_pay = False

    async def enter(self, *, reachable: bool = True) -> str:
        """Ask to be let in."""
        lock = self._setup.lock
        self._grant = await lock.take(self._bench, self._rent, self._ttl, reachable=reachable)
        return "let in" if self._grant else "not let in"

    async def look(self) -> str:
        """Look whether the rent is paid, and then, for the last time, whether the lock is still there."""
        if not self._grant:
            return ""
        self._may_pay = not await self._ledger.is_paid(self._rent) and await self._grant.confirm()
        return "unpaid" if self._may_pay else "paid, or lock lost"

    async def pay(self) -> str:
        """Pay, if the last look allowed it."""
        if not (self._grant and self._may_pay):
            return ""
        return await self._ledger.pay(self._rent, await self._grant.fence(), self._setup.guards)

    async def leave(self) -> str:
        """Let go."""
        if self._grant:
            await self._grant.leave()
        return ""


async def tell(bench: Bench, ledger: LabLedger, setup: Setup, story: str) -> Told:
    """Let a story happen.

    Args:
        bench: what locks are asked of.
        ledger: what is paid into.
        setup: what guards the payment.
        story: its name.
    """
    rent = f"{story}:{setup.name}".replace(" ", "-")
    cast = {who: Caller(setup, bench, ledger, rent, _TTL) for who in ("A", "B", "C")}
    happened, start = [], time.perf_counter()
    for who, step in STORIES[story]:
        word = await _do(cast[who], step) if who != "server" else await _befall(bench, rent, step)
        happened.append(Happened(who, step, (time.perf_counter() - start) * 1000, word))
    for caller in cast.values():
        await caller.leave()
    return Told(setup.name, story, (await ledger.times()).get(rent, 0), happened)


async def _do(caller: Caller, step: Step) -> str:
    match step:
        case "enters":
            return await caller.enter()
        case "is cut off and enters":
            return await caller.enter(reachable=False)
        case "looks":
            return await caller.look()
        case "pays":
            return await caller.pay()
        case _:
            return await caller.leave()


async def _befall(bench: Bench, rent: str, step: Step) -> str:
    if step == "lock ends":
        await asyncio.sleep(_TTL + _AFTER)
    else:
        await bench.forget(rent)
    return ""
