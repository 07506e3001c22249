"""redis-py by hand: what every cache on it is measured against."""

import msgspec
import redis
import redis.asyncio

from . import TTL, AsyncLoad, AsyncRead, Load, Read


def blocking(url: str, load: Load) -> Read:
    """Read, decode, and store what was missing."""
    client = redis.Redis.from_url(url)

    def read(key: str) -> object:
        stored = client.get(key)
        if stored is not None:
            return msgspec.json.decode(stored)
        value = load(key)
        client.set(key, msgspec.json.encode(value), ex=TTL)
        return value

    return read


async def asynchronous(url: str, load: AsyncLoad) -> AsyncRead:
    """Read, decode, and store what was missing."""
    client = redis.asyncio.Redis.from_url(url)

    async def read(key: str) -> object:
        stored = await client.get(key)
        if stored is not None:
            return msgspec.json.decode(stored)
        value = await load(key)
        await client.set(key, msgspec.json.encode(value), ex=TTL)
        return value

    return read
