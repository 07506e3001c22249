"""Intervals that hold what they promise, measured by simulation, and that cost little."""

import math
import tracemalloc
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.coverage import correlated, keyed
from dousell_cache.measure import stats
from dousell_cache.measure.stats import (
    Interval,
    block_length,
    cold_start,
    low_tail,
    never,
    percentile,
    ratio_of_means,
    share,
    smallest_sample,
    student,
    zero_events,
)

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
    """A rhythm as long as a block makes all blocks alike; the interval is still that of independent samples."""
    samples = np.tile(np.arange(20.0), 40) + np.arange(800) * 1e-6  # all different
    found, ordered = percentile(samples, 50), np.sort(samples)
    reach = 1.96 * math.sqrt(0.25 / 800) * 800  # ranks on either side, for independent samples
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


@pytest.mark.parametrize(("count", "alike"), [(40, 10), (100, 10), (400, 10), (1_000, 25), (10_000, 250)])
def test_values_that_are_all_the_same_know_little_of_their_clusters(count: int, alike: int) -> None:
    """When all or none of n values are true, ten of them, or a block, count for one: the interval is one-sided."""
    none, every = share(np.zeros(count, bool)), share(np.ones(count, bool))
    assert (none.value, none.low, every.value, every.high) == (0, 0, 1, 1)
    assert none.high is not None
    assert none.high == pytest.approx(1 / (1 + count / alike / 1.959964**2))
    assert every.low == pytest.approx(1 - none.high)


def test_a_share_of_few_values_has_no_interval() -> None:
    """Below forty values, as for a mean, a share is a number and no more."""
    assert share(np.ones(39, bool)) == Interval(1.0, samples=39)
    assert share(np.ones(40, bool)).low is not None


def test_misses_that_come_in_runs_do_not_pass_by_luck() -> None:
    """Of runs whose misses come twenty at a time and whose hit rate is 85 %, hardly any surely has more than 90 %."""
    generator = np.random.default_rng(4)
    for count in (40, 100, 300):
        runs = [np.repeat(generator.random(count // 20) < 0.85, 20) for _ in range(500)]
        found = [share(run) for run in runs]
        assert sum(one.low is not None and one.low > 0.9 for one in found) <= 10


@pytest.mark.parametrize(("percent", "count"), [(95, 60), (95, 100), (99, 300), (99, 1_000)])
def test_few_clusters_give_no_percentile(percent: float, count: int) -> None:
    """Of AR(1) 0.9, a few hundred samples are a few dozen: an upper end below the truth would pass what fails."""
    truth = NormalDist().inv_cdf(percent / 100)
    found = [percentile(run, percent) for run in correlated(0.9, count, 300)]
    assert sum(one.high is not None and one.high < truth for one in found) <= 9  # 3 %


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


def test_a_percentile_between_cold_start_and_the_rest_is_not_certain() -> None:
    """With exactly 5 % cold samples, P95 has nothing that varies on either side; its interval reaches into both."""
    run = cold_run(np.random.default_rng(7), 75)
    found = percentile(run, 95, cold=75)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 10 < 200 < found.high
    assert np.sum((run >= found.low) & (run <= found.high)) >= 2 * 1.96 * math.sqrt(0.05 * 0.95 * 1_500)


def test_samples_that_alternate_are_not_taken_for_more_than_they_are() -> None:
    """Neighbours that make up for each other narrow no interval: it is as wide as that of independent samples."""
    for run in runs(-0.5, 4_000)[:20]:
        assert stats.reach_of_mean(run) >= 1.959 * float(run.std()) / math.sqrt(4_000)


@pytest.mark.parametrize("correlation", [0, 0.9])
def test_the_count_below_a_percentile_is_that_of_drawn_blocks(correlation: float) -> None:
    """The distribution of resamples agrees with 20,000 of them drawn, to a tenth of the reach (a drawn one has 2 %)."""
    flags = runs(correlation, 2_000)[0] < 1
    below, above = stats._resampled_count(flags, 0)
    (blocks,) = stats._resampled(flags, 0)
    generator = np.random.default_rng(3)
    drawn = [blocks.sums[generator.integers(0, 2_000, blocks.drawn)].sum() for _ in range(20_000)]
    low, high = np.percentile(drawn - blocks.sums.mean() * blocks.drawn, (2.5, 97.5)) * blocks.normals / 1.96
    assert -below == pytest.approx(low, rel=0.1)
    assert above == pytest.approx(high, rel=0.1)


def test_blocks_are_as_long_as_clusters() -> None:
    """A fortieth of independent samples; longer for clusters, and a tenth for those that never end."""
    assert np.median([block_length(run) for run in runs(0, 4_000)[:50]]) == 100
    assert 120 < np.median([block_length(run) for run in runs(0.9, 4_000)[:50]]) < 250
    assert 300 < block_length(np.arange(4_000.0)) <= 400
    assert block_length(np.ones(4_000)) == 100
    assert block_length(np.ones(1)) == 1


def test_a_block_goes_around_the_end() -> None:
    """Each sample is in as many blocks as any other."""
    assert stats._running_sums(np.array([1.0, 2.0, 4.0, 8.0]), 3).tolist() == [7.0, 14.0, 13.0, 11.0]
    assert stats._running_sums(np.array([True, False]), 1).tolist() == [1, 0]


def test_autocovariances_are_what_their_name_says() -> None:
    """Computed by Fourier transform, they are the mean products of samples so far apart."""
    samples = runs(0.9, 500)[0]
    centred = samples - samples.mean()
    plain = [float(centred[lag:] @ centred[: 500 - lag]) / 500 for lag in range(31)]
    assert stats._autocovariances(samples, 30) == pytest.approx(plain)


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.7764), (5, 2.5706), (10, 2.2281), (39, 2.0227), (1e9, 1.96)])
def test_student_is_that_of_the_tables(freedom: float, quantile: float) -> None:
    """The 97.5 % quantiles printed in every table, as near as the docstring says."""
    assert student(freedom) == pytest.approx(quantile, abs=0.01 if freedom < 10 else 0.001)


