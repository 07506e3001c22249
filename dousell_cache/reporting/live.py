"""A monitor's looks in a notebook: one output that is rewritten, and stays as the last look when nobody watches.

It needs no extension of JupyterLab: an output with a ``display_id`` is updated by the kernel alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from ..measure.stats import Interval
from ..monitor.figures import ALL, ApplicationFigures, Sample
from .progress import in_a_kernel
from .tables import Table, number

_MOST_FAMILIES = 12
_GAUGES = (("keys", "keys"), ("connected_clients", "clients"), ("instantaneous_ops_per_sec", "commands a second"))


@dataclass(frozen=True)
class Look:
    """A sample as it is shown.

    Args:
        sample: the sample.
    """

    sample: Sample

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self._lines())
        return f"{family_table(self.sample)._repr_html_()}{lines}"

    def __repr__(self) -> str:
        return "\n".join([repr(family_table(self.sample)), *self._lines()])

    def _lines(self) -> Iterator[str]:
        sample = self.sample
        for alert in sample.alerts:
            if alert.firing:
                yield f"▲ {alert.name} since {alert.since[:16]}: {alert.message}"
        if sample.problem:
            yield f"✗ the server cannot be seen: {sample.problem}"
        if sample.server:
            gauges = sample.server.total.gauges
            told = [f"{gauges[name]:,.0f} {word}" for name, word in _GAUGES if name in gauges]
            memory = [f"memory {gauges['used_memory'] / 2**20:,.1f} MiB"] if "used_memory" in gauges else []
            yield f"Server: {', '.join([*memory, *told])}."
        emulated = f", emulated: {sample.emulated}" if sample.emulated else ""
        yield f"{sample.at[:19].replace('T', ' ')} UTC, {sample.cache or 'nowhere'}{emulated}"


def family_table(sample: Sample) -> Table:
    """Show how the reads of each key family ended, those of all together first."""
    rows = [row for row in sample.application if row.environment == sample.environment][: _MOST_FAMILIES + 1]
    headers = ("pages", "reads", "hits", "P50", "P95", "from the origin, cache down", "failed")
    cells = [_cells(row) for row in rows] or [("no figures yet", "–", "–", "–", "–", "–", "–")]
    return Table(f"What processes flushed in the last {sample.hours:g} h", headers, cells)


def live_view() -> Callable[[Sample], object]:
    """Return what shows looks here: in a notebook one output that is rewritten, elsewhere nothing."""
    return _Output() if in_a_kernel() else _nowhere


class _Output:
    """One output of a cell, rewritten with every look."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, sample: Sample) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(Look(sample), display_id=True)  # type: ignore[no-untyped-call] # IPython's own
        else:
            self._handle.update(Look(sample))


def _nowhere(_sample: Sample) -> None:
    """Show nothing: there is nobody to see it."""


def _cells(row: ApplicationFigures) -> tuple[str, ...]:
    shares = [f"{row.outcomes.get(outcome, 0):,}" for outcome in ("bypass", "error")]
    figures = (_figure(row.hit_rate, "%"), _figure(row.p50_ms, "ms"), _figure(row.p95_ms, "ms"))
    return ("all" if row.family == ALL else row.family, f"{row.reads:,}", *figures, *shares)


def _figure(figure: Interval | None, unit: str) -> str:
    return "–" if figure is None else number(figure.value, unit)
