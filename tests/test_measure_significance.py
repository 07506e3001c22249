"""Differences between runs: found when they are there, and seldom when not, however the samples cluster."""

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # it brings no types

from benchmarks.coverage import Matrix, correlated, differs, twenty_looks
from dousell_cache.measure.significance import (
    Look,
    difference,
    holm,
    look,
    p_of_difference,
    p_of_ratio,
    p_of_student,
    rank_test,
    ratio,
    ratio_of_percentiles,
)
from dousell_cache.measure.stats import Interval

RUNS = 300
# What 300 fair tosses of 5 % reach in 99.9 % of cases (binomial): 29.
MOST_FALSE_ALARMS = 29 / RUNS


def times(correlation: float, length: int, seed: int) -> Matrix:
    """Return runs as rows: lognormal times with a spread of 0.5."""
    return np.asarray(np.exp(0.5 * correlated(correlation, length, RUNS, seed)))


def test_a_ratio_adds_the_distances_like_errors() -> None:
    """On the logarithmic scale, the ends are as far off as both figures' own, added in squares."""
    found = ratio(Interval(20, 10, 80, 300), Interval(5, 5 / math.e, 5 * math.e**2, 200))
    assert found.value == 4
    assert found.low == pytest.approx(4 * math.exp(-math.hypot(math.log(2), 2)))
    assert found.high == pytest.approx(4 * math.exp(math.hypot(math.log(4), 1)))
    assert found.samples == 200


@pytest.mark.parametrize("other", [Interval(5, None, None, 9), Interval(5, 0, 9, 9)])
def test_a_ratio_without_ends_has_none(other: Interval) -> None:
    """A figure without an interval, or one that may be zero, leaves the ratio without."""
    whole = Interval(20, 10, 80, 300)
    assert ratio(whole, other) == Interval(4, samples=9)
    assert ratio(other, whole) == Interval(0.25, samples=9)


def test_a_ratio_to_nothing_is_refused() -> None:
    """Figures that are not positive have no ratio."""
    with pytest.raises(ValueError, match="positive figures, not 1 and 0"):
        ratio(Interval(1), Interval(0))


@pytest.mark.parametrize("correlation", [0, 0.9])
@pytest.mark.parametrize("percent", [50, 95])
def test_ratios_of_percentiles_cover(percent: float, correlation: float) -> None:
    """Of 95 % intervals of two runs that are alike but for a factor, few leave that factor out."""
    pairs = zip(times(correlation, 4_000, 1), 3 * times(correlation, 4_000, 2), strict=True)
    found = [ratio_of_percentiles(above, below, percent) for above, below in pairs]
    assert np.mean([not one.low <= 1 / 3 <= one.high for one in found]) <= MOST_FALSE_ALARMS  # type: ignore[operator]


def test_a_p95_ten_percent_up_is_found() -> None:
    """With 2,500 independent samples a side, the ratio of P95 shows it in at least 80 % of comparisons (S4)."""
    pairs = zip(1.1 * times(0, 2_500, 1), times(0, 2_500, 2), strict=True)
    assert np.mean([differs(ratio_of_percentiles(up, down, 95)) for up, down in pairs]) >= 0.8


@pytest.mark.parametrize(("correlation", "length"), [(0, 500), (0.9, 4_000)])
def test_runs_that_are_alike_are_seldom_told_apart_by_ranks(correlation: float, length: int) -> None:
    """A/A: at most about 5 % of rank tests of runs that are alike say otherwise, with clusters too."""
    pairs = zip(times(correlation, length, 1), times(correlation, length, 2), strict=True)
    assert np.mean([rank_test(first, second).p < 0.05 for first, second in pairs]) <= MOST_FALSE_ALARMS  # type: ignore[operator]


def test_ranks_that_ignore_clusters_raise_false_alarms() -> None:
    """The same values with their clusters hidden: a third of the tests or more tell them apart."""
    generator = np.random.default_rng(3)
    first, second = (generator.permuted(times(0.9, 4_000, seed), axis=1) for seed in (1, 2))
    assert np.mean([rank_test(*pair).p < 0.05 for pair in zip(first, second, strict=True)]) >= 1 / 3  # type: ignore[operator]


