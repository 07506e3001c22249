"""REST by upstash-redis: the same replies as TCP, one request a command, and one sentence for what is no Upstash."""

import asyncio
import gc
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dousell_cache import CacheError, CacheUnavailable
from dousell_cache.environments import detect, rest
from dousell_cache.errors import CommandRefused
from dousell_cache.local import Cloud
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import async_transport, blocking_transport
from dousell_cache.transport.rest import AsyncRest, BlockingRest
from dousell_cache.transport.tcp import AsyncTcp

from .servers import http_endpoint, listening, self_signed, silence
from .transports import close, opening

Transport = BlockingRest | AsyncRest
Open = Callable[..., Transport]

TOKEN = "token-of-the-test"

pytestmark = pytest.mark.timeout(30)  # what hangs has no patience: the test fails instead of waiting for the default


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


@pytest.fixture(params=[BlockingRest, AsyncRest], ids=["blocking", "asyncio"])
async def open_rest(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Build transports of one face, closed at the end."""
    async with opening(lambda url, token=TOKEN, patience=5: request.param(url, token, patience=patience)) as open_:
        yield open_


def conversation(a: str, b: str, n: str) -> list[tuple[Any, ...]]:
    """Return commands whose replies have every shape there is, over three keys of one's own."""
    return [
        ("PING",),
        ("GET", a),
        ("SET", a, "x", "PX", 60_000),
        ("SET", a, "y", "NX", "PX", 60_000),
        ("SET", a, "z", "XX", "GET", "PX", 60_000),
        ("SET", a, '{"value": "été 🏠"}'.encode(), "PX", 60_000),
        ("GET", a),
        ("SET", b, 1.5, "PX", 60_000),
        ("EXISTS", a, b, n),
        ("MGET", a, b, n),
        ("INCR", n),
        ("PEXPIRE", n, 60_000),
        ("EVAL", "return {1, 'text', false, {redis.call('INCR', KEYS[1]), {}}}", 1, n),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, f"{n}absent"),
        ("EVAL", "return {ok = 'STATUS'}", 0),
        ("SCRIPT", "EXISTS", "f" * 40),
        ("HGETALL", f"{n}absent"),
        ("TTL", f"{n}absent"),
        ("LPUSH", n, "x"),
        ("GET", a, b),
        ("INCR", b),
        ("EVALSHA", "f" * 40, 0),
        ("EVAL", "return {err = 'CUSTOM went wrong'}", 0),
        ("SET", a, "OK", "PX", 60_000),
        ("GET", a),
        ("DEL", a, b, n),
        ("DEL", a),
    ]


async def answers(transport: Any, prefix: str) -> list[object]:
    """Hold the conversation and return each reply with its types, or what there is to know about its error."""
    seen: list[object] = []
    for command in conversation(f"{prefix}a", f"{prefix}b", f"{prefix}n"):
        try:
            reply = await transport.send(*command)
        except CacheError as error:
            seen.append((command[0], type(error), getattr(error, "code", None), str(error)))
        else:
            seen.append((command[0], reply, types(reply)))
    return seen


def types(reply: object) -> object:
    """Return the types in a reply."""
    return [types(part) for part in reply] if isinstance(reply, list) else type(reply)


async def test_replies_are_those_of_tcp(open_rest: Open, cloud: Cloud) -> None:
    """On the same Valkey, each reply over HTTP equals the reply over TCP: value, types, error code and message."""
    over_tcp = AsyncTcp(cloud.valkey_url, patience=5)
    seen = await answers(open_rest(cloud.upstash_url, cloud.upstash_token), f"test-{uuid4().hex}:")
    wanted = await answers(over_tcp, f"test-{uuid4().hex}:")
    await over_tcp.close()
    assert seen == wanted
    codes = {answer[2] for answer in wanted if isinstance(answer, tuple) and len(answer) == 4}
    assert codes == {"ERR", "WRONGTYPE", "NOSCRIPT", "CUSTOM"}


