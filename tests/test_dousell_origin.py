"""The origin: the same rows whichever way they are read, at the distance that is imitated."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dousell_cache.dousell import database
from dousell_cache.dousell.origin import Origin, postgres_origin, supabase_origin
from dousell_cache.errors import ConfigurationError
from dousell_cache.local import Cloud, LatencyProfile


@pytest.fixture(scope="module")
def loaded(cloud: Cloud) -> Cloud:
    """The session's cloud, with Dousell's data in it."""
    database.load(cloud.postgres_url)
    assert cloud.supabase_url, cloud.missing
    return cloud


@pytest_asyncio.fixture
async def supabase(loaded: Cloud) -> AsyncIterator[Origin]:
    """The origin as the site reads it: anonymously, through PostgREST."""
    async with supabase_origin(str(loaded.supabase_url), loaded.supabase_anon_key) as origin:
        yield origin


@pytest_asyncio.fixture
async def postgres(loaded: Cloud) -> AsyncIterator[Origin]:
    """The origin as a laptop without npm reads it."""
    async with postgres_origin(loaded.postgres_url, None) as origin:
        yield origin


async def test_both_origins_offer_the_same_pages(supabase: Origin, postgres: Origin) -> None:
    """The published properties are the same, lowest first, and as many as asked for."""
    ids = await supabase.property_ids(100)
    assert ids == await postgres.property_ids(100)
    assert len(set(ids)) == 100
    assert ids == sorted(ids)


async def test_both_origins_show_equal_pages(supabase: Origin, postgres: Origin) -> None:
    """A property's page is the same to the last column and type, with its city in it."""
    for property_id in (await supabase.property_ids(100))[::10]:
        page = await supabase.property(property_id)
        assert page == await postgres.property(property_id)
        assert page["id"] == property_id
        assert set(page["city"]) == {"name", "region"}
        assert page["rent_xof"] > 0


async def test_only_published_properties_are_offered(supabase: Origin, postgres: Origin) -> None:
    """There are fewer pages than properties, and both ways agree on which, past the 1,000 rows of one answer."""
    ids = await postgres.property_ids(5_000)
    assert 1_000 < len(ids) < 2_000
    assert (await supabase.property_ids(5_000)) == ids
    assert (await supabase.property_ids(1_500)) == ids[:1_500]


async def test_the_imitated_distance_is_waited_for(loaded: Cloud) -> None:
    """Reading PostgreSQL directly takes at least the delay of the latency profile."""
    async with postgres_origin(loaded.postgres_url, LatencyProfile("far", mean_ms=50)) as origin:
        started = time.monotonic()
        await origin.property_ids(1)
        assert time.monotonic() - started >= 0.049


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://host:port", "ftp://project.supabase.co"])
async def test_an_address_that_is_none_is_refused_by_its_variable(url: str) -> None:
    """A Supabase URL that is no address is a ConfigurationError that names the variable and not the key."""
    with pytest.raises(ConfigurationError, match="SUPABASE_URL must be an address") as refused:
        async with supabase_origin(url, "a-secret-key"):
            pass
    assert "a-secret-key" not in str(refused.value)
