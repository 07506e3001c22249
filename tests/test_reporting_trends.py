"""A figure moved when its whole interval did, measured against the comparable run before it."""

import pytest

from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.listing import Entry, EnvironmentSummary, HostId, RunFacts, Summary
from dousell_cache.reporting.trends import trend, trends


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (Interval(0.9, 0.89, 0.91), Interval(0.95, 0.94, 0.96), "up"),
        (Interval(0.9, 0.89, 0.91), Interval(0.85, 0.84, 0.86), "down"),
        (Interval(0.9, 0.89, 0.91), Interval(0.95, 0.91, 0.96), "level"),
        (Interval(0.0, 0.0, 0.0), Interval(0.0, 0.0, 0.0), "level"),
        (Interval(0.9), Interval(0.95, 0.94, 0.96), "unknown"),
        (Interval(0.9, 0.89, 0.91), Interval(0.95), "unknown"),
        (None, Interval(0.95, 0.94, 0.96), "unknown"),
    ],
)
def test_a_figure_moves_by_its_whole_interval(before: Interval | None, now: Interval, said: str) -> None:
    """Intervals that touch are level; without a run before, or an interval, nobody can say."""
    assert trend(before, now) == said


def run(hit_rate: float, profile: str = "quick", host: str = "", status: str = "ok") -> Entry:
    """Return a run that found this hit rate, give or take one point."""
    figures = {"hit_rate": Interval(hit_rate, hit_rate - 0.01, hit_rate + 0.01)}
    found = EnvironmentSummary(status, "pass", [], figures)  # type: ignore[arg-type] # any of the closed set
    facts = RunFacts("", "", profile, HostId(host))
    return Entry("", "finished", summary=Summary("", 1, facts, "pass", 0, {"local": found}))


def test_a_run_is_compared_with_the_comparable_one_before() -> None:
    """Another profile, another machine and a run that failed in this environment are passed over."""
    others = [run(0.99, profile="full"), run(0.99, host="b5ca"), run(0.99, status="timeout"), Entry("x", "killed")]
    moved = trends([run(0.95), *others, run(0.90)])
    assert moved[0] == {"local": {"hit_rate": "up"}}
    assert moved[1] == moved[2] == moved[5] == {"local": {"hit_rate": "unknown"}}
    assert moved[3] == {"local": {"hit_rate": "up"}}
    assert moved[4] == {}


def test_each_run_is_compared_with_the_one_just_before() -> None:
    """Of three runs that go up and down again, newest first, each is told against its own predecessor."""
    moved = trends([run(0.90), run(0.95), run(0.90)])
    assert [one["local"]["hit_rate"] for one in moved] == ["down", "up", "unknown"]
