"""Which cache the environment variables imply, and what is said when they make no sense."""

import re
from collections.abc import Mapping

import pytest

from dousell_cache import ConfigurationError, Environment, detect
from dousell_cache.environments import from_url, public_address, rest, tcp_url

URL, TOKEN = "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"
KV_URL, KV_TOKEN = "KV_REST_API_URL", "KV_REST_API_TOKEN"
UPSTASH, OTHER_UPSTASH = "https://eu1-a-1.upstash.io", "https://eu1-b-2.upstash.io"
SERVER, OTHER_SERVER = "redis://cache.dousell.sn:6379/0", "redis://other.dousell.sn:6379/0"


@pytest.mark.parametrize(
    ("environ", "name", "kind", "url", "source"),
    [
        ({}, "local", "tcp", "redis://localhost:6379", "default"),
        ({"REDIS_URL": SERVER}, "dedicated", "tcp", SERVER, "REDIS_URL"),
        ({"VALKEY_URL": SERVER}, "dedicated", "tcp", SERVER, "VALKEY_URL"),
        ({"VALKEY_URL": OTHER_SERVER, "REDIS_URL": SERVER}, "dedicated", "tcp", SERVER, "REDIS_URL"),
        ({"VERCEL": "1", URL: UPSTASH, TOKEN: "t"}, "vercel", "rest", UPSTASH, URL),
        ({"VERCEL": "1", KV_URL: UPSTASH, KV_TOKEN: "t"}, "vercel", "rest", UPSTASH, KV_URL),
        (
            {"VERCEL": "1", KV_URL: OTHER_UPSTASH, KV_TOKEN: "u", URL: UPSTASH, TOKEN: "t"},
            "vercel",
            "rest",
            UPSTASH,
            URL,
        ),
        ({"VERCEL": "1", URL: UPSTASH, TOKEN: "t", "REDIS_URL": SERVER}, "vercel", "rest", UPSTASH, URL),
        ({URL: UPSTASH, TOKEN: "t", "REDIS_URL": SERVER}, "dedicated", "tcp", SERVER, "REDIS_URL"),
        ({URL: UPSTASH, TOKEN: "t"}, "local", "tcp", "redis://localhost:6379", "default"),
        ({"VERCEL": "0", "REDIS_URL": SERVER}, "dedicated", "tcp", SERVER, "REDIS_URL"),
    ],
)
def test_precedence(environ: Mapping[str, str], name: str, kind: str, url: str, source: str) -> None:
    """VERCEL=1 wins over a TCP URL, Upstash's names over the integration's, REDIS_URL over VALKEY_URL."""
    found = detect(environ)
    assert (found.name, found.kind, found.url, found.source) == (name, kind, url, source)
    assert found.token == ("t" if kind == "rest" else "")
    assert found.emulated == ""


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({"REDIS_URL": "", "VALKEY_URL": SERVER}, "VALKEY_URL"),
        ({"REDIS_URL": " \n", "VALKEY_URL": ""}, "default"),
        ({"VERCEL": "", "REDIS_URL": f"  {SERVER}\n"}, "REDIS_URL"),
        ({"VERCEL": " 1 ", URL: "  ", TOKEN: " ", KV_URL: f" {UPSTASH}/ ", KV_TOKEN: " t\n"}, KV_URL),
    ],
)
def test_blanks_count_as_unset(environ: Mapping[str, str], source: str) -> None:
    """A variable that is set to nothing decides nothing, and blanks around a value are not part of it."""
    found = detect(environ)
    assert found.source == source
    assert found.url in {SERVER, UPSTASH, "redis://localhost:6379"}
    assert found.token in {"", "t"}


