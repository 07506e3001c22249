"""Targets, verdicts and alerts: targets live in TOML, a verdict comes from the whole interval, never from the point.

The targets in force are this suite's own, in ``kpis.toml``, and over them those of a file of the user's. That file is
named by ``DOUSELL_CACHE_KPIS``, which ``--kpis`` sets, so that every process of a run judges by the same.
"""

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import ConfigurationError
from .stats import Interval

Word = Literal["pass", "fail", "inconclusive"]
KPIS_VARIABLE = "DOUSELL_CACHE_KPIS"

Better = Literal["above", "below"]

FIGURES: Mapping[str, Better] = {
    "hit_rate": "above",
    "p50_ms": "below",
    "p95_ms": "below",
    "p99_ms": "below",
    "speedup": "above",
    "double_payments": "below",
    "double_bookings": "below",
    "lock_wait_p50_ms": "below",
    "lock_wait_p95_ms": "below",
    "lock_hold_p50_ms": "below",
    "grants_per_second": "above",
    "in_order": "above",
    "in_order_fair": "above",
    "rejected_click_p50_ms": "below",
    "unanswered": "below",
    "dead_cost_before_p95_ms": "below",
    "dead_cost_after_p95_ms": "below",
    "stale_reads": "below",
    "correct_after_p50_ms": "below",
    "correct_after_p95_ms": "below",
}
"""The figures that this suite's notebooks publish, and which side is better: what a target may be set for."""


