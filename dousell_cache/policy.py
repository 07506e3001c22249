"""Decisions about time, as pure functions: they read no clock and reach nothing."""

import math
from datetime import timedelta

Ttl = float | timedelta

MAX_TTL_SECONDS = 10 * 365 * 86_400
"""Ten years: longer is a mistake in the unit, and every server takes it."""


def ttl_ms(ttl: Ttl) -> int:
    """Return a time to live in whole milliseconds, the unit servers expire in.

    Args:
        ttl: seconds, or a timedelta.

    Raises:
        ValueError: zero, negative, not a number, under a millisecond, or over ten years.
    """
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        message = f"ttl must be seconds or a timedelta, not {type(ttl).__name__}"
        raise ValueError(message)
    if math.isnan(seconds) or not 0.001 <= seconds <= MAX_TTL_SECONDS:
        message = f"ttl must be between 0.001 and {MAX_TTL_SECONDS} seconds, not {seconds}"
        raise ValueError(message)
    return round(seconds * 1000)


def checked_key(key: str) -> str:
    """Return the key if it can be one.

    Raises:
        ValueError: it is empty, not a string, or not text that UTF-8 can hold.
    """
    if not isinstance(key, str) or not key:
        message = f"a key must be a non-empty string, not {key!r}"
        raise ValueError(message)
    if not key.isascii() and not _is_text(key):
        message = f"a key must be text that UTF-8 can hold, not {key!r}"
        raise ValueError(message)
    return key


def _is_text(key: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in key)  # lone surrogates
