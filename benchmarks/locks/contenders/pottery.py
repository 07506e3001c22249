"""pottery: Redlock on one server."""

import logging

import redis
import redis.asyncio
from pottery import AIORedlock, Redlock

from . import AsyncLock, Lock

logging.getLogger("pottery").setLevel(logging.CRITICAL)  # it logs every error with its traceback


def blocking(url: str) -> Lock:
    """``Redlock``."""
    masters = {redis.Redis.from_url(url)}
    return lambda name, ttl, wait: Redlock(
        key=name, masters=masters, auto_release_time=ttl, context_manager_blocking=wait
    )


async def asynchronous(url: str) -> AsyncLock:
    """``AIORedlock``."""
    masters = {redis.asyncio.Redis.from_url(url)}
    return lambda name, ttl, wait: AIORedlock(
        key=name, masters=masters, auto_release_time=ttl, context_manager_blocking=wait
    )
