"""Kept connections: deadlines that hold, replies that never reach another's call, and what becomes of them later."""

import asyncio
import gc
import inspect
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import CacheUnavailable
from dousell_cache.runner import run_blocking
from dousell_cache.transport import links
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere
from dousell_cache.transport.rest import AsyncRest, BlockingRest
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .servers import listening, silence
from .transports import close, opening

if TYPE_CHECKING:
    from .conftest import FreeValkey

Transport = BlockingTcp | AsyncTcp
Open = Callable[..., Transport]

pytestmark = pytest.mark.timeout(20)  # a deadline that does not hold is a test that hangs


@pytest.fixture(params=[BlockingTcp, AsyncTcp], ids=["blocking", "asyncio"])
async def open_tcp(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Build transports of one face, closed at the end."""
    async with opening(lambda url, patience=5: request.param(url, patience=patience)) as open_:
        yield open_


async def together(transport: Transport, *commands: tuple[Any, ...]) -> list[Any]:
    """Send commands at the same time: from as many threads, or as many tasks."""
    if isinstance(transport, AsyncTcp):
        return await asyncio.gather(*(transport.send(*command) for command in commands))
    blocking = transport

    def send(command: tuple[Any, ...]) -> Any:
        return run_blocking(blocking.send(*command))

    return await asyncio.gather(*(asyncio.to_thread(send, command) for command in commands))


@contextmanager
def dripping(first: bytes, before: bytes = b"") -> Iterator[str]:
    """Listen, answer each command that has ``before`` in it with OK, the next one with a reply that never ends."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            while before and before in connection.recv(4096):
                connection.sendall(b"+OK\r\n")
            connection.sendall(first)
            while not over.wait(0.01):
                connection.sendall(b"x")

    def accept() -> None:
        connection, _ = listener.accept()
        try:
            drip(connection)
        except OSError:
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(("credentials", "before"), [("", b""), (":secret@", b""), (":secret@", b"AUTH")])
async def test_a_server_that_drips_is_given_up(open_tcp: Open, credentials: str, before: bytes) -> None:
    """A byte now and then keeps nobody waiting beyond patience: not in a reply, and not in the greeting before it."""
    with dripping(b"$1000000\r\n", before) as address:
        transport = open_tcp(f"redis://{credentials}{address}", 0.2)
        with pytest.raises(CacheUnavailable, match=r"^no answer from the server: Timeout"):
            await transport.send("GET", "a")
        await close(transport)


async def test_a_server_that_reads_nothing_is_given_up(open_tcp: Open) -> None:
    """A command too large for the buffers between, which nobody takes, costs one patience."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = open_tcp(f"redis://127.0.0.1:{listener.getsockname()[1]}", 0.2)
        with pytest.raises(CacheUnavailable, match=r"Timeout"):
            await transport.send("SET", "a", bytes(50_000_000))
        await close(transport)


async def hurried(transport: Any, *command: Any) -> Any:
    """Send a command in less than the transport's patience, which its connection goes on having."""
    sending = transport._ask(transport._shelf, 0.1, command)
    return await sending if inspect.isawaitable(sending) else sending


async def test_a_late_connection_serves_the_next_call(open_tcp: Open) -> None:
    """A greeting slower than its caller is not begun again: the next command travels on it."""
    may_answer = threading.Event()

    def answer(received: bytes) -> bytes:
        assert may_answer.wait(20)
        return b"+OK\r\n" if b"AUTH" in received else b"+PONG\r\n"

    with listening(answer) as server:
        transport: Any = open_tcp(f"redis://:secret@{server.address}")
        with pytest.raises(CacheUnavailable, match=r"Timeout waiting for a connection"):
            await hurried(transport, "GET", "a")
        may_answer.set()
        assert await transport.send("PING") == b"PONG"
        await close(transport)
    assert server.connections == 1
    assert b"GET" not in b"".join(server.received)


def late(received: bytes) -> bytes:
    """Answer the first command never, and whatever follows it on its connection with what was its reply."""
    return b"" if b"first" in received else b"+REPLY TO %b\r\n" % received.split(b"\r\n")[4]


async def test_a_command_given_up_leaves_no_reply_behind(open_tcp: Open) -> None:
    """After a timeout the connection is gone, and with it the reply that may still come."""
    with listening(late) as server:
        transport = open_tcp(f"redis://{server.address}", 0.2)
        with pytest.raises(CacheUnavailable):
            await transport.send("GET", "first")
        assert await transport.send("GET", "second") == b"REPLY TO second"
        await close(transport)
    assert server.connections == 2


def test_an_interrupted_command_leaves_no_reply_behind() -> None:
    """Ctrl-C while waiting for a reply drops the connection."""

    def interrupting(received: bytes) -> bytes:
        if b"first" in received:
            os.kill(os.getpid(), signal.SIGINT)
        return late(received)

    with listening(interrupting) as server:
        transport = BlockingTcp(f"redis://{server.address}", patience=15)
        with pytest.raises(KeyboardInterrupt):
            run_blocking(transport.send("GET", "first"))
        assert run_blocking(transport.send("GET", "second")) == b"REPLY TO second"
        transport.close()
    assert server.connections == 2


async def test_a_cancelled_command_leaves_no_reply_behind() -> None:
    """A task cancelled while it waits for a reply drops its connection."""
    received, loop = asyncio.Event(), asyncio.get_running_loop()

    def answer(command: bytes) -> bytes:
        loop.call_soon_threadsafe(received.set)
        return late(command)

    with listening(answer) as server:
        transport = AsyncTcp(f"redis://{server.address}", patience=15)
        waiting = asyncio.ensure_future(transport.send("GET", "first"))
        await received.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await transport.send("GET", "second") == b"REPLY TO second"
        await transport.close()
    assert server.connections == 2


async def test_no_cancellation_loses_a_connection(valkey_url: str) -> None:
    """Wherever a task that waits for the only connection is cancelled, the next one gets it."""
    transport = AsyncTcp(f"{valkey_url}?max_connections=1", patience=5)
    for steps in range(15):
        first, second = (asyncio.ensure_future(transport.send("PING")) for _ in range(2))
        for _ in range(steps):
            await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        await asyncio.wait({first, second})
        assert await transport.send("ECHO", str(steps)) == str(steps).encode()
    await transport.close()


async def test_what_nobody_waits_for_any_more_is_not_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    """A command given up before it was sent leaves no message of asyncio's behind when its connection ends."""
    with listening(lambda _: b"+OK\r\n") as server:
        transport: Any = AsyncTcp(f"redis://{server.address}", patience=15)
        assert await transport.send("GET", "a") == b"OK"
        (link,) = transport._shelf.free
        with pytest.raises(CacheUnavailable, match=r"Timeout"):
            await transport._ask(transport._shelf, -1, ("GET", "a"))
        await link.gone
        await transport.close()
    del link
    gc.collect()
    assert caplog.text == ""


async def test_threads_and_tasks_share_few_connections(open_tcp: Open, valkey_url: str) -> None:
    """More callers than connections: each waits its turn, and each gets its own reply."""
    transport = open_tcp(f"{valkey_url}?max_connections=3&client_name=few", 15)
    for _ in range(5):
        words = [os.urandom(4).hex() for _ in range(30)]
        assert await together(transport, *(("ECHO", word) for word in words)) == [word.encode() for word in words]
    listed = await transport.send("CLIENT", "LIST")
    assert isinstance(listed, bytes)
    assert 1 <= listed.count(b"name=few") <= 3


async def test_what_the_server_closed_while_idle_costs_no_call(
    open_tcp: Open, free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that rested is looked at before it is used: a server restarted meanwhile is connected to anew."""
    monkeypatch.setattr(links, "_IDLE_SECONDS", 0)
    transport = open_tcp(free_valkey.url)
    assert await transport.send("SET", "a", "x") == b"OK"
    free_valkey.restart()
    assert await transport.send("EXISTS", "a") == 0
    assert await transport.send("SET", "a", "x") == b"OK"
    assert await transport.send("EXISTS", "a") == 1


@pytest.mark.parametrize("last_words", [None, b"-READONLY You can't write against a read only replica.\r\n"])
async def test_one_broken_connection_takes_the_others_with_it(open_tcp: Open, last_words: bytes | None) -> None:
    """Once one kept connection is found broken, or leads to a replica, the next command makes a new one."""
    all_there = threading.Barrier(4)

    def answer(received: bytes) -> bytes | None:
        if b"wait" in received:
            all_there.wait(15)
        return last_words if b"break" in received else b"+OK\r\n"

    with listening(answer) as server:
        transport = open_tcp(f"redis://{server.address}", 15)
        assert await together(transport, *[("GET", "wait")] * 4) == [b"OK"] * 4
        with pytest.raises(CacheUnavailable):
            await transport.send("SET", "break", "x")
        assert await transport.send("GET", "a") == b"OK"
        await close(transport)
    assert server.connections == 5


async def test_a_timeout_keeps_the_other_connections(open_tcp: Open) -> None:
    """One slow reply says nothing of the server: the other kept connections go on."""
    both_there = threading.Barrier(2)

    def answer(received: bytes) -> bytes:
        if b"wait" in received:
            both_there.wait(15)
        return b"" if b"slow" in received else b"+OK\r\n"

    with listening(answer) as server:
        transport: Any = open_tcp(f"redis://{server.address}", 15)
        assert await together(transport, *[("GET", "wait")] * 2) == [b"OK"] * 2
        transport.patience = 0.1
        with pytest.raises(CacheUnavailable, match=r"Timeout"):
            await transport.send("GET", "slow")
        assert await transport.send("GET", "a") == b"OK"
        await close(transport)
    assert server.connections == 2


async def test_a_closed_transport_refuses(open_tcp: Open) -> None:
    """After close nothing is connected to and nothing is sent, on a kept connection or a new one."""
    with listening(lambda _: b"+OK\r\n") as server:
        used, unused = open_tcp(f"redis://{server.address}"), open_tcp(f"redis://{server.address}")
        assert await used.send("GET", "a") == b"OK"
        for transport in (used, unused):
            await close(transport)
            for sending in (transport.send("PING"), transport.block(1, "PING")):
                with pytest.raises(CacheUnavailable, match=r"^the client cannot send: it was closed$"):
                    await sending
            await close(transport)
    assert server.connections == 1


async def test_closing_refuses_those_who_wait(valkey_url: str) -> None:
    """Whoever waits for a connection when the transport is closed is told at once; what is under way ends."""
    transport = AsyncTcp(f"{valkey_url}?max_connections=1", patience=15)
    assert await transport.send("PING") == b"PONG"
    first, second = (asyncio.ensure_future(transport.send("ECHO", word)) for word in ("one", "two"))
    await asyncio.sleep(0)
    await transport.close()
    with pytest.raises(CacheUnavailable, match=r"it was closed"):
        await second
    assert await first == b"one"


async def test_a_blocking_command_waits_beyond_patience(open_tcp: Open, valkey_url: str) -> None:
    """The server may keep a blocking command waiting for longer than patience, and its reply is returned."""
    transport = open_tcp(valkey_url, 0.5)
    assert transport.can_block
    assert await transport.block(0.6, "BLPOP", "nobody-pushes", 0.6) is None
    assert await transport.send("RPUSH", "pushed", "x") == 1
    assert await transport.block(5, "BLPOP", "pushed", 5) == [b"pushed", b"x"]


async def test_a_blocking_command_is_given_up(open_tcp: Open) -> None:
    """A server that does not answer a blocking command in its time is given up after patience more."""
    with listening(silence) as server:
        transport = open_tcp(f"redis://{server.address}", 0.1)
        with pytest.raises(CacheUnavailable, match=r"Timeout"):
            await transport.block(0.1, "BLPOP", "a", 0.1)
        await close(transport)


async def test_blocking_commands_starve_no_others(valkey_url: str) -> None:
    """However many wait on the server, a read finds a connection."""
    transport = AsyncTcp(f"{valkey_url}?max_connections=2", patience=10)
    waiting = [asyncio.ensure_future(transport.block(10, "BLPOP", "starving", 10)) for _ in range(4)]
    assert await transport.send("PING") == b"PONG"
    assert await transport.send("RPUSH", "starving", *"abcd") in range(5)
    replies = await asyncio.gather(*waiting)
    assert sorted(replies, key=repr) == [[b"starving", letter] for letter in (b"a", b"b", b"c", b"d")]
    await transport.close()


async def test_commands_in_a_row_share_a_connection(open_tcp: Open, valkey_url: str) -> None:
    """What one command leaves behind on its connection, the next one of the same row finds."""
    transport = open_tcp(valkey_url)
    assert await transport.alone(0, ("CLIENT", "SETNAME", "row"), ("CLIENT", "GETNAME")) == b"row"


def test_which_ways_can_block() -> None:
    """Neither HTTP nor nowhere can block, and both say so; none of them knows slots."""
    rest = BlockingRest("http://127.0.0.1:1", "token", patience=1)
    for way in (rest, AsyncRest("http://127.0.0.1:1", "token", patience=1), BlockingNowhere(), AsyncNowhere()):
        assert (way.can_block, way.slot("a")) == (False, 0)
        with pytest.raises(NotImplementedError, match=r"^there are no blocking commands here: 'BLPOP'"):
            run_blocking(way.block(1, "BLPOP", "a", 1))
    rest.close()
    assert BlockingTcp("redis://127.0.0.1:1", patience=1).slot("a") == 0


BLOCKING_CHILD = """
import os, sys
from dousell_cache.runner import run_blocking
from dousell_cache.transport.tcp import BlockingTcp
transport = BlockingTcp(sys.argv[1], patience=10)
ask = lambda: print(run_blocking(transport.send("CLIENT", "ID")), flush=True)
ask()
if os.fork() == 0:
    ask()
    transport.close()
    os._exit(0)
os.wait()
ask()
transport.close()
"""
ASYNC_CHILD = """
import asyncio, os, sys
from dousell_cache.transport.tcp import AsyncTcp
transport = AsyncTcp(sys.argv[1], patience=10)
async def ask():
    print(await transport.send("CLIENT", "ID"), flush=True)
async def last():
    await ask()
    await transport.close()
loop = asyncio.new_event_loop()
loop.run_until_complete(ask())
if os.fork() == 0:
    asyncio.run(last())
    os._exit(0)
os.wait()
loop.run_until_complete(last())
loop.close()
"""


@pytest.mark.parametrize("program", [BLOCKING_CHILD, ASYNC_CHILD], ids=["blocking", "asyncio"])
def test_a_child_has_connections_of_its_own(program: str, valkey_url: str) -> None:
    """After a fork the child connects anew, and the parent goes on with the connection it had."""
    command = [sys.executable, "-W", "error", "-c", program, valkey_url]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    parent, child, parent_again = map(int, ran.stdout.split())
    assert parent == parent_again != child


async def test_another_event_loop_is_refused(valkey_url: str) -> None:
    """Connections belong to the event loop that made them: in another one the transport says so."""
    transport = AsyncTcp(valkey_url, patience=5)
    assert await transport.send("PING") == b"PONG"

    def elsewhere() -> None:
        with pytest.raises(CacheUnavailable, match=r"^the client cannot send: it belongs to another event loop$"):
            asyncio.run(transport.send("PING"))

    await asyncio.to_thread(elsewhere)
    assert await transport.send("PING") == b"PONG"
    await transport.close()
