"""What the adapters share: the facts of an event, the bound on labels, the sentence about a missing extra."""

from collections.abc import Callable
from typing import Protocol, assert_never

from ..errors import installing
from ..events import BreakerMoved, Event, Invalidation, LockAsked, LockEnded, Observer, Read, Write, family
from ..families import Families

__all__ = ["MOST_KEYS", "SECONDS", "Fact", "Families", "Observable", "facts", "missing", "scope"]

Fact = str | bool | int | float | tuple[str, ...]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Histogram bounds: from a near hit's half a millisecond to an origin that gives up."""
MOST_KEYS = 20
"""How many keys or tags of one invalidation are named; all are counted."""


class Observable(Protocol):
    """A cache, as far as watching it goes."""

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Hand every event to an observer and return the function that ends it."""
        ...


def facts(event: Event, *, hide_keys: bool) -> dict[str, Fact]:
    """Return an event's fields by name, flat, with its kind under ``event``.

    Args:
        event: any event.
        hide_keys: whether keys, tags and prefixes are cut down to their family.
    """
    match event:
        case Read():
            return _read(event, _shown(event.key, hide_keys))
        case Write():
            timing = _timing(event)
            return {"event": "write", "key": _shown(event.key, hide_keys), "stored": event.stored, **timing}
        case Invalidation():
            return _invalidation(event, hide_keys)
        case LockAsked() | LockEnded():
            kind = "lock asked" if isinstance(event, LockAsked) else "lock ended"
            about = {"outcome": event.outcome, "fence": event.fence, **_timing(event)}
            return {"event": kind, "name": _shown(event.name, hide_keys), **about}
        case BreakerMoved():
            return {"event": "breaker", "state": event.state, "reason": event.reason}
        case _:
            assert_never(event)


def scope(event: Invalidation) -> str:
    """Return what an invalidation was asked for by: ``keys``, ``tags`` or a ``prefix``."""
    if event.prefix is not None:
        return "prefix"
    return "tags" if event.tags else "keys"


def missing(package: str, extra: str) -> str:
    """Return the sentence for an adapter whose package is not installed."""
    return f"{package} is not installed: {installing(extra)}"


def _read(event: Read, key: str) -> dict[str, Fact]:
    return {
        "event": "read",
        "key": key,
        "outcome": event.outcome,
        "load_seconds": event.load_seconds,
        "near": event.near,
        "undecodable": event.undecodable,
        "failure": event.failure,
        **_timing(event),
    }


def _invalidation(event: Invalidation, hide_keys: bool) -> dict[str, Fact]:
    return {
        "event": "invalidation",
        "scope": scope(event),
        "keys": tuple(_shown(key, hide_keys) for key in event.keys[:MOST_KEYS]),
        "key_count": len(event.keys),
        "tags": tuple(_shown(tag, hide_keys) for tag in event.tags[:MOST_KEYS]),
        "tag_count": len(event.tags),
        "prefix": _shown(event.prefix or "", hide_keys),
        "delivered": event.delivered,
        "soft": event.soft,
        "replayed": event.replayed,
        **_timing(event),
    }


def _timing(event: Read | Write | Invalidation | LockAsked | LockEnded) -> dict[str, Fact]:
    return {"seconds": event.seconds, "commands": event.commands}


def _shown(key: str, hide: bool) -> str:
    if not hide or not key:
        return key
    return f"{family(key)}:…" if ":" in key else "…"
