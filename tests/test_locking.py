"""The flows of locks, step by step on a clock that a test moves: when belief ends, and what is due when."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dousell_cache import Cache, locking
from dousell_cache.errors import LockBusy, LockLost
from dousell_cache.hold import Hold
from dousell_cache.runner import run_blocking
from dousell_cache.terms import Terms, renewal_pause, validity


class Moved:
    """A clock that a test moves; whoever sleeps moves it too."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """Return its time."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Be there at once."""
        self.seconds += seconds


class Flow:
    """One acquisition on such a clock."""

    def __init__(self, cache: Cache, **terms: Any) -> None:
        self.clock, self.told, self.events = Moved(), list[str](), list[Any]()
        context = replace(cache._context, clock=self.clock, emit=self.events.append)
        server = replace(context.server, now=self.clock.now)
        settled = Terms(**({"ttl_ms": 30_000} | terms))
        self.hold = Hold(replace(context, server=server), "a", settled, 5.0, lambda: self.told.append("lost"))

    def acquire(self) -> "Flow":
        """Take the lock."""
        run_blocking(locking.acquire(self.hold))
        return self

    def due(self) -> float | None:
        """Do what is due."""
        return run_blocking(locking.watch(self.hold))

    def ask(self, *command: Any) -> Any:
        """Ask the server."""
        return run_blocking(self.hold.context.server.port.send(*command))


@pytest.fixture
def flow(other: Cache) -> Iterator[Flow]:
    """A lock that is held."""
    held = Flow(other).acquire()
    yield held
    run_blocking(locking.leave(held.hold))


def test_belief_ends_before_the_grant(flow: Flow) -> None:
    """At 99 % of the ttl less 2 ms nothing is believed any more, whatever the server says; ensure() does not ask it."""
    flow.clock.seconds += validity(30_000) - 0.001
    assert flow.hold.remaining() == pytest.approx(0.001)
    run_blocking(locking.ensure(flow.hold))
    flow.clock.seconds += 0.0011
    before = flow.hold.commands
    with pytest.raises(LockLost):
        run_blocking(locking.ensure(flow.hold))
    assert (flow.hold.commands, flow.told) == (before, ["lost"])


def test_an_extension_counts_from_its_sending(flow: Flow) -> None:
    """After an extension the ttl counts anew, from then."""
    flow.clock.seconds += 20
    run_blocking(locking.extend(flow.hold, 30_000))
    assert flow.hold.remaining() == pytest.approx(validity(30_000))
    flow.clock.seconds += 10
    assert flow.hold.remaining() == pytest.approx(validity(30_000) - 10)


def test_a_watch_without_renewal_waits_for_the_end(flow: Flow) -> None:
    """What is due is the end, told when it has come, and then nothing is due any more."""
    assert flow.due() == pytest.approx(validity(30_000))
    flow.clock.seconds += validity(30_000)
    assert (flow.due(), flow.told, flow.due()) == (None, ["lost"], None)


def test_a_renewal_is_due_at_a_third(other: Cache) -> None:
    """A lock that renews is extended a third of its ttl after its grant, not before, and again a third later."""
    flow = Flow(other, renew=True).acquire()
    assert flow.due() == pytest.approx(renewal_pause(30_000))
    commands = flow.hold.commands
    flow.clock.seconds += renewal_pause(30_000) - 0.01
    assert flow.due() == pytest.approx(0.01)
    assert flow.hold.commands == commands
    flow.clock.seconds += 0.01
    assert flow.due() == pytest.approx(renewal_pause(30_000))
    assert flow.hold.commands == commands + 1
    assert flow.hold.remaining() == pytest.approx(validity(30_000))
    flow.ask("DEL", flow.hold.names.lock)
    flow.clock.seconds += renewal_pause(30_000)
    assert (flow.due(), flow.told, flow.hold.ending) == (None, ["lost"], "lost")


def test_who_asks_in_vain_leaves_nothing(other: Cache, flow: Flow) -> None:
    """Whoever waited in vain is no longer in the queue, and the next release wakes nobody."""
    waiting = Flow(other, wait=3.0, fair=True)
    waiting.hold.context.server.port._port.can_block = False  # type: ignore[attr-defined]  # poll: this clock has no bell
    with pytest.raises(LockBusy):
        waiting.acquire()
    assert waiting.hold.queued
    run_blocking(locking.leave(waiting.hold))
    assert flow.ask("LLEN", flow.hold.names.queue) == 0
    assert not waiting.hold.behind


def test_what_was_given_up_twice_is_told_once(flow: Flow) -> None:
    """Leaving again, or finishing what was released, sends nothing and tells nothing."""
    run_blocking(locking.release(flow.hold))
    commands, events = flow.hold.commands, len(flow.events)
    for again in (locking.leave(flow.hold), locking.release(flow.hold), locking.finish(flow.hold, None)):
        run_blocking(again)
    assert (flow.hold.commands, len(flow.events)) == (commands, events)
