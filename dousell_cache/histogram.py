"""A histogram of seconds that merges: log-linear buckets at fixed places, so that adding counts is all it takes. Pure.

Ours, because a serverless function is to carry it and a C library for four formulas is too much. The scheme is that of
HdrHistogram (https://hdrhistogram.org): whole microseconds up to 127, then 64 buckets for each doubling, to 67 s. What
is longer has a bucket of its own and is never taken for less.
"""

import math
from collections.abc import Mapping

_HALF = 6  # bits: 64 buckets for each doubling
_PER_DOUBLING = 1 << _HALF
_DOUBLINGS = 26

HIGHEST = (1 << _DOUBLINGS) / 1e6
"""Seconds, 67: what is as long or longer is in the overflow bucket."""
OVERFLOW = (_DOUBLINGS - _HALF + 1) * _PER_DOUBLING
"""The bucket of all that is too long."""
RELATIVE_ERROR = 1 / (2 * _PER_DOUBLING)
"""How far a quantile may be off what was recorded, 0.8 %; below 64 microseconds half a microsecond."""


def bucket(seconds: float) -> int:
    """Return the bucket of a time; what is negative, by a clock that was set, counts as nought."""
    microseconds = int(seconds * 1e6)
    if microseconds < _PER_DOUBLING:
        return max(0, microseconds)
    shift = microseconds.bit_length() - _HALF - 1
    place = (shift << _HALF) + (microseconds >> shift)
    return min(OVERFLOW, place)


def bounds(place: int) -> tuple[float, float]:
    """Return the seconds where a bucket begins and where the next one does; the overflow bucket has no end."""
    if place >= OVERFLOW:
        return HIGHEST, math.inf
    shift = max(0, (place >> _HALF) - 1)
    first = (place - (shift << _HALF)) << shift
    return first / 1e6, (first + (1 << shift)) / 1e6


def middle(place: int) -> float:
    """Return the seconds that a bucket stands for: its middle; the overflow bucket's beginning."""
    low, high = bounds(place)
    return low if high == math.inf else (low + high) / 2


def at_rank(counts: Mapping[int, int], rank: int) -> int:
    """Return the bucket of the time with this rank, the shortest having rank 1; ranks beyond the ends mean these.

    Raises:
        ValueError: nothing was counted.
    """
    seen, place = 0, None
    for place in sorted(counts):
        seen += counts[place]
        if seen >= rank:
            break
    if place is None:
        message = "a histogram without counts has no quantile"
        raise ValueError(message)
    return place


def quantile(counts: Mapping[int, int], percent: float) -> float:
    """Return a percentile in seconds, by the nearest rank; at least that, where it is :data:`HIGHEST`.

    Args:
        counts: how often each bucket was met.
        percent: more than 0, at most 100.

    Raises:
        ValueError: nothing was counted.
    """
    return middle(at_rank(counts, math.ceil(sum(counts.values()) * percent / 100)))
