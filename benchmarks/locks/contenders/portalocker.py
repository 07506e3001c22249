"""portalocker: the lock is a live subscription, which has no TTL and ends with its holder's connection."""

import redis
from portalocker import RedisLock

from . import LONGEST_WAIT, Lock


def blocking(url: str) -> Lock:
    """``RedisLock``."""
    client = redis.Redis.from_url(url, decode_responses=True)
    return lambda name, _ttl, wait: RedisLock(
        name,
        connection=client,
        timeout=LONGEST_WAIT if wait else 0,
        fail_when_locked=not wait,
        interrupt_on_lost=False,
    )
