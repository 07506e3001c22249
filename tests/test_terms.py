"""The terms of a lock: what is asked for, and what may still be believed of it. Pure."""

from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.terms import (
    GONE_MS,
    TURN_MS,
    checked_fence,
    extension_ms,
    jittered,
    listening,
    listens,
    polls,
    renewal_pause,
    resolved,
    retry_pause,
    validity,
)


def test_seconds_and_timedeltas_are_the_same() -> None:
    """A ttl and a wait may be seconds or timedeltas; they are settled in milliseconds and seconds."""
    assert resolved(timedelta(seconds=2), timedelta(seconds=1)) == resolved(2, 1) == resolved(2.0, 1.0)
    assert resolved(0.1234).ttl_ms == 123
    assert extension_ms(2) == 2000


@pytest.mark.parametrize("ttl", [0, -1, 0.09, 301, float("nan"), float("inf"), True, "30", None, [30], timedelta(0)])
def test_a_ttl_out_of_bounds_is_refused(ttl: Any) -> None:
    """What no lock should last is refused, in a sentence that says what it is in, or of what type it must be."""
    with pytest.raises(ConfigurationError, match=r"ttl must be (between|seconds)"):
        resolved(ttl)
    with pytest.raises(ConfigurationError):
        extension_ms(ttl)


def test_bounds_are_moved_by_name() -> None:
    """The sentence names the bound to move, and moving it helps."""
    with pytest.raises(ConfigurationError, match=r"min_ttl=0\.1 is the bound to move"):
        resolved(0.05)
    assert resolved(0.05, min_ttl=0.01).ttl_ms == 50
    assert resolved(600, max_ttl=600).ttl_ms == 600_000


def test_what_is_believed_is_less_than_what_is_granted() -> None:
    """One per cent and two milliseconds less, for every ttl that can be asked for; and the same call costs nothing."""
    for ttl_ms in (5, 100, 300, 30_000, 86_400_000):
        assert validity(ttl_ms) < ttl_ms / 1000
        assert ttl_ms / 1000 - validity(ttl_ms) == pytest.approx(ttl_ms / 100_000 + 0.002)
    assert resolved(30) is resolved(30)


def test_two_renewals_may_fail() -> None:
    """Two renewals that fail leave time for a third, before what is believed is over."""
    assert 2 * renewal_pause(300) < validity(300)


def test_pauses_keep_to_the_price() -> None:
    """Polls and listening grow: no more than five in the first second, and a poll is over well before a turn is."""
    assert sum(islice(polls(), 5)) * 0.75 > 0.9
    assert all(jittered(pause, 0.99) <= pause <= TURN_MS / 1000 / 2 for pause in islice(polls(), 50))
    assert min(islice(listens(), 50)) >= 1
    assert (listening(1), listening(0.05)) == (0.9, 0.0)
    assert retry_pause(1, 0.5) < retry_pause(2, 0.5) < 0.1
    assert GONE_MS > TURN_MS


@pytest.mark.parametrize("fence", [-1, 2**53, True, 1.0, "7", None])
def test_a_fence_is_a_whole_number(fence: Any) -> None:
    """What a fence is to be above must be a number that every script counts exactly."""
    with pytest.raises(ConfigurationError, match="fence_above"):
        checked_fence(fence)
    assert checked_fence(2**53 - 1) == 2**53 - 1
