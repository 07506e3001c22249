"""How the targets' figures moved from run to run, drawn for each environment."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..measure.kpis import Kpi, kpis_in_force
from .figures import STYLE, Picture, picture
from .standings import Overview
from .told import Told
from .wording import Wording

_FIGURES = ("hit_rate", "p50_ms", "p95_ms")
_LOOKS = {"local": ("#0072B2", "o"), "vercel": ("#D55E00", "s"), "dedicated": ("#009E73", "D")}


def figures_over_runs(overview: Overview) -> Told[Picture]:
    """Draw hit rate, P50 and P95 of comparable runs, oldest first, with their 95 % intervals and targets."""
    return Told(lambda wording: _drawn(overview.comparable, wording))


def _drawn(runs: pd.DataFrame, wording: Wording) -> Picture:
    kpis = kpis_in_force()
    shown = [name for name in _FIGURES if name in kpis]
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(8, 5.4), dpi=110, layout="constrained")
        for axes, name in zip(np.atleast_1d(figure.subplots(len(shown), 1)), shown, strict=True):
            _panel(axes, runs[runs["figure"] == name], kpis[name], wording)
        handles = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if handles:
            figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4)
    caption = _told(runs, wording) or wording.text("overview.undrawn")
    return picture(figure, wording.text("overview.drawn", told=caption), caption)


def _panel(axes: Axes, rows: pd.DataFrame, kpi: Kpi, wording: Wording) -> None:
    scale = 100 if kpi.unit == "%" else 1
    for environment, found in rows.groupby("environment"):
        colour, marker = _LOOKS[str(environment)]
        place, values = np.arange(len(found)) + 1, found["value"].to_numpy() * scale
        low, high = (found[end].fillna(found["value"]).to_numpy() * scale for end in ("low", "high"))
        label = str(environment)  # a mark at the edge of the axes, such as a time near nought, is a whole one
        axes.plot(place, values, marker=marker, color=colour, label=label, lw=1.5, markersize=5, clip_on=False)
        axes.vlines(place, low, high, color=colour, alpha=0.4, lw=3)
    axes.axhline(kpi.target * scale, color="#1D1B16", ls="--", lw=1)
    count = int(rows.groupby("environment").size().max()) if len(rows) else 1
    highest = max(kpi.target, *rows["value"], *rows["high"].dropna(), 0.0) * scale
    title = wording.text("overview.panel", label=wording.kpi(kpi), unit=kpi.unit)
    axes.set(title=title, ylim=(0, 1.1 * highest), xlim=(0.5, count + 0.5))
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel(wording.text("overview.run") if kpi.name == _FIGURES[-1] else "")


def _told(runs: pd.DataFrame, wording: Wording) -> str:
    """Return, for each environment, how often it was measured and how its hit rate moved since the run before."""
    told = [
        _moved(str(environment), [wording.number(value, "%") for value in found["value"]], wording)
        for environment, found in runs[runs["figure"] == "hit_rate"].groupby("environment")
    ]
    return f"{wording.text('overview.between').join(told)}." if told else ""


def _moved(environment: str, rates: list[str], wording: Wording) -> str:
    if len(rates) == 1:
        return wording.text("overview.once", name=environment, now=rates[0])
    return wording.text("overview.moved", name=environment, now=rates[-1], before=rates[-2], n=len(rates))
