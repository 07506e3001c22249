"""A short random run: many rents, each clicked on three times, with pauses, losses and a server out of reach.

Every setup meets the same troubles, drawn from the seed and the rent's number. Whatever is unpaid in the end is
clicked on once more, undisturbed.
"""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Self

import msgspec

from .lab_ledger import LabLedger
from .lab_locks import Bench, Setup
from .stories import Caller

_TTL = 0.3
_PAUSED, _CUT_OFF, _FORGOTTEN = 0.35, 0.1, 0.1  # shares: rare in life, common here
_PAUSE = 1.4 * _TTL


class Tried(msgspec.Struct, frozen=True):
    """What came of a random run with one setup.

    Args:
        setup: its name.
        rents: how many there were to pay.
        twice: how many were paid more than once.
        never: how many were not paid at all, the last click included.
    """

    setup: str
    rents: int
    twice: int
    never: int


@dataclass(frozen=True, slots=True)
class Click:
    """One click of a random run.

    Args:
        after: seconds from the first.
        pause: seconds between the last look and the payment.
        reachable: whether it reaches the lock's server.
    """

    after: float
    pause: float
    reachable: bool

    @classmethod
    def drawn(cls, chance: Random, after: float) -> Self:
        """Draw one."""
        pause = _PAUSE if chance.random() < _PAUSED else chance.uniform(0, 0.005)
        return cls(after, pause, chance.random() >= _CUT_OFF)


async def try_out(
    bench: Bench, ledger: LabLedger, setup: Setup, rents: int, seed: int, room: asyncio.Semaphore
) -> Tried:
    """Let rents be paid under a setup, while everything goes wrong.

    Args:
        bench: what locks are asked of.
        ledger: what is paid into.
        setup: what guards the payments.
        rents: how many.
        seed: of the troubles.
        room: for rents that are paid at the same time.
    """
    names = [f"random:{number}:{setup.name}".replace(" ", "-") for number in range(rents)]

    async def one(number: int) -> None:
        async with room:
            await _pay(bench, ledger, setup, names[number], Random(f"{seed}:{number}"))  # noqa: S311 - drawn to be repeated

    async with asyncio.TaskGroup() as tasks:
        for number in range(rents):
            tasks.create_task(one(number))
    times = await ledger.times()
    paid = [times.get(name, 0) for name in names]
    return Tried(setup.name, rents, sum(count > 1 for count in paid), paid.count(0))


async def _pay(bench: Bench, ledger: LabLedger, setup: Setup, rent: str, chance: Random) -> None:
    # A double click, and another tab later on.
    afters = (0.0, chance.uniform(0, 0.02), chance.uniform(1.05, 1.5) * _TTL)
    clicks = [Click.drawn(chance, after) for after in afters]
    async with asyncio.TaskGroup() as tasks:
        for click in clicks:
            tasks.create_task(_click(Caller(setup, bench, ledger, rent, _TTL), click))
        if chance.random() < _FORGOTTEN:
            await asyncio.sleep(chance.uniform(0, 0.03))
            await bench.forget(rent)
    if not await ledger.is_paid(rent):
        await asyncio.sleep(_TTL)  # whoever was inside is over by then
        await _click(Caller(setup, bench, ledger, rent, _TTL), Click(0.0, 0.0, reachable=True))


async def _click(caller: Caller, click: Click) -> None:
    await asyncio.sleep(click.after)
    await caller.enter(reachable=click.reachable)
    await caller.look()
    await asyncio.sleep(click.pause)
    await caller.pay()
    await caller.leave()
