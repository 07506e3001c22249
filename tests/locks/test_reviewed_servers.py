"""What a review of the locks found between them and a server: late commands, far servers, breakers, prefixes."""

import asyncio
import dataclasses
import itertools
import math
import time
from typing import Any

import pytest

from dousell_cache import MISSING, locking, scripts
from dousell_cache.errors import CacheUnavailable, LockUnavailable
from dousell_cache.runner import run_blocking
from dousell_cache.terms import TURN_MS, listens
from dousell_cache.testing.faults import FaultProxy

from .parties import Grip, Party, Scene

LEASES = "payment:lease:1"  # a lock's name that says what stands beside a value
LATE = "redis.call('LREM', KEYS[2], 0, ARGV[1]) return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"
FAR = 0.5  # seconds, of a command and its reply


async def test_a_prefix_withdraws_no_lock(scene: Scene) -> None:
    """Under a namespace with a hash tag a lock is named as values are: a prefix withdraws nothing of it."""
    scene.namespace = f"{{{scene.namespace}}}:"
    a, b = await scene.party(ttl=60), await scene.party()
    grip = await a.take(name=LEASES)
    waiting = asyncio.ensure_future(b.take(name=LEASES, wait=20, fair=True))
    names = scene.names("0123", LEASES)
    await scene.until(lambda: scene.ask("LLEN", names.queue) == 1)
    scene.ask("SET", names.gone, "", "PX", 60_000)
    scene.ask("SET", names.turn, "0123", "PX", 60_000)
    scene.ask("RPUSH", f"{names.bells}0123", "")
    there = scene.ask("EXISTS", *names[:4], f"{names.bells}0123", names.gone)
    for key in ("payment:1", "payment:1:lock", "payment:lease:1:queue:7"):
        await a.face.set(key, [key])
    assert await a.face.invalidate_prefix("payment:") == 3
    assert await a.face.invalidate_prefix("payment:", soft=True) == 0
    assert await a.face.get("payment:1:lock") is MISSING
    assert scene.ask("EXISTS", *names[:4], f"{names.bells}0123", names.gone) == there == 6
    await grip.ensure()
    await grip.release()
    await (await waiting).release()


@pytest.mark.parametrize(("left", "after"), [(2_000, 30_000), (60_000, 60_000)])
@pytest.mark.parametrize("ways", ["tcp"], indirect=True)
@pytest.mark.parametrize("scene", ["blocking"], indirect=True)
async def test_a_grant_told_again_lasts_as_long_as_asked(scene: Scene, left: int, after: int) -> None:
    """Asked again by its holder, a lock's end moves to where this asking counts from, and never inwards."""
    names = scene.names("0123")
    asking = ("EVAL", scripts.ACQUIRE.text, 6, *names, "0123", 30_000, 60_000, TURN_MS, 0, 0, 0)
    assert scene.ask(*asking)[0] == "granted"
    scene.ask("PEXPIRE", names.lock, left)
    assert scene.ask(*asking)[0] == "granted"
    assert after - 1_000 < scene.ask("PTTL", names.lock) <= after


async def test_nobody_believes_in_a_grant_that_came_late_longer_than_the_server(scene: Scene) -> None:
    """A waiter's first command is late and takes the lock for it: told by its next, it has the time it counts."""
    a, b = await scene.party(), await scene.party()
    await a.take()
    waiting = asyncio.ensure_future(b.take(30, wait=20, fair=True))
    names = scene.names()
    await scene.until(lambda: scene.ask("LLEN", names.queue) == 1)
    token = scene.ask("LINDEX", names.queue, 0)
    scene.ask("EVAL", LATE, 2, names.lock, names.queue, token, 6_000)
    grip = await waiting
    assert grip.remaining() * 1000 <= scene.ask("PTTL", names.lock)
    assert scene.holder() == token
    await grip.release()
    assert scene.left() == set()


def test_nobody_listens_long() -> None:
    """Whoever comes after a dead waiter is not rung when that one's turn is over: it listens two turns at most."""
    assert max(itertools.islice(listens(), 1000)) <= 2 * TURN_MS / 1000


