"""The site in each environment: what stands in is named, and what cannot be reached is said in one sentence."""

import dataclasses
import json
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio

from dousell_cache import MISSING
from dousell_cache.dousell import site, stand_in
from dousell_cache.dousell.site import cache_environment, open_site, preflight, shared_cloud
from dousell_cache.errors import ConfigurationError
from dousell_cache.local import Cloud
from dousell_cache.local.process import free_ports

from .servers import serving

URL, TOKEN = "https://eu1-name-12345.upstash.io", "not-to-be-shown"


@pytest_asyncio.fixture
async def vercel() -> AsyncIterator[site.Site]:
    """The site on the emulator and the local Supabase."""
    async with open_site("vercel") as opened:
        yield opened


@pytest.fixture
def nowhere() -> str:
    """A port of this machine on which nothing listens."""
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("local", {}, ("local", "tcp", "redis://localhost:6379")),
        ("local", {"REDIS_URL": "redis://elsewhere:1"}, ("local", "tcp", "redis://localhost:6379")),
        ("dedicated", {"REDIS_URL": "redis://cache:6379/2"}, ("dedicated", "tcp", "redis://cache:6379/2")),
        ("dedicated", {"VALKEY_URL": "valkeys://cache"}, ("dedicated", "tcp", "rediss://cache")),
        ("dedicated", {"REDIS_URL": "redis://cache", "VERCEL": "1"}, ("dedicated", "tcp", "redis://cache")),
        ("vercel", {"UPSTASH_REDIS_REST_URL": URL, "UPSTASH_REDIS_REST_TOKEN": TOKEN}, ("vercel", "rest", URL)),
        ("vercel", {"KV_REST_API_URL": URL, "KV_REST_API_TOKEN": TOKEN}, ("vercel", "rest", URL)),
    ],
)
def test_a_real_cache_is_found_by_its_variables(
    name: str, environ: dict[str, str], expected: tuple[str, str, str]
) -> None:
    """Credentials mean the real service, which is not labelled emulated; the name asked for decides which."""
    found = cache_environment(name, environ)
    assert (found.name, found.kind, found.url) == expected
    assert found.emulated == ""
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("name", "environ", "sentence"),
    [
        ("dedicated", {}, "REDIS_URL is not set"),
        ("dedicated", {"REDIS_URL": "  "}, "REDIS_URL is not set"),
        ("dedicated", {"REDIS_URL": "http://cache"}, "REDIS_URL must start with one of"),
        ("vercel", {"UPSTASH_REDIS_REST_URL": URL}, "UPSTASH_REDIS_REST_TOKEN is not set although"),
        ("vercel", {"UPSTASH_REDIS_REST_TOKEN": TOKEN}, "UPSTASH_REDIS_REST_URL is not set although"),
        ("vercel", {"KV_REST_API_TOKEN": TOKEN}, "KV_REST_API_URL is not set although"),
        ("versel", {}, "no environment 'versel'; there are local, vercel, dedicated"),
    ],
)
def test_half_a_configuration_is_refused(name: str, environ: dict[str, str], sentence: str) -> None:
    """What is missing is named in one sentence without the credential that is there."""
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        cache_environment(name, environ)
    assert "\n" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_without_credentials_the_emulator_stands_in_and_says_so(cloud: Cloud) -> None:
    """Vercel without credentials is the session's own emulator, labelled with its latency."""
    found = cache_environment("vercel", {"UPSTASH_REDIS_REST_URL": " "})
    assert (found.name, found.kind, found.url) == ("vercel", "rest", cloud.upstash_url)
    assert found.emulated == "Upstash (no latency added)"
    assert cloud.upstash_token not in repr(found)


async def test_a_site_names_what_is_emulated(vercel: site.Site) -> None:
    """On a laptop both the cache and the origin are stand-ins, a line for each."""
    assert vercel.emulated == ("Upstash (no latency added)", "Supabase (no latency added)")
    assert vercel.origin_name == "local Supabase (PostgREST)"
    assert vercel.environment.name == "vercel"


async def test_sites_do_not_meet_in_one_cache(vercel: site.Site) -> None:
    """Two sites on one server, and the server's own keys, are apart: a measurement never meets the site's real keys."""
    await vercel.cache.set("detail:7", "mine", ttl=60)
    async with open_site("vercel") as other:
        assert await other.cache.get("detail:7") is MISSING
        assert other.cache.namespace != vercel.cache.namespace
    assert vercel.cache.namespace.startswith("dousell-lab:")


