"""Targets and verdicts: the thresholds live in ``kpis.toml``, the verdict comes from the interval."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Literal

import msgspec

from .stats import Interval

Word = Literal["pass", "fail", "inconclusive"]


class Kpi(msgspec.Struct, frozen=True):
    """A figure's target.

    Args:
        name: the figure it judges.
        label: its name for people.
        direction: on which side of the target the figure has to be; ``none``: what must never be seen, and surely is no
            more frequent than the target says.
        target: in the figure's own unit; shares as 0 to 1.
        unit: ``%`` for shares, else what follows the number.
    """

    name: str
    label: str
    direction: Literal["above", "below", "none"]
    target: float
    unit: str


class Verdict(msgspec.Struct, frozen=True):
    """What a measured figure says about its target."""

    kpi: Kpi
    figure: Interval
    word: Word


def load_kpis(text: str) -> dict[str, Kpi]:
    """Read targets from TOML.

    Raises:
        ValueError: the text is not TOML, or a target is not complete; the message names it.
    """
    try:
        rows = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"the KPI file is not TOML: {error}"
        raise ValueError(message) from error
    return {name: _kpi(name, row) for name, row in rows.items()}


def _kpi(name: str, row: Any) -> Kpi:
    try:
        return msgspec.convert({**row, "name": name}, Kpi)
    except (msgspec.ValidationError, TypeError) as error:
        message = f"the KPI file's {name} must have label, direction (above, below or none), target and unit: {error}"
        raise ValueError(message) from error


KPIS: Mapping[str, Kpi] = load_kpis((files(__package__) / "kpis.toml").read_text("utf-8"))
"""The targets in force, by figure."""


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


def overall(words: list[Word]) -> Word:
    """Return the word for several verdicts: one failure fails, else one doubt leaves it open."""
    if "fail" in words:
        return "fail"
    return "inconclusive" if "inconclusive" in words or not words else "pass"
