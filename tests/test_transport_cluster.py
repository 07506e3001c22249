"""A Cluster: commands find their server, follow what moved, and a server that is gone costs one patience."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from dousell_cache import CacheError, CacheUnavailable, ConfigurationError
from dousell_cache.environments import from_url
from dousell_cache.errors import CommandRefused
from dousell_cache.transport.cluster import AsyncCluster, BlockingCluster
from dousell_cache.transport.connect import async_transport, blocking_transport

from .faces import FACES, Loader, open_face
from .servers import listening, silence
from .transports import opening

if TYPE_CHECKING:
    from .servers_redis import ThreeNodes

Transport = BlockingCluster | AsyncCluster
Open = Callable[..., Transport]

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=[BlockingCluster, AsyncCluster], ids=["blocking", "asyncio"])
async def open_cluster(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Build transports of one face, closed at the end."""
    async with opening(lambda url, patience=10: request.param(url, patience=patience)) as open_:
        yield open_


def seen(servers: "ThreeNodes", command: str) -> int:
    """Count how often the servers ran a command, or refused it."""
    figures = [server.ask("INFO", "commandstats").get(f"cmdstat_{command}") or {} for server in servers.servers]
    return sum(figure.get("calls", 0) + figure.get("rejected_calls", 0) for figure in figures)


async def test_each_command_goes_to_its_keys_server(open_cluster: Open, three_nodes: "ThreeNodes") -> None:
    """With the map at hand every key costs one command, whatever server holds it, scripts included."""
    transport = open_cluster(three_nodes.url)
    await transport.send("PING")
    for server in three_nodes.servers:
        server.ask("CONFIG", "RESETSTAT")
    for number in range(30):
        await transport.send("SET", f"key {number}", number, "PX", 60_000)
        assert await transport.send("EVAL", "return redis.call('GET', KEYS[1])", 1, f"key {number}") == b"%d" % number
        assert await transport.send("DEL", f"key {number}") == 1
    assert {name: seen(three_nodes, name) for name in ("set", "eval", "del", "cluster|slots")} == {
        "set": 30,
        "eval": 30,
        "del": 30,
        "cluster|slots": 0,
    }


async def test_keys_of_several_slots_do_not_go_together(open_cluster: Open, three_nodes: "ThreeNodes") -> None:
    """What touches two slots is refused by the server, in its own words: callers group by slot."""
    with pytest.raises(CommandRefused) as refused:
        await open_cluster(three_nodes.url).send("MGET", "a", "b")
    assert refused.value.code == "CROSSSLOT"


async def test_where_the_key_stands_elsewhere_the_server_says_so(open_cluster: Open, three_nodes: "ThreeNodes") -> None:
    """A command whose key is not its first argument costs a redirection, and is answered all the same."""
    transport = open_cluster(three_nodes.url)
    for number in range(6):
        await transport.send("SET", f"key {number}", "x", "PX", 60_000)
        assert await transport.send("OBJECT", "REFCOUNT", f"key {number}") == 1


async def test_one_server_that_answers_is_enough(open_cluster: Open, three_nodes: "ThreeNodes") -> None:
    """Of the servers in the URL the first one that listens names the others."""
    url = three_nodes.url.replace("redis+cluster://", "redis+cluster://127.0.0.1:1,")
    transport = open_cluster(url)
    assert await transport.send("SET", "a", "x", "PX", 60_000) == b"OK"
    assert len(await transport.nodes()) == 3


async def test_a_slot_that_moved_is_followed(open_cluster: Open, free_nodes: "ThreeNodes") -> None:
    """MOVED: the command goes where the slot is now, and the next one goes there at once."""
    transport = open_cluster(free_nodes.url)
    assert await transport.send("GET", "a") is None
    slot = transport.slot("a")
    new = next(server for server in free_nodes.servers if server is not free_nodes.holder(slot))
    for server in free_nodes.servers:
        server.ask("CLUSTER", "SETSLOT", slot, "NODE", free_nodes.identity(new))
    assert await transport.send("SET", "a", "x", "PX", 60_000) == b"OK"
    assert await transport.send("PING") == b"PONG"  # asks for the map first
    asked = seen(free_nodes, "get")
    assert await transport.send("GET", "a") == b"x"
    assert seen(free_nodes, "get") == asked + 1


