"""The connection test: it passes where a cache is well, and says in one sentence what is wrong where it is not."""

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dousell_cache import CacheError, CacheUnavailable, Environment, check, connect
from dousell_cache.audit import Audit, Finding, Guarantee
from dousell_cache.check import STEPS, Check, Step, diagnosis, summary
from dousell_cache.local import Cloud
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import Place, async_transport, locate
from dousell_cache.transport.port import Argument, Reply

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
        "one payment at a time": "nobody can say whose the lock 'payment' is: "
        "the server answered with bytes where no server of its kind does",
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


def test_the_audit_is_of_the_same_server(place: Place) -> None:
    """Over every way the server that was tested is the one that is audited."""
    test = Check(place)
    found = test.audit()
    test.close()
    assert [finding.name for finding in found.findings] == ["server", "eviction", "persistence", "replicas", "clock"]
    assert found.findings[0].value.startswith("Valkey 9.")
    assert found.guarantee.locks.startswith("One server, no persistence: ")


def test_a_user_who_may_not_ask(free_valkey: "FreeValkey") -> None:
    """A user with the cache's rights alone passes every step, and the audit says what it could not ask."""
    with connect(free_valkey.url, patience=5) as admin:
        rights = ("+@all", "-@admin", "-@dangerous")
        run_blocking(admin._transport.send("ACL", "SETUSER", "app", "on", ">secret", "~*", *rights))
    test = Check(Place(tcp(free_valkey.url.replace("redis://", "redis://app:secret@"))))
    assert [step.passed for step in test.steps()] == [True] * STEPS
    unknown = [finding.name for finding in test.audit().findings if finding.value == "unknown"]
    test.close()
    assert unknown == ["server", "eviction", "persistence", "replicas"]


def test_the_audit_of_a_server_that_died(free_valkey: "FreeValkey") -> None:
    """A server that is gone by then tells nothing, which is no error."""
    test = Check(Place(tcp(free_valkey.url)))
    assert next(test.steps()).passed
    free_valkey.kill()
    assert test.audit().findings[-1].value == "TIME, INFO, CONFIG GET not answered"
    test.close()


@pytest.mark.usefixtures("impatient")
def test_the_audit_of_a_silent_server(free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs by then costs one patience for all that is asked."""
    test = Check(Place(tcp(free_valkey.url)))
    assert next(test.steps()).passed
    free_valkey.pause()
    send, granted = test._transport.send_within, list[float]()

    async def watched(seconds: float, *command: Argument) -> Reply:
        granted.append(seconds)
        return await send(seconds, *command)

    monkeypatch.setattr(test._transport, "send_within", watched)
    assert test.audit().findings[-1].value == "TIME, INFO, CONFIG GET not answered"
    free_valkey.resume()
    test.close()
    assert granted[0] > 0.1
    assert max(granted[1:]) < 0.1


def test_the_summary() -> None:
    """The JSON document has the schema's name and version, the place without credentials, every step, the audit."""
    environment = Environment("vercel", "rest", "https://h", "canary", "UPSTASH_REDIS_REST_URL", "Upstash (lan)")
    found = Audit((Finding("server", "Valkey 9.1", "ok", "tested"),), Guarantee("held", "gone"))
    document = summary(environment, [Step("connection", True, "1 ms", 1.5), Step("SET", False, "no", 0.25)], found)
    assert summary(environment, [], None)["audit"] is None
    assert json.loads(json.dumps(document)) == {
        "schema": "dousell-cache/check",
        "version": 1,
        "environment": {"name": "vercel", "kind": "rest", "address": "https://h", "emulated": "Upstash (lan)"},
        "steps": [
            {"name": "connection", "passed": True, "detail": "1 ms", "ms": 1.5},
            {"name": "SET", "passed": False, "detail": "no", "ms": 0.25},
        ],
        "passed": 1,
        "total": 7,
        "audit": {
            "findings": [{"name": "server", "value": "Valkey 9.1", "level": "ok", "meaning": "tested"}],
            "guarantee": {"locks": "held", "cache": "gone"},
        },
    }


def test_an_error_without_a_meaning_speaks_for_itself() -> None:
    """What no rule explains is shown as it is."""
    assert diagnosis(CacheUnavailable("something new"), tcp("redis://h")) == "something new"
