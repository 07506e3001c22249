"""Tables about times to live: what is advised for each key family and why, and every TTL to be tried by a click."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..tuning.advice import Advice
from ..tuning.goals import Point
from ..tuning.lab import TuneLab
from ..tuning.reasons import percent, seconds
from ..tuning.total import Total
from ..tuning.tuned import Tuned
from ..tuning.verdicts import Verdict
from .tables import Table, interval

_VERDICTS = {
    "met": "✓ met",
    "unreachable": "✗ unreachable",
    "inconclusive": "? inconclusive",
    "non-stationary": "? non-stationary",
}
_NOW = {True: "✓ meets it", False: "✗ misses it", None: "? cannot say"}
_NONE = "–"
_ANYTHING = 200.0  # points: no two hit rates are farther apart than half of that

MOST_POINTS = 1.0
"""Points by which a prediction may be off."""


def advice_table(advice: Sequence[Advice]) -> Table:
    """Show the TTL that is advised for each key family, and what it gives."""
    cells = [
        (
            one.family,
            f"{one.reads:,}",
            _NONE if one.ttl is None else seconds(one.ttl),
            _hits(one.point),
            _share(None if one.point is None else one.point.outdated_share),
            _NONE if one.point is None else _rate(one.point.origin_rate),
            percent(one.current_ceiling),
            _VERDICTS[one.status],
        )
        for one in advice
    ]
    headers = ("family", "reads", "advised", "hits", "outdated by TTL alone", "loads", "at most", "target")
    return Table("The smallest TTL that surely does, for each key family (± : 95 % intervals)", headers, cells)


@dataclass(frozen=True)
class Reasons:
    """Why a TTL is advised, or none is: a sentence for each key family, as a list, since sentences are wide for tables.

    Args:
        lines: family and sentence.
    """

    lines: Sequence[tuple[str, str]]

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li><b>{escape(name)}</b>: {escape(why)}</li>' for name, why in self.lines)}</ul>"

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {why}" for name, why in self.lines)


def reasons(advice: Sequence[Advice], total: Total | None = None) -> Reasons:
    """Show why, in a sentence for each key family, and what it all comes to where that is bounded."""
    together = [("all families", total.reason)] if total else []
    return Reasons([*((one.family, one.reason) for one in advice), *together])


def present_table(advice: Sequence[Advice]) -> Table:
    """Show the TTLs in use now beside those advised."""
    cells = [
        (
            one.family,
            seconds(one.present.ttl),
            _hits(one.present),
            _share(one.present.outdated_share),
            _rate(one.present.origin_rate),
            _NOW[one.present_met],
            _NONE if one.ttl is None else seconds(one.ttl),
        )
        for one in advice
        if one.present
    ]
    headers = ("family", "now", "hits", "outdated by TTL alone", "loads", "the target", "advised")
    return Table("The TTLs in use now, judged by the trace", headers, cells)


def ttl_table(tuned: Tuned) -> Table:
    """Show every TTL of the curves, all families together."""
    played = tuned.curve
    cells = [
        (
            seconds(float(ttl)),
            percent(float(played.hit_rate[place])),
            _rate(played.origin_rate[place]),
            f"{played.commands[place]:,}",
            seconds(round(float(played.mean_age[place]), 1)),
            seconds(round(float(played.worst_age[place]), 1)),
        )
        for place, ttl in enumerate(played.ttls)
    ]
    headers = ("TTL", "hits", "loads", "commands in all", "mean age of what is served", "oldest")
    return Table("Each TTL, all families together", headers, cells)


def confirmation_table(run: TuneLab) -> Table:
    """Show each TTL's hit rate as predicted and as measured on the real cache, or why nothing was measured."""
    headers = ("TTL", "predicted", "measured", "95 % interval", "apart", "loads, predicted", "loads, measured")
    if run.confirmed is None:
        return Table(f"Nothing was measured: {run.refusal}", headers, [])
    cells = [
        (
            seconds(row.ttl),
            percent(row.predicted),
            percent(row.measured.value),
            interval(row.measured, "%"),
            f"{'✓' if abs(row.points) <= MOST_POINTS else '✗'} {row.points:+.2f} points",
            f"{row.predicted_loads:,}",
            f"{row.loads:,}",
        )
        for row in run.confirmed.rows
    ]
    times = f"{run.confirmed.requests:,} requests for each TTL, {run.confirmed.compress:,.0f} times as fast"
    return Table(f"Predicted and measured: {times}", headers, cells)


