"""A canary in every credential: whatever goes wrong, it is sung to the server and nowhere else."""

import asyncio
import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import AsyncCache, Cache, Environment, connect, connect_async, detect
from dousell_cache.cli import main
from dousell_cache.errors import CacheUnavailable, CommandRefused
from dousell_cache.local import Cloud
from dousell_cache.runner import run_blocking
from dousell_cache.transport.redaction import Redaction, chain
from dousell_cache.transport.tcp import BlockingTcp

from .servers import http_endpoint, listening, self_signed, silence

if TYPE_CHECKING:
    from .conftest import FreeValkey

CANARY = "canary-p@ss/w%rd"
QUOTED = "canary-p%40ss%2Fw%25rd"
TOKEN = "canary-t0ken=="

Told = list[str]


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Told]:
    """Everything that is said during a test, by every library's logger too; at its end, no canary may be in it."""
    told: Told = []
    caplog.set_level(logging.DEBUG)
    yield told
    told += [caplog.text, *(f"{record.__dict__}" for record in caplog.records)]
    assert len(told) > 2, "nothing was listened to"
    assert not [text for text in told if "canary" in text or "t0ken" in text]


def note(told: Told, call: Callable[[], object]) -> None:
    """Make a call and write down what it returns or raises, as a traceback shows it."""
    try:
        told.append(f"{call()!r}")
    except Exception as error:  # noqa: BLE001 - any exception may sing
        told += [f"{error!r} {error}", "".join(traceback.format_exception(error)), f"{error.args!r}"]


def use(cache: Cache, told: Told) -> None:
    """Do everything a cache can do, and write down what it says."""
    cache.subscribe(lambda event: told.append(repr(event)))
    for call in (
        cache.ping,
        lambda: cache.get("a"),
        lambda: cache.set("a", 1, ttl=60),
        lambda: cache.get_or_set("a", lambda: 1, ttl=60),
        lambda: cache.invalidate("a"),
        cache.counters,
        lambda: (cache, str(cache), cache.environment, vars(cache)["_transport"]),
        cache.close,
    ):
        note(told, call)


async def use_async(cache: AsyncCache, told: Told) -> None:
    """Do the same with the asyncio face."""
    cache.subscribe(lambda event: told.append(repr(event)))
    for call in (
        cache.ping,
        lambda: cache.get("a"),
        lambda: cache.set("a", 1, ttl=60),
        lambda: cache.get_or_set("a", lambda: 1, ttl=60),
        lambda: cache.invalidate("a"),
        cache.close,
    ):
        try:
            told.append(repr(await call()))
        except Exception as error:  # noqa: BLE001 - any exception may sing
            told += [f"{error!r} {error}", "".join(traceback.format_exception(error))]
    told.append(repr((cache, cache.environment, vars(cache)["_transport"])))


def use_both(environment: Environment, told: Told, patience: float = 10) -> None:
    """Do everything with both faces."""

    async def the_other() -> None:
        await use_async(await connect_async(environment, patience=patience, breaker=False), told)

    use(connect(environment, patience=patience, breaker=False), told)
    asyncio.run(the_other())


def checked(variables: Mapping[str, str], told: Told, monkeypatch: pytest.MonkeyPatch, patience: float = 10) -> None:
    """Run the connection test on the command line, in words and as JSON, and write down what it prints."""
    monkeypatch.setattr("dousell_cache.check.PATIENCE", patience)
    for name in ("VERCEL", "REDIS_URL", "VALKEY_URL", "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dousell_cache.cli.load_env_file", lambda: None)  # what a developer's own .env says
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        codes = {main(["check"]), main(["check", "--json"])}
    assert codes == {4}
    told.append(printed.getvalue())


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


@contextmanager
def refusing(free_valkey: "FreeValkey") -> Iterator[str]:
    """Let a real Valkey ask for another password, and give its address."""
    host = free_valkey.url.removeprefix("redis://").removesuffix("/0")
    with connect(free_valkey.url, patience=5) as admin:
        assert run_blocking(admin._transport.send("CONFIG", "SET", "requirepass", "other")) == b"OK"
    yield host


TCP_AILMENTS: dict[str, Callable[[bytes], bytes | None]] = {
    "silent": silence,
    "garbage": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "hangs up": lambda _: None,
    "echoes": lambda received: received,
    "quotes in an error": lambda received: b"-ERR unknown command '%b'\r\n" % received.replace(b"\r\n", b" "),
    "quotes in a refusal": lambda received: b"-NOPERM '%b'\r\n" % received.replace(b"\r\n", b" "),
    "quotes in garbage": lambda received: b"%b\r\n" % received.replace(b"\r\n", b" ").replace(b"*", b"?"),
}
TCP_VARIABLES = {
    "password": ("REDIS_URL", f"redis://:{QUOTED}@{{}}/0"),
    "user and password": ("VALKEY_URL", f"valkey://user:{QUOTED}@{{}}/0"),
    "option": ("REDIS_URL", f"redis://{{}}/0?password={QUOTED}"),
}