async def test_a_slot_that_is_moving_is_asked_for(open_cluster: Open, free_nodes: "ThreeNodes") -> None:
    """ASK: a key that has left already is read and written at its new server, for this one command."""
    transport = open_cluster(free_nodes.url)
    slot = transport.slot("{a}here")
    await transport.send("SET", "{a}here", "x")
    old = free_nodes.holder(slot)
    new = next(server for server in free_nodes.servers if server is not old)
    new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", free_nodes.identity(old))
    old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", free_nodes.identity(new))
    assert await transport.send("SET", "{a}there", "y") == b"OK"
    assert await transport.send("MGET", "{a}there") == [b"y"]
    assert await transport.block(1, "BLPOP", "{a}queue", 0.01) is None
    assert await transport.send("GET", "{a}here") == b"x"
    with pytest.raises(CacheUnavailable, match=r"^the server cannot serve: TRYAGAIN"):
        await transport.send("MGET", "{a}here", "{a}there")


async def test_a_dead_server_costs_its_own_keys(open_cluster: Open, free_nodes: "ThreeNodes") -> None:
    """Keys of a killed server are unavailable, those of the others are served, and nothing is sent twice."""
    transport = open_cluster(free_nodes.url)
    await transport.send("PING")
    dead, *alive = free_nodes.servers
    dead.kill()
    names = [f"key {number}" for number in range(12)]
    lost = {name for name in names if free_nodes.holder(transport.slot(name)) is dead}
    for name in names:
        if name in lost:
            with pytest.raises(CacheUnavailable):
                await transport.send("INCR", name)
        else:
            assert await transport.send("INCR", name) == 1
    assert 0 < len(lost) < len(names)
    assert sum(server.ask("INFO", "commandstats")["cmdstat_incr"]["calls"] for server in alive) == len(names) - len(
        lost
    )


async def test_whoever_took_over_is_found(open_cluster: Open) -> None:
    """A command that its server did not answer makes the next one ask who holds the slot now."""
    holders = iter([b"1"])

    def answer(received: bytes) -> bytes:
        if b"SLOTS" not in received:
            return b"$1\r\nx\r\n"
        port = next(holders, b"%d" % server.port)
        return b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%s\r\n" % port

    with listening(answer) as server:
        transport = open_cluster(f"redis+cluster://{server.address}")
        with pytest.raises(CacheUnavailable, match=r"127\.0\.0\.1:1"):
            await transport.send("GET", "a")
        assert [await transport.send("GET", "a") for _ in range(2)] == [b"x", b"x"]
    assert sum(b"SLOTS" in received for received in server.received) == 2


