"""The Upstash emulator's protocol, byte by byte, asked with a plain HTTP client."""

import base64
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from dousell_cache.local import Cloud

UNAUTHORIZED = (
    "WRONGPASS invalid or missing auth token. "
    "See https://docs.upstash.com/redis/troubleshooting/http_unauthorized for details."
)
TOKEN = "TOKEN"  # stands for the right one in parameters


@pytest.fixture(scope="module")
def http(cloud: Cloud) -> Iterator[httpx.Client]:
    """A client of the emulator that shows the right token."""
    headers = {"Authorization": f"Bearer {cloud.upstash_token}"}
    with httpx.Client(base_url=cloud.upstash_url, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
def valkey(cloud: Cloud) -> Iterator[Any]:
    """The Valkey behind it, to see what the emulator has done."""
    with redis.Redis.from_url(cloud.valkey_url) as client:
        yield client


@pytest.fixture
def key() -> str:
    """A key of this test's own."""
    return f"upstash-test:{uuid4()}"


def test_health_needs_no_token(cloud: Cloud) -> None:
    """Whoever starts the emulator can wait for it without knowing its secret."""
    assert httpx.get(f"{cloud.upstash_url}/health").json() == {"ready": True}


def test_one_command_may_come_in_every_documented_form(http: httpx.Client, valkey: Any, key: str) -> None:
    """Body, path, path with body and query, PUT: all are the same SET."""
    forms = [
        ("POST", "/", b'["SET", "%s", "1", "EX", 100]' % key.encode()),
        ("GET", f"/set/{key}/2/EX/100", b""),
        ("POST", f"/set/{key}?EX=100", b"3"),
        ("PUT", f"/SET/{key}/?ex=100&XX", b'{"four": "4/4?"}'),
        ("GET", f"/set/{key}/a%20b%2Fc?EX=100", b""),
    ]
    values = []
    for method, path, body in forms:
        assert http.request(method, path, content=body).json() == {"result": "OK"}
        values.append(valkey.get(key))
        assert valkey.ttl(key) == 100
    assert values == [b"1", b"2", b"3", b'{"four": "4/4?"}', b"a b/c"]


@pytest.mark.parametrize(
    ("query", "header"),
    [("", f"Bearer {TOKEN}"), ("", f"bearer {TOKEN}"), ("", TOKEN), (TOKEN, ""), (TOKEN, "Bearer wrong")],
)
def test_the_token_may_come_in_every_documented_form(cloud: Cloud, query: str, header: str) -> None:
    """A header with or without Bearer, or the query parameter, which wins and is no argument of the command."""
    query, header = (text.replace(TOKEN, cloud.upstash_token) for text in (query, header))
    params = {"_token": query} if query else {}
    response = httpx.get(f"{cloud.upstash_url}/echo/hello", params=params, headers={"Authorization": header})
    assert (response.status_code, response.json()) == (200, {"result": "hello"})


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", '["SET", "KEY", "stolen"]'),
        ("/pipeline", '[["SET", "KEY", "stolen"]]'),
        ("/multi-exec", '[["SET", "KEY", "stolen"]]'),
        ("/set/KEY/stolen", ""),
        ("/set/KEY", "stolen"),
    ],
)
def test_without_the_token_nothing_is_run(
    cloud: Cloud, valkey: Any, key: str, path: str, body: str, header: str | None
) -> None:
    """Every endpoint refuses with the service's body, and no write has happened."""
    headers = {} if header is None else {"Authorization": header.replace(TOKEN, cloud.upstash_token)}
    url = cloud.upstash_url + path.replace("KEY", key)
    response = httpx.post(url, content=body.replace("KEY", key), headers=headers)
    assert (response.status_code, response.json()) == (401, {"error": UNAUTHORIZED})
    assert valkey.exists(key) == 0


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE"])
def test_other_methods_are_not_allowed(http: httpx.Client, method: str) -> None:
    """405, with an empty body."""
    response = http.request(method, "/ping")
    assert (response.status_code, response.content) == (405, b"")


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/", b"", "EOF"),
        ("/", b'["GET", "a"', "unexpected EOF"),
        ("/", b"GET a", "invalid character 'G' looking for beginning of value"),
        ("/", b'{"command": "GET"}', "expected JSON array"),
        ("/", b"[]", "ERR empty command"),
        ("/", b'["SET", "a", null]', "ERR null args are not supported"),
        ("/", b'["SET", "a", {"b": 1}]', 'ERR unsupported arg type: "{": json.Delim'),
        ("/", b'[["SET", "a", "b"]]', 'ERR unsupported arg type: "[": json.Delim'),
        ("/pipeline", b"", "EOF"),
        ("/pipeline", b"[]", "ERR empty pipeline request"),
        ("/pipeline", b'["PING"]', "expected JSON array"),
        ("/pipeline", b'[["PING"], []]', "ERR empty command"),
        ("/multi-exec", b"[[null]]", "ERR null args are not supported"),
        ("/multi-exec", b"{", "unexpected EOF"),
    ],
)
def test_what_is_no_command_is_refused_in_the_service_words(
    http: httpx.Client, path: str, body: bytes, error: str
) -> None:
    """400 and one error, whatever the endpoint."""
    response = http.post(path, content=body)
    assert (response.status_code, response.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["EVALSHA", "0" * 40, "0"], "NOSCRIPT No matching script."),
        (["LPUSH", "KEY", "x"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (["GET"], "ERR wrong number of arguments for 'get' command"),
        (["EVAL", "return redis.error_reply('MINE a fault')", "0"], "MINE a fault"),
        (["MULTI"], 'ERR Command "MULTI" is not allowed in REST or it has a special context path'),
        (
            ["NOPE"],
            "ERR Command is not available: 'NOPE'. See https://upstash.com/docs/redis/overall/rediscompatibility",
        ),
    ],
    ids=lambda value: value[0],
)
def test_a_failed_command_is_one_error(
    http: httpx.Client, valkey: Any, key: str, command: list[str], error: str
) -> None:
    """Alone it is a 400; in a pipeline it is an error in its place and the others are run."""
    valkey.set(key, 0)
    words = [key if word == "KEY" else word for word in command]
    response = http.post("/", json=words)
    assert response.status_code == 400
    assert response.json()["error"].startswith(error)
    response = http.post("/pipeline", json=[["INCR", key], words, ["INCR", key]])
    assert response.status_code == 200
    assert [*map(list, response.json())] == [["result"], ["error"], ["result"]]
    assert response.json()[1]["error"].startswith(error)
    assert valkey.get(key) == b"2"


