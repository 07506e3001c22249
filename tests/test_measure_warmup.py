"""The end of the warm-up: found where it is, and only reported."""

import numpy as np
import pytest

from benchmarks.coverage import Matrix, ramp, rising_hits
from dousell_cache.measure.warmup import WarmUp, _squared_errors, warm_up

RUNS = 200


def arrivals(generator: np.random.Generator, seconds: float = 60) -> Matrix:
    """Return Poisson arrivals, 75 a second."""
    times: Matrix = np.cumsum(generator.exponential(1 / 75, round(75 * seconds)))
    return times


@pytest.mark.parametrize("shape", [rising_hits, ramp(3, 0.3), ramp(10, 0.5), ramp(10, 1)])
def test_a_ramp_of_ten_seconds_is_found(shape: object) -> None:
    """In 95 % of 200 runs of 60 s, the end is found within 2 s of where it is."""
    generator = np.random.default_rng(6)
    found = []
    for _ in range(RUNS):
        times = arrivals(generator)
        found.append(warm_up(shape(generator, times), times).seconds)  # type: ignore[operator]  # one of the shapes above
    assert np.mean(np.abs(np.array(found) - 10) <= 2) >= 0.95


@pytest.mark.parametrize("correlation", [0, 0.9])
def test_no_ramp_is_no_warm_up(correlation: float) -> None:
    """Where there is none, at most 2 s of 60 s are taken for one in 80 % of runs, and nearly all runs are settled."""
    generator = np.random.default_rng(6)
    found = [warm_up(ramp(1, 0.5, correlation)(generator, times), times) for times in [arrivals(generator)] * RUNS]
    assert np.mean([one.seconds <= 2 for one in found]) >= 0.80
    assert np.mean([one.settled for one in found]) >= 0.99


def test_a_run_that_never_settles_is_told() -> None:
    """Times that fall until the end of the run are not settled in its first half."""
    times = np.arange(1_000.0)
    found = warm_up(np.geomspace(10, 1, 1_000), times)
    assert found == WarmUp(500, 500.0, settled=False)


def test_one_slow_read_later_is_no_warm_up() -> None:
    """A read that takes 300 times as long does not move the end of the warm-up there."""
    generator = np.random.default_rng(6)
    times = arrivals(generator)
    samples = ramp(10, 0.3)(generator, times)
    samples[np.searchsorted(times, 20)] = 300
    assert abs(warm_up(samples, times).seconds - 10) <= 2


def test_the_error_is_that_of_the_definition() -> None:
    """For every start: the sum of squares around the mean of the rest, divided by their number squared."""
    means = np.random.default_rng(1).exponential(size=40) + 1e6
    plain = [np.sum((means[start:] - means[start:].mean()) ** 2) / (40 - start) ** 2 for start in range(40)]
    assert _squared_errors(means) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_samples_are_not_settled(count: int) -> None:
    """Fewer than two batches of five have no first half."""
    assert warm_up(np.ones(count), np.arange(float(count))) == WarmUp(0, 0.0, settled=False)


def test_what_makes_no_sense_is_refused() -> None:
    """Times belong to samples one to one, and a response takes time."""
    with pytest.raises(ValueError, match="positive samples and a time for each, not 3 for 2"):
        warm_up(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="positive samples"):
        warm_up(np.zeros(20), np.ones(20))
