"""Moments, durations and units, as people read them."""

import pytest

from dousell_cache.measure.kpis import FIGURES
from dousell_cache.measure.place import Place
from dousell_cache.reporting.formatting import LABELS, distance, duration, seconds_between, unit_of, when


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3780, "1 h 3 min"),
    ],
)
def test_durations_have_the_digits_they_deserve(seconds: float, written: str) -> None:
    """No boundary is written as 60 s or 60 min."""
    assert duration(seconds) == written


def test_moments_are_written_in_utc() -> None:
    """Whatever the offset, a moment is shown in UTC and says so."""
    assert when("2026-11-22T20:30:00+01:00") == "22 November 2026, 19:30 UTC"


def test_seconds_between_moments() -> None:
    """A duration is the difference of two moments, whatever their offsets."""
    assert seconds_between("2026-11-22T19:30:00+00:00", "2026-11-22T20:31:05+01:00") == 65


def test_figures_have_units() -> None:
    """Shares, times and ratios are told apart by name."""
    assert [unit_of(name) for name in ("hit_rate", "p99_ms", "speedup", "reads")] == ["%", "ms", "×", ""]
    assert [unit_of(name) for name in ("double_payments", "in_order", "grants_per_second")] == ["%", "%", "/s"]


def test_every_figure_has_a_name_for_people() -> None:
    """What is measured is labelled, and nothing else is."""
    assert set(LABELS) == set(FIGURES)


def test_a_distance_is_the_shortest_round_trip() -> None:
    """It says of how many, whether encrypted, and from where, as far as that is known."""
    near = Place(kind="tcp", rtt_floor_ms=0.084, rtt_median_ms=0.1, pings=20)
    far = Place(kind="rest", tls=True, region="cdg1", rtt_floor_ms=14.2, rtt_median_ms=15.0, pings=18)
    assert distance(near) == "a round trip takes at least 0.08 ms (20 pings)"
    assert distance(far) == "a round trip takes at least 14.2 ms (18 pings, TLS, from cdg1)"
