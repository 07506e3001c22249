"""Pictures of what a monitor saw over time: hit rate, P95, memory, evictions, and when which alert fired."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..measure.stats import Interval
from ..monitor.alerts import moment
from ..monitor.figures import Sample
from .figures import COLOURS, STYLE, Picture, picture

Series = NDArray[np.float64]

_MOST_POINTS = 1_500
"""More than a line's pixels are not to be seen: of each group of samples the worst is drawn."""


def hit_rate_over_time(samples: Sequence[Sample], *, alert: float | None = None) -> Picture:
    """Draw the hit rate of all reads with its 95 % interval.

    Args:
        samples: in their order.
        alert: the level below which an alert fires, drawn as a line; None for none.

    Raises:
        ValueError: there are no samples.
    """
    rate = _intervals(samples, lambda row: row.hit_rate)
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Hit rate of all reads, with its 95 % interval", "share of reads")
        _draw_interval(axes, samples, rate, COLOURS["hit"], fewest=True)
        if alert is not None:
            axes.axhline(alert, color=COLOURS["miss"], ls="--", lw=1.5)
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    lowest = _told(rate[:, 0], np.nanmin, _percent)
    below = f", the alert's level {alert * 100:.0f} %" if alert is not None else ""
    return _picture(figure, samples, f"Hit rate: lowest {lowest}, last {_last(rate[:, 0], _percent)}{below}.")


def p95_over_time(samples: Sequence[Sample]) -> Picture:
    """Draw the time within which 95 % of the reads were answered, with its interval.

    Raises:
        ValueError: there are no samples.
    """
    p95 = _intervals(samples, lambda row: row.p95_ms)
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("P95 response time of all reads, with its 95 % interval", "ms")
        _draw_interval(axes, samples, p95, COLOURS["all reads"], fewest=False)
        axes.set_ylim(bottom=0)
    highest = _told(p95[:, 0], np.nanmax, _ms)
    return _picture(figure, samples, f"P95 response time: highest {highest}, last {_last(p95[:, 0], _ms)}.")


def memory_over_time(samples: Sequence[Sample]) -> Picture:
    """Draw the share of its memory limit that the fullest node uses.

    Raises:
        ValueError: there are no samples.
    """
    shares = np.array([_memory(sample) for sample in _some(samples)])
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Memory of the fullest node", "share of maxmemory")
        _draw(axes, samples, shares, np.fmax, color=COLOURS["bypass"], lw=2)
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    highest = _told(shares, np.nanmax, _percent)
    return _picture(figure, samples, f"Memory of the fullest node: highest {highest}, last {_last(shares, _percent)}.")


def evictions_over_time(samples: Sequence[Sample]) -> Picture:
    """Draw how many entries were evicted for want of memory, since the sample before.

    Raises:
        ValueError: there are no samples.
    """
    evicted = np.array([_evicted(sample) for sample in _some(samples)])
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("Entries evicted since the look before", "entries")
        _draw(axes, samples, evicted, np.fmax, color=COLOURS["miss"], lw=1.5, drawstyle="steps-pre")
        axes.set_ylim(bottom=0)
    total, looks = np.nansum(evicted), int(np.count_nonzero(np.nan_to_num(evicted)))
    said = "unknown" if np.isnan(evicted).all() else f"{total:,.0f} entries, at {looks:,} of {len(samples):,} looks"
    return _picture(figure, samples, f"Evictions: {said}.")


def alerts_over_time(samples: Sequence[Sample]) -> Picture:
    """Draw when which alert fired: a bar for each, on a line for each rule.

    Raises:
        ValueError: there are no samples.
    """
    spans = _spans(_some(samples))
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas("When which alert fired", "")
        for line, bars in enumerate(spans.values()):
            lengths = [(begin, end - begin) for begin, end in bars]  # an edge, too: one look's has no length
            axes.broken_barh(lengths, (line - 0.35, 0.7), color=COLOURS["miss"], linewidth=1.5)
        axes.set_yticks(range(len(spans)), list(spans))
        axes.set_ylim(max(len(spans), 1) - 0.4, -0.6)
        _dates(axes, _days([samples[0].at, samples[-1].at]))
    each = [f"{name} {len(bars)}×, {_length(bars)}" for name, bars in spans.items()]
    return _picture(figure, samples, f"Alerts: {'; '.join(each) or 'none fired'}.")


def _canvas(title: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 2.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, ylabel=y)
    return figure, axes


