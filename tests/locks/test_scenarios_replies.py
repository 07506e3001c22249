"""Replies that are lost, late or wrong, and servers that cannot say: nothing is guessed (S4-S6, S19, S23)."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dousell_cache import AsyncCache, Cache
from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.errors import CacheUnavailable, LockBusy, LockLost, LockUnavailable
from dousell_cache.lock_store import LockStore
from dousell_cache.runner import run_blocking
from dousell_cache.terms import Terms
from dousell_cache.testing.faults import FaultProxy, HttpFaultProxy
from dousell_cache.transport.connect import Place
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere

from ..faces import FACES, Face
from .parties import NAME, Party, Scene, Ways

LOST = ["lose-reply-and-close", "lose-reply-and-stall", "reset-mid-reply"]
PATIENCE = {"patience": 0.4, "lock_patience": 1.2, "breaker": False}  # two asks may be silent


@pytest.fixture
async def faulty(scene: Scene) -> AsyncIterator[tuple[Party, FaultProxy]]:
    """A party behind a proxy, connected and known to the server's scripts."""
    with scene.ways.proxy() as proxy:
        party = await scene.party(scene.ways.through(proxy), **PATIENCE)
        await (await party.take(name="warm")).release()
        party.events.clear()
        yield party, proxy


@pytest.mark.parametrize("fault", LOST)
async def test_s04_a_grant_whose_reply_was_lost_is_a_grant(
    scene: Scene, faulty: tuple[Party, FaultProxy], fault: str
) -> None:
    """Asked again with the same token, a grant that nobody heard of is ours; its time counts from the first send."""
    a, proxy = faulty
    proxy.inject(fault, commands=1)
    grip = await a.take(5)
    (event,) = a.asked()
    assert (event.outcome, event.commands) == ("granted", 2)
    assert grip.fence == int(scene.ask("GET", scene.names().fence)), "the fence is the last one that was minted"
    assert grip.remaining() <= 5 * 0.99 - 0.002 - event.seconds + 0.01
    await grip.ensure()
    await grip.release()
    assert scene.left() == set()


@pytest.mark.parametrize("fault", LOST)
async def test_s04_a_refusal_whose_reply_was_lost_is_a_refusal(
    scene: Scene, faulty: tuple[Party, FaultProxy], fault: str
) -> None:
    """Asked again, another's lock is another's: busy, and not unavailable."""
    a, proxy = faulty
    grip = await (await scene.party()).take()
    proxy.inject(fault, commands=1)
    with pytest.raises(LockBusy):
        await a.take()
    await grip.ensure()
    await grip.release()
    assert scene.left() == set()


@pytest.mark.parametrize("fault", LOST)
async def test_s04_what_stays_unknown_is_given_back(scene: Scene, faulty: tuple[Party, FaultProxy], fault: str) -> None:
    """If no reply ever comes back, nobody can say; what was granted meanwhile is let go of, unheard."""
    a, proxy = faulty
    proxy.inject(fault)
    with pytest.raises(LockUnavailable):
        await a.take()
    await scene.until(lambda: scene.left() == set())
    assert [event.outcome for event in a.asked()] == ["unavailable"]
    assert a.ended() == []


async def test_s04_a_command_that_is_late_takes_nothing(scene: Scene, faulty: tuple[Party, FaultProxy]) -> None:
    """A command of a token that was given up finds that out, whenever it arrives: no key is left behind."""
    a, proxy = faulty
    proxy.inject("lose-reply-and-stall")
    with pytest.raises(LockUnavailable):
        await a.take()
    gone = scene.names().gone
    await scene.until(lambda: scene.ask("KEYS", f"{gone}*"))
    (sign,) = scene.ask("KEYS", f"{gone}*")
    proxy.heal()
    token = sign.removeprefix(gone)
    late = LockStore(a.cache._context.server, scene.names(token), token, math.inf)
    for queue_ms in (0, 5000):
        asking = late.acquire(Terms(30_000), queue_ms, late=False)
        with pytest.raises(CacheUnavailable):
            run_blocking(asking) if a.is_blocking else await asking
    assert scene.left() == set()


