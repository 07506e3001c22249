"""Checkers: what must hold in every story, as small automata over what actors tell.

A checker's state is part of the state of an exploration, so it is hashable and as small as can be: whatever it
remembers keeps otherwise equal states apart.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple, Protocol

from .world import Told, World

ASKS = "asks"
OVER = "all is over"
"""Told to checkers when all actors have ended, none by a crash, and nothing is late: the names of the keys left."""

ENDS = ("expires", "is evicted")
"""What is told of a key that is no more, though no actor deleted it."""


class Violation(Exception):
    """What a checker raises: one sentence that says what must not have happened."""


class Checker(Protocol):
    """Something that must hold."""

    @property
    def first(self) -> Hashable:
        """Its state before anything happens."""
        ...

    def see(self, state: Any, told: Told) -> Hashable:
        """Return the state after something was told.

        Raises:
            Violation: it must not have happened.
        """
        ...


async def reads(world: World, read: Callable[[], Awaitable[Any]]) -> Any:
    """Await a read, and tell the checkers when it begins and what it returns."""
    world.tell(ASKS)
    value = await read()
    world.tell("gets", value)
    return value


async def changes(world: World, withdraw: Callable[[], Awaitable[object]]) -> int:
    """Change the origin, then await an invalidation, and tell the checkers that it was acknowledged.

    Returns:
        The origin's new value.
    """
    version = await world.origin.write()
    await withdraw()
    world.tell("has withdrawn what is older than", version)
    return version


class _Floors(NamedTuple):
    floor: int = 0  # the oldest value that a read beginning now may return
    asked: frozenset[tuple[str, int]] = frozenset()


class FreshAfterInvalidation:
    """A read that begins after an invalidation was acknowledged never returns a value from before it.

    Actors read through ``reads`` and withdraw through ``changes``; the origin is a counter. What is no number
    (MISSING, for instance) is never too old.
    """

    first = _Floors()

    def see(self, state: _Floors, told: Told) -> _Floors:
        """Follow one event."""
        if told.what == "has withdrawn what is older than":
            assert isinstance(told.value, int)  # noqa: S101 - `changes` tells nothing else
            return state._replace(floor=max(state.floor, told.value))
        if told.what == ASKS:
            return state._replace(asked=state.asked | {(told.actor, state.floor)})
        if told.what == "gets":
            floor = dict(state.asked)[told.actor]
            if isinstance(told.value, int) and told.value < floor:
                raise Violation(
                    f"{told.actor} got {told.value}, withdrawn before it asked: only {floor} or newer will do"
                )
        if told.what in ("gets", "raises"):
            return state._replace(asked=frozenset(pair for pair in state.asked if pair[0] != told.actor))
        return state


class OwnChanges:
    """Who has changed the origin never reads an older value afterwards, even if nothing could be withdrawn."""

    first: frozenset[tuple[str, int]] = frozenset()

    def see(self, state: frozenset[tuple[str, int]], told: Told) -> frozenset[tuple[str, int]]:
        """Follow one event."""
        if told.what == "changes the origin" and isinstance(told.value, int):
            return state | {(told.actor, told.value)}
        own = dict(state).get(told.actor, 0)
        if told.what == "gets" and isinstance(told.value, int) and told.value < own:
            raise Violation(f"{told.actor} got {told.value} after having changed it to {own}")
        return state


class MostLoads:
    """The origin is read so many times at most.

    Args:
        most: how often; one, unless a fault may cost one more.
    """

    first = 0

    def __init__(self, most: int = 1) -> None:
        self._most = most

    def see(self, state: int, told: Told) -> int:
        """Follow one event."""
        if told.what != "reads the origin":
            return state
        if state == self._most:
            raise Violation(f"{told.actor} reads the origin, for the {state + 1}. time in all: {self._most} was to do")
        return state + 1


class OneInside:
    """Between ``tell("enters")`` and ``tell("leaves")`` an actor is alone.

    Args:
        lock: the key whose end also ends the right to be inside: what still goes on there is the fence's business.
    """

    first = ""

    def __init__(self, lock: str = "") -> None:
        self._lock = lock

    def see(self, state: str, told: Told) -> str:
        """Follow one event."""
        if told.actor == self._lock and told.what in ENDS:
            return ""
        if told.what == "enters" and state:
            raise Violation(f"{told.actor} enters while {state} is inside")
        if told.what == "enters":
            return told.actor
        return "" if told.what == "leaves" and told.actor == state else state


class NobodyStuck:
    """Nobody waits for ever: whoever has not crashed comes to an end, at the latest when what can expire has."""

    first = None

    def see(self, state: None, told: Told) -> None:
        """Follow one event."""
        if told.what == "nothing can happen any more":
            raise Violation(f"{told.value} wait for ever")
        return state
