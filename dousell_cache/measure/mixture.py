"""What the figures of all reads are made of: hits, misses and the other ways of being answered. Pure.

A percentile of a mixture lies on one of its paths: with 90 % hits, P95 is the median of the misses, and only more than
95 % hits take it off their path. So before a P95 is improved, look whose it is.
"""

from collections.abc import Sequence
from typing import get_args

import msgspec
import numpy as np

from ..events import Outcome
from .stats import Flags, Interval, Samples, share

_NEAR = 1.0  # percent on either side of a percentile whose samples say which path it is on
_HALVINGS = 30  # of the hit rates left: more than a double's worth of requests


class Part(msgspec.Struct, frozen=True):
    """One way of being answered.

    Args:
        outcome: how.
        share: of all reads.
        mean: of its own times, in their unit.
        of_mean: what it adds to the mean of all; the parts add up to that mean.
        beyond_p95: its share of the samples slower than the P95 of all; the parts add up to 1, or 0 if there is none.
    """

    outcome: str
    share: Interval
    mean: float
    of_mean: float
    beyond_p95: float


class Quantile(msgspec.Struct, frozen=True):
    """Where a percentile of all reads lies.

    Args:
        percent: 50 for the median.
        value: in the unit of the times, as :func:`.stats.percentile` defines it, as everywhere.
        path: the outcome that most samples around it have.
        certainty: the share of the samples around it that have this outcome.
        within: which percentile of the path's own samples it is.
    """

    percent: float
    value: float
    path: str
    certainty: float
    within: float


class Mixture(msgspec.Struct, frozen=True):
    """What the figures of all reads are made of.

    Args:
        parts: what each way of being answered adds.
        quantiles: on which of these paths P50, P95 and P99 lie.
        hit_rate_needed: the smallest hit rate at which P95 is a hit's; None with no hits, or nothing else.
    """

    parts: list[Part]
    quantiles: list[Quantile]
    hit_rate_needed: float | None


def mixture(times: Samples, outcomes: Sequence[str]) -> Mixture:
    """Take the figures of all reads apart: :func:`decompose`, :func:`quantile_map` and :func:`hit_rate_needed` at once.

    Args:
        times: response times in order of arrival, of the reads that were answered.
        outcomes: how each was answered.

    Raises:
        ValueError: there are none, or not as many of one as of the other.
    """
    return Mixture(decompose(times, outcomes), quantile_map(times, outcomes), hit_rate_needed(times, outcomes))


def decompose(times: Samples, outcomes: Sequence[str]) -> list[Part]:
    """Say what each outcome adds, in the order of :data:`~dousell_cache.events.Outcome`, others behind by name.

    Args:
        times: response times in order of arrival; leave out what failed if it is to be left out of the mean.
        outcomes: how each was answered.

    Raises:
        ValueError: there are none, or not as many of one as of the other.
    """
    ways = _checked(times, outcomes)
    slow = times > np.percentile(times, 95)
    return [_part(name, ways == name, times, slow) for name in _in_order(ways)]


def quantile_map(times: Samples, outcomes: Sequence[str], percents: Sequence[float] = (50, 95, 99)) -> list[Quantile]:
    """Say on which path each percentile lies: what most of the samples around it are.

    Args:
        times: response times.
        outcomes: how each was answered.
        percents: which percentiles.

    Raises:
        ValueError: there are no times, not as many outcomes, or a percent is not between 0 and 100.
    """
    ways = _checked(times, outcomes)
    order = np.argsort(times, kind="stable")
    weights = np.full(len(times), 1 / len(times))
    placed = [_place(percent, times, ways, weights, order) for percent in percents]
    return [msgspec.structs.replace(one, value=float(np.percentile(times, one.percent))) for one in placed]


def hit_rate_needed(times: Samples, outcomes: Sequence[str], percent: float = 95) -> float | None:
    """Return the smallest hit rate at which a percentile lies on the path of the hits.

    Hits and the rest keep the times that they have; only how many there are of each changes.

    Args:
        times: response times.
        outcomes: how each was answered.
        percent: which percentile.

    Returns:
        The hit rate from 0 to 1; None when there were no hits, or nothing else.

    Raises:
        ValueError: as for :func:`quantile_map`.
    """
    ways = np.where(_checked(times, outcomes) == "hit", "hit", "other")
    hits = ways == "hit"
    if hits.all() or not hits.any():
        return None
    order = np.argsort(times, kind="stable")
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weights = np.where(hits, middle / hits.sum(), (1 - middle) / (~hits).sum())
        on_hits = _place(percent, times, ways, weights, order).path == "hit"
        low, high = (low, middle) if on_hits else (middle, high)
    return high


def _checked(times: Samples, outcomes: Sequence[str]) -> np.ndarray:
    if not len(times) or len(times) != len(outcomes):
        message = f"there must be times and an outcome for each, not {len(times)} and {len(outcomes)}"
        raise ValueError(message)
    return np.asarray(outcomes)


def _in_order(ways: np.ndarray) -> list[str]:
    known, seen = get_args(Outcome), sorted(set(ways.tolist()))
    return [name for name in known if name in seen] + [name for name in seen if name not in known]


def _part(name: str, mine: Flags, times: Samples, slow: Flags) -> Part:
    mean = float(times[mine].mean())
    beyond = float(mine[slow].mean()) if slow.any() else 0.0
    return Part(name, share(mine), mean, float(times[mine].sum() / len(times)), beyond)


def _place(percent: float, times: Samples, ways: np.ndarray, weights: Samples, order: np.ndarray) -> Quantile:
    if not 0 < percent < 100:
        message = f"a percent must be between 0 and 100, not {percent}"
        raise ValueError(message)
    near = min(_NEAR, (100 - percent) / 2, percent / 2) / 100
    middles = np.cumsum(weights[order]) - weights[order] / 2  # where each sample stands, from 0 to 1
    at = min(int(np.searchsorted(middles, percent / 100)), len(times) - 1)
    first, last = np.searchsorted(middles, (percent / 100 - near, percent / 100 + near))
    around = order[min(first, at) : max(last, at + 1)]
    names, codes = np.unique(ways[around], return_inverse=True)
    found = np.bincount(codes, weights=weights[around])
    path, value = str(names[found.argmax()]), float(times[order[at]])
    within = float(np.mean(times[ways == path] <= value)) * 100
    return Quantile(percent, value, path, float(found.max() / found.sum()), within)
