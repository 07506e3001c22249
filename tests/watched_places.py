"""The four kinds of server that a monitor looks at, and a monitor and caches on each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import Cache, connect
from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.monitor.monitor import Monitor
from dousell_cache.transport.connect import Place

if TYPE_CHECKING:
    from dousell_cache.local import Cloud

    from .servers_redis import ThreeNodes, TlsServer

PLACES = ["redis7", "valkey", "cluster", "upstash"]


def environment_of(kind: str, request: pytest.FixtureRequest) -> Environment:
    """Return where a kind of server is, started on first use."""
    if kind == "redis7":
        redis: TlsServer = request.getfixturevalue("redis7")
        return from_url(redis.url)
    if kind == "valkey":
        return from_url(request.getfixturevalue("valkey_url"))
    if kind == "cluster":
        nodes: ThreeNodes = request.getfixturevalue("three_nodes")
        return from_url(nodes.url)
    cloud: Cloud = request.getfixturevalue("cloud")
    return rest(cloud.upstash_url, cloud.upstash_token, emulated="Upstash")


@contextmanager
def looking(environment: Environment, **options: Any) -> Iterator[Monitor]:
    """Have a monitor for the length of a block."""
    monitor = Monitor(Place(environment), **options)
    try:
        yield monitor
    finally:
        monitor.close()


def recorded(environment: Environment, namespace: str, **options: Any) -> Cache:
    """Return a process's cache whose figures are recorded."""
    return connect(environment, namespace=namespace, patience=5, ttl=60, figures=True, **options)
