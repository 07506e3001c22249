"""The public names as a type checker sees them: run by mypy with everything else, never executed.

``# type: ignore[…]`` on a line means that the line must be refused: mypy complains about one that is not needed.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from dousell_cache import AsyncCache, Cache, Environment, connect, connect_async, detect
from dousell_cache.events import Counters, Event
from dousell_cache.transport.connect import Place
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere
from dousell_cache.transport.port import AsyncTransport, BlockingTransport
from dousell_cache.transport.rest import AsyncRest, BlockingRest
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp


@dataclass
class Property:
    """A row."""

    id: int


def load() -> list[Property]:
    """Be a blocking loader."""
    return [Property(1)]


async def load_async() -> list[Property]:
    """Be an asyncio loader."""
    return [Property(1)]


def nothing() -> None:
    """Be a loader whose value is None."""


def blocking_face(cache: Cache) -> None:
    """The loader's return type is the read's; the other answers have the types that their docstrings say."""
    assert_type(cache.get_or_set("a", load, ttl=60), list[Property])
    assert_type(cache.get_or_set("a", load, ttl=timedelta(hours=1), type=list[Property]), list[Property])
    assert_type(cache.get_or_set("a", lambda: 7, ttl=0.5), int)
    assert_type(cache.set("a", 1, ttl=60), bool)
    assert_type(cache.delete("a"), bool)
    assert_type(cache.invalidate("a", "b"), int)
    assert_type(cache.ping(), float)
    assert_type(cache.counters(), Counters)
    assert_type(cache.environment, Environment)
    with cache as same:
        assert_type(same, Cache)


async def asyncio_face(cache: AsyncCache) -> None:
    """Both kinds of loaders give what they load, not a coroutine of it."""
    assert_type(await cache.get_or_set("a", load_async, ttl=60), list[Property])
    assert_type(await cache.get_or_set("a", load, ttl=60), list[Property])
    assert_type(await cache.set("a", 1, ttl=60), bool)
    assert_type(await cache.delete("a"), bool)
    assert_type(await cache.invalidate("a", "b"), int)
    assert_type(await cache.ping(), float)
    assert_type(cache.counters(), Counters)
    async with cache as same:
        assert_type(same, AsyncCache)


async def connecting() -> None:
    """Each way to connect gives its face; what it connects to may be a URL, an environment or nothing."""
    assert_type(detect({}), Environment)
    assert_type(connect(), Cache)
    assert_type(connect("redis://h", namespace="n:", patience=1), Cache)
    assert_type(connect(detect({})), Cache)
    assert_type(await connect_async("embedded"), AsyncCache)


def mistakes(cache: Cache, environment: Environment) -> None:
    """What cannot work is refused before it runs."""
    cache.get_or_set("a", load)  # type: ignore[call-arg]  # no ttl
    cache.get_or_set(7, load, ttl=60)  # type: ignore[arg-type]  # a key is text
    cache.get_or_set("a", load(), ttl=60)  # type: ignore[arg-type]  # a value where a loader belongs
    cache.set("a", 1, ttl="60")  # type: ignore[arg-type]  # seconds are a number
    cache.invalidate(["a", "b"])  # type: ignore[arg-type]  # keys are given one by one
    connect(7)  # type: ignore[arg-type]  # no target
    environment.url = "redis://h"  # type: ignore[misc]  # frozen
    cache.subscribe(lambda: None)  # type: ignore[misc,arg-type]  # an observer takes an event


async def forgotten_await(cache: AsyncCache) -> None:
    """A forgotten await is seen."""
    cache.set("a", 1, ttl=60)  # type: ignore[unused-coroutine]
    rows: list[Property] = cache.get_or_set("a", load_async, ttl=60)  # type: ignore[assignment]
    rows.clear()


def observer(event: Event) -> None:
    """Be an observer."""
    assert_type(event.commands, int)
    assert_type(event.seconds, float)


def transports(place: Place) -> None:
    """A blocking transport is none for asyncio, nor the other way round."""
    blocking: list[BlockingTransport] = [
        BlockingTcp("redis://h", patience=1),
        BlockingRest("https://h", "t", patience=1),
        BlockingNowhere(),
    ]
    asynchronous: list[AsyncTransport] = [
        AsyncTcp("redis://h", patience=1),
        AsyncRest("https://h", "t", patience=1),
        AsyncNowhere(),
    ]
    Cache(blocking[0], place).subscribe(observer)
    AsyncCache(asynchronous[0], place).subscribe(observer)
    AsyncCache(blocking[0], place)  # type: ignore[arg-type]
    Cache(asynchronous[0], place)  # type: ignore[arg-type]
    AsyncCache(BlockingTcp("redis://h", patience=1), place)  # type: ignore[arg-type]
    AsyncCache(BlockingRest("https://h", "t", patience=1), place)  # type: ignore[arg-type]
    AsyncCache(BlockingNowhere(), place)  # type: ignore[arg-type]
    Cache(AsyncTcp("redis://h", patience=1), place)  # type: ignore[arg-type]
    Cache(AsyncNowhere(), place)  # type: ignore[arg-type]
