"""Whether two runs differ, and by how much. Pure. Neither side's clusters pass for certainty.

- How much: a ratio of percentiles or means with its interval (for means: :func:`.stats.ratio_of_means`), or a
  difference of shares.
- Whether at all: a rank test of Brunner and Munzel's kind, which asks how often a sample of one run is above one of the
  other; its standard error comes from blocks, so that it holds for samples that come in clusters.
- Several figures at once: p values by Holm, so that one of them alone is seldom a false alarm.
- While it runs: looks that may be taken as often as one likes (mSPRT, Robbins 1970).

Simulated by ``python -m benchmarks.coverage``, lognormal times with a spread of 0.5, in % of comparisons. A/A, where
each difference found is a false alarm, and B with all times 10 % up (2,000 comparisons each):

    samples a side              ratio of P50   ratio of P95   ratio of means   rank test
    A/A independent, 2,500               4.3            2.7              4.0         4.2
    A/A AR(1) 0.9, 1,000                 5.5            6.6              6.1         5.9
    A/A AR(1) 0.9, 4,000                 5.2            5.3              5.5         5.4
    10 % up, independent, 2,500        100.0           85.5            100.0       100.0
    10 % up, AR(1) 0.9, 4,000           45.6           28.8             47.6        49.5

Twenty looks at P95 (1,000 comparisons each); beside them, looks at the plain interval, which are not allowed:

    samples a side              looks   plain   median when found
    A/A independent, 2,500        0.8    13.0
    A/A AR(1) 0.9, 4,000          2.0    36.1
    10 % up, 2,500               57.0    90.9   65 % of the samples
    10 % up, 10,000              99.8   100.0   25 %
    30 % up, 2,500              100.0   100.0   20 %
"""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from .stats import Interval, Samples, percentile, reach_of_mean

_FEWEST = 40  # samples a side, for blocks to say how much they differ
_ALPHA = 0.05
_REACH = 1.959964  # standard errors in a 95 % interval


def ratio(above: Interval, below: Interval) -> Interval:
    """Return the ratio of two positive figures that were measured independently, each with its own interval.

    The ends are as far from the ratio as both figures' own ends are from them, added like errors, on a logarithmic
    scale (MOVER, Zou and Donner 2008). So it works for any figure, also of results whose samples are gone.

    Args:
        above: the dividend.
        below: the divisor.

    Returns:
        The ratio; without ends when one of the two has none, or none above zero.

    Raises:
        ValueError: one of them is not positive.
    """
    if not (above.value > 0 and below.value > 0):
        message = f"a ratio needs positive figures, not {above.value} and {below.value}"
        raise ValueError(message)
    value, samples = above.value / below.value, min(above.samples, below.samples)
    if not (above.low and above.high and below.low and below.high and min(above.low, below.low) > 0):
        return Interval(value, samples=samples)
    down = math.hypot(math.log(above.value / above.low), math.log(below.high / below.value))
    up = math.hypot(math.log(above.high / above.value), math.log(below.value / below.low))
    return Interval(value, value * math.exp(-down), value * math.exp(up), samples)


def difference(above: Interval, below: Interval) -> Interval:
    """Return the difference of two shares that were measured independently, each with its own interval.

    The ends are as far from it as both shares' own ends are from them, added in squares (Newcombe 1998, method 10).

    Args:
        above: what is subtracted from.
        below: what is subtracted.
    """
    value, samples = above.value - below.value, min(above.samples, below.samples)
    if above.low is None or above.high is None or below.low is None or below.high is None:
        return Interval(value, samples=samples)
    down = math.hypot(above.value - above.low, below.high - below.value)
    up = math.hypot(above.high - above.value, below.value - below.low)
    return Interval(value, value - down, value + up, samples)


def p_of_ratio(found: Interval) -> float | None:
    """Return how often figures that are alike have at least this ratio: below 5 % just when its interval leaves 1 out.

    Args:
        found: the ratio, as :func:`ratio` returns it; None is returned for one without ends.
    """
    if not (found.value > 0 and found.low and found.high):
        return None
    logs = Interval(math.log(found.value), math.log(found.low), math.log(found.high))
    return p_of_difference(logs)


def p_of_difference(found: Interval) -> float | None:
    """Return how often figures that are alike differ at least so much: below 5 % just when the interval leaves 0 out.

    Args:
        found: the difference, as :func:`difference` returns it; None is returned for one without ends.
    """
    if found.low is None or found.high is None:
        return None
    reach = found.value - found.low if found.value > 0 else found.high - found.value
    if not reach:
        return float(found.value == 0)
    return 2 * NormalDist().cdf(-abs(found.value) / reach * _REACH)


