"""The terms of a lock: how long, how patiently, and what may still be believed of it when. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import chain, repeat

from .errors import ConfigurationError
from .policy import Ttl

TTL_SECONDS = 30.0
"""How long a lock lasts by default: a payment's worth."""
MIN_TTL_SECONDS, MAX_TTL_SECONDS = 0.1, 300.0
"""What a ttl is refused beyond: shorter is over before it is known of; longer is milliseconds by mistake."""
PATIENCE_SECONDS = 0.25
"""What a dead server may cost one acquire, release or extend, in all."""
ASKS = 3
"""How often one word is sent at most until it is answered."""

FENCES_LIVE_MS = 86_400_000
"""How long a fence counter outlives the last grant: a day, far longer than any lock."""
TURN_MS = 1000
"""How long who is next may take to come: longer than a poll's pause and a round trip."""
GONE_MS = 60_000
"""How long a token that was given up is remembered: longer than a command can be on its way."""

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.005, 86_400.0  # of what may be asked for at all
_LONGEST_WAIT_SECONDS = 3600.0  # beyond, it is milliseconds by mistake
_LONGEST_FENCE = 2**53  # beyond it, Lua's numbers are no longer exact
_DRIFT_SHARE, _DRIFT_SECONDS = 0.01, 0.002  # what Redlock allows clocks to run apart
_RENEWALS_A_TTL = 3
_BLIND_SECONDS = 0.1  # a server looks for what has expired ten times a second
_POLLS = (0.05, 0.1, 0.2, 0.4)
_LAST_POLL = 0.5
_LISTENS = (1.0,)
_LAST_LISTEN = 2.0  # whoever comes after a dead waiter is not rung when that one's turn ends


@dataclass(frozen=True, slots=True)
class Terms:
    """What a lock is asked for, resolved.

    Args:
        ttl_ms: how long it is granted, in milliseconds.
        wait: the seconds to wait for it.
        renew: whether it is extended while it is held.
        fair: whether it lets those pass who wait.
    """

    ttl_ms: int
    wait: float = 0.0
    renew: bool = False
    fair: bool = False


def resolved(
    ttl: Ttl,
    wait: Ttl = 0,
    renew: bool = False,
    fair: bool = False,
    min_ttl: float = MIN_TTL_SECONDS,
    max_ttl: float = MAX_TTL_SECONDS,
) -> Terms:
    """Resolve the options of a lock; the same again cost next to nothing.

    Raises:
        ValueError: one of them makes no sense; the message names it.
    """
    try:
        return _resolved(ttl, wait, renew, fair, min_ttl, max_ttl)
    except TypeError:  # one that cannot be hashed, and makes no sense either
        return _resolved.__wrapped__(ttl, wait, renew, fair, min_ttl, max_ttl)


@lru_cache(maxsize=1024, typed=True)
def _resolved(ttl: Ttl, wait: Ttl, renew: bool, fair: bool, min_ttl: float, max_ttl: float) -> Terms:
    for name, flag in (("renew", renew), ("fair", fair)):
        if not isinstance(flag, bool):
            message = f"{name} must be True or False, not {flag!r}"
            raise ConfigurationError(message)
    shortest = _seconds("min_ttl", min_ttl, _SHORTEST_SECONDS, _LONGEST_SECONDS)
    longest = _seconds("max_ttl", max_ttl, _SHORTEST_SECONDS, _LONGEST_SECONDS)
    return Terms(_ttl_ms(ttl, shortest, longest), _seconds("wait", wait, 0, _LONGEST_WAIT_SECONDS), renew, fair)


def _ttl_ms(ttl: Ttl, shortest: float, longest: float) -> int:
    seconds = _number("ttl", ttl)
    if not shortest <= seconds <= longest:
        name, bound = ("min_ttl", shortest) if seconds < shortest else ("max_ttl", longest)
        message = (
            f"a lock's ttl must be between {shortest:g} and {longest:g} seconds, not {seconds:g}: it is in seconds, "
            f"and {name}={bound:g} is the bound to move if that is meant"
        )
        raise ConfigurationError(message)
    return round(seconds * 1000)


def extension_ms(ttl: Ttl, min_ttl: float = MIN_TTL_SECONDS, max_ttl: float = MAX_TTL_SECONDS) -> int:
    """Return the milliseconds that a lock is to be extended by.

    Raises:
        ValueError: they are out of bounds.
    """
    return resolved(ttl, min_ttl=min_ttl, max_ttl=max_ttl).ttl_ms


def checked_patience(seconds: float) -> float:
    """Return what a dead server may cost a lock, if it can be.

    Raises:
        ValueError: it is no number of seconds up to a minute.
    """
    if isinstance(seconds, timedelta):
        message = f"lock_patience must be seconds, not {seconds!r}"
        raise ConfigurationError(message)
    return _seconds("lock_patience", seconds, 0.001, 60.0)


def checked_fence(fence: int) -> int:
    """Return a fence that another is to be above, if it can be.

    Raises:
        ValueError: it is no whole number from 0 to 2^53.
    """
    if isinstance(fence, bool) or not isinstance(fence, int) or not 0 <= fence < _LONGEST_FENCE:
        message = f"fence_above must be a whole number from 0 to 2^53, not {fence!r}"
        raise ConfigurationError(message)
    return fence


def validity(ttl_ms: int) -> float:
    """Return the seconds, from the first send on, in which a grant may be believed: less what clocks may run apart.

    1 % and 2 ms, as Redlock has it (redis.io, "Distributed Locks with Redis").
    """
    return ttl_ms / 1000 * (1 - _DRIFT_SHARE) - _DRIFT_SECONDS


def renewal_pause(ttl_ms: int) -> float:
    """Return the seconds between two renewals: two of them may fail before validity is over."""
    return ttl_ms / 1000 / _RENEWALS_A_TTL


def retry_pause(asked: int, chance: float) -> float:
    """Return the seconds to wait before a word is sent again that got no answer.

    Args:
        asked: how often it was sent.
        chance: a number drawn from [0, 1).
    """
    return 0.005 * (1 << asked) * (0.5 + chance)


def listens() -> Iterator[float]:
    """Yield the seconds that a waiter listens to its bell before it asks again; they grow."""
    return chain(_LISTENS, repeat(_LAST_LISTEN))


def polls() -> Iterator[float]:
    """Yield the seconds between two polls of a waiter that cannot be woken; they grow, to half of a turn."""
    return chain(_POLLS, repeat(_LAST_POLL))


def jittered(pause: float, chance: float) -> float:
    """Return a pause up to a quarter shorter, so that those who began to wait together do not ask together."""
    return pause * (1 - chance / 4)


def listening(seconds: float) -> float:
    """Return how long to listen of so many seconds; the rest is slept: a server times out up to 0.1 s late."""
    return max(0.0, seconds - _BLIND_SECONDS)


def _seconds(name: str, time: Ttl, least: float, most: float) -> float:
    seconds = _number(name, time)
    if not least <= seconds <= most:
        message = f"{name} must be from {least:g} to {most:g} seconds, not {seconds:g}"
        raise ConfigurationError(message)
    return seconds


def _number(name: str, time: Ttl) -> float:
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        message = f"{name} must be seconds or a timedelta, not {time!r}"
        raise ConfigurationError(message)
    return float(seconds)