@pytest.mark.parametrize(("percent", "enough"), [(50, 200), (95, 2_000), (99, 10_000), (5, 2_000), (99.9, 100_000)])
def test_a_low_tail_is_told(percent: float, enough: int) -> None:
    """Fewer than 100 samples beyond a percentile are few, 100 are not."""
    assert low_tail(enough - 1, percent)
    assert not low_tail(enough, percent)


@pytest.mark.parametrize(("trials", "bound"), [(1, 1.0), (3, 1.0), (10_000, 0.0003), (300_000, 1e-5)])
def test_zero_events_are_a_bound(trials: int, bound: float) -> None:
    """None in n trials: 0, and 3 ÷ n at most."""
    found = zero_events(trials)
    assert (found.value, found.low, found.samples) == (0, 0, trials)
    assert found.high == pytest.approx(bound)


def test_zero_events_in_no_trial_say_nothing() -> None:
    """Without a contested trial there is no bound: one sentence."""
    with pytest.raises(ValueError, match="at least one trial, not 0"):
        zero_events(0)


@pytest.mark.parametrize("keys", [20, 200])
def test_share_intervals_cover_keys_that_differ(keys: int) -> None:
    """Told the keys, at least 90 % hold the hit rate of all such keys; by time alone, 80 % at most do."""
    by_time, by_key = zip(*(keyed(seed, keys) for seed in range(400)), strict=True)
    assert coverage(list(by_key), 0.9) >= 0.90
    assert coverage(list(by_time), 0.9) <= 0.80


def test_the_larger_design_effect_counts() -> None:
    """Keys that are alike, and fewer than five keys, leave the interval by time as it is."""
    hits = runs(0.9, 4_000)[0] < 1
    alike = np.random.default_rng(1).integers(0, 50, 4_000)
    assert share(hits, keys=alike) == share(hits)
    assert share(hits, keys=(np.arange(4_000) // 1_000)) == share(hits)
    assert share(hits, keys=hits.astype(int)) == share(hits)


def test_a_cold_start_is_no_difference_between_keys() -> None:
    """Misses of the cold start do not count as those of their keys; with it known, the interval is the narrower one."""
    hits = np.concatenate([np.zeros(100, bool), np.random.default_rng(2).random(2_000) < 0.97])
    keys = np.concatenate([np.arange(100), np.arange(2_000) % 20])
    assert stats._reach_by_key(hits, keys, 100) < stats._reach_by_key(hits, keys, 0) / 2
    known, unknown = share(hits, cold=100, keys=keys), share(hits, keys=keys)
    assert known.value == unknown.value
    assert known.low > unknown.low  # type: ignore[operator]  # there is an interval


def test_a_cold_start_has_its_own_spread_beside_that_of_the_keys() -> None:
    """Where the keys agree after it, what is left is the spread of the cold start."""
    hits = np.concatenate([np.arange(100) % 2 == 0, np.ones(900, bool)])
    assert stats._reach_by_key(hits, np.arange(1_000) % 20, 100) > 1.96 * math.sqrt(100 * 0.25) / 1_000
