"""Ways to keep rows in a cache, as they are met in the field: ours, and two that each lack something.

All speak to the same server with the same client; only what they do differs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..async_cache import AsyncCache
from ..context import Missing

Load = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Way:
    """How rows are read through a cache, and what a writer does after it has changed one.

    Args:
        name: in words.
        read: returns a row's version: the cache, the key, what loads it, seconds to keep it.
        withdraw: tells the cache of a change: the cache, the key.
    """

    name: str
    read: Callable[[AsyncCache, str, Load, float], Awaitable[int]]
    withdraw: Callable[[AsyncCache, str], Awaitable[object]]


async def _guarded_read(cache: AsyncCache, key: str, load: Load, ttl: float) -> int:
    return await cache.get_or_set(key, load, ttl=ttl)


async def _plain_read(cache: AsyncCache, key: str, load: Load, ttl: float) -> int:
    """Look, load, keep: whatever happened meanwhile."""
    found: int | Missing = await cache.get(key)
    if not isinstance(found, Missing):
        return found
    loaded = await load()
    await cache.set(key, loaded, ttl=ttl)
    return loaded


async def _invalidate(cache: AsyncCache, key: str) -> object:
    return await cache.invalidate(key)


async def _delete(cache: AsyncCache, key: str) -> object:
    return await cache.delete(key)


async def _nothing(cache: AsyncCache, key: str) -> object:  # noqa: ARG001 - that is the point
    return None


GUARDED = Way("leases (as shipped)", _guarded_read, _invalidate)
NAIVE = Way("delete after write, no lease", _plain_read, _delete)
TTL_ALONE = Way("time to live alone", _plain_read, _nothing)
WAYS = (GUARDED, NAIVE, TTL_ALONE)
