"""The fault proxies, seen with bare sockets: each fault is what its name says, and the server ran what it should."""

import gc
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis

from dousell_cache import ConfigurationError
from dousell_cache.testing.faults import FaultProxy, HttpFaultProxy
from dousell_cache.testing.framing import http_end, resp_end

from ..servers import http_endpoint


@pytest.fixture
def proxy(valkey_url: str) -> Iterator[FaultProxy]:
    """A proxy in front of the session's Valkey."""
    with FaultProxy(valkey_url) as opened:
        yield opened


@pytest.fixture
def behind(valkey_url: str) -> Iterator[Any]:
    """The server itself, past the proxy."""
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    """A bare connection to the proxy."""
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        yield connection


def incr(key: str) -> bytes:
    """Return a command whose effect can be seen."""
    return b"*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n" % (len(key), key.encode())


@pytest.fixture
def key(behind: Any) -> Iterator[str]:
    """A counter of this test's own."""
    name = f"fault-test:{uuid4()}"
    yield name
    behind.delete(name)


def test_commands_pass(proxy: FaultProxy, client: socket.socket, key: str) -> None:
    """Without a fault replies are the server's, several commands in a piece and a command in pieces included."""
    client.sendall(incr(key) * 3 + incr(key)[:9])
    client.sendall(incr(key)[9:])
    received = b""
    while len(received) < 16:
        received += client.recv(100)
    assert received == b":1\r\n:2\r\n:3\r\n:4\r\n"
    assert (proxy.commands, proxy.connections) == (4, 1)


@pytest.mark.parametrize("code", ["LOADING", "READONLY", "NOAUTH", "OOM", "MISCONF"])
def test_errors_for_the_next_commands(proxy: FaultProxy, client: socket.socket, key: str, code: str) -> None:
    """The server's own error for as many commands as were asked for; they do not reach the server."""
    proxy.inject(code, commands=2)
    for _ in range(2):
        client.sendall(incr(key))
        assert client.recv(100).startswith(f"-{code} ".encode())
    client.sendall(incr(key))
    assert client.recv(100) == b":1\r\n"


def test_garbage_and_a_stalled_handshake(proxy: FaultProxy, client: socket.socket, key: str) -> None:
    """Neither is an answer of the protocol."""
    proxy.inject("garbage")
    client.sendall(incr(key))
    assert client.recv(100)[:1] == b"\x00"
    proxy.inject("tls-stall")
    client.sendall(incr(key))
    assert client.recv(100)[:1] == b"\x16"
    assert proxy.tls_url == f"rediss://127.0.0.1:{proxy.port}/0"


@pytest.mark.parametrize("fault", ["silence", "lose-reply-and-stall"])
def test_silence_lasts(proxy: FaultProxy, client: socket.socket, behind: Any, key: str, fault: str) -> None:
    """A connection that fell silent stays so; a new one is served; only a lost reply means that the command ran."""
    proxy.inject(fault, commands=1)
    client.sendall(incr(key) * 2)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)
    with redis.Redis.from_url(proxy.url) as other:
        assert other.ping()
    assert int(behind.get(key) or 0) == (fault == "lose-reply-and-stall")


def test_reset(proxy: FaultProxy, client: socket.socket, behind: Any, key: str) -> None:
    """The connection is reset, not closed, and the server saw nothing."""
    proxy.inject("reset")
    client.sendall(incr(key))
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    assert behind.get(key) is None


def test_reset_in_mid_reply(proxy: FaultProxy, client: socket.socket, behind: Any, key: str) -> None:
    """The command ran; at most half of its reply came, and then a reset."""
    proxy.inject("reset-mid-reply")
    client.sendall(incr(key))
    received = list[bytes]()
    with pytest.raises(ConnectionResetError):
        received.extend(iter(lambda: client.recv(100), b""))
    assert b"".join(received) in (b"", b":1")
    assert behind.get(key) == b"1"


def test_a_lost_reply(proxy: FaultProxy, client: socket.socket, behind: Any, key: str) -> None:
    """The command ran, its reply never came, and the connection is closed."""
    proxy.inject("lose-reply-and-close", commands=1)
    client.sendall(incr(key))
    assert client.recv(100) == b""
    assert behind.get(key) == b"1"


