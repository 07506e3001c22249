"""TCP by redis-py: the same manners whichever way a transport is built, and no command is ever sent twice."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import CacheUnavailable, ConfigurationError
from dousell_cache.environments import Environment, detect, from_url, tcp_url
from dousell_cache.errors import CommandRefused
from dousell_cache.transport.connect import async_transport, blocking_transport
from dousell_cache.transport.port import Reply
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .servers import listening, self_signed, silence
from .transports import close, opening

if TYPE_CHECKING:
    from .conftest import FreeValkey

Transport = BlockingTcp | AsyncTcp
Open = Callable[..., Transport]

pytestmark = pytest.mark.timeout(20)  # what hangs has no patience: the test fails instead of waiting for the default


@pytest.fixture(params=[BlockingTcp, AsyncTcp], ids=["blocking", "asyncio"])
async def open_tcp(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Build transports of one face, closed at the end."""
    async with opening(lambda url, patience=5: request.param(url, patience=patience)) as open_:
        yield open_


WAYS: dict[str, Callable[[str], Any]] = {
    "blocking by hand": lambda url: BlockingTcp(url, patience=0.05),
    "asyncio by hand": lambda url: AsyncTcp(url, patience=0.05),
    "blocking from a URL": lambda url: blocking_transport(from_url(url), 0.05),
    "asyncio from a URL": lambda url: async_transport(from_url(url), 0.05),
    "blocking from variables": lambda url: blocking_transport(detect({"REDIS_URL": url}), 0.05),
    "asyncio from variables": lambda url: async_transport(detect({"VALKEY_URL": url}), 0.05),
    "blocking embedded": lambda url: blocking_transport(Environment("local", "embedded", url), 0.05),
    "asyncio embedded": lambda url: async_transport(Environment("local", "embedded", url), 0.05),
    "blocking, against the URL's options": lambda url: BlockingTcp(
        f"{url}?socket_timeout=60&socket_connect_timeout=60&retry_on_timeout=yes&timeout=60", patience=0.05
    ),
    "asyncio, against the URL's options": lambda url: AsyncTcp(
        f"{url}?socket_timeout=60&socket_connect_timeout=60&retry_on_timeout=yes&timeout=60", patience=0.05
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_silent_server_is_given_up_once(way: str) -> None:
    """However it was built: one connection, one command, no reply, and it is over, with nothing tried again."""
    with listening(silence) as server:
        transport = WAYS[way](f"redis://{server.address}")
        with pytest.raises(CacheUnavailable, match=r"^no answer from the server: "):
            await transport.send("INCR", "visits")
        await close(transport)
    assert server.connections == 1
    assert b"".join(server.received) == b"*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n"


@pytest.mark.parametrize("way", WAYS)
async def test_timeouts_and_retries_are_the_same_however_built(way: str) -> None:
    """Each step of connecting has the caller's patience, there are no retries, and at most 50 connections."""
    transport = WAYS[way]("redis://127.0.0.1:1")
    connection = transport._connection()
    assert connection.retry.get_retries() == 0
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.05, 0.05)
    assert (transport.patience, transport.pool.max_connections) == (0.05, 50)
    await close(transport)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n<html>",
        b"\x00\xff\x01garbage\r\n",
        b"$-7\r\n",
        b"*3\r\n:1\r\n",
        b":1",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"#t\r\n",
        b"*1\r\n%1\r\n+a\r\n+b\r\n",
        b"+ONE\r\n+TWO\r\n",
        None,
    ],
)
async def test_what_is_no_reply_is_no_answer(open_tcp: Open, answer: bytes | None) -> None:
    """Garbage, half a reply or a closed connection: unavailable, and the command was sent once."""
    unavailable = pytest.raises(CacheUnavailable, match=r"^no answer from the server: ")
    with listening(lambda _: answer) as server, unavailable:
        await open_tcp(f"redis://{server.address}", 0.1).send("INCR", "visits")
    assert (server.connections, len(server.received)) == (1, 1)


