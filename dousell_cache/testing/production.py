"""The cache's own flows as actors: what a process keeps in memory, made for an exploration."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from .. import flows
from ..context import Call, Context
from ..debts import Withdrawal
from ..errors import CacheUnavailable
from ..events import Event as Emitted
from ..flights import Flight, Landing, Lead
from ..keys import Names
from ..loading import Asked
from ..policy import Policy, resolved
from ..reads import DirectReads
from ..renewals import Renew
from ..store import Server as StoreServer
from ..transport.port import Argument, Reply
from .checkers import changes, reads
from .world import Actor, Event, World

KEY, TAG = "k", "t"
MINUTE = resolved(60)
Load = Callable[[World], Awaitable[Any]]


class ExploredFlights:
    """Loads shared by the actors of one process, the way threads share them: the first caller loads, the others wait.

    Args:
        world: of any actor of the process.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._flights: dict[str, tuple[Flight, Event]] = {}

    async def share(self, key: str, lead: Lead) -> tuple[Landing, int | None]:
        """Join the load of a key, or lead one."""
        if key in self._flights:
            flight, over = self._flights[key]
            joined = flight.sent
            await over.wait()
            return flight.landing, joined
        return await self._lead(key, lead), None

    def start(self, key: str, lead: Lead) -> None:
        """Lead a load in the background, unless one is under way."""
        if key not in self._flights:
            self._world.spawn("refresh", self._lead(key, lead, self._entered(key)))

    def under_way(self, key: str) -> bool:
        """Tell whether a load of a key is under way."""
        return key in self._flights

    def leased(self, key: str) -> bool:
        """Tell whether a load of a key is under way that has asked for a lease."""
        known = self._flights.get(key)
        return known is not None and known[0].sent > 0

    def withdraw(self, keys: Iterable[str] | None) -> None:
        """Let nobody else join the loads of these keys, or of any."""
        for key in tuple(self._flights) if keys is None else tuple(keys):
            self._flights.pop(key, None)

    def _entered(self, key: str) -> tuple[Flight, Event]:
        self._flights[key] = (Flight(), self._world.event())
        return self._flights[key]

    async def _lead(self, key: str, lead: Lead, entered: tuple[Flight, Event] | None = None) -> Landing:
        flight, over = entered or self._entered(key)
        try:
            flight.landing = await lead(flight)
        finally:
            if self._flights.get(key) == (flight, over):
                del self._flights[key]
            over.set()
        return flight.landing


class NoRenewals:
    """No lease runs out by itself where no time passes, so none is renewed."""

    def keep(self, renew: Renew, seconds: float) -> Callable[[], None]:  # noqa: ARG002 - the protocol's
        """Renew nothing."""
        return lambda: None


class OneRenewal:
    """One renewal of each lease, at any moment from the grant on, perhaps long after the load is over.

    Args:
        world: of any actor of the process.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def keep(self, renew: Renew, seconds: float) -> Callable[[], None]:  # noqa: ARG002 - the protocol's
        """Renew once, even too late: the end of a load does not stop a command that is on its way."""
        self._world.spawn("renewal", renew())
        return lambda: None


def call(world: World, *, renewing: bool = False) -> Call:
    """Return what a flow works with: a call of the one cache that the actors of a process share."""
    if "context" not in world.memory:
        world.memory["context"] = _context(world, renewing=renewing)
    return Call(cast("Context", world.memory["context"]))


def reader(
    name: str,
    policy: Policy = MINUTE,
    tags: tuple[str, ...] = (),
    *,
    process: str = "",
    load: Load | None = None,
    renewing: bool = False,
) -> Actor:
    """Return an actor that reads the key once, by ``get_or_set``.

    Args:
        name: its name.
        policy: how long the entry is served.
        tags: what the entry is tagged with.
        process: the process it is in; one of its own by default.
        load: its loader; by default it reads the origin.
        renewing: whether its lease is renewed once.
    """

    async def start(world: World) -> None:
        loader = world.origin.read if load is None else lambda: load(world)
        asked = Asked(KEY, loader, policy, tags)
        await reads(world, lambda: flows.get_or_set(call(world, renewing=renewing), asked))

    return Actor(name, start, process, may_raise=(OSError,))


def getter(name: str, process: str = "") -> Actor:
    """Return an actor that reads the key once, by ``get``, which loads nothing."""

    async def start(world: World) -> None:
        await reads(world, lambda: flows.get(call(world), KEY, Any))

    return Actor(name, start, process)


def writer(withdrawal: Withdrawal, process: str = "", name: str = "writer") -> Actor:
    """Return an actor that changes the origin, then withdraws."""

    async def start(world: World) -> None:
        await changes(world, lambda: flows.invalidate(call(world), withdrawal))

    return Actor(name, start, process)


def putter(tags: tuple[str, ...] = ()) -> Actor:
    """Return an actor that changes the origin, then stores the new value, which is to replace every older one."""

    async def start(world: World) -> None:
        version = await world.origin.write()
        if await flows.put(call(world), {KEY: version}, MINUTE, tags):
            world.tell("has withdrawn what is older than", version)

    return Actor("writer", start)


def writer_and_reader(withdrawal: Withdrawal, process: str = "") -> Actor:
    """Return an actor that changes the origin, withdraws, though perhaps in vain, and then reads."""

    async def start(world: World) -> None:
        await world.origin.write()
        try:
            await flows.invalidate(call(world), withdrawal)
        except CacheUnavailable:
            world.tell("could not withdraw")
        await reads(world, lambda: flows.get_or_set(call(world), Asked(KEY, world.origin.read, MINUTE)))

    return Actor("writer", start, process)


def _context(world: World, *, renewing: bool) -> Context:
    return Context(
        server=StoreServer(world.port, Names(""), DirectReads(world.port), world.port.send_within, _hurry(world)),
        clock=world.clock,
        flights=ExploredFlights(world),
        renewals=OneRenewal(world) if renewing else NoRenewals(),
        emit=_ignored,
        chance=world.chance,
        token=world.token,
    )


def _hurry(world: World) -> Callable[..., Awaitable[Any]]:
    async def send(seconds: float, *command: Argument, insist: bool = False) -> Reply:  # noqa: ARG001 - no breaker here
        return await world.port.send_within(seconds, *command)

    return send


def _ignored(event: Emitted) -> None:
    """Tell no observer: what matters is what callers get."""


async def down(world: World) -> int:
    """Be a loader whose origin is down."""
    await world.origin.visit("asks a failing origin", lambda value: (None, value))
    raise OSError("the origin is down")
