"""The flows of locks as actors, who take a lock, pay under it and give it back as the faces do.

Two things are other than in production. Scripts mint fences from the server's time, of which no two runs have the same:
on its way to the server every ``redis.call('TIME')`` becomes a counter kept with the data, as the key ``time``
(``COUNTED_TIME``). So time grows with every fence, also when the fence counter is gone; to evict ``time`` is to set the
server's clock back. And no time passes: a holder is paused past its lock's end by letting the key expire meanwhile.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from .. import locking
from ..errors import LockLost, LockUnavailable
from ..hold import Hold
from ..terms import PATIENCE_SECONDS, Terms, renewal_pause, resolved
from .production import call
from .scenario import without
from .world import Actor, World

NAME = "rent"
TIME = "time"
COUNTED_TIME = without("redis.call('TIME')", f"{{0, redis.call('INCR', '{TIME}')}}")
"""What becomes of a command that reads the server's time."""

IMPATIENT = 0.001
"""Seconds of patience that are over after one command without an answer."""

Body = Callable[[World, Hold], Awaitable[None]]


class Ledger(NamedTuple):
    """The origin: what was paid, by a row that the fence guards, and by one that trusts the lock.

    Args:
        fence: the largest that the guarded row was written with.
        paid: how often the guarded row was paid.
        trusting: how often the other was.
    """

    fence: int = 0
    paid: int = 0
    trusting: int = 0


class Entered(NamedTuple):
    """What a ledger answers.

    Args:
        word: ``claimed``, ``paid``, ``already paid`` or ``stale``.
        fence: what it was asked with.
        high_water: the largest fence it was written with.
        trusting: how often a ledger that trusts the lock would have been paid.
    """

    word: str
    fence: int
    high_water: int
    trusting: int


def is_stale(ledger: Ledger, fence: int) -> bool:
    """Compare a fence with the row's, as the ledger's SQL does before it writes."""
    return fence < ledger.fence


def claim(ledger: Ledger, fence: int) -> tuple[Entered, Ledger]:
    """Note who is about to pay, unless somebody newer is, or has."""
    if is_stale(ledger, fence):
        return _entered("stale", fence, ledger)
    if ledger.paid:
        return _entered("already paid", fence, ledger)
    return _entered("claimed", fence, ledger._replace(fence=fence))


def pay(ledger: Ledger, fence: int) -> tuple[Entered, Ledger]:
    """Pay, unless somebody newer has claimed to."""
    ledger = ledger._replace(trusting=ledger.trusting + 1)
    if is_stale(ledger, fence):
        return _entered("stale", fence, ledger)
    return _entered("paid", fence, ledger._replace(fence=fence, paid=ledger.paid + 1))


def _entered(word: str, fence: int, ledger: Ledger) -> tuple[Entered, Ledger]:
    return Entered(word, fence, ledger.fence, ledger.trusting), ledger


async def claims(world: World, hold: Hold) -> str:
    """Claim the payment; if the ledger knows of a larger fence, once more above that."""
    answer = await _claims(world, hold)
    if answer.word == "stale":
        await locking.extend(hold, hold.ttl_ms, answer.high_water)
        world.tell("has a new fence", hold.fence)
        answer = await _claims(world, hold)
    return answer.word


async def _claims(world: World, hold: Hold) -> Entered:
    fence = hold.fence
    return Entered(*await world.origin.visit("claims", lambda ledger: claim(ledger, fence)))


async def pays(world: World, hold: Hold) -> None:
    """Pay the rent, if it has not been paid."""
    if await claims(world, hold) == "claimed":
        await world.origin.visit("pays", lambda ledger: pay(ledger, hold.fence))


async def ensures(world: World, hold: Hold) -> None:
    """Do some work, and make sure before and after that the lock is still ours."""
    await _confirmed(world, locking.ensure(hold))
    await works(world, hold)
    await _confirmed(world, locking.ensure(hold))


async def keeps(world: World, hold: Hold) -> None:
    """Do some work that takes longer than was asked for."""
    await _confirmed(world, locking.extend(hold, hold.ttl_ms))
    await works(world, hold)


async def _confirmed(world: World, word: Awaitable[None]) -> None:
    await word
    world.tell("is told that the lock is its own")


