"""Pictures for notebooks and pages: matplotlib drawings with an alternative text that states their numbers.

A picture is shown as ``<figure>`` with its ``alt`` and caption, so that JupyterLab, nbconvert and our own page carry
both. Colours tell apart in every common colour blindness, and each series has its own marker, dash or label besides.
"""

import base64
import io
from dataclasses import dataclass
from html import escape
from importlib.resources import files

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ..measure import CacheAside

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/): one colour an outcome, the same in every picture.
COLOURS = {
    "hit": "#009E73",
    "miss": "#D55E00",
    "coalesced": "#E69F00",
    "stale": "#56B4E9",
    "refused": "#CC79A7",
    "bypass": "#0072B2",
    "error": "#000000",
    "timeout": "#666666",
    "origin alone": "#0072B2",
    "all reads": "#7A5C00",
}
MARKERS = {
    "hit": "o",
    "miss": "X",
    "coalesced": "s",
    "stale": "D",
    "refused": "v",
    "bypass": "^",
    "error": "*",
    "timeout": "P",
}
"""One marker an outcome, likewise."""
STYLE = str(files(__package__) / "dousell.mplstyle")
"""What every picture looks like."""


@dataclass(frozen=True)
class Picture:
    """A drawing with its text.

    Args:
        png: the drawing.
        alt: what it shows, with its numbers, for those who do not see it.
        caption: the sentence under it.
    """

    png: bytes
    alt: str
    caption: str

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        image = f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt)}" style="max-width:100%;height:auto">'
        return f'<figure class="picture">{image}<figcaption>{escape(self.caption)}</figcaption></figure>'

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"


def latency_distribution(run: CacheAside) -> Picture:
    """Draw how many reads were answered within each time: origin alone against all reads."""
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas(
            "Share of requests answered within …", "response time, ms (logarithmic)", "share of requests"
        )
        series = {"origin alone": run.origin.response_ms, "all reads": run.reads.response_ms}
        for (name, times), dash in zip(series.items(), ("--", "-"), strict=True):
            ordered = np.sort(times)
            axes.step(
                ordered, np.arange(1, len(ordered) + 1) / len(ordered), dash, color=COLOURS[name], label=name, lw=2
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
        _legend(figure)
    origin, reads = (float(np.median(times)) for times in series.values())
    caption = f"Half of all reads were answered within {reads:.1f} ms; half of the origin's own within {origin:.0f} ms."
    return picture(figure, f"Cumulative distribution of response times. {caption}", caption)


def latency_over_time(run: CacheAside) -> Picture:
    """Draw every read at its time, by outcome: the cold start is the cluster on the left."""
    outcomes, times = np.array(run.reads.outcomes), run.reads.response_ms
    with mpl.rc_context(fname=STYLE):
        figure, axes = _canvas(
            "Every read, by outcome", "seconds since the first read", "response time, ms (logarithmic)"
        )
        for outcome in sorted(set(run.reads.outcomes)):
            chosen = outcomes == outcome
            axes.scatter(
                run.plan.schedule.times[chosen],
                times[chosen],
                s=14,
                alpha=0.6,
                marker=MARKERS[outcome],
                color=COLOURS[outcome],
                label=f"{outcome} ({chosen.sum():,})",
                linewidths=0,
            )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,g}")
        _legend(figure)
    slow = run.plan.schedule.times[outcomes != "hit"]
    last = (
        f"the last read that had to wait for the origin came after {slow.max():.1f} s" if len(slow) else "all were hits"
    )
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(run.reads.counts.items()))
    return picture(
        figure, f"Response time of each read over time: {counts}; {last}.", f"{counts.capitalize()}; {last}."
    )


def _canvas(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    # Not pyplot: a figure of its own leaves no state behind in a kernel that redraws it.
    figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _legend(figure: Figure) -> None:
    # Beside the axes, where it never covers a point or the title, however many outcomes there are.
    figure.legend(loc="outside right upper", borderaxespad=0.2, handletextpad=0.4)


def picture(figure: Figure, alt: str, caption: str) -> Picture:
    """Return a drawing with its texts; in 128 colours, of which our drawings have fewer, it is a third as large."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(128).save(small, format="png", optimize=True)
    return Picture(small.getvalue(), alt, caption)
