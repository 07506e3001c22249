"""The connection test as a result: what it saw, in words and in JSON, in each environment."""

from urllib.parse import urlsplit

import msgspec
import pytest

from dousell_cache.check import STEPS
from dousell_cache.errors import ConfigurationError
from dousell_cache.local import Cloud
from dousell_cache.local.process import free_ports
from dousell_cache.measure import Result, check_connection

SECRET = "not-to-be-shown"


def test_all_steps_pass_over_rest(cloud: Cloud) -> None:
    """On the emulator every step passes, and the reading says where and that it is emulated."""
    test = check_connection("vercel")
    assert test.reading.splitlines() == [
        f"{STEPS} of {STEPS} steps passed at {cloud.upstash_url}.",
        "Emulated on this machine: Upstash (no latency added).",
    ]
    assert [step.passed for step in test.steps] == [True] * STEPS
    assert test.result.emulated == ["Upstash (no latency added)"]


@pytest.mark.parametrize(("environment", "kind"), [("vercel", "rest"), ("dedicated", "tcp")])
async def test_it_tells_how_far_the_cache_is(
    environment: str, kind: str, cloud: Cloud, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result has the shortest round trip, TLS and the region, also where a notebook's loop is running."""
    assert cloud
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("VERCEL_REGION", "cdg1")
    place = check_connection(environment).result.place
    assert place is not None
    assert (place.kind, place.tls, place.region) == (kind, False, "cdg1")
    assert place.rtt_floor_ms is not None
    assert place.rtt_floor_ms > 0
    assert place.pings > 0
    assert place.server


def test_all_steps_pass_over_tcp(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Valkey by URL every step passes, and nothing is emulated."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    test = check_connection("dedicated")
    assert test.reading == f"{STEPS} of {STEPS} steps passed at {valkey_url}."
    assert (test.result.environment, test.result.emulated) == ("dedicated", [])


def test_a_laptop_has_a_cache_without_any_variable() -> None:
    """``local`` finds a Valkey with no variable set, and lets go of it afterwards."""
    test = check_connection("local")
    assert test.result.environment == "local"
    assert all(step.passed for step in test.steps), test.reading


def test_a_dead_server_is_one_failed_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens only the connection is tried; the reading says what to look at, without the password."""
    (port,) = free_ports(1)
    monkeypatch.setenv("REDIS_URL", f"redis://user:{SECRET}@127.0.0.1:{port}")
    test = check_connection("dedicated")
    address = f"redis://***@127.0.0.1:{port}"
    assert test.reading.splitlines() == [
        f"0 of {STEPS} steps passed at {address}.",
        f"connection: nothing listens at {address}: start the server or check REDIS_URL.",
    ]
    assert len(test.steps) == 1
    assert test.place.rtt_floor_ms is None


@pytest.mark.parametrize("environment", ["vercel", "dedicated"])
def test_a_result_round_trips_and_keeps_secrets(
    environment: str, cloud: Cloud, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused credential is a failed step; the published result reads back equal and does not hold it."""
    monkeypatch.setenv("UPSTASH_REDIS_REST_URL", cloud.upstash_url)
    monkeypatch.setenv("UPSTASH_REDIS_REST_TOKEN", SECRET)
    monkeypatch.setenv("REDIS_URL", f"redis://nobody:{SECRET}@{urlsplit(valkey_url).netloc}")
    test = check_connection(environment)
    document = msgspec.json.encode(test.result)
    assert [step.passed for step in test.steps] == [False]
    assert "refuses" in test.reading
    assert msgspec.json.decode(document, type=Result) == test.result
    for text in (document.decode(), test.reading, repr(test)):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("environment", "sentence"), [("versel", "no environment 'versel'"), ("dedicated", "REDIS_URL is not set")]
)
def test_an_environment_that_makes_no_sense_is_refused(environment: str, sentence: str) -> None:
    """There is no connection test of nothing: a sentence says what is missing."""
    with pytest.raises(ConfigurationError, match=sentence):
        check_connection(environment)