class Kpi(msgspec.Struct, frozen=True):
    """A figure's target.

    Args:
        name: the figure it judges.
        label: its name for people.
        direction: on which side of the target the figure has to be; ``none``: what must never be seen, and surely is no
            more frequent than the target says.
        target: in the figure's own unit; shares as 0 to 1.
        unit: ``%`` for shares, else what follows the number.
        alert: where a figure is so far off that somebody should look at once; None for no such level.
    """

    name: str
    label: str
    direction: Literal["above", "below", "none"]
    target: float
    unit: str
    alert: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a measured figure says about its target.

    Args:
        kpi: the target.
        figure: what was measured.
        word: pass, fail or inconclusive.
        doubt: why the run cannot decide it, whatever its interval; None where the interval alone spoke.
    """

    kpi: Kpi
    figure: Interval
    word: Word
    doubt: str | None = None


class Alert(msgspec.Struct, frozen=True):
    """A figure that is surely beyond its alert level: all of its interval is."""

    kpi: Kpi
    figure: Interval


def judge(kpi: Kpi, figure: Interval) -> Verdict:
    """Say whether a figure meets its target: by its whole interval, or not at all.

    What must never be fails with the first case.
    """
    if kpi.direction == "none" and figure.value > 0:
        return Verdict(kpi, figure, "fail")
    if figure.low is None or figure.high is None:
        return Verdict(kpi, figure, "inconclusive")
    low, high = (figure.low, figure.high) if kpi.direction == "above" else (-figure.high, -figure.low)
    target = kpi.target if kpi.direction == "above" else -kpi.target
    if low > target:
        return Verdict(kpi, figure, "pass")
    return Verdict(kpi, figure, "fail" if high <= target else "inconclusive")


def judge_all(
    figures: Mapping[str, Interval],
    kpis: Mapping[str, Kpi],
    *,
    flaw: str | None = None,
    untrusted: str | None = None,
) -> list[Verdict]:
    """Judge every figure that has a target.

    Args:
        figures: what was measured, by name.
        kpis: the targets, see :func:`kpis_in_force`.
        flaw: why none of them may pass, such as reads that failed: a figure cannot be better for it, only worse.
        untrusted: why none of them says anything, such as a generator that was late. What must never be and was seen
            still fails.
    """
    judged = [judge(kpi, figures[name]) for name, kpi in kpis.items() if name in figures]
    return [_doubted(verdict, flaw, untrusted) for verdict in judged]


def _doubted(verdict: Verdict, flaw: str | None, untrusted: str | None) -> Verdict:
    if untrusted and not (verdict.word == "fail" and verdict.kpi.direction == "none"):
        return msgspec.structs.replace(verdict, word="inconclusive", doubt=untrusted)
    if flaw and verdict.word == "pass":
        return msgspec.structs.replace(verdict, word="inconclusive", doubt=flaw)
    return verdict


def alerts(verdicts: Iterable[Verdict]) -> list[Alert]:
    """Return the figures that are beyond their alert level with all of their interval; of a doubted run none."""
    return [Alert(verdict.kpi, verdict.figure) for verdict in verdicts if not verdict.doubt and _alarming(verdict)]


def _alarming(verdict: Verdict) -> bool:
    level, figure = verdict.kpi.alert, verdict.figure
    if level is None or figure.low is None or figure.high is None:
        return False
    return figure.high < level if verdict.kpi.direction == "above" else figure.low > level


def overall(words: list[Word]) -> Word:
    """Return the word for several verdicts: one failure fails, else one doubt, or nothing judged, leaves it open."""
    if "fail" in words:
        return "fail"
    return "inconclusive" if "inconclusive" in words or not words else "pass"


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str
    direction: Literal["above", "below", "none"]
    target: float
    unit: str
    alert: float | None = None


def load_kpis(text: str, over: Mapping[str, Kpi] | None = None) -> dict[str, Kpi]:
    """Read targets from TOML, a table for each.

    Args:
        text: the TOML; what a table leaves out is as in ``over``.
        over: the targets that stay unless the text has another; default none.

    Raises:
        ValueError: the text is not TOML, a table is not complete or names nothing that is measured, or a number makes
            no sense; the message names it.
    """
    try:
        rows = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"the KPI file is not TOML: {error}"
        raise ValueError(message) from error
    known = dict(over or {})
    return known | {name: _kpi(name, row, known.get(name)) for name, row in rows.items()}


def _kpi(name: str, row: Any, before: Kpi | None) -> Kpi:
    if name not in FIGURES:
        message = f"the KPI file sets a target for {name}, which is not measured; measured are {', '.join(FIGURES)}"
        raise ValueError(message)
    usual = {field: getattr(before, field) for field in _Row.__struct_fields__} if before else {}
    try:
        asked = msgspec.convert({**usual, **row}, _Row)
    except (msgspec.ValidationError, TypeError) as error:
        message = f"the KPI file's {name} must have label, direction (above, below or none), target and unit: {error}"
        raise ValueError(message) from error
    kpi = Kpi(name, **msgspec.structs.asdict(asked))
    _check(kpi)
    return kpi


def _check(kpi: Kpi) -> None:
    if not math.isfinite(kpi.target):
        message = f"the KPI file's {kpi.name} must have a finite target, not {kpi.target}"
        raise ValueError(message)
    if kpi.unit == "%" and not 0 <= kpi.target <= 1:
        message = f"the KPI file's {kpi.name} is a share: its target must be from 0 to 1, not {kpi.target:g}"
        raise ValueError(message)
    if kpi.alert is None:
        return
    beyond = {"above": kpi.alert <= kpi.target, "below": kpi.alert >= kpi.target, "none": False}[kpi.direction]
    if not beyond:
        where = {"above": "at most its target", "below": "at least its target"}.get(kpi.direction, "left out")
        message = f"the KPI file's {kpi.name}: an alert level must be {where}, not {kpi.alert:g}"
        raise ValueError(message)


KPIS: Mapping[str, Kpi] = load_kpis((files(__package__) / "kpis.toml").read_text("utf-8"))
"""This suite's own targets, by figure."""


def kpis_in_force(environ: Mapping[str, str] | None = None) -> Mapping[str, Kpi]:
    """Return the targets to judge by: this suite's own, under those of the file that the variable names.

    Args:
        environ: where it is looked for; default: the process's environment variables.

    Raises:
        ConfigurationError: the file cannot be read, or makes no sense; the message names what is wrong with it.
    """
    path = (os.environ if environ is None else environ).get(KPIS_VARIABLE, "").strip()
    if not path:
        return KPIS
    try:
        return load_kpis(Path(path).read_text("utf-8"), KPIS)
    except OSError as error:
        message = f"the KPI file {path} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from error
    except ValueError as error:  # undecodable text is one, too
        message = f"{path}: {error}"
        raise ConfigurationError(message) from error
