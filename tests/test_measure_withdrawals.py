"""Which reads are stale, and when a change was first seen: by hand-made changes and reads."""

import math

import numpy as np
import pytest

from dousell_cache.measure.withdrawals import Change, Seen, promised, seconds_stale, seconds_until_correct, stale

CHANGES = [Change(0, 1, made=1.0, told=1.5), Change(0, 2, made=3.0, told=3.1), Change(1, 1, made=2.0, told=2.1)]


@pytest.mark.parametrize(
    ("read", "is_stale"),
    [
        (Seen(0, 0, 1.4, 9.0), False),  # begun before the writer was done: nothing was promised yet
        (Seen(0, 0, 1.5, 1.6), True),
        (Seen(0, 1, 2.0, 2.1), False),
        (Seen(0, 1, 3.2, 3.3), True),
        (Seen(0, 2, 1.6, 3.2), False),  # newer than promised is no fault
        (Seen(1, 0, 2.05, 2.2), False),
        (Seen(2, 0, 9.0, 9.1), False),  # a row that never changed
    ],
)
def test_a_read_is_stale_after_the_withdrawal_only(read: Seen, is_stale: bool) -> None:
    """A read is stale that began when a newer version had been told of its own row, and showed an older one."""
    assert stale([read], CHANGES).tolist() == [is_stale]


def test_only_what_was_promised_something_can_be_stale() -> None:
    """Reads before the first withdrawal of their row, and of rows that never changed, are no trials."""
    reads = [
        Seen(0, 0, 1.4, 9.0),
        Seen(0, 1, 1.5, 1.6),
        Seen(0, 2, 3.2, 3.3),
        Seen(1, 0, 2.0, 2.2),
        Seen(2, 0, 9.0, 9.1),
    ]
    assert promised(reads, CHANGES).tolist() == [0, 1, 2, 0, 0]


def test_an_undelivered_withdrawal_promises_nothing() -> None:
    """A change of which the cache could not be told makes no read stale."""
    assert not stale([Seen(0, 0, 5.0, 5.1)], [Change(0, 1, 1.0, math.inf)]).any()


def test_the_first_correct_answer_ends_the_wait() -> None:
    """The wait lasts from the change to the earliest answer with it or a later one, and for ever where none came."""
    reads = [Seen(0, 2, 3.2, 3.6), Seen(0, 0, 1.1, 1.2), Seen(0, 1, 1.6, 1.9), Seen(1, 0, 2.2, 2.3)]
    assert seconds_until_correct(reads, CHANGES) == pytest.approx(np.array([0.9, 0.6, math.nan]), nan_ok=True)


def test_staleness_is_counted_from_the_first_change_that_is_missing() -> None:
    """A read that misses two changes is as old as the first of them."""
    assert seconds_stale([Seen(0, 0, 4.0, 4.1), Seen(0, 2, 4.0, 4.1)], CHANGES) == pytest.approx([2.5])
