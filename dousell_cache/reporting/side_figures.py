"""Pictures of environments side by side: one for each question that notebook 02 asks."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..measure.kpis import kpis_in_force
from ..measure.rates import Step
from ..measure.sides import Side, SideBySide
from ..measure.stats import Interval
from .figures import STYLE, Picture, picture
from .tables import interval, number

# Okabe and Ito's palette, as for outcomes; a dash and a marker besides, so that none is told by its colour alone.
_LOOKS = {
    "local": ("#009E73", "-", "o"),
    "dedicated": ("#CC79A7", "-.", "D"),
    "vercel": ("#0072B2", "--", "s"),
}
_ORIGIN_LOOK = ("#7A5C00", ":", "^")
_PERCENTS = (50, 95, 99)
_ORIENTATION = " Targets are drawn for orientation: they are judged in 01."


def latency_curves(run: SideBySide) -> Picture:
    """Draw which share of the reads was answered within each time, in each environment and by the origin alone."""
    series = {side.label: side.answered_ms for side in run.sides} | {run.origin_label: run.origin.response_ms}
    looks = [*(_LOOKS[side.name] for side in run.sides), _ORIGIN_LOOK]
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Share of reads answered within …", "response time, ms (logarithmic)")
        for (label, times), look in zip(series.items(), looks, strict=True):
            _curve(axes, label, look, times)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
        figure.legend(loc="outside right upper")
    halves = ", ".join(f"{name} {number(float(np.median(times)), 'ms')}" for name, times in series.items())
    caption = f"Half of the reads were answered within: {halves}."
    return picture(figure, f"Cumulative distributions of response times by environment. {caption}", caption)


def _curve(axes: Axes, label: str, look: tuple[str, str, str], times: NDArray[np.float64]) -> None:
    colour, dash, marker = look
    ordered = np.sort(times)
    shares = np.arange(1, len(ordered) + 1) / len(ordered)
    marked = [int(len(ordered) * share) for share in (0.25, 0.5, 0.75, 0.95)]
    axes.step(ordered, shares, dash, color=colour, label=label, lw=2, marker=marker, markevery=marked, ms=5)


def latency_quantiles(run: SideBySide) -> Picture:
    """Draw P50, P95 and P99 of each environment with their intervals, beside the targets."""
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("P50, P95 and P99, with 95 % intervals", "response time, ms (logarithmic)")
        for place, side in enumerate(run.sides):
            shift = 0.6 * (place + 1) / (len(run.sides) + 1) - 0.3
            found = [run.figures[side.name][f"p{percent}_ms"] for percent in _PERCENTS]
            _intervals(axes, side, found, np.arange(len(_PERCENTS), dtype=np.float64) + shift)
        kpis = {row: kpis_in_force().get(f"p{percent}_ms") for row, percent in enumerate(_PERCENTS)}
        for row, kpi in kpis.items():
            if kpi:
                axes.plot([kpi.target] * 2, [row - 0.4, row + 0.4], color="#1D1B16", lw=1.5)
                axes.annotate("target", (kpi.target, row - 0.42), ha="center", va="bottom", fontsize=8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.set_yticks(range(len(_PERCENTS)), [f"P{percent}" for percent in _PERCENTS])
        axes.invert_yaxis()
        figure.legend(loc="outside right upper")
    aim = _ORIENTATION if any(kpis.values()) else ""
    caption = f"{_told(run, 'p50_ms', 'P50', 'ms')}; {_told(run, 'p95_ms', 'P95', 'ms')}.{aim}"
    return picture(figure, f"Percentiles of the response time by environment. {caption}", caption)


def hit_rates(run: SideBySide) -> Picture:
    """Draw the hit rate of all reads and of each kind of page, in each environment."""
    rows = ["all reads", *(page.kind for page in run.pages)]
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Hit rate, with 95 % intervals", "share of reads that were hits")
        for place, side in enumerate(run.sides):
            shift = 0.6 * (place + 1) / (len(run.sides) + 1) - 0.3
            by_row = {"all reads": run.figures[side.name]["hit_rate"], **side.hit_rates(run.pages)}
            present = [(row, by_row[name]) for row, name in enumerate(rows) if name in by_row]
            places = np.array([row for row, _ in present], dtype=np.float64) + shift
            _intervals(axes, side, [found for _, found in present], places)
        kpi = kpis_in_force().get("hit_rate")
        if kpi:
            _line(axes, kpi.target, "target")
        axes.set_xlim(0, 1.02)
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        figure.legend(loc="outside right upper")
    aim = _ORIENTATION if kpi else ""
    caption = f"{_told(run, 'hit_rate', 'Hit rate', '%')}. The cold start counts: each page's first read misses.{aim}"
    return picture(figure, f"Hit rates by kind of page and environment. {caption}", caption)


def speedups(run: SideBySide) -> Picture:
    """Draw how many times as fast as the origin alone each environment answers, on average."""
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Speedup, with 95 % intervals", "origin's mean ÷ mean of all reads", height=2.2)
        for row, side in enumerate(run.sides):
            _intervals(axes, side, [run.figures[side.name]["speedup"]], np.array([float(row)]))
        _line(axes, 1.0, "no gain")
        axes.set_xlim(left=0)
        axes.set_ylim(len(run.sides) - 0.4, -0.6)
        axes.set_yticks(range(len(run.sides)), [side.label for side in run.sides])
    caption = f"{_told(run, 'speedup', 'Speedup', '×')}; misses count, as visitors wait for them, too."
    return picture(figure, f"Speedup by environment. {caption}", caption)


def rate_curves(run: SideBySide) -> Picture:
    """Draw how fast hits are at ever higher rates, and where each environment's knee is."""
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("How fast hits stay when more of them come", "hits offered a second (logarithmic)")
        axes.set_ylabel("response time, ms (logarithmic)")
        for side in run.sides:
            _sweep(axes, side)
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_major_formatter("{x:,g}")
        figure.legend(loc="outside right upper")
    knees = "; ".join(f"{side.label}: {_knee(side)}" for side in run.sides)
    near = [side.label for side in run.sides if side.name == "local" or side.site.environment.emulated]
    shared = f" Of {', '.join(near)}, client and server share this machine's processors." if near else ""
    caption = f"Hits stay fast up to a rate a second of: {knees}.{shared}"
    return picture(figure, f"P50 and P95 of hits by offered rate. {caption}", caption)


