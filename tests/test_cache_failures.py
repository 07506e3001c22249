"""When the cache is not well: reads go on, writes and withdrawals say so, and no reply goes astray.

Without a breaker, so that every call tries; what the breaker spares is the faults' tests' business.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import (
    MISSING,
    AsyncCache,
    Cache,
    CacheUnavailable,
    connect_async,
)
from dousell_cache.entries import Entry, encode
from dousell_cache.environments import Environment
from dousell_cache.events import BreakerMoved, Read
from dousell_cache.keys import Names
from dousell_cache.transport.connect import Place
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere

from .faces import FACES, Face, Loader, open_face
from .servers import listening

if TYPE_CHECKING:
    from .conftest import FreeValkey


@pytest.fixture(params=FACES)
async def nowhere(request: pytest.FixtureRequest) -> Face:
    """Both faces in degraded mode: no cache at all."""
    place = Place(Environment("local", "none"))
    return Face(Cache(BlockingNowhere(), place) if request.param == "blocking" else AsyncCache(AsyncNowhere(), place))


@pytest.fixture(params=FACES)
async def mortal(request: pytest.FixtureRequest, free_valkey: "FreeValkey") -> AsyncIterator[Face]:
    """Both faces on a Valkey that the test may kill."""
    opened = await open_face(request.param, free_valkey.url, breaker=False)
    yield opened
    await opened.close()


@pytest.fixture(params=FACES)
async def hasty(request: pytest.FixtureRequest, free_valkey: "FreeValkey") -> AsyncIterator[Face]:
    """Both faces on a Valkey that the test may freeze, giving up soon."""
    opened = await open_face(request.param, free_valkey.url, patience=0.2, breaker=False)
    yield opened
    await opened.close()


async def awake(url: str) -> None:
    """Let a server that was frozen answer somebody with more patience first."""
    async with await connect_async(url, patience=10) as other:
        await other.ping()


@pytest.mark.parametrize("ailment", ["kill", "pause"])
async def test_a_dead_server_never_stops_a_read(hasty: Face, free_valkey: "FreeValkey", ailment: str) -> None:
    """Killed or frozen: reads go to the loader, a set is not taken, an invalidation is refused, all of it is told."""
    await hasty.set("a", "old", ttl=60)
    getattr(free_valkey, ailment)()
    events, loader = hasty.record(), Loader("new")
    assert await hasty.get_or_set("a", loader, ttl=60) == "new"
    assert await hasty.get("a") is MISSING
    assert await hasty.set("a", "x", ttl=60) is False
    for withdraw in (hasty.invalidate, hasty.delete):
        with pytest.raises(CacheUnavailable):
            await withdraw("a")
    with pytest.raises(CacheUnavailable):
        await hasty.ping()
    told = [getattr(e, "outcome", getattr(e, "stored", getattr(e, "delivered", None))) for e in events]
    assert told == ["bypass", "bypass", False, False, False]
    assert [getattr(event, "commands", None) for event in events] == [1, 1, 1, 1, 1], "nothing is sent twice"
    assert loader.calls == 1
    if ailment == "pause":
        free_valkey.resume()


async def test_a_dead_server_does_not_hide_the_loaders_exception(mortal: Face, free_valkey: "FreeValkey") -> None:
    """With the cache down, the origin's own failure is what the caller sees."""
    free_valkey.kill()
    error = ZeroDivisionError("origin")
    with pytest.raises(ZeroDivisionError) as caught:
        await mortal.get_or_set("a", Loader(error), ttl=60)
    assert caught.value is error
    assert mortal.counters().errors == 1


async def test_a_restarted_server_serves_again(mortal: Face, free_valkey: "FreeValkey") -> None:
    """Connections to the former server are replaced without an error after the first."""
    await mortal.set("a", 1, ttl=60)
    free_valkey.kill()
    assert await mortal.get("a") is MISSING
    free_valkey.restart()
    assert await mortal.get_or_set("a", Loader(2), ttl=60) == 2
    assert await mortal.get("a") == 2


