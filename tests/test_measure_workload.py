"""What is asked and when: the same in every environment, and spread as the names say."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from dousell_cache.measure.workload import Schedule, zipf_ranks

SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "poisson by time": lambda seed: Schedule.poisson(500, 20, seed=seed),
    "poisson by number": lambda seed: Schedule.poisson(500, seed=seed, requests=1_000),
}


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
def test_the_seed_decides_the_schedule(make: Callable[[int], Schedule]) -> None:
    """Equal seeds give equal digests, another seed gives another."""
    assert make(1).digest == make(1).digest
    assert make(1).digest != make(2).digest
    assert len(make(1).digest) == len("0" * 64)


def test_the_digest_is_that_of_the_times() -> None:
    """The digest sees a difference of one nanosecond in one request."""
    times = Schedule.poisson(500, seed=1, requests=100).times
    moved = times.copy()
    moved[50] += 1e-9
    assert Schedule(times).digest == Schedule(times.copy()).digest != Schedule(moved).digest


def test_the_rate_is_kept_over_time() -> None:
    """As many requests start within the given seconds as the rate says, within four standard deviations."""
    for seed in range(20):
        times = Schedule.poisson(500, 20, seed=seed).times
        assert abs(len(times) - 10_000) < 4 * math.sqrt(10_000)
        assert times[-1] < 20


def test_the_number_of_requests_is_exact() -> None:
    """``requests`` gives exactly so many, at the rate on average."""
    for count in (1, 7, 10_000):
        assert len(Schedule.poisson(500, seed=1, requests=count)) == count
    last = Schedule.poisson(500, seed=1, requests=10_000).times[-1]
    assert last == pytest.approx(20, rel=4 / math.sqrt(10_000))


def test_the_number_of_requests_by_time_varies_with_the_seed() -> None:
    """Arrivals over a time are counted by chance, as visitors are: the variance is the mean's, not zero."""
    counts = [len(Schedule.poisson(100, 1, seed=seed)) for seed in range(500)]
    assert np.var(counts) == pytest.approx(100, rel=0.3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("by_time", [True, False])
def test_poisson_gaps_are_exponential(seed: int, by_time: bool) -> None:
    """Over 10,000 gaps the coefficient of variation is 0.97 to 1.03 and Kolmogorov-Smirnov finds no other shape."""
    made = Schedule.poisson(500, 20.2, seed=seed) if by_time else Schedule.poisson(500, seed=seed, requests=10_001)
    gaps = np.diff(made.times)[:10_000]
    assert 0.97 <= gaps.std() / gaps.mean() <= 1.03
    expected = 1 - np.exp(-np.sort(gaps) * 500)
    steps = np.arange(len(gaps) + 1) / len(gaps)
    distance = max((steps[1:] - expected).max(), (expected - steps[:-1]).max())
    assert distance < 1.63 / math.sqrt(len(gaps))  # p > 0.01


def test_constant_gaps_are_equal() -> None:
    """Constant arrivals start at 0 and keep one gap; a product just under a whole number does not lose its last one."""
    assert Schedule.constant(4, 1).times.tolist() == [0, 0.25, 0.5, 0.75]
    assert Schedule.constant(4, requests=3).times.tolist() == [0, 0.25, 0.5]
    assert len(Schedule.constant(100, 0.29)) == 29  # 28.999999999999996 in floating point


def test_replay_counts_from_the_first() -> None:
    """Recorded times keep their gaps and start at zero; nothing recorded is an empty schedule."""
    assert Schedule.replay([1_700_000_000.5, 1_700_000_001, 1_700_000_001]).times.tolist() == [0, 0.5, 0.5]
    assert len(Schedule.replay([])) == 0


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no rate": (lambda: Schedule.poisson(0, 1, seed=1), "rate .* not 0"),
    "endless rate": (lambda: Schedule.constant(math.inf, 1), "rate .* not inf"),
    "rate is no number": (lambda: Schedule.poisson(math.nan, 1, seed=1), "rate .* not nan"),
    "neither": (lambda: Schedule.poisson(1, seed=1), "either seconds or requests"),
    "both": (lambda: Schedule.constant(1, 1, requests=1), "either seconds or requests"),
    "negative seconds": (lambda: Schedule.poisson(1, -1, seed=1), "0 requests or more, not -1"),
    "endless seconds": (lambda: Schedule.constant(1, math.inf), "0 requests or more, not inf"),
    "seconds are no number": (lambda: Schedule.poisson(1, math.nan, seed=1), "0 requests or more, not nan"),
    "negative requests": (lambda: Schedule.poisson(1, seed=1, requests=-5), "0 requests or more, not -5"),
    "negative seed": (lambda: Schedule.poisson(1, 1, seed=-1), "seed .* not -1"),
    "times that go back": (lambda: Schedule(np.array([0.0, 2.0, 1.0])), "ascending"),
    "recorded times that go back": (lambda: Schedule.replay([5, 4]), "ascending"),
    "negative times": (lambda: Schedule(np.array([-1.0, 2.0])), "not negative"),
    "times that are no numbers": (lambda: Schedule.replay([0, math.nan, 1]), "finite"),
    "no keys": (lambda: zipf_ranks(0, 10, skew=1, seed=1), "at least one key"),
    "fewer than no draws": (lambda: zipf_ranks(1, -1, skew=1, seed=1), "0 requests, not 1 and -1"),
    "negative skew": (lambda: zipf_ranks(5, 10, skew=-1, seed=1), "skew .* not -1"),
    "skew is no number": (lambda: zipf_ranks(5, 10, skew=math.nan, seed=1), "skew .* not nan"),
    "negative seed of keys": (lambda: zipf_ranks(5, 10, skew=1, seed=-1), "seed .* not -1"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_nonsense_is_refused_in_one_sentence(make: Callable[[], object], sentence: str) -> None:
    """Arguments that make no sense raise a ValueError that names them, in one line."""
    with pytest.raises(ValueError, match=sentence) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("skew", [0.0, 0.8, 1.0, 1.5])
def test_shares_follow_the_weights(skew: float) -> None:
    """Each key is asked for as often as its weight says, within four and a half standard deviations."""
    draws = 200_000
    ranks = zipf_ranks(40, draws, skew=skew, seed=1)
    weights = 1 / np.arange(1, 41) ** skew
    expected = weights / weights.sum()
    seen = np.bincount(ranks, minlength=40) / draws
    assert np.all(np.abs(seen - expected) < 4.5 * np.sqrt(expected * (1 - expected) / draws))


@pytest.mark.parametrize("skew", [0.8, 1.2])
def test_the_skew_is_found_again(skew: float) -> None:
    """From a million draws over 10,000 keys the most likely skew is the one asked for, within 0.02."""
    logs = np.log(np.arange(1, 10_001))
    seen = logs[zipf_ranks(10_000, 1_000_000, skew=skew, seed=1)].mean()

    def expected(candidate: float) -> float:
        weights = np.exp(-candidate * logs)
        return float((weights * logs).sum() / weights.sum())

    low, high = 0.0, 3.0  # the mean logarithm falls as the skew grows: halve the interval
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) > seen else (low, middle)
    assert low == pytest.approx(skew, abs=0.02)


def test_the_seed_decides_the_keys() -> None:
    """Equal seeds ask for equal keys in equal order, another seed does not."""
    first, again, other = (zipf_ranks(40, 500, skew=1, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_keys_and_gaps_are_independent() -> None:
    """One seed for arrivals and keys does not make popular keys come after short gaps."""
    correlations = []
    for seed in range(300):
        gaps = np.diff(Schedule.poisson(100, seed=seed, requests=80).times, prepend=0)
        correlations.append(np.corrcoef(gaps, zipf_ranks(40, 80, skew=1, seed=seed))[0, 1])
    assert abs(np.mean(correlations)) < 4 / math.sqrt(300 * 80)