async def test_a_connection_that_spoke_garbage_is_not_used_again(open_tcp: Open) -> None:
    """What follows garbage on the same connection is not taken for the next command's reply."""
    answers = iter([b"?what\r\n+STALE\r\n", b"+FRESH\r\n"])
    with listening(lambda _: next(answers)) as server:
        transport = open_tcp(f"redis://{server.address}")
        with pytest.raises(CacheUnavailable):
            await transport.send("GET", "a")
        assert await transport.send("GET", "b") == b"FRESH"
    assert server.connections == 2


async def test_nothing_listens(open_tcp: Open) -> None:
    """A refused connection is unavailable, its message says where, and it is marked as refused."""
    with pytest.raises(CacheUnavailable, match=r"connecting to 127.0.0.1:1") as refused:
        await open_tcp("redis://127.0.0.1:1").send("PING")
    assert refused.value.refused_connection
    with pytest.raises(CacheUnavailable) as refused:
        await open_tcp("redis://localhost:1").send("PING")  # a name with two addresses, on most machines
    assert refused.value.refused_connection


async def test_what_listens_did_not_refuse(open_tcp: Open) -> None:
    """Silence and hanging up are no refusals: somebody is there."""
    for answer in (silence, lambda _: None):
        with listening(answer) as server, pytest.raises(CacheUnavailable) as failed:
            await open_tcp(f"redis://{server.address}", 0.1).send("PING")
        assert not failed.value.refused_connection


async def test_no_such_host(open_tcp: Open) -> None:
    """A name that does not resolve is unavailable."""
    with pytest.raises(CacheUnavailable, match=r"connecting to no-such-host\.invalid:6379") as refused:
        await open_tcp("redis://no-such-host.invalid").send("PING")
    assert refused.value.refused_connection


async def test_tls_to_a_plain_port(open_tcp: Open) -> None:
    """A server that does not speak TLS is unavailable to a client that does."""
    with listening(lambda _: b"-ERR what is this\r\n") as server, pytest.raises(CacheUnavailable):
        await open_tcp(f"rediss://{server.address}").send("PING")
    assert server.connections == 1


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody trusts unless told to."""
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


async def test_plain_to_a_tls_port(open_tcp: Open, certificate: Path) -> None:
    """A server that wants TLS hangs up on a client that does not speak it: unavailable."""
    with listening(silence, certificate=certificate) as server, pytest.raises(CacheUnavailable):
        await open_tcp(f"redis://{server.address}").send("PING")
    assert server.connections == 1


async def test_tls_with_a_stranger(open_tcp: Open, certificate: Path) -> None:
    """A certificate that is not trusted is unavailable, and the password was not shown to it."""
    untrusted = pytest.raises(CacheUnavailable, match="CERTIFICATE_VERIFY_FAILED")
    with listening(silence, certificate=certificate) as server, untrusted:
        await open_tcp(f"rediss://:password@{server.address}").send("PING")
    assert server.received == []


async def test_tls_with_a_friend(open_tcp: Open, certificate: Path) -> None:
    """With its certificate trusted by an option in the URL, a TLS server is spoken to like any other."""
    with listening(lambda _: b"+PONG\r\n", certificate=certificate) as server:
        transport = open_tcp(f"rediss://{server.address}?ssl_ca_certs={certificate}")
        assert await transport.send("PING") == b"PONG"
        hung_up = transport.close()
        if inspect.isawaitable(hung_up):
            await hung_up
    assert server.received == [b"*1\r\n$4\r\nPING\r\n"]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING Redis is loading the dataset in memory"),
        (b"-ERR max number of clients reached\r\n", "ERR max number of clients reached"),
        (b"-DENIED Redis is running in protected mode.\r\n", "DENIED Redis is running in protected mode."),
        (b"-READONLY You can't write against a read only replica.\r\n", "READONLY You can't write"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM command not allowed"),
        (b"-MISCONF Errors writing to the AOF file\r\n", "MISCONF Errors writing"),
        (b"-CLUSTERDOWN Hash slot not served\r\n", "CLUSTERDOWN Hash slot not served"),
        (b"-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required."),
        (b"-NOPERM User has no permissions\r\n", "NOPERM User has no permissions"),
        (b"-ERR max daily request limit exceeded. Limit: 10000\r\n", "ERR max daily request limit exceeded"),
        (b"-ERR max requests limit exceeded. Limit: 500000\r\n", "ERR max requests limit exceeded"),
    ],
)
async def test_a_server_that_cannot_serve_is_unavailable(open_tcp: Open, reply: bytes, told: str) -> None:
    """Alive but of no use: its callers go to the origin, and the message is the server's own, code included."""
    with listening(lambda _: reply) as server, pytest.raises(CacheUnavailable) as unavailable:
        await open_tcp(f"redis://{server.address}").send("SET", "a", "b")
    assert str(unavailable.value).startswith(f"the server cannot serve: {told}")
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("LPUSH", "text", "x"), "WRONGTYPE"),
        (("EVALSHA", "f" * 40, 0), "NOSCRIPT"),
        (("NONSENSE",), "ERR"),
        (("INCR", "text"), "ERR"),
        (("GET",), "ERR"),
    ],
)
async def test_a_refused_command_keeps_its_code(
    open_tcp: Open, valkey_url: str, command: tuple[Any, ...], code: str
) -> None:
    """The server's first word is the code, and stands at the beginning of the message: redis-py strips some off."""
    transport = open_tcp(valkey_url)
    await transport.send("SET", "text", "abc", "PX", 60_000)
    with pytest.raises(CommandRefused) as refused:
        await transport.send(*command)
    assert refused.value.code == code
    assert str(refused.value).startswith(f"{code} ")
    assert refused.value.__cause__ is not None


