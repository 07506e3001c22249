"""The promises that a server keeps, over every transport and on both faces: what works over one works over all."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from dousell_cache import MISSING, connect
from dousell_cache.events import Read

from ..faces import FACES, Face, Loader, open_face
from .test_transports import PATIENCE, SERVERS

TAGS = ["city:Dakar", "city:Thiès", "kind:villa"]  # in a Cluster: in three other slots than the entries, as it happens
KEYS = [f"page:{number}" for number in range(8)]


@pytest.fixture(params=FACES)
async def cache(request: pytest.FixtureRequest, server: str) -> AsyncIterator[Face]:
    """A cache of one face on one server."""
    fixture, environment = SERVERS[server]
    opened = await open_face(request.param, environment(request.getfixturevalue(fixture)), PATIENCE)
    yield opened
    await opened.close()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return str(request.param)


async def test_a_tag_withdraws_what_carries_it(cache: Face) -> None:
    """Entries of many slots that carry a tag are gone together, the others stay; loaded again, they are hits again."""
    for key in KEYS:
        await cache.get_or_set(key, Loader("old"), ttl=60, tags=TAGS)
    await cache.set("other", "old", ttl=60, tags=["kind:flat"])
    await cache.invalidate_tags("city:Thiès")
    assert await cache.get_many([*KEYS, "other"]) == {"other": "old"}
    for key in KEYS:
        assert await cache.get_or_set(key, Loader("new"), ttl=60, tags=TAGS) == "new"
        assert await cache.get_or_set(key, Loader("never"), ttl=60, tags=TAGS) == "new"
    assert await cache.get_many(KEYS) == dict.fromkeys(KEYS, "new")


async def test_keys_of_many_slots_are_withdrawn_together(cache: Face) -> None:
    """Stored, read, withdrawn for good or softly, many keys at a time, wherever each of them is."""
    assert await cache.set_many(dict.fromkeys(KEYS, "old"), ttl=60, tags=TAGS) is True
    assert await cache.get_many(KEYS) == dict.fromkeys(KEYS, "old")
    assert await cache.invalidate(*KEYS[:4]) == 4
    assert await cache.invalidate(*KEYS[4:], soft=True) == 4
    assert await cache.get_many(KEYS) == {}
    failing = Loader(OSError("the origin is down"))
    assert await cache.get_or_set(KEYS[5], failing, ttl=60, tags=TAGS) == "old"
    with pytest.raises(OSError, match="the origin is down"):
        await cache.get_or_set(KEYS[1], failing, ttl=60, tags=TAGS)


async def test_a_prefix_withdraws_what_begins_with_it(cache: Face) -> None:
    """Whatever begins with a prefix is gone, on every server there is; the rest stays."""
    await cache.set_many(dict.fromkeys([*KEYS, "pag", "{tagged}:page:1"], "old"), ttl=60)
    assert await cache.invalidate_prefix("page:") == len(KEYS)
    assert await cache.get_many([*KEYS, "pag", "{tagged}:page:1"]) == {"pag": "old", "{tagged}:page:1": "old"}


async def test_a_withdrawn_load_stores_nothing(cache: Face) -> None:
    """A load whose key or tag is withdrawn while it runs answers its own caller, and nobody after it."""
    events = cache.record()
    with connect(cache.cache.environment, namespace=cache.cache.namespace, patience=PATIENCE) as other:
        for key, withdrawing in (("a", partial(other.invalidate, "a")), ("b", partial(other.invalidate_tags, TAGS[0]))):
            assert await cache.get_or_set(key, Loader("old", withdrawing), ttl=60, tags=TAGS) == "old"
            assert await cache.get(key) is MISSING
    assert [event.outcome for event in events if isinstance(event, Read)] == ["refused", "miss"] * 2
