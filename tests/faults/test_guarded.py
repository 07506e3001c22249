"""Every fault on every way to a server, behind the breaker: a dead cache is left alone, and no reply goes astray."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dousell_cache import CacheUnavailable
from dousell_cache.errors import CacheError
from dousell_cache.events import BreakerMoved
from dousell_cache.local import Cloud
from dousell_cache.testing.faults import FaultProxy, HttpFaultProxy
from dousell_cache.transport.patience import Breaker, Guarded
from dousell_cache.transport.rest import AsyncRest, BlockingRest
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .test_breaker import Ticked

if TYPE_CHECKING:
    from ..conftest import WaitUntil

PATIENCE = 0.25
WAYS: dict[str, Any] = {"tcp": (BlockingTcp, AsyncTcp), "rest": (BlockingRest, AsyncRest)}
CASES = [
    *(("tcp", fault) for fault in FaultProxy.faults),
    *(("rest", fault) for fault in HttpFaultProxy.faults),
]
SLOW = 10.0  # seconds: longer than any patience here


class Way:
    """A guarded transport of one face, through a proxy that misbehaves, on a clock that stands still."""

    def __init__(self, kind: str, asynchronous: bool, proxy: FaultProxy, token: str) -> None:
        self.proxy, self.clock, self.moves = proxy, Ticked(), list[BreakerMoved]()
        self._class, self._token = WAYS[kind][asynchronous], [token] if kind == "rest" else []
        self.opened = list[Guarded]()
        self.breaker = Breaker(chance=lambda: 0.5)

    def open(self, url: str) -> Guarded:
        """Open a guarded transport."""
        transport = self._class(url, *self._token, patience=PATIENCE)
        self.opened.append(Guarded(transport, self.breaker, self.clock, self.moves.append))
        return self.opened[-1]

    async def close(self) -> None:
        """Close what was opened."""
        for guarded in self.opened:
            closing = guarded.close()
            if inspect.isawaitable(closing):
                await closing


@pytest.fixture(params=[False, True], ids=["blocking", "asyncio"])
async def way(request: pytest.FixtureRequest, cloud: Cloud, kind: str) -> AsyncIterator[Way]:
    """Each face of the way that the test names."""
    for proxy in proxies(kind, cloud):
        opened = Way(kind, request.param, proxy, cloud.upstash_token)
        yield opened
        await opened.close()


def proxies(kind: str, cloud: Cloud) -> Iterator[FaultProxy]:
    """Open the proxy in front of a way's server."""
    with FaultProxy(cloud.valkey_url) if kind == "tcp" else HttpFaultProxy(cloud.upstash_url) as proxy:
        yield proxy


async def outcome(guarded: Guarded, *command: str) -> object:
    """Send a command; return its reply or its error."""
    try:
        return await guarded.send(*command)
    except CacheError as error:
        return error


@pytest.mark.parametrize(("kind", "fault"), CASES)
async def test_a_dead_cache_is_left_alone(way: Way, fault: str) -> None:
    """Three calls at most pay; then one a window reaches the server, until it answers again: then all do."""
    guarded = way.open(way.proxy.tls_url if fault == "tls-stall" else way.proxy.url)
    way.proxy.inject(fault, seconds=SLOW)
    for _ in range(3):
        assert isinstance(await outcome(guarded, "ECHO", "paid"), CacheUnavailable)
    assert way.moves[-1].state == "open"
    seen = way.proxy.commands, way.proxy.connections
    for _ in range(20):
        refused = await outcome(guarded, "ECHO", "refused")
        assert str(refused).startswith("the cache is taken for dead since ")
    assert (way.proxy.commands, way.proxy.connections) == seen
    way.clock.seconds += 1.01
    tries = [await outcome(guarded, "ECHO", "tried") for _ in range(5)]
    assert [str(error).startswith("the cache is taken for dead") for error in tries] == [False, *[True] * 4]
    way.proxy.heal()
    way.clock.seconds += 1.01
    if fault != "tls-stall":  # its URL speaks TLS to a server that does not
        assert await outcome(guarded, "ECHO", "back") == b"back"
        assert way.breaker.state == "closed"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(kind, fault) for kind, fault in CASES if fault in ("delay", "drip", "silence") or fault.startswith("lose")],
)
async def test_no_reply_goes_astray(way: Way, fault: str) -> None:
    """Whatever became of a command, the next ones get their own replies, the late one notwithstanding."""
    guarded = way.open(way.proxy.url)
    assert await outcome(guarded, "ECHO", "first") == b"first"
    way.proxy.inject(fault, commands=1, seconds=PATIENCE * 1.2)
    assert isinstance(await outcome(guarded, "ECHO", "lost"), CacheUnavailable)
    for number in range(20):
        assert await outcome(guarded, "ECHO", f"text {number}") == f"text {number}".encode()
        await asyncio.sleep(PATIENCE / 20)  # while the late reply arrives


@pytest.mark.parametrize("kind", ["tcp", "rest"])
async def test_a_lost_reply_may_have_run(way: Way) -> None:
    """A command whose reply was lost is unavailable to its caller, ran once on the server, and is not sent again."""
    key = uuid4().hex
    guarded = way.open(way.proxy.url)
    way.proxy.inject("lose-reply-and-close", commands=1)
    assert isinstance(await outcome(guarded, "INCR", key), CacheUnavailable)
    assert await outcome(guarded, "INCR", key) == 2
    assert way.proxy.commands == 2
    await outcome(guarded, "DEL", key)


@pytest.mark.parametrize("kind", ["tcp", "rest"])
async def test_a_cancelled_command_leaves_no_reply(cloud: Cloud, kind: str, wait_until: "WaitUntil") -> None:
    """A task cancelled while it waits does not leave its reply to the next; it counts neither for nor against."""
    for proxy in proxies(kind, cloud):
        way = Way(kind, True, proxy, cloud.upstash_token)
        guarded = way.open(proxy.url)
        assert await outcome(guarded, "ECHO", "first") == b"first"
        proxy.inject("delay", commands=1, seconds=PATIENCE / 2)
        before = proxy.commands
        waiting = asyncio.ensure_future(outcome(guarded, "ECHO", "cancelled"))
        await asyncio.to_thread(wait_until, lambda: proxy.commands > before)  # noqa: B023 - there is one proxy
        waiting.cancel()
        await asyncio.wait([waiting])
        for number in range(20):
            assert await outcome(guarded, "ECHO", f"text {number}") == f"text {number}".encode()
            await asyncio.sleep(PATIENCE / 20)
        assert way.breaker.calm
        await way.close()
