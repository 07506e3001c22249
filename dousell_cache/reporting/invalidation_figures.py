"""How soon changes are seen and how many reads are stale, by the way rows are kept in a cache: drawn and told."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..measure.caching_ways import GUARDED, NAIVE, TTL_ALONE
from ..measure.invalidation import Invalidation, WayMeasured
from .figures import STYLE, Picture, picture
from .tables import Table, interval, number

# Colour and dash of each way, the same in both halves of the picture.
_LOOKS = {GUARDED.name: ("#009E73", "-"), NAIVE.name: ("#D55E00", "--"), TTL_ALONE.name: ("#0072B2", ":")}


def withdrawals(run: Invalidation) -> Picture:
    """Draw how soon a change was seen by its first visitor, and how many reads were stale, for each way."""
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(8, 4.8), dpi=110, layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=(3, 1.3))
        for each in run.ways:
            _seen(above, each)
        _dress(above)
        _stale(below, run)
        figure.legend(loc="outside lower center", ncols=3)
    stale = "; ".join(f"{each.way.name}: {_counted(each)}" for each in run.ways)
    caption = (
        "Stale reads, of those that began after an old version was withdrawn (by time to live alone: replaced) "
        f"and might have shown it: {stale}."
    )
    medians = "; ".join(f"{each.way.name}: {_time(each, 50)}" for each in run.ways)
    return picture(figure, f"Time from a change to its first correct answer, medians: {medians}. {caption}", caption)


def way_table(run: Invalidation) -> Table:
    """Show what each way came to."""
    headers = (
        "kept by",
        "changes",
        "seen after, P50",
        "P95",
        "stale reads",
        "share",
        "95 % interval",
        "stale for up to",
    )
    return Table("Changes and reads, by the way rows are kept", headers, [_cells(each) for each in run.ways])


def _cells(each: WayMeasured) -> tuple[str, ...]:
    lacking = [f"{count:,} not {what}" for count, what in ((each.untold, "told"), (each.unseen, "seen")) if count]
    changes = f"{len(each.changes):,}" + (f" ({', '.join(lacking)})" if lacking else "")
    mark = "✗" if each.stale else "✓" if each.at_risk else "–"
    share = (number(each.stale_share.value, "%"), interval(each.stale_share, "%")) if each.at_risk else ("–", "–")
    times = (_time(each, 50), _time(each, 95))
    return (each.way.name, changes, *times, f"{mark} {_counted(each)}", *share, _longest(each))


def _counted(each: WayMeasured) -> str:
    return f"{each.stale:,} of {each.at_risk:,}"


def _time(each: WayMeasured, percent: float) -> str:
    found = each.until_correct(percent)
    return number(found.value, "ms") if found else "not seen" if each.changes else "–"


def _longest(each: WayMeasured) -> str:
    return number(each.longest_stale_s, "s") if each.stale else "–"


def _seen(axes: Axes, each: WayMeasured) -> None:
    ordered, (colour, dash) = np.sort(each.until_correct_ms) / 1000, _LOOKS[each.way.name]
    shares = np.arange(1, len(ordered) + 1) / max(1, len(each.changes))
    axes.step(ordered, shares, dash, where="post", color=colour, label=each.way.name, lw=2)


def _dress(axes: Axes) -> None:
    axes.set(title="Share of changes that a first visitor had seen", xlabel="seconds after the change")
    axes.set(ylim=(0, 1.02), xlim=(0, None))
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))


def _stale(axes: Axes, run: Invalidation) -> None:
    shares = [each.stale / max(1, each.at_risk) for each in run.ways]
    axes.barh(range(len(shares)), shares, color=[_LOOKS[each.way.name][0] for each in run.ways], height=0.6)
    for line, (each, value) in enumerate(zip(run.ways, shares, strict=True)):
        axes.annotate(f" {_counted(each)}", (value, line), va="center", fontsize=9)
    axes.set(title="Stale reads", ylim=(len(shares) - 0.4, -0.6), xlim=(0, max(0.01, 1.25 * max(shares))))
    axes.set_yticks(range(len(shares)), [each.way.name for each in run.ways], fontsize=9)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    axes.grid(visible=False, axis="y")
