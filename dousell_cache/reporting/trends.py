"""Whether a figure moved since the run before: by whole intervals, or it did not. Pure."""

from collections.abc import Iterable, Mapping
from typing import Literal

from ..measure.stats import Interval
from .listing import Entry, EnvironmentSummary, RunFacts

Trend = Literal["up", "down", "level", "unknown"]
"""``up`` and ``down``: the whole interval lies beyond the whole interval of the run before; ``level``: they touch, so
nobody can tell; ``unknown``: there is no such run, or one of the two had too few samples for an interval."""

MARKS: Mapping[Trend, str] = {"up": "↑", "down": "↓", "level": "→", "unknown": " "}

Trends = Mapping[str, Mapping[str, Trend]]
"""By environment and figure."""


def trend(before: Interval | None, now: Interval) -> Trend:
    """Say whether a figure moved."""
    if before is None or None in {before.low, before.high, now.low, now.high}:
        return "unknown"
    if (now.low or 0.0) > (before.high or 0.0):
        return "up"
    return "down" if (now.high or 0.0) < (before.low or 0.0) else "level"


def trends(runs: Iterable[Entry]) -> list[Trends]:
    """Return, for each run, how its figures moved since the comparable run before it.

    Comparable is a finished run of the same profile on the same machine, in the same environment, with the same number
    of environments at once.

    Args:
        runs: newest first.
    """
    latest: dict[tuple[str, ...], EnvironmentSummary] = {}
    moved = [_moved(run, latest) for run in list(runs)[::-1]]
    return moved[::-1]


def _moved(run: Entry, latest: dict[tuple[str, ...], EnvironmentSummary]) -> Trends:
    """Return how one run's figures moved, and take note of them for the next."""
    if run.summary is None:
        return {}
    facts, found = run.summary.run, run.summary.environments
    keys = {name: _comparable(facts, name) for name in found}
    moved = {name: _changes(latest.get(keys[name]), environment) for name, environment in found.items()}
    latest.update({keys[name]: environment for name, environment in found.items() if environment.status == "ok"})
    return moved


def _comparable(facts: RunFacts, environment: str) -> tuple[str, ...]:
    return (facts.profile, "at once" if facts.parallel else "", facts.host.id, environment)


def _changes(before: EnvironmentSummary | None, now: EnvironmentSummary) -> Mapping[str, Trend]:
    earlier = before.figures if before else {}
    return {figure: trend(earlier.get(figure), seen) for figure, seen in now.figures.items()}
