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
    stale = "; ".join(f"{each.way.name}: {each.stale:,} of {len(each.reads):,}" for each in run.ways)
    caption = f"Stale reads, which began after the old version was withdrawn and still showed it: {stale}."
    medians = "; ".join(
        f"{each.way.name}: {np.median(each.until_correct_ms):,.0f} ms"
        for each in run.ways
        if len(each.until_correct_ms)
    )
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
    times = each.until_correct_ms
    p50, p95 = (number(float(np.percentile(times, p)), "ms") if len(times) else "–" for p in (50, 95))
    unseen = f" ({each.unseen:,} not seen)" if each.unseen else ""
    counted = f"{'✗' if each.stale else '✓'} {each.stale:,} of {len(each.reads):,}"
    share = (number(each.stale_share.value, "%"), interval(each.stale_share, "%"))
    return (each.way.name, f"{len(each.changes):,}{unseen}", p50, p95, counted, *share, _longest(each))


def _longest(each: WayMeasured) -> str:
    return number(each.longest_stale_s, "s") if each.stale else "–"


def _seen(axes: Axes, each: WayMeasured) -> None:
    ordered, (colour, dash) = np.sort(each.until_correct_ms) / 1000, _LOOKS[each.way.name]
    if len(ordered):
        shares = np.arange(1, len(ordered) + 1) / len(each.changes)
        axes.step(ordered, shares, dash, where="post", color=colour, label=each.way.name, lw=2)


def _dress(axes: Axes) -> None:
    axes.set(title="Share of changes that a first visitor had seen", xlabel="seconds after the change")
    axes.set(ylim=(0, 1.02), xlim=(0, None))
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))


def _stale(axes: Axes, run: Invalidation) -> None:
    shares = [each.stale / max(1, len(each.reads)) for each in run.ways]
    axes.barh(range(len(shares)), shares, color=[_LOOKS[each.way.name][0] for each in run.ways], height=0.6)
    for line, (each, value) in enumerate(zip(run.ways, shares, strict=True)):
        axes.annotate(f" {each.stale:,} of {len(each.reads):,}", (value, line), va="center", fontsize=9)
    axes.set(title="Stale reads", ylim=(len(shares) - 0.4, -0.6), xlim=(0, max(0.01, 1.25 * max(shares))))
    axes.set_yticks(range(len(shares)), [each.way.name for each in run.ways], fontsize=9)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    axes.grid(visible=False, axis="y")
