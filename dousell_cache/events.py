"""What happened: the closed set of events, and the counters that add them up.

An observer is any callable that takes one frozen event. Observers run in the caller's thread, so they should be
quick; one that raises is logged and dropped from that event only: watching must never break reading.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal

import msgspec

__all__ = [
    "BreakerMoved",
    "Counters",
    "Event",
    "Invalidation",
    "LockAnswer",
    "LockAsked",
    "LockEnded",
    "LockEnding",
    "Observer",
    "Observers",
    "Outcome",
    "Read",
    "Tally",
    "Write",
    "family",
]

Outcome = Literal["hit", "miss", "coalesced", "stale", "refused", "bypass", "error"]


class Read(msgspec.Struct, frozen=True):
    """One read came to an end.

    Args:
        key: the caller's key, without the namespace.
        outcome: how it was answered. ``coalesced``: by another caller's load; ``stale``: by an entry past its time,
            while another refreshes it or because the origin failed; ``refused``: by a load that was withdrawn
            meanwhile, so that nothing was stored; ``bypass``: by the origin, because the cache could not serve;
            ``error``: the loader raised.
        seconds: time from call to answer.
        load_seconds: the part of it spent in the loader.
        commands: commands sent to the server for it; one that several shared counts for the caller that sent it.
        near: whether it was answered by this process's own near cache.
        undecodable: whether what lay under the key was no entry, or none of this type.
        failure: the type of what the loader raised, also where an old value was served in its place; "" if it did not.
        tags: those of the entry that answered, else those that were asked for; () for a hit in the near cache.
        size: bytes of what is stored for that answer, marks included; 0 without, and for a hit in the near cache.
    """

    key: str
    outcome: Outcome
    seconds: float
    load_seconds: float
    commands: int
    near: bool = False
    undecodable: bool = False
    failure: str = ""
    tags: tuple[str, ...] = ()
    size: int = 0


class Write(msgspec.Struct, frozen=True):
    """A value was handed to the server.

    Args:
        key: the caller's key, without the namespace.
        stored: whether the server took it.
        seconds: time from call to answer.
        commands: commands sent to the server for it.
        refresh: whether it is what a refresh in the background loaded, and nothing that the caller brought.
        load_seconds: the part of it spent in the loader; 0 unless it is a refresh.
    """

    key: str
    stored: bool
    seconds: float
    commands: int
    refresh: bool = False
    load_seconds: float = 0.0


class Invalidation(msgspec.Struct, frozen=True):
    """Keys or tags were withdrawn.

    Args:
        keys: the keys, without the namespace.
        delivered: whether the server confirmed; if not, it is remembered and replayed.
        seconds: time from call to answer.
        commands: commands sent to the server for it.
        tags: the tags.
        prefix: what the keys begin with.
        soft: whether old values may stand in for an origin that fails.
        replayed: whether this was owed since an earlier one that was not delivered.
    """

    keys: tuple[str, ...]
    delivered: bool
    seconds: float
    commands: int
    tags: tuple[str, ...] = ()
    prefix: str | None = None
    soft: bool = False
    replayed: bool = False


LockAnswer = Literal["granted", "busy", "unavailable", "abandoned"]


class LockAsked(msgspec.Struct, frozen=True):
    """Somebody asked for a lock, and was told.

    Args:
        name: the lock's.
        outcome: ``unavailable``: nobody could say; ``abandoned``: the caller was cancelled or interrupted.
        seconds: time from the call to that, waiting included.
        commands: commands sent to the server for it.
        fence: the fence of this grant; 0 without one.
    """

    name: str
    outcome: LockAnswer
    seconds: float
    commands: int
    fence: int = 0


LockEnding = Literal["released", "lost", "unconfirmed"]


class LockEnded(msgspec.Struct, frozen=True):
    """A lock that was granted is over.

    Args:
        name: the lock's.
        outcome: ``lost``: another may have had it while its body ran; ``unconfirmed``: its body was over in time, but
            no server took it back, so it ends by itself.
        seconds: how long it was held.
        commands: commands sent to the server since the grant.
        fence: the fence of the grant.
    """

    name: str
    outcome: LockEnding
    seconds: float
    commands: int
    fence: int


class BreakerMoved(msgspec.Struct, frozen=True):
    """The breaker opened, because the cache seems dead; closed, because it is back; or tries whether it is.

    Args:
        state: where it is now.
        reason: the failure that opened it, without credentials; "" otherwise.
    """

    state: Literal["closed", "open", "half-open"]
    reason: str = ""


Event = Read | Write | Invalidation | LockAsked | LockEnded | BreakerMoved
"""Everything an observer can be told; ``typing.assert_never`` proves that it minds each."""

Observer = Callable[[Event], None]

logger = logging.getLogger("dousell_cache")


class Observers:
    """Hand each event to the tally, and to everyone who asked.

    Args:
        tally: counts every event.
    """

    def __init__(self, tally: "Tally") -> None:
        self._count = tally.count
        self._subscriptions: tuple[tuple[Observer], ...] = ()

    @property
    def watched(self) -> bool:
        """Whether anybody asked."""
        return bool(self._subscriptions)

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Add an observer and return the function that takes it away again."""
        subscription = (observer,)  # a thing of its own: the same observer may subscribe twice
        self._subscriptions = (*self._subscriptions, subscription)

        def unsubscribe() -> None:
            self._subscriptions = tuple(other for other in self._subscriptions if other is not subscription)

        return unsubscribe

    def __call__(self, event: Event) -> None:
        """Count an event and tell every observer of it."""
        self._count(event)
        for (observer,) in self._subscriptions:
            try:
                observer(event)
            except Exception:
                logger.exception("an observer raised; the call it watched is unharmed")


