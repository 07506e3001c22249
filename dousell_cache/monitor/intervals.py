"""Intervals for counts that came in clusters: two minutes or an hour of all processes, not single reads. Pure.

Reads of one moment hit or miss together, so an interval that took each for independent would be far too narrow. A share
is a ratio of two sums over clusters, with the variance of such a ratio (Cochran, Sampling Techniques, 1977, 6.4) and
Wilson's form near 0 and 1. A percentile's interval is that of the share below it, read back through the histogram
(Woodruff 1952, https://doi.org/10.1080/01621459.1952.10483443), and no narrower than its bucket.

What 95 % intervals cover, in percent of 2,000 simulations, 1,000 of P95 (``python -m benchmarks.monitor coverage``)::

    clusters                               5      12      30     288
    hit rate, clusters that are alike   99.5    98.4    97.0    95.2
    hit rate, clusters that differ      95.5    94.0    94.9    95.3
    P95, clusters that differ           97.0    96.3    97.2
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..histogram import at_rank, bounds, bucket, quantile
from ..measure.stats import Interval, student

FEWEST = 5
"""Clusters: fewer say too little of how much they differ."""
_Z = 1.959964


class Part(NamedTuple):
    """One cluster: how many of its reads are meant, of how many."""

    meant: int
    reads: int


def clustered_share(parts: Sequence[Part]) -> Interval:
    """Return the share of what is meant, without ends below five clusters.

    Args:
        parts: the clusters; those without reads say nothing.
    """
    told = [part for part in parts if part.reads]
    reads, meant = sum(part.reads for part in told), sum(part.meant for part in told)
    if not reads:
        return Interval(0.0)
    share = meant / reads
    if len(told) < FEWEST:
        return Interval(share, samples=reads)
    spread = sum((part.meant - share * part.reads) ** 2 for part in told) * len(told) / (len(told) - 1)
    variance = max(spread / reads**2, share * (1 - share) / reads)
    reach = student(len(told) - 1) * math.sqrt(variance)
    weight = reach**2 / (share * (1 - share)) if 0 < share < 1 else _Z**2 / reads
    centre = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)), reads)


def clustered_quantiles(parts: Sequence[Mapping[int, int]], *percents: float) -> list[Interval | None]:
    """Return percentiles in milliseconds, without ends below five clusters; None if nothing was counted.

    Args:
        parts: a histogram for each cluster.
        percents: each more than 0, at most 100.
    """
    merged: dict[int, int] = {}
    for part in parts:
        for place, n in part.items():
            merged[place] = merged.get(place, 0) + n
    return [_quantile(parts, merged, percent) if merged else None for percent in percents]


def _quantile(parts: Sequence[Mapping[int, int]], merged: Mapping[int, int], percent: float) -> Interval:
    count = sum(merged.values())
    value = quantile(merged, percent)
    last = bucket(value)
    shares = [Part(sum(n for place, n in part.items() if place <= last), sum(part.values())) for part in parts]
    below = clustered_share(shares)
    if below.low is None or below.high is None:
        return Interval(value * 1000, samples=count)
    first_rank = math.floor(count * (percent / 100 - (below.value - below.low)))
    last_rank = math.ceil(count * (percent / 100 + (below.high - below.value)))
    low, high = bounds(at_rank(merged, first_rank))[0], bounds(at_rank(merged, last_rank))[1]
    return Interval(value * 1000, low * 1000, high * 1000, count)
