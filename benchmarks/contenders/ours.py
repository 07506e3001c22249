"""This package, by its public names and defaults alone."""

from typing import Any

from dousell_cache import MISSING, NearOptions, connect, connect_async

from . import TTL, AsyncLoad, AsyncRead, Load, Read

NEAR: dict[str, Any] = {"near": (10_000, 5.0)}
SHARED: dict[str, Any] = {"near": NearOptions(10_000, 5.0, shared=True)}


def blocking(url: str, load: Load, **options: Any) -> Read:
    """``Cache.get_or_set``."""
    cache = connect(url, **options)
    return lambda key: cache.get_or_set(key, lambda: load(key), ttl=TTL)


def near(url: str, load: Load) -> Read:
    """``Cache.get_or_set`` with a near cache."""
    return blocking(url, load, **NEAR)


def near_shared(url: str, load: Load) -> Read:
    """``Cache.get_or_set`` with a near cache that gives everybody one frozen object, as cashews gives its own."""
    return blocking(url, load, **SHARED)


def blocking_get(url: str, load: Load) -> Read:
    """``Cache.get``; ``set`` stores what was missing."""
    cache = connect(url)

    def read(key: str) -> object:
        value = cache.get(key)
        if value is MISSING:
            value = load(key)
            cache.set(key, value, ttl=TTL)
        return value

    return read


async def asynchronous(url: str, load: AsyncLoad, **options: Any) -> AsyncRead:
    """``AsyncCache.get_or_set``."""
    cache = await connect_async(url, **options)
    return lambda key: cache.get_or_set(key, lambda: load(key), ttl=TTL)


async def asynchronous_near(url: str, load: AsyncLoad) -> AsyncRead:
    """``AsyncCache.get_or_set`` with a near cache."""
    return await asynchronous(url, load, **NEAR)


async def asynchronous_near_shared(url: str, load: AsyncLoad) -> AsyncRead:
    """``AsyncCache.get_or_set`` with a near cache that gives everybody one frozen object."""
    return await asynchronous(url, load, **SHARED)


async def asynchronous_near_get(url: str, load: AsyncLoad) -> AsyncRead:
    """``AsyncCache.get`` with a near cache."""
    return await asynchronous_get(url, load, **NEAR)


async def asynchronous_get(url: str, load: AsyncLoad, **options: Any) -> AsyncRead:
    """``AsyncCache.get``; ``set`` stores what was missing."""
    cache = await connect_async(url, **options)

    async def read(key: str) -> object:
        value = await cache.get(key)
        if value is MISSING:
            value = await load(key)
            await cache.set(key, value, ttl=TTL)
        return value

    return read
