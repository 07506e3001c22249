"""Holders whose time is over: paused, dead, late, or with a body that takes too long (S1-S3, S12-S15, S25, S26)."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache.errors import LockBusy, LockLost, LockUnavailable

from .conftest import told
from .parties import NAME, Grip, Ledger, Scene, watchers

if TYPE_CHECKING:
    from .conftest import Holding

TTL = 0.3


async def over(scene: Scene) -> None:
    """Wait until the server has let the lock's time run out."""
    await scene.until(lambda: scene.holder() is None)


async def test_s01_a_pause_past_the_ttl_pays_once(scene: Scene, holding: "Callable[[Scene], Holding]") -> None:
    """A holder frozen past its ttl finds another's payment: it is told before it writes, and the ledger refuses it."""
    ledger, a, b = Ledger(), holding(scene), await scene.party()
    fence = await told(a, "take", TTL, {})
    a.pause()
    await over(scene)
    grip = await b.take()
    assert ledger.pay(grip.fence)
    await grip.release()
    a.resume()
    assert await told(a, "ensure") == "LockLost"
    assert not ledger.pay(fence), "it did not ask, and wrote all the same"
    assert (ledger.rows, ledger.unguarded) == (1, 2)
    assert await told(a, "release") == "LockLost"


async def test_s02_a_release_after_the_end_leaves_the_next_holder(scene: Scene) -> None:
    """Who lets go of a lock that ended and went to another is told so, and the other keeps it."""
    a, b = await scene.party(), await scene.party()
    late = await a.take(TTL)
    await over(scene)
    grip = await b.take()
    with pytest.raises(LockLost):
        await late.release()
    await grip.ensure()
    assert late.lost
    assert [event.outcome for event in a.ended()] == ["lost"]
    await grip.release()


async def test_s03_a_killed_holder_costs_its_ttl(scene: Scene, holding: "Callable[[Scene], Holding]") -> None:
    """Who waits for a killed holder has the lock when its time is over: not before, and without hanging."""
    a, b = holding(scene), await scene.party()
    first = await told(a, "take", 0.5, {})
    left = scene.ask("PTTL", scene.names().lock) / 1000
    seen = time.monotonic()
    a.kill()
    grip = await b.take(wait=20)
    assert time.monotonic() - seen >= left - 0.01, "it was granted before the dead holder's time was over"
    assert grip.fence > first
    await grip.release()


async def test_s12_a_jump_of_the_wall_clock_changes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a lock is believed in for does not ask the wall clock, which may jump by hours."""
    a = await scene.party()
    grip = await a.take(30)
    for jump in (3600.0, -3600.0):
        shifted = time.time() + jump
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda shifted=shifted: shifted)
            assert 25 < grip.remaining() < 30
            await grip.ensure()
    await grip.release()


async def test_s12_a_server_clock_that_went_back_makes_no_smaller_fence(scene: Scene) -> None:
    """A counter that is ahead of the server's clock goes on: fences grow although the time does not."""
    a = await scene.party()
    ahead = scene.ask("TIME")[0] * 1_000_000 + 3_600_000_000
    scene.ask("SET", scene.names().fence, ahead, "PX", 60_000)
    fences = []
    for _ in range(3):
        grip = await a.take()
        fences.append(grip.fence - ahead)
        await grip.release()
    assert fences == [1, 2, 3]


async def test_s13_a_grant_that_comes_too_late_is_given_back(scene: Scene) -> None:
    """A grant whose answer takes longer than its validity is no grant, and nothing of it stays on the server."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy))
        await a.face.ping()
        proxy.inject("delay", commands=1, seconds=0.15)
        with pytest.raises(LockUnavailable, match="too late"):
            await a.take(0.12)
        assert scene.left() == set()
    assert [event.outcome for event in a.asked()] == ["unavailable"]


async def test_s13_validity_counts_from_the_first_send(scene: Scene) -> None:
    """What a slow answer cost is no part of what the lock may be believed in for."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy))
        await a.face.ping()
        proxy.inject("delay", commands=1, seconds=0.2)
        grip = await a.take(1)
        assert grip.remaining() <= 0.99 - 0.002 - 0.2
        await grip.release()


async def test_s14_a_late_renewal_makes_nothing_again(scene: Scene) -> None:
    """A renewal that comes after another had the lock makes it known as lost, and makes no key again."""
    lost = threading.Event()
    with scene.ways.proxy() as proxy:
        a, b = await scene.party(scene.ways.through(proxy), patience=2), await scene.party()
        grip = await a.take(TTL, renew=True, on_lost=lambda _: lost.set())
        proxy.inject("silence")
        await over(scene)
        other = await b.take()
        await other.release()
        proxy.heal()
        await scene.until(lost.is_set)
        assert (grip.lost, grip.remaining(), scene.left()) == (True, 0.0, set())
        with pytest.raises(LockLost):
            await grip.extend()
        with pytest.raises(LockLost):
            await grip.release()
    assert [event.outcome for event in a.ended()] == ["lost"]
    assert scene.left() == set()


