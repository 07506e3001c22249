"""Everything that can be wrong with the way to a cache, each with the sentence that the connection test owes for it."""

from collections.abc import Iterator

import pytest

from dousell_cache import Environment
from dousell_cache.environments import rest, tcp_url
from dousell_cache.errors import installing

from .servers import http_endpoint, listening, silence

Sentence = tuple[Environment, str]


def tcp(url: str) -> Environment:
    """Describe a server as REDIS_URL would."""
    return Environment("dedicated", "tcp", tcp_url(url, "REDIS_URL"), source="REDIS_URL")


def upstash(url: str, token: str | None = None) -> Environment:
    """Describe an endpoint as Upstash's variables would."""
    return rest(url, token or "a-token", source="UPSTASH_REDIS_REST_URL")


def nothing_listens(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A port that is closed."""
    yield (
        tcp("redis://127.0.0.1:1/0"),
        "nothing listens at redis://127.0.0.1:1/0: start the server or check REDIS_URL",
    )


def no_socket(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A unix socket that is not there."""
    yield (
        tcp("unix:///nowhere/valkey.sock"),
        "nothing listens at unix:///nowhere/valkey.sock: start the server or check REDIS_URL",
    )


def silent(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A server that accepts and says nothing."""
    request.getfixturevalue("impatient")
    with listening(silence) as server:
        yield (
            tcp(f"redis://:secret@{server.address}"),
            f"no answer from redis://***@{server.address} within 0.2 s: check REDIS_URL and the firewall",
        )


def no_such_host(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A name that does not resolve."""
    yield tcp("redis://no-such-host.invalid:6379"), "no such host: check REDIS_URL"


def wrong_password(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A real server, and a password that is not its own."""
    yield (
        tcp(f"redis://:wrong@{request.getfixturevalue('guarded')}"),
        "the server refuses the user or password in REDIS_URL",
    )


def no_password(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A real server that wants a password, and none."""
    yield (
        tcp(f"redis://{request.getfixturevalue('guarded')}"),
        "the server refuses the user or password in REDIS_URL",
    )


def unwanted_password(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A real server without a password, and one."""
    host = request.getfixturevalue("valkey_url").removeprefix("redis://")
    yield tcp(f"redis://:secret@{host}"), "the server refuses the user or password in REDIS_URL"


def no_such_database(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A database beyond the server's."""
    yield (
        tcp(request.getfixturevalue("valkey_url").replace("/0", "/999")),
        "there is no such database: check the number at the end of REDIS_URL",
    )


def tls_to_plain(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A server that answers a TLS hello in plain words."""
    with listening(lambda _: b"-ERR Protocol error\r\n") as server:
        yield (
            tcp(f"rediss://{server.address}"),
            f"TLS failed: rediss://{server.address} may not speak TLS; try redis:// in REDIS_URL",
        )


def tls_to_a_waiting_plain_port(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A server that waits for the end of what it takes for a line."""
    request.getfixturevalue("impatient")
    with listening(silence) as server:
        yield (
            tcp(f"rediss://{server.address}"),
            f"no answer from rediss://{server.address} within 0.2 s: check REDIS_URL, and whether that port speaks TLS",
        )


def plain_to_tls(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A server that speaks TLS alone."""
    address = request.getfixturevalue("tls_server")
    yield (
        tcp(f"redis://{address}"),
        f"redis://{address} hung up: it may want rediss:// or not be a Redis at all; check REDIS_URL",
    )


def untrusted_certificate(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A server whose certificate nobody signed."""
    yield (
        tcp(f"rediss://{request.getfixturevalue('tls_server')}"),
        "the server's TLS certificate is not trusted here: check the host name in REDIS_URL",
    )


def web_server(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A web server where a Redis should be."""
    with listening(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        yield (
            tcp(f"redis://{server.address}"),
            f"redis://{server.address} hung up: it may want rediss:// or not be a Redis at all; check REDIS_URL",
        )


def loading(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A server that has just been started."""
    with listening(lambda _: b"-LOADING Redis is loading the dataset in memory\r\n") as server:
        yield (
            tcp(f"redis://{server.address}"),
            "the server cannot serve: LOADING Redis is loading the dataset in memory",
        )


def by_hand(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """An address that no variable holds."""
    environment = Environment("local", "tcp", "redis://127.0.0.1:1", source="argument")
    yield environment, "nothing listens at redis://127.0.0.1:1: start the server or check the URL"


def no_cache_at_all(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """Degraded mode."""
    yield (
        Environment("local", "none", source="default"),
        f"there is no cache here: start a Valkey, set REDIS_URL, or {installing('lab')}",
    )


def wrong_token(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A real endpoint, and a token that is not its own."""
    yield (
        upstash(request.getfixturevalue("cloud").upstash_url, "wrong"),
        "the server refuses the token: check UPSTASH_REDIS_REST_TOKEN",
    )


def wrong_integration_token(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """The same, under the names of Vercel's integration."""
    yield (
        rest(request.getfixturevalue("cloud").upstash_url, "wrong", source="KV_REST_API_URL"),
        "the server refuses the token: check KV_REST_API_TOKEN",
    )


def no_endpoint(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A closed port where an endpoint should be."""
    yield (
        upstash("http://127.0.0.1:1"),
        "nothing listens at http://127.0.0.1:1: start the server or check UPSTASH_REDIS_REST_URL",
    )


def no_such_endpoint(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A database that was deleted: its name does not resolve any more."""
    yield upstash("https://eu1-gone-1.upstash.invalid"), "no such host: check UPSTASH_REDIS_REST_URL"


def silent_endpoint(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """An endpoint that accepts and says nothing."""
    request.getfixturevalue("impatient")
    with listening(silence) as server:
        yield (
            upstash(f"http://{server.address}"),
            f"no answer from http://{server.address} within 0.2 s: check UPSTASH_REDIS_REST_URL and the firewall",
        )


def page(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A page where an endpoint should be."""
    with http_endpoint(200, b"<html>It works!</html>", "text/html") as endpoint:
        sentence = f"what answers at {endpoint.url} is not an Upstash REST endpoint, or one that fails: check "
        yield upstash(endpoint.url), sentence + "UPSTASH_REDIS_REST_URL"


def https_to_http(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """An emulator addressed as if it were the service."""
    with http_endpoint(200, b"{}") as endpoint:
        url = endpoint.url.replace("http:", "https:")
        yield upstash(url), f"TLS failed: {url} may not speak TLS; try http:// in UPSTASH_REDIS_REST_URL"


def http_to_https(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """The service addressed as if it were an emulator."""
    url = f"http://{request.getfixturevalue('tls_server')}"
    yield (
        upstash(url),
        f"{url} hung up: it may want https:// or not be an Upstash endpoint at all; check UPSTASH_REDIS_REST_URL",
    )


def a_redis_not_an_endpoint(request: pytest.FixtureRequest) -> Iterator[Sentence]:
    """A Valkey where an endpoint should be."""
    url = request.getfixturevalue("valkey_url").replace("redis:", "http:").removesuffix("/0")
    yield (
        upstash(url),
        f"{url} hung up: it may want https:// or not be an Upstash endpoint at all; check UPSTASH_REDIS_REST_URL",
    )


def limit_reached(_: pytest.FixtureRequest) -> Iterator[Sentence]:
    """An account whose requests of the month are spent."""
    with http_endpoint(400, b'{"error": "ERR max requests limit exceeded. Limit: 500000"}') as endpoint:
        yield (
            upstash(endpoint.url),
            "the server cannot serve: ERR max requests limit exceeded. Limit: 500000",
        )


FAILURES = [
    nothing_listens,
    no_socket,
    silent,
    no_such_host,
    wrong_password,
    no_password,
    unwanted_password,
    no_such_database,
    tls_to_plain,
    tls_to_a_waiting_plain_port,
    plain_to_tls,
    untrusted_certificate,
    web_server,
    loading,
    by_hand,
    no_cache_at_all,
    wrong_token,
    wrong_integration_token,
    no_endpoint,
    no_such_endpoint,
    silent_endpoint,
    page,
    https_to_http,
    http_to_https,
    a_redis_not_an_endpoint,
    limit_reached,
]
