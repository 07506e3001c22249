"""aiocache on Redis, with its JSON serializer: the default one stores text."""

from typing import Any
from urllib.parse import urlsplit

from aiocache import RedisCache, cached, cached_stampede
from aiocache.serializers import JsonSerializer

from . import TTL, AsyncLoad, AsyncRead


def _options(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    place = {"endpoint": parts.hostname, "port": parts.port}
    return {
        **place,
        "ttl": TTL,
        "cache": RedisCache,
        "serializer": JsonSerializer(),
        "key_builder": lambda _function, key: key,
    }


async def decorator(url: str, load: AsyncLoad) -> AsyncRead:
    """``@cached``."""
    decorated: AsyncRead = cached(**_options(url))(_function(load))
    return decorated


async def stampede(url: str, load: AsyncLoad) -> AsyncRead:
    """``@cached_stampede``: a lock on the server."""
    decorated: AsyncRead = cached_stampede(**_options(url))(_function(load))
    return decorated


def _function(load: AsyncLoad) -> AsyncRead:
    async def read(key: str) -> Any:
        return await load(key)

    return read
