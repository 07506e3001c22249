"""Latency profiles: what the numbers promise, and what the text form accepts."""

import itertools
import statistics

import pytest

from dousell_cache.local.latency import PROFILES, LatencyProfile


def sample(profile: LatencyProfile, count: int = 20_000) -> list[float]:
    """Return the first delays in milliseconds."""
    return [delay * 1000 for delay in itertools.islice(profile.delays(), count)]


ODD_PROFILES = [
    LatencyProfile("near", mean_ms=1, jitter_ms=0.9, seed=1),
    LatencyProfile("wild", mean_ms=1, jitter_ms=4, seed=2),
    LatencyProfile("far", mean_ms=300, jitter_ms=1, seed=3),
]


@pytest.mark.parametrize("profile", [*PROFILES.values(), *ODD_PROFILES], ids=lambda profile: profile.name)
def test_delays_have_the_stated_mean_and_deviation(profile: LatencyProfile) -> None:
    """A profile's mean and jitter are those of its delays, and no delay is negative."""
    delays = sample(profile)
    assert min(delays) >= 0
    assert statistics.fmean(delays) == pytest.approx(profile.mean_ms, rel=0.1)
    assert statistics.stdev(delays) == pytest.approx(profile.jitter_ms, rel=0.15)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_delays_start_at_a_floor_and_lean_right(profile: LatencyProfile) -> None:
    """Nothing arrives faster than the distance allows, and slow answers are rarer and further out than fast ones."""
    delays = sorted(sample(profile))
    floor, median = profile.mean_ms - 2 * profile.jitter_ms, delays[len(delays) // 2]
    assert delays[0] >= floor
    assert median < statistics.fmean(delays)
    assert delays[-1] - median > 2 * (median - delays[0])


def test_the_same_seed_gives_the_same_delays() -> None:
    """A run can be repeated; another seed is another run."""
    profile = LatencyProfile("one", mean_ms=5, jitter_ms=2, seed=7)
    assert sample(profile, 100) == sample(LatencyProfile("other", mean_ms=5, jitter_ms=2, seed=7), 100)
    assert sample(profile, 100) != sample(LatencyProfile("one", mean_ms=5, jitter_ms=2, seed=8), 100)


@pytest.mark.parametrize("mean", [0, 5])
def test_without_jitter_every_delay_is_the_mean(mean: float) -> None:
    """Zero jitter, and zero altogether, work."""
    assert sample(LatencyProfile("still", mean_ms=mean), 3) == [mean] * 3


@pytest.mark.parametrize("profile", [*PROFILES.values(), *ODD_PROFILES, LatencyProfile("custom", 0.1, 0.025, -4)])
def test_a_profile_survives_the_trip_through_text(profile: LatencyProfile) -> None:
    """What str() writes, parse reads back as an equal profile."""
    assert LatencyProfile.parse(str(profile)) == profile


def test_a_changed_profile_does_not_pass_under_a_known_name() -> None:
    """Only the very profile that is known is written by name alone."""
    changed = LatencyProfile("lan", mean_ms=50, jitter_ms=0.1)
    assert str(PROFILES["lan"]) == "lan"
    assert str(changed) == "name=lan,mean=50,jitter=0.1,seed=0"
    assert LatencyProfile.parse(str(changed)) == changed


def test_a_spec_may_be_short_and_spaced() -> None:
    """Only the mean is required."""
    assert LatencyProfile.parse("mean = 5, seed=3") == LatencyProfile("custom", mean_ms=5, jitter_ms=0, seed=3)


@pytest.mark.parametrize(
    ("profile", "label"),
    [
        (PROFILES["upstash-eu"], "upstash-eu: 2 ms ± 0.6 ms, emulated"),
        (LatencyProfile("still", mean_ms=0.5), "still: 0.5 ms, emulated"),
    ],
)
def test_the_label_says_name_spread_and_emulated(profile: LatencyProfile, label: str) -> None:
    """Whatever is measured through a profile can be marked with one line."""
    assert profile.label == label


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("upstash", "did you mean 'upstash-eu'?"),
        ("supabase_eu", "did you mean 'supabase-eu'?"),
        ("zzz", "known: lan, upstash-eu, supabase-eu, or write mean=5"),
        ("", "no latency profile ''"),
        ("mean=5,jiter=1", "did you mean 'jitter'?"),
        ("jitter=1", "has no mean"),
        ("mean=fast", "mean='fast' is not a number of milliseconds"),
        ("mean=-1", "mean=-1.0: use a number of milliseconds, 0 or more"),
        ("mean=nan", "mean=nan"),
        ("mean=5,jitter=inf", "jitter=inf"),
        ("mean=0,jitter=1", "needs a mean above 0"),
        ("mean=5,seed=x", "seed='x' is not a whole number"),
        ("mean=5,name=Zürich", "use printable ASCII"),
    ],
)
def test_a_bad_spec_is_named_and_put_right(text: str, words: str) -> None:
    """The message says what was wrong and what would be right."""
    with pytest.raises(ValueError, match="latency") as caught:
        LatencyProfile.parse(text)
    assert words in str(caught.value)
