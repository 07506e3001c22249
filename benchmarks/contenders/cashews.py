"""cashews: pickled values, at most 10 connections."""

from functools import partial
from typing import Any

from cashews import Cache

from . import TTL, AsyncLoad, AsyncRead


async def get_or_set(url: str, load: AsyncLoad, **options: Any) -> AsyncRead:
    """``cache.get_or_set``."""
    cache = Cache()
    cache.setup(url, **options)
    await cache.init()
    return lambda key: cache.get_or_set(key, partial(load, key), expire=TTL)


NEAR: dict[str, Any] = {"client_side": True, "protocol": 2}  # under redis-py 8's RESP 3 no invalidation arrives


async def near(url: str, load: AsyncLoad) -> AsyncRead:
    """``cache.get_or_set`` with values kept in the process."""
    return await get_or_set(url, load, **NEAR)


async def near_get(url: str, load: AsyncLoad) -> AsyncRead:
    """``cache.get`` with values kept in the process; ``set`` stores what was missing."""
    cache = Cache()
    cache.setup(url, **NEAR)
    await cache.init()

    async def read(key: str) -> Any:
        value = await cache.get(key)
        if value is None:
            value = await load(key)
            await cache.set(key, value, expire=TTL)
        return value

    return read


async def decorator(url: str, load: AsyncLoad, **options: Any) -> AsyncRead:
    """``@cache``."""
    cache = Cache()
    cache.setup(url)
    await cache.init()

    async def read(key: str) -> Any:
        return await load(key)

    decorated: AsyncRead = cache(ttl=TTL, key="{key}", **options)(read)
    return decorated


async def locked(url: str, load: AsyncLoad) -> AsyncRead:
    """``@cache(lock=True)``: a lock on the server."""
    return await decorator(url, load, lock=True)