@pytest.mark.parametrize("stored", [b"\xff\xfe", b'{"value": "\xff"}'])
async def test_bytes_that_are_no_text_are_still_a_reply(open_rest: Open, cloud: Cloud, stored: bytes) -> None:
    """What is not UTF-8 cannot come over HTTP as it is, but it comes, and is not taken for a failing endpoint."""
    key, over_tcp = f"test-{uuid4().hex}", AsyncTcp(cloud.valkey_url, patience=5)
    await over_tcp.send("SET", key, stored, "PX", 60_000)
    await over_tcp.close()
    reply = await open_rest(cloud.upstash_url, cloud.upstash_token).send("GET", key)
    assert isinstance(reply, bytes)
    assert reply.decode() == stored.decode(errors="replace")


async def test_a_wrong_token(open_rest: Open, cloud: Cloud) -> None:
    """A refused token is unavailable, said in the endpoint's words."""
    with pytest.raises(CacheUnavailable, match=r"^the server cannot serve: WRONGPASS invalid or missing auth"):
        await open_rest(cloud.upstash_url, "another-token").send("PING")


WAYS: dict[str, Callable[[str], Any]] = {
    "blocking by hand": lambda url: BlockingRest(url, TOKEN, patience=0.2),
    "asyncio by hand": lambda url: AsyncRest(url, TOKEN, patience=0.2),
    "blocking from a pair": lambda url: blocking_transport(rest(url, TOKEN), 0.2),
    "asyncio from a pair": lambda url: async_transport(rest(url, TOKEN), 0.2),
    "blocking from variables": lambda url: blocking_transport(detect(variables(url)), 0.2),
    "asyncio from variables": lambda url: async_transport(detect(variables(url)), 0.2),
}


def variables(url: str) -> dict[str, str]:
    """Return the variables that lead to an endpoint."""
    return {"VERCEL": "1", "KV_REST_API_URL": url, "KV_REST_API_TOKEN": TOKEN}


@pytest.mark.parametrize("way", WAYS)
async def test_a_silent_endpoint_is_given_up_once(way: str) -> None:
    """However it was built: one connection, one request, no response, and it is over, with nothing tried again."""
    with listening(silence) as server:
        transport = WAYS[way](f"http://{server.address}")
        with pytest.raises(CacheUnavailable, match=r"^no answer from the endpoint within 0.2 s$"):
            await transport.send("INCR", "visits")
        await close(transport)
    assert server.connections == 1
    assert b"".join(server.received).count(b"POST / HTTP/1.1") == 1


DRIPS = {
    "in the header": b"HTTP/1.1 200 OK\r\nX-Filler: ",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
}


