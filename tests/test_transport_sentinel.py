"""Sentinels: the master is found, and found again after a failover."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import CacheError, CacheUnavailable, ConfigurationError
from dousell_cache.environments import from_url
from dousell_cache.transport.connect import async_transport, blocking_transport
from dousell_cache.transport.sentinel import AsyncSentinel, BlockingSentinel

from .servers import listening, silence
from .transports import opening

if TYPE_CHECKING:
    from .servers_redis import Watched

Transport = BlockingSentinel | AsyncSentinel
Open = Callable[..., Transport]

pytestmark = pytest.mark.timeout(60)
SECONDS = 20.0


@pytest.fixture(params=[BlockingSentinel, AsyncSentinel], ids=["blocking", "asyncio"])
async def open_sentinel(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Build transports of one face, closed at the end."""
    async with opening(lambda url, patience=5: request.param(url, patience=patience)) as open_:
        yield open_


async def answered(transport: Transport, *command: Any) -> Any:
    """Send a command again and again until it is answered."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await transport.send(*command)
            except CacheUnavailable:
                await asyncio.sleep(0.02)


async def test_a_killed_master_is_replaced(open_sentinel: Open, free_watched: "Watched") -> None:
    """The master is killed, the Sentinel promotes the replica, and the transport goes on with it by itself."""
    transport = open_sentinel(free_watched.url)
    assert await transport.send("SET", "a", "x") == b"OK"
    assert await transport.send("WAIT", 1, 5000) == 1
    free_watched.master.kill()
    with pytest.raises(CacheUnavailable):
        await transport.send("GET", "a")
    assert await answered(transport, "SET", "b", "y") == b"OK"
    assert free_watched.named_master() == free_watched.replica.port
    assert await transport.send("MGET", "a", "b") == [b"x", b"y"]
    assert free_watched.replica.ask("GET", "b") == "y"


async def test_a_demoted_master_is_left(open_sentinel: Open, free_watched: "Watched") -> None:
    """Once a failover by hand is over, nothing is read from or written to the old master, which lives on."""
    transport = open_sentinel(free_watched.url)
    assert await transport.send("SET", "a", "x") == b"OK"
    free_watched.fail_over()
    assert await answered(transport, "SET", "b", "y") == b"OK"
    assert free_watched.replica.ask("GET", "b") == "y"
    role = await transport.send("ROLE")
    assert isinstance(role, list)
    assert role[0] == b"master"


async def test_a_dead_sentinel_is_passed_over(open_sentinel: Open, watched: "Watched") -> None:
    """Of the Sentinels in the URL the first one that listens says where the master is."""
    url = watched.url.replace("redis+sentinel://", "redis+sentinel://127.0.0.1:1,")
    assert await open_sentinel(url).send("PING") == b"PONG"


async def test_silent_sentinels_cost_one_patience(open_sentinel: Open) -> None:
    """However many Sentinels are silent, a command is given up after one patience: before the second was asked."""
    with listening(silence) as first, listening(silence) as second:
        url = f"redis+sentinel://{first.address},{second.address}/service"
        with pytest.raises(CacheUnavailable, match=r"^no answer from the server"):
            await open_sentinel(url, 0.2).send("GET", "a")
        assert len(first.received) == 1
        assert b"SENTINEL" in first.received[0]


async def test_an_unknown_service(open_sentinel: Open, watched: "Watched") -> None:
    """A service that the Sentinels do not know is unavailable, and said by name."""
    url = watched.url.replace("/dousell", "/other")
    with pytest.raises(CacheUnavailable, match=r"^no answer from the server: No master found for 'other'"):
        await open_sentinel(url).send("PING")


async def test_the_database_follows_the_service(open_sentinel: Open, watched: "Watched") -> None:
    """The number after the service chooses the database."""
    first, second = open_sentinel(watched.url), open_sentinel(f"{watched.url}/1")
    await first.send("SET", "database", "0", "PX", 60_000)
    assert (await first.send("EXISTS", "database"), await second.send("EXISTS", "database")) == (1, 0)


async def test_the_password_is_the_masters(open_sentinel: Open, free_watched: "Watched") -> None:
    """The URL's password is for the master; a Sentinel's own is an option; neither is ever told."""
    free_watched.master.ask("CONFIG", "SET", "requirepass", "canary")
    url = free_watched.url.replace("redis+sentinel://", "redis+sentinel://:canary@")
    assert await open_sentinel(url).send("PING") == b"PONG"
    assert "canary" not in from_url(url).address
    with pytest.raises(CacheUnavailable) as refused:
        await open_sentinel(f"{url}?sentinel_password=canary2").send("PING")
    assert "canary" not in str(refused.value)
    assert "canary" not in f"{refused.value.__cause__}"


@pytest.mark.parametrize(
    "option", ["no_such_option=canary", "sentinel_no_such_option=canary", "health_check_interval=x"]
)
def test_options_that_make_no_sense_are_refused_at_once(option: str) -> None:
    """An option that redis-py does not know, for the master or a Sentinel, is one sentence before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"^redis-py does not accept the cache URL: ") as refused:
        BlockingSentinel(f"redis+sentinel://h/service?{option}", patience=1)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://h:1", "redis+cluster://h:1"])
def test_another_url_is_refused(url: str) -> None:
    """Only a URL with Sentinels and a service will do."""
    with pytest.raises(ConfigurationError, match=r"must look like redis\+sentinel://host:26379/service"):
        BlockingSentinel(url, patience=1)


async def test_the_scheme_chooses_the_transport() -> None:
    """A Sentinel URL leads to the Sentinels' transports, whose default port is theirs."""
    environment = from_url("rediss+sentinel://h/service")
    one, other = blocking_transport(environment), async_transport(environment)
    assert (type(one), type(other)) == (BlockingSentinel, AsyncSentinel)
    asked: Any = one
    assert asked._sentinels.sentinels[0].connection_pool.connection_kwargs["port"] == 26379
    one.close()
    await other.close()


async def test_a_sentinels_own_password_is_not_quoted(open_sentinel: Open) -> None:
    """A Sentinel that quotes what it was logged in with, an old one say, gives no secret away."""
    refusal = b"-ERR unknown command 'AUTH', with args beginning with: 'watch' 'canary-watch' 'canary-app'\r\n"
    with listening(lambda _: refusal) as server:
        options = "sentinel_username=watch&sentinel_password=canary-watch"
        transport = open_sentinel(f"redis+sentinel://app:canary-app@{server.address}/service?{options}", 1)
        with pytest.raises(CacheError, match="unknown command 'AUTH'") as refused:
            await transport.send("GET", "a")
    assert "canary" not in "".join(traceback.format_exception(refused.value))
