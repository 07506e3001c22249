"""Which time to live to choose for a key family, and why: the smallest that does, or why none does. Pure.

A longer TTL never misses more (see :mod:`.curves`), so the smallest that meets the targets is found by bisection. What
decides is the lower end of the hit rate's interval: a TTL is advised that meets the target in other such traces, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from . import reasons
from .bounds import ceiling, current_ceiling
from .curves import Invalidations
from .goals import Goal, Point
from .points import Played
from .spread import FEWEST_BLOCKS
from .trace import Trace

LADDER = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
"""Seconds that are tried first; between two of them, every number of two digits."""

FEWEST_READS = 100
"""Fewer reads of a family say nothing of a hit rate of nine in ten."""

Status = Literal["met", "unreachable", "inconclusive", "non-stationary"]
Invalidation = Literal["needed", "not needed", "unknown"]


@dataclass(frozen=True)
class Advice:
    """What to do about one key family.

    Args:
        family: its name.
        reads: how many reads the trace has of it.
        changes: how many invalidations.
        status: ``met``: ``ttl`` does; ``unreachable``: none does; ``inconclusive``: the trace is too short or too small
            to say; ``non-stationary``: its two halves disagree, so that neither speaks for tomorrow.
        reason: one sentence.
        point: the smallest TTL that meets the goal and its figures, or the best there is; None with too few reads.
        ceiling: the hit rate that the first read of each key leaves, whatever the TTL.
        current_ceiling: the hit rate that is left when, besides, nothing out of date is served.
        invalidation: whether the goal's ``max_outdated`` could be kept without invalidating; ``unknown`` without such
            a goal, or where no change was recorded.
        present: the TTL in use now and its figures, if told.
        present_met: whether that meets the goal; None if not told, or nobody can say.
    """

    family: str
    reads: int
    changes: int
    status: Status
    reason: str
    point: Point | None
    ceiling: float
    current_ceiling: float
    invalidation: Invalidation
    present: Point | None = None
    present_met: bool | None = None

    @property
    def ttl(self) -> float | None:
        """Return the TTL that is advised; None if none is."""
        return self.point.ttl if self.point and self.status == "met" else None


def advise(
    trace: Trace,
    goal: Goal | None = None,
    *,
    ttls: Sequence[float] | None = None,
    present: Mapping[str, float] | None = None,
    invalidations: Invalidations = "sent",
    **options: Any,
) -> Iterator[Advice]:
    """Yield advice for each key family of a trace, the most read first.

    Args:
        trace: what was asked.
        goal: what a TTL must achieve; default: nine hits in ten reads.
        ttls: seconds; the only TTLs to choose from. Default: any of two digits, up to the length of the trace.
        present: the TTL that each family has now, to be judged as well.
        invalidations: whether they are sent; without them the goal's ``max_outdated`` bounds the TTL.
        options: how the cache keeps entries: ``fill``, ``grace``, ``jitter``, … as for :func:`.curves.curve`.

    Raises:
        ValueError: the trace has no reads, or an option makes no sense.
    """
    if not trace.reads:
        message = "the trace has no reads, so there is nothing to advise"
        raise ValueError(message)
    for family in by_reads(trace):
        yield _advise(Played(family, goal or Goal(), invalidations, options), ttls, present or {})


def by_reads(trace: Trace) -> list[Trace]:
    """Return the key families of a trace that are read, the most read first."""
    families = [trace.of_family(name) for name in trace.family_names]
    return sorted((family for family in families if family.reads), key=lambda family: -family.reads)


def _advise(played: Played, ttls: Sequence[float] | None, present: Mapping[str, float]) -> Advice:
    trace = played.trace
    name = trace.family_names[0]
    advice = Advice(
        family=name,
        reads=trace.reads,
        changes=len(trace) - trace.reads,
        status="inconclusive",
        reason=reasons.too_few(trace.reads, FEWEST_READS),
        point=None,
        ceiling=ceiling(trace),
        current_ceiling=current_ceiling(trace),
        invalidation="unknown",
    )
    if trace.reads >= FEWEST_READS and trace.seconds > 0:
        advice = _chosen(played, advice, ttls)
    if name in present and trace.seconds > 0:
        point = played.points([present[name]])[0]
        advice = replace(advice, present=point, present_met=_present_met(point, played))
    return advice


def _present_met(point: Point, played: Played) -> bool | None:
    if played.met(point):
        return True
    return None if played.may_be_met(point) else False


def _chosen(played: Played, advice: Advice, ttls: Sequence[float] | None) -> Advice:
    points = played.points(sorted(ttls) if ttls else _tried(played.trace.seconds))
    found = next((place for place, point in enumerate(points) if played.met(point)), None)
    if found is None:
        return _none_does(played, advice, points)
    point = points[found]
    if found and not ttls:
        point = _smallest(played, points[found - 1].ttl, point)
    halves = played.halves(point.ttl)
    if halves:
        return replace(advice, status="non-stationary", reason=reasons.non_stationary(point, halves), point=point)
    longer = next((other for other in played.points([_longer(point.ttl)])), None)
    return replace(
        advice,
        status="met",
        reason=reasons.met(point, longer, invalidated=played.invalidated),
        point=point,
        invalidation=_invalidation(played, point),
    )


def rungs(length: float) -> list[float]:
    """Return the TTLs to try first: up to the first that outlives the trace, which is as good as any longer one.

    Args:
        length: of the trace, in seconds.
    """
    return list(LADDER[: 1 + sum(step < length for step in LADDER)])


def _tried(length: float) -> list[float]:
    """Return the rungs, and the longest TTL that the trace is long enough to be sure of."""
    surest = max(two_digits(0, length / FEWEST_BLOCKS), default=LADDER[0])
    return sorted({*rungs(length), surest})


def _none_does(played: Played, advice: Advice, points: Sequence[Point]) -> Advice:
    """Say why no TTL does: because none can, or because nobody can say from this trace."""
    possible = next((point for point in points if played.may_be_met(point)), None)
    if possible:
        halves = played.halves(possible.ttl)
        if halves:
            return replace(
                advice, status="non-stationary", reason=reasons.non_stationary(possible, halves), point=possible
            )
        return replace(advice, reason=reasons.inconclusive(possible, played.goal, played.trace.seconds), point=possible)
    best = max(points, key=lambda point: point.hit_rate)
    reason = reasons.unreachable(points, played.goal, advice.ceiling, advice.current_ceiling, played.invalidated)
    return replace(advice, status="unreachable", reason=reason, point=best, invalidation=_invalidation(played, best))


def _smallest(played: Played, too_short: float, point: Point) -> Point:
    """Return the smallest TTL of two digits that does, above one that does not and up to one that does."""
    between = two_digits(too_short, point.ttl)
    low, high = 0, len(between)
    while low < high:
        middle = (low + high) // 2
        tried = played.points([between[middle]])[0]
        if played.met(tried):
            high, point = middle, tried
        else:
            low = middle + 1
    return point


def two_digits(above: float, below: float) -> list[float]:
    """Return the numbers of two digits between two numbers, these left out, ascending."""
    found, unit = [], 10.0**-3
    while unit * 10 <= below:
        found += [round(digits * unit, 3) for digits in range(10, 100) if above < round(digits * unit, 3) < below]
        unit *= 10
    return sorted(found)


def _longer(ttl: float) -> float:
    return next((step for step in LADDER if step >= 3 * ttl), 5 * ttl)


def _invalidation(played: Played, point: Point) -> Invalidation:
    if point.outdated_share is None or played.goal.max_outdated is None:
        return "unknown"
    return "not needed" if point.outdated_share <= played.goal.max_outdated else "needed"
