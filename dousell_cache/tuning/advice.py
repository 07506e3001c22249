"""Which time to live to choose for a key family, and why: the smallest that does, or why none does. Pure.

What decides is the lower end of the hit rate's interval: a TTL is advised that meets the target in other such traces,
too. How the smallest is found: :mod:`.search`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from . import reasons
from .bounds import ceiling, current_ceiling
from .curves import Invalidations
from .goals import Goal, Point
from .points import Played
from .search import LADDER, Search
from .trace import Trace

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
            to say, or holds no change to judge staleness by; ``non-stationary``: its two halves disagree, so that
            neither speaks for tomorrow.
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
        goal: what a TTL must achieve, in each family; default: nine hits in ten reads. What it bounds for all families
            together: :func:`.total.total`.
        ttls: seconds; the only TTLs to choose from. Default: any of two digits, up to the length of the trace.
        present: the TTL that each family has now, to be judged as well.
        invalidations: whether they are sent; without them the goal's ``max_outdated`` bounds the TTL.
        options: how the cache keeps entries: ``fill``, ``grace``, ``jitter``, … as for :func:`.curves.curve`.

    Raises:
        ValueError: the trace has no reads, or an option makes no sense.
    """
    yield from Adviser(trace, ttls=ttls, present=present, invalidations=invalidations, **options).advise(goal or Goal())


class Adviser:
    """The families of a trace, whose TTLs are each played once, however many goals are asked of them.

    Args:
        trace: as for :func:`advise`, and so are the others.

    Raises:
        ValueError: as for :func:`advise`.
    """

    def __init__(
        self,
        trace: Trace,
        *,
        ttls: Sequence[float] | None = None,
        present: Mapping[str, float] | None = None,
        invalidations: Invalidations = "sent",
        **options: Any,
    ) -> None:
        if not trace.reads:
            message = "the trace has no reads, so there is nothing to advise"
            raise ValueError(message)
        self._families = [Played(family, trace.seconds, Goal(), invalidations, options) for family in by_reads(trace)]
        self._ttls, self._present = ttls, present or {}
        self._searches: dict[int, Search] = {}

    def advise(self, goal: Goal) -> Iterator[Advice]:
        """Yield advice for each family, the most read first.

        Args:
            goal: what a TTL must achieve; its prices are the same each time.
        """
        for place, family in enumerate(self._families):
            played = replace(family, goal=goal)
            yield _advise(played, partial(self._search, place, played), self._present)

    def _search(self, place: int, played: Played) -> Search:
        if place not in self._searches:
            self._searches[place] = Search(played, self._ttls)
        return self._searches[place]


def by_reads(trace: Trace) -> list[Trace]:
    """Return the key families of a trace that are read, the most read first."""
    families = [trace.of_family(name) for name in trace.family_names]
    return sorted((family for family in families if family.reads), key=lambda family: -family.reads)


def _advise(played: Played, search: Callable[[], Search], present: Mapping[str, float]) -> Advice:
    trace = played.trace
    name = trace.family_names[0]
    advice = Advice(
        family=name,
        reads=trace.reads,
        changes=len(trace) - trace.reads,
        status="inconclusive",
        reason=_too_little(trace),
        point=None,
        ceiling=ceiling(trace),
        current_ceiling=current_ceiling(trace),
        invalidation="unknown",
    )
    if trace.reads >= FEWEST_READS and trace.seconds > 0:
        advice = _chosen(played, advice, search())
    if name in present and trace.seconds > 0:
        point = played.points([present[name]])[0]
        advice = replace(advice, present=point, present_met=_present_met(point, played))
    return advice


def _too_little(trace: Trace) -> str:
    few = trace.reads < FEWEST_READS
    return reasons.too_few(trace.reads, FEWEST_READS) if few else reasons.one_moment(trace.reads)


def _present_met(point: Point, played: Played) -> bool | None:
    if played.trace.reads < FEWEST_READS:
        return None
    if point.low is None:  # loads and cost are those of a cold start then, but what is outdated would only be more
        return False if played.too_outdated(point) else None
    if not played.may_be_met(point):
        return False
    return True if played.met(point) and not played.untold else None


def _chosen(played: Played, advice: Advice, search: Search) -> Advice:
    point = _smallest(played, search, Played.met)
    if point is None:
        return _none_does(played, advice, search)
    halves = played.halves(point)
    if halves:
        return replace(advice, status="non-stationary", reason=reasons.non_stationary(point, halves), point=point)
    if played.untold:
        return replace(advice, reason=reasons.no_change(point), point=point)
    longer = next((other for other in played.points([_longer(point.ttl)])), None)
    return replace(
        advice,
        status="met",
        reason=reasons.met(point, longer, invalidated=played.invalidated),
        point=point,
        invalidation=_invalidation(played, point),
    )


def _smallest(played: Played, search: Search, does: Callable[[Played, Point], bool]) -> Point | None:
    """Return the smallest TTL that does, also where what is out of date wobbles by chance."""
    point = search.smallest(partial(does, played))
    budget = None if played.goal.prices.outdated else played.goal.budget
    at_any_age = replace(played.goal, max_outdated=None, budget=budget)
    if point or at_any_age == played.goal:
        return point
    first = search.smallest(partial(does, replace(played, goal=at_any_age)))
    return first and search.near(first, partial(does, played))


def _none_does(played: Played, advice: Advice, search: Search) -> Advice:
    """Say why no TTL does: because none can, or because nobody can say from this trace."""
    possible = _smallest(played, search, Played.may_be_met)
    if possible:
        halves = played.halves(possible)
        if halves:
            return replace(
                advice, status="non-stationary", reason=reasons.non_stationary(possible, halves), point=possible
            )
        return replace(advice, reason=reasons.inconclusive(possible, played.goal, played.trace.seconds), point=possible)
    kept, nearest = _nearest(played, search)
    point = nearest or max(search.tried, key=lambda point: point.hit_rate)
    most = min(advice.ceiling, advice.current_ceiling) if played.invalidated else advice.ceiling
    reason = reasons.unreachable(point, played.goal, kept, advice.ceiling, most)
    return replace(advice, status="unreachable", reason=reason, point=point, invalidation=_invalidation(played, point))


def _nearest(played: Played, search: Search) -> tuple[Goal, Point | None]:
    """Return how much of the goal can be kept, its bounds given up from the last, and the smallest TTL for that."""
    at_any_age = replace(played.goal, max_outdated=None)
    at_any_price = replace(at_any_age, budget=None)
    hits_alone = replace(at_any_price, max_origin_rate=None)
    for kept in (at_any_age, at_any_price, hits_alone):
        point = search.smallest(replace(played, goal=kept).met_here)
        if point:
            return kept, point
    return hits_alone, None


def _longer(ttl: float) -> float:
    return next((step for step in LADDER if step >= 3 * ttl), 5 * ttl)


def _invalidation(played: Played, point: Point) -> Invalidation:
    if point.outdated_share is None or played.goal.max_outdated is None:
        return "unknown"
    return "not needed" if point.outdated_share <= played.goal.max_outdated else "needed"