@pytest.mark.parametrize(
    ("environ", "absent", "present"),
    [
        ({URL: UPSTASH}, TOKEN, URL),
        ({TOKEN: "canary"}, URL, TOKEN),
        ({KV_URL: UPSTASH}, KV_TOKEN, KV_URL),
        ({KV_TOKEN: "canary"}, KV_URL, KV_TOKEN),
        ({URL: UPSTASH, TOKEN: " "}, TOKEN, URL),
        ({URL: UPSTASH, KV_TOKEN: "canary"}, TOKEN, URL),
        ({TOKEN: "canary", KV_URL: UPSTASH, KV_TOKEN: "canary"}, URL, TOKEN),
        ({URL: UPSTASH, "REDIS_URL": SERVER}, TOKEN, URL),
    ],
)
def test_half_a_pair_names_its_missing_variable(environ: Mapping[str, str], absent: str, present: str) -> None:
    """On Vercel, a URL without its token or a token without its URL is refused by the name of what is missing."""
    with pytest.raises(ConfigurationError, match=f"^{absent} is not set although {present} is") as refusal:
        detect({"VERCEL": "1", **environ})
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize("environ", [{}, {"REDIS_URL": SERVER}, {URL: "", TOKEN: "", KV_URL: " "}])
def test_vercel_without_any_credentials_names_both_pairs(environ: Mapping[str, str]) -> None:
    """VERCEL=1 alone says which two pairs of variables would do; a TCP URL does not stand in for them."""
    with pytest.raises(ConfigurationError) as refusal:
        detect({"VERCEL": "1", **environ})
    for variable in (URL, TOKEN, KV_URL, KV_TOKEN):
        assert variable in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("rediss://h:1/2", "rediss://h:1/2"),
        ("valkey://u:p%40w@h:1/2", "redis://u:p%40w@h:1/2"),
        ("valkeys://h", "rediss://h"),
        ("VALKEYS://h", "rediss://h"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://:p@ss@h:6379", "redis://:p@ss@h:6379"),
        ("rediss://h:6379?ssl_cert_reqs=none", "rediss://h:6379?ssl_cert_reqs=none"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("unix://u:p@/run/valkey.sock?db=3", "unix://u:p@/run/valkey.sock?db=3"),
        ("UNIX:///run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_schemes(given: str, understood: str) -> None:
    """redis, rediss, valkey, valkeys and unix URLs are taken; only the scheme becomes one that redis-py knows."""
    assert tcp_url(given, "REDIS_URL") == understood
    assert detect({"REDIS_URL": given}).url == understood


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:6379", "must start with one of redis://, rediss://, valkey://, valkeys://, unix://"),
        ("canary", "must start with one of"),
        ("http://canary@h", "must start with one of"),
        ("'redis://h:6379'", "must start with one of"),
        ("redis://", "names no host"),
        ("redis://:canary@:6379", "names no host"),
        ("redis://:12?canary@h:6379", "percent-encode special characters in the password"),
        ("redis://h:port", "check its host, port and brackets"),
        ("redis://h:99999", "check its host, port and brackets"),
        ("redis://h:-1", "check its host, port and brackets"),
        ("redis://[::1:6379", "check its host, port and brackets"),
        ("redis://:ca[nary@h:6379", "percent-encode special characters in the password"),
        ("redis://:canary/x@h:6379", "percent-encode special characters in the password"),
        ("redis://:canary#x@h:6379", "percent-encode special characters in the password"),
        ("redis://:canary?x@h:6379", "percent-encode special characters in the password"),
        ("redis://u:12/canary@h:6379", "database that is not a number"),
        ("redis://h:6379/canary", "database that is not a number"),
        ("redis://h:6379/0/1", "database that is not a number"),
        ("redis://a..b:6379", "check its host, port and brackets"),
        (f"redis://{'a' * 64}.sn:6379", "check its host, port and brackets"),
        ("redis://:can ary@h", "percent-encode special characters in the password"),
        ("redis://:can\x00ary@h", "percent-encode special characters in the password"),
        ("unix://", "by its absolute path"),
        ("unix://canary.sock", "by its absolute path"),
    ],
)
@pytest.mark.parametrize("variable", ["REDIS_URL", "VALKEY_URL"])
def test_a_malformed_url_is_refused_by_its_variable(url: str, told: str, variable: str) -> None:
    """The error names the variable and what would be right, and quotes nothing of a URL that may hold a password."""
    with pytest.raises(ConfigurationError, match=f"^{variable} ") as refusal:
        detect({variable: url})
    sentence = str(refusal.value)
    assert told in sentence
    assert not re.search("canary|can.?ary|ca.nary", sentence)
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None, "its text quotes parts of the URL"


@pytest.mark.parametrize(
    ("url", "token", "named"),
    [
        ("eu1-a-1.upstash.io", "t", URL),
        ("redis://h:6379", "t", URL),
        ("https://", "t", URL),
        ("http://cache.dousell.sn", "t", URL),
        ("https://h:port", "t", URL),
        ("https://[::1", "t", URL),
        ("https://default:canary@h", "t", URL),
        ("https://h?_token=canary", "t", URL),
        ("https://h#canary", "t", URL),
        ("https://h", "canary canary", TOKEN),
        ("https://h", "canary\ncanary", TOKEN),
        ("https://h", "canaryé", TOKEN),
        ("https://h", "canary\x7f", TOKEN),
    ],
)
def test_a_malformed_rest_pair_is_refused_by_its_variable(url: str, token: str, named: str) -> None:
    """What HTTP could not carry, or would carry as another credential, is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=f"^{named} ") as refusal:
        detect({"VERCEL": "1", URL: url, TOKEN: token})
    assert "canary" not in str(refusal.value)


def test_a_rest_pair_given_by_hand() -> None:
    """A REST endpoint can be described without variables; its errors then speak of the arguments."""
    here = rest("http://127.0.0.1:8080/", "t", emulated="Upstash (no latency added)")
    assert (here.kind, here.url, here.emulated) == ("rest", "http://127.0.0.1:8080", "Upstash (no latency added)")
    with pytest.raises(ConfigurationError, match=r"^the REST token must be"):
        rest("https://h", "")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://localhost", "local"),
        ("redis://127.0.0.1:1", "local"),
        ("valkey://[::1]:1", "local"),
        ("unix:///run/valkey.sock", "local"),
        (SERVER, "dedicated"),
    ],
)
def test_a_url_given_by_hand(url: str, name: str) -> None:
    """A URL on this machine is the local environment, any other a dedicated server."""
    assert from_url(url).name == name
    assert from_url(url).source == "argument"


@pytest.mark.parametrize("url", ["", "nonsense", "redis://h:port"])
def test_a_wrong_url_given_by_hand(url: str) -> None:
    """An argument that is no cache URL is refused as such."""
    with pytest.raises(ConfigurationError, match=r"^the cache URL "):
        from_url(url)


def test_a_rest_url_alone_is_refused() -> None:
    """A REST URL without its token is refused with the variables that carry both."""
    with pytest.raises(ConfigurationError, match=f"needs its token.*{URL} and {TOKEN}"):
        from_url(UPSTASH)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://user:canary@h:6379/0", "redis://***@h:6379/0"),
        ("redis://:can@ary@h:6379", "redis://***@h:6379"),
        ("redis://h?password=canary", "redis://h"),
        ("unix://user:canary@/run/v.sock?password=canary", "unix://***@/run/v.sock"),
        ("https://h", "https://h"),
    ],
)
def test_the_shown_address_has_no_credentials(url: str, shown: str) -> None:
    """User, password and options are left out of what is shown; the place is not."""
    assert public_address(url) == shown


@pytest.mark.parametrize(
    "environ",
    [
        {"REDIS_URL": "redis://user:canary@h:6379/0?password=canary"},
        {"VALKEY_URL": "valkeys://:canary@h"},
        {"VERCEL": "1", URL: UPSTASH, TOKEN: "canary"},
        {"VERCEL": "1", KV_URL: UPSTASH, KV_TOKEN: "canary"},
    ],
)
def test_an_environment_never_shows_its_secret(environ: Mapping[str, str]) -> None:
    """The secret is there to be used, and in no text that an environment turns into."""
    found = detect(environ)
    assert "canary" in found.url + found.token
    assert "canary" not in f"{found!r} {found!s} {found} {found.address} {[found]} {found.source}"
    assert found.name in repr(found)


def test_an_environment_is_a_value() -> None:
    """Two descriptions of one place are equal, and neither can be changed."""
    assert detect({"REDIS_URL": SERVER}) == detect({"REDIS_URL": SERVER})
    with pytest.raises(AttributeError):
        Environment("local", "tcp").url = SERVER  # type: ignore[misc]  # refused by type, and at run time