async def test_s04_a_command_that_was_held_up_takes_nothing(scene: Scene, faulty: tuple[Party, FaultProxy]) -> None:
    """Commands that reach the server after their caller gave up leave no key behind."""
    a, proxy = faulty
    proxy.inject("delay", commands=3, seconds=0.9)
    with pytest.raises(LockUnavailable):
        await a.take()
    for _ in range(20):  # while they arrive
        assert scene.left() == set()
        await asyncio.sleep(0.03)


@pytest.mark.parametrize("fault", LOST)
async def test_s05_a_release_whose_reply_was_lost_is_a_release(
    scene: Scene, faulty: tuple[Party, FaultProxy], fault: str
) -> None:
    """Asked again, a lock that was let go of is let go of: no error, and the next may have it at once."""
    a, proxy = faulty
    grip = await a.take()
    proxy.inject(fault, commands=1)
    await grip.release()
    assert [(event.outcome, event.commands) for event in a.ended()] == [("released", 2)]
    assert scene.left() == set()
    await grip.release()


async def test_s05_another_may_have_it_meanwhile(scene: Scene, faulty: tuple[Party, FaultProxy]) -> None:
    """If another took it between a release and the asking again, it was released, not lost; the other keeps it."""
    a, proxy = faulty
    b, grip = await scene.party(), await a.take()
    proxy.inject("lose-reply-and-stall", commands=1)
    releasing = asyncio.ensure_future(grip.release())
    other = await b.take(wait=20)
    await releasing
    assert not grip.lost
    assert [event.outcome for event in a.ended()] == ["released"]
    await other.ensure()
    await other.release()


@pytest.mark.parametrize("fault", ["refuse", "silence"])
async def test_s05_a_release_that_nobody_confirms_is_no_error_of_the_body(
    faulty: tuple[Party, FaultProxy], fault: str
) -> None:
    """A body that was over in time is not blamed for a server that died since: the lock ends by itself."""
    a, proxy = faulty
    await a.inside(lambda _: proxy.inject(fault), ttl=20)
    assert [event.outcome for event in a.ended()] == ["unconfirmed"]


@pytest.mark.parametrize("fault", ["refuse", "silence", "reset"])
async def test_s06_a_release_that_failed_may_be_repeated(
    scene: Scene, faulty: tuple[Party, FaultProxy], fault: str
) -> None:
    """A release that could not be confirmed keeps its token: once the server is back, it is let go of."""
    a, proxy = faulty
    grip = await a.take()
    proxy.inject(fault)
    with pytest.raises(LockUnavailable):
        await grip.release()
    assert scene.holder()
    proxy.heal()
    await grip.release()
    assert scene.left() == set()
    assert [event.outcome for event in a.ended()] == ["released"]


@pytest.mark.parametrize("word", ["extend", "ensure"])
@pytest.mark.parametrize("fault", LOST)
async def test_what_was_not_heard_is_asked_again(
    scene: Scene, faulty: tuple[Party, FaultProxy], fault: str, word: str
) -> None:
    """An extension, or the question whose the lock is, survives a lost reply."""
    a, proxy = faulty
    grip = await a.take()
    proxy.inject(fault, commands=1)
    await getattr(grip, word)()
    proxy.inject("refuse")
    with pytest.raises(LockUnavailable):
        await getattr(grip, word)()
    assert grip.remaining() > 20
    proxy.heal()
    scene.expire()
    proxy.inject(fault, commands=1)
    with pytest.raises(LockLost):
        await getattr(grip, word)()


@pytest.mark.parametrize("scene", ["asyncio"], indirect=True)
async def test_s19_a_cancelled_command_leaves_no_reply_to_the_next(
    scene: Scene, faulty: tuple[Party, FaultProxy]
) -> None:
    """After a taking that was cancelled in mid-command, each later lock gets its own grant and its own fence."""
    a, proxy = faulty
    for number in range(5):
        proxy.inject("delay", commands=1, seconds=0.03)
        before = proxy.commands
        taking = asyncio.ensure_future(a.take(name="cancelled"))
        await scene.until(lambda before=before: proxy.commands > before)  # type: ignore[misc]
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        grips = [await a.take(name=f"{number}:{one}") for one in range(3)]
        fences = [int(scene.ask("GET", scene.names(name=f"{number}:{one}").fence)) for one in range(3)]
        assert [grip.fence for grip in grips] == fences
        for grip in grips:
            await grip.ensure()
            await grip.release()
    assert scene.left() == set()


