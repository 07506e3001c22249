"""This package, by its public names and defaults alone."""

import logging
from typing import Any
from urllib.parse import urlsplit

from dousell_cache import Environment, connect, connect_async
from dousell_cache.environments import rest

from . import LONGEST_WAIT, AsyncLock, Lock

logging.getLogger("dousell_cache").setLevel(logging.ERROR)  # it warns of every server that dies


def blocking(url: str, target: Environment | None = None, **options: Any) -> Lock:
    """``Cache.lock``."""
    cache = connect(target or url)
    return lambda name, ttl, wait: cache.lock(name, ttl, wait=LONGEST_WAIT if wait else 0, **options)


def fair(url: str) -> Lock:
    """``Cache.lock``, in order of arrival."""
    return blocking(url, fair=True)


def renewed(url: str) -> Lock:
    """``Cache.lock``, renewed while it is held."""
    return blocking(url, renew=True)


def over_rest(url: str) -> Lock:
    """``Cache.lock`` over Upstash's protocol."""
    return blocking(url, _endpoint(url))


async def asynchronous(url: str, target: Environment | None = None, **options: Any) -> AsyncLock:
    """``AsyncCache.lock``."""
    cache = await connect_async(target or url)
    return lambda name, ttl, wait: cache.lock(name, ttl, wait=LONGEST_WAIT if wait else 0, **options)


async def asynchronous_fair(url: str) -> AsyncLock:
    """``AsyncCache.lock``, in order of arrival."""
    return await asynchronous(url, fair=True)


async def asynchronous_over_rest(url: str) -> AsyncLock:
    """``AsyncCache.lock`` over Upstash's protocol."""
    return await asynchronous(url, _endpoint(url))


def _endpoint(url: str) -> Environment:
    """Take apart what one argument carries: ``http://:token@host:port``."""
    parts = urlsplit(url)
    return rest(f"http://{parts.hostname}:{parts.port}", parts.password or "")
