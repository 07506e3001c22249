"""A run against its own history: whether it is where runs like it have been. Pure.

Runs differ by more than their samples say, since what a process is dealt (memory layout, neighbours on the machine)
stays with it to its end; so the spread that counts is that between runs (Georges, Buytaert and Eeckhout 2007; Kalibera
and Jones 2013). From five earlier runs on it is known well enough for a prediction interval: where a new run lies in
95 % of cases if nothing changed, by Student's t on the logarithm of a figure, and for shares on the arcsine of their
root. A run's own sampling error is the least spread that is assumed: five runs that agree by luck raise no alarm.

Simulated by ``python -m benchmarks.comparing``: 2,000 runs each of 1,000 samples, whose level varies by 10 % from run
to run; hit rate, P50 and P95 have a target; in %:

    earlier runs                 any changed   any regressed
    5, nothing changed                   2.8             1.1
    10, nothing changed                  3.0             1.7
    20, nothing changed                  3.3             1.7
    5, half as slow again               60.2            60.2
    10, half as slow again              85.2            85.2
    20, half as slow again              92.0            92.0
    5, twice as slow                    96.3            96.3
    10, twice as slow                  100.0           100.0
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from .compare import ALPHA, SHARES, Side, raised_together, side
from .kpis import FIGURES
from .result import Result
from .significance import p_of_student
from .stats import Interval, student

FEWEST = 5
"""Earlier runs that it takes to know how much runs differ."""

_REACH = 1.959964  # standard errors in a 95 % interval

Word = Literal["regressed", "improved", "within", "too few earlier runs", "cannot say"]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a run among those of earlier runs.

    Args:
        name: the figure.
        target: whether it has one, so that it counts for the verdict.
        now: what it is.
        runs: how many earlier runs have it.
        usual: where a new run was to be expected, with the middle of the earlier ones; None when there are too few.
        p: how often a run is at least so far off if nothing changed.
        p_adjusted: the same, for all figures judged together.
        word: what the figure did.
    """

    name: str
    target: bool
    now: Interval
    runs: int
    usual: Interval | None = None
    p: float | None = None
    p_adjusted: float | None = None
    word: Word = "cannot say"


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A run against its history.

    Args:
        run: the run.
        earlier: the ids of the runs it is held against, oldest first.
        others: how many earlier runs of this environment were not like it: other machine, parameters or emulated parts.
        figures: each figure among its earlier ones.
    """

    run: Side
    earlier: list[str]
    others: int
    figures: list[Past]


def against_history(
    now: Result,
    earlier: Sequence[tuple[str, Result]],
    *,
    targets: Collection[str],
    name: str = "this run",
) -> History:
    """Hold a run against earlier ones like it.

    Args:
        now: the run.
        earlier: ids and results of other runs; those that are not like it, or came later, are left out and counted.
        targets: the figures that have a target; see :func:`.kpis.kpis_in_force`.
        name: what the run is called.
    """
    before = sorted((pair for pair in earlier if pair[1].started < now.started), key=lambda pair: pair[1].started)
    same = [pair for pair in before if pair[1].environment == now.environment and pair[1].notebook == now.notebook]
    alike = [(run, result) for run, result in same if like(now, result)]
    return History(
        run=side(now, name),
        earlier=[run for run, _ in alike],
        others=len(same) - len(alike),
        figures=among(now.figures, [result.figures for _, result in alike], targets=targets),
    )


def among(
    now: Mapping[str, Interval], earlier: Sequence[Mapping[str, Interval]], *, targets: Collection[str]
) -> list[Past]:
    """Return each figure of a run among those of earlier runs that are like it.

    Args:
        now: the run's figures, by name.
        earlier: those of each earlier run, in any order.
        targets: the figures that have a target.
    """
    found = {name: [figures[name].value for figures in earlier if name in figures] for name in now}
    return _judged([_past(name, now[name], found[name], name in targets) for name in now])


def like(now: Result, other: Result) -> bool:
    """Tell whether another run was the same measurement: on the same machine, of the same, with the same emulated."""
    if not (now.host and other.host and now.host.id and now.host.id == other.host.id):
        return False
    return (now.parameters, now.origin, now.emulated) == (other.parameters, other.origin, other.emulated)


class _Line(NamedTuple):
    """A scale on which a figure's spread does not depend on where it is, and the way back."""

    there: Callable[[float], float]
    back: Callable[[float], float]


_LOGARITHM = _Line(math.log, math.exp)
_ARCSINE = _Line(
    lambda share: math.asin(math.sqrt(share)), lambda angle: math.sin(min(max(angle, 0), math.pi / 2)) ** 2
)


def _past(name: str, now: Interval, found: Sequence[float], target: bool) -> Past:
    past = Past(name=name, target=target, now=now, runs=len(found))
    if len(found) < FEWEST:
        return msgspec.structs.replace(past, word="too few earlier runs")
    line = _ARCSINE if name in SHARES else _LOGARITHM
    if line is _LOGARITHM and min(*found, past.now.value) <= 0:
        return past
    values = [line.there(value) for value in found]
    mean, freedom = math.fsum(values) / len(values), len(values) - 1
    between = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / freedom)
    spread = max(between, _own_error(past.now, line)) * math.sqrt(1 + 1 / len(values))
    off, reach = line.there(past.now.value) - mean, student(freedom) * spread
    usual = Interval(line.back(mean), line.back(mean - reach), line.back(mean + reach), len(values))
    p = p_of_student(off / spread, freedom) if spread else float(abs(off) < 1e-12)
    return msgspec.structs.replace(past, usual=usual, p=p)


def _own_error(figure: Interval, line: _Line) -> float:
    """Return the standard error that a run's own interval speaks of; 0 for one without."""
    if figure.low is None or figure.high is None or (line is _LOGARITHM and figure.low <= 0):
        return 0.0
    return (line.there(figure.high) - line.there(figure.low)) / (2 * _REACH)


def _judged(figures: list[Past]) -> list[Past]:
    raised = raised_together([(one.name, one.target, one.p) for one in figures])
    return [
        msgspec.structs.replace(one, p_adjusted=raised[one.name], word=_word(one, raised[one.name]))
        if one.name in raised
        else one
        for one in figures
    ]


def _word(one: Past, p: float) -> Word:
    if one.usual is None or one.name not in FIGURES:
        return "cannot say"
    if p >= ALPHA:
        return "within"
    grown = one.now.value > one.usual.value
    return "improved" if grown == (FIGURES[one.name] == "above") else "regressed"
