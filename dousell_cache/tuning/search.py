"""The smallest time to live that does, found without trying all of them. Pure.

A longer TTL never misses more and costs fewer loads and commands; what is served out of date only grows, chance aside.
So between two TTLs that were tried none is better than the longer in the one, and than the shorter in the other: where
even that would not do, nothing between needs to be tried, and elsewhere halving finds what lies between two round TTLs.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from .goals import Point
from .points import Played
from .spread import FEWEST_BLOCKS

LADDER = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
"""Seconds that are tried first; between two of them, every number of two digits."""

_ROUNDS = 2  # round TTLs up to which all of two digits are tried: farther on, much more is out of date


class Search:
    """The TTLs that may be chosen for a key family; each is played once.

    Args:
        played: the family.
        ttls: the only TTLs to choose from; default: any of two digits, up to the length of the trace.
    """

    def __init__(self, played: Played, ttls: Sequence[float] | None = None) -> None:
        self.tried = played.points(sorted(ttls) if ttls else _tried(played.trace.seconds))
        self._played = played
        self._only_these = bool(ttls)
        self._known = {point.ttl: point for point in self.tried}

    def smallest(self, does: Callable[[Point], bool]) -> Point | None:
        """Return the smallest TTL that does, if any.

        Args:
            does: told its figures; what is better in all of them must do as well.
        """
        if does(self.tried[0]):
            return self.tried[0]
        pairs = pairwise(self.tried)
        return next((found for pair in pairs if (found := self._above(*pair, does))), None)

    def near(self, first: Point, does: Callable[[Point], bool]) -> Point | None:
        """Return the smallest TTL that does, from one on and up to the second round one above it, trying all of them.

        What is out of date grows with the TTL but for chance, so that :meth:`smallest` may pass by one that just does.

        Args:
            first: a TTL, such as the smallest that gives enough hits.
            does: told its figures.
        """
        rounds = [point.ttl for point in self.tried if point.ttl > first.ttl][:_ROUNDS]
        if self._only_these or not rounds:
            return None
        ttls = [first.ttl, *two_digits(first.ttl, rounds[-1]), rounds[-1]]
        new = [ttl for ttl in ttls if ttl not in self._known]
        self._known |= {point.ttl: point for point in (self._played.points(new) if new else ())}
        return next((self._known[ttl] for ttl in ttls if does(self._known[ttl])), None)

    def _above(self, shorter: Point, longer: Point, does: Callable[[Point], bool]) -> Point | None:
        """Return the smallest TTL that does, above one that does not and up to another."""
        if not does(self._played.at_best(shorter, longer)):
            return None
        between = [] if self._only_these else two_digits(shorter.ttl, longer.ttl)
        if not between:
            return longer if does(longer) else None
        middle = self._at(between[len(between) // 2])
        return self._above(shorter, middle, does) or self._above(middle, longer, does)

    def _at(self, ttl: float) -> Point:
        if ttl not in self._known:
            self._known[ttl] = self._played.points([ttl])[0]
        return self._known[ttl]


def rungs(length: float) -> list[float]:
    """Return the TTLs to try first: up to the first that outlives the trace, which is as good as any longer one.

    Args:
        length: of the trace, in seconds.
    """
    return list(LADDER[: 1 + sum(step < length for step in LADDER)])


def two_digits(above: float, below: float) -> list[float]:
    """Return the numbers of two digits between two numbers, these left out, ascending."""
    found, unit = [], 10.0**-3
    while unit * 10 <= below:
        found += [round(digits * unit, 3) for digits in range(10, 100) if above < round(digits * unit, 3) < below]
        unit *= 10
    return sorted(found)


def _tried(length: float) -> list[float]:
    """Return the rungs, and the longest TTL that the trace is long enough to be sure of."""
    surest = max(two_digits(0, length / FEWEST_BLOCKS), default=LADDER[0])
    return sorted({*rungs(length), surest})
