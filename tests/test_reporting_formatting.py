"""Moments, durations and units, as people read them."""

import pytest

from dousell_cache.reporting.formatting import duration, seconds_between, unit_of, when


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
