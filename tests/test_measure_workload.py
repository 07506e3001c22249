"""What is asked and when: the same in every environment, and spread as the names say."""

import hashlib
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats  # type: ignore[import-untyped] # its types are a package of their own

from dousell_cache.measure.arrivals import DAY
from dousell_cache.measure.pages import page_mix
from dousell_cache.measure.popularity import Keys, Replayed, Uniform, Weighted, Zipf, zipf_ranks
from dousell_cache.measure.workload import Request, Schedule

SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "poisson by time": lambda seed: Schedule.poisson(500, 20, seed=seed),
    "poisson by number": lambda seed: Schedule.poisson(500, seed=seed, requests=1_000),
    "bursts": lambda seed: Schedule.bursts(50, 20, seed=seed, burst=500),
    "daily": lambda seed: Schedule.daily(50, 20, seed=seed),
    "zipf": lambda seed: Schedule.constant(500, 1).asking(Zipf(40), seed=seed),
    "uniform": lambda seed: Schedule.constant(500, 1).asking(Uniform(40), seed=seed),
    "weighted": lambda seed: Schedule.constant(500, 1).asking(Weighted({"a": 1, "b": 3}), seed=seed),
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
    assert stats.kstest(gaps, "expon", (0, 1 / 500)).pvalue > 0.01


def test_constant_gaps_are_equal() -> None:
    """Constant arrivals start at 0 and keep one gap; a product just under a whole number does not lose its last one."""
    assert Schedule.constant(4, 1).times.tolist() == [0, 0.25, 0.5, 0.75]
    assert Schedule.constant(4, requests=3).times.tolist() == [0, 0.25, 0.5]
    assert len(Schedule.constant(100, 0.29)) == 29  # 28.999999999999996 in floating point


def test_replay_counts_from_the_first() -> None:
    """Recorded times keep their gaps and start at zero; nothing recorded is an empty schedule."""
    assert Schedule.replay([1_700_000_000.5, 1_700_000_001, 1_700_000_001]).times.tolist() == [0, 0.5, 0.5]
    assert len(Schedule.replay([])) == 0


@dataclass
class Trace:
    """What a recorder wrote."""

    times: np.ndarray[tuple[int], np.dtype[np.float64]]
    keys: list[str]
    operations: Any


@pytest.mark.parametrize("operations", [["read", "invalidate", "read"], np.array([0, 1, 0], np.uint8)])
def test_a_trace_is_replayed_with_its_keys_and_its_own_timing(operations: Any) -> None:
    """A recorded trace gives its gaps, keys and operations, whether these are words or codes."""
    schedule = Schedule.replay(Trace(np.array([70.0, 70.5, 72.25]), ["a", "b", "a"], operations))
    assert list(schedule) == [Request(0, "a", "read"), Request(0.5, "b", "invalidate"), Request(2.25, "a", "read")]


def test_a_schedule_is_a_trace() -> None:
    """A schedule, replayed, is itself: equal digests."""
    schedule = Schedule(np.array([0.0, 1.0]), Keys.of(["a", "b"]), np.array([0, 1], np.uint8))
    assert Schedule.replay(Trace(schedule.times, ["a", "b"], schedule.operations)).digest == schedule.digest


def test_bursts_come_in_the_last_part_of_each_period() -> None:
    """Calm and burst have their own rates, within four standard deviations, and the run ends when it should."""
    schedule = Schedule.bursts(100, 95, seed=1, burst=1_000, every=10, lasting=2)
    burst = schedule.times % 10 >= 8
    assert abs(burst.sum() - 9 * 2_000) < 4 * math.sqrt(18_000)  # the tenth would begin at 98 s
    assert abs((~burst).sum() - (9 * 800 + 500)) < 4 * math.sqrt(7_700)
    assert schedule.times[-1] < 95


@pytest.mark.parametrize("days", [1, 2.5])
def test_a_day_follows_its_curve(days: float) -> None:
    """At any length of a day, each hour has its share of the requests, within four and a half standard deviations."""
    schedule = Schedule.daily(2_000, 24 * days, seed=1, day=24)
    hours = np.bincount((schedule.times % 24).astype(int), minlength=24)
    following = (np.array(DAY) + np.roll(DAY, -1)) / 2  # straight from one hour to the next
    times = np.full(24, math.floor(days)) + (np.arange(24) < 24 * (days % 1))
    expected = 2_000 * following / following.mean() * times
    assert np.all(np.abs(hours - expected) < 4.5 * np.sqrt(expected))


def test_a_day_is_squeezed_into_the_time_there_is() -> None:
    """Without a length of its own, the day fills the run: more in its evening than in its night."""
    schedule = Schedule.daily(100, 240, seed=1)
    night, evening = np.searchsorted(schedule.times, [50, 200])
    assert night < len(schedule) - evening
    assert abs(len(schedule) - 24_000) < 4 * math.sqrt(24_000)


def test_a_curve_of_one_s_own() -> None:
    """A curve may have any number of parts; where it is zero nobody comes."""
    schedule = Schedule.daily(100, 90, seed=1, curve=[0, 0, 1])
    assert schedule.times.min() > 30


def test_weights_decide_how_often() -> None:
    """Counted shares are kept, within four and a half standard deviations; what was never asked for is not asked."""
    keys = Schedule.constant(1, requests=40_000).asking(Weighted({"a": 1, "b": 3, "c": 0}), seed=1).keys
    counts = Counter(keys)
    assert abs(counts["a"] - 10_000) < 4.5 * math.sqrt(7_500)
    assert set(counts) == {"a", "b"}


