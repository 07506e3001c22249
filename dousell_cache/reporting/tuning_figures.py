"""Pictures about times to live: what each gives a key family, what it outdates, what it asks of the origin."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..tuning.advice import Advice
from ..tuning.curves import Curve
from ..tuning.points import hit_interval
from ..tuning.reasons import percent, seconds
from ..tuning.tuned import Tuned
from .figures import STYLE, Picture, picture

# Okabe and Ito's palette, as in the other pictures, and a marker besides.
_SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A5C00", "#56B4E9")
_MARKERS = ("o", "X", "s", "D", "v", "^")
_INK, _QUIET = "#1D1B16", "#6B675C"
_MOST = 6
"""So many families can be told apart; the tables have the others."""


def hit_rate_curves(tuned: Tuned) -> Picture:
    """Draw the hit rate of each family by TTL, its interval, its bounds, the target, the TTLs now and advised."""
    shown = list(tuned.advice[:_MOST])
    with mpl.rc_context(fname=STYLE):
        figure = _figure(len(shown))
        for axes, advice in zip(_panels(figure, len(shown)), shown, strict=False):
            _hit_rates(axes, tuned, advice)
        figure.supxlabel("time to live, s (logarithmic)", fontsize=10)
        figure.supylabel("hit rate", fontsize=10)
        _legend(figure, present=any(advice.present for advice in shown))
    caption = "; ".join(_hit_rates_in_words(tuned, advice) for advice in shown)
    caption = f"Target {percent(tuned.goal.hit_rate)}. {caption}."
    return picture(figure, f"Hit rate by time to live, a panel for each key family. {caption}", caption)


def outdated_curves(tuned: Tuned) -> Picture:
    """Draw the share of each family's reads that a TTL alone, without invalidation, would serve out of date."""
    changing = {name: played for name, played in list(tuned.by_ttl_alone.items())[:_MOST] if played.changes}
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Reads served out of date, by TTL alone", "share of reads")
        for number, (name, played) in enumerate(changing.items()):
            _line(axes, number, name, played.ttls, played.outdated_share)
        if tuned.goal.max_outdated is not None:
            axes.axhline(tuned.goal.max_outdated, color=_INK, ls="--", lw=1, label="allowed")
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
        if axes.lines:
            figure.legend(loc="outside right upper", borderaxespad=0.2)
    told = (f"{name}: {_ends(played, played.outdated_share)}" for name, played in changing.items())
    caption = "; ".join(told) or "No change was recorded, so nothing can be told of what is out of date"
    return picture(figure, f"Share of reads served out of date, by time to live. {caption}.", f"{caption}.")


def origin_curves(tuned: Tuned) -> Picture:
    """Draw the loads a second that each family asks of the origin, by TTL."""
    shown = dict(list(tuned.families.items())[:_MOST])
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("What is left for the origin", "loads a second (logarithmic)")
        for number, (name, played) in enumerate(shown.items()):
            _line(axes, number, name, played.ttls, played.origin_rate)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        figure.legend(loc="outside right upper", borderaxespad=0.2)
    told = (
        f"{name}: {played.origin_rate[0]:.3g} loads a second at {seconds(played.ttls[0])}, "
        f"{played.origin_rate[-1]:.3g} at {seconds(played.ttls[-1])}"
        for name, played in shown.items()
    )
    caption = "; ".join(told)
    return picture(figure, f"Loads a second by time to live. {caption}.", f"{caption}.")


def _figure(panels: int) -> Figure:
    return Figure(figsize=(8, 1.4 + 2.1 * -(-panels // 2)), dpi=110, layout="constrained")


def _panels(figure: Figure, count: int) -> Iterator[Axes]:
    columns = min(2, count)
    axes = figure.subplots(-(-count // columns), columns, squeeze=False, sharex=True, sharey=True).ravel()
    for unused in axes[count:]:
        unused.set_visible(False)
    yield from axes[:count]


def _legend(figure: Figure, *, present: bool) -> None:
    lines = [
        Line2D([], [], color=_SERIES[0], marker="o", ms=3, lw=2, label="by the trace"),
        Line2D([], [], color=_SERIES[2], ls="-.", lw=1, label="nobody beats"),
        Line2D([], [], color=_QUIET, ls=":", lw=1.2, label="at most, whatever the TTL"),
        Line2D([], [], color=_INK, ls="--", lw=1, label="target"),
        Line2D([], [], color=_SERIES[1], ls="", marker="D", ms=7, label="advised"),
    ]
    lines += [Line2D([], [], color=_SERIES[4], ls=(0, (4, 2)), lw=1.2, label="now")] if present else []
    figure.legend(handles=lines, loc="outside upper center", ncols=3, fontsize=9)


def _hit_rates(axes: Axes, tuned: Tuned, advice: Advice) -> None:
    played, target = tuned.families[advice.family], tuned.goal.hit_rate
    axes.set_title(advice.family, fontsize=11)
    axes.set(xscale="log", ylim=(-0.02, 1.03))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    axes.axhline(target, color=_INK, ls="--", lw=1)
    axes.axhline(advice.current_ceiling, color=_QUIET, ls=":", lw=1.2)
    axes.plot(played.ttls, tuned.best[advice.family], color=_SERIES[2], lw=1, ls="-.")
    axes.plot(played.ttls, played.hit_rate, color=_SERIES[0], lw=2, marker="o", ms=3)
    ends = [hit_interval(played, place) for place in range(len(played.ttls))]
    known = [place for place, each in enumerate(ends) if each]
    low, high = (np.array([ends[place][side] for place in known]) for side in (0, 1))  # type: ignore[index]  # known
    axes.fill_between(played.ttls[known], low, high, color=_SERIES[0], alpha=0.25, lw=0)
    if advice.ttl is not None and advice.point:
        axes.plot([advice.ttl], [advice.point.hit_rate], "D", color=_SERIES[1], ms=7, mec="white")
    if advice.present:
        axes.axvline(advice.present.ttl, color=_SERIES[4], lw=1.2, ls=(0, (4, 2)))


def _hit_rates_in_words(tuned: Tuned, advice: Advice) -> str:
    played = tuned.families[advice.family]
    words = f"{advice.family}: {_ends(played, played.hit_rate)}, at most {percent(advice.current_ceiling)}"
    if advice.ttl is not None and advice.point:
        words += f", advised {seconds(advice.ttl)} ({percent(advice.point.hit_rate)})"
    if advice.present:
        words += f", now {seconds(advice.present.ttl)} ({percent(advice.present.hit_rate)})"
    return words


def _ends(played: Curve, shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return (
        f"{percent(float(shares[0]))} at {seconds(float(played.ttls[0]))}, "
        f"{percent(float(shares[-1]))} at {seconds(float(played.ttls[-1]))}"
    )


def _canvas(title: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel="time to live, s (logarithmic)", ylabel=y, xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    return figure, axes


def _line(
    axes: Axes,
    number: int,
    name: str,
    ttls: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> None:
    axes.plot(ttls, values, color=_SERIES[number], marker=_MARKERS[number], ms=4, lw=1.8, label=name)
