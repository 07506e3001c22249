"""Two results side by side: by how much they differ, whether that is more than chance, what speaks against it. Pure.

A figure's difference is judged by its p value, raised by Holm among the figures that have a target and among the
others, so that of all figures of two runs that are alike, one is called different in at most 5 % of comparisons.

Simulated by ``python -m benchmarks.comparing``: 2,000 comparisons each of runs with 95 % hits and lognormal times
(spread 0.5); hit rate, P50 and P95 have a target; in %. The last column is P95 by its own p value, not raised:

    samples a side                    any differs   any worse   P95 worse   P95 alone
    alike, independent, 2,500                 2.8         1.6         0.9         2.7
    alike, AR(1) 0.9, 4,000                   4.5         2.4         1.7         5.3
    10 % up, independent, 2,500              99.9        99.9        82.1        85.8
    only the tail 10 % up, 2,500             80.0        79.9        79.9        85.8
    20 % up, AR(1) 0.9, 4,000                88.8        88.8        68.4        73.8
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from ..errors import ConfigurationError
from .caveats import caveats, unlike
from .kpis import FIGURES
from .place import Place
from .result import Host, Result
from .significance import difference, holm, p_of_difference, p_of_ratio, rank_test, ratio
from .stats import Interval, Samples

Word = Literal["better", "worse", "not significant", "cannot say"]
Scale = Literal["ratio", "difference"]

ALPHA = 0.05
SHARES = frozenset(
    {"hit_rate", "in_order", "in_order_fair", "double_payments", "double_bookings", "unanswered", "stale_reads"}
)
"""The figures that are shares: they are compared by their difference, all others by their ratio."""

_SMALL = {"ratio": 0.05, "difference": 0.01}  # a twentieth, or a percentage point: seldom worth acting on


class DifferentHosts(ConfigurationError):
    """Yours: results of different machines are to be compared; the message says how to insist."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of two results, by what tells it from the other.

    Args:
        name: what it was asked for as.
        environment: ``local``, ``vercel`` or ``dedicated``.
        notebook: what measured.
        started: UTC, ISO 8601.
        cache: its cache's address, without credentials.
        origin: what the loaders read.
        emulated: a line for each part imitated on the measuring machine.
        commit: the code's.
        host: the machine.
        place: how far its cache was.
    """

    name: str
    environment: str
    notebook: str
    started: str
    cache: str
    origin: str
    emulated: list[str]
    commit: str | None = None
    host: Host | None = None
    place: Place | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two results.

    Args:
        name: the figure.
        target: whether it has one, so that it counts for the verdict.
        a: what it is on the first side.
        b: what it is on the second.
        scale: whether the effect is b ÷ a or b - a.
        effect: how b differs from a; None where it cannot be computed.
        p: how often figures that are alike differ at least so much; None where that cannot be said.
        p_adjusted: the same, for all figures judged together.
        word: what b is, by ``p_adjusted``.
        note: what to make of it, in a few words.
    """

    name: str
    target: bool
    a: Interval
    b: Interval
    scale: Scale
    effect: Interval | None = None
    p: float | None = None
    p_adjusted: float | None = None
    word: Word = "cannot say"
    note: str = ""