def test_ranks_find_a_small_shift() -> None:
    """With 2,500 samples a side, 10 % up is found in nearly all comparisons."""
    pairs = zip(1.1 * times(0, 2_500, 1), times(0, 2_500, 2), strict=True)
    assert np.mean([rank_test(up, down).p < 0.05 for up, down in pairs]) >= 0.95  # type: ignore[operator]


def test_ranks_count_who_is_above_whom() -> None:
    """The figure is that of all pairs, ties counted half; p is below 5 % just when the interval leaves one half out."""
    generator = np.random.default_rng(1)
    for shift in range(4):
        first, second = generator.integers(0, 9, 60) + shift / 2, generator.integers(0, 9, 80)
        plain = np.mean(first[:, None] > second) + np.mean(first[:, None] == second) / 2
        found = rank_test(first.astype(float), second.astype(float))
        assert found.above.value == pytest.approx(plain)
        assert found.above.low is not None
        assert found.above.high is not None
        assert found.p is not None
        assert (found.p < 0.05) == (not found.above.low <= 0.5 <= found.above.high)


def test_ranks_of_samples_that_do_not_vary() -> None:
    """Constants are alike or not: nothing is divided by zero."""
    assert rank_test(np.ones(50), np.ones(50)).p == 1
    assert rank_test(np.ones(50), np.zeros(50)).p == 0


def test_few_samples_have_no_p() -> None:
    """Below 40 samples on either side there is a figure, but nothing to say how sure it is; none are refused."""
    found = rank_test(np.ones(39), np.zeros(50))
    assert (found.above, found.p) == (Interval(1.0, samples=39), None)
    with pytest.raises(ValueError, match="samples on both sides"):
        rank_test(np.ones(3), np.ones(0))


def test_twenty_looks_raise_few_false_alarms() -> None:
    """A/A with 20 looks: at most 5 % ever say there is a difference, where plain intervals do in twice as many (S3)."""
    pairs = list(zip(times(0, 1_200, 1), times(0, 1_200, 2), strict=True))[:120]
    seen = [twenty_looks(*pair) for pair in pairs]
    assert np.mean([when > 0 for when, _ in seen]) <= 0.05
    assert np.mean([peeked for _, peeked in seen]) >= 0.10


def test_looks_find_a_difference_before_the_end() -> None:
    """A P95 a third up is found in nearly all comparisons, and mostly after half of the samples or less."""
    pairs = list(zip(1.33 * times(0, 2_500, 1), times(0, 2_500, 2), strict=True))[:50]
    when = np.array([twenty_looks(*pair)[0] for pair in pairs])
    assert np.mean(when > 0) >= 0.95
    assert np.median(when) <= 10


def test_evidence_is_that_of_the_mixture() -> None:
    """E = (1 + τ²)^(-1/2) · exp(τ² z² ÷ 2(1 + τ²)), with τ² the expected effect's variance in those of the estimate."""
    first, second = 1.15 * times(0, 2_500, 1)[0], times(0, 2_500, 2)[0]
    plain = ratio_of_percentiles(first, second, 95)
    error = math.log(plain.high / plain.low) / (2 * 1.96)  # type: ignore[operator]  # there is an interval
    share, z = (math.log(1.2) / error) ** 2, math.log(plain.value) / error
    evidence = (1 + share) ** -0.5 * math.exp(share * z**2 / (2 * (1 + share)))
    assert evidence > 1
    assert look(first, second, effect=1.2).evidence == pytest.approx(evidence, rel=1e-3)


@pytest.mark.parametrize("factor", [1.0, 1.08, 1.1, 1.12, 1.15, 0.8])
def test_the_interval_of_a_look_agrees_with_its_evidence(factor: float) -> None:
    """A difference is proved just when the interval that allows looking leaves 1 out; it contains the plain one."""
    for first, second in zip(factor * times(0, 2_500, 1)[:20], times(0, 2_500, 2), strict=False):
        found, plain = look(first, second), ratio_of_percentiles(first, second, 95)
        assert found.found == differs(found.ratio)
        assert found.ratio.low < plain.low < plain.high < found.ratio.high  # type: ignore[operator]


def test_what_was_found_stays_found() -> None:
    """Evidence is remembered: a later look that shows less takes nothing back."""
    same = times(0, 2_500, 1)[0]
    found = look(1.3 * same, times(0, 2_500, 2)[0])
    assert found.found
    later = look(same, same, before=found)
    assert (later.found, later.evidence, later.ratio.value) == (True, found.evidence, 1.0)
    assert look(same[:9], same[:9], before=found) == Look(Interval(1.0, samples=9), found.evidence, found=True)


