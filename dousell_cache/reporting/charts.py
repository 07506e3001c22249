"""Where a number lies on a page's small drawings: lines in percent of their width, and figures over runs. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..measure.kpis import Verdict
from ..measure.result import LatencyRow
from ..measure.stats import Interval


@dataclass(frozen=True)
class Bullet:
    """A figure against its target, as positions from 0 to 100.

    Args:
        value: the figure.
        low: the lower end of its interval; the figure itself when there is none.
        high: the upper end.
        target: the target.
        above: whether the good side is to the right of it.
    """

    value: float
    low: float
    high: float
    target: float
    above: bool


def bullet(verdict: Verdict) -> Bullet:
    """Place a figure and its target on one line that shows both well."""
    figure, kpi = verdict.figure, verdict.kpi
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    left, right = _window(low, high, kpi.target) if kpi.unit == "%" else (0.0, 1.25 * max(high, kpi.target))

    def place(number: float) -> float:
        return round(min(100.0, max(0.0, (number - left) / (right - left) * 100)), 2)

    return Bullet(place(figure.value), place(low), place(high), place(kpi.target), kpi.direction == "above")


def _window(low: float, high: float, target: float) -> tuple[float, float]:
    """Return the part of the axis of shares that is worth showing: from a bit below everything, at most to 100 %."""
    left, right = min(low, target), max(high, target)
    room = 0.1 + (right - left) / 2
    return max(0.0, left - room), min(1.0, right + room)


class LogScale:
    """A logarithmic axis that holds every row's P50 and P95 and starts at a whole decade.

    Args:
        rows: what is to be shown on it; those without a positive time are not.
    """

    def __init__(self, rows: Iterable[LatencyRow]) -> None:
        times = [time for row in rows for time in (row.p50, row.p95) if time > 0] or [1.0]
        self._first = math.floor(math.log10(min(times)))
        self._last = max(self._first + 1.0, math.log10(1.25 * max(times)))

    def place(self, ms: float) -> float:
        """Return the position of a time, from 0 to 100."""
        if ms <= 0:
            return 0.0
        share = (math.log10(ms) - self._first) / (self._last - self._first)
        return round(min(1.0, max(0.0, share)) * 100, 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Position and label of each decade."""
        exponents = range(self._first, math.floor(self._last) + 1)
        return [(self.place(10.0**exponent), f"{10.0**exponent:,g}") for exponent in exponents]


class Plot:
    """A figure over runs, oldest first, on a drawing with so many units of width and height.

    The values decide what is shown, and the target if there is one; intervals that reach beyond are cut off at the
    edge, or one run with few samples would press all others into a line. A single run is shown with all of its
    interval, as wide as a mark.

    Args:
        figures: the figure in each run.
        width: of the drawing.
        height: of the drawing.
        target: shown as a line; default none.
    """

    _EDGE = 6.0  # room for marks

    def __init__(self, figures: Sequence[Interval], width: float, height: float, target: float | None = None) -> None:
        self._figures, self._width, self._height = figures, width, height
        shown = [figure.value for figure in figures] + ([] if target is None else [target])
        if len(figures) == 1:
            shown += [_end(figures[0], figures[0].low), _end(figures[0], figures[0].high)]
        self._low, high = min(shown), max(shown)
        self._span = high - self._low
        self.target = None if target is None else self._y(target)

    @property
    def dots(self) -> list[tuple[float, float]]:
        """Where each run is."""
        return [(self._x(place), self._y(figure.value)) for place, figure in enumerate(self._figures)]

    @property
    def line(self) -> str:
        """The runs as an SVG polyline's points."""
        return _joined(self.dots)

    @property
    def band(self) -> str:
        """The intervals as an SVG polygon's points; a run without one is there by its value."""
        upper = [(self._x(place), self._y(_end(figure, figure.high))) for place, figure in enumerate(self._figures)]
        lower = [(self._x(place), self._y(_end(figure, figure.low))) for place, figure in enumerate(self._figures)]
        if len(upper) == 1:
            upper, lower = ([(x - self._EDGE, y), (x + self._EDGE, y)] for ((x, y),) in (upper, lower))
        return _joined([*upper, *lower[::-1]])

    def _x(self, place: int) -> float:
        gaps = max(1, len(self._figures) - 1)
        start = place if len(self._figures) > 1 else 0.5
        return round(self._EDGE + start * (self._width - 2 * self._EDGE) / gaps, 1)

    def _y(self, value: float) -> float:
        share = (value - self._low) / self._span if self._span else 0.5
        inside = self._EDGE + (1 - share) * (self._height - 2 * self._EDGE)
        return round(min(self._height, max(0.0, inside)), 1)


def _end(figure: Interval, end: float | None) -> float:
    return figure.value if end is None else end


def _joined(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