async def works(world: World, hold: Hold) -> None:  # noqa: ARG001 - a body's signature
    """Do something under the lock, and leave no trace."""
    await world.origin.visit("works", lambda ledger: (None, ledger))


async def measures(world: World, hold: Hold) -> None:
    """Compare what may be believed of the lock with what the server says, when nobody extends it any more."""
    left: int = await world.port.send("PTTL", hold.names.lock)  # type: ignore[assignment]  # which the server counts
    if left / 1000 < hold.remaining():
        world.tell("believes too long in the lock")


@dataclass(frozen=True)
class Beside:
    """Something that goes on beside a body, in the same process.

    Args:
        name: what stories call it.
        flow: what it does.
        joined: whether the lock is given back only when it is over.
    """

    name: str
    flow: Body
    joined: bool = True


async def renews(world: World, hold: Hold) -> None:
    """Renew the lock once, when that is due."""
    await world.clock.sleep(renewal_pause(hold.ttl_ms))
    await locking.watch(hold)


async def extends(world: World, hold: Hold) -> None:  # noqa: ARG001 - a body's signature
    """Extend the lock by something else than it was asked for with; it may well have ended meanwhile."""
    with suppress(LockLost, LockUnavailable):
        await locking.extend(hold, 2 * hold.ttl_ms)


async def fences(world: World, hold: Hold) -> None:
    """Ask for a new fence, and look which there is then."""
    await locking.extend(hold, hold.ttl_ms, fence_above=0)
    world.tell("sees the fence", hold.fence)


RENEWAL = Beside("renewal", renews)
FENCING = Beside("fencing", fences)
EXTENSION = Beside("extension", extends, joined=False)


def worker(
    name: str,
    *,
    wait: float = 0,
    fair: bool = False,
    patience: float = PATIENCE_SECONDS,
    body: Body = pays,
    beside: tuple[Beside, ...] = (),
    after: Body | None = None,
) -> Actor:
    """Return an actor that pays under the lock.

    Args:
        name: its name, and its process's.
        wait: seconds to wait for the lock.
        fair: whether it lets those pass who wait.
        patience: what a dead server may cost the taking; letting go has the usual.
        body: what it does under the lock.
        beside: what goes on meanwhile in the same process.
        after: what it does when that is over.
    """
    terms = resolved(30, wait, renew=RENEWAL in beside, fair=fair)

    async def start(world: World) -> None:
        hold = _hold(world, terms, patience)
        await _take(world, hold)
        hold.patience = PATIENCE_SECONDS
        world.tell("enters", hold.fence)
        try:
            await _inside(world, hold, body, beside, after)
        except BaseException as error:
            world.tell("leaves")
            await _let_go(hold, error)
            raise
        world.tell("leaves")
        await _let_go(hold, None)
        world.tell("has given it back")

    return Actor(name, start)


def _hold(world: World, terms: Terms, patience: float) -> Hold:
    return Hold(call(world).context, NAME, terms, patience, lambda: world.tell("is told of the loss"))


async def _inside(world: World, hold: Hold, body: Body, beside: tuple[Beside, ...], after: Body | None) -> None:
    stops = [_begun(world, hold, one) for one in beside]
    try:
        await body(world, hold)
    finally:
        for stop in stops:
            await stop()
    if after:
        await after(world, hold)


def _begun(world: World, hold: Hold, beside: Beside) -> Callable[[], Awaitable[None]]:
    stopped, over = world.event(), world.event()

    async def flow() -> None:
        try:
            if not stopped.is_set:
                await beside.flow(world, hold)
        finally:
            over.set()

    async def stop() -> None:
        if beside.joined:
            stopped.set()
            await over.wait()

    world.spawn(beside.name, flow())
    return stop


async def _take(world: World, hold: Hold) -> None:  # as Held.take
    world.tell("comes")
    try:
        await locking.acquire(hold)
    except BaseException as error:
        world.tell("gives up")
        await locking.leave(hold, briefly=isinstance(error, LockUnavailable))
        raise


async def _let_go(hold: Hold, error: BaseException | None) -> None:  # as Held.__exit__
    try:
        await locking.finish(hold, error)
    except LockLost:
        raise
    except BaseException:
        await locking.leave(hold)
        raise
