"""Servers that forget: restarted, evicting, failed over, with counters that are lost or older (S7-S11)."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dousell_cache.errors import LockLost, LockUnavailable
from dousell_cache.testing.faults import FaultProxy

from ..faces import FACES
from .conftest import told
from .parties import Grip, Ledger, Scene, Ways

if TYPE_CHECKING:
    from ..conftest import FreeValkey
    from .conftest import Holding


async def two_pay(ledger: Ledger, first: Grip, second: Grip) -> None:
    """Let a holder that the server forgot pay after the one that it granted the lock since."""
    assert ledger.pay(second.fence)
    assert not ledger.pay(first.fence)
    assert (ledger.rows, ledger.unguarded) == (1, 2)


async def test_s07_a_restart_forgets_and_the_ledger_does_not(mortal: Scene, free_valkey: "FreeValkey") -> None:
    """A server that came back empty grants at once; who held the lock before is told, and its fence is refused."""
    a, b = await mortal.party(), await mortal.party(breaker=False)
    first = await a.take()
    free_valkey.restart()
    second = await granted(b.take)
    assert second.fence > first.fence
    await two_pay(Ledger(), first, second)
    with pytest.raises(LockLost):
        await lost(first)
    await second.ensure()
    await second.release()


async def granted(take: Callable[[], object]) -> Grip:
    """Take a lock from a server that has only just come back."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await take()  # type: ignore[misc, no-any-return]  # a coroutine of a grip
            except LockUnavailable:  # by a connection of before, say
                await asyncio.sleep(0.02)


async def lost(grip: Grip) -> None:
    """Ask until the server says whose the lock is: the first answer may be that a connection of before is broken."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await grip.ensure()
            except LockUnavailable:
                await asyncio.sleep(0.02)


async def test_s08_fences_are_in_the_order_of_grants(scene: Scene, holding: "Callable[[Scene], Holding]") -> None:
    """A holder that is frozen right after its grant has a smaller fence than the next one, however late it writes."""
    a, b, ledger = holding(scene), await scene.party(), Ledger()
    fence = await told(a, "take", 0.3, {})
    a.pause()
    await scene.until(lambda: scene.holder() is None)
    grip = await b.take()
    assert grip.fence > fence
    assert ledger.pay(grip.fence)
    a.resume()
    assert not ledger.pay(fence)
    await grip.release()


async def test_s08_a_fence_minted_apart_is_found_out(scene: Scene) -> None:
    """The naive way, for comparison: SET NX and then INCR gives a holder that paused between them the higher fence."""
    names = scene.names()
    assert scene.ask("SET", names.lock, "a", "NX", "PX", 30_000)
    scene.expire()  # while a is paused between its two commands
    assert scene.ask("SET", names.lock, "b", "NX", "PX", 30_000)
    theirs = scene.ask("INCR", names.fence)
    stale = scene.ask("INCR", names.fence)
    ledger = Ledger()
    assert stale > theirs, "the paused holder passes any check of fences"
    assert ledger.pay(theirs)
    assert stale >= theirs


@pytest.mark.parametrize("loss", ["lost", "older", "nonsense"])
async def test_s09_a_counter_that_was_lost_goes_on_above(scene: Scene, loss: str) -> None:
    """A counter that is gone, or comes back from an older copy of the data, mints above every fence there was."""
    a, fences, counter = await scene.party(), [0], scene.names().fence
    for _ in range(5):
        grip = await a.take()
        fences.append(grip.fence)
        await grip.release()
        if loss == "lost":
            scene.ask("DEL", counter)
        else:
            scene.ask("SET", counter, fences[1] - 1 if loss == "older" else "x", "PX", 60_000)
    assert fences == sorted(set(fences))


async def test_s09_a_ledger_that_knows_of_higher_fences_is_satisfied(scene: Scene) -> None:
    """If the server's clock went back with its counter, a holder gets a fence above the ledger's, and keeps it."""
    a = await scene.party()
    grip = await a.take()
    mark = grip.fence + 10**12
    first = grip.fence
    await grip.extend(fence_above=mark)
    assert (grip.fence, first < mark) == (mark + 1, True)
    await grip.ensure()
    await grip.release()
    other = await a.take()
    assert other.fence == mark + 2
    await other.release()


async def test_s09_a_lost_lock_gets_no_fence(scene: Scene) -> None:
    """Who does not hold the lock any more cannot get above the ledger's mark: nothing is minted for it."""
    a, b = await scene.party(), await scene.party()
    grip = await a.take()
    scene.expire()
    other = await b.take()
    with pytest.raises(LockLost):
        await grip.extend(fence_above=2**52)
    assert int(scene.ask("GET", scene.names().fence)) == other.fence
    await other.release()


async def test_s09_counters_do_not_leak(scene: Scene) -> None:
    """A counter outlives the last grant by far more than any lock, and then it is gone."""
    a = await scene.party()
    grip = await a.take()
    await grip.extend()
    await grip.release()
    assert 300_000 < scene.ask("PTTL", scene.names().fence) <= 86_400_000


class Switch(FaultProxy):
    """A proxy that may be led to another server: what a failover does to a name."""

    def lead_to(self, url: str) -> None:
        """Drop every connection, and lead the next ones to another server."""
        self.inject("refuse")
        self._parts = self._parts._replace(netloc=url.removeprefix("redis://").partition("/")[0])
        self.heal()


@pytest.mark.parametrize("face", FACES)
async def test_s10_a_failover_that_forgot_the_lock(face: str, valkey_url: str, free_valkey: "FreeValkey") -> None:
    """A server that took over without the last writes grants the lock again: the ledger refuses one, and it is told."""
    scene = Scene(face, Ways("tcp", valkey_url))
    with Switch(valkey_url) as switch:
        a = await scene.party(scene.ways.through(switch), breaker=False)
        b = await scene.party(scene.ways.through(switch), breaker=False)
        first = await a.take()
        switch.lead_to(free_valkey.url)
        second = await granted(b.take)
        await two_pay(Ledger(), first, second)
        with pytest.raises(LockLost):
            await lost(first)
        await second.release()
    await scene.close()


async def test_s11_an_evicted_lock_is_known_as_lost(mortal: Scene) -> None:
    """A server that evicts may evict a held lock: its holder is told when it asks, and makes nothing again."""
    a = await mortal.party()
    grip = await a.take()
    mortal.ask("CONFIG", "SET", "maxmemory-policy", "volatile-random")
    mortal.ask("CONFIG", "SET", "maxmemory", "1mb")
    await mortal.until(lambda: not mortal.holder())
    mortal.ask("CONFIG", "SET", "maxmemory", "0")
    with pytest.raises(LockLost):
        await grip.ensure()
    with pytest.raises(LockLost):
        await grip.extend()
    assert mortal.holder() is None
