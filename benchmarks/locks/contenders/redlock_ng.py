"""redlock-ng: entering runs the body even without a lock, so it asks ``lock.valid`` as its documentation shows."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from redlock import AsyncRedlock, Redlock

from . import AsyncLock, Lock, NotGranted


def blocking(url: str) -> Lock:
    """``Redlock.lock`` on one server."""
    manager = Redlock([url])

    @contextmanager
    def lock(name: str, ttl: float, wait: bool) -> Iterator[None]:
        with manager.lock(name, int(ttl * 1000), blocking=wait) as held:
            if not held.valid:
                raise NotGranted
            yield

    return lock


async def asynchronous(url: str) -> AsyncLock:
    """``AsyncRedlock.lock`` on one server."""
    manager = AsyncRedlock([url])

    @asynccontextmanager
    async def lock(name: str, ttl: float, wait: bool) -> AsyncIterator[None]:
        async with manager.lock(name, int(ttl * 1000), blocking=wait) as held:
            if not held.valid:
                raise NotGranted
            yield

    return lock
