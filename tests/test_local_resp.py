"""Raw RESP2 to a real Valkey: error texts, order, and what happens when the server goes away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from dousell_cache.local import embedded
from dousell_cache.local.resp import ReplyError, ValkeyPool


@pytest.fixture
async def pool() -> AsyncIterator[ValkeyPool]:
    """A pool of three connections to the session's Valkey."""
    with embedded() as server:
        pool = ValkeyPool(server.socket, size=3)
        yield pool
        pool.close()


@pytest.fixture
def key() -> bytes:
    """A key of this test's own."""
    return f"resp-test:{uuid4()}".encode()


async def test_every_kind_of_reply_arrives(pool: ValkeyPool) -> None:
    """Strings are bytes, OK or not; integers, nulls and nested arrays keep their shape."""
    script = b"return {1, 'a', {'b', false, {}}, redis.status_reply('OK'), redis.error_reply('MINE x')}"
    [[one, text, nested, ok, error]] = await pool.send([[b"EVAL", script, b"0"]])
    assert (one, text, nested, ok) == (1, b"a", [b"b", None, []], b"OK")
    assert isinstance(error, ReplyError)
    assert str(error) == "MINE x"


@pytest.mark.parametrize(
    "command",
    [
        [b"EVALSHA", b"0" * 40, b"0"],
        [b"LPUSH", b"KEY", b"x"],
        [b"INCR", b"KEY"],
        [b"GET"],
        [b"NOPE", b"a"],
        [b"EVAL", b"return redis.call('incr', KEYS[1])", b"1", b"KEY"],
        [b"EVAL", b"return nonsense", b"0"],
    ],
    ids=lambda command: b" ".join(command)[:20].decode(),
)
async def test_error_texts_are_the_servers_byte_for_byte(
    pool: ValkeyPool, key: bytes, command: Sequence[bytes]
) -> None:
    """The code in front stays, so that NOSCRIPT and WRONGTYPE can be told from one another."""
    words = [key if word == b"KEY" else word for word in command]
    [_, error] = await pool.send([[b"SET", key, b"text"], words])
    with embedded() as server:
        assert b"-" + str(error).encode() + b"\r\n" == wire(server.socket, words)


def wire(path: str, command: Sequence[bytes]) -> bytes:
    """Return the bytes that the server replies to one command."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as replies:
        connection.connect(path)
        words = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)
        connection.sendall(b"*%d\r\n%b" % (len(command), words))
        return replies.readline()


async def test_more_callers_than_connections_all_get_their_own_replies(pool: ValkeyPool, key: bytes) -> None:
    """Nobody is turned away, and no reply reaches another caller."""
    big = [[b"SET", key, b"x" * 100_000], [b"GET", key]]
    echoes = [pool.send([[b"ECHO", b"%d" % number]]) for number in range(60)]
    replies = await asyncio.gather(*echoes, *(pool.send(big) for _ in range(20)))
    assert replies == [[b"%d" % number] for number in range(60)] + [[b"OK", b"x" * 100_000]] * 20


async def test_nothing_to_send_is_nothing_to_reply(pool: ValkeyPool) -> None:
    """An empty batch needs no server."""
    assert await pool.send([]) == []
    assert await ValkeyPool("/nowhere").send([]) == []


async def test_a_caller_that_gives_up_leaves_no_reply_behind(free_valkey: Any) -> None:
    """The reply that a cancelled caller did not wait for never reaches the next one."""
    pool = ValkeyPool(free_valkey.socket, size=1)
    await pool.send([[b"SET", b"secret", b"for the first caller"]])
    free_valkey.pause()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.send([[b"GET", b"secret"]]), 0.05)
    free_valkey.resume()
    assert await pool.send([[b"PING"]]) == [b"PONG"]
    pool.close()


async def test_a_lost_server_is_an_oserror_and_its_successor_is_found(free_valkey: Any) -> None:
    """Gone between requests or in the middle of one: OSError; a new server is used without further ado."""
    pool = ValkeyPool(free_valkey.socket, size=1)
    assert await pool.send([[b"INCR", b"n"]]) == [1]
    free_valkey.pause()
    under_way = asyncio.ensure_future(pool.send([[b"INCR", b"n"]]))
    await asyncio.sleep(0)
    free_valkey.kill()
    with pytest.raises(ConnectionError):
        await under_way
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await pool.send([[b"INCR", b"n"]])
    free_valkey.restart()
    assert await pool.send([[b"INCR", b"n"]]) == [1]
    pool.close()


async def test_a_connection_lost_while_idle_is_replaced(free_valkey: Any) -> None:
    """A caller does not pay for a server that was replaced since the last request."""
    pool = ValkeyPool(free_valkey.socket, size=1)
    assert await pool.send([[b"PING"]]) == [b"PONG"]
    free_valkey.restart()
    assert await pool._idle[0]._incoming.read() == b""  # the loop has heard of it
    assert await pool.send([[b"PING"]]) == [b"PONG"]
    pool.close()
