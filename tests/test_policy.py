"""Decisions about time, tags and keys: what makes sense, and one sentence for what does not."""

import itertools
import math
import random
import re
from datetime import timedelta
from typing import Any

import pytest

from dousell_cache.policy import (
    LEASE_SECONDS,
    MAX_TTL_SECONDS,
    checked_key,
    checked_tags,
    early_due,
    pauses,
    resolved,
    ttl_ms,
)


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
    with pytest.raises(ValueError, match=f"^ttl must be seconds or a timedelta, not {re.escape(repr(ttl))}$"):
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


@pytest.mark.parametrize(
    ("tags", "checked"),
    [((), ()), ([], ()), (["a", "b", "a"], ("a", "b")), (("city:Thiès",), ("city:Thiès",)), ({"a"}, ("a",))],
)
def test_tags_are_taken_once_each(tags: Any, checked: tuple[str, ...]) -> None:
    """A collection of strings is tags, in its order, each once."""
    assert checked_tags(tags) == checked


@pytest.mark.parametrize("tags", ["city:Dakar", None, 7, {"a": 1}.keys, ("a" for _ in range(1))])
def test_what_is_no_collection_of_tags(tags: Any) -> None:
    """A lone string, which would be taken letter by letter, and anything else is refused by name."""
    with pytest.raises(ValueError, match=r"^tags must be a list of strings, not "):
        checked_tags(tags)


@pytest.mark.parametrize("tag", ["", None, 7, b"a"])
def test_what_cannot_be_a_tag(tag: Any) -> None:
    """An empty tag, and one that is no string, are refused and shown."""
    with pytest.raises(ValueError, match=r"^a tag must be a non-empty string, not "):
        checked_tags([tag])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"ttl": 0}, "ttl"),
        ({"grace": -1}, "grace"),
        ({"grace": math.nan}, "grace"),
        ({"grace": False}, "grace"),
        ({"grace": "60"}, "grace"),
        ({"grace": MAX_TTL_SECONDS + 1}, "grace"),
        ({"jitter": -0.1}, "jitter"),
        ({"jitter": 1.1}, "jitter"),
        ({"jitter": True}, "jitter"),
        ({"jitter": math.nan}, "jitter"),
        ({"jitter": "0.1"}, "jitter"),
        ({"early": -1}, "early"),
        ({"early": math.inf}, "early"),
        ({"early": None}, "early"),
        ({"early": []}, "early"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: dict[str, Any], name: str) -> None:
    """Whatever is wrong with it, the sentence begins with the option's name; what cannot be hashed is no exception."""
    with pytest.raises(ValueError, match=f"^{name} must be "):
        resolved(**({"ttl": 60} | options))


def test_options_are_resolved_once() -> None:
    """Times become milliseconds; grace of nothing is none; equal values of another type are not mixed up."""
    policy = resolved(timedelta(minutes=1), timedelta(seconds=1.5), 0.1, 2, True)
    assert (policy.ttl_ms, policy.grace_ms, policy.jitter, policy.early, policy.background) == (
        60_000,
        1500,
        0.1,
        2,
        True,
    )
    assert (resolved(60).grace_ms, resolved(60, 0.0).grace_ms, resolved(60, timedelta(0)).grace_ms) == (0, 0, 0)
    resolved(1)
    with pytest.raises(ValueError, match=r"^ttl must be seconds"):
        resolved(True)


@pytest.mark.parametrize(
    ("options", "timed"), [({}, False), ({"grace": 1}, True), ({"early": 1}, True), ({"jitter": 0.5}, False)]
)
def test_a_read_asks_for_the_time_left_only_if_it_matters(options: dict[str, Any], timed: bool) -> None:
    """Grace and early refresh need it; a plain read is a plain GET."""
    assert resolved(60, **options).timed is timed


def test_jitter_only_shortens() -> None:
    """An entry lives for its time less up to the share given, in whole milliseconds, and never for nothing."""
    assert [resolved(60, jitter=0.1).fresh_ms(chance) for chance in (0.0, 0.5)] == [60_000, 57_000]
    assert resolved(0.001, jitter=1.0).fresh_ms(0.999999) == 1


def test_versions_outlive_their_entries() -> None:
    """A tag's version lives longer than any entry that carries it, a slow load and a paused process included."""
    for ttl, grace in [(0.001, 0), (60, 600), (MAX_TTL_SECONDS, MAX_TTL_SECONDS)]:
        policy = resolved(ttl, grace)
        assert policy.versions_ms >= policy.ttl_ms + policy.grace_ms + 86_400_000


def test_early_refresh_grows_towards_expiry() -> None:
    """One caller's chance is exp(-left / load time): none long before, one in e a load time before, all at the end."""
    draws = [random.Random(number).random() for number in range(4000)]
    shares = [sum(early_due(100, left, 1.0, draw) for draw in draws) / len(draws) for left in (2000, 300, 100, 0)]
    assert shares[0] == 0
    assert shares[1] == pytest.approx(math.exp(-3), abs=0.02)
    assert shares[2] == pytest.approx(math.exp(-1), abs=0.03)
    assert shares[3] == 1
    assert not any(early_due(100, 0.1, 0.0, draw) for draw in draws), "0 is never"
    assert sum(early_due(100, 300, 3.0, draw) for draw in draws) / len(draws) == pytest.approx(math.exp(-1), abs=0.03)


@pytest.mark.parametrize(("wakes", "spent", "last"), [(True, 2, 1), (False, 1, 0)])
def test_a_waiter_asks_five_times_a_second_at_most(wakes: bool, spent: int, last: int) -> None:
    """With its first read and its last answer, no second has more than five commands; it never stops asking."""
    first = [0.0, 0.0, *([0.0] if wakes else [])]
    ends = itertools.accumulate(itertools.islice(pauses(wakes), 40))
    sent = [*first, *(end for end in ends for _ in range(spent))]
    for start in sent:
        assert sum(start <= at < start + 1 for at in sent) + last <= 5
    assert max(itertools.islice(pauses(wakes), 40)) <= LEASE_SECONDS
