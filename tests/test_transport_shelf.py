"""The shelf's bookkeeping, step by step: no server and no thread is needed to see it."""

from typing import Any

import pytest

from dousell_cache import CacheUnavailable
from dousell_cache.transport.shelf import Shelf


class Link:
    """A connection that does nothing."""

    def __init__(self) -> None:
        self.works = True
        self.dropped = False

    def usable(self) -> bool:
        """Tell what the test says."""
        return self.works

    def drop(self) -> None:
        """Take note."""
        self.dropped = True


class Bench:
    """A shelf, the openings it began, and what was delivered to whom."""

    def __init__(self, most: int = 2) -> None:
        self.begun = 0
        self.delivered: list[Any] = []
        self.shelf = Shelf[Link](self.begin, most)

    def begin(self, _: Shelf[Link]) -> None:
        """Count an opening."""
        self.begun += 1

    def wait(self, waiters: int = 1) -> None:
        """Wait for a connection, or for so many."""
        for _ in range(waiters):
            self.shelf.wait(self.delivered.append)

    def opened(self) -> Link:
        """Let an opening succeed."""
        link = Link()
        self.shelf.opened(link)
        return link


@pytest.fixture
def bench() -> Bench:
    """An empty shelf for two."""
    return Bench()


def test_the_last_one_back_is_the_first_one_out(bench: Bench) -> None:
    """The connection that was used last is used next; without any there is none."""
    bench.wait(2)
    one, other = bench.opened(), bench.opened()
    assert bench.delivered == [one, other]
    for link in (other, one):
        bench.shelf.give(link)
    assert [bench.shelf.take(), bench.shelf.take(), bench.shelf.take()] == [one, other, None]


def test_no_more_are_opened_than_are_waited_for_or_allowed(bench: Bench) -> None:
    """Each who waits has one opened, up to the most there may be; the others get what comes back, in their order."""
    for begun in (1, 2, 2):
        bench.wait()
        assert bench.begun == begun
    one, other = bench.opened(), bench.opened()
    bench.shelf.give(other)
    assert bench.delivered == [one, other, other]


def test_a_failure_is_told_to_one_and_the_next_is_tried_for(bench: Bench) -> None:
    """Who waits first hears what went wrong; for the others, what is allowed again is opened."""
    bench.wait(3)
    failure = OSError("refused")
    bench.shelf.opened(failure)
    assert (bench.delivered, bench.begun) == ([failure], 3)


def test_a_dropped_connection_makes_room(bench: Bench) -> None:
    """A connection that is dropped may be replaced for whoever waits."""
    bench.wait(3)
    one = bench.opened()
    bench.shelf.discard(one)
    assert (one.dropped, bench.begun) == (True, 3)


def test_a_late_opening_is_kept(bench: Bench) -> None:
    """An opening that nobody waits for any more is there for the next; who left is delivered nothing."""
    bench.wait()
    assert bench.shelf.leave(bench.delivered.append)
    link = bench.opened()
    assert (bench.delivered, bench.shelf.take()) == ([], link)
    assert not bench.shelf.leave(bench.delivered.append)


def test_what_is_not_usable_is_dropped_on_the_way(bench: Bench) -> None:
    """A connection found unusable is dropped and the next one taken."""
    bench.wait(2)
    one, other = bench.opened(), bench.opened()
    for link in (one, other):
        bench.shelf.give(link)
    other.works = False
    assert bench.shelf.take() is one
    assert (one.dropped, other.dropped) == (False, True)


@pytest.mark.parametrize(("error", "others"), [(ConnectionResetError(), True), (TimeoutError(), False), (None, False)])
def test_a_broken_connection_takes_the_free_ones_along(bench: Bench, error: Exception | None, others: bool) -> None:
    """One that broke says that the others are broken too; one that was slow, or given up, says nothing of them."""
    bench.wait(2)
    one, other = bench.opened(), bench.opened()
    bench.shelf.give(one)
    bench.shelf.discard(other, error)
    assert (one.dropped, other.dropped) == (others, True)


def test_after_closing_nothing_is_kept(bench: Bench) -> None:
    """What is free is dropped, what comes back is dropped, what opens late is dropped; who waits is refused."""
    bench.wait(2)
    one, other = bench.opened(), bench.opened()
    bench.shelf.give(one)
    bench.shelf.close()
    bench.shelf.give(other)
    bench.wait()
    late = bench.opened()
    assert all(link.dropped for link in (one, other, late))
    assert isinstance(bench.delivered[-1], CacheUnavailable)
    assert (bench.shelf.take(), bench.begun) == (None, 2)


def test_after_a_fork_nothing_is_there_and_nothing_was_touched(bench: Bench) -> None:
    """A shelf that forgets has no connection and room for as many as at first; it closes none."""
    bench.wait(2)
    one = bench.opened()
    bench.shelf.give(one)
    bench.shelf.forget()
    assert (bench.shelf.take(), one.dropped) == (None, False)
    bench.wait(2)
    assert bench.begun == 4
