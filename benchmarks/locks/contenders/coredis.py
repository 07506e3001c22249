"""coredis: a lock that looks again every 100 ms."""

from contextlib import AsyncExitStack

import coredis
from coredis.patterns.lock import Lock

from . import AsyncLock

_open = AsyncExitStack()  # its client is a context manager; it is left with the process


async def asynchronous(url: str) -> AsyncLock:
    """``coredis.patterns.lock.Lock``."""
    client = coredis.Redis.from_url(url)
    await _open.enter_async_context(client)
    return lambda name, ttl, wait: Lock(client, name, timeout=ttl, blocking=wait)
