"""The connection test: it passes where a cache is well, and says in one sentence what is wrong where it is not."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dousell_cache import CacheError, CacheUnavailable, Environment, check, connect
from dousell_cache.check import STEPS, Check, Step, diagnosis, summary
from dousell_cache.local import Cloud
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import Place, async_transport, locate

from .failures import FAILURES, Sentence, tcp, upstash
from .servers import listening, self_signed, silence

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
    with connect(free_valkey.url, patience=5) as other:
        other.set("hello", "mine", ttl=60)
        assert all(step.passed for step in checked(Place(tcp(free_valkey.url))))
        assert run_blocking(other._transport.send("DBSIZE")) == 1
        assert other.get("hello") == "mine"


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that speaks TLS, with a certificate that nobody trusts."""
    with listening(silence, certificate=self_signed(tmp_path / "server.pem")) as server:
        yield server.address


@pytest.fixture
def guarded(free_valkey: "FreeValkey") -> str:
    """The address of a real Valkey that asks for a password."""
    with connect(free_valkey.url, patience=5) as admin:
        run_blocking(admin._transport.send("CONFIG", "SET", "requirepass", "right"))
    return free_valkey.url.removeprefix("redis://")


@pytest.fixture
async def unreachable(request: pytest.FixtureRequest) -> AsyncIterator[Sentence]:
    """An environment that cannot be reached, and what is to be said about it."""
    make: Callable[[pytest.FixtureRequest], Iterator[Sentence]] = request.param
    for sentence in make(request):
        yield sentence


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
        "cache-aside": "expected one miss and one hit, saw 0 and 0",
        "one payment at a time": "two payments asked for one slot and 2 got it",
    }


def test_a_user_who_may_not_write(free_valkey: "FreeValkey") -> None:
    """A server that answers and refuses to store: the connection passes, the step that cannot go on is the last."""
    with connect(free_valkey.url, patience=5) as admin:
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