async def test_a_wrong_password(open_tcp: Open, free_valkey: "FreeValkey") -> None:
    """A refused password is unavailable, said in the server's words; the right one is let in."""
    admin = open_tcp(free_valkey.url)
    await admin.send("CONFIG", "SET", "requirepass", "right p@ss/w:rd")
    host = free_valkey.url.removeprefix("redis://")
    for credentials in (":wrong@", "user:wrong@", ""):
        with pytest.raises(CacheUnavailable, match=r"^the server cannot serve: (WRONGPASS|NOAUTH) "):
            await open_tcp(f"redis://{credentials}{host}").send("PING")
    assert await open_tcp(f"redis://:right%20p%40ss%2Fw%3Ard@{host}").send("PING") == b"PONG"


async def test_a_database_that_is_not_there(open_tcp: Open, valkey_url: str) -> None:
    """A database number beyond the server's is refused when connecting: there is no cache to be asked anything."""
    with pytest.raises(CacheUnavailable, match=r"^ERR DB index is out of range$"):
        await open_tcp(valkey_url.replace("/0", "/999")).send("PING")


async def test_databases_are_apart(open_tcp: Open, free_valkey: "FreeValkey") -> None:
    """The number at the end of the URL chooses the database."""
    first, second = open_tcp(free_valkey.url), open_tcp(free_valkey.url.replace("/0", "/1"))
    await first.send("SET", "a", "x")
    assert (await first.send("EXISTS", "a"), await second.send("EXISTS", "a")) == (1, 0)


async def test_a_unix_socket(open_tcp: Open, free_valkey: "FreeValkey") -> None:
    """A unix:// URL reaches the same server by its socket, and a socket that is not there is unavailable."""
    assert await open_tcp(tcp_url(f"unix://{free_valkey.socket}?db=1", "url")).send("SET", "a", "x") == b"OK"
    assert await open_tcp(free_valkey.url.replace("/0", "/1")).send("GET", "a") == b"x"
    with pytest.raises(CacheUnavailable, match=r"No such file|connecting to") as refused:
        await open_tcp("unix:///nowhere/valkey.sock").send("PING")
    assert refused.value.refused_connection


