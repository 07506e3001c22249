"""Callers: forked, sharing, waiting in crowds, and what they ask for by mistake (S20-S22, S24)."""

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache.errors import ConfigurationError, LockBusy, LockLost

from .conftest import told
from .parties import NAME, Grip, Party, Scene

if TYPE_CHECKING:
    from .conftest import Holding


async def test_s20_a_forked_child_has_no_lock(scene: Scene, holding: "Callable[[Scene], Holding]") -> None:
    """A child of a holder holds nothing: what it tries is refused, and its parent's lock stays as it is."""
    parent = holding(scene)
    await told(parent, "take", 20, {"renew": True})
    lost, left, *tried = await told(parent, "fork")
    assert (lost, left, tried) == (True, 0.0, ["LockLost"] * 3)
    assert await told(parent, "ensure") is True
    assert await told(parent, "release") is True
    assert scene.left() == set()


async def test_s21_tasks_and_threads_share_a_lock_but_no_token(scene: Scene) -> None:
    """One lock object in many hands: each acquisition is its own, and nobody lets go of another's."""
    a = await scene.party()
    lock: Any = a.cache.lock(NAME, 30)
    first = Grip(a, await a.call(lock.acquire))
    for _ in range(3):
        with pytest.raises(LockBusy):
            await a.call(lock.acquire)
        await first.ensure()
    scene.expire()
    second = Grip(a, await a.call(lock.acquire))
    with pytest.raises(LockLost):
        await first.release()
    await second.ensure()
    await second.release()
    assert scene.left() == set()


async def test_s21_one_lock_entered_by_many(scene: Scene) -> None:
    """Many threads or tasks enter one lock object by ``with``: one at a time is inside, and each leaves as itself."""
    a = await scene.party()
    lock: Any = a.cache.lock(NAME, 30, wait=20)
    inside, fences = list[int](), list[int]()

    def blocking(number: int) -> None:
        with lock as held:
            inside.append(number)
            assert inside == [number]
            fences.append(held.fence)
            inside.clear()

    async def suspending(number: int) -> None:
        async with lock as held:
            inside.append(number)
            await asyncio.sleep(0)
            assert inside == [number]
            fences.append(held.fence)
            inside.clear()

    await asyncio.gather(*(a.call(blocking if a.is_blocking else suspending, number) for number in range(6)))
    assert fences == sorted(set(fences))
    assert len(fences) == 6
    assert scene.left() == set()


async def test_s21_a_lock_is_not_reentrant(scene: Scene) -> None:
    """Whoever holds a lock and asks for it again finds it busy, told how long, and holds it still."""
    a = await scene.party()
    grip = await a.take(20)
    with pytest.raises(LockBusy) as busy:
        await a.take()
    assert 10 < busy.value.seconds_left <= 20
    await grip.ensure()
    await grip.release()


async def queue(scene: Scene, waiter: Party, order: list[int], number: int, **options: Any) -> "asyncio.Task[None]":
    """Let a party wait for the lock, and return when it has asked: it is in the queue then, if there is one."""

    def body(_: Any) -> None:
        order.append(number)

    before = scene.ask("LLEN", scene.names().queue)
    task = asyncio.ensure_future(waiter.inside(body, wait=20, **options))
    if waiter.face.cache._port.can_block or options.get("fair"):
        await scene.until(lambda: scene.ask("LLEN", scene.names().queue) > before)
    return task


@pytest.mark.parametrize("fair", [True, False])
async def test_s22_nobody_starves(scene: Scene, fair: bool) -> None:
    """Eight who wait are all served, those who queue in the order in which they came, for six commands each at most."""
    parties = [await scene.party() for _ in range(8)]
    grip, order = await (await scene.party()).take(), list[int]()
    waiting = [await queue(scene, party, order, number, fair=fair) for number, party in enumerate(parties)]
    await grip.release()
    await asyncio.gather(*waiting)
    queued = fair or scene.ways.kind == "tcp"
    assert (order if queued else sorted(order)) == list(range(8))
    assert scene.left() == set()
    if scene.ways.kind == "tcp":
        assert max(party.commands() for party in parties) <= 6