def test_recorded_keys_are_asked_for_in_their_order() -> None:
    """Replayed keys come as they were recorded, from the first again when there are more requests."""
    schedule = Schedule.constant(1, requests=5).asking(Replayed(["x", "y", "x"]), seed=1)
    assert list(schedule.keys or ()) == ["x", "y", "x", "x", "y"]


def test_names_are_given_or_made() -> None:
    """Keys have the names that were given, the most popular first; else numbers."""
    named = Schedule.constant(1, requests=1_000).asking(Zipf(["home", "detail:7"], 2.0), seed=1).keys
    assert Counter(named).most_common(1)[0][0] == "home"
    assert set(Uniform(2).draw(50, 1)) == {"key:0", "key:1"}


def test_keys_are_a_sequence() -> None:
    """Keys of requests are read as a list of texts would be."""
    texts = ["b", "a", "b", "c"]
    keys = Keys.of(texts)
    assert (list(keys), len(keys), keys[1], list(keys[1:3]), keys[-1]) == (texts, 4, "a", ["a", "b"], "c")
    assert "c" in keys
    assert Keys.of(keys) is keys


def test_the_digest_sees_keys_and_operations() -> None:
    """One key or one operation that differs is another schedule; how keys are numbered is not."""
    times = np.arange(4.0)
    digests = [
        Schedule(times).digest,
        Schedule(times, Keys.of(["a", "b", "a", "b"])).digest,
        Schedule(times, Keys.of(["a", "b", "a", "c"])).digest,
        Schedule(times, Keys.of(["a", "b", "a", "b"]), np.array([0, 0, 0, 1], np.uint8)).digest,
        Schedule(times, Keys.of(["ab", "", "ab", ""])).digest,
    ]
    assert len(set(digests)) == len(digests)
    numbered_otherwise = Keys(np.array([2, 0, 2, 0]), ("b", "never", "a"))
    assert Schedule(times, numbered_otherwise, np.zeros(4, np.uint8)).digest == digests[1]


def test_the_digest_is_what_its_documentation_says() -> None:
    """Hashed by hand, by the words of its documentation, a schedule has that digest; without keys, its times'."""
    schedule = Schedule(np.array([0.0, 1.5]), Keys.of(["é", "a"]), np.array([1, 0], np.uint8))
    times = np.array([0.0, 1.5], "<f8").tobytes()
    keys = b"keys" + bytes([0, 0, 0, 0, 1, 0, 0, 0]) + bytes([2, 0, 0, 0]) + "é".encode() + bytes([1, 0, 0, 0]) + b"a"
    assert schedule.digest == hashlib.sha256(times + keys + b"operations" + bytes([1, 0])).hexdigest()
    assert Schedule(schedule.times).digest == hashlib.sha256(times).hexdigest()


PROGRAM = """
from dousell_cache.measure.pages import page_mix
from dousell_cache.measure.workload import Schedule
print(page_mix(Schedule.daily(200, 30, seed=7), seed=7).digest)
"""


def test_another_process_makes_the_same_schedule() -> None:
    """The same seed gives the same digest in another process, whatever Python's hashes are salted with."""
    environ = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == page_mix(Schedule.daily(200, 30, seed=7), seed=7).digest


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
    "too few keys": (lambda: Schedule(np.arange(3.0), Keys.of(["a"])), "as many keys as times, not 1 for 3"),
    "too few operations": (
        lambda: Schedule(np.arange(2.0), None, np.zeros(1, np.uint8)),
        "as many operations as times",
    ),
    "unknown operation": (
        lambda: Schedule.replay(Trace(np.zeros(1), ["a"], ["write"])),
        "read or invalidate, not write",
    ),
    "unknown code": (lambda: Schedule.replay(Trace(np.zeros(1), ["a"], [7])), "read or invalidate, not 7"),
    "a code without name": (lambda: Keys(np.array([0, 1]), ("a",)), "one of 1 names"),
    "no calm": (lambda: Schedule.bursts(0, 10, seed=1, burst=5), "rate .* not 0"),
    "no burst": (lambda: Schedule.bursts(1, 10, seed=1, burst=0), "burst .* not 0"),
    "no end of a burst": (lambda: Schedule.bursts(1, 10, seed=1, burst=5, every=2, lasting=2), "not 2 of 2 s"),
    "no time for bursts": (lambda: Schedule.bursts(1, 0, seed=1, burst=5), "seconds .* not 0"),
    "no day": (lambda: Schedule.daily(1, 10, seed=1, day=0), "day .* not 0"),
    "an empty curve": (lambda: Schedule.daily(1, 10, seed=1, curve=[]), "a curve must hold numbers"),
    "a curve below zero": (lambda: Schedule.daily(1, 10, seed=1, curve=[1, -1]), "a curve must hold numbers"),
    "a curve of nothing": (lambda: Schedule.daily(1, 10, seed=1, curve=[0, 0]), "one of them above it"),
    "no weights": (lambda: Weighted({}).draw(1, 1), "weights must be numbers"),
    "a weight below zero": (lambda: Weighted({"a": -1, "b": 2}).draw(1, 1), "weights must be numbers"),
    "nothing recorded": (lambda: Replayed([]).draw(2, 1), "no key was recorded, to be replayed in 2 requests"),
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
    ranks = zipf_ranks(10_000, 1_000_000, skew=skew, seed=1) + 1
    logs, seen = np.log(np.arange(1, 10_001)), np.log(ranks).mean()

    def unlikelihood(candidate: float) -> float:
        return float(candidate * seen + np.log(np.exp(-candidate * logs).sum()))

    assert optimize.minimize_scalar(unlikelihood, (0, 3)).x == pytest.approx(skew, abs=0.02)


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
