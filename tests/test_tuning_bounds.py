"""Bounds: reached by the longest TTL and by nobody passed."""

import itertools

import numpy as np
import pytest

from dousell_cache.tuning.bounds import ceiling, clairvoyant, current_ceiling
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.trace import Trace

from .tuning_traces import random_trace


def test_the_longest_ttl_reaches_the_ceilings() -> None:
    """With a TTL longer than the trace, what misses is each key's first read, and the first after each change."""
    generator = np.random.default_rng(4)
    for _ in range(100):
        trace = random_trace(generator, changes=True)
        assert ceiling(trace) == pytest.approx(curve(trace, [1_000], invalidations="ignored").hit_rate[0])
        assert current_ceiling(trace) == pytest.approx(curve(trace, [1_000]).hit_rate[0])


def fewest_loads(times: list[int], ttl: int) -> int:
    """Return by trying every choice of loads how few serve each read something at most so old."""
    for count in range(1, len(times) + 1):
        for loads in itertools.combinations(times, count):
            if all(any(load <= time <= load + ttl for load in loads) for time in times):
                return count
    raise AssertionError


def test_who_knows_the_future_does_no_better() -> None:
    """No choice at all of the reads to load at needs fewer loads than an entry stored on each miss."""
    generator = np.random.default_rng(5)
    for _ in range(100):
        times = sorted(set(generator.integers(0, 40, 9).tolist()))
        ttl = int(generator.integers(1, 15))
        bound = clairvoyant(Trace.of(times, ["a"] * len(times)), [ttl])[0]
        assert round((1 - bound) * len(times)) == fewest_loads(times, ttl)


def test_a_real_cache_stays_below() -> None:
    """Loads that take time, and jitter, only cost hits."""
    generator = np.random.default_rng(6)
    for _ in range(100):
        trace = random_trace(generator, changes=True)
        real = curve(trace, [0.5, 5], fill=0.3, jitter=0.5).hit_rate
        assert np.all(real <= clairvoyant(trace, [0.5, 5], fill=0.3) + 1e-12)


def test_no_reads_have_no_bound() -> None:
    """A trace without reads is refused."""
    for bound in (ceiling, current_ceiling):
        with pytest.raises(ValueError, match="no reads"):
            bound(Trace.of([1], ["a"], [1]))