class Ranked(msgspec.Struct, frozen=True):
    """What a rank test says of the raw response times.

    Args:
        slower: how often a read of b is slower than one of a, ties counted half.
        p: how often runs that are alike differ at least so much; None when there are too few samples.
    """

    slower: Interval
    p: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two results side by side.

    Args:
        a: the first.
        b: the second, of which the words speak.
        figures: those that both have.
        ranks: the rank test, where there are raw samples.
        caveats: what speaks against comparing the two, a sentence each.
    """

    a: Side
    b: Side
    figures: list[Compared]
    ranks: Ranked | None = None
    caveats: list[str] = []


def compare_results(
    a: Result,
    b: Result,
    *,
    targets: Collection[str],
    names: tuple[str, str] = ("A", "B"),
    samples: tuple[Samples, Samples] | None = None,
    across_hosts: bool = False,
) -> Comparison:
    """Compare two results, figure by figure.

    Args:
        a: what to compare with.
        b: what is judged.
        targets: the figures that have a target; see :func:`.kpis.kpis_in_force`.
        names: what the two are called.
        samples: response times of the reads of both, in order of arrival, for the rank test; None without them.
        across_hosts: whether results of different machines may be compared.

    Raises:
        DifferentHosts: the two were measured on different machines, and nobody insisted.
    """
    strangers = unlike(a.host, b.host)
    if strangers and not across_hosts:
        message = f"{names[0]} and {names[1]} were measured on different machines: {strangers}; --across-hosts insists"
        raise DifferentHosts(message)
    doubts = {v.kpi.name: v.doubt for result in (a, b) for v in result.verdicts if v.doubt}
    return Comparison(
        a=side(a, names[0]),
        b=side(b, names[1]),
        figures=judged([_compared(name, a, b, name in targets, doubts.get(name)) for name in _common(a, b)]),
        ranks=_ranks(samples) if samples else None,
        caveats=[*([f"different machines: {strangers}"] if strangers else []), *caveats(a, b)],
    )


def side(result: Result, name: str) -> Side:
    """Return what tells a result from another."""
    return Side(
        name=name,
        environment=result.environment,
        notebook=result.notebook,
        started=result.started,
        cache=result.cache,
        origin=result.origin,
        emulated=result.emulated,
        commit=result.commit,
        host=result.host,
        place=result.place,
    )


def judged(figures: list[Compared]) -> list[Compared]:
    """Return compared figures with their words, each found among all that were judged together."""
    raised = raised_together([(one.name, one.target, one.p) for one in figures])
    return [_worded(one, raised.get(one.name)) for one in figures]


def raised_together(figures: Iterable[tuple[str, bool, float | None]]) -> dict[str, float]:
    """Return p values raised for being judged together: the figures that have a target, and apart from them the others.

    A P95 may have three times as much of the error rate as a figure that is known more closely from as many samples.

    Args:
        figures: of each its name, whether it has a target, and its p value.
    """
    raised: dict[str, float] = {}
    known = [(name, has_target, p) for name, has_target, p in figures if p is not None]
    for target in (True, False):
        values = {name: p for name, has_target, p in known if has_target == target}
        raised |= holm(values, {name: 3.0 if "p95" in name else 1.0 for name in values})
    return raised


def effect_of(name: str, a: Interval, b: Interval) -> tuple[Scale, Interval | None, float | None]:
    """Return how a figure of b differs from that of a: on which scale, by how much, and how easily by chance."""
    if name in SHARES:
        found = difference(b, a)
        return "difference", found, p_of_difference(found)
    if not (a.value > 0 and b.value > 0):
        return "ratio", None, None
    found = ratio(b, a)
    return "ratio", found, p_of_ratio(found)


def _common(a: Result, b: Result) -> list[str]:
    return [name for name in a.figures if name in b.figures]


def _compared(name: str, a: Result, b: Result, target: bool, doubt: str | None) -> Compared:
    scale, effect, p = effect_of(name, a.figures[name], b.figures[name])
    known = {"name": name, "target": target, "a": a.figures[name], "b": b.figures[name], "scale": scale}
    if doubt:
        return Compared(**known, effect=effect, note=doubt)  # type: ignore[arg-type] # as the struct has them
    return Compared(**known, effect=effect, p=p)  # type: ignore[arg-type] # likewise


def _worded(one: Compared, p: float | None) -> Compared:
    word = _word(one, p)
    return msgspec.structs.replace(one, p_adjusted=p, word=word, note=one.note or _note(one, word))


def _word(one: Compared, p: float | None) -> Word:
    if p is None or one.effect is None or one.name not in FIGURES:
        return "cannot say"
    if p >= ALPHA:
        return "not significant"
    grown = one.effect.value > (1 if one.scale == "ratio" else 0)
    return "better" if grown == (FIGURES[one.name] == "above") else "worse"


def _note(one: Compared, word: Word) -> str:
    """Say what to make of a figure's difference: whether it matters, or what was not ruled out."""
    if one.effect is None or one.effect.low is None or one.effect.high is None:
        return "too few samples" if one.effect else "one of them is zero"
    neutral = 1.0 if one.scale == "ratio" else 0.0
    if word in {"better", "worse"}:
        return "but small" if abs(one.effect.value - neutral) < _SMALL[one.scale] else ""
    if word == "cannot say":
        return "no target says which side is better"
    most = max(abs(one.effect.low - neutral), abs(one.effect.high - neutral))
    if most < _SMALL[one.scale]:
        return "alike"
    if one.p is not None and one.p < ALPHA:
        return "not among so many figures"
    return ""


def _ranks(samples: tuple[Samples, Samples]) -> Ranked | None:
    first, second = samples
    if not (len(first) and len(second)):
        return None
    found = rank_test(second, first)
    return Ranked(found.above, found.p)


Verdict = Literal["worse", "no worse", "inconclusive"]

EXIT_CODES: Mapping[Verdict, int] = {"worse": 1, "inconclusive": 5, "no worse": 0}


def verdict(words: Collection[str]) -> Verdict:
    """Return the word for all figures that have a target: one that is worse decides, else one that nobody can say."""
    if {"worse", "regressed"} & set(words):
        return "worse"
    doubtful = {"cannot say", "too few earlier runs"} & set(words)
    return "inconclusive" if doubtful or not words else "no worse"
