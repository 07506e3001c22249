"""A figure with its target, its margin and its trend, as a page shows them: decisions and sentences. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from ..measure.kpis import Better, Verdict, Word
from ..measure.stats import Interval
from .charts import Plot
from .margins import Margin, margin
from .series import Trend
from .wording import Wording

Move = Literal["first", "better", "worse", "alike", "unknown", "improved", "regressed", "within"]
"""What a figure did: against all earlier runs alike where they are enough, else against the one before."""

ARROWS: Mapping[Move, str] = {
    "better": "↑",
    "improved": "↑",
    "worse": "↓",
    "regressed": "↓",
    "alike": "→",
    "within": "→",
}
"""Up is better, whichever way the number went."""

WIDTH, HEIGHT = 104.0, 30.0
_SPOKEN = 6  # values that an alternative text reads out before it becomes a recital


@dataclass(frozen=True)
class Judged:
    """One figure of one environment.

    Args:
        verdict: against its target.
        trend: over earlier runs alike; None where nobody looked.
    """

    verdict: Verdict
    trend: Trend | None = None

    @property
    def margin(self) -> Margin:
        """How far it is from its target."""
        return margin(self.verdict)

    @property
    def move(self) -> Move:
        """What it did."""
        return move(self.trend, "above" if self.verdict.kpi.direction == "above" else "below")

    @property
    def plot(self) -> Plot | None:
        """The drawing of its trend; None without an earlier run."""
        if self.trend is None or not self.trend.earlier:
            return None
        return Plot([*self.trend.earlier, self.verdict.figure], WIDTH, HEIGHT)


def move(trend: Trend | None, better: Better) -> Move:
    """Return what a figure did.

    Args:
        trend: of the figure.
        better: which side is.
    """
    if trend is None or not trend.earlier:
        return "first"
    if trend.past.word in {"improved", "regressed", "within"}:
        return trend.past.word
    return _against(trend.earlier[-1], trend.past.now, better)


def _against(before: Interval, now: Interval, better: Better) -> Move:
    if before.low is None or before.high is None or now.low is None or now.high is None:
        return "unknown"
    if now.low <= before.high and before.low <= now.high:
        return "alike"
    return "better" if (now.value > before.value) == (better == "above") else "worse"


def told_margin(judged: Judged, wording: Wording) -> str:
    """Say how far a figure is from its target."""
    found, unit = judged.margin, judged.verdict.kpi.unit
    if found.kind == "seen":
        return wording.plain("margin.seen", n=wording.whole(round(found.amount)))
    amount = wording.number(found.amount, unit)
    if unit == "%":
        points = 100 * found.amount
        amount = wording.plain("margin.point" if points < 2 else "margin.points", amount=wording.number(points, ""))
    return wording.plain(f"margin.{found.kind}", amount=amount)


def told_tally(words: Sequence[Word], wording: Wording) -> Markup:
    """Say how many targets are met, and how many missed or undecided if any are: they add up to all."""
    told = [wording.count("page.met_", words.count("pass"), all=wording.whole(len(words)))]
    others = {"page.missed_": words.count("fail"), "page.undecided_": words.count("inconclusive")}
    told += [wording.count(key, count) for key, count in others.items() if count]
    return Markup(", ").join(told)


def told_move(judged: Judged, wording: Wording) -> str:
    """Say what a figure did."""
    if judged.move == "unknown" and judged.trend:
        before = wording.number(judged.trend.earlier[-1].value, judged.verdict.kpi.unit)
        return wording.plain("trend.unknown", value=before)
    return wording.plain(f"trend.{judged.move}")


def told_drawing(judged: Judged, wording: Wording) -> str:
    """Say what the drawing of a trend shows, with its numbers."""
    trend, kpi = judged.trend, judged.verdict.kpi
    if trend is None or not trend.earlier:
        return told_move(judged, wording)
    runs = [*trend.earlier, judged.verdict.figure]
    values = ", ".join(wording.number(figure.value, kpi.unit) for figure in runs[-_SPOKEN:])
    told = wording.plain(
        "trend.drawn",
        label=wording.kpi(kpi),
        n=wording.whole(len(runs)),
        values=f"… {values}" if len(runs) > _SPOKEN else values,
        before=wording.number(trend.earlier[-1].value, kpi.unit),
        now=wording.number(judged.verdict.figure.value, kpi.unit),
        word=told_move(judged, wording).capitalize(),
    )
    if trend.past.usual is None:
        return told
    usual = wording.interval(trend.past.usual, kpi.unit)
    return f"{told} {wording.plain('trend.usual', usual=usual, n=wording.whole(trend.past.runs))}"
