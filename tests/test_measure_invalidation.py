"""Rows that change while they are read, on a real server: stale reads with leases and without."""

import asyncio
import math

import numpy as np
import pytest

from dousell_cache.environments import LOCAL_URL, from_url
from dousell_cache.local import Cloud
from dousell_cache.measure.caching_ways import GUARDED, NAIVE, TTL_ALONE
from dousell_cache.measure.invalidation import Invalidation, InvalidationPlan, WayMeasured, measure_invalidation
from dousell_cache.measure.load_result import LoadResult
from dousell_cache.measure.withdrawals import Change, Seen
from dousell_cache.reporting.invalidation_figures import way_table, withdrawals
from dousell_cache.transport.connect import listens

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
    assert [verdict.kpi.name for verdict in run.result.verdicts] == ["stale_reads"]
    assert any("origin" in line for line in run.result.emulated)


READS = [Seen(0, 1, began, began + 0.1) for began in np.arange(1.0, 101.0)]
CHANGES = [Change(0, 1, at / 100, 0.5) for at in range(20)]


def by_hand(reads: list[Seen], changes: list[Change], outcomes: list[str]) -> Invalidation:
    """Return a run of the shipped way in which this was seen."""
    times = np.zeros(len(outcomes))
    load = LoadResult(times, times, times, outcomes, [], times)
    return Invalidation(from_url("redis://127.0.0.1:1"), PLAN, "", 0.0, [WayMeasured(GUARDED, load, reads, changes)])


def test_a_cache_that_was_told_nothing_has_shown_nothing() -> None:
    """Where no withdrawal arrived no read could be stale: that is told, and not taken for a proof."""
    run = by_hand(READS, [Change(0, 1, 0.0, math.inf)] * 3, ["answered"] * 100 + ["error"] * 7)
    assert run.figures["stale_reads"].samples == 0
    assert "leases (as shipped): 3 of 3 changes could not be told to the cache." in run.reading
    assert "leases (as shipped): 7 of 107 reads failed." in run.reading
    (cells,) = way_table(run).rows
    assert cells[1] == "3 (3 not told)"
    assert cells[4] == "– 0 of 0"


def test_reads_that_could_not_be_stale_prove_nothing() -> None:
    """The bound is that of the reads that began after a withdrawal of their row."""
    early = [Seen(0, 0, 0.1, 0.2)] * 50
    share = by_hand([*early, *READS], CHANGES, ["answered"] * 150).figures["stale_reads"]
    assert (share.high, share.samples) == (0.03, 100)


OLD = Seen(0, 0, 50.0, 50.1)


@pytest.mark.parametrize(
    ("reads", "outcomes", "changes", "word"),
    [
        (READS * 4, [], CHANGES, "pass"),
        (READS * 3, [], CHANGES, "inconclusive"),
        ([*READS * 4, OLD], [], CHANGES, "fail"),
        (READS * 4, ["error"], CHANGES, "inconclusive"),
        (READS * 4, [], [*CHANGES, Change(1, 1, 0.0, math.inf)], "inconclusive"),
    ],
)
def test_no_read_may_be_stale(reads: list[Seen], outcomes: list[str], changes: list[Change], word: str) -> None:
    """One fails; none passes where enough could be, no read failed, and the cache was told of every change."""
    (verdict,) = by_hand(reads, changes, ["answered"] * len(reads) + outcomes).verdicts
    assert (verdict.kpi.name, verdict.word) == ("stale_reads", word)


def test_the_cache_that_was_used_is_named(run: Invalidation) -> None:
    """Where nothing listens on localhost:6379 it was an embedded one, and its address is told; as asked for is not."""
    used = (run.environment.kind, run.result.cache == LOCAL_URL)
    assert used == (("tcp", True) if listens(LOCAL_URL) else ("embedded", False))


def test_changes_that_nobody_saw_are_the_slowest() -> None:
    """They are not left out of the percentiles: beyond what was seen there is none."""
    seen = by_hand(READS, CHANGES, ["answered"] * 100)
    assert {"correct_after_p50_ms", "correct_after_p95_ms"} <= set(seen.figures)
    half = by_hand(READS, CHANGES + [Change(1, 1, 2.0, 2.1)] * 10, ["answered"] * 100)
    assert "correct_after_p95_ms" not in half.figures
    assert half.figures["correct_after_p50_ms"].value == pytest.approx(np.percentile(half.shipped.until_correct_ms, 75))
    (cells,) = way_table(half).rows
    assert cells[1:4] == ("30 (10 not seen)", cells[2], "not seen")
    assert "not seen" not in cells[2]
    assert withdrawals(half).caption.endswith("leases (as shipped): 0 of 100.")


def test_nobody_who_reads_is_no_failure() -> None:
    """A run without reads or changes has a picture and a table, too."""
    empty = by_hand([], [], [])
    assert empty.figures["stale_reads"].samples == 0
    assert way_table(empty).rows[0][1] == "0"
    assert withdrawals(empty).png


@pytest.mark.parametrize(
    ("name", "value"), [("rate", 0), ("ttl", 0), ("rows", 0), ("load_ms", -1), ("profile", "slow")]
)
def test_a_plan_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """The message names the value that is wrong."""
    with pytest.raises(ValueError, match=name):
        InvalidationPlan(**{name: value})  # type: ignore[arg-type] # wrong on purpose
