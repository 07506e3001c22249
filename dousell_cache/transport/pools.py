"""From a URL to redis-py's connections: every timeout and retry spelled out.

redis-py's own defaults differ with the constructor (ten retries from ``Redis()``, none from ``from_url()``). Nothing is
retried: a command whose reply was lost may have run. A pool of redis-py's is used for what it knows, the class of its
connections and their settings; which of them are open is :mod:`.shelf`'s.
"""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import ConfigurationError

MOST_CONNECTIONS = 50  # per process; a burst of 300 reads is over sooner through 50 than through 300


def blocking_pool(url: str, patience: float) -> Any:
    """Return a redis-py pool for a ``redis://``, ``rediss://`` or ``unix://`` URL.

    Args:
        url: the URL; its ``max_connections`` wins over ours, its timeouts do not.
        patience: seconds that each step of connecting may take.

    Raises:
        ConfigurationError: redis-py does not accept it.
    """
    return _pool(redis.ConnectionPool, url, manners(patience, Retry(NoBackoff(), 0)))


def async_pool(url: str, patience: float) -> Any:
    """Return a pool of redis-py's asyncio connections; see :func:`blocking_pool`."""
    return _pool(redis.asyncio.ConnectionPool, url, manners(patience, AsyncRetry(NoBackoff(), 0)))


def manners(patience: float, retry: Any) -> dict[str, Any]:
    """Return the settings that every connection has, however it is made.

    Args:
        patience: seconds that each step of connecting may take.
        retry: redis-py's object that says not to.
    """
    return {
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "retry": retry,
        "protocol": 2,  # the same reply shapes as over REST
        "decode_responses": False,
        "driver_info": None,  # no CLIENT SETINFO: two round trips less at every connect
    }


def _pool(pool_class: Any, url: str, settings: dict[str, Any]) -> Any:
    try:
        pool = pool_class.from_url(url, max_connections=MOST_CONNECTIONS)
        pool.connection_kwargs.pop("timeout", None)  # how long redis-py's blocking pool would wait; ours is patience
        pool.connection_kwargs.update(settings)  # now: given to from_url, these would give way to those in the URL
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing, but refuses unknown options now
    except (RedisError, ValueError, TypeError, AttributeError):
        # The cause quotes parts of the URL, which may hold a password: it is left out on purpose.
        message = "redis-py does not accept the cache URL: check its port, database and options"
        raise ConfigurationError(message) from None
    return pool
