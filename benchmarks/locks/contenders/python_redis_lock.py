"""python-redis-lock: waiters pop a signal. It knows whole seconds only, so a shorter TTL becomes one second."""

import logging
from math import ceil

import redis
from redis_lock import Lock as RedisLock

from . import Lock

logging.getLogger("redis_lock").setLevel(logging.CRITICAL)  # it logs a warning for every refusal


def blocking(url: str) -> Lock:
    """``redis_lock.Lock``."""
    client = redis.Redis.from_url(url)
    return lambda name, ttl, wait: RedisLock(client, name, expire=ceil(ttl), blocking=wait)
