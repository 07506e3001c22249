"""redis-py's own lock: what every lock over Redis is measured against."""

import redis
import redis.asyncio

from . import AsyncLock, Lock


def blocking(url: str, sleep: float = 0.1) -> Lock:
    """``client.lock``; it looks again every 100 ms."""
    client = redis.Redis.from_url(url)
    return lambda name, ttl, wait: client.lock(name, timeout=ttl, sleep=sleep, blocking=wait)


def quick(url: str) -> Lock:
    """``client.lock``, which looks again every 10 ms."""
    return blocking(url, 0.01)


async def asynchronous(url: str) -> AsyncLock:
    """``client.lock``; it looks again every 100 ms."""
    client = redis.asyncio.Redis.from_url(url)
    return lambda name, ttl, wait: client.lock(name, timeout=ttl, blocking=wait)
