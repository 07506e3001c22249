"""Decisions about time, as pure functions: they read no clock and reach nothing."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar

from .errors import ConfigurationError

T = TypeVar("T")
Ttl = float | timedelta

MAX_TTL_SECONDS = 10 * 365 * 86_400
"""Ten years: longer is a mistake in the unit, and every server takes it."""

LEASE_SECONDS = 3.0
"""How long a load's lease lasts unless renewed: what its killed leader costs the others at most."""

BACK_OFF_SECONDS = 5.0
"""How long nobody asks an origin again that failed while there is a value to stand in for its answer."""

LONGEST_WAIT_SECONDS = 30.0
"""How long a caller waits for another process's load before it asks the origin itself."""

BATCH_JITTER = 0.1
"""Entries stored together expire apart: up to a tenth earlier. Upstash saw 10 % halve the peak of misses."""

_VERSIONS_OUTLIVE_SECONDS = 86_400  # a load may take long, and so may a paused process


@dataclass(frozen=True, slots=True)
class Policy:
    """How long an entry is served, and how it is kept fresh: every option of a call, resolved.

    Args:
        ttl_ms: how long it is fresh, in milliseconds.
        grace_ms: how long after that it may be served while one caller refreshes it.
        jitter: the share of ``ttl_ms`` by which an entry may expire earlier, at random.
        early: how eagerly it is refreshed before it expires; 0 never, 1 as the XFetch paper has it.
        background: whether a refresh runs behind the back of the caller that found it due.
        timed: whether a read needs to know the time that an entry has left: for grace, and to be early.
    """

    ttl_ms: int
    grace_ms: int = 0
    jitter: float = 0.0
    early: float = 0.0
    background: bool = False
    timed: bool = False

    @property
    def versions_ms(self) -> int:
        """Return how long versions of tags live: longer than the entries that carry them."""
        return 2 * (self.ttl_ms + self.grace_ms + _VERSIONS_OUTLIVE_SECONDS * 1000)  # halfway down they are renewed

    def fresh_ms(self, chance: float) -> int:
        """Return how long an entry is to be fresh, given a number drawn from [0, 1)."""
        return max(1, round(self.ttl_ms * (1 - self.jitter * chance)))


TAGS_LIVE_MS = 30 * _VERSIONS_OUTLIVE_SECONDS * 1000
"""How long at least the version lives that an invalidation writes: missing, it would only cost misses."""


def resolved(ttl: Ttl, grace: Ttl = 0, jitter: float = 0.0, early: float = 0.0, background: bool = False) -> Policy:
    """Resolve options into a policy; the same options again cost next to nothing.

    Raises:
        ValueError: one of them makes no sense; the message names it.
    """
    try:
        return _resolved(ttl, grace, jitter, early, background)
    except TypeError:  # one that cannot be hashed, and makes no sense either
        return _resolved.__wrapped__(ttl, grace, jitter, early, background)


@lru_cache(maxsize=1024, typed=True)
def _resolved(ttl: Ttl, grace: Ttl, jitter: float, early: float, background: bool) -> Policy:
    none = grace in (0, timedelta(0)) and not isinstance(grace, bool)
    grace_ms = 0 if none else milliseconds("grace", grace)
    for name, number, most in (("jitter", jitter, 1), ("early", early, 100)):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= most:
            message = f"{name} must be a number from 0 to {most}, not {number!r}"
            raise ConfigurationError(message)
    if not isinstance(background, bool):
        message = f"background must be True or False, not {background!r}"
        raise ConfigurationError(message)
    return Policy(ttl_ms(ttl), grace_ms, jitter, early, background, timed=grace_ms > 0 or early > 0)


def ttl_ms(ttl: Ttl) -> int:
    """Return a time to live in whole milliseconds, the unit servers expire in; see :func:`milliseconds`."""
    return milliseconds("ttl", ttl)


def milliseconds(name: str, time: Ttl) -> int:
    """Return a time in whole milliseconds.

    Args:
        name: what to call it when it makes no sense.
        time: seconds, or a timedelta.

    Raises:
        ValueError: zero, negative, not a number, under a millisecond, or over ten years.
    """
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        message = f"{name} must be seconds or a timedelta, not {time!r}"
        raise ConfigurationError(message)
    if math.isnan(seconds) or not 0.001 <= seconds <= MAX_TTL_SECONDS:
        none = "0, or " if name == "grace" else ""
        message = f"{name} must be {none}between 0.001 and {MAX_TTL_SECONDS} seconds, not {seconds}"
        raise ConfigurationError(message)
    return round(seconds * 1000)


def early_due(load_ms: float, fresh_ms: float, early: float, chance: float) -> bool:
    """Decide whether this caller refreshes an entry before it expires.

    XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015): with the
    load time as the unit, the chance grows exponentially towards expiry, so that about one caller in all goes first.

    Args:
        load_ms: how long the entry took to load.
        fresh_ms: how long it is still fresh.
        early: the paper's beta: over 1 is earlier; 0 never.
        chance: a number drawn from [0, 1).
    """
    return early > 0 and -early * load_ms * math.log(1 - chance) >= fresh_ms


def pauses(wakes: bool) -> Iterator[float]:
    """Yield the seconds that a caller waits for another's load before it asks again; they grow.

    One that is woken spends two commands a round, one that polls spends one.
    """
    if not wakes:
        yield 0.1
    while True:
        yield 1.0 if wakes else 0.3


def waits(pause: float, left: float, lease: float) -> float:
    """Return the seconds to wait before asking again: not past the end of a lease that nobody renews any more.

    Args:
        pause: the pause that is due.
        left: seconds that the lease of the load under way has left.
        lease: how long a lease lasts. Whoever loads renews it at a third of that, so that one of a second or more has
            less than 0.6 s left only when its holder died.
    """
    return min(pause, max(left, 0.1)) if lease >= 1 else pause


def checked_tags(tags: object) -> tuple[str, ...]:
    """Return the tags if they can be tags: a collection of non-empty strings, each once.

    Raises:
        ValueError: they cannot.
    """
    if isinstance(tags, str) or not isinstance(tags, (list, tuple, set, frozenset)):
        message = f"tags must be a list of strings, not {tags!r}"
        raise ConfigurationError(message)
    return tuple(dict.fromkeys(checked_key(tag, "tag") for tag in tags))


def checked_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return keys, each once, if they can be keys.

    Raises:
        ValueError: they cannot, or they are one string, whose letters nobody means.
    """
    if isinstance(keys, (str, bytes)):
        message = f"keys must be a list of strings, not {keys!r}"
        raise ConfigurationError(message)
    return tuple(dict.fromkeys(checked_key(key) for key in keys))


def checked_mapping(name: str, mapping: Mapping[str, T]) -> dict[str, T]:
    """Return a mapping by keys, if it is one.

    Raises:
        ValueError: it is none, or a key cannot be one.
    """
    if not isinstance(mapping, Mapping):
        message = f"{name} must be a dict by key, not {type(mapping).__name__}"
        raise ConfigurationError(message)
    return {checked_key(key): value for key, value in mapping.items()}


def checked_key(key: str, what: str = "key") -> str:
    """Return the key if it can be one.

    Raises:
        ValueError: it is empty, not a string, or not text that UTF-8 can hold.
    """
    if not isinstance(key, str) or not key:
        message = f"a {what} must be a non-empty string, not {key!r}"
        raise ConfigurationError(message)
    if not key.isascii() and not _is_text(key):
        message = f"a {what} must be text that UTF-8 can hold, not {key!r}"
        raise ConfigurationError(message)
    return key


def _is_text(key: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in key)  # lone surrogates
