"""Time to live and keys: what makes sense, and one sentence for what does not."""

import math
from datetime import timedelta
from typing import Any

import pytest

from dousell_cache.policy import MAX_TTL_SECONDS, checked_key, ttl_ms


@pytest.mark.parametrize(
    ("ttl", "milliseconds"),
    [
        (300, 300_000),
        (0.001, 1),
        (0.0019, 2),
        (1.5, 1500),
        (timedelta(hours=1), 3_600_000),
        (timedelta(milliseconds=1), 1),
        (MAX_TTL_SECONDS, 315_360_000_000),
    ],
)
def test_a_ttl_in_milliseconds(ttl: float | timedelta, milliseconds: int) -> None:
    """Seconds and timedeltas become whole milliseconds, rounded to the nearest."""
    assert ttl_ms(ttl) == milliseconds


@pytest.mark.parametrize(
    "ttl",
    [
        0,
        -1,
        0.0009,
        math.nan,
        math.inf,
        -math.inf,
        MAX_TTL_SECONDS + 1,
        timedelta(0),
        timedelta(days=-1),
        timedelta.max,
    ],
)
def test_a_ttl_out_of_range(ttl: float | timedelta) -> None:
    """Nothing, less than nothing, not a number and over ten years are refused with the range that would do."""
    with pytest.raises(ValueError, match=r"^ttl must be between 0.001 and 315360000 seconds, not "):
        ttl_ms(ttl)


@pytest.mark.parametrize("ttl", ["300", None, True, False, [], 1j])
def test_a_ttl_of_the_wrong_type(ttl: Any) -> None:
    """What is neither seconds nor a timedelta is refused by its type; a bool is no number of seconds."""
    with pytest.raises(ValueError, match=f"^ttl must be seconds or a timedelta, not {type(ttl).__name__}$"):
        ttl_ms(ttl)


@pytest.mark.parametrize("key", ["a", " ", "detail:7", "été:🏠", "{tag}x", "a\nb\x00", "x" * 100_000])
def test_a_key_is_taken_as_it_is(key: str) -> None:
    """Any text is a key, unchanged."""
    assert checked_key(key) is key


@pytest.mark.parametrize("key", ["", None, 7, b"bytes", ("a",)])
def test_what_cannot_be_a_key(key: Any) -> None:
    """An empty key, and one that is no string, are refused and shown."""
    with pytest.raises(ValueError, match=r"^a key must be a non-empty string, not "):
        checked_key(key)


@pytest.mark.parametrize("key", ["a\ud800", "\udfffé"])
def test_a_key_that_no_server_could_take(key: str) -> None:
    """A string that UTF-8 cannot hold is refused before a client fails over it."""
    with pytest.raises(ValueError, match=r"^a key must be text that UTF-8 can hold, not "):
        checked_key(key)
