"""What a failing cache did to a load, drawn over time and told phase by phase."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..measure.phases import PHASES, PhaseRow
from ..measure.stats import percentile
from ..measure.survival import Survival
from .figures import COLOURS, MARKERS, STYLE, Picture, picture
from .tables import Table, interval, number

_ILL, _OPEN = "#F3E3D8", "#D55E00"


def failures_over_time(run: Survival) -> Picture:
    """Draw every read at its time, by outcome; when the cache was ill; and when the breaker was open."""
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(8, 4.4), dpi=110, layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(6, 1))
        _reads(above, run)
        _breaker(below, run)
        figure.legend(loc="outside right upper", borderaxespad=0.2, handletextpad=0.4)
    slowest = max(run.rows, key=lambda row: row.slowest_ms)
    caption = (
        f"Shaded: the cache is ill. {run.unanswered:,} of {len(run.load.outcomes):,} reads failed; the slowest took "
        f"{slowest.slowest_ms:,.0f} ms ({slowest.name}); the breaker was open for {_open_seconds(run):.1f} s in all."
    )
    return picture(figure, f"Response time of each read while the cache fails in three ways. {caption}", caption)


def phase_table(rows: Sequence[PhaseRow]) -> Table:
    """Show what became of the reads of each phase."""
    cells = [(row.name, f"{row.reads:,}", *(_became(row) if row.reads else ("–",) * 5)) for row in rows]
    headers = ("phase", "reads", "answered by", "failed", "P50", "P95", "slowest")
    return Table("What became of the reads of each phase", headers, cells)


def _became(row: PhaseRow) -> tuple[str, ...]:
    failed = f"✗ {row.unanswered:,}" if row.unanswered else "✓ none"
    times = (number(time, "ms") for time in (row.p50_ms, row.p95_ms, row.slowest_ms))
    return (_counted(row.outcomes), failed, *times)


def own_cost_table(run: Survival) -> Table:
    """Show what the cache added to a read: while it was well, and ill, before and after the breaker opened."""
    cells = []
    for name, times in run.costs.items():
        if len(times):
            p50, p95 = percentile(times, 50), percentile(times, 95)
            told = (number(p50.value, "ms"), number(p95.value, "ms"), interval(p95, "ms"), number(times.max(), "ms"))
            cells.append((name, f"{len(times):,}", *told))
    headers = ("the cache is", "reads", "P50", "P95", "95 % interval of P95", "most")
    return Table("What the cache added to one read", headers, cells)


def _reads(axes: Axes, run: Survival) -> None:
    outcomes, load, seconds = np.array(run.load.outcomes), run.load, run.plan.phase_seconds
    axes.set(title="Every read while the cache fails", ylabel="response time, ms (logarithmic)")
    for number_, phase in enumerate(PHASES):
        if phase.fault:
            axes.axvspan(number_ * seconds, (number_ + 1) * seconds, color=_ILL, lw=0, zorder=0)
            word = phase.name.partition(":")[0]
            axes.annotate(
                word, ((number_ + 0.5) * seconds, 0.97), xycoords=("data", "axes fraction"), ha="center", va="top"
            )
    for outcome in sorted(set(load.outcomes)):
        chosen = outcomes == outcome
        label = f"{outcome} ({chosen.sum():,})"
        marker, colour = MARKERS[outcome], COLOURS[outcome]
        times, answered = load.times[chosen], load.response_ms[chosen]
        axes.scatter(times, answered, s=14, alpha=0.6, linewidths=0, label=label, marker=marker, color=colour)
    axes.set_yscale("log")
    axes.set_ylim(top=3 * float(load.response_ms.max(initial=1.0)))
    axes.yaxis.set_major_formatter("{x:,g}")


def _breaker(axes: Axes, run: Survival) -> None:
    bars = [(begin, end - begin) for begin, end in run.openings]
    axes.broken_barh(bars, (0.1, 0.8), color=_OPEN, label="breaker open")
    axes.set(xlabel="seconds since the first read", ylim=(0, 1), xlim=(0, run.plan.phase_seconds * len(PHASES)))
    axes.set_yticks([0.5], ["breaker\nopen"], fontsize=8)
    axes.grid(visible=False)


def _open_seconds(run: Survival) -> float:
    return sum(end - begin for begin, end in run.openings)


def _counted(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(outcomes.items(), key=lambda item: -item[1]))
