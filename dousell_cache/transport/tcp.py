"""Redis or Valkey over TCP or a Unix socket, by redis-py.

Both faces are built here alone, from a URL, with every timeout and retry spelled out: redis-py's own defaults differ
with the constructor (ten retries from ``Redis()``, none from ``from_url()``). Nothing is retried: a command whose reply
was lost may have run.
"""

import asyncio
from typing import Any, Literal, cast

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from ..errors import CacheError, CacheUnavailable, ConfigurationError, refusal
from .port import Argument, Reply
from .redaction import Redaction

_MOST_CONNECTIONS = 50  # per process; a burst of 300 reads is over sooner through 50 than through 300


class BlockingTcp:
    """Send commands over pooled TCP connections, blocking the calling thread; safe to share between threads.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        patience: seconds that waiting for a free connection, connecting, or waiting for one reply may take.
    """

    blocking: Literal[True] = True

    def __init__(self, url: str, *, patience: float) -> None:
        pool = _pool(redis.BlockingConnectionPool, url, patience, Retry(NoBackoff(), 0))
        self._client: Any = _bare(redis.Redis.from_pool(pool))
        self._redaction = Redaction(pool.connection_kwargs.get("password"))

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        try:
            return cast("Reply", self._client.execute_command(*command))
        except (RedisError, OSError, RuntimeError) as error:
            raise _translated(error, self._redaction) from self._redaction.cause(error)

    def close(self) -> None:
        """Close every pooled connection."""
        self._client.close()


class AsyncTcp:
    """Send commands over pooled TCP connections, suspending the calling task.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        patience: seconds that waiting for a free connection, connecting, or waiting for one reply may take.
    """

    blocking: Literal[False] = False

    def __init__(self, url: str, *, patience: float) -> None:
        pool = _pool(redis.asyncio.BlockingConnectionPool, url, patience, AsyncRetry(NoBackoff(), 0))
        self._client: Any = _bare(redis.asyncio.Redis.from_pool(pool))
        self._redaction = Redaction(pool.connection_kwargs.get("password"))

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        before = _cancellations()
        try:
            return cast("Reply", await self._client.execute_command(*command))
        except (RedisError, OSError, RuntimeError) as error:
            raise _translated(error, self._redaction) from self._redaction.cause(error)
        finally:
            # redis-py sends through asyncio.wait_for, which before Python 3.12 may swallow a cancellation.
            if _cancellations() > before:
                raise asyncio.CancelledError

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._client.aclose()


def _pool(pool_class: Any, url: str, patience: float, retry: Any) -> Any:
    options = {
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "retry": retry,
        "protocol": 2,  # the same reply shapes as over REST
        "decode_responses": False,
        "driver_info": None,  # no CLIENT SETINFO: two round trips less at every connect
    }
    try:
        # A burst waits for a connection to come free: redis-py's plain pool would refuse the 101st caller at once.
        pool = pool_class.from_url(url, max_connections=_MOST_CONNECTIONS)
        pool.timeout = patience  # set now: given to from_url, this and the options would give way to those in the URL
        pool.connection_kwargs.update(options)
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing, but refuses unknown options now
    except (RedisError, ValueError, TypeError, AttributeError):
        # The cause quotes parts of the URL, which may hold a password: it is left out on purpose.
        message = "redis-py does not accept the cache URL: check its port, database and options"
        raise ConfigurationError(message) from None
    return pool


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _bare(client: Any) -> Any:
    client.response_callbacks.clear()  # replies as they came: no bool for SET, no dict for INFO
    return client


def _translated(error: RedisError | OSError | RuntimeError, redaction: Redaction) -> CacheError:
    code = getattr(error, "status_code", None)
    told = f"{code} {error}" if code else str(error)  # redis-py strips the code off the text
    shown = redaction.text(told)
    if isinstance(error, RuntimeError):
        return CacheUnavailable(f"the client cannot send: {shown}")  # its event loop is closed, for instance
    if isinstance(error, ResponseError):
        return refusal(told, shown)
    return CacheUnavailable(f"the server cannot serve: {shown}" if code else f"no answer from the server: {shown}")
