"""The staleness probe: what differs from the origin and stays so is stale; what is being withdrawn just then is not."""

import asyncio
import logging
import threading
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import Cache, connect, connect_async
from dousell_cache.errors import ConfigurationError
from dousell_cache.monitor import staleness
from dousell_cache.monitor.application import read_staleness
from dousell_cache.monitor.staleness import AsyncStalenessProbe, Compared, StalenessProbe, compare
from dousell_cache.runner import run_blocking

from .faces import Visit
from .watched_places import PLACES, environment_of, recorded

if TYPE_CHECKING:
    from .conftest import WaitUntil

ALWAYS: dict[str, Any] = {"fraction": 1, "per_second": 1000, "settle": 0, "chance": lambda: 0.0}


@dataclass
class Origin:
    """An origin whose value can change without anybody being told."""

    value: Any = "old"
    loads: int = 0

    def load(self, key: str) -> Any:
        """Return the value."""
        assert key.startswith("detail:")
        self.loads += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def looked_at(cache: Cache, origin: Origin, meanwhile: Any = lambda: None) -> Compared:
    """Compare one hit, with something happening while the probe gives a writer time."""

    async def peek(key: str) -> Any:
        return cache.explain(key)

    async def load(key: str) -> Any:
        return origin.load(key)

    async def settle() -> None:
        meanwhile()

    return run_blocking(compare("detail:7", peek, load, settle))


@pytest.fixture
def stored(other: Cache) -> Cache:
    """A cache that holds the origin's first value."""
    other.set("detail:7", "old")
    return other


def test_what_is_alike_is_the_same(stored: Cache) -> None:
    """A hit that holds what the origin has costs one load and no wait."""
    origin = Origin()
    assert looked_at(stored, origin, meanwhile=pytest.fail) == Compared("detail:7", "same")
    assert origin.loads == 1


def test_what_differs_and_stays_so_is_stale(stored: Cache) -> None:
    """A change that nobody invalidated is told, with the age of what is served in its place."""
    found = looked_at(stored, Origin("new"))
    assert found.verdict == "stale"
    assert found.age is not None
    assert 0 <= found.age < 60


def test_an_invalidation_on_its_way_is_no_false_alarm(stored: Cache) -> None:
    """A writer changes the origin first and invalidates then: a probe in between waits and finds it done."""
    assert looked_at(stored, Origin("new"), lambda: stored.invalidate("detail:7")).verdict == "unknown"


def test_an_entry_that_was_replaced_is_no_false_alarm(stored: Cache) -> None:
    """Nor is one that holds the new value by the time of the second look."""
    assert looked_at(stored, Origin("new"), lambda: stored.set("detail:7", "new")).verdict == "unknown"


def test_an_origin_that_changed_back_is_no_false_alarm(stored: Cache) -> None:
    """Nor a difference that is gone when the origin is asked again."""
    origin = Origin("new")
    assert looked_at(stored, origin, lambda: setattr(origin, "value", "old")).verdict == "same"


def test_what_is_gone_cannot_be_judged(other: Cache) -> None:
    """A key that expired before the probe came to it costs no load."""
    origin = Origin()
    assert looked_at(other, origin).verdict == "unknown"
    assert origin.loads == 0


def test_values_are_compared_as_hits_show_them(other: Cache) -> None:
    """A date, a dataclass, the order of members: what JSON makes equal is equal."""
    other.set("detail:7", {"b": [Visit(1, date(2026, 11, 28))], "a": (1, 2)})
    assert looked_at(other, Origin({"a": [1, 2], "b": [Visit(1, date(2026, 11, 28))]})).verdict == "same"


@pytest.mark.parametrize("kind", PLACES)
def test_a_probe_watches_a_cache(
    kind: str, request: pytest.FixtureRequest, namespace: str, wait_until: "WaitUntil"
) -> None:
    """Hits of the families with a loader are compared behind the readers' back, counted, and flushed."""
    origin = Origin()
    with recorded(environment_of(kind, request), namespace) as cache:
        with StalenessProbe(cache, {"detail": origin.load}, **ALWAYS) as probe:
            cache.set("detail:7", "old")
            cache.set("list:7", "old")
            assert cache.get("detail:7") == cache.get("list:7") == "old"
            wait_until(lambda: probe.compared["same"] == 1)
            origin.value = "new"
            probe._next = 0.0
            cache.get("detail:7")
            wait_until(lambda: probe.compared["stale"] == 1)
        hits = cache.counters().hits
        cache.flush(force=True)
        whole, detail = read_staleness(cache, hours=1)
    assert hits == 3, "the probe's own looks are no reads"
    assert (whole.family, detail.family, detail.checked, detail.stale.value) == ("", "detail", 2, 0.5)
    assert detail.age_p95_s is not None


async def test_a_probe_watches_an_asyncio_cache(valkey_url: str, namespace: str, wait_until: "WaitUntil") -> None:
    """So it is with tasks, and loaders that are awaited."""
    origin = Origin("new")

    async def load(key: str) -> Any:
        return origin.load(key)

    async with await connect_async(valkey_url, namespace=namespace, ttl=60, patience=5) as cache:
        async with AsyncStalenessProbe(cache, {"detail": load}, **ALWAYS) as probe:
            await cache.set("detail:7", "old")
            assert await cache.get("detail:7") == "old"
            await asyncio.to_thread(wait_until, lambda: probe.compared["stale"] == 1)
        assert probe.compared == {"same": 0, "stale": 1, "unknown": 0}


