"""The whole local cloud, as its users find it."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
import redis
import upstash_redis

from dousell_cache import local
from dousell_cache.errors import ConfigurationError
from dousell_cache.local import Cloud, LatencyProfile, postgrest, runtime

from .processes import gone, running

if TYPE_CHECKING:
    from .conftest import WaitUntil

SCHEMA = """
create table diaries (id int primary key, secret text);
insert into diaries select id, 'dear diary' from generate_series(1, 1001) id;
create table private_diaries (like diaries including all);
insert into private_diaries select * from diaries;
alter table private_diaries enable row level security;
"""

USER = """
import sys
from dousell_cache.local import cloud
servers = cloud()
print(servers.valkey_url, flush=True)
sys.stdin.readline()
"""


def _read(cloud: Cloud, table: str, key: str) -> httpx.Response:
    return httpx.get(f"{cloud.supabase_url}/rest/v1/{table}", headers={"apikey": key})


@pytest.fixture(scope="module")
def diaries(cloud: Cloud, wait_until: "WaitUntil") -> Iterator[None]:
    """Two tables made by plain SQL after the cloud's start."""
    with psycopg.connect(cloud.postgres_url) as connection:
        connection.execute(SCHEMA)
    wait_until(lambda: _read(cloud, "private_diaries", cloud.supabase_service_key).is_success)
    yield
    with psycopg.connect(cloud.postgres_url) as connection:
        connection.execute("drop table diaries, private_diaries")


def test_postgrest_hears_of_a_changed_schema_by_itself(cloud: Cloud, wait_until: "WaitUntil") -> None:
    """A new function can be called, and a dropped one is forgotten, without a word from whoever ran the SQL."""
    key = cloud.supabase_anon_key
    with psycopg.connect(cloud.postgres_url, autocommit=True) as connection:
        connection.execute("create function fresh() returns int language sql as 'select 7'")
        wait_until(lambda: _read(cloud, "rpc/fresh", key).text == "7")
        connection.execute("drop function fresh")
        wait_until(lambda: _read(cloud, "rpc/fresh", key).json()["code"] == "PGRST202")


@pytest.mark.usefixtures("diaries")
def test_rights_are_wide_and_row_level_security_narrows_them(cloud: Cloud) -> None:
    """The public key reads a new table, but no row under row level security; the service key reads all."""
    anon, service = cloud.supabase_anon_key, cloud.supabase_service_key
    assert _read(cloud, "diaries?id=eq.1", anon).json() == [{"id": 1, "secret": "dear diary"}]
    assert _read(cloud, "private_diaries?id=eq.1", anon).json() == []
    assert _read(cloud, "private_diaries?id=eq.1", service).json() == [{"id": 1, "secret": "dear diary"}]


@pytest.mark.usefixtures("diaries")
def test_an_answer_is_cut_at_a_thousand_rows(cloud: Cloud) -> None:
    """As on a hosted project: who wants more pages by range."""
    assert len(_read(cloud, "diaries", cloud.supabase_anon_key).json()) == 1000


@pytest.mark.usefixtures("diaries")
def test_a_key_of_another_cloud_is_refused(cloud: Cloud) -> None:
    """Each cloud signs with a secret of its own."""
    foreign = postgrest.key("service_role", "another secret of 32 characters or more")
    refusal = _read(cloud, "diaries", foreign)
    assert (refusal.status_code, refusal.json()["code"]) == (httpx.codes.UNAUTHORIZED, "PGRST301")


def test_upstash_and_valkey_are_one_store(cloud: Cloud) -> None:
    """What the REST client writes is read over TCP, in the cloud's own Valkey."""
    with (
        redis.Redis.from_url(cloud.valkey_url) as tcp,
        upstash_redis.Redis(cloud.upstash_url, cloud.upstash_token) as rest,
    ):
        rest.set("test_local_cloud", "written")
        assert tcp.get("test_local_cloud") == b"written"


