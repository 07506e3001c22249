"""What a cache tells of itself: one event a call, and counters; what calls cost is test_known_price's."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from dousell_cache.events import Counters, Event, Invalidation, Read, Write

from .faces import FACES, Face, Loader, open_face

if TYPE_CHECKING:
    from .conftest import FreeValkey


@pytest.fixture(params=FACES)
async def tcp(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Face]:
    """Both faces over TCP alone."""
    opened = await open_face(request.param, valkey_url)
    yield opened
    await opened.close()


async def test_one_event_for_each_call(tcp: Face) -> None:
    """Each call tells one event, frozen, of its own kind, with the commands it cost."""
    events = tcp.record()
    await tcp.get("a")
    await tcp.get_or_set("a", Loader(1), ttl=60)
    await tcp.get("a")
    with pytest.raises(ZeroDivisionError):
        await tcp.get_or_set("b", Loader(ZeroDivisionError()), ttl=60)
    await tcp.set("b", 1, ttl=60)
    await tcp.invalidate("a", "b")
    await tcp.ping()
    told = [(type(event), getattr(event, "outcome", None), getattr(event, "commands", None)) for event in events]
    assert told == [
        (Read, "miss", 1),
        (Read, "miss", 3),
        (Read, "hit", 1),
        (Read, "error", 3),
        (Write, None, 1),
        (Invalidation, None, 1),
    ]
    assert all(getattr(event, "seconds", -1) >= 0 for event in events)


async def test_a_read_tells_the_tags_and_the_bytes_of_what_answered(tcp: Face) -> None:
    """A read that was answered tells the entry's tags, asked for or not, and its size as stored; others have none."""
    reads = tcp.record()
    await tcp.get_or_set("a", Loader("x"), ttl=60, tags=["city:Dakar"])
    await tcp.get_or_set("a", Loader("x"), ttl=60)
    await tcp.get("a")
    await tcp.get("b")
    stored = len(await tcp.send("GET", tcp.cache.namespace + "a"))
    told = [(event.tags, event.size) for event in reads if isinstance(event, Read)]
    assert told == [(("city:Dakar",), stored)] * 3 + [((), 0)]


async def test_a_refresh_in_the_background_tells_how_long_it_loaded(tcp: Face) -> None:
    """What is written behind a caller's back is told as a refresh with its load time, what a caller sets is not."""
    events = tcp.record()
    await tcp.set("a", 1, ttl=60)
    while not any(isinstance(event, Write) and event.refresh for event in events):
        await tcp.get_or_set("b", Loader("x"), ttl=0.001, grace=60, background=True)
        await asyncio.sleep(0.001)
    writes = [event for event in events if isinstance(event, Write)]
    assert [(write.key, write.refresh, write.load_seconds > 0) for write in writes[:2]] == [
        ("a", False, False),
        ("b", True, True),
    ]


async def test_an_observer_that_raises_harms_nothing(tcp: Face, caplog: pytest.LogCaptureFixture) -> None:
    """A broken observer costs a log line, not a read; once unsubscribed it is not called again."""

    def broken(event: Event) -> None:
        raise ValueError(event)

    unsubscribe = tcp.cache.subscribe(broken)
    assert await tcp.get_or_set("a", Loader(1), ttl=60) == 1
    assert len(caplog.records) == 1
    unsubscribe()
    assert await tcp.get_or_set("a", Loader(1), ttl=60) == 1
    assert len(caplog.records) == 1
    assert (tcp.counters().misses, tcp.counters().hits) == (1, 1)


async def test_families_have_counters_of_their_own(tcp: Face) -> None:
    """What stands before the first colon is counted apart."""
    for key in ("detail:1", "detail:1", "search:Dakar:3", "all"):
        await tcp.get_or_set(key, Loader(1), ttl=60)
    assert tcp.counters().families == {
        "detail": Counters(hits=1, misses=1, commands=4),
        "search": Counters(misses=1, commands=3),
        "all": Counters(misses=1, commands=3),
    }


async def test_connecting_costs_no_extra_command(free_valkey: "FreeValkey") -> None:
    """A new connection sends the call's own command and nothing before it: no HELLO, no CLIENT SETINFO."""
    admin = await open_face("blocking", free_valkey.url)
    await admin.send("CONFIG", "RESETSTAT")
    for face in FACES:
        opened = await open_face(face, free_valkey.url)
        await opened.get("a")
        await opened.close()
    stats = await admin.send("INFO", "commandstats")
    assert sorted(line.split(b":")[0] for line in stats.split(b"\r\n") if b"calls=" in line) == [
        b"cmdstat_config|resetstat",
        b"cmdstat_get",
    ]
    assert b"cmdstat_get:calls=2," in stats
    await admin.close()