def experiment_table(verdicts: Sequence[Verdict]) -> Table:
    """Show what an A/B of TTLs says of each arm beside the first."""
    cells = [
        (
            one.arm,
            one.control,
            f"{one.points.value:+.1f} points",
            _within(one.points.low, one.points.high),
            _NONE if math.isnan(one.origin) else f"{one.origin:.2f}×",
            f"{one.reads:,}",
            one.finding,
        )
        for one in verdicts
    ]
    headers = ("arm", "against", "hit rate", "interval at all looks", "origin calls", "reads", "finding")
    return Table("A/B of two TTLs, live", headers, cells)


def _within(low: float, high: float) -> str:
    return "anything" if high - low >= _ANYTHING else f"{low:+.1f} to {high:+.1f}"


@dataclass(frozen=True)
class Explorer:
    """One panel a TTL, of which a click shows one: HTML and CSS alone, so that it works in a file and without a kernel.

    Where styles are stripped all panels are shown, one below the other.

    Args:
        titles: what to click on.
        panels: what it shows.
        chosen: which is shown first.
    """

    titles: Sequence[str]
    panels: Sequence[Table]
    chosen: int

    def _repr_html_(self) -> str:
        name = "ttl-" + hashlib.sha256("".join(map(repr, self.panels)).encode()).hexdigest()[:8]
        buttons = "".join(self._button(name, place) for place in range(len(self.titles)))
        shown = "".join(
            f"#{name}-{place}:checked~.{name}-{place}{{display:block}}"
            f'#{name}-{place}:checked~label[for="{name}-{place}"]{{background:#0072B2;color:#fff}}'
            f'#{name}-{place}:focus-visible~label[for="{name}-{place}"]{{outline:2px solid #1D1B16}}'
            for place in range(len(self.titles))
        )
        style = (
            f".{name} input{{position:absolute;opacity:0}}.{name} label{{display:inline-block;padding:2px 9px;"
            f"border:1px solid #6B675C;margin:0 -1px 6px 0;cursor:pointer}}.{name}>div{{display:none}}{shown}"
        )
        panels = "".join(
            f'<div class="{name}-{place}">{panel._repr_html_()}</div>' for place, panel in enumerate(self.panels)
        )
        return (
            f'<style>{style}</style><div class="{name}" role="group" aria-label="time to live">{buttons}{panels}</div>'
        )

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.panels))

    def _button(self, name: str, place: int) -> str:
        checked = " checked" if place == self.chosen else ""
        return (
            f'<input type="radio" name="{name}" id="{name}-{place}"{checked}>'
            f'<label for="{name}-{place}">{escape(self.titles[place])}</label>'
        )


def ttl_explorer(tuned: Tuned) -> Explorer:
    """Show what one TTL, the same for every family, would give each of them; a click chooses another."""
    ttls = [float(ttl) for ttl in tuned.curve.ttls]
    advised = [one.ttl for one in tuned.advice if one.ttl is not None]
    chosen = min(range(len(ttls)), key=lambda place: abs(ttls[place] - max(advised, default=ttls[-1])))
    return Explorer([seconds(ttl) for ttl in ttls], [_panel(tuned, place) for place in range(len(ttls))], chosen)


def _panel(tuned: Tuned, place: int) -> Table:
    cells = []
    for name, played in tuned.families.items():
        hits, outdated = float(played.hit_rate[place]), float(tuned.by_ttl_alone[name].outdated_share[place])
        mark = "✓" if hits >= tuned.goal.hit_rate else "✗"
        cells.append(
            (
                name,
                f"{mark} {percent(hits)}",
                _bar(hits),
                _NONE if not played.changes else percent(outdated),
                _rate(played.origin_rate[place]),
                seconds(round(float(played.worst_age[place]), 1)),
            )
        )
    headers = ("family", "hits", "", "outdated by TTL alone", "loads", "oldest")
    return Table(f"With a TTL of {seconds(float(tuned.curve.ttls[place]))}", headers, cells)


def _bar(share: float) -> str:
    return "█" * round(share * 20) + "░" * (20 - round(share * 20))


def _hits(point: Point | None) -> str:
    if point is None:
        return _NONE
    if point.low is None or point.high is None:
        return percent(point.hit_rate)
    return f"{percent(point.hit_rate)} ± {(point.high - point.low) * 50:.1f}"


def _rate(rate: float) -> str:
    return _NONE if math.isnan(rate) else f"{rate:.3g}/s"


def _share(share: float | None) -> str:
    return _NONE if share is None else percent(share)
