"""A run says how far its cache was and over what, and never with which credentials."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.local import Cloud
from dousell_cache.measure.place import PINGS, Place, described, survey

from .monitors import watching

if TYPE_CHECKING:
    from .conftest import FreeValkey
    from .servers_redis import TlsServer

SECRET = "s3cret-2468"


@pytest.mark.parametrize(
    ("url", "tls", "region"),
    [
        (f"redis://:{SECRET}@cache.example:6379/0", False, None),
        (f"rediss://:{SECRET}@cache.example:6379/0", True, None),
        (f"rediss+cluster://:{SECRET}@cache.example:6379", True, None),
        (f"unix:///tmp/{SECRET}.sock", False, None),
    ],
)
def test_a_place_is_told_from_its_address(url: str, tls: bool, region: str | None) -> None:
    """Whether the way is encrypted follows from the address; nothing else of it is kept."""
    place = described(from_url(url), {})
    assert (place.tls, place.cache_region) == (tls, region)
    assert SECRET not in msgspec.json.encode(place).decode()


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://eu2-merry-cat-32748.upstash.io", "eu2"),
        ("https://us1-merry-cat-32748.upstash.io", "us1"),
        ("https://merry-cat-32748.upstash.io", None),
        ("https://eu2-merry-cat.example", None),
        ("http://127.0.0.1:8079", None),
    ],
)
def test_the_region_of_a_cache_is_told_or_unknown(url: str, region: str | None) -> None:
    """An Upstash name that begins with its region tells it; any other leaves it unknown."""
    place = described(rest(url, SECRET), {})
    assert (place.cache_region, place.tls) == (region, url.startswith("https"))


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({}, None),
        ({"VERCEL_REGION": ""}, None),
        ({"VERCEL_REGION": "cdg1", "AWS_REGION": "eu-west-3"}, "cdg1"),
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"FLY_REGION": "cdg"}, "cdg"),
    ],
)
def test_the_region_of_the_code_is_its_platforms_word(environ: dict[str, str], region: str | None) -> None:
    """The platform's own variable says where the code ran; without one nobody guesses."""
    assert described(from_url("redis://127.0.0.1"), environ).region == region


async def test_the_distance_is_that_of_pings(free_valkey: "FreeValkey") -> None:
    """Twenty pings are timed after the one that connects, over the same kind of client, and nothing is written."""
    with watching(free_valkey.url) as monitor:
        place = (await survey(from_url(free_valkey.url), {})).until_now()
        assert monitor.names("PING") == ["PING"] * (place.pings + 1)
    assert 1 <= place.pings <= PINGS
    assert place.rtt_floor_ms is not None
    assert place.rtt_median_ms is not None
    assert 0 < place.rtt_floor_ms <= place.rtt_median_ms
    assert (place.kind, place.tls) == ("tcp", False)
    assert (place.server or "").startswith("Valkey 9")


async def test_a_place_over_rest(cloud: Cloud) -> None:
    """Over REST a ping is an HTTP round trip, and the server behind it is told."""
    place = (await survey(rest(cloud.upstash_url, cloud.upstash_token), {})).until_now()
    assert (place.kind, place.tls) == ("rest", False)
    assert place.pings
    assert place.rtt_floor_ms
    assert cloud.upstash_token not in msgspec.json.encode(place).decode()


async def test_a_place_where_nobody_answers(free_valkey: "FreeValkey") -> None:
    """A dead cache has a place without a distance, and neither has a laptop without any."""
    free_valkey.kill()
    silent = (await survey(from_url(free_valkey.url), {})).until_now()
    nowhere = (await survey(Environment("local", "none"), {})).until_now()
    for place in (silent, nowhere):
        assert (place.pings, place.rtt_floor_ms, place.rtt_median_ms, place.server) == (0, None, None, None)


async def test_a_place_over_tls(redis7: "TlsServer") -> None:
    """Over TLS the place says so."""
    place = (await survey(from_url(redis7.tls_url), {})).until_now()
    assert place.tls
    assert (place.server or "").startswith("Redis 7")


def test_a_place_goes_through_json() -> None:
    """What is written is read back equal."""
    place = Place(kind="rest", tls=True, region="cdg1", rtt_floor_ms=4.5, rtt_median_ms=5.0, pings=20, stolen=0.01)
    assert msgspec.json.decode(msgspec.json.encode(place), type=Place) == place
