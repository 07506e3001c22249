"""What is particular to each face, what both share, and how they are connected."""

import asyncio
import gc
import inspect
import threading
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from dousell_cache import (
    MISSING,
    AsyncCache,
    Cache,
    ConfigurationError,
    connect,
    connect_async,
)
from dousell_cache.environments import from_url, rest
from dousell_cache.local import Cloud
from dousell_cache.transport.connect import Place
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .faces import FACES, Face, Loader, open_face
from .servers import self_signed

if TYPE_CHECKING:
    from .conftest import FreeValkey


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


@pytest.fixture(params=FACES)
async def tcp(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Face]:
    """Both faces over TCP alone."""
    opened = await open_face(request.param, valkey_url)
    yield opened
    await opened.close()


def test_an_async_loader_is_refused_by_the_blocking_face(valkey_url: str) -> None:
    """One sentence says where async loaders go; no coroutine is left behind un-awaited, and nothing is stored."""
    started = []

    async def load() -> int:
        started.append(True)
        return 1

    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as cache, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ConfigurationError, match=r"^the loader is asynchronous: use AsyncCache, from connect_async"
        ):
            cache.get_or_set("a", load, ttl=60)  # type: ignore[unused-coroutine]  # no coroutine comes back: refused
        gc.collect()
        assert cache.get("a") is MISSING
    assert started == []


async def test_the_blocking_face_works_inside_a_running_loop(valkey_url: str) -> None:
    """In a notebook a loop runs already: the blocking face starts none and needs none."""
    assert asyncio.get_running_loop()
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as cache:
        assert cache.get_or_set("a", lambda: 1, ttl=60) == 1
        assert (cache.get("a"), cache.set("b", 2, ttl=60), cache.invalidate("a", "b")) == (1, True, 2)
        assert cache.ping() > 0


def test_one_cache_serves_many_threads(valkey_url: str) -> None:
    """Threads share one Cache: each gets its own values, and more threads than connections wait their turn."""
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as cache:

        def work(number: int) -> list[object]:
            return [cache.get_or_set(f"k:{number}", lambda: number, ttl=60) for _ in range(3)]

        ready = threading.Barrier(8)
        with ThreadPoolExecutor(8, initializer=ready.wait) as threads:
            answers = list(threads.map(work, range(64)))
        counters = cache.counters()
    assert answers == [[number] * 3 for number in range(64)]
    assert (counters.misses, counters.hits, counters.bypasses) == (64, 128, 0)


@pytest.mark.parametrize("way", ["tcp", "rest"])
async def test_a_burst_of_tasks_waits_its_turn(way: str, valkey_url: str, cloud: Cloud) -> None:
    """More reads at once than the client has connections: each waits for one, none is sent to the origin for it."""
    target = valkey_url if way == "tcp" else rest(cloud.upstash_url, cloud.upstash_token)
    opened = await open_face("asyncio", target, patience=20)
    await opened.set("a", "x", ttl=60)
    answers = await asyncio.gather(*(opened.get_or_set("a", Loader("y"), ttl=60) for _ in range(150)))
    assert set(answers) == {"x"}
    assert (opened.counters().hits, opened.counters().bypasses) == (150, 0)
    await opened.close()


async def test_the_asyncio_face_takes_both_kinds_of_loaders(tcp: Face) -> None:
    """What a loader returns is awaited if it can be: coroutines, futures and plain values alike."""
    if isinstance(tcp.cache, Cache):
        return

    async def coroutine() -> str:
        await asyncio.sleep(0)
        return "a"

    future = asyncio.get_running_loop().create_future()
    future.set_result("b")
    assert await tcp.cache.get_or_set("a", coroutine, ttl=60) == "a"
    assert await tcp.cache.get_or_set("b", lambda: future, ttl=60) == "b"
    assert await tcp.cache.get_or_set("c", lambda: "c", ttl=60) == "c"
    assert [await tcp.get(key) for key in "abc"] == ["a", "b", "c"]


async def test_the_loop_goes_on_while_the_asyncio_face_waits(free_valkey: "FreeValkey") -> None:
    """A server that does not answer stalls the task that asked, and no other."""
    opened = await open_face("asyncio", free_valkey.url)
    await opened.ping()
    free_valkey.pause()
    reading = asyncio.ensure_future(opened.get("a"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not reading.done()
    free_valkey.resume()
    assert await reading is MISSING
    assert opened.counters().misses == 1
    await opened.close()


async def test_each_face_refuses_the_other_ones_transport(valkey_url: str) -> None:
    """A blocking transport would stall the loop and an asyncio one never finish: both are refused at once."""
    place = Place(from_url(valkey_url))
    blocking, asynchronous = BlockingTcp(valkey_url, patience=1), AsyncTcp(valkey_url, patience=1)
    with pytest.raises(ConfigurationError, match=r"^AsyncCache needs an asyncio transport"):
        AsyncCache(blocking, place)  # type: ignore[arg-type]  # refused by type, and at run time
    with pytest.raises(ConfigurationError, match=r"^Cache needs a blocking transport"):
        Cache(asynchronous, place)  # type: ignore[arg-type]  # refused by type, and at run time
    blocking.close()
    await asynchronous.close()


def public_names(face: type) -> set[str]:
    """Return the names that users may call."""
    return {name for name in vars(face) | vars(face.__mro__[1]) if not name.startswith("_")}


def test_both_faces_have_the_same_names() -> None:
    """What one face offers, the other offers, with the same parameters."""
    assert public_names(Cache) == public_names(AsyncCache)
    for name in public_names(Cache):
        one, other = getattr(Cache, name), getattr(AsyncCache, name)
        if callable(one):
            assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters), name


async def test_connect_asks_the_environment_variables(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument both faces go where the variables say."""
    for variable in ("VERCEL", "VALKEY_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("REDIS_URL", valkey_url)
    with connect(patience=5) as cache:
        assert (cache.environment.source, cache.namespace, cache.ping() > 0) == ("REDIS_URL", "", True)
    async with await connect_async(patience=5) as other:
        assert other.environment == cache.environment
        assert await other.ping() > 0


@pytest.mark.parametrize("target", ["localhost:6379", "redis://h:port", "https://h", ""])
async def test_connect_refuses_a_wrong_target(target: str) -> None:
    """A target that is no cache URL is one sentence, from both faces."""
    with pytest.raises(ConfigurationError):
        connect(target)
    with pytest.raises(ConfigurationError):
        await connect_async(target)


def test_nothing_is_sent_before_the_first_call() -> None:
    """Connecting to a URL cannot fail for want of a server: a site starts with its cache down."""
    with connect("redis://127.0.0.1:1") as cache:
        assert cache.get_or_set("a", lambda: 1, ttl=60) == 1


def test_a_cache_says_where_it_is(valkey_url: str) -> None:
    """The repr names the face, the environment and the namespace."""
    with connect(valkey_url, namespace="dousell:") as cache:
        assert repr(cache) == f"Cache({cache.environment!r}, namespace='dousell:')"
