"""The connection test: it passes where a cache is well, and says in one sentence what is wrong where it is not."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dousell_cache import CacheError, CacheUnavailable, Environment, check, connect
from dousell_cache.check import STEPS, Check, Step, diagnosis, summary
from dousell_cache.environments import rest, tcp_url
from dousell_cache.local import Cloud
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import Place, async_transport, locate

from .servers import http_endpoint, listening, self_signed, silence

if TYPE_CHECKING:
    from .conftest import FreeValkey

NAMES = ["connection", "SET", "GET", "EXISTS", "DEL", "cache-aside", "one payment at a time"]


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon, where nobody will answer."""
    monkeypatch.setattr("dousell_cache.check.PATIENCE", 0.2)


def checked(place: Place) -> list[Step]:
    """Run the connection test to its end."""
    test = Check(place)
    try:
        return list(test.steps())
    finally:
        test.close()


def tcp(url: str) -> Environment:
    """Describe a server as REDIS_URL would."""
    return Environment("dedicated", "tcp", tcp_url(url, "REDIS_URL"), source="REDIS_URL")


def upstash(url: str, token: str | None = None) -> Environment:
    """Describe an endpoint as Upstash's variables would."""
    return rest(url, token or "a-token", source="UPSTASH_REDIS_REST_URL")


@pytest.fixture(params=["tcp", "rest", "embedded"])
def place(request: pytest.FixtureRequest) -> Place:
    """Every way to a cache that is well."""
    if request.param == "embedded":
        return locate("embedded")
    if request.param == "tcp":
        return Place(tcp(request.getfixturevalue("valkey_url")))
    cloud: Cloud = request.getfixturevalue("cloud")
    return Place(upstash(cloud.upstash_url, cloud.upstash_token))


def test_everything_passes_where_the_cache_is_well(place: Place) -> None:
    """Over every way all steps pass, in order, each with what was seen and how long it took."""
    steps = checked(place)
    assert [(step.name, step.passed) for step in steps] == [(name, True) for name in NAMES]
    assert len(steps) == STEPS
    assert all(step.detail and step.ms > 0 for step in steps)
    assert "times faster" in steps[5].detail


def test_it_leaves_nothing_behind(free_valkey: "FreeValkey") -> None:
    """Its keys are its own, and gone when it ends."""
    with connect(free_valkey.url) as other:
        other.set("hello", "mine", ttl=60)
        assert all(step.passed for step in checked(Place(tcp(free_valkey.url))))
        assert run_blocking(other._transport.send("DBSIZE")) == 1
        assert other.get("hello") == "mine"


Sentence = tuple[Environment, str]


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that speaks TLS, with a certificate that nobody trusts."""
    with listening(silence, certificate=self_signed(tmp_path / "server.pem")) as server:
        yield server.address


@pytest.fixture
def guarded(free_valkey: "FreeValkey") -> str:
    """The address of a real Valkey that asks for a password."""
    with connect(free_valkey.url) as admin:
        run_blocking(admin._transport.send("CONFIG", "SET", "requirepass", "right"))
    return free_valkey.url.removeprefix("redis://")


@pytest.fixture
async def unreachable(request: pytest.FixtureRequest) -> AsyncIterator[Sentence]:
    """An environment that cannot be reached, and what is to be said about it."""
    make: Callable[[pytest.FixtureRequest], Iterator[Sentence]] = request.param
    for sentence in make(request):
        yield sentence


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
        "there is no cache here: start a Valkey, set REDIS_URL, or install dousell-cache[lab]",
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


@pytest.mark.parametrize("unreachable", FAILURES, indirect=True, ids=lambda make: make.__name__)
async def test_each_failure_has_its_sentence(unreachable: Sentence) -> None:
    """What is wrong and which setting to look at, in one sentence, over both faces; nothing more is tried."""
    environment, sentence = unreachable
    (step,) = checked(Place(environment))
    assert (step.name, step.passed, step.detail) == ("connection", False, sentence)
    transport = async_transport(environment, check.PATIENCE)
    with pytest.raises(CacheError) as caught:
        await transport.send("PING")
    assert diagnosis(caught.value, environment) == sentence
    closing = transport.close()
    if inspect.isawaitable(closing):
        await closing


def test_a_server_that_answers_wrongly() -> None:
    """A server that says OK to everything is reached, and each step that saw something else than a cache says what."""
    with listening(lambda _: b"+OK\r\n") as server:
        steps = checked(Place(tcp(f"redis://{server.address}")))
    assert [step.name for step in steps] == NAMES
    assert {step.name: step.detail for step in steps if not step.passed} == {
        "GET": "GET answered b'OK' where b'Dakar' was expected",
        "EXISTS": "EXISTS answered b'OK' where 1 was expected",
        "DEL": "DEL answered b'OK' where 1 was expected",
        "cache-aside": "expected one miss and one hit, saw 2 and 0",
        "one payment at a time": "two payments asked for one slot and 2 got it",
    }


def test_a_user_who_may_not_write(free_valkey: "FreeValkey") -> None:
    """A server that answers and refuses to store: the connection passes, the step that cannot go on is the last."""
    with connect(free_valkey.url) as admin:
        run_blocking(admin._transport.send("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get", "+ping"))
    first, second = checked(Place(tcp(free_valkey.url.replace("redis://", "redis://reader:secret@"))))
    assert (first.name, first.passed, second.name, second.passed) == ("connection", True, "SET", False)
    assert second.detail.startswith("the server cannot serve: NOPERM ")


def test_a_server_that_dies_on_the_way(free_valkey: "FreeValkey") -> None:
    """What passed has passed; the step that found nobody is the last, and says so."""
    test = Check(Place(tcp(free_valkey.url)))
    steps = test.steps()
    assert [next(steps).passed for _ in range(3)] == [True, True, True]
    free_valkey.kill()
    (last,) = list(steps)
    assert (last.name, last.passed) == ("EXISTS", False)
    assert "REDIS_URL" in last.detail
    test.close()


def test_the_summary() -> None:
    """The JSON document has the schema's name and version, the place without credentials, and every step."""
    environment = Environment("vercel", "rest", "https://h", "canary", "UPSTASH_REDIS_REST_URL", "Upstash (lan)")
    document = summary(environment, [Step("connection", True, "1 ms", 1.5), Step("SET", False, "no", 0.25)])
    assert document == {
        "schema": "dousell-cache/check",
        "version": 1,
        "environment": {"name": "vercel", "kind": "rest", "address": "https://h", "emulated": "Upstash (lan)"},
        "steps": [
            {"name": "connection", "passed": True, "detail": "1 ms", "ms": 1.5},
            {"name": "SET", "passed": False, "detail": "no", "ms": 0.25},
        ],
        "passed": 1,
        "total": 7,
    }


def test_an_error_without_a_meaning_speaks_for_itself() -> None:
    """What no rule explains is shown as it is."""
    assert diagnosis(CacheUnavailable("something new"), tcp("redis://h")) == "something new"