def p_of_student(t: float, freedom: int) -> float:
    """Return how often a value of Student's t is at least so far from 0, on either side.

    Abramowitz and Stegun 26.7.3 and 26.7.4, exact for whole degrees of freedom.

    Args:
        t: the value.
        freedom: degrees of freedom, 1 or more.
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for index in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine**2 * (index - 1) / index
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1 - inside))


def holm(values: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Return p values raised so that, of all together, any false alarm is as rare as one value alone says (Holm 1979).

    Args:
        values: the p value of each figure.
        weights: how much of the error rate each of them may have, against the others.
    """
    order = sorted(values, key=lambda name: values[name] / weights[name])
    left, highest = sum(weights[name] for name in values), 0.0
    raised: dict[str, float] = {}
    for name in order:
        highest = max(highest, min(1.0, values[name] * left / weights[name]))
        raised[name] = highest
        left -= weights[name]
    return raised


def ratio_of_percentiles(above: Samples, below: Samples, percent: float) -> Interval:
    """Return a percentile of one run divided by that of another.

    Args:
        above: the dividend's samples, positive, in order of arrival.
        below: the divisor's.
        percent: 50 for the median.

    Raises:
        ValueError: one of them is empty, the percent is none, or a percentile is not positive.
    """
    return ratio(percentile(above, percent), percentile(below, percent))


class Ranks(NamedTuple):
    """What a rank test says.

    Args:
        above: how often a sample of the first run is above one of the second, ties counted half; 0.5 if they are alike.
        p: how often runs that are alike differ at least so much; None when there are too few samples to say.
    """

    above: Interval
    p: float | None


def rank_test(first: Samples, second: Samples) -> Ranks:
    """Test whether the samples of one run tend to be above those of another.

    Args:
        first: samples in order of arrival.
        second: the other run's, independent of the first.

    Raises:
        ValueError: one of them is empty.
    """
    count = min(len(first), len(second))
    if not count:
        message = "a rank test needs samples on both sides"
        raise ValueError(message)
    placed = _placements(first, second)
    value = float(placed.mean())
    if count < _FEWEST:
        return Ranks(Interval(value, samples=count), None)
    reach = math.hypot(reach_of_mean(placed), reach_of_mean(_placements(second, first)))
    interval = Interval(value, max(0.0, value - reach), min(1.0, value + reach), count)
    if not reach:
        return Ranks(interval, float(value == 0.5))
    return Ranks(interval, 2 * NormalDist().cdf(-abs(value - 0.5) / reach * _REACH))


def _placements(samples: Samples, others: Samples) -> Samples:
    """Return for each sample the share of the others that are below it, ties counted half."""
    ordered = np.sort(others)
    below, not_above = np.searchsorted(ordered, samples, "left"), np.searchsorted(ordered, samples, "right")
    return (below + not_above) / (2 * len(others))


class Look(NamedTuple):
    """What is known at one look at two runs that go on.

    Args:
        ratio: first ÷ second, with an interval that holds the truth at all looks together in 95 % of comparisons.
        evidence: how many times more likely the looks so far are if there is a difference, at its highest.
        found: whether a difference is proved: stop. In at most 5 % of comparisons of two alike, however many looks.
    """

    ratio: Interval
    evidence: float
    found: bool


def look(
    first: Samples, second: Samples, percent: float = 95, *, effect: float = 1.1, before: Look | None = None
) -> Look:
    """Look at all samples so far; may be repeated as they grow, without spoiling the error rate.

    Args:
        first: one run's samples so far, positive, in order of arrival.
        second: the other's.
        percent: which percentile to compare.
        effect: the ratio worth finding; others are found too, only later. Stay with it from look to look.
        before: the look before this one, if there was one.

    Raises:
        ValueError: there are no samples, a figure makes no sense, or the effect is no ratio above 1.
    """
    if not effect > 1:
        message = f"the effect worth finding must be a ratio above 1, not {effect}"
        raise ValueError(message)
    found = ratio_of_percentiles(first, second, percent)
    if found.low is None or found.high is None:
        return Look(found, before.evidence if before else 1.0, bool(before and before.found))
    error = math.log(found.high / found.low) / (2 * _REACH)
    prior = math.log(effect) ** 2  # of the logarithm of the ratio: normal around 0, this its variance
    variance = max(error**2, 1e-12)
    total = variance + prior
    log_evidence = 0.5 * math.log(variance / total) + math.log(found.value) ** 2 * prior / (2 * variance * total)
    evidence = max(math.exp(min(log_evidence, 700.0)), before.evidence if before else 1.0)
    reach = math.sqrt(variance * total / prior * (math.log(total / variance) - 2 * math.log(_ALPHA)))
    ends = found.value * math.exp(-reach), found.value * math.exp(reach)
    return Look(Interval(found.value, *ends, found.samples), evidence, evidence >= 1 / _ALPHA)