async def test_a_late_reply_is_nobody_elses(hasty: Face, free_valkey: "FreeValkey") -> None:
    """A reply that came after its reader had given up is not taken for the answer to the next command."""
    for key in ("a", "b"):
        assert await hasty.set(key, key, ttl=60) is True
    free_valkey.pause()
    assert await hasty.get("a") is MISSING
    free_valkey.resume()
    await awake(free_valkey.url)
    assert await hasty.get("b") == "b"
    assert await hasty.get("a") == "a"


async def test_a_cancelled_read_leaves_no_reply_behind() -> None:
    """A task cancelled while it waits for the server does not leave its reply to the next reader."""
    asked, may_answer = threading.Event(), threading.Event()

    def answer(received: bytes) -> bytes:
        if received.endswith(b"slow\r\n"):
            asked.set()
            may_answer.wait(10)
        entry = encode(Entry(received.decode().split("\r\n")[-2], 0.0))
        return b"$%d\r\n%s\r\n" % (len(entry), entry)

    with listening(answer) as server:
        async with await connect_async(f"redis://{server.address}", patience=2) as cache:
            assert await cache.get("first") == "first"
            reading = asyncio.ensure_future(cache.get("slow"))
            assert await asyncio.to_thread(asked.wait, 10)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            may_answer.set()
            assert await cache.get("next") == "next"


async def test_degraded_mode(nowhere: Face) -> None:
    """Without any cache every read is the loader's, a set is not taken, and there is nothing to withdraw."""
    loader = Loader((1, 2))
    for _ in range(2):
        assert await nowhere.get_or_set("a", loader, ttl=60) == [1, 2]
    assert loader.calls == 2
    assert await nowhere.get("a") is MISSING
    assert await nowhere.set("a", 1, ttl=60) is False
    assert await nowhere.invalidate("a", "b") == await nowhere.invalidate("a", soft=True) == 0
    assert await nowhere.delete("a") is False
    assert await nowhere.invalidate_tags("t") is None
    assert await nowhere.invalidate_prefix("a") == 0
    assert await nowhere.get_many(["a", "b"]) == {}
    assert nowhere.counters().bypasses == nowhere.counters().reads == 5
    with pytest.raises(CacheUnavailable, match=r"degraded mode"):
        await nowhere.ping()


@pytest.mark.parametrize("face", FACES)
async def test_more_waiters_than_connections_wait_all_the_same(face: str, valkey_url: str) -> None:
    """Who finds no connection to wait on only asks a little later: nobody loads twice, and the breaker stays closed."""
    target = f"{valkey_url}?max_connections=1"
    loading = await open_face("asyncio", valkey_url)
    waiting = await open_face(face, target, patience=0.5, namespace=loading.cache.namespace)
    may_end, keys, short = threading.Event(), ["a", "b", "c"], list[CacheUnavailable]()
    block = waiting.cache._raw_port.block

    async def noted(seconds: float, *command: Any) -> Any:
        try:
            return await block(seconds, *command)
        except CacheUnavailable as error:
            short.append(error)
            raise

    async def load() -> str:
        while not may_end.is_set():
            await asyncio.sleep(0.001)
        return "loaded"

    waiting.cache._raw_port.block = noted  # type: ignore[method-assign]  # what every wait goes through
    leaders = [asyncio.ensure_future(loading.get_or_set(key, load, ttl=60)) for key in keys]
    async with asyncio.timeout(20):
        while await loading.send("EXISTS", *map(Names(loading.cache.namespace).lease, keys)) < len(keys):
            await asyncio.sleep(0.001)
    events, loader = waiting.record(), Loader("loaded twice")

    async def read(key: str) -> Any:
        if isinstance(waiting.cache, Cache):
            return await asyncio.to_thread(waiting.cache.get_or_set, key, loader, ttl=60)
        return await waiting.get_or_set(key, loader, ttl=60)

    joiners = [asyncio.ensure_future(read(key)) for key in keys]
    async with asyncio.timeout(20):
        while not short:
            await asyncio.sleep(0.001)
    may_end.set()
    assert await asyncio.gather(*leaders, *joiners) == ["loaded"] * 6
    assert (loader.calls, [event.outcome for event in events if isinstance(event, Read)]) == (0, ["coalesced"] * 3)
    assert not [event for event in events if isinstance(event, BreakerMoved)]
    for opened in (loading, waiting):
        await opened.close()
