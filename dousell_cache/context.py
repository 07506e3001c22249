"""What flows work with: what a cache has for all its calls, and what one call has for itself."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from .debts import Debts
from .events import Event, Outcome, Read
from .flights import Flights
from .near import NearCache
from .policy import BACK_OFF_SECONDS, LEASE_SECONDS
from .renewals import Renewals
from .store import Server, Store
from .transport.port import Clock

_MOST_HINTS = 10_000


class Missing:
    """The type of :data:`MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # a copy, or what comes out of a pickle, is the one there is


MISSING: Final = Missing()
"""No value, as the answer to ``get``: ``None`` is a value like any other."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What an entry told that a read of its key should ask for, besides the entry.

    Args:
        tags: the tags whose versions to read.
        timed: whether to read the time it has left.
    """

    tags: tuple[str, ...] = ()
    timed: bool = False


class Hints:
    """What was learned about keys, so that a read takes one command and not two; of too many, the oldest goes."""

    def __init__(self) -> None:
        self._known: dict[str, Hint] = {}

    def get(self, key: str) -> Hint | None:
        """Return what a read of this key should ask for, if anything."""
        return self._known.get(key)

    def learn(self, key: str, hint: Hint) -> None:
        """Remember what a read of this key should ask for."""
        if len(self._known) >= _MOST_HINTS:
            with suppress(KeyError, RuntimeError, StopIteration):  # another thread was quicker
                del self._known[next(iter(self._known))]
        self._known[key] = hint


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What all calls of a cache share.

    Args:
        server: where entries are.
        clock: time, and waiting.
        flights: the loads under way in this process.
        renewals: keeps leases while loaders run.
        emit: tells the observers.
        chance: draws from [0, 1).
        token: makes a word that nobody else makes.
        lease_ms: how long a load's lease lasts unless renewed, in milliseconds.
        back_off_ms: how long a failing origin is left alone while something stands in for it.
        debts: what this process could not withdraw.
        hints: what its reads have learned.
        near: what this process keeps in front of the server, if anything.
    """

    server: Server
    clock: Clock
    flights: Flights
    renewals: Renewals
    emit: Callable[[Event], None]
    chance: Callable[[], float]
    token: Callable[[], str]
    lease_ms: int = round(LEASE_SECONDS * 1000)
    back_off_ms: int = round(BACK_OFF_SECONDS * 1000)
    debts: Debts = field(default_factory=Debts)
    hints: Hints = field(default_factory=Hints)
    near: NearCache | None = None


class Call:
    """One call of a flow: its conversation with the server, and when it began.

    Args:
        context: the cache's.
    """

    __slots__ = ("context", "started", "store")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.started = started = context.clock.now()
        self.store = Store(context.server, started + context.server.patience)

    def ask_anew(self) -> None:
        """Give the server its whole patience again: what was waited for meanwhile was not the server."""
        self.store.deadline = self.context.clock.now() + self.context.server.patience

    def take_time(self) -> None:
        """Give every command the port's own patience: the origin has been asked, or somebody else asks it."""
        self.store.deadline = math.inf

    def seconds(self) -> float:
        """Return how long the call has lasted."""
        return self.context.clock.now() - self.started

    def ended(
        self,
        key: str,
        outcome: Outcome,
        load_seconds: float = 0.0,
        undecodable: bool = False,
        failure: BaseException | None = None,
        tags: tuple[str, ...] = (),
        size: int = 0,
    ) -> None:
        """Tell the observers how a read ended."""
        context = self.context
        seconds = context.clock.now() - self.started
        told = type(failure).__name__ if failure else ""
        commands = self.store.commands
        context.emit(Read(key, outcome, seconds, load_seconds, commands, False, undecodable, told, tags, size))