def _sweep(axes: Axes, side: Side) -> None:
    colour, dash, marker = _LOOKS[side.name]
    rates = [step.rate for step in side.steps]
    for percent, width in (("p50", 1.0), ("p95", 2.0)):
        times = [_ms(step, percent) for step in side.steps]
        label = f"{side.label} {percent.upper()}"
        axes.plot(rates, times, dash, color=colour, lw=width, marker=marker, ms=4 * width, mfc="none", label=label)
    if side.knee.rate is not None:
        axes.axvline(side.knee.rate, color=colour, lw=1, ls=dash, alpha=0.6)


def _ms(step: Step, percent: str) -> float:
    return (step.p50_ms if percent == "p50" else step.p95_ms).value


def _knee(side: Side) -> str:
    found = side.knee
    late = ", where the generator itself was late" if found.doubt else ""
    if found.rate is None:
        return f"less than {found.slow_at:,.0f}{late}"
    return f"{found.rate:,.0f}, slow at {found.slow_at:,.0f}{late}" if found.slow_at else f"{found.rate:,.0f} and above"


def _told(run: SideBySide, figure: str, label: str, unit: str) -> str:
    """Say a figure of each environment, with its interval."""
    told = []
    for side in run.sides:
        found = run.figures[side.name][figure]
        told.append(f"{side.label} {number(found.value, unit)} ({interval(found, unit)})")
    return f"{label}: {', '.join(told)}"


def _intervals(axes: Axes, side: Side, found: Sequence[Interval], places: NDArray[np.float64]) -> None:
    colour, _, marker = _LOOKS[side.name]
    values = [one.value for one in found]
    below = [one.value - (one.value if one.low is None else one.low) for one in found]
    above = [(one.value if one.high is None else one.high) - one.value for one in found]
    label, reach = side.label, [below, above]
    axes.errorbar(values, places, xerr=reach, fmt=marker, color=colour, ms=6, capsize=3, lw=1.5, label=label)


def _line(axes: Axes, value: float, label: str) -> None:
    axes.axvline(value, color="#1D1B16", lw=1.5)
    place = (value, 0.02)
    axes.annotate(f" {label}", place, xycoords=("data", "axes fraction"), ha="left", va="bottom", fontsize=8)


def _canvas(title: str, x: str, *, height: float = 3.4) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, height), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x)
    return figure, axes
