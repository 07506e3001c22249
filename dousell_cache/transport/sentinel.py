"""A master watched by Sentinels, by redis-py: every new connection asks a Sentinel where the master is.

So a failover needs nothing from :mod:`.tcp`, which keeps the connections: those to the old master break, since it died
or since a Sentinel made it hang up, and what is connected next reaches the new one. The Sentinel that answered is asked
first from then on; a silent one delays a connection, but never a caller beyond the patience.

The URL's user and password are the master's. Sentinels that want some of their own get ``?sentinel_username=…`` and
``&sentinel_password=…``; with ``rediss+sentinel://`` they are reached over TLS as well.
"""

from typing import Any, cast
from urllib.parse import urlsplit

import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry

from ..addresses import several
from ..errors import ConfigurationError
from .pools import MOST_CONNECTIONS, manners
from .tcp import AsyncTcp, BlockingTcp

_PORT = 26379
_OWN = "sentinel_"  # the prefix of the options that are the Sentinels' own


class BlockingSentinel(BlockingTcp):
    """Send commands to the master, blocking the calling thread; safe to share between threads.

    Args:
        url: ``redis+sentinel://[user:password@]host[:port][,host…]/service[/database]``, or ``rediss+sentinel://`` for
            TLS. Options follow a ``?``, as for a server that is alone.
        patience: seconds a command may take, from the call to the end of its reply.
    """

    def __init__(self, url: str, *, patience: float) -> None:
        pool = _pool(redis.sentinel, url, manners(patience, Retry(NoBackoff(), 0)))
        self._sentinels: Any = pool.sentinel_manager
        super().__init__(url, patience=patience, pool=pool)

    def close(self) -> None:
        """Close every connection, those to the Sentinels included."""
        super().close()
        self._sentinels.close()


class AsyncSentinel(AsyncTcp):
    """Send commands to the master, suspending the calling task.

    Args:
        url: ``redis+sentinel://…``; see :class:`BlockingSentinel`.
        patience: see :class:`BlockingSentinel`.
    """

    def __init__(self, url: str, *, patience: float) -> None:
        pool = _pool(redis.asyncio.sentinel, url, manners(patience, AsyncRetry(NoBackoff(), 0)))
        self._sentinels: Any = pool.sentinel_manager
        super().__init__(url, patience=patience, pool=pool)

    async def close(self) -> None:
        """Close every connection, those to the Sentinels included."""
        await super().close()
        await self._sentinels.aclose()


def _pool(library: Any, url: str, settings: dict[str, Any]) -> Any:
    servers = several(url)
    if not servers or not servers.service:
        message = "a Sentinel URL must look like redis+sentinel://host:26379/service"
        raise ConfigurationError(message)
    try:
        options = {"max_connections": MOST_CONNECTIONS} | cast("Any", parse_url)(servers.urls[0])  # which has no types
        own = {name.removeprefix(_OWN): options.pop(name) for name in list(options) if name.startswith(_OWN)}
        over_tls = options.pop("connection_class", None) is not None
        shared = {name: value for name, value in options.items() if name.startswith("ssl_")}
        located = [(parts.hostname, parts.port or _PORT) for parts in map(urlsplit, servers.urls)]
        sentinels = library.Sentinel(located, sentinel_kwargs={**shared, **own, **settings, "ssl": over_tls})
        pool = library.SentinelConnectionPool(servers.service, sentinels, **{**options, **settings, "ssl": over_tls})
        pool.make_connection()  # connects to nothing, but refuses unknown options now
        _ = [one.connection_pool.make_connection() for one in sentinels.sentinels]
    except (RedisError, ValueError, TypeError, AttributeError):
        # The cause quotes parts of the URL, which may hold a password: it is left out on purpose.
        message = "redis-py does not accept the cache URL: check its ports, database and options"
        raise ConfigurationError(message) from None
    return pool
