"""Intervals that hold what they promise, measured by simulation, and that cost little."""

import math
import tracemalloc
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from dousell_cache.measure.stats import Interval, cold_start, never, percentile, ratio_of_means, share, smallest_sample

RUNS = 1_000
Matrix = NDArray[np.float64]


@cache
def runs(correlation: float, length: int) -> Matrix:
    """Return simulated runs as rows: normal samples, each correlated so much with the one before (AR(1))."""
    generator = np.random.default_rng(20_261_122)
    steps = np.sqrt(1 - correlation**2) * generator.standard_normal((length, RUNS))
    values = generator.standard_normal(RUNS)
    for step in steps:
        values = correlation * values + step
        step[:] = values
    return np.ascontiguousarray(steps.T)


def coverage(intervals: list[Interval], truth: float) -> float:
    """Return the share of intervals that hold the truth."""
    return sum(holds(interval, truth) for interval in intervals) / len(intervals)


def holds(interval: Interval, truth: float) -> bool:
    """Tell whether there is an interval and a figure in it."""
    return interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high


def normal_quantile(percent: float) -> float:
    """Return the true percentile of the simulated samples."""
    return NormalDist().inv_cdf(percent / 100)


@pytest.mark.parametrize(("percent", "length"), [(50, 4_000), (95, 4_000), (50, 200), (95, 500), (95, 2_000)])
def test_percentile_intervals_cover_independent_samples(percent: float, length: int) -> None:
    """Of 95 % intervals over independent samples, 93 to 97 % hold the true percentile."""
    found = coverage([percentile(run, percent) for run in runs(0, length)], normal_quantile(percent))
    assert 0.93 <= found <= 0.97


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_percentile_intervals_cover_clustered_samples(percent: float) -> None:
    """On autocorrelated samples at least 90 % hold it, where intervals that ignore clusters hold 70 % at most."""
    clustered = runs(0.9, 4_000)
    truth = normal_quantile(percent)
    assert coverage([percentile(run, percent) for run in clustered], truth) >= 0.90
    shuffled = np.random.default_rng(1).permuted(clustered, axis=1)  # the same values, their clusters hidden
    assert coverage([percentile(run, percent) for run in shuffled], truth) <= 0.70


@pytest.mark.parametrize(("percent", "smallest"), [(50, 6), (95, 59), (99, 299), (5, 59), (99.9, 2_995)])
def test_percentiles_of_too_few_samples_have_no_interval(percent: float, smallest: int) -> None:
    """One sample fewer than order statistics need: the point alone; exactly so many: an interval around it."""
    samples = np.random.default_rng(1).exponential(size=smallest)
    assert smallest_sample(percent) == smallest
    refused = percentile(samples[1:], percent)
    assert (refused.low, refused.high, refused.samples) == (None, None, smallest - 1)
    assert refused.value == np.percentile(samples[1:], percent)
    allowed = percentile(samples, percent)
    assert holds(allowed, allowed.value)
    assert {allowed.low, allowed.high} <= set(samples)


@pytest.mark.parametrize(("percent", "length"), [(50, 6), (95, 59), (99, 299)])
def test_the_smallest_samples_cover_too(percent: float, length: int) -> None:
    """Intervals of the fewest samples allowed hold the true percentile in at least 92 % of cases."""
    assert coverage([percentile(run, percent) for run in runs(0, length)], normal_quantile(percent)) >= 0.92


@pytest.mark.parametrize("percent", [0, 100, -1, 101, math.nan])
def test_a_percent_that_is_none_is_refused(percent: float) -> None:
    """Percentiles lie between 0 and 100."""
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentile(np.ones(100), percent)


def test_figures_of_nothing_are_refused() -> None:
    """No samples, no figure: one sentence, not a warning and a NaN."""
    none = np.array([])
    with pytest.raises(ValueError, match="needs samples"):
        percentile(none, 50)
    with pytest.raises(ValueError, match="needs at least one value"):
        share(none.astype(bool))
    with pytest.raises(ValueError, match="needs samples on both sides"):
        ratio_of_means(np.ones(50), none)