def test_a_failing_origin_harms_nobody(
    valkey_url: str, namespace: str, wait_until: "WaitUntil", caplog: pytest.LogCaptureFixture
) -> None:
    """What it raises is logged without the key, counts as unknown, and the probe goes on."""
    origin = Origin(OSError("down"))
    caplog.set_level(logging.WARNING, "dousell_cache")
    with connect(valkey_url, namespace=namespace, ttl=60, patience=5) as cache:
        cache.set("detail:secret", "old")
        with StalenessProbe(cache, {"detail": origin.load}, **ALWAYS) as probe:
            assert cache.get("detail:secret") == "old"
            wait_until(lambda: probe.compared["unknown"] == 1)
            origin.value, probe._next = "old", 0.0
            cache.get("detail:secret")
            wait_until(lambda: probe.compared["same"] == 1)
    assert "a hit of 'detail' could not be compared" in caplog.text
    assert "secret" not in caplog.messages[0]


def test_a_slow_origin_keeps_no_reader_waiting(valkey_url: str, namespace: str) -> None:
    """While the origin hangs hits go on; what would wait too long is let go, and memory is bounded."""
    begun, may_end = threading.Event(), threading.Event()

    def load(_: str) -> str:
        begun.set()
        assert may_end.wait(20)
        return "old"

    with connect(valkey_url, namespace=namespace, ttl=60, patience=5) as cache:
        cache.set("detail:7", "old")
        with StalenessProbe(cache, {"detail": load}, **ALWAYS) as probe:
            cache.get("detail:7")
            assert begun.wait(20)
            probe._pause = 0.0
            probe._next = 0.0
            for _ in range(300):
                assert cache.get("detail:7") == "old"
            assert probe._waiting.qsize() == 100
            may_end.set()


def test_what_is_cut_short_is_not_judged(valkey_url: str, namespace: str) -> None:
    """Left before a writer's time is over, a difference counts as nothing: its invalidation may be on its way."""
    origin = Origin("new")
    loaded = threading.Event()

    def load(key: str) -> Any:
        loaded.set()
        return origin.load(key)

    with connect(valkey_url, namespace=namespace, ttl=60, patience=5) as cache:
        cache.set("detail:7", "old")
        with StalenessProbe(cache, {"detail": load}, **ALWAYS | {"settle": 60}) as probe:
            cache.get("detail:7")
            assert loaded.wait(20)
    assert (origin.loads, sum(probe.compared.values())) == (1, 0)


def test_an_origin_that_hangs_keeps_nobody_in_the_block(
    valkey_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that stops does not wait for an origin that never answers: the comparison is left to itself."""
    monkeypatch.setattr(staleness, "LEAVE_SECONDS", 0.01)
    begun, may_end, order = threading.Event(), threading.Event(), list[str]()

    def load(_: str) -> str:
        begun.set()
        may_end.wait(5)
        order.append("loaded")
        return "new"

    with connect(valkey_url, namespace=namespace, ttl=60, patience=5) as cache:
        cache.set("detail:7", "old")
        with StalenessProbe(cache, {"detail": load}, **ALWAYS) as probe:
            cache.get("detail:7")
            assert begun.wait(20)
        order.append("left")
    may_end.set()
    probe._thread.join()
    assert order == ["left", "loaded"]
    assert probe.compared == {"same": 0, "stale": 0, "unknown": 0}


def test_so_many_a_second_and_no_more(valkey_url: str, namespace: str) -> None:
    """However many hits there are, a probe takes one until its pause is over; and only the fraction that is drawn."""
    with connect(valkey_url, namespace=namespace, ttl=60, patience=5) as cache:
        probe = StalenessProbe(cache, {"detail": str}, fraction=1, per_second=0.001)
        never = StalenessProbe(cache, {"detail": str}, fraction=0.5, per_second=1000, chance=lambda: 0.5)
        for each in (probe, never):
            cache.subscribe(each._take)
        cache.set("detail:7", "old")
        for _ in range(50):
            cache.get("detail:7")
    assert (probe._waiting.qsize(), never._waiting.qsize()) == (1, 0)


@pytest.mark.parametrize(
    ("loaders", "options", "sentence"),
    [
        ({"detail": 7}, {}, "loaders must be a function of the key for each family"),
        ({}, {"fraction": 0}, "fraction must be a number above 0 to 1, not 0"),
        ({}, {"per_second": True}, "per_second must be a number above 0 to 1000, not True"),
        ({}, {"settle": -1}, "settle must be a number from 0 to 60, not -1"),
    ],
)
def test_what_makes_no_sense_is_named(
    other: Cache, loaders: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    """A wrong option is refused in a sentence, when the probe is made."""
    with pytest.raises(ConfigurationError, match=sentence):
        StalenessProbe(other, loaders, **options)


def test_a_service_carries_the_core_alone() -> None:
    """Importing the probe imports neither numpy nor pandas nor rich."""
    import subprocess
    import sys

    code = "import sys, dousell_cache.monitor.staleness; print({'numpy','pandas','rich'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"