def _picture(figure: Figure, samples: Sequence[Sample], said: str) -> Picture:
    first, last = samples[0], samples[-1]
    where = f"{first.environment}, {first.cache}" + (f", {first.emulated}" if first.emulated else "")
    return picture(figure, f"{said} {len(samples):,} looks from {first.at} to {last.at} ({where}).", said)


def _some(samples: Sequence[Sample]) -> Sequence[Sample]:
    if not samples:
        message = "there are no samples to draw: a monitor writes one at each look"
        raise ValueError(message)
    return samples


def _intervals(samples: Sequence[Sample], chosen: Callable[[Any], Interval | None]) -> Series:
    """Return a row for each sample: the figure and the ends of its interval, not a number where there is none."""
    rows = (sample.of() for sample in _some(samples))
    found = (chosen(row) if row else None for row in rows)
    return np.array([_ends(one) for one in found])


def _ends(figure: Interval | None) -> tuple[float, float, float]:
    if figure is None:
        return (np.nan, np.nan, np.nan)
    return tuple(np.nan if end is None else end for end in (figure.value, figure.low, figure.high))  # type: ignore[return-value] # three


def _memory(sample: Sample) -> float:
    shares = [node.memory_share for node in sample.server.nodes] if sample.server else []
    return max((share for share in shares if share is not None), default=np.nan)


def _evicted(sample: Sample) -> float:
    return sample.delta.counters.get("evicted_keys", np.nan) if sample.delta else np.nan


def _draw_interval(axes: Axes, samples: Sequence[Sample], figure: Series, colour: str, *, fewest: bool) -> None:
    worst = np.fmin if fewest else np.fmax
    _draw(axes, samples, figure[:, 0], worst, color=colour, lw=2)
    times, low = _thinned(samples, figure[:, 1], np.fmin)
    _, high = _thinned(samples, figure[:, 2], np.fmax)
    axes.fill_between(times, low, high, color=colour, alpha=0.2, lw=0)


def _draw(axes: Axes, samples: Sequence[Sample], values: Series, worst: np.ufunc, **style: Any) -> None:
    times, drawn = _thinned(samples, values, worst)
    axes.plot(times, drawn, **style)
    lone = _lone(drawn)  # a line of one point is not to be seen
    axes.plot(times[lone], drawn[lone], "o", color=style["color"], ms=5, zorder=3)
    _dates(axes, times)


def _lone(values: Series) -> NDArray[np.bool_]:
    """Tell which figures have no neighbour."""
    there = np.pad(~np.isnan(values), 1)
    alone: NDArray[np.bool_] = there[1:-1] & ~there[:-2] & ~there[2:]
    return alone


def _thinned(samples: Sequence[Sample], values: Series, worst: np.ufunc) -> tuple[Series, Series]:
    """Return no more points than a line can show: of each group of neighbours the worst, at the first one's time."""
    begins = range(0, len(samples), -(-len(samples) // _MOST_POINTS))
    return _days(samples[begin].at for begin in begins), worst.reduceat(values, begins)


def _days(moments: Iterable[str]) -> Series:
    """Return moments as matplotlib has them: days since 1970."""
    return np.array([moment(text).timestamp() / 86_400 for text in moments])


def _dates(axes: Axes, times: Series) -> None:
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib's dates have no types
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # likewise
    axes.set_xlabel("UTC")
    if times[0] < times[-1]:
        axes.set_xlim(times[0], times[-1])


def _spans(samples: Sequence[Sample]) -> dict[str, list[tuple[float, float]]]:
    """Return, for each alert that ever fired, from when to when, each time, in days: until it was last seen to."""
    last: dict[tuple[str, str], str] = {}
    for sample in samples:
        for alert in sample.alerts:
            if alert.firing:
                last[alert.name, alert.since] = sample.at
    spans: dict[str, list[tuple[float, float]]] = {}
    for (name, since), until in last.items():
        begin, end = _days([since, until])
        spans.setdefault(name, []).append((float(begin), float(end)))
    return spans


def _length(bars: Sequence[tuple[float, float]]) -> str:
    minutes = sum(end - begin for begin, end in bars) * 1440
    return f"{minutes:,.0f} min in all" if minutes >= 1 else "less than a minute in all"


def _told(values: Series, choose: Callable[[Series], float], write: Callable[[float], str]) -> str:
    return "unknown" if np.isnan(values).all() else write(choose(values))


def _last(values: Series, write: Callable[[float], str]) -> str:
    """Write the last figure there is."""
    there = values[~np.isnan(values)]
    return write(there[-1]) if len(there) else "unknown"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _ms(time: float) -> str:
    return f"{time:,.1f} ms"
