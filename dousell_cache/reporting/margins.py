"""How far a figure is from its target: from the worse end of its interval, on which its verdict rests. Pure."""

from dataclasses import dataclass
from typing import Literal

from ..measure.kpis import Verdict

Kind = Literal["spare", "over", "under", "unknown", "never", "seen"]
"""``spare``: all of the interval is on the good side; ``over`` and ``under``: its worse end is beyond a ceiling or
below a floor, and the verdict tells whether the better one is, too; ``unknown``: there is no interval; ``never`` and
``seen``: of what must never be, none was seen, or some."""


@dataclass(frozen=True)
class Margin:
    """A distance to a target.

    Args:
        kind: on which side of it.
        amount: how far, in the figure's unit, never negative; of what must never be, how many cases were seen.
    """

    kind: Kind
    amount: float


def margin(verdict: Verdict) -> Margin:
    """Return how far the worse end of a figure's interval is from its target."""
    figure, kpi = verdict.figure, verdict.kpi
    cases = round(figure.value * figure.samples)
    if kpi.direction == "none" and cases:
        return Margin("seen", cases)
    if figure.low is None or figure.high is None:
        return Margin("unknown", 0.0)
    floor = kpi.direction == "above"
    worse = figure.low if floor else figure.high
    if _beats(worse, kpi.target, floor):
        return Margin("never" if kpi.direction == "none" else "spare", abs(worse - kpi.target))
    return Margin("under" if floor else "over", abs(worse - kpi.target))


def _beats(number: float, target: float, floor: bool) -> bool:
    return number > target if floor else number < target
