"""The public names as a type checker sees them: run by mypy with everything else, never executed.

``# type: ignore[…]`` on a line means that the line must be refused: mypy complains about one that is not needed.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from dousell_cache import AsyncCache, Cache, Environment, connect, connect_async, detect
from dousell_cache.events import BreakerMoved, Counters, Event
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
    cache.get_or_set("a", load, tll=60)  # type: ignore[call-arg]  # no such option
    cache.get_or_set(7, load, ttl=60)  # type: ignore[arg-type]  # a key is text
    cache.get_or_set("a", load(), ttl=60)  # type: ignore[arg-type]  # a value where a loader belongs
    cache.set("a", 1, ttl="60")  # type: ignore[arg-type]  # seconds are a number
    cache.invalidate(["a", "b"])  # type: ignore[arg-type]  # keys are given one by one
    connect(7)  # type: ignore[arg-type]  # no target
    environment.url = "redis://h"  # type: ignore[misc]  # frozen
    cache.subscribe(lambda: None)  # type: ignore[misc,arg-type]  # an observer takes an event


def decorated(cache: Cache) -> None:
    """A decorated function takes what it took, in every verb, and returns what it returned; a method loses ``self``."""

    @cache.cached("detail:{property_id}", ttl=60, tags=["city:{city}"])
    def get_property(property_id: int, city: str = "Dakar") -> Property:
        return Property(property_id + len(city))

    class Site:
        @cache.cached("detail:{property_id}", ttl=60)
        def get_property(self, property_id: int) -> Property:
            return Property(property_id)

    assert_type(get_property(7, city="Dakar"), Property)
    assert_type(get_property.refresh(7), Property)
    assert_type(get_property.invalidate(property_id=7), int)
    assert_type(get_property.key(7), str)
    assert_type(get_property.tags(7), tuple[str, ...])
    assert_type(Site().get_property(7), Property)
    assert_type(Site().get_property(property_id=7), Property)
    assert_type(Site().get_property.key(7), str)
    get_property("7")  # type: ignore[arg-type]
    get_property.key()  # type: ignore[call-arg]
    get_property.invalidate(7, town="Dakar")  # type: ignore[call-arg]
    Site().get_property.refresh("7")  # type: ignore[arg-type]
    cache.cached("detail", tll=60)  # type: ignore[call-arg]  # no such option
    cache.cached("detail", ttl=60)(7)  # type: ignore[arg-type]  # no function


async def decorated_async(cache: AsyncCache) -> None:
    """On the asyncio face both kinds of functions become awaitable."""

    @cache.cached("a:{number}", ttl=60)
    async def asynchronous(number: int) -> list[Property]:
        return [Property(number)]

    @cache.cached("b:{number}", ttl=60)
    def blocking(number: int) -> Property:
        return Property(number)

    class Site:
        @cache.cached("c:{number}", ttl=60)
        async def asynchronous(self, number: int) -> Property:
            return Property(number)

    assert_type(await asynchronous(7), list[Property])
    assert_type(await blocking(7), Property)
    assert_type(await asynchronous.refresh(number=7), list[Property])
    assert_type(await asynchronous.invalidate(7), int)
    assert_type(asynchronous.key(7), str)
    assert_type(await Site().asynchronous(7), Property)
    assert_type(await Site().asynchronous.refresh(number=7), Property)
    asynchronous(7)  # type: ignore[unused-coroutine]
    await asynchronous("7")  # type: ignore[arg-type]


async def forgotten_await(cache: AsyncCache) -> None:
    """A forgotten await is seen."""
    cache.set("a", 1, ttl=60)  # type: ignore[unused-coroutine]
    rows: list[Property] = cache.get_or_set("a", load_async, ttl=60)  # type: ignore[assignment]
    rows.clear()


def observer(event: Event) -> None:
    """Be an observer."""
    if not isinstance(event, BreakerMoved):
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
