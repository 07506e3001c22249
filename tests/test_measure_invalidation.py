"""Rows that change while they are read, on a real server: stale reads with leases and without."""

import asyncio

import numpy as np
import pytest

from dousell_cache.local import Cloud
from dousell_cache.measure.caching_ways import GUARDED, NAIVE, TTL_ALONE
from dousell_cache.measure.invalidation import Invalidation, InvalidationPlan, WayMeasured, measure_invalidation

PLAN = InvalidationPlan(seconds=2.0, rate=80, changes=12, rows=2, load_ms=200, ttl=30, seed=3)


@pytest.fixture(scope="module")
def run(cloud: Cloud) -> Invalidation:  # noqa: ARG001 - joined, so that it is started once
    """A short run with many changes and slow loads, so that the naive way has every occasion to go wrong."""
    return asyncio.run(measure_invalidation("local", PLAN))


def of(run: Invalidation, name: str) -> WayMeasured:
    """Return what a way came to."""
    return next(each for each in run.ways if each.way.name == name)


def test_leases_leave_no_stale_read(run: Invalidation) -> None:
    """As shipped, nobody who asks after a withdrawal is shown the old version; every change was told."""
    assert run.shipped.stale == 0
    assert len(run.shipped.changes) == len(PLAN.writes.times)
    assert all(np.isfinite(change.told) for change in run.shipped.changes)


@pytest.mark.parametrize("way", [NAIVE.name, TTL_ALONE.name])
def test_other_ways_do(run: Invalidation, way: str) -> None:
    """The same reads and changes, without leases or without withdrawals, leave stale reads: so they would be seen."""
    assert of(run, way).stale > 0
    assert of(run, way).longest_stale_s > 0


def test_all_ways_meet_the_same(run: Invalidation) -> None:
    """Each way makes as many reads and changes, and the table of samples has every read."""
    assert {len(each.reads) for each in run.ways} == {len(PLAN.reads.times)}
    assert {len(each.changes) for each in run.ways} == {len(PLAN.writes.times)}
    assert len(run.samples) == 3 * len(PLAN.reads.times)
    assert run.ways[0].way is GUARDED


def test_what_is_published_is_what_was_shipped(run: Invalidation) -> None:
    """The figures are those of the shipped way, and the imitated origin is named."""
    assert run.result.figures["stale_reads"].value == 0
    assert any("origin" in line for line in run.result.emulated)


@pytest.mark.parametrize(
    ("name", "value"), [("rate", 0), ("ttl", 0), ("rows", 0), ("load_ms", -1), ("profile", "slow")]
)
def test_a_plan_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """The message names the value that is wrong."""
    with pytest.raises(ValueError, match=name):
        InvalidationPlan(**{name: value})  # type: ignore[arg-type] # wrong on purpose