@pytest.mark.parametrize("variable", TCP_VARIABLES)
@pytest.mark.parametrize("ailment", TCP_AILMENTS)
def test_a_password_is_told_to_the_server_alone(
    ailment: str, variable: str, heard: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TCP, however the server fails: no repr, message, cause, log record, event or printed line has it."""
    name, template = TCP_VARIABLES[variable]
    patience = 0.05 if ailment == "silent" else 10
    with listening(TCP_AILMENTS[ailment]) as server:
        variables = {name: template.format(server.address)}
        use_both(detect(variables), heard, patience)
        if ailment != "echoes" and variable == "password":
            checked(variables, heard, monkeypatch, patience)
    assert CANARY.encode() in b"".join(server.received), "the server was not even asked"


def test_a_refused_password_is_not_told(
    heard: Told, free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server that refuses the password says so without it, and so do we."""
    with refusing(free_valkey) as host:
        variables = {"REDIS_URL": f"redis://:{QUOTED}@{host}/0"}
        use_both(detect(variables), heard)
        checked(variables, heard, monkeypatch)
    assert any("WRONGPASS" in text for text in heard)


def quoting(headers: Mapping[str, str], body: bytes) -> bytes:
    """Answer with an error that quotes everything it was sent."""
    return json.dumps({"error": f"ERR {dict(headers)} {body!r}"}).encode()


def quoting_as_refusal(headers: Mapping[str, str], _: bytes) -> bytes:
    """Answer as a proxy would that explains which token it does not like."""
    return json.dumps({"error": f"WRONGPASS invalid token {headers['Authorization']}"}).encode()


REST_AILMENTS: dict[str, tuple[int, Any]] = {
    "page": (200, b"<html>"),
    "empty": (200, b""),
    "failing": (500, b"oops"),
    "refusing": (401, b'{"error": "Unauthorized"}'),
    "quotes in an error": (400, quoting),
    "quotes in a refusal": (401, quoting_as_refusal),
    "quotes in a page": (200, lambda headers, _: f"<html>{headers}".encode()),
    "quotes in another error": (400, lambda headers, _: json.dumps({"error": {"headers": headers}}).encode()),
    "quotes in a reply": (200, lambda headers, _: json.dumps({"result": {"headers": headers}}).encode()),
}


@pytest.mark.parametrize("ailment", REST_AILMENTS)
def test_a_token_is_told_to_the_endpoint_alone(ailment: str, heard: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP, however the endpoint fails: no repr, message, cause, log record, event or printed line has it."""
    with http_endpoint(*REST_AILMENTS[ailment]) as endpoint:
        variables = {"VERCEL": "1", "UPSTASH_REDIS_REST_URL": endpoint.url, "UPSTASH_REDIS_REST_TOKEN": TOKEN}
        use_both(detect(variables), heard)
        if "quotes" in ailment:
            checked(variables, heard, monkeypatch)
    assert len(endpoint.requests) >= 10


def test_a_token_is_not_told_of_a_silent_endpoint(heard: Told) -> None:
    """An endpoint that never answers is given up without a word about the token it was shown."""
    with listening(silence) as server:
        variables = {"VERCEL": "1", "KV_REST_API_URL": f"http://{server.address}", "KV_REST_API_TOKEN": TOKEN}
        use_both(detect(variables), heard, 0.05)
    assert TOKEN.encode() in b"".join(server.received)


def test_a_refused_token_is_not_told(heard: Told, cloud: Cloud) -> None:
    """The real protocol's refusal of a token does not carry it."""
    use_both(detect({"VERCEL": "1", "KV_REST_API_URL": cloud.upstash_url, "KV_REST_API_TOKEN": TOKEN}), heard)
    assert any("WRONGPASS" in text for text in heard)


@pytest.mark.parametrize(
    ("secret", "reply", "kind"),
    [
        ("max", b"-ERR max requests limit exceeded.\r\n", CacheUnavailable),
        ("READONLY", b"-READONLY You can't write against a read only replica.\r\n", CacheUnavailable),
        ("WRONGTYPE", b"-WRONGTYPE Operation against a key\r\n", CommandRefused),
    ],
)
def test_a_secret_that_is_a_common_word_changes_no_meaning(secret: str, reply: bytes, kind: type) -> None:
    """A password that happens to be in the server's sentence is hidden, and the error is still what it is."""

    def answer(received: bytes) -> bytes:
        return b"+OK\r\n" if b"AUTH" in received else reply

    with listening(answer) as server:
        transport = BlockingTcp(f"redis://:{secret}@{server.address}", patience=5)
        with pytest.raises(kind) as caught:
            run_blocking(transport.send("SET", "a", "b"))
        transport.close()
    assert secret not in str(caught.value)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return an error as it is after having been raised from another."""
    error.__cause__ = cause
    return error


def test_secrets_are_replaced_in_text() -> None:
    """Every secret in a text becomes three stars, and empty ones replace nothing."""
    assert Redaction("canary", None, "", "token").text("canary, token and canary") == "***, *** and ***"
    assert Redaction(None, "").text("a") == "a"


def test_a_cause_that_quotes_a_secret_is_dropped() -> None:
    """An error is shown as a cause only if neither it nor what it came from quotes a secret."""
    redaction, harmless = Redaction("canary"), ValueError("harmless")
    assert redaction.cause(harmless) is harmless
    assert redaction.cause(ValueError("canary")) is None
    assert redaction.cause(raised(ValueError("harmless"), KeyError("canary"))) is None
    assert redaction.cause(raised(ValueError("harmless"), raised(KeyError("x"), OSError("canary")))) is None


def test_a_chain_is_walked_as_a_traceback_shows_it() -> None:
    """From an error to its cause, or else to what was being handled when it was raised."""
    first, second = KeyError("first"), ValueError("second")
    second.__context__ = first
    third = raised(CacheUnavailable("third"), second)
    assert list(chain(third)) == [third, second, first]
    assert list(chain(None)) == []