@pytest.mark.parametrize("fault", ["drip", "delay"])
def test_slow(proxy: FaultProxy, client: socket.socket, key: str, fault: str) -> None:
    """The reply comes whole in the end, byte by byte or late."""
    proxy.inject(fault, seconds=0.02)
    client.sendall(incr(key))
    received = [client.recv(100)]
    while not received[-1].endswith(b"\n"):
        received.append(client.recv(100))
    assert b"".join(received) == b":1\r\n"


def test_refusal_and_healing(proxy: FaultProxy, client: socket.socket) -> None:
    """Nothing listens and open connections are reset; healed, it is there again on the same port."""
    url = proxy.url
    client.sendall(b"*1\r\n$4\r\nPING\r\n")
    assert client.recv(100) == b"+PONG\r\n"
    proxy.inject("refuse")
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), 10)
    proxy.heal()
    assert proxy.url == url
    with redis.Redis.from_url(url) as other:
        assert other.ping()


def test_who_comes_while_it_closes_is_let_go(valkey_url: str) -> None:
    """A connection accepted as the proxy closed, or began to refuse, is closed as well, and no socket stays."""
    for number in range(40):
        with FaultProxy(valkey_url) as proxy:
            comers = [socket.socket() for _ in range(3)]
            for comer in comers:
                comer.setblocking(False)
                comer.connect_ex(("127.0.0.1", proxy._port))
            if number % 2:
                proxy.inject("refuse")
        for comer in comers:
            comer.close()
    gc.collect()  # what was left behind would warn now, and a warning is an error


def test_messages_that_nobody_asked_for_pass(proxy: FaultProxy, behind: Any, key: str) -> None:
    """A subscription works through the proxy."""
    with redis.Redis.from_url(proxy.url) as through, through.pubsub() as listening:
        listening.subscribe(key)
        assert listening.get_message(timeout=10)["type"] == "subscribe"
        behind.publish(key, "x")
        assert listening.get_message(timeout=10)["data"] == b"x"


@pytest.mark.parametrize("answer", ["401", "429", "500"])
def test_http_answers(answer: str) -> None:
    """In front of an HTTP endpoint there are an HTTP endpoint's failures; healed, requests pass."""
    import httpx

    with http_endpoint(200, b'{"result": "PONG"}') as endpoint, HttpFaultProxy(endpoint.url) as proxy:
        proxy.inject(answer, commands=1)
        assert httpx.post(proxy.url, json=["PING"]).status_code == int(answer)
        assert endpoint.requests == []
        assert httpx.post(proxy.url, json=["PING"]).json() == {"result": "PONG"}
        assert (len(endpoint.requests), proxy.commands) == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"fault": "rain"}, "no fault 'rain'"),
        ({"fault": "refuse", "commands": 1}, "None for"),
        ({"fault": "401"}, "401"),
    ],
)
def test_what_makes_no_sense(proxy: FaultProxy, wrong: dict[str, Any], told: str) -> None:
    """Unknown faults, and counts of what cannot be counted, are refused; so is a target of another kind."""
    with pytest.raises(ConfigurationError, match=told):
        proxy.inject(**wrong)
    with pytest.raises(ConfigurationError, match="FaultProxy stands before redis:// or rediss://, not 'http'"):
        FaultProxy("http://127.0.0.1")


@pytest.mark.parametrize(
    "message",
    [b"+OK\r\n", b":1\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"$3\r\na\r\n\r\n", b"*0\r\n", b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n"],
)
def test_where_a_message_ends(message: bytes) -> None:
    """At its last byte, whatever follows; a part of it is not whole."""
    assert resp_end(message + b"+more") == len(message)
    assert [resp_end(message[:end]) for end in range(len(message))] == [0] * len(message)


def test_where_an_http_message_ends() -> None:
    """After as many bytes of body as its header says."""
    message = b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabc"
    assert http_end(message + b"POST") == len(message)
    assert {http_end(message[:end]) for end in range(len(message))} == {0}