@dataclass(frozen=True, slots=True)
class Counters:
    """How many reads ended in each way, and how many commands all calls sent.

    Args:
        families: the same, for the reads of each key family (what stands before a key's first colon).
    """

    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    stale: int = 0
    refused: int = 0
    bypasses: int = 0
    errors: int = 0
    commands: int = 0
    families: dict[str, "Counters"] = field(default_factory=dict, kw_only=True)

    @property
    def reads(self) -> int:
        """Return the number of reads, whatever their outcome."""
        return self.hits + self.misses + self.coalesced + self.stale + self.refused + self.bypasses + self.errors

    @property
    def hit_rate(self) -> float | None:
        """Return hits ÷ reads, or None before the first read."""
        return self.hits / self.reads if self.reads else None


_COUNTER_OF: dict[Outcome, str] = {
    "hit": "hits",
    "miss": "misses",
    "coalesced": "coalesced",
    "stale": "stale",
    "refused": "refused",
    "bypass": "bypasses",
    "error": "errors",
}
_COUNTED = tuple(counter.name for counter in fields(Counters) if counter.name != "families")
_MOST_FAMILIES = 1000  # keys without a colon are families of one: they must not eat the memory
_REST_OF_THEM = "(other)"


class Tally:
    """Add events up; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._other_commands = 0
        self._families: dict[str, dict[str, int]] = {}

    def count(self, event: Event) -> None:
        """Count one event."""
        if type(event) is Read:
            self._count_read(event)
        elif not isinstance(event, BreakerMoved):
            with self._lock:
                self._other_commands += event.commands

    def _count_read(self, event: Read) -> None:
        counter, commands = _COUNTER_OF[event.outcome], event.commands
        name = event.key.partition(":")[0]
        with self._lock:
            counts = self._families.get(name)
            if counts is None:
                counts = self._new_family(name)
            counts[counter] += 1
            counts["commands"] += commands

    def spent(self, commands: int) -> None:
        """Count commands of which no event tells: those that carry figures."""
        with self._lock:
            self._other_commands += commands

    def begin_anew(self) -> None:
        """Let go of a lock that a thread of the parent may hold, in a forked child."""
        self._lock = threading.Lock()

    def near_hit(self, key: str) -> None:
        """Count a hit that cost nothing: as a read's event would, without the event."""
        name = key.partition(":")[0]
        with self._lock:
            counts = self._families.get(name)
            if counts is None:
                counts = self._new_family(name)
            counts["hits"] += 1

    def _new_family(self, name: str) -> dict[str, int]:
        if len(self._families) >= _MOST_FAMILIES:
            name = _REST_OF_THEM
        return self._families.setdefault(name, dict.fromkeys(_COUNTED, 0))

    def counters(self) -> Counters:
        """Return what was counted so far, as a frozen copy."""
        with self._lock:
            families = {name: Counters(*counts.values()) for name, counts in self._families.items()}
            total = {name: sum(counts[name] for counts in self._families.values()) for name in _COUNTED}
            total["commands"] += self._other_commands
        return Counters(**total, families=families)


def family(key: str) -> str:
    """Return a key's family: what stands before its first colon."""
    return key.partition(":")[0]
