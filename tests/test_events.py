"""Events and their counters: nothing is counted twice, nothing is lost, and watching harms nothing."""

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import get_args

import pytest

from dousell_cache.events import (
    Counters,
    Event,
    Invalidation,
    Observers,
    Outcome,
    Read,
    Tally,
    Write,
    family,
)

HIT = Read("detail:7", "hit", 0.001, 0.0, 1)


def test_every_outcome_has_its_counter() -> None:
    """Each of the closed set of outcomes adds one to a counter of its own, in all and for its family."""
    tally = Tally()
    for outcome in get_args(Outcome):
        tally.count(Read("detail:7", outcome, 0.001, 0.0, 2))
    seen = tally.counters()
    one_each = Counters(1, 1, 1, 1, 1, 1, 1, 14)
    assert seen == Counters(1, 1, 1, 1, 1, 1, 1, 14, families={"detail": one_each})
    assert seen.reads == len(get_args(Outcome)) == 7


def test_writes_and_invalidations_count_their_commands_only() -> None:
    """Reads are what outcomes are about; other calls only cost commands."""
    tally = Tally()
    tally.count(Write("detail:7", True, 0.001, 1))
    tally.count(Invalidation(("detail:7", "city"), True, 0.001, 1))
    assert tally.counters() == Counters(commands=2)


@pytest.mark.parametrize(
    ("key", "name"), [("detail:7", "detail"), ("search:city:Dakar", "search"), ("all", "all"), (":x", ""), ("é:1", "é")]
)
def test_the_family_of_a_key(key: str, name: str) -> None:
    """A key's family is what stands before its first colon, or the whole key."""
    assert family(key) == name


def test_families_are_counted_apart() -> None:
    """Each family has counters of its own, and they add up to the total."""
    tally = Tally()
    for key, outcome in (("detail:1", "hit"), ("detail:2", "miss"), ("all", "hit")):
        tally.count(Read(key, outcome, 0.001, 0.0, 1))  # type: ignore[arg-type]  # a str where a Literal is wanted
    counters = tally.counters()
    assert counters.families["detail"] == Counters(hits=1, misses=1, commands=2)
    assert counters.families["all"] == Counters(hits=1, commands=1)
    assert (counters.hits, counters.misses, counters.commands) == (2, 1, 3)


def test_families_are_capped() -> None:
    """Keys without end cannot eat the memory: after a thousand families the rest share one, and none is lost."""
    tally = Tally()
    for number in range(1500):
        tally.count(Read(f"family{number}:x", "hit", 0.001, 0.0, 1))
    tally.count(Read("family7:y", "miss", 0.001, 0.0, 1))
    counters = tally.counters()
    assert len(counters.families) == 1001
    assert counters.families["(other)"].hits == 500
    assert counters.families["family7"].misses == 1
    assert sum(each.reads for each in counters.families.values()) == counters.reads == 1501


def test_the_hit_rate() -> None:
    """Hits over reads, whatever their outcome; before the first read there is none."""
    assert Counters().hit_rate is None
    assert Counters(hits=3, misses=1).hit_rate == 0.75
    assert Counters(hits=1, bypasses=1, errors=2).hit_rate == 0.25


def test_counters_are_a_copy() -> None:
    """What was returned stays as it was when counting goes on."""
    tally = Tally()
    tally.count(HIT)
    before = tally.counters()
    tally.count(HIT)
    assert (before.hits, before.families["detail"].hits) == (1, 1)
    assert tally.counters().hits == 2


def test_counting_is_safe_between_threads() -> None:
    """Threads that count at once lose nothing."""
    tally = Tally()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(lambda: deque(map(tally.count, repeat(HIT, 2000)), maxlen=0))
    assert tally.counters().hits == tally.counters().families["detail"].hits == 8000


@pytest.mark.parametrize("event", [HIT, Write("a", True, 0.1, 1), Invalidation(("a",), True, 0.1, 1)])
def test_events_are_frozen(event: Event) -> None:
    """An observer cannot change what the next one sees."""
    with pytest.raises(AttributeError):
        event.seconds = 0.0  # type: ignore[misc,union-attr]  # refused by type, and at run time


def test_every_observer_sees_every_event_in_order() -> None:
    """Each event reaches all observers, in the order of the events."""
    observers, first, second = Observers(Tally()), list[Event](), list[Event]()
    observers.subscribe(first.append)
    observers.subscribe(second.append)
    events: list[Event] = [HIT, Write("a", True, 0.1, 1)]
    for event in events:
        observers(event)
    assert first == second == events


def test_one_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises is logged; the caller and the other observers do not notice."""
    observers, seen = Observers(Tally()), list[Event]()

    def broken(_: Event) -> None:
        raise ValueError("broken observer")

    observers.subscribe(broken)
    observers.subscribe(seen.append)
    observers(HIT)
    assert seen == [HIT]
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("dousell_cache", logging.ERROR)
    assert "broken observer" in caplog.text


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C in an observer still interrupts."""
    observers = Observers(Tally())

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    observers.subscribe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        observers(HIT)


def test_unsubscribing_ends_one_subscription() -> None:
    """The function returned ends the subscription it came from, once, and not another of the same observer."""
    observers, seen = Observers(Tally()), list[Event]()
    first, second = observers.subscribe(seen.append), observers.subscribe(seen.append)
    observers(HIT)
    assert len(seen) == 2
    first()
    first()
    observers(HIT)
    assert len(seen) == 3
    second()
    observers(HIT)
    assert len(seen) == 3


def test_an_observer_may_unsubscribe_while_it_is_told() -> None:
    """One that leaves during an event does not make another miss it."""
    observers, seen = Observers(Tally()), list[Event]()

    def once(event: Event) -> None:
        seen.append(event)
        leave()

    leave = observers.subscribe(once)
    observers.subscribe(seen.append)
    observers(HIT)
    observers(HIT)
    assert len(seen) == 3