CASES = [*(("tcp", fault) for fault in FaultProxy.faults), *(("rest", fault) for fault in HttpFaultProxy.faults)]


@pytest.fixture
def case(request: pytest.FixtureRequest, valkey_url: str, cloud: Any) -> tuple[Ways, str]:
    """A way, and what is wrong with it."""
    kind, fault = request.param
    address = ("", "") if kind == "tcp" else (cloud.upstash_url, cloud.upstash_token)
    return Ways(kind, valkey_url if kind == "tcp" else cloud.valkey_url, *address), fault


def broken(ways: Ways, proxy: FaultProxy, fault: str) -> Environment:
    """Break a way, and return where it begins."""
    proxy.inject(fault, seconds=30)
    if fault != "tls-stall":
        return ways.through(proxy)
    return from_url(proxy.tls_url) if ways.kind == "tcp" else rest(proxy.tls_url, ways.token)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("case", CASES, indirect=True, ids="-".join)
async def test_s23_a_server_that_cannot_say_means_no(case: tuple[Ways, str], face: str) -> None:
    """Whatever is wrong with the way to a server, no body runs: 1,020 tries over all faults, and none goes through."""
    ways, fault = case
    scene, ran = Scene(face, ways), list[object]()
    with ways.proxy() as proxy:
        a = await scene.party(broken(ways, proxy, fault), patience=0.05, lock_patience=0.02, breaker=False)
        for number in range(17):
            name = f"{fault}:{number}"
            if number % 2:
                with pytest.raises(LockUnavailable):
                    await a.inside(ran.append, ttl=0.1, name=name, wait=number % 3)
            else:
                outcome = await a.call(a.cache.with_lock, name, lambda: ran.append(1), ttl=0.1)
                assert (outcome.success, outcome.reason) == (False, "unavailable")
        assert ran == []
        assert {event.outcome for event in a.asked()} == {"unavailable"}
        await scene.close()
        # A connection that is reset while its TLS begins is left to the garbage collector by Python's own ssl.
        await scene.until(lambda: not any("(_open)" in thread.name for thread in threading.enumerate()))


@pytest.mark.parametrize("fault", ["refuse", "silence", "garbage", "reset"])
async def test_s23_a_server_that_dies_meanwhile(faulty: tuple[Party, FaultProxy], fault: str) -> None:
    """Half-way through a body the server dies: asking says so, and the body keeps what time it has."""
    a, proxy = faulty
    grip = await a.take()
    proxy.inject(fault)
    for word in (grip.ensure, grip.extend):
        with pytest.raises(LockUnavailable):
            await word()
    assert not grip.lost
    assert grip.remaining() > 20
    proxy.heal()
    await grip.ensure()
    await grip.release()


@pytest.mark.parametrize("fault", ["refuse", "silence"])
async def test_s23_a_breaker_that_is_open_means_no_at_once(scene: Scene, fault: str) -> None:
    """While the cache is taken for dead a lock is refused without a command, and a release is tried all the same."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), patience=0.2, lock_patience=0.5)
        grip = await a.take()
        proxy.inject(fault)
        for _ in range(3):
            with pytest.raises(LockUnavailable):
                await a.take(name="other")
        sent = proxy.commands
        with pytest.raises(LockUnavailable, match="taken for dead"):
            await a.take(name="other")
        assert proxy.commands == sent
        proxy.heal()
        await grip.release()
        assert scene.holder() is None


@pytest.mark.parametrize("face", FACES)
async def test_s23_without_a_cache_there_are_no_locks(face: str) -> None:
    """In degraded mode, where reads go to their loaders, nobody gets a lock."""
    place, ran = Place(Environment("local", "none")), list[object]()
    cache = Cache(BlockingNowhere(), place) if face == "blocking" else AsyncCache(AsyncNowhere(), place)
    with ThreadPoolExecutor(1) as threads:
        party = Party(Face(cache), threads)
        with pytest.raises(LockUnavailable):
            await party.inside(ran.append)
        outcome = await party.call(cache.with_lock, NAME, lambda: ran.append(1))
    assert (outcome.success, outcome.reason, ran) == (False, "unavailable", [])
