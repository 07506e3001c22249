"""One key family played at some TTLs: their figures with intervals, and whether they meet a goal. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .curves import Curve, Invalidations, curve
from .goals import DAY, Goal, Point
from .spread import MOST_BLOCKS, blocks_for, interval
from .trace import Trace

STATIONARY = 0.02
"""Halves of a trace whose hit rates differ by less than two points agree, whatever their intervals."""


@dataclass(frozen=True)
class Played:
    """A family of a trace, and what is asked of it.

    Args:
        trace: its events.
        seconds: how long the whole trace is that it is a family of: loads and cost are spread over that.
        goal: what a TTL must achieve.
        invalidations: whether they are sent.
        options: how the cache keeps entries, as for :func:`.curves.curve`.
    """

    trace: Trace
    seconds: float
    goal: Goal
    invalidations: Invalidations
    options: Mapping[str, Any]

    @property
    def invalidated(self) -> bool:
        """Tell whether invalidations are sent."""
        return self.invalidations == "sent"

    @property
    def untold(self) -> bool:
        """Tell whether the goal bounds what this trace cannot tell: staleness by TTL alone, where nothing changes."""
        goal = self.goal
        share_is_bounded = goal.max_outdated is not None and goal.max_outdated < 1
        price_is_bounded = goal.budget is not None and goal.prices.outdated > 0
        changes = len(self.trace) - self.trace.reads
        return not (self.invalidated or changes) and (share_is_bounded or price_is_bounded)

    def points(self, ttls: Sequence[float]) -> list[Point]:
        """Return the figures of some TTLs."""
        played = self._play(self.invalidations, ttls)
        by_ttl_alone = self._play("ignored", ttls) if self.invalidated and played.changes else played
        return [self._point(played, by_ttl_alone, place) for place in range(len(ttls))]

    def met(self, point: Point) -> bool:
        """Tell whether a TTL surely meets the goal, as far as the trace tells (see :attr:`untold`)."""
        return point.low is not None and point.low >= self.goal.hit_rate and self._within_bounds(point)

    def may_be_met(self, point: Point) -> bool:
        """Tell whether a TTL meets the goal for all that this trace can say."""
        return _high(point) >= self.goal.hit_rate and self._within_bounds(point)

    def met_here(self, point: Point) -> bool:
        """Tell whether a TTL meets the goal on this trace, whatever another one would say."""
        return point.hit_rate >= self.goal.hit_rate and self._within_bounds(point)

    def too_outdated(self, point: Point) -> bool:
        """Tell whether a TTL serves more that had changed than the goal allows."""
        return self.goal.max_outdated is not None and self._outdated(point) > self.goal.max_outdated

    def at_best(self, shorter: Point, longer: Point) -> Point:
        """Return figures that no TTL between two surpasses: what falls with the TTL is the longer's, what rises not."""
        ends = (shorter, longer)
        reach = min(map(_reach, ends))
        lows = [end.low for end in ends if end.low is not None]
        outdated = [end.outdated_share for end in ends if end.outdated_share is not None]
        return self._priced(
            Point(
                ttl=shorter.ttl,
                hit_rate=max(end.hit_rate for end in ends),
                low=max(*lows, longer.hit_rate - reach) if lows else None,
                high=max(map(_high, ends)),
                outdated_share=min(outdated) if outdated else None,
                worst_age=shorter.worst_age,
                origin_rate=min(end.origin_rate for end in ends),
                commands_per_day=min(end.commands_per_day for end in ends),
            )
        )

    def halves(self, point: Point) -> tuple[float, float] | None:
        """Return the hit rates of the trace's two halves, each from a cold start, if they disagree; else None.

        A half that is too short for an interval of its own varies more than the whole, by the root of two.
        """
        start, middle = float(self.trace.times[0]), float(self.trace.times[0]) + self.trace.seconds / 2
        halves = (self.trace.between(start, middle), self.trace.between(middle, math.inf))
        if not all(half.reads for half in halves):
            return None
        first, second = (replace(self, trace=half).points([point.ttl])[0] for half in halves)
        noise = max(STATIONARY, math.hypot(_reach(first), _reach(second)))
        if math.isinf(noise):
            noise = STATIONARY + _reach(point) * math.sqrt(2)
        return (first.hit_rate, second.hit_rate) if abs(first.hit_rate - second.hit_rate) > noise else None

    @property
    def _rate_seconds(self) -> float:
        return self.seconds * self.trace.share

    def _within_bounds(self, point: Point) -> bool:
        goal = self.goal
        return (
            not self.too_outdated(point)
            and (goal.max_origin_rate is None or point.origin_rate <= goal.max_origin_rate)
            and (goal.budget is None or point.cost_per_day <= goal.budget)
        )

    def _play(self, invalidations: Invalidations, ttls: Sequence[float]) -> Curve:
        options = {"blocks": MOST_BLOCKS, "rate_seconds": self._rate_seconds, **self.options}
        return curve(self.trace, ttls, invalidations=invalidations, **options)

    def _point(self, played: Curve, by_ttl_alone: Curve, place: int) -> Point:
        ttl = float(played.ttls[place])
        ends = hit_interval(played, place)
        outdated = float(by_ttl_alone.outdated_share[place])
        return self._priced(
            Point(
                ttl=ttl,
                hit_rate=float(played.hit_rate[place]),
                low=ends and ends[0],
                high=ends and ends[1],
                outdated_share=None if math.isnan(outdated) else outdated,
                worst_age=float(played.worst_age[place]),
                origin_rate=float(played.origin_rate[place]),
                commands_per_day=float(played.commands[place]) * DAY / self._rate_seconds,
            )
        )

    def _priced(self, point: Point) -> Point:
        """Return a point with what a day of it costs."""
        prices = self.goal.prices
        reads_per_day = self.trace.reads * DAY / self._rate_seconds
        cost = (
            point.origin_rate * DAY * prices.load
            + point.commands_per_day * prices.command
            + self._outdated(point) * reads_per_day * prices.outdated
        )
        return replace(point, cost_per_day=cost)

    def _outdated(self, point: Point) -> float:
        """Return the share of reads that are outdated, as far as the trace tells: none where invalidations are sent."""
        return 0.0 if self.invalidated or point.outdated_share is None else point.outdated_share


def hit_interval(played: Curve, place: int) -> tuple[float, float] | None:
    """Return the 95 % interval of one TTL's hit rate, if the curve was played in blocks and is long enough."""
    hits, reads = played.blocks["hits"][place], played.blocks["reads"][place]
    return interval(hits, reads, min(len(reads), blocks_for(float(played.ttls[place]), played.seconds)))


def _high(point: Point) -> float:
    """Return the most that a point's hit rate may be in other such traces; without an interval, what it is here."""
    return point.hit_rate if point.high is None else point.high


def _reach(point: Point) -> float:
    """Return half the width of a point's interval; without one, nothing is too far apart."""
    return math.inf if point.low is None or point.high is None else (point.high - point.low) / 2
