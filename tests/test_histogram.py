"""The histogram's buckets: fixed places, a bounded error, and an end that is never hidden."""

import itertools
import math
import random
from collections import Counter

import pytest

from dousell_cache.histogram import HIGHEST, OVERFLOW, RELATIVE_ERROR, at_rank, bounds, bucket, middle, quantile


def lognormal(seed: int, count: int) -> list[float]:
    """Return times as answers have them: most of a few milliseconds, some of seconds."""
    chance = random.Random(seed)
    return [chance.lognormvariate(math.log(0.004), 1.5) for _ in range(count)]


def test_buckets_follow_each_other_without_a_gap() -> None:
    """Each bucket ends where the next begins, from nought to the longest time."""
    edges = [bounds(place) for place in range(OVERFLOW + 1)]
    assert edges[0][0] == 0
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(edges))
    assert edges[-1] == (HIGHEST, math.inf)


@pytest.mark.parametrize("microseconds", [0, 1, 63, 64, 127, 128, 129, 255, 256, 1000, 999_999, 67_108_863])
def test_a_time_is_in_its_bucket(microseconds: int) -> None:
    """The bucket of a time holds it, and its middle is off by the relative error or half a microsecond at most."""
    seconds = (microseconds + 0.5) / 1e6
    low, high = bounds(bucket(seconds))
    assert low <= seconds < high
    assert abs(middle(bucket(seconds)) - seconds) <= max(seconds * RELATIVE_ERROR, 0.5e-6) * (1 + 1e-9)


def test_what_is_too_long_is_not_clipped_in_silence() -> None:
    """From 67 s on there is one bucket of its own, whose quantile is at least that; less than nought is nought."""
    assert [bucket(HIGHEST - 1e-6), bucket(HIGHEST), bucket(1e9)] == [OVERFLOW - 1, OVERFLOW, OVERFLOW]
    assert quantile({OVERFLOW: 1}, 50) == HIGHEST
    assert bucket(-1.0) == 0


def test_quantiles_are_within_the_relative_error() -> None:
    """P50, P95 and P99 of 20,000 times are those of the times themselves, but for 0.8 %."""
    times = sorted(lognormal(1, 20_000))
    counts = Counter(map(bucket, times))
    for percent in (50, 95, 99):
        exact = times[math.ceil(len(times) * percent / 100) - 1]
        assert abs(quantile(counts, percent) / exact - 1) <= RELATIVE_ERROR * 1.01


def test_merged_histograms_are_those_of_the_pooled_times() -> None:
    """The sum of eight histograms is the histogram of all their times: every count alike."""
    parts = [lognormal(seed, 2_000) for seed in range(8)]
    merged = sum((Counter(map(bucket, part)) for part in parts), Counter[int]())
    assert merged == Counter(bucket(seconds) for part in parts for seconds in part)


def test_ranks_beyond_the_ends_mean_these() -> None:
    """A rank outside, as the end of an interval may have, means the shortest or the longest; no counts have none."""
    assert (at_rank({3: 1, 9: 1}, -5), at_rank({3: 1, 9: 1}, 99)) == (3, 9)
    with pytest.raises(ValueError, match="without counts"):
        quantile({}, 50)
