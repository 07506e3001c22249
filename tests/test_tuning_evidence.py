"""What an experiment's sums prove: on simulated groups whose truth is known."""

import math

import numpy as np
import pytest

from dousell_cache.tuning.arms import CLUSTERS, Phase, Sums, Table
from dousell_cache.tuning.evidence import FEWEST_GROUPS, Bounds, Estimate, bounds, difference, excess, total

LOOKS = 20


def groups(seed: int, shift: float = 0.0, lead_in: bool = True) -> list[Table]:
    """Return the tables at each look of an experiment whose second arm has so much more hits, in shares of the reads.

    Groups differ in how popular they are and in their hit rates, as the keys of a site do: much more than arms.
    """
    chance = np.random.default_rng(seed)
    rates, weights = chance.beta(6, 2, (2, CLUSTERS)), chance.pareto(1.5, (2, CLUSTERS)) + 0.2
    during = np.clip(rates + np.array([[0.0], [shift]]), 0, 1)
    before = _drawn(chance, weights * 20 * LOOKS, rates)
    steps = np.cumsum([_drawn(chance, weights * 20, during) for _ in range(LOOKS)], axis=0)
    return [({**_table("before", before)} if lead_in else {}) | _table("during", step) for step in steps]


def _drawn(chance: np.random.Generator, reads: np.ndarray, rates: np.ndarray) -> np.ndarray:
    count = chance.poisson(reads)
    return np.array([count, chance.binomial(count, rates)])


def _table(phase: Phase, drawn: np.ndarray) -> Table:
    reads, hits = drawn.tolist()
    return {
        (phase, arm, group): Sums(reads[arm][group], hits[arm][group], 0, reads[arm][group] - hits[arm][group])
        for arm in (0, 1)
        for group in range(CLUSTERS)
    }


def found(tables: list[Table]) -> bool:
    """Tell whether a difference was found at any look."""
    seen = [bounds(difference(table, 1, "hits"), 0.01) for table in tables]
    return any(one.low > 0 or one.high < 0 for one in seen)


@pytest.mark.parametrize("lead_in", [True, False])
def test_looking_often_finds_nothing_where_nothing_is(lead_in: bool) -> None:
    """Of experiments whose arms are alike, looked at twenty times each, at most 5 % find a difference."""
    assert sum(found(groups(seed, lead_in=lead_in)) for seed in range(100)) <= 5


def test_a_difference_is_found() -> None:
    """Three points of difference are found, thanks to the lead-in, in nearly every experiment."""
    assert sum(found(groups(seed, shift=-0.03)) for seed in range(20)) >= 18
    assert sum(found(groups(seed, shift=-0.03, lead_in=False)) for seed in range(20)) <= 2


def test_the_interval_holds_the_truth() -> None:
    """With a lead-in, the interval of the last look holds the difference that there is, and is some points wide."""
    last = [bounds(difference(groups(seed, shift=-0.02)[-1], 1, "hits"), 0.01) for seed in range(40)]
    assert sum(one.low <= -0.02 <= one.high for one in last) >= 38
    assert np.median([one.high - one.low for one in last]) < 0.04


def test_too_few_groups_say_nothing() -> None:
    """With reads in fewer than twenty groups of an arm there is no estimate, and the interval is everything."""
    few: Table = {("during", arm, group): Sums(9, 5) for arm in (0, 1) for group in range(FEWEST_GROUPS - 1)}
    assert (difference(few, 1, "hits"), excess(few, 1, "hits", 0.5)) == (None, None)
    nothing = bounds(None, 0.01)
    assert (math.isnan(nothing.value), nothing[1:]) == (True, (-math.inf, math.inf))


def test_more_evidence_narrows_an_interval() -> None:
    """The interval shrinks with the error, and is wider than one that may be looked at once."""
    wide, narrow = bounds(Estimate(0.0, 1e-4), 0.01), bounds(Estimate(0.0, 1e-6), 0.01)
    assert wide.high > narrow.high > 1.96e-3
    assert narrow == Bounds(0.0, -narrow.high, narrow.high)


def test_a_ratio_is_compared_by_its_difference() -> None:
    """Twice the other arm's loads exceed 1.5 times them, by half of them; a share exceeds a limit likewise."""
    twice: Table = {
        ("during", arm, group): Sums(reads=100, loads=10 + 10 * arm, stale=10)
        for arm in (0, 1)
        for group in range(CLUSTERS)
    }
    estimate, share = difference(twice, 1, "loads", times=1.5), excess(twice, 1, "stale", 0.02)
    assert estimate is not None
    assert share is not None
    assert estimate == pytest.approx((0.05, 0.0))
    assert share == pytest.approx((0.08, 0.0))
    assert total(twice, 1) == Sums(reads=6400, loads=1280, stale=640)