@pytest.mark.parametrize("pattern", [[5.0], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_the_point_lies_in_its_interval_even_of_regular_samples(pattern: list[float]) -> None:
    """Samples as regular as a clock do not make an interval that leaves its own figure out."""
    samples = np.tile(pattern, 400)
    for percent in (50, 95):
        found = percentile(samples, percent)
        assert holds(found, found.value)


def test_regular_samples_are_not_taken_for_certain() -> None:
    """A rhythm as long as a block makes all blocks alike; the interval is still that of at most twice the samples."""
    samples = np.tile(np.arange(20.0), 40) + np.arange(800) * 1e-6  # all different
    found, ordered = percentile(samples, 50), np.sort(samples)
    reach = 1.96 * math.sqrt(0.25 / 1_600) * 800  # ranks on either side, for 1,600 independent samples
    assert np.searchsorted(ordered, found.low or 0) <= 400 - reach
    assert np.searchsorted(ordered, found.high or 0) >= 400 + reach - 1


@pytest.mark.parametrize(("truth", "length"), [(0.5, 200), (0.9, 2_000), (0.98, 2_000)])
def test_share_intervals_cover_independent_values(truth: float, length: int) -> None:
    """Of 95 % intervals of a share over independent values, 93 to 97 % hold the true one."""
    flags = runs(0, length) < normal_quantile(truth * 100)
    assert 0.93 <= coverage([share(row) for row in flags], truth) <= 0.97


@pytest.mark.parametrize("truth", [0.5, 0.9])
def test_share_intervals_cover_clustered_values(truth: float) -> None:
    """When hits come in clusters, at least 90 % hold it."""
    flags = runs(0.9, 4_000) < normal_quantile(truth * 100)
    assert coverage([share(row) for row in flags], truth) >= 0.90


@pytest.mark.parametrize("count", [3, 100, 10_000])
def test_what_was_never_seen_has_the_bound_of_the_rule_of_three(count: int) -> None:
    """Without a case in n trials the upper end is 3 ÷ n: were it the truth, 95 % of such runs would have had a case."""
    none = never(np.zeros(count, bool))
    assert (none.value, none.low, none.high, none.samples) == (0, 0, 3 / count, count)
    assert (1 - 3 / count) ** count <= 0.05


def test_what_was_seen_after_all_is_a_share() -> None:
    """One case among many is its share, with an interval around it; no trial at all leaves no interval."""
    seen = never(np.arange(100) == 7)
    assert seen == share(np.arange(100) == 7)
    assert seen.value == 0.01
    assert never(np.zeros(0, bool)) == Interval(0.0)


@pytest.mark.parametrize("count", [1, 10, 20, 100, 10_000])
def test_no_event_is_a_bound_and_not_a_zero(count: int) -> None:
    """When all or none of n values are true, the interval is one-sided and about 3 ÷ n to 5 ÷ n wide, never nothing."""
    none, every = share(np.zeros(count, bool)), share(np.ones(count, bool))
    assert (none.value, none.low, every.value, every.high) == (0, 0, 1, 1)
    assert none.high is not None
    assert every.low is not None
    assert 3 / (count + 3) <= none.high <= 5 / count
    assert every.low == pytest.approx(1 - none.high)


@pytest.mark.parametrize("misses", [0.0, 0.05])
def test_ratio_intervals_cover(misses: float) -> None:
    """Of 95 % intervals of a speedup, 40 origin reads over 2,000 reads, 93 to 97 % hold the true one."""
    generator = np.random.default_rng(5)
    origin = generator.gamma(100, 3, (RUNS, 40))  # 300 ms ± 30 ms
    missed = generator.random((RUNS, 2_000)) < misses
    reads = np.where(missed, generator.gamma(100, 3, missed.shape), generator.gamma(4, 0.5, missed.shape))
    truth = 300 / (misses * 300 + (1 - misses) * 2)
    found = [ratio_of_means(above, below) for above, below in zip(origin, reads, strict=True)]
    assert 0.93 <= coverage(found, truth) <= 0.97


def test_ratios_of_few_samples_have_no_interval() -> None:
    """Below 40 samples on either side there is a ratio, but nothing to say how sure it is."""
    many, few = np.full(50, 4.0), np.full(39, 2.0)
    assert ratio_of_means(many, few) == Interval(2.0, samples=39)
    assert ratio_of_means(few, many) == Interval(0.5, samples=39)
    assert ratio_of_means(many, many[:40]) == Interval(1.0, 1.0, 1.0, 40)


def test_figures_are_repeatable() -> None:
    """The same samples give the same interval: nothing is drawn at random."""
    samples = runs(0, 4_000)[0]
    assert percentile(samples, 95) == percentile(samples, 95)
    assert ratio_of_means(samples + 9, samples + 8) == ratio_of_means(samples + 9, samples + 8)


def test_a_million_samples_cost_a_few_copies_of_them() -> None:
    """Memory grows with the samples by a small factor: a million of them, 8 MB, stay under 64 MB at the peak."""
    samples = np.random.default_rng(1).exponential(size=1_000_000)
    tracemalloc.start()
    percentile(samples, 95)
    share(samples < 1)
    ratio_of_means(samples, samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * samples.nbytes


def cold_run(generator: np.random.Generator, cold: int, length: int = 1_500) -> Matrix:
    """Return a run's response times: loads of about 300 ms at first, then hits of about 2 ms."""
    return np.concatenate([generator.gamma(100, 3, cold), generator.gamma(4, 0.5, length - cold)])


@pytest.mark.parametrize("cold", [0, 20, 35, 200])
def test_the_cold_start_is_found(cold: int) -> None:
    """The end of the cold start is found to the sample, and none is seen where there is none."""
    generator = np.random.default_rng(7)
    found = [cold_start(cold_run(generator, cold)) for _ in range(100)]
    assert set(found) == {cold}


def test_one_slow_read_later_is_no_cold_start() -> None:
    """A single slow read in the middle does not move the end of the warm-up there."""
    run = cold_run(np.random.default_rng(7), 35)
    run[600] = 300
    assert cold_start(run) == 35


@pytest.mark.parametrize("correlation", [0, 0.9])
def test_noise_is_no_cold_start(correlation: float) -> None:
    """Samples that vary by a third around one level, in clusters or not, have no cold start in 99 of 100 runs."""
    found = [cold_start(np.exp(run / 3)) for run in runs(correlation, 500)]
    assert np.mean(np.array(found) > 0) <= 0.01


def test_too_few_samples_have_no_cold_start() -> None:
    """Nine samples cannot be cut after five in their first half, and none neither."""
    assert cold_start(np.ones(9)) == 0
    assert cold_start(np.ones(0)) == 0


def test_a_cold_start_counts_in_the_figure_and_not_as_a_cluster() -> None:
    """With its length known, P95 and hit rate stay as they were; their intervals no longer reach for a second one."""
    generator = np.random.default_rng(7)
    run = cold_run(generator, 35)
    hits = run < 100
    assert share(hits, cold=35).value == share(hits).value == 1 - 35 / 1_500
    assert percentile(run, 95).high > 100  # type: ignore[operator]  # there is an interval
    assert percentile(run, 95, cold=35).high < 10  # type: ignore[operator]
    assert share(hits).low < 0.93 < 0.96 < share(hits, cold=35).low  # type: ignore[operator]


def test_intervals_cover_across_runs_with_a_cold_start() -> None:
    """Repeat a run with its cold start: at least 93 % of the intervals hold the P95 and the speedup of all runs."""
    generator = np.random.default_rng(11)
    made = [cold_run(generator, 35) for _ in range(400)]
    everything = np.concatenate(made)
    found = [percentile(run, 95, cold=35) for run in made]
    assert coverage(found, float(np.percentile(everything, 95))) >= 0.93
    origins = [generator.gamma(100, 3, 40) for _ in made]
    ratios = [ratio_of_means(origin, run, cold=35) for origin, run in zip(origins, made, strict=True)]
    assert coverage(ratios, 300 / float(everything.mean())) >= 0.93
