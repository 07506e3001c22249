"""Intervals over clusters: they cover, where single reads taken for independent would not."""

import math
import random
from collections import Counter

import pytest

from dousell_cache.histogram import bucket
from dousell_cache.monitor.intervals import FEWEST, Part, clustered_quantiles, clustered_share

RUNS = 400


def covered(seed: int, clusters: int, spread: float) -> float:
    """Return in how many of the runs the interval has the true hit rate, with clusters that differ by so much."""
    chance, truth, inside = random.Random(seed), 0.9, 0
    for _ in range(RUNS):
        parts = []
        for _ in range(clusters):
            rate = min(1.0, max(0.0, truth + chance.uniform(-spread, spread)))
            reads = chance.randrange(50, 150)
            hits = round(chance.gauss(reads * rate, math.sqrt(reads * rate * (1 - rate))))
            parts.append(Part(max(0, min(reads, hits)), reads))
        found = clustered_share(parts)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    return inside / RUNS


@pytest.mark.parametrize(("clusters", "spread"), [(6, 0.0), (30, 0.0), (6, 0.09), (30, 0.09)])
def test_a_share_is_covered(clusters: int, spread: float) -> None:
    """Of 95 % intervals at least 92 % have the truth, whether clusters are alike or differ by nine points."""
    assert covered(1, clusters, spread) >= 0.92


def test_clusters_that_differ_widen_the_interval() -> None:
    """The same reads say less when they came in lumps."""
    even = clustered_share([Part(90, 100)] * 10)
    lumpy = clustered_share([Part(100, 100)] * 5 + [Part(80, 100)] * 5)
    assert even.value == lumpy.value == 0.9
    assert even.low is not None
    assert lumpy.low is not None
    assert lumpy.low < even.low - 0.02


def test_the_ends_stay_inside() -> None:
    """No hits, or nothing but hits, leave an interval between nought and one, and the figure in it."""
    for meant in (0, 100):
        found = clustered_share([Part(meant, 100)] * FEWEST)
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high


def test_too_few_clusters_say_so() -> None:
    """Four clusters have a figure and no interval; empty ones do not count; none at all are no read."""
    found = clustered_share([Part(9, 10)] * (FEWEST - 1) + [Part(0, 0)] * 9)
    assert (found.value, found.low, found.high, found.samples) == (0.9, None, None, 40)
    assert clustered_share([]).samples == 0


def test_a_percentile_is_covered() -> None:
    """So are percentiles of clusters whose times differ by a fifth: at least 92 % have the true P95."""
    chance, inside = random.Random(2), 0
    truth = sorted(_time(chance) for _ in range(200_000))[190_000] * 1000
    for _ in range(RUNS // 4):
        parts = []
        for _ in range(12):
            level = 1 + chance.uniform(-0.2, 0.2)
            parts.append(Counter(bucket(_time(chance, level)) for _ in range(150)))
        found = clustered_quantiles(parts, 95)[0]
        assert found
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert inside >= 0.92 * (RUNS // 4)


def _time(chance: random.Random, level: float | None = None) -> float:
    spread = level if level is not None else 1 + chance.uniform(-0.2, 0.2)
    return spread * chance.lognormvariate(math.log(0.005), 0.7)


def test_no_time_is_no_percentile() -> None:
    """Where nothing was recorded there is None, not nought."""
    assert clustered_quantiles([], 95) == [None]
    assert clustered_quantiles([{}], 95) == [None]
