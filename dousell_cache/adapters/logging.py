"""Events as log records: one record an event, its facts beside the sentence, for any structured formatter."""

import logging
from collections.abc import Callable, Mapping
from typing import assert_never

from ..events import BreakerMoved, Event, Invalidation, LockAsked, LockEnded, Read, Write
from .common import Observable, facts

LOGGER = "dousell_cache.events"
"""The logger that records go to by default."""


def level_of(event: Event) -> int:
    """Return an event's level by default.

    What concerns one call alone is DEBUG, also one that went round a dead cache: there may be thousands a second, and
    the breaker's one WARNING tells of them all. An invalidation that was not delivered is a WARNING, for old values may
    be served; so is a lock that was lost; an entry that could not be read back is INFO.
    """
    match event:
        case Read():
            return logging.INFO if event.undecodable else logging.DEBUG
        case Write():
            return logging.DEBUG
        case Invalidation():
            return logging.DEBUG if event.delivered else logging.WARNING
        case LockAsked():
            return logging.DEBUG
        case LockEnded():
            return logging.WARNING if event.outcome == "lost" else logging.DEBUG
        case BreakerMoved():
            return logging.WARNING if event.state == "open" else logging.INFO
        case _:
            assert_never(event)


def observe_with_logging(
    cache: Observable,
    *,
    logger: logging.Logger | None = None,
    level: Callable[[Event], int] = level_of,
    hide_keys: bool = False,
) -> Callable[[], None]:
    """Log every event of a cache and return the function that ends it.

    Each fact is an attribute of the record, with ``cache_`` before its name: ``cache_event``, ``cache_outcome``,
    ``cache_seconds``, …

    Args:
        cache: either face.
        logger: where records go; default the logger ``dousell_cache.events``.
        level: from an event to its level; default :func:`level_of`.
        hide_keys: whether only families of keys and tags are named, for keys that carry personal data.
    """
    target = logger or logging.getLogger(LOGGER)

    def observer(event: Event) -> None:
        severity = level(event)
        if target.isEnabledFor(severity):
            extra = {f"cache_{name}": fact for name, fact in facts(event, hide_keys=hide_keys).items()}
            template, arguments = _sentence(event, extra)
            target.log(severity, template, *arguments, extra=extra)

    return cache.subscribe(observer)


def _sentence(event: Event, extra: Mapping[str, object]) -> tuple[str, tuple[object, ...]]:
    match event:
        case Read():
            milliseconds = event.seconds * 1000
            return "read of %r: %s in %.1f ms", (extra["cache_key"], event.outcome, milliseconds)
        case Write():
            ending = "stored" if event.stored else "not stored"
            return "write of %r: %s in %.1f ms", (extra["cache_key"], ending, event.seconds * 1000)
        case Invalidation():
            ending = "delivered" if event.delivered else "not delivered"
            named = extra.get(f"cache_{extra['cache_scope']}")
            return "invalidation by %s %s: %s in %.1f ms", (extra["cache_scope"], named, ending, event.seconds * 1000)
        case LockAsked():
            return "lock %r: %s after %.1f ms", (extra["cache_name"], event.outcome, event.seconds * 1000)
        case LockEnded():
            return "lock %r: %s, held %.1f ms", (extra["cache_name"], event.outcome, event.seconds * 1000)
        case BreakerMoved():
            return "breaker %s: %s", (event.state, event.reason)
        case _:
            assert_never(event)
