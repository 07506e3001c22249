"""Locks beside a model of them (A5), and what the clock says beside the server's word (A14, A15).

The model has one owner at most, and fences that only grow.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dousell_cache import Cache, connect
from dousell_cache.errors import LockBusy, LockLost
from dousell_cache.locks import Held
from dousell_cache.testing.faults import FaultProxy

from .parties import Scene, Ways

LONG = bool(os.environ.get("DOUSELL_CACHE_REPEATS"))
LOST = ("lose-reply-and-close", "reset-mid-reply")


class Stage:
    """Two processes' caches on one server, each behind a proxy that may lose replies."""

    def __init__(self, ways: Ways, caches: list[Cache], proxies: list[FaultProxy], scene: Scene) -> None:
        self.ways, self.caches, self.proxies, self.scene = ways, caches, proxies, scene


@pytest.fixture
def stage(ways: Ways) -> Iterator[Stage]:
    """A stage over each way."""
    scene = Scene("blocking", ways)
    with ways.proxy() as one, ways.proxy() as two, through(scene, one) as a, through(scene, two) as b:
        yield Stage(ways, [a, b], [one, two], scene)
    scene.threads.shutdown()
    scene._admin.close()


@contextmanager
def through(scene: Scene, proxy: FaultProxy) -> Iterator[Cache]:
    """Open a cache behind a proxy."""
    target = scene.ways.through(proxy)
    with connect(target, namespace=scene.namespace, patience=5, breaker=False) as cache:
        yield cache


class Locks(RuleBasedStateMachine):
    """What two processes do with one lock, while the server forgets and replies are lost."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.name = uuid4().hex
        self.owner: Held | None = None
        self.everyone = list[Held]()
        self.highest = 0

    def _lose(self, who: int, lost: str | None) -> None:
        if lost:
            self.stage.proxies[who].inject(lost, commands=1)

    @rule(who=st.sampled_from([0, 1]), lost=st.sampled_from([None, None, *LOST]), fair=st.booleans())
    def acquire(self, who: int, lost: str | None, fair: bool) -> None:
        """Take the lock: granted if nobody owns it, whatever becomes of the first reply."""
        self._lose(who, lost)
        lock = self.stage.caches[who].lock(self.name, 60, fair=fair)
        if self.owner:
            with pytest.raises(LockBusy):
                lock.acquire()
            return
        held = lock.acquire()
        self.owner = held
        assert held.fence > self.highest
        self.highest = held.fence
        self.everyone.append(held)

    @precondition(lambda self: self.everyone)
    @rule(data=st.data(), word=st.sampled_from(["ensure", "extend", "mint"]))
    def ask(self, data: Any, word: str) -> None:
        """Use a lock: the owner may, anybody else is told that it is lost."""
        held: Held = data.draw(st.sampled_from(self.everyone))
        act = held.ensure if word == "ensure" else held.extend
        options = {"fence_above": self.highest + 5} if word == "mint" else {}
        if held is not self.owner:
            with pytest.raises(LockLost):
                act(**options)
            assert held.remaining() == 0
            return
        act(**options)
        assert held.fence >= self.highest + (6 if word == "mint" else 0)
        self.highest = held.fence

    @precondition(lambda self: self.everyone)
    @rule(data=st.data(), lost=st.sampled_from([None, None, *LOST]))
    def release(self, data: Any, lost: str | None) -> None:
        """Let go of a lock: the owner does, even if the reply is lost; nobody else takes it from the owner."""
        held: Held = data.draw(st.sampled_from(self.everyone))
        self._lose(self.stage.caches.index(self._cache_of(held)), lost)
        if held is self.owner:
            held.release()
            self.owner = None
        elif lost and held.remaining():  # asked again, the server cannot tell that from a release that went through
            with suppress(LockLost):
                held.release()
        else:
            with pytest.raises(LockLost):
                held.release()
        self._heal()
        self.everyone.remove(held)

    def _cache_of(self, held: Held) -> Cache:
        return next(cache for cache in self.stage.caches if cache._context is held._hold.context)

    def _heal(self) -> None:
        for proxy in self.stage.proxies:
            proxy.heal()

    @rule()
    def expire(self) -> None:
        """Let the lock's time run out on the server."""
        self.stage.scene.expire(self.name)
        self.owner = None

    @rule()
    def restart(self) -> None:
        """Forget everything about the lock, its counter too."""
        names = self.stage.scene.names(name=self.name)
        self.stage.scene.ask("DEL", names.lock, names.fence, names.queue, names.turn)
        self.owner = None

    @precondition(lambda self: self.everyone)
    @rule(data=st.data())
    def kill(self, data: Any) -> None:
        """Never speak of a lock again: its process was killed, and may own it still."""
        self.everyone.remove(data.draw(st.sampled_from(self.everyone)))

    @invariant()
    def one_owner(self) -> None:
        """The server names the model's owner, and nobody else believes what the server would deny."""
        token = self.owner._hold.token if self.owner else None
        assert self.stage.scene.holder(self.name) == token

    def teardown(self) -> None:
        """Leave the stage as it was."""
        self._heal()
        self.stage.scene.expire(self.name)


def test_a5_locks_beside_their_model(stage: Stage) -> None:
    """Whatever two processes do with a lock, and whatever is lost, there is one owner, and fences only grow."""
    examples = 2000 if LONG else 60
    Locks.stage = stage
    run_state_machine_as_test(
        Locks,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not LONG,
            database=None,
        ),
    )


def test_a14_nobody_believes_longer_than_the_server(stage: Stage) -> None:
    """remaining() is never more than what the server's PTTL says, however slow the way, extended or not."""
    cache, proxy, chance = stage.caches[0], stage.proxies[0], random.Random(14)
    samples = 10_000 if LONG else 600
    for number in range(samples // 20):
        if chance.random() < 0.3:
            proxy.inject("delay", commands=1, seconds=chance.random() / 50)
        held = cache.lock(f"{number}", chance.choice([0.2, 2.0, 30.0])).acquire()
        for sample in range(20):
            if sample == 10:
                held.extend(chance.choice([0.3, 5.0]))
            believed = held.remaining()  # asked first: what passes meanwhile makes it harder, not easier
            left = stage.scene.ask("PTTL", stage.scene.names(name=f"{number}").lock) / 1000
            assert held.remaining() <= max(left, 0), (believed, left)
        if held.remaining():
            held.release()


def test_a15_lost_replies_are_resolved(stage: Stage) -> None:
    """Locks taken and left while replies are lost at random: each comes out right, and no key is left behind."""
    cache, proxy, chance = stage.caches[0], stage.proxies[0], random.Random(15)
    for number in range(1000 if LONG else 60):
        first, second = (chance.choice([None, *LOST]) for _ in range(2))
        if first:
            proxy.inject(first, commands=chance.choice([1, 1, 2]))
        held = cache.lock(f"{number}").acquire()
        proxy.heal()
        assert stage.scene.holder(f"{number}") == held._hold.token
        if second:
            proxy.inject(second, commands=1)
        held.release()
        proxy.heal()
    assert stage.scene.left() == set()