def test_too_few_samples_prove_nothing() -> None:
    """Before a percentile has an interval, a look has no evidence."""
    assert look(np.full(58, 9.0), np.ones(58)) == Look(Interval(9.0, samples=58), 1.0, found=False)


@pytest.mark.parametrize("effect", [1.0, 0.5, math.nan])
def test_an_effect_that_is_none_is_refused(effect: float) -> None:
    """What is worth finding is a ratio above 1."""
    with pytest.raises(ValueError, match="a ratio above 1"):
        look(np.ones(99), np.ones(99), effect=effect)


def test_constants_that_differ_are_told_apart() -> None:
    """Samples without any spread overflow nothing."""
    assert look(np.full(99, 9.0), np.ones(99)).found
    assert not look(np.ones(99), np.ones(99)).found


def test_a_difference_adds_the_distances_in_squares() -> None:
    """The ends of a difference of shares are as far off as both shares' own ends, added in squares."""
    found = difference(Interval(0.9, 0.86, 0.93, 300), Interval(0.5, 0.47, 0.54, 200))
    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - math.hypot(0.04, 0.04))
    assert found.high == pytest.approx(0.4 + math.hypot(0.03, 0.03))
    assert found.samples == 200
    assert difference(Interval(0.9, samples=3), Interval(0.5, 0.4, 0.6, 9)) == Interval(0.4, samples=3)


@pytest.mark.parametrize("low", [0.90, 0.99, 0.999999, 1.000001, 1.01, 1.1])
def test_a_p_value_agrees_with_its_interval(low: float) -> None:
    """Below 5 % just when the interval leaves out what would be no effect, on either side of it."""
    for found in (Interval(1.2, low, 1.5, 9), Interval(1 / 1.2, 1 / 1.5, 1 / low, 9)):
        p = p_of_ratio(found)
        assert p is not None
        assert (p < 0.05) == differs(found)
        assert found.low
        assert found.high
        logs = Interval(math.log(found.value), math.log(found.low), math.log(found.high), 9)
        assert p_of_difference(logs) == p


def test_what_cannot_be_known_has_no_p() -> None:
    """Without an interval there is no p value; what is certain is alike or not."""
    assert p_of_ratio(Interval(1.2)) is None
    assert p_of_difference(Interval(0.2)) is None
    assert p_of_difference(Interval(0.0, 0.0, 0.0, 9)) == 1
    assert p_of_difference(Interval(0.2, 0.2, 0.2, 9)) == 0


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 15, 40])
def test_students_tail_is_exact(freedom: int) -> None:
    """The tail of Student's t is scipy's, for odd and even degrees of freedom, on both sides."""
    for t in (-3.0, -0.1, 0.0, 0.5, 1.0, 2.5, 7.0, 60.0):
        assert p_of_student(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), abs=1e-9)


def test_holm_raises_what_is_judged_together() -> None:
    """The smallest of three is tripled, the next doubled, none is lower than one before it, none above 1."""
    even = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}, even) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8, "c": 0.7}, even) == pytest.approx({"a": 1.0, "b": 1.0, "c": 1.0})
    assert holm({"a": 0.03}, even) == {"a": 0.03}
    assert holm({}, even) == {}


def test_holm_shares_the_error_rate_by_weight() -> None:
    """What may have three fifths of the error rate is raised by five thirds, and what is left by what is left."""
    found = holm({"a": 0.02, "b": 0.02, "c": 0.5}, {"a": 3.0, "b": 1.0, "c": 1.0})
    assert found == pytest.approx({"a": 0.02 * 5 / 3, "b": 0.04, "c": 0.5})


def test_holm_keeps_the_error_rate_of_all_together() -> None:
    """Of three p values that are chance, one falls below 5 % in at most about 5 % of cases."""
    drawn = np.random.default_rng(1).random((4_000, 3))
    weights = {"a": 3.0, "b": 1.0, "c": 1.0}
    found = [min(holm(dict(zip("abc", map(float, row), strict=True)), weights).values()) < 0.05 for row in drawn]
    assert 0.035 < np.mean(found) < 0.062  # what 4,000 tosses of 4.9 % stay within in 99.9 % of cases
