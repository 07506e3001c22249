"""What happened: the closed set of events, and the counters that add them up.

An observer is any callable that takes one frozen event. Observers run in the caller's thread, so they should be
quick; one that raises is logged and dropped from that event only: watching must never break reading.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal

__all__ = [
    "Counters",
    "Event",
    "Invalidation",
    "Observer",
    "Observers",
    "Outcome",
    "Read",
    "Tally",
    "Write",
    "family",
]

Outcome = Literal["hit", "miss", "coalesced", "stale", "refused", "bypass", "error"]


@dataclass(frozen=True, slots=True)
class Read:
    """One read came to an end.

    Args:
        key: the caller's key, without the namespace.
        outcome: how it was answered; ``error`` means that the loader raised.
        seconds: time from call to answer.
        load_seconds: the part of it spent in the loader.
        commands: commands sent to the server for it.
    """

    key: str
    outcome: Outcome
    seconds: float
    load_seconds: float
    commands: int


@dataclass(frozen=True, slots=True)
class Write:
    """A value was handed to the server; ``stored`` says whether it took it."""

    key: str
    stored: bool
    seconds: float
    commands: int


@dataclass(frozen=True, slots=True)
class Invalidation:
    """Keys were withdrawn; ``delivered`` says whether the server heard of it."""

    keys: tuple[str, ...]
    delivered: bool
    seconds: float
    commands: int


Event = Read | Write | Invalidation
Observer = Callable[[Event], None]

logger = logging.getLogger("dousell_cache")


class Observers:
    """Hand each event to everyone who asked."""

    def __init__(self) -> None:
        self._subscriptions: tuple[tuple[Observer], ...] = ()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Add an observer and return the function that takes it away again."""
        subscription = (observer,)  # a thing of its own: the same observer may subscribe twice
        self._subscriptions = (*self._subscriptions, subscription)

        def unsubscribe() -> None:
            self._subscriptions = tuple(other for other in self._subscriptions if other is not subscription)

        return unsubscribe

    def __call__(self, event: Event) -> None:
        """Tell every observer."""
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
        self._total = dict.fromkeys(_COUNTED, 0)
        self._families: dict[str, dict[str, int]] = {}

    def __call__(self, event: Event) -> None:
        """Count one event."""
        with self._lock:
            self._total["commands"] += event.commands
            if isinstance(event, Read):
                self._count_read(event)

    def _count_read(self, event: Read) -> None:
        counter = _COUNTER_OF[event.outcome]
        name = family(event.key)
        if name not in self._families and len(self._families) >= _MOST_FAMILIES:
            name = _REST_OF_THEM
        counts = self._families.setdefault(name, dict.fromkeys(_COUNTED, 0))
        counts[counter] += 1
        counts["commands"] += event.commands
        self._total[counter] += 1

    def counters(self) -> Counters:
        """Return what was counted so far, as a frozen copy."""
        with self._lock:
            families = {name: Counters(*counts.values()) for name, counts in self._families.items()}
            return Counters(*self._total.values(), families=families)


def family(key: str) -> str:
    """Return a key's family: what stands before its first colon."""
    return key.partition(":")[0]