@pytest.mark.parametrize("servers", [1, 3])
async def test_silent_servers_cost_one_patience(open_cluster: Open, servers: int) -> None:
    """When nobody says who holds which slot, a call asks one server, and the next call another."""
    with listening(silence) as first, listening(silence) as second, listening(silence) as third:
        asked = [first, second, third][:servers]
        transport = open_cluster(f"redis+cluster://{','.join(server.address for server in asked)}", 0.1)
        for number in range(1, servers + 1):
            with pytest.raises(CacheUnavailable, match=r"^no answer from the server"):
                await transport.send("GET", "a")
            assert sum(len(server.received) for server in asked) == number
    assert {b"".join(server.received) for server in asked} == {b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"}


async def test_nothing_listens(open_cluster: Open) -> None:
    """Where no server of the URL listens, the command is unavailable."""
    with pytest.raises(CacheUnavailable, match=r"^no answer from the server"):
        await open_cluster("redis+cluster://127.0.0.1:1,127.0.0.1:2").send("GET", "a")


@pytest.mark.parametrize("reply", [b"-MOVED 1 :PORT\r\n", b"-MOVED 15495 127.0.0.1:PORT\r\n"])
async def test_a_command_sent_in_circles_ends(open_cluster: Open, reply: bytes) -> None:
    """A server that sends every command back to itself is given up after a few, an unnamed host being itself."""

    def answer(received: bytes) -> bytes:
        return b"*0\r\n" if b"SLOTS" in received else reply.replace(b"PORT", b"%d" % server.port)

    with listening(answer) as server:
        with pytest.raises(CacheUnavailable, match=r"in circles$"):
            await open_cluster(f"redis+cluster://{server.address}").send("GET", "a")
        assert sum(b"GET" in received for received in server.received) == 5


async def test_a_server_alone_is_no_cluster(open_cluster: Open, valkey_url: str) -> None:
    """A Cluster's URL that leads to a server without a Cluster is refused in the server's words."""
    with pytest.raises(CacheUnavailable, match=r"ERR This instance has cluster support disabled"):
        await open_cluster(valkey_url.replace("redis:", "redis+cluster:").removesuffix("/0")).send("GET", "a")


async def test_a_password_is_every_servers(open_cluster: Open, free_nodes: "ThreeNodes") -> None:
    """The URL's password is given to each server, also to those that it does not name, and never told."""
    for server in free_nodes.servers:
        server.ask("CONFIG", "SET", "requirepass", "canary")
        server.ask("AUTH", "canary")
    url = free_nodes.url.replace("redis+cluster://", "redis+cluster://:canary@")
    transport = open_cluster(url)
    for number in range(12):
        assert await transport.send("SET", f"key {number}", "x", "PX", 60_000) == b"OK"
    assert from_url(url).address == free_nodes.url.replace("://", "://***@")
    with pytest.raises(CacheUnavailable, match=r"^the server cannot serve: WRONGPASS") as wrong:
        await open_cluster(url.replace("canary", "canary2")).send("GET", "a")
    assert "canary" not in str(wrong.value)


@pytest.mark.parametrize("url", ["redis://h:1", "redis+sentinel://h:1/service"])
def test_another_url_is_refused(url: str) -> None:
    """Only a Cluster's URL makes a Cluster."""
    with pytest.raises(ConfigurationError, match=r"must start with redis\+cluster://"):
        BlockingCluster(url, patience=1)


async def test_the_scheme_chooses_the_transport() -> None:
    """A Cluster's URL leads to the Cluster's transports, and options that make no sense are refused at once."""
    environment = from_url("redis+cluster://127.0.0.1:1")
    one, other = blocking_transport(environment), async_transport(environment)
    assert (type(one), type(other)) == (BlockingCluster, AsyncCluster)
    one.close()
    await other.close()
    with pytest.raises(ConfigurationError, match=r"^redis-py does not accept the cache URL"):
        blocking_transport(from_url("redis+cluster://127.0.0.1:1?no_such_option=1"))


NONSENSE = [
    b"+OK",
    b":1",
    b"*0",
    b"*1\r\n$1\r\nx",
    b"*1\r\n*2\r\n:0\r\n:1",
    b"-MOVED",
    b"-MOVED 1",
    b"-MOVED 1 nonsense",
]


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize("face", FACES)
async def test_nonsense_never_stops_a_read(face: str, answer: bytes) -> None:
    """Whatever a server says instead of its map: a read is its loader's, and a withdrawal fails as with a dead one."""
    with listening(lambda _: answer + b"\r\n") as server:
        opened = await open_face(face, f"redis+cluster://{server.address}", breaker=False)
        try:
            assert await opened.get_or_set("a", Loader("loaded"), ttl=60) == "loaded"
            with suppress(CacheUnavailable):
                await opened.invalidate("a")
            with suppress(CacheError):  # or refused, in the server's words
                await opened.invalidate_prefix("a")
        finally:
            await opened.close()  # else the server would wait for it
