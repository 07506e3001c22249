"""Intervals over time: as wide as traces differ."""

import numpy as np

from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.spread import FEWEST_BLOCKS, MOST_BLOCKS, _student, blocks_for, interval

from .tuning_traces import poisson_trace


def test_intervals_hold_what_the_formula_says() -> None:
    """Of 100 traces, at least 88 have the true hit rate, λT ÷ (1 + λT), in their 95 % interval."""
    held = 0
    for seed in range(100):
        played = curve(poisson_trace([0.5, 0.5], 4_000, seed=seed), [10], blocks=MOST_BLOCKS)
        ends = interval(played.blocks["hits"][0], played.blocks["reads"][0], blocks_for(10, 4_000))
        assert ends
        held += ends[0] <= 5 / 6 <= ends[1]
    assert 88 <= held < 100


def test_too_few_blocks_say_nothing() -> None:
    """Below eight stretches as long as the TTL there is no interval."""
    assert blocks_for(10, 79) < FEWEST_BLOCKS == blocks_for(10, 80)
    assert interval(np.ones(64), np.ones(64), 7) is None
    assert interval(np.zeros(64), np.zeros(64), 64) is None
    assert interval(np.ones(64), np.ones(64), 8) == (1.0, 1.0)


def test_students_quantile_is_scipys() -> None:
    """The expansion is right to 0.002."""
    from scipy import stats  # type: ignore[import-untyped]  # scipy has no types of its own

    for freedom in range(FEWEST_BLOCKS - 1, MOST_BLOCKS):
        assert abs(_student(freedom) - stats.t.ppf(0.975, freedom)) < 0.002
