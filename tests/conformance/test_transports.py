"""Every transport passes the same suite, blocking and asyncio: what one cannot do, it says."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.runner import run_blocking
from dousell_cache.testing import conformance
from dousell_cache.testing.conformance import Check
from dousell_cache.transport.connect import async_transport, blocking_transport

PATIENCE = 20.0  # a deadline for a laden machine: none of these checks waits for it

SERVERS: dict[str, tuple[str, Callable[[Any], Environment]]] = {
    "valkey": ("valkey_url", from_url),
    "unix socket": ("valkey_socket", lambda path: from_url(f"unix://{path}")),
    "redis 7": ("redis7", lambda server: from_url(server.url)),
    "redis 7 over TLS": ("redis7", lambda server: from_url(server.tls_url)),
    "cluster": ("three_nodes", lambda servers: from_url(servers.url)),
    "sentinel": ("watched", lambda servers: from_url(servers.url)),
    "rest": ("cloud", lambda cloud: rest(cloud.upstash_url, cloud.upstash_token)),
}
FACES: dict[str, Callable[[Environment, float], Any]] = {"blocking": blocking_transport, "asyncio": async_transport}
LOST = {  # what the checks say a transport must do, and these say they cannot
    "rest": {
        "any_bytes",
        "a_release_wakes_who_is_next",
        "a_blocked_command_wakes",
        "a_blocked_command_times_out",
        "a_blocked_command_may_be_refused",
    },
}


async def settled(answer: Any) -> Any:
    """Return an answer, awaited where it has to be."""
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return str(request.param)


@pytest.fixture(params=FACES)
async def transport(request: pytest.FixtureRequest, server: str) -> AsyncIterator[Any]:
    """An open transport of one face to one server."""
    fixture, environment = SERVERS[server]
    opened = FACES[request.param](environment(request.getfixturevalue(fixture)), PATIENCE)
    yield opened
    await settled(opened.close())


@pytest.mark.parametrize("check", conformance.checks(), ids=lambda check: check.name)
async def test_conformance(check: Check, transport: Any, server: str) -> None:
    """What the suite asks of a transport it does, unless it says that it cannot."""
    assert check.concerns(transport) is (check.name not in LOST.get(server, set()))
    if check.concerns(transport):
        await settled(run_blocking(check.run(transport)) if transport.blocking else check.run(transport))


@pytest.mark.parametrize("server", ["valkey", "rest"], indirect=True)
async def test_a_whole_run(transport: Any, server: str) -> None:
    """A run names every check once: passed, or absent by the transport's own word."""
    running = conformance.run(transport)
    report = run_blocking(running) if transport.blocking else await running
    assert report.failed == {}
    assert set(report.absent) == LOST.get(server, set())
    assert sorted([*report.passed, *report.absent]) == sorted(check.name for check in conformance.checks())