@pytest.mark.parametrize(
    "url",
    [
        "redis://:canary@h?no_such_option=canary",
        "redis://:canary@h?db=canary",
        "redis://:canary@h?max_connections=canary",
        "redis://:canary@h?health_check_interval=canary",
        "rediss://:canary@h?ssl_cert_reqs=canary",
    ],
)
async def test_options_that_make_no_sense_are_refused_at_once(open_tcp: Open, url: str) -> None:
    """An option redis-py does not know, or a value it cannot use, is one sentence before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"^redis-py does not accept the cache URL: ") as refused:
        open_tcp(url)
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_options_cannot_change_the_shape_of_replies(open_tcp: Open, valkey_url: str) -> None:
    """Replies are bytes whatever the URL asks for: everything above reads bytes."""
    transport = open_tcp(f"{valkey_url}?decode_responses=yes&protocol=3")
    assert await transport.send("SET", "shape", "x", "PX", 60_000) == b"OK"
    assert await transport.send("GET", "shape") == b"x"


async def test_a_frozen_server_is_given_up(open_tcp: Open, free_valkey: "FreeValkey") -> None:
    """A server that accepts and then says nothing costs one patience, and is there again when it wakes."""
    transport, patient = open_tcp(free_valkey.url, 0.2), open_tcp(free_valkey.url)
    assert await transport.send("SET", "a", "x") == b"OK"
    free_valkey.pause()
    with pytest.raises(CacheUnavailable, match=r"Timeout"):
        await transport.send("GET", "a")
    free_valkey.resume()
    assert await patient.send("PING") == b"PONG"
    assert await transport.send("GET", "a") == b"x"


async def test_an_error_inside_a_reply_is_raised(open_tcp: Open, valkey_url: str) -> None:
    """However deep in an array a server's error stands, it is raised and not returned; the connection goes on."""
    transport = open_tcp(valkey_url)
    with pytest.raises(CommandRefused, match=r"^DEEP error$") as refused:
        await transport.send("EVAL", "return {1, {2, {err = 'DEEP error'}}}", 0)
    assert refused.value.code == "DEEP"
    assert await transport.send("ECHO", "next") == b"next"


async def test_arguments_and_replies_of_every_size(open_tcp: Open, valkey_url: str) -> None:
    """Text, bytes, numbers, and five megabytes of them, come back as they went."""
    transport, large = open_tcp(valkey_url), bytes(range(256)) * 20_000
    assert await transport.send("SET", "sizes", large, "PX", 60_000) == b"OK"
    assert await transport.send("GET", "sizes") == large
    reply = await transport.send("EVAL", "return ARGV", 0, "été", b"\x00\xff", 7, 1.5)
    assert reply == ["été".encode(), b"\x00\xff", b"7", b"1.5"]


async def test_a_burst_waits_for_connections(valkey_url: str) -> None:
    """Commands beyond the pool's size wait for a connection to come free instead of failing."""
    transport = AsyncTcp(valkey_url, patience=15)
    replies: list[Reply] = await asyncio.gather(*(transport.send("PING") for _ in range(200)))
    assert replies == [b"PONG"] * 200
    await transport.close()


async def test_a_cancellation_is_never_lost() -> None:
    """Whenever it comes between sending and waiting, step by step of the loop, a cancelled command is cancelled."""
    with listening(lambda received: b"+PONG\r\n" if b"PING" in received else b"") as server:
        transport = AsyncTcp(f"redis://{server.address}", patience=0.5)  # before Python 3.12 one step costs it in full
        for steps in range(25):
            assert await transport.send("PING") == b"PONG"
            waiting = asyncio.ensure_future(transport.send("GET", "a"))
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await transport.close()


async def test_a_cancelled_task_may_still_clean_up(valkey_url: str) -> None:
    """What a cancelled task sends on its way out is sent and answered."""
    transport, seen = AsyncTcp(valkey_url, patience=5), list[Reply]()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(await transport.send("PING"))

    working = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    await transport.close()
    assert seen == [b"PONG"]
