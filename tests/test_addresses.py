"""URLs that name several servers: how they are read, and what is said when they make no sense."""

import pytest

from dousell_cache import ConfigurationError, detect
from dousell_cache.addresses import several
from dousell_cache.environments import from_url, tcp_url


@pytest.mark.parametrize(
    ("url", "way", "urls", "service", "database"),
    [
        ("redis+cluster://h:1", "cluster", ("redis://h:1/",), "", ""),
        ("rediss+cluster://u:p,@h,i:2/0", "cluster", ("rediss://u:p,@h/0", "rediss://u:p,@i:2/0"), "", "0"),
        ("REDIS+SENTINEL://h,[::1]:2/s", "sentinel", ("redis://h/", "redis://[::1]:2/"), "s", ""),
        ("redis+sentinel://:p@w@h:1/s/3?a=b", "sentinel", ("redis://:p@w@h:1/3?a=b",), "s", "3"),
    ],
)
def test_several_servers(url: str, way: str, urls: tuple[str, ...], service: str, database: str) -> None:
    """Each server gets a URL of its own, with the credentials, the database and the options of all."""
    found = several(url)
    assert found
    assert (found.way, found.urls, found.service, found.database) == (way, urls, service, database)
    assert not any(part in repr(found) for part in urls)


@pytest.mark.parametrize("url", ["redis://h:1", "unix:///a/b", "redis+other://h", "cluster://h", "", "redis"])
def test_one_server(url: str) -> None:
    """Any other URL names one server."""
    assert several(url) is None


@pytest.mark.parametrize(
    ("url", "name", "address"),
    [
        ("redis+cluster://localhost:1,h:2", "local", "redis+cluster://localhost:1,h:2"),
        ("REDISS+cluster://u:canary@h,i:2?x=canary", "dedicated", "rediss+cluster://***@h,i:2"),
        ("redis+sentinel://:canary@h:1,i/s/3", "dedicated", "redis+sentinel://***@h:1,i/s/3"),
    ],
)
def test_an_environment_of_several_servers(url: str, name: str, address: str) -> None:
    """They are reached over TCP; what is shown of the URL holds neither credentials nor options."""
    environment = from_url(url)
    assert (environment.name, environment.kind, environment.address) == (name, "tcp", address)
    assert detect({"REDIS_URL": url}).url == environment.url
    assert "canary" not in repr(environment)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+cluster://h:1/canary", "names a database, but a Cluster has none"),
        ("redis+cluster://h:1/3", "names a database, but a Cluster has none"),
        ("redis+sentinel://h:1", "names no service; it should look like redis+sentinel://host:26379/service"),
        ("redis+sentinel://h:1/", "names no service"),
        ("redis+sentinel://h:1/s/canary", "ends in a database that is not a number"),
        ("redis+cluster://", "names no host"),
        ("redis+cluster://:canary@h:1,,i", "names no host"),
        ("redis+cluster://:canary@h:port,i", "check its host, port and brackets"),
        ("redis+cluster://h:1,:canary@i:2x", "check its host, port and brackets"),
        ("redis+cluster://:12?canary@h:1", "percent-encode special characters in the password"),
        ("redis+sentinel+x://h:1/s", "must start with one of redis://"),
    ],
)
def test_what_makes_no_sense(url: str, told: str) -> None:
    """One sentence says what is wrong and where, and quotes nothing of the URL."""
    with pytest.raises(ConfigurationError) as refused:
        tcp_url(url, "REDIS_URL")
    assert told in str(refused.value)
    assert str(refused.value).startswith("REDIS_URL ")
    assert "canary" not in str(refused.value)
