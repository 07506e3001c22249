"""Pictures about locks: how long callers wait, and one story in which a naive lock pays twice and ours does not."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from ..measure.contenders import Contention
from ..measure.lock_contention import LockContention
from ..measure.result import ContentionRow
from ..measure.stories import Happened, Told
from .figures import STYLE, Picture, picture
from .tables import emulation

_A, _B, _INK, _PAUSE = "#0072B2", "#E69F00", "#1D1B16", "#8A857A"
_GOOD, _BAD = "#00714F", "#B84A00"  # darker than the palette's: they are read as text, too

# Where each step of the story is drawn: equal distances, since milliseconds would leave the pause and nothing else.
_PLACES = {
    ("A", "enters"): 0.0,
    ("A", "looks"): 1.1,
    ("server", "lock ends"): 3.4,
    ("B", "enters"): 4.2,
    ("B", "looks"): 5.3,
    ("B", "pays"): 6.4,
    ("B", "leaves"): 7.5,
    ("A", "pays"): 8.8,
}
_WAKES = 8.4
_LANES = {"lock": 3.0, "click A": 2.0, "click B": 1.0, "ledger": 0.0}
_ENDINGS = {0: "not paid", 1: "paid once", 2: "paid twice"}


def lock_waits(run: LockContention) -> Picture:
    """Draw every wait by the number of callers, with its median."""
    groups, emulated = [*run.contention, run.fair], run.site.environment.emulated
    with mpl.rc_context(fname=STYLE):
        figure = _figure(3.8)
        axes = figure.subplots()
        word = " (emulated)" if emulated else ""
        axes.set(title=f"How long callers wait for one lock{word}", ylabel="wait, ms (logarithmic)")
        axes.set_xlabel("callers at once, and grants a second")
        for place, group in enumerate(groups):
            _waits(axes, place, group)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.grid(visible=False, axis="x")
        axes.set_xlim(-0.5, len(groups) - 0.25)
        ticks = [_tick(row) for row in run.contention_rows]
        axes.set_xticks(range(len(ticks)), ticks)
    medians = ", ".join(f"{_named(group)}: {np.median(group.wait_ms):.1f} ms" for group in groups)
    caption = f"Each point is a grant, each bar a median. Medians by callers at once: {medians}"
    caption += f"{emulation([emulated] if emulated else [])}."
    return picture(figure, f"Waits for one lock by the number of callers. {caption}", caption)


def story_timeline(naive: Told, shipped: Told) -> Picture:
    """Draw a story twice, step by step: with a naive lock, and as shipped."""
    with mpl.rc_context(fname=STYLE):
        figure = _figure(6.4)
        above, below = figure.subplots(2, 1)
        _story(above, naive, "Naive lock (SET NX, then DEL)")
        _story(below, shipped, "Lock, fence, unique row")
        figure.supxlabel("ms since the beginning, as measured; the steps are drawn at equal distances", fontsize=9)
    caption = (
        f"A is paused for longer than its lock lasts, B pays meanwhile, and A goes on. With a naive lock the rent is "
        f"{_ending(naive)}; with lock, fence and unique row it is {_ending(shipped)}."
    )
    return picture(figure, f"Timeline of one story, drawn twice. {caption}", caption)


def _figure(height: float) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.1, hspace=0.04)
    return Figure(figsize=(8, height), dpi=110, layout=layout)


def _tick(row: ContentionRow) -> str:
    return f"{row.contenders}{', fair' if row.fair else ''}\n{row.grants_per_second.value:,.0f}/s"


def _named(group: Contention) -> str:
    return f"{group.contenders}, fair" if group.fair else f"{group.contenders}"


def _waits(axes: Axes, place: int, group: Contention) -> None:
    waits, colour = group.wait_ms, _GOOD if group.fair else _A
    spread = np.random.default_rng(0).uniform(-0.22, 0.22, len(waits))
    marker = "D" if group.fair else "o"
    axes.scatter(place + spread, waits, s=9, alpha=0.3, color=colour, marker=marker, linewidths=0)
    median = float(np.median(waits))
    axes.plot([place - 0.28, place + 0.28], [median, median], color=_INK, lw=2.5, solid_capstyle="butt")
    axes.annotate(f"{median:.1f}", (place + 0.3, median), va="center", fontsize=9, color=_INK)


def _story(axes: Axes, told: Told, name: str) -> None:
    ending = _ending(told)
    is_good = told.payments == 1
    axes.set_title(f"{'✓' if is_good else '✗'} {name}: {ending}", color=_GOOD if is_good else _BAD, pad=10)
    axes.set(ylim=(-0.8, 3.4), xlim=(-0.6, 10.5))
    axes.set_yticks(list(_LANES.values()), list(_LANES), fontsize=11)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    for lane in _LANES.values():
        axes.axhline(lane, color="#E3E0D8", lw=1, zorder=0)
    _bar(axes, 0.0, _PLACES["server", "lock ends"], _A, "A's, until its time is over")
    _bar(axes, _PLACES["B", "enters"], _PLACES["B", "leaves"], _B, "B's")
    _pause(axes)
    for place, step in _steps(told):
        _step(axes, place, step)
    axes.set_xticks(*zip(*_ticks(told), strict=True), fontsize=8)


def _steps(told: Told) -> Iterator[tuple[float, Happened]]:
    return ((_PLACES[step.who, step.step], step) for step in told.happened)


def _ticks(told: Told) -> Iterator[tuple[float, str]]:
    return ((place, f"{step.ms:,.0f}") for place, step in _steps(told))


def _bar(axes: Axes, start: float, end: float, colour: str, text: str) -> None:
    lane, ink = _LANES["lock"], "white" if colour == _A else _INK
    axes.add_patch(Rectangle((start, lane - 0.22), end - start, 0.44, color=colour, lw=0))
    axes.text((start + end) / 2, lane, text, ha="center", va="center", color=ink, weight="bold", fontsize=9)


def _pause(axes: Axes) -> None:
    start, lane = _PLACES["A", "looks"] + 0.4, _LANES["click A"]
    axes.add_patch(
        Rectangle((start, lane - 0.2), _WAKES - start, 0.4, facecolor="white", edgecolor=_PAUSE, hatch="////", lw=1)
    )
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    words = "paused, for longer than its lock lasts"
    axes.text((start + _WAKES) / 2, lane, words, ha="center", va="center", fontsize=10, color=_INK, bbox=box)


def _step(axes: Axes, place: float, step: Happened) -> None:
    lane = _LANES.get(f"click {step.who}")
    if lane is None or step.word in {"", "not let in"}:
        return
    colour = _A if step.who == "A" else _B
    axes.plot(place, lane, "o", color=colour, markersize=8, markeredgecolor=_INK, markeredgewidth=0.8, zorder=3)
    above = {"enters": step.word, "looks": f"sees “{step.word}”", "pays": "pays"}[step.step]
    axes.annotate(above, (place, lane + 0.3), ha="center", fontsize=9, color=_INK)
    if step.step == "pays":
        _money(axes, place, lane, step)


def _money(axes: Axes, place: float, lane: float, step: Happened) -> None:
    is_second = step.who == "A"
    good = (step.word == "paid") != is_second
    colour, marker = (_GOOD, "o" if not is_second else "s") if good else (_BAD, "X")
    axes.annotate("", (place, 0.2), (place, lane - 0.18), arrowprops={"arrowstyle": "->", "color": _INK, "lw": 1.3})
    axes.plot(place, 0.0, marker, color=colour, markersize=13, markeredgecolor=_INK, markeredgewidth=0.8, zorder=3)
    words = {"paid": "paid again" if is_second else "paid"}.get(step.word, f"refused: {step.word}")
    axes.annotate(words, (place, -0.52), ha="center", fontsize=10, weight="bold", color=colour)


def _ending(told: Told) -> str:
    return _ENDINGS.get(told.payments, f"paid {told.payments} times")