async def opened(party: Party, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reads find the server dead, for good, and let it be well again at once."""
    breaker = party.cache._port._breaker
    proxy.inject("refuse")
    for _ in range(3):  # one connection may have been open: that it was reset is one failure of three
        assert await party.face.get_or_set("page", lambda: "loaded") == "loaded"
    assert breaker.state == "open"
    monkeypatch.setattr(breaker, "_next_try", math.inf)
    proxy.heal()


async def test_who_was_never_heard_takes_nothing_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the cache is taken for dead, who would wait for a lock sends nothing: there is nothing to give back."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), ttl=60)
        await opened(a, proxy, monkeypatch)
        sent = proxy.commands
        for wait in (0, 20):
            with pytest.raises(LockUnavailable, match="taken for dead"):
                await a.take(wait=wait, fair=True)
        assert proxy.commands == sent
        assert [event.commands for event in a.asked()] == [0, 0]


async def test_who_was_refused_a_connection_takes_nothing_back(scene: Scene) -> None:
    """Where nothing listens, who would wait for a lock tries once, and not again to leave a queue it is not in."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), breaker=False)
        proxy.inject("refuse")
        with pytest.raises(LockUnavailable):
            await a.take(wait=20, fair=True)
        assert [event.commands for event in a.asked()] == [1]


async def test_a_lock_in_a_hurry_says_nothing_about_the_server(scene: Scene) -> None:
    """Locks that give up sooner than reads would leave the breaker closed: reads of a server that is slow go on."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), patience=20, lock_patience=0.1, ttl=60)
        await a.face.set("page", "kept")
        proxy.inject("silence")
        for wait in (0, 0, 0, 20):
            with pytest.raises(LockUnavailable):
                await a.take(wait=wait)
        assert a.cache._port._breaker.calm
        proxy.heal()
        assert await a.face.get_or_set("page", lambda: "loaded") == "kept"


async def test_patience_is_what_a_far_server_needs(scene: Scene) -> None:
    """Given patience with the server, locks have two and a half times of it: a lock far away is had and left."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), patience=8)
        proxy.inject("delay", seconds=FAR)
        grip = await a.take()
        await grip.ensure()
        await grip.release()
        assert scene.holder() is None


@pytest.mark.parametrize("word", ["extend", "ensure", "release"])
async def test_what_is_held_does_not_wait_for_the_next_try(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """Reads took the cache for dead; the server is well: what concerns a lock that is held is sent, and shows them."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), ttl=60)
        grip = await a.take()
        await opened(a, proxy, monkeypatch)
        with pytest.raises(LockUnavailable, match="taken for dead"):
            await a.take(name="other")
        await getattr(grip, word)()
        assert a.cache._port._breaker.state == "closed"


async def test_an_end_only_moves_outwards(scene: Scene) -> None:
    """An extension by less than there is, or for a fence alone, takes nothing from what a longer one gave."""
    a = await scene.party()
    grip = await a.take(30)
    await grip.extend(0.3)
    assert grip.remaining() > 20
    await grip.extend(60)
    await grip.extend(fence_above=grip.fence + 1_000_000)
    assert 50_000 < grip.remaining() * 1000 <= scene.ask("PTTL", scene.names().lock)
    await grip.release()


class Skipping:
    """The machine's clock, which may skip ahead."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        """Return its seconds."""
        return time.monotonic() + self.skipped


async def watched(grip: Grip) -> Any:
    """Do what is due for a lock, as its watch does."""
    flow = locking.watch(grip.held._hold)
    return run_blocking(flow) if grip.party.is_blocking else await flow


async def test_a_short_extension_puts_no_renewal_off(scene: Scene) -> None:
    """A body that extends by less than there is does not keep the renewal from its time: a third of the ttl's."""
    a, clock = await scene.party(), Skipping()
    grip = await a.take(30, renew=True)
    hold = grip.held._hold
    hold.context = dataclasses.replace(hold.context, clock=clock)
    clock.skipped = 9.0
    await grip.extend(0.2)
    clock.skipped = 10.5
    await watched(grip)
    assert grip.remaining() > 25
    await grip.release()


async def test_a_dead_server_stays_unavailable(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What insists is no way round the breaker for others: of a dead server the next command is refused at once."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), ttl=60)
        grip = await a.take()
        await opened(a, proxy, monkeypatch)
        proxy.inject("refuse")
        with pytest.raises(LockUnavailable):
            await grip.extend()
        assert a.cache._port._breaker.state == "open"
        with pytest.raises(CacheUnavailable, match="taken for dead"):
            await a.face.ping()
