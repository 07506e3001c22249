"""Environments side by side, as tables."""

from ..measure.place import Place
from ..measure.sides import SideBySide
from .formatting import distance
from .tables import Table, interval, number

_FIGURES = {
    "hit_rate": ("Hit rate", "%"),
    "p50_ms": ("P50 response", "ms"),
    "p95_ms": ("P95 response", "ms"),
    "p99_ms": ("P99 response", "ms"),
    "speedup": ("Speedup", "×"),
}


def side_table(run: SideBySide) -> Table:
    """Show every figure of every environment with its interval, a column for each, and what speaks against it."""
    rows = [
        (label, *(_cell(run, side.name, figure, unit) for side in run.sides))
        for figure, (label, unit) in _FIGURES.items()
    ]
    rows.append(("In doubt", *(side.doubt or "no" for side in run.sides)))
    rows.append(("Distance", *(_distance(side.place) for side in run.sides)))
    return Table("The same reads in every environment", ("figure", *(side.label for side in run.sides)), rows)


def _cell(run: SideBySide, name: str, figure: str, unit: str) -> str:
    found = run.figures[name][figure]
    return f"{number(found.value, unit)} ({interval(found, unit)})"


def _distance(place: Place) -> str:
    return "not measured" if place.rtt_floor_ms is None else distance(place)