async def test_s22_a_waiter_that_died_costs_its_turn_and_no_more(
    scene: Scene, holding: "Callable[[Scene], Holding]"
) -> None:
    """The first in the queue was killed: its turn passes in a second, and the next, who came after it, is served."""
    a, b, dead, order = await scene.party(), await scene.party(), holding(scene), list[int]()
    grip = await a.take()
    dead.tell("take", 30, {"wait": 20, "fair": True})
    await scene.until(lambda: scene.ask("LLEN", scene.names().queue) == 1)
    waiting = await queue(scene, b, order, 1, fair=True)
    dead.kill()
    await grip.release()
    left = scene.ask("PTTL", scene.names().turn)
    await waiting
    assert order == [1]
    assert left <= 1000
    assert scene.left() == set()


async def test_s22_a_waiter_that_gave_up_is_passed_by(scene: Scene) -> None:
    """Who waits no longer, cancelled or at the end of its patience, leaves the queue: its turn is not waited for."""
    a, b, c, order = await scene.party(), await scene.party(), await scene.party(), list[int]()
    grip = await a.take()
    with pytest.raises(LockBusy):
        await b.take(wait=0.05, fair=True)
    waiting = await queue(scene, c, order, 1, fair=True)
    assert scene.ask("LLEN", scene.names().queue) == 1
    await grip.release()
    await waiting
    assert scene.left() == set()


@pytest.mark.parametrize("fair", [True, False])
async def test_s22_waiters_wake_at_a_dead_holders_end(scene: Scene, fair: bool) -> None:
    """When a holder that nobody will hear of again comes to its end, those who wait are served, in their order."""
    parties = [await scene.party() for _ in range(3)]
    order = list[int]()
    scene.ask("SET", scene.names().lock, "dead", "PX", 700)
    waiting = [await queue(scene, party, order, number, fair=fair) for number, party in enumerate(parties)]
    await asyncio.gather(*waiting)
    assert (order if fair else sorted(order)) == [0, 1, 2]
    assert scene.left() == set()


async def test_s22_a_newcomer_passes_nobody_whose_turn_it_is(scene: Scene) -> None:
    """While it is somebody's turn, who comes and does not wait finds the lock busy."""
    a = await scene.party()
    scene.ask("SET", scene.names().turn, "somebody", "PX", 500)
    with pytest.raises(LockBusy) as busy:
        await a.take()
    assert busy.value.seconds_left <= 0.5
    grip = await a.take(wait=20)
    await grip.release()


NONSENSE = [0, -1, 0.0001, 30_000, 10**9, math.nan, math.inf, -math.inf, True, "30", timedelta(0), timedelta(hours=1)]


@pytest.mark.parametrize("ttl", NONSENSE)
async def test_s24_ttls_that_make_no_sense_are_refused(scene: Scene, ttl: Any) -> None:
    """Zero, negative, milliseconds by mistake, no number: refused where they are given, and nothing is sent."""
    a = await scene.party()
    with pytest.raises(ConfigurationError, match="ttl"):
        a.cache.lock(NAME, ttl)
    with pytest.raises(ConfigurationError):
        await a.call(a.cache.with_lock, NAME, lambda: None, ttl)
    assert a.asked() == []
    grip = await a.take()
    with pytest.raises(ConfigurationError, match="ttl"):
        await grip.extend(ttl)
    assert scene.ask("PTTL", scene.names().lock) > 20_000, "what was refused changed nothing"
    await grip.release()


@pytest.mark.parametrize(
    "options",
    [
        {"wait": -1},
        {"wait": math.nan},
        {"wait": 10**6},
        {"min_ttl": 0},
        {"max_ttl": math.inf},
        {"renew": 1},
        {"fair": "no"},
    ],
)
async def test_s24_options_that_make_no_sense_are_refused(scene: Scene, options: dict[str, Any]) -> None:
    """What else makes no sense is refused there too, by name."""
    a = await scene.party()
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        a.cache.lock(NAME, 30, **options)


async def test_s24_bounds_move_by_name_alone(scene: Scene) -> None:
    """What is out of bounds is granted to whoever moves the bound by its name, for extensions as well."""
    a = await scene.party()
    grip = await a.take(3600, max_ttl=7200)
    assert 3500 < grip.remaining() < 3600
    await grip.extend(7200)
    assert grip.remaining() > 7000
    await grip.release()
    with pytest.raises(ConfigurationError, match="max_ttl=300 is the bound to move"):
        a.cache.lock(NAME, 3600)