def test_no_secret_shows(cloud: Cloud) -> None:
    """Neither the repr nor the list of processes tells a token, a key or a password; the state is private."""
    password = psycopg.conninfo.conninfo_to_dict(cloud.postgres_url)["password"]
    secrets = [cloud.upstash_token, cloud.supabase_anon_key, cloud.supabase_service_key, str(password)]
    commands = [process.command for process in running().values()]
    assert any("dousell_cache.local.upstash" in command for command in commands)
    assert cloud.upstash_url in repr(cloud)
    for secret in secrets:
        assert len(secret) >= 32
        assert secret not in repr(cloud)
        assert not any(secret in command for command in commands)
    states = list(runtime.base_folder().glob("*/state.json"))
    assert states
    assert all(stat.S_IMODE(state.stat().st_mode) == 0o600 for state in states)


def test_nothing_is_missing_and_latencies_are_as_asked(cloud: Cloud) -> None:
    """A plain cloud adds none and lacks nothing."""
    assert cloud.missing == {}
    assert (cloud.cache_latency, cloud.origin_latency) == (None, None)


@pytest.mark.usefixtures("private_runtime")
def test_each_pair_of_latencies_has_its_cloud() -> None:
    """A name and its profile are the same wish; another wish is another cloud; responses are marked."""
    own = LatencyProfile("mine", mean_ms=1.0)
    with (
        local.cloud(cache_latency="lan", origin_latency=own) as first,
        local.cloud(cache_latency=local.PROFILES["lan"], origin_latency=str(own)) as same,
        local.cloud(cache_latency="lan") as other,
    ):
        assert (first.cache_latency, first.origin_latency) == (local.PROFILES["lan"], own)
        assert same.upstash_url == first.upstash_url
        assert other.upstash_url != first.upstash_url


def test_an_unknown_latency_is_refused_before_anything_starts() -> None:
    """The sentence has the nearest name."""
    with pytest.raises(ValueError, match="did you mean 'upstash-eu'"):
        local.cloud(cache_latency="upstash_eu")


@pytest.mark.usefixtures("private_runtime")
def test_without_npm_the_rest_of_the_cloud_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Supabase address, a sentence that says why, and the database itself still there."""
    monkeypatch.setattr(postgrest, "_folders", lambda: [tmp_path])
    monkeypatch.setenv("PATH", str(tmp_path))
    with local.cloud() as servers:
        assert servers.supabase_url is None
        assert "npm" in servers.missing["supabase"]
        with upstash_redis.Redis(servers.upstash_url, servers.upstash_token) as rest:
            assert rest.ping() == "PONG"
        psycopg.connect(servers.postgres_url).close()


@pytest.mark.usefixtures("private_runtime")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
@pytest.mark.parametrize("victim", ["user", "supervisor"])
def test_no_process_of_a_cloud_outlives_a_kill(victim: str, wait_until: "WaitUntil") -> None:
    """SIGKILL to the only user, or to the supervisor, ends all: Valkey, gateways, PostgreSQL, PostgREST."""
    with subprocess.Popen([sys.executable, "-c", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout
        user.stdout.readline()
        supervisor, *services = _processes(str(runtime.base_folder()))
        assert len(services) >= 5
        os.kill(user.pid if victim == "user" else supervisor, signal.SIGKILL)
        wait_until(lambda: all(gone(pid) for pid in (supervisor, *services)))


def _processes(folder: str) -> list[int]:
    """List the supervisor of the only cloud in a folder, and every process below it."""
    processes = running()
    found = [
        pid
        for pid, process in processes.items()
        if "dousell_cache.local.supervisor" in process.command and folder in process.command
    ]
    assert len(found) == 1
    for pid in found:  # grows while it is read
        found += [child for child, process in processes.items() if process.parent == pid]
    return found


@pytest.mark.usefixtures("private_runtime")
def test_elsewhere_than_on_posix_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the way out."""
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(ConfigurationError, match=r"need Linux or macOS .* REDIS_URL"):
        local.embedded()