@pytest.mark.parametrize("begun", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_dripping_endpoint_is_given_up_in_time(way: str, begun: bytes) -> None:
    """A response that comes byte by byte, each in time, without end: the call is over after patience all the same."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(begun)
                while not gone.wait(0.01):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        transport = WAYS[way](f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(CacheUnavailable, match=r"^no answer from the endpoint within 0.2 s$"):
            await transport.send("GET", "a")
        await close(transport)
        gone.set()
        dripping.join()


async def test_a_tls_handshake_is_given_up_in_time(open_rest: Open) -> None:
    """An endpoint that begins a handshake and stalls is unavailable."""
    in_time = pytest.raises(CacheUnavailable, match=r"^no answer from the endpoint within 0.2 s$")
    with listening(lambda _: b"\x16\x03\x03\x00\x7a\x02") as server, in_time:
        await open_rest(f"https://{server.address}", patience=0.2).send("GET", "a")


async def test_certificates_are_read_once(open_rest: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second client does not read the machine's certificates again: that takes 50 ms of processor time."""
    open_rest("https://127.0.0.1:1")
    monkeypatch.setattr("httpx.create_ssl_context", None)
    open_rest("https://127.0.0.1:1")


@pytest.mark.parametrize("content", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", b"+PONG\r\n", b"\x15\x03"])
async def test_half_a_response_is_no_answer(open_rest: Open, content: bytes) -> None:
    """An endpoint that hangs up before or within its response, or speaks no HTTP, is unavailable after one request."""
    with listening(lambda _: content, then_hang_up=True) as server, pytest.raises(CacheUnavailable, match="no answer"):
        await open_rest(f"http://{server.address}").send("INCR", "visits")
    assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, b"<html><body>It works!</body></html>", "text/html"),
        (200, b"", "application/json"),
        (204, b"", "application/json"),
        (302, b"", "text/html"),
        (404, b'{"error": {"code": "404", "message": "NOT_FOUND"}}', "application/json"),
        (500, b"Internal Server Error", "text/plain"),
        (502, b"<html>502 Bad Gateway</html>", "text/html"),
        (401, b"<html>401</html>", "text/html"),
        (200, b"null", "application/json"),
        (200, b"[]", "application/json"),
        (200, b"7", "application/json"),
        (200, b'"OK"', "application/json"),
        (200, b"{}", "application/json"),
        (200, b'{"result": {"a": 1}}', "application/json"),
        (200, b'{"result": true}', "application/json"),
        (200, b'{"result": 1.5}', "application/json"),
        (200, b'{"result": [1, {}]}', "application/json"),
        (200, b'{"result": ', "application/json"),
        (200, b"\xff\xfe\x00", "application/json"),
        (200, b"[" * 100_000, "application/json"),
    ],
)
async def test_what_is_no_upstash_is_said_so(open_rest: Open, status: int, body: bytes, content_type: str) -> None:
    """A page, an error of another program or a broken document: one sentence, and the command was sent once."""
    with http_endpoint(status, body, content_type) as endpoint, pytest.raises(CacheUnavailable) as unavailable:
        await open_rest(endpoint.url).send("INCR", "visits")
    assert str(unavailable.value).startswith("what answered is not an Upstash REST endpoint")
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, "Unauthorized", CacheUnavailable),
        (401, "WRONGPASS invalid or missing auth token", CacheUnavailable),
        (400, "ERR max daily request limit exceeded. Limit: 10000, Usage: 10001.", CacheUnavailable),
        (400, "ERR max requests limit exceeded. Limit: 500000, Usage: 500000.", CacheUnavailable),
        (400, "ERR DB capacity quota exceeded", CacheUnavailable),
        (503, "MASTERDOWN the database behind this endpoint is not reachable", CacheUnavailable),
        (500, "LOADING the dataset in memory", CacheUnavailable),
        (403, "Forbidden", CacheUnavailable),
        (429, "Too Many Requests", CacheUnavailable),
        (500, "Internal Server Error", CacheUnavailable),
        (400, "ERR max single record size exceeded", CommandRefused),
        (400, "WRONGTYPE Operation against a key holding the wrong kind of value", CommandRefused),
    ],
)
async def test_the_endpoints_own_errors(open_rest: Open, status: int, error: str, kind: type[CacheError]) -> None:
    """About the account or the database: unavailable; about this command: refused; in both cases in its own words."""
    body = json.dumps({"error": error}).encode()
    with http_endpoint(status, body) as endpoint, pytest.raises(kind) as caught:
        await open_rest(endpoint.url).send("SET", "a", "b")
    assert type(caught.value) is kind
    assert error in str(caught.value)
    assert len(endpoint.requests) == 1, "nothing is sent twice, least of all a write"


async def test_what_is_sent(open_rest: Open) -> None:
    """A command is one JSON array with its bearer token, and nothing about the machine that sent it."""
    seen: list[tuple[Mapping[str, str], bytes]] = []

    def answer(headers: Mapping[str, str], body: bytes) -> bytes:
        seen.append(({name.lower(): value for name, value in headers.items()}, body))
        return b'{"result": "OK"}'

    with http_endpoint(200, answer) as endpoint:
        assert await open_rest(endpoint.url).send("SET", "clé", "été".encode(), "PX", 1000) == b"OK"
    ((headers, body),) = seen
    assert json.loads(body) == ["SET", "clé", "été", "PX", 1000]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert not [name for name in headers if "telemetry" in name]


