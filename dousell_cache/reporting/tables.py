"""Tables and sentences for notebooks and pages: one way of writing each kind of number, everywhere."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ..check import Step
from ..measure.kpis import Kpi, Verdict
from ..measure.result import LatencyRow
from ..measure.stats import Interval

MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?"}


@dataclass(frozen=True)
class Table:
    """Rows under headers, shown as an HTML table with scoped headers; the first column names the row.

    Args:
        caption: what the table shows.
        headers: one for each column.
        rows: cells as text.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def _repr_html_(self) -> str:
        head = "".join(_cell("th", header, ' scope="col"') for header in self.headers)
        body = "".join(_row(row) for row in self.rows)
        return (
            f'<table class="figures"><caption>{escape(self.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def __repr__(self) -> str:
        lines = [self.headers, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.headers))]
        text = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.caption, *text])


def _row(cells: Sequence[str]) -> str:
    name, *figures = cells
    cells_html = [_cell("th", name, ' scope="row"'), *(_cell("td", figure) for figure in figures)]
    return f"<tr>{''.join(cells_html)}</tr>"


def _cell(tag: str, text: str, attributes: str = "") -> str:
    # Inline, since JupyterLab sets every cell to the right. What is wrong is to be seen at once.
    weight = ";font-weight:bold" if text.startswith(MARKS["fail"]) else ""
    return f'<{tag}{attributes} style="text-align:left{weight}">{escape(text)}</{tag}>'


def number(value: float, unit: str) -> str:
    """Write a figure in its unit: shares as a percentage, the rest with two decimals, fewer from 10 and from 100."""
    if math.isnan(value):
        return "no value"
    if unit == "%":
        return f"{value * 100:z.1f} %"
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:z,.{digits}f} {unit}".replace(" ×", "×").strip()


def interval(figure: Interval, unit: str) -> str:
    """Write a figure's 95 % interval, or that there is none."""
    if figure.low is None or figure.high is None:
        return "too few samples"
    return f"{number(figure.low, unit).removesuffix(unit).strip()} to {number(figure.high, unit)}"


def target(kpi: Kpi) -> str:
    """Write what a KPI asks for, such as ``> 90.0 %``; of what must never be, how sure one has to be."""
    if kpi.direction == "none":
        return f"none, bound < {number(kpi.target, kpi.unit)}"
    return f"{'>' if kpi.direction == 'above' else '<'} {number(kpi.target, kpi.unit)}"


def seen(verdict: Verdict) -> str:
    """Write what was measured; of what must never be, how often it was seen."""
    figure, kpi = verdict.figure, verdict.kpi
    if kpi.direction == "none":
        return f"{round(figure.value * figure.samples):,} of {figure.samples:,}"
    return number(figure.value, kpi.unit)


def emulation(parts: Sequence[str]) -> str:
    """Write which parts are emulated, to be put behind a title or a caption; empty when all is real."""
    return f" (emulated: {'; '.join(parts)})" if parts else ""


def verdict_table(verdicts: Iterable[Verdict], emulated: Sequence[str] = ()) -> Table:
    """Show figures against their targets, and in the caption what of the environment is emulated."""
    rows = [
        (
            verdict.kpi.label,
            target(verdict.kpi),
            seen(verdict),
            interval(verdict.figure, verdict.kpi.unit),
            f"{verdict.figure.samples:,}",
            f"{MARKS[verdict.word]} {verdict.word}",
        )
        for verdict in verdicts
    ]
    return Table(
        f"Targets and what was measured{emulation(emulated)}",
        ("KPI", "target", "measured", "95 % interval", "samples", "verdict"),
        rows,
    )


def latency_table(rows: Iterable[LatencyRow]) -> Table:
    """Show how long each way of being answered took."""
    cells = [
        (row.path, f"{row.samples:,}", *(_told(value) for value in (row.mean, row.p50, row.p95, row.p99)))
        for row in rows
    ]
    return Table(
        "Response time by way of being answered", ("answered by", "requests", "mean", "P50", "P95", "P99"), cells
    )


def _told(ms: float | None) -> str:
    return "–" if ms is None else number(ms, "ms")


def step_table(steps: Iterable[Step]) -> Table:
    """Show the connection test."""
    cells = [
        (step.name, "✓ passed" if step.passed else "✗ failed", step.detail, number(step.ms, "ms")) for step in steps
    ]
    return Table("Connection test", ("step", "result", "what was seen", "took"), cells)