async def test_a_real_supabase_is_not_labelled(cloud: Cloud, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With credentials for both, nothing is emulated: no label, and the pages come from there."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("SUPABASE_URL", str(cloud.supabase_url))
    monkeypatch.setenv("SUPABASE_KEY", cloud.supabase_anon_key)
    assert shared_cloud().supabase_url == cloud.supabase_url  # loads the data
    async with open_site("dedicated") as opened:
        assert (opened.origin_name, opened.emulated) == ("Supabase", ())
        assert len(await opened.origin.property_ids(3)) == 3


async def test_without_postgrest_the_database_is_read_and_said(
    cloud: Cloud, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where PostgREST is missing, PostgreSQL itself is the origin, in its name and in the label."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    without = dataclasses.replace(shared_cloud(), supabase_url=None)
    monkeypatch.setattr(site, "shared_cloud", lambda: without)
    async with open_site("dedicated") as opened:
        assert opened.origin_name == "PostgreSQL directly, for want of PostgREST"
        assert opened.emulated == ("Supabase (no latency added; read from PostgreSQL directly)",)
        assert len(await opened.origin.property_ids(3)) == 3
    assert cloud.supabase_url


@pytest.mark.parametrize("environment", ["vercel", "local"])
def test_an_environment_that_is_there_passes(environment: str) -> None:
    """Preflight of an environment whose cache and origin answer has nothing to say."""
    assert preflight(environment) is None


def test_preflight_says_that_nothing_listens(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is not there: its address and its variable, not the password in it."""
    monkeypatch.setenv("REDIS_URL", f"redis://user:not-to-be-shown@{nowhere}/0")
    said = preflight("dedicated")
    assert said == f"nothing listens at redis://***@{nowhere}/0: start the server or check REDIS_URL"


def test_preflight_says_that_the_token_is_wrong(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused token: which variable to look at, not its value."""
    monkeypatch.setenv("UPSTASH_REDIS_REST_URL", cloud.upstash_url)
    monkeypatch.setenv("UPSTASH_REDIS_REST_TOKEN", TOKEN)
    assert preflight("vercel") == "the server refuses the token: check UPSTASH_REDIS_REST_TOKEN"


def test_preflight_says_which_half_of_supabase_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without its key, and a key without its URL: the one that is not set is named."""
    monkeypatch.setenv("SUPABASE_URL", "https://project.supabase.co")
    assert preflight("vercel") == "SUPABASE_KEY is not set although SUPABASE_URL is"
    monkeypatch.delenv("SUPABASE_URL")
    monkeypatch.setenv("SUPABASE_KEY", TOKEN)
    assert preflight("vercel") == "SUPABASE_URL is not set although SUPABASE_KEY is"


def test_preflight_says_that_the_origin_is_down(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Supabase that does not answer: what happened and which variable to look at."""
    monkeypatch.setenv("SUPABASE_URL", f"http://{nowhere}")
    monkeypatch.setenv("SUPABASE_KEY", TOKEN)
    assert preflight("vercel") == "Supabase does not answer: ConnectError; check SUPABASE_URL"


def test_preflight_says_that_the_key_is_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Supabase that refuses the key: what it says and which variable to look at, not the key."""
    monkeypatch.setenv("SUPABASE_URL", str(cloud.supabase_url))
    monkeypatch.setenv("SUPABASE_KEY", TOKEN)
    said = preflight("vercel")
    assert said is not None
    assert said.startswith("Supabase refuses to show its properties: ")
    assert said.endswith("; check SUPABASE_KEY")
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("environment", "variables", "sentence"),
    [
        ("versel", {}, "there is no environment 'versel'; there are local, vercel, dedicated"),
        ("dedicated", {}, "REDIS_URL is not set: it says where the dedicated server's Valkey or Redis is"),
        (
            "vercel",
            {"SUPABASE_URL": "nonsense", "SUPABASE_KEY": "key"},
            "SUPABASE_URL must be an address such as https://project.supabase.co",
        ),
    ],
)
def test_preflight_says_what_makes_no_sense(
    environment: str, variables: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that makes no sense is a sentence, not a traceback."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert preflight(environment) == sentence


@pytest.mark.parametrize("variable", ["DOUSELL_CACHE_LATENCY", "DOUSELL_ORIGIN_LATENCY"])
def test_a_latency_that_is_none_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown latency profile is refused by the name of its variable, with the nearest known one."""
    monkeypatch.setenv(variable, "upstash-ue")
    with pytest.raises(ConfigurationError, match=f"{variable}: no latency profile 'upstash-ue'.*'upstash-eu'"):
        shared_cloud.__wrapped__()


def test_the_site_opens_when_the_schema_is_known(cloud: Cloud) -> None:
    """PostgREST reads new tables a moment after they were made: it is asked until it knows them, and no longer."""
    unknown = {"code": "PGRST202", "message": "Could not find the function in the schema cache"}
    answers = [unknown, unknown, {"answer": "unknown lease"}, unknown]

    class Late(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answers.pop(0)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Late)
    with serving(server):
        stand_in.await_schema(dataclasses.replace(cloud, supabase_url=f"http://127.0.0.1:{server.server_port}"))
    assert answers == [unknown]