NESTED = """
    return {1, 'a', {'b', false, {}}, redis.status_reply('OK'), 'OK', redis.status_reply('GO'),
        redis.error_reply('X y')}
"""


def test_base64_encodes_every_string_but_ok(http: httpx.Client) -> None:
    """Integers, nulls and the shape of arrays stay; plain JSON comes without the header."""
    plain = http.post("/", json=["EVAL", NESTED, "0"]).json()
    assert plain == {"result": [1, "a", ["b", None, []], "OK", "OK", "GO", "X y"]}
    encoded = http.post("/", json=["EVAL", NESTED, "0"], headers={"Upstash-Encoding": "base64"}).json()
    assert encoded == {"result": [1, "YQ==", ["Yg==", None, []], "OK", "OK", "R08=", "WCB5"]}


def test_bytes_that_are_not_utf8_survive_only_as_base64(http: httpx.Client, key: str) -> None:
    """In plain JSON each of them becomes U+FFFD, as documented."""
    raw = bytes(range(256))
    http.post(f"/set/{key}", content=raw)
    assert http.get(f"/get/{key}").json()["result"] == raw.decode(errors="replace")
    encoded = http.get(f"/get/{key}", headers={"Upstash-Encoding": "base64"}).json()["result"]
    assert base64.b64decode(encoded) == raw


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("1", b"1"),
        ("1.10", b"1.10"),
        ("-0.5e3", b"-0.5e3"),
        ("123456789012345678901234567890", b"123456789012345678901234567890"),
        ("true", b"true"),
        ("false", b"false"),
        ('""', b""),
        (r'"\u00e9\ud83d\ude00\n\u0000"', "é😀\n\0".encode()),
        (r'"\ud83d"', b"?"),
    ],
)
def test_arguments_arrive_as_they_were_written(
    http: httpx.Client, valkey: Any, key: str, sent: str, stored: bytes
) -> None:
    """Numbers keep their digits, booleans become words."""
    assert http.post("/", content=f'["SET", "{key}", {sent}]').json() == {"result": "OK"}
    assert valkey.get(key) == stored


def test_a_transaction_is_one_multi_exec(http: httpx.Client, valkey: Any, key: str) -> None:
    """Commands that fail while they run do not stop the others, and all of it is one EXEC on the server."""
    before = valkey.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]
    batch = [["SET", key, "x"], ["INCR", key], ["APPEND", key, "y"], ["GET", key]]
    response = http.post("/multi-exec", json=batch)
    error = {"error": "ERR value is not an integer or out of range"}
    assert response.status_code == 200
    assert response.json() == [{"result": "OK"}, error, {"result": 2}, {"result": "xy"}]
    assert valkey.info("commandstats")["cmdstat_exec"]["calls"] == before + 1


@pytest.mark.parametrize(
    ("culprit", "error"),
    [
        (["GET"], "ERR wrong number of arguments for 'get' command"),
        (["NOPE"], "ERR Command is not available: 'NOPE'. "),
        (["DISCARD"], 'ERR Command "DISCARD" is not allowed in REST'),
    ],
)
def test_a_transaction_with_a_bad_command_is_discarded(
    http: httpx.Client, valkey: Any, key: str, culprit: list[str], error: str
) -> None:
    """One error for the whole, nothing is run, and the connection is not left inside the transaction."""
    response = http.post("/multi-exec", json=[["SET", key, "x"], culprit, ["SET", key, "y"]])
    assert response.status_code == 400
    assert response.json()["error"].startswith(error)
    assert valkey.exists(key) == 0
    assert http.post("/", json=["PING"]).json() == {"result": "PONG"}


def test_sync_tokens_are_given_and_taken(http: httpx.Client) -> None:
    """Each answer carries a new one, and a client may send the last one back."""
    first = http.post("/", json=["PING"])
    second = http.post("/", json=["PING"], headers={"Upstash-Sync-Token": first.headers["Upstash-Sync-Token"]})
    assert second.json() == {"result": "PONG"}
    assert second.headers["Upstash-Sync-Token"] not in ("", first.headers["Upstash-Sync-Token"])


def test_the_binary_response_format_is_refused_aloud(http: httpx.Client) -> None:
    """A caller who asks for RESP2 is not handed JSON."""
    response = http.post("/", json=["PING"], headers={"Upstash-Response-Format": "resp2"})
    assert response.status_code == 400
    assert "Upstash-Response-Format" in response.json()["error"]