@pytest.mark.parametrize("taken_by_another", [False, True])
async def test_s14_an_extension_never_makes_a_lost_lock_again(scene: Scene, taken_by_another: bool) -> None:
    """Whoever extends a lock that is gone, or another's, is told that it is lost; the key is as it was."""
    a, b = await scene.party(), await scene.party()
    grip = await a.take()
    scene.expire()
    if taken_by_another:
        other = await b.take(20)
    with pytest.raises(LockLost):
        await grip.extend()
    if taken_by_another:
        assert scene.ask("PTTL", scene.names().lock) <= 20_000
        await other.release()
    assert scene.left() == set()


async def test_s15_no_renewal_outlives_its_release(scene: Scene) -> None:
    """A lock that is let go of while its renewal is under way is never extended after that, and nobody renews it."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy))
        for _ in range(5):
            grip = await a.take(0.15, renew=True)
            proxy.inject("delay", commands=1, seconds=0.03)
            before = proxy.commands
            await scene.until(lambda before=before: proxy.commands > before)  # type: ignore[misc]
            await grip.release()
            sent = proxy.commands
            assert scene.left() == set()
            assert not watchers()
            await asyncio.sleep(0.05)
            assert (proxy.commands, scene.left()) == (sent, set())


async def test_s15_a_renewed_lock_outlives_its_ttl(scene: Scene) -> None:
    """While it renews, a body may take longer than the ttl, and leaves as a holder."""
    a, b = await scene.party(), await scene.party()

    async def body() -> float:
        return await scene_seconds(grip)

    grip = await a.take(0.2, renew=True)
    assert await body() > 0.4
    with pytest.raises(LockBusy):
        await b.take()
    await grip.ensure()
    await grip.release()
    assert [event.outcome for event in a.ended()] == ["released"]


async def scene_seconds(grip: Grip) -> float:
    """Hold a lock for twice its ttl and a bit, looking at it all the time."""
    began = time.monotonic()
    while time.monotonic() - began < 0.45:
        assert grip.remaining() > 0
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_s25_what_takes_longer_than_the_lock_is_not_begun(scene: Scene) -> None:
    """Who asks before a call that cannot be undone learns that too little time is left, and does not make it."""
    a, calls = await scene.party(), list[str]()

    def body(held: Any) -> None:
        if held.remaining() > 1:  # what the provider may take
            calls.append("pay")

    await a.inside(body, ttl=0.5)
    await a.inside(body, ttl=5)
    assert calls == ["pay"]


async def test_s25_time_that_is_over_is_told_before_the_call(scene: Scene) -> None:
    """ensure() raises as soon as the time is over, even while the server is silent; extend() is refused as well."""
    a = await scene.party()
    grip = await a.take(TTL)
    await scene.until(lambda: grip.remaining() == 0)
    with pytest.raises(LockLost):
        await grip.ensure()
    assert grip.lost
    assert [event.outcome for event in a.ended()] == ["lost"]
    with pytest.raises(LockLost):
        await grip.extend()
    await over(scene)


async def test_s25_a_body_that_took_too_long_is_told_on_leaving(scene: Scene) -> None:
    """Leaving a ``with`` whose lock ended meanwhile raises LockLost, but never over the body's own error."""
    a = await scene.party()

    def late(_: Any) -> None:
        scene.expire()

    def failing(_: Any) -> None:
        scene.expire()
        message = "the body's own"
        raise RuntimeError(message)

    with pytest.raises(LockLost):
        await a.inside(late)
    with pytest.raises(RuntimeError, match="the body's own") as raised:
        await a.inside(failing)
    assert "was lost" in raised.value.__notes__[0]


async def test_s26_a_clean_up_takes_nothing_from_the_next_holder(scene: Scene) -> None:
    """Whatever ends a lock whose time was over, an error too, leaves the next holder's key; a plain DEL would not."""
    a, b = await scene.party(), await scene.party()
    held_by_b = list[Grip]()

    async def body(_: Any) -> None:
        scene.expire()
        held_by_b.append(await b.take())
        message = "the body's own"
        raise RuntimeError(message)

    def blocking(held: Any) -> None:
        asyncio.run_coroutine_threadsafe(body(held), loop).result(20)

    loop = asyncio.get_running_loop()
    with pytest.raises(RuntimeError, match="the body's own"):
        await a.inside(blocking if a.is_blocking else body)
    await held_by_b[0].ensure()
    scene.ask("DEL", scene.names().lock)  # what the naive clean-up does
    with pytest.raises(LockLost):
        await held_by_b[0].ensure()
    assert scene.ask("EXISTS", scene.names(name=NAME).lock) == 0