async def test_a_closed_client_sends_nothing(open_rest: Open) -> None:
    """After close a command is unavailable, in our own words and not in those of the HTTP library."""
    with http_endpoint(200, b'{"result": "OK"}') as endpoint:
        transport = open_rest(endpoint.url)
        await close(transport)
        with pytest.raises(CacheUnavailable, match=r"^the client cannot send: "):
            await transport.send("PING")
    assert endpoint.requests == []


async def test_nothing_listens(open_rest: Open) -> None:
    """A refused connection is unavailable, and known for what it is, also behind a name with several addresses."""
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(CacheUnavailable, match=r"^no answer from the endpoint: ConnectError") as unavailable:
            await open_rest(f"http://{host}:1").send("PING")
        assert unavailable.value.refused_connection


async def test_no_such_host(open_rest: Open) -> None:
    """A name that does not resolve is unavailable, and no patience would change that."""
    with pytest.raises(CacheUnavailable, match=r"^no answer from the endpoint: ConnectError") as unavailable:
        await open_rest("https://no-such-host.invalid").send("PING")
    assert unavailable.value.refused_connection


async def test_tls_to_a_plain_port(open_rest: Open) -> None:
    """An https address of a server that speaks plain HTTP is unavailable, and nothing was said to it in clear."""
    with http_endpoint(200, b'{"result": "OK"}') as endpoint:
        with pytest.raises(CacheUnavailable, match="SSL"):
            await open_rest(endpoint.url.replace("http:", "https:")).send("PING")
        assert endpoint.requests == []


async def test_a_redirect_is_not_followed(open_rest: Open) -> None:
    """The token goes to the address that was configured and nowhere else."""
    with http_endpoint(200, b'{"result": "OK"}') as elsewhere:
        with http_endpoint(307, b"", location=elsewhere.url) as endpoint, pytest.raises(CacheUnavailable):
            await open_rest(endpoint.url).send("PING")
        assert (len(endpoint.requests), len(elsewhere.requests)) == (1, 0)


async def test_one_client_serves_many_tasks(cloud: Cloud) -> None:
    """Requests at once do not mix up their replies."""
    transport = AsyncRest(cloud.upstash_url, cloud.upstash_token, patience=20)
    texts = [f"text {number}" for number in range(60)]
    replies = await asyncio.gather(*(transport.send("ECHO", text) for text in texts))
    assert replies == [text.encode() for text in texts]
    await transport.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_speaks_over_connections_of_its_own(cloud: Cloud) -> None:
    """In a child the client is another, and the parent goes on with its own: neither gets the other's replies."""
    names = [f"test-{uuid4().hex}" for _ in range(2)]
    transport = BlockingRest(cloud.upstash_url, cloud.upstash_token, patience=5)
    for name in names:
        assert run_blocking(transport.send("SET", name, name, "PX", 60_000)) == b"OK"
    inherited = transport._http._client
    child = os.fork()
    if child == 0:
        own = transport._http._client is not inherited
        answers = {run_blocking(transport.send("GET", names[0])) for _ in range(20)}
        os._exit(0 if own and answers == {names[0].encode()} else 1)
    assert {run_blocking(transport.send("GET", names[1])) for _ in range(20)} == {names[1].encode()}
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert transport._http._client is inherited
    transport.close()


def test_a_child_closes_nothing_of_its_parents() -> None:
    """Collected or closed in a child, a transport leaves the connection open that its parent goes on using."""
    with http_endpoint(200, b'{"result": "PONG"}') as endpoint:
        transport = BlockingRest(endpoint.url, TOKEN, patience=5)
        for _ in range(2):
            assert run_blocking(transport.send("PING")) == b"PONG"
            if (child := os.fork()) == 0:
                transport.close()
                del transport
                gc.collect()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert run_blocking(transport.send("PING")) == b"PONG"
        transport.close()
