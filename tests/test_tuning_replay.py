"""Predicted beside measured, on a real Valkey, over TCP and through the Upstash emulator."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dousell_cache import AsyncCache, connect_async
from dousell_cache.environments import rest
from dousell_cache.errors import MeasurementFailed
from dousell_cache.local import Cloud
from dousell_cache.tuning.replay import MOST_DOUBT, _doubt, replay
from dousell_cache.tuning.trace import INVALIDATE, READ, Trace

if TYPE_CHECKING:
    from .conftest import FreeValkey


@pytest.fixture(params=["tcp", "rest"])
async def cache(request: pytest.FixtureRequest, cloud: Cloud, namespace: str) -> AsyncIterator[AsyncCache]:
    """A cache over each way."""
    target: Any = cloud.valkey_url if request.param == "tcp" else rest(cloud.upstash_url, cloud.upstash_token)
    async with await connect_async(target, namespace=namespace, patience=20) as opened:
        yield opened


def trace(keys: int = 12) -> Trace:
    """Return reads at 0, 6 and 30 s of each key, some withdrawn at 12 s: far from the TTLs, on a laden machine too."""
    rows = [(at + key / 100, f"detail:{key}", READ) for at in (0, 6, 30) for key in range(keys)]
    rows += [(12 + key / 100, f"detail:{key}", INVALIDATE) for key in range(0, keys, 3)]
    times, names, operations = zip(*sorted(rows), strict=True)
    return Trace.of(times, names, operations)


async def test_what_is_predicted_is_measured(cache: AsyncCache) -> None:
    """At each TTL the replay has the hits and the loads that the curve has, also with loads and withdrawals."""
    seen: list[tuple[int, int]] = []
    confirmation = await replay(
        trace(), cache, [18.0, 90.0], compress=20.0, fill=0.4, progress=lambda *told: seen.append(told)
    )
    # Where loads take long, on a laden machine, who would have hit may still wait for one: no load of its own, either.
    assert [(row.ttl, row.counts["miss"], sum(row.counts.values())) for row in confirmation.rows] == [
        (18.0, 24, 36),
        (90.0, 16, 36),
    ]
    assert [(row.loads, row.predicted_loads) for row in confirmation.rows] == [(24, 24), (16, 16)]
    assert [round(hit, 3) for hit in confirmation.to_frame()["predicted"]] == [0.333, 0.556]
    assert seen[-1] == (80, 80)


async def test_nothing_is_left_behind(cache: AsyncCache) -> None:
    """The keys of a replay are deleted in the end, and those of the site are not touched."""
    await cache.set("detail:1", "the site's", ttl=60)
    await replay(trace(3), cache, [1000.0], compress=100.0)
    left: Any = await cache._port.send("KEYS", f"{cache.namespace}*")
    assert left == [f"{cache.namespace}detail:1".encode()]


async def test_a_machine_too_late_is_refused(cache: AsyncCache) -> None:
    """Where lateness would move the hit rate by more than a point, the replay says so instead of a figure."""
    steps = np.repeat(np.arange(10) * 0.05, 3)  # every read comes about one TTL after the one before it
    tight = Trace.of(steps, ["a", "b", "c"] * 10)
    with pytest.raises(MeasurementFailed, match=r"this machine was [0-9.]+ ms late, which is .* compress less"):
        await replay(tight, cache, [0.0500], compress=1.0)
    assert MOST_DOUBT == 1.0


def test_what_lateness_could_do_is_computed_from_the_curve() -> None:
    """Doubt is what a TTL or a load that is off would change: nothing far from every gap, half of the hits at one."""
    pairs = Trace.of([0.0, 1.0, 100.0, 101.0], ["a", "a", "b", "b"])
    assert _doubt(pairs, 10.0, late=0.5, slower=0.5, fill=0.1) == 0
    assert _doubt(pairs, 1.0, late=0.5, slower=0.0, fill=0.1) == 25
    assert _doubt(pairs, 10.0, late=0.5, slower=1.5, fill=0.1) == 50


async def test_a_cache_that_does_not_serve_is_refused(free_valkey: "FreeValkey") -> None:
    """Reads that went around the cache are no measurement of it."""
    async with await connect_async(free_valkey.url, patience=5) as cache:
        free_valkey.kill()
        with pytest.raises(MeasurementFailed, match="the cache did not serve 40 of 40 requests"):
            await replay(trace(), cache, [18.0], compress=40.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ttls": [1.0], "compress": 0}, "compress must be above 0"),
        ({"ttls": [1.0], "compress": 100.0}, "a TTL of 1 s is 10 ms, but 20 ms are needed: compress 50 times at most"),
        ({"ttls": [-1.0]}, "a TTL of -1 s"),
        ({"ttls": []}, "give at least one ttl"),
    ],
)
async def test_what_makes_no_sense_is_refused(cache: AsyncCache, options: Any, sentence: str) -> None:
    """A compression or a TTL that makes no sense is refused before anything is sent."""
    with pytest.raises(ValueError, match=sentence):
        await replay(trace(), cache, **options)
