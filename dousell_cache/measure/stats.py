"""Figures with intervals. Pure.

Latencies come in clusters, so an interval that takes them for independent is too narrow. Here whole blocks of
consecutive samples are resampled (the circular block bootstrap), so that what varies together stays together. Nothing
is drawn at random: for means and shares the spread of the resamples is a formula, and for a percentile the number of
samples below it is a sum of independent block counts, whose distribution a Fourier transform gives exactly. The
interval runs between the samples of the ranks that this number reaches (Woodruff 1952); with blocks of one it is the
classical one by order statistics.

How often the 95 % intervals hold the truth, in 2,000 simulated runs (a fourth for AR(1) 0.98, queue and stalls) of
``python -m benchmarks.coverage``. Beside them: intervals by how much forty separate blocks differ, and naive ones,
which take samples for independent. Where clusters are too few there is none: in brackets, how many runs have one.

                                P50                     P95                      P99
    samples                     this  forty   naive     this       forty  naive  this       forty  naive
    independent, 300            95.9   95.5    95.6     96.7        96.0   96.4  94.1        94.1   94.0
    independent, 4,000          96.2   95.2    95.9     96.7        95.9   96.0  97.0        96.0   96.7
    AR(1) 0.9, 100              82.8   60.4    46.8     - (0 %)     58.4   55.9  - (0 %)     21.2   21.2
    AR(1) 0.9, 300              91.8   77.8    44.0     - (0 %)     80.5   52.8  - (0 %)     53.0   49.6
    AR(1) 0.9, 1,000            94.5   91.1    41.4     91.3        89.8   50.9  - (0 %)     88.4   63.8
    AR(1) 0.9, 4,000            94.6   94.3    42.8     93.8        93.7   51.7  93.3        93.4   60.5
    AR(1) 0.98, 4,000           92.4   87.0    19.4     89.6 (98)   86.2   23.4  74.3 (58)   83.4   25.8
    queue 70 % busy, 4,000      94.4   94.6    47.2     90.1 (99)   90.8   33.6  78.2 (65)   87.4   27.8
    stalls, 4,000               96.0   95.2    88.2     84.0        85.4   39.2  93.2 (96)   93.0   50.8

So the two are alike where forty blocks are long enough, and this one is better where they are not: it takes their
length from the samples. Both are too narrow where few clusters make a tail: see :func:`low_tail`. Shares of 4,000: 95.4
when independent, 94.3 at AR(1) 0.9; with 20 keys that differ 92.8 (34.2 without being told the keys), with 200 keys
94.0 (76.0); speedups of 40 over 2,000 samples: 95.8 (1,000 runs; 500 with keys).

A cold start counts in every figure, but it comes once in each run: it is no cluster that might have come twice or not
at all. So it is resampled by itself, around its own mean.
"""

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Flags = NDArray[np.bool_]
Keys = NDArray[np.int64] | NDArray[np.str_]

_CONFIDENCE = 0.95
_FEWEST, _MOST = 10, 40  # blocks: below ten they say nothing of each other; above forty, slow drifts fall between them
_FEWEST_FOR_A_MEAN = 40  # samples
_ALIKE = 10  # values that are all the same, and count for one
_FEWEST_KEYS = 5  # fewer say too little about how much keys differ
_FEW_CLUSTERS = 10  # so many times the smallest sample it takes, where samples come in clusters
_BY_CHANCE = 1.5  # so many times may blocks of independent samples vary more than the samples do
_LOW_TAIL = 100  # samples beyond a percentile, for it to be more than the story of a few
_SMALLEST_EFFECT = 0.25  # what is left of the variance, at least, when the cold start is set apart
_QUIET = 5  # lags in a row without autocorrelation: that was the last of it
_Z = 1.959964  # normal errors in a 95 % reach


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval; the ends are None when there are too few samples to say.

    Args:
        value: the figure.
        low: lower end.
        high: upper end.
        samples: how many measurements it rests on.
    """

    value: float
    low: float | None = None
    high: float | None = None
    samples: int = 0


def smallest_sample(percent: float) -> int:
    """Return the smallest sample for which a 95 % interval of a percentile exists: 6 for P50, 59 for P95, 299 for P99.

    That is the first n for which the whole sample lies on one side of the percentile in at most 5 % of cases
    (order statistics, https://arxiv.org/abs/2402.19109).
    """
    share = max(percent, 100 - percent) / 100
    smaller_tail = math.ceil(math.log(1 - _CONFIDENCE) / math.log(share))
    return smaller_tail + 1 if share == 0.5 else smaller_tail


def low_tail(samples: int, percent: float) -> bool:
    """Tell whether fewer than 100 samples lie beyond a percentile: then its interval rests on few of them.

    That many need 200 samples for P50, 2,000 for P95 and 10,000 for P99.
    """
    return round(samples * min(percent, 100 - percent) / 100, 6) < _LOW_TAIL


def cold_start(times: Samples) -> int:
    """Return how many of the first samples are the cold start; 0 when there is none to be seen.

    It ends where two constant levels fit the samples best (least squares, on logarithms, so that one slow sample is not
    taken for the end), in the first half, and only if the first level is at least twice the second.

    Args:
        times: positive, in order of arrival.
    """
    levels, count = np.log(times), len(times)
    cuts = np.arange(5, count // 2 + 1)  # fewer than five slow samples are chance
    if not len(cuts):
        return 0
    first = np.cumsum(levels)[cuts - 1] / cuts
    rest = (levels.sum() - first * cuts) / (count - cuts)
    best = int(np.argmax(cuts * (count - cuts) * (first - rest) ** 2))
    return int(cuts[best]) if first[best] - rest[best] >= math.log(2) else 0


def percentile(samples: Samples, percent: float, *, cold: int = 0) -> Interval:
    """Return a percentile of the samples, in their unit, given in order of arrival.

    It is interpolated between the two samples beside it: type 7 of Hyndman and Fan (1996), *Sample Quantiles in
    Statistical Packages*, The American Statistician 50(4), which is NumPy's default. Every table and picture has this
    one.

    Samples that come in clusters need ten times the smallest sample for an interval, and both its ends inside of them.

    Args:
        samples: the measurements, cold start included.
        percent: 50 for the median.
        cold: how many of the first samples are the cold start.

    Raises:
        ValueError: there are no samples, or percent is not between 0 and 100.
    """
    count = len(samples)
    if not 0 < percent < 100 or not count:
        message = f"a percentile needs samples and a percent between 0 and 100, not {count} and {percent}"
        raise ValueError(message)
    value = float(np.percentile(samples, percent))
    if count < smallest_sample(percent):
        return Interval(value, samples=count)
    below, above = _resampled_count(samples <= value, cold)
    rank = count * percent / 100
    first, last = math.floor(rank - below + 0.5), math.ceil(rank + above + 0.5)
    few = count < _FEW_CLUSTERS * smallest_sample(percent)
    if (few or not 1 <= first <= last <= count) and _come_in_clusters(samples[cold:]):
        return Interval(value, samples=count)  # the slowest sample of few clusters may be far below a true upper end
    first, last = max(1, first), min(count, last)
    ordered = np.partition(samples, (first - 1, last - 1))
    return Interval(value, float(ordered[first - 1]), float(ordered[last - 1]), count)


def share(hits: Flags, *, cold: int = 0, keys: Keys | None = None) -> Interval:
    """Return the share of true values, given in order of arrival; of fewer than forty there is no interval.

    The interval is Wilson's, for as many independent values as know the share as well: the values divided by the design
    effect of their clusters in time or by key, whichever is larger. Where all values are alike nothing tells how they
    cluster; then ten of them, or a block, count for one.

    Args:
        hits: the values, cold start included.
        cold: how many of the first ones are the cold start.
        keys: what each of them asked for, to allow for keys that differ; None, or fewer than five of them, for time
            alone. Then the interval also says what other keys of that kind would have shown.

    Raises:
        ValueError: there are no values.
    """
    if not len(hits):
        message = "a share needs at least one value"
        raise ValueError(message)
    value, count = float(hits.mean()), len(hits)
    if count < _FEWEST_FOR_A_MEAN:
        return Interval(value, samples=count)
    reach = reach_of_mean(hits, cold=cold)
    if keys is not None:
        reach = max(reach, _reach_by_key(hits, keys, cold))
    alike = max(_ALIKE, block_length(hits)) / count
    weight = reach**2 / (value * (1 - value)) if 0 < value < 1 else _Z**2 * alike
    centre = (value + weight / 2) / (1 + weight)
    spread = math.sqrt(weight * value * (1 - value) + weight**2 / 4) / (1 + weight)
    low, high = min(value, centre - spread), max(value, centre + spread)  # rounding aside, the value is inside
    return Interval(value, max(0.0, low), min(1.0, high), count)


def never(seen: Flags) -> Interval:
    """Return the share of independent trials in which what must never happen was seen, or what not seeing it says."""
    if seen.any():
        return share(seen)
    return zero_events(len(seen)) if len(seen) else Interval(0.0)


def zero_events(trials: int) -> Interval:
    """Return what seeing no event in so many trials says: at most 3 ÷ trials of them are events, with 95 % confidence.

    Args:
        trials: those in which it could have happened: contested attempts, not all of them.

    Raises:
        ValueError: there was no trial.
    """
    if trials < 1:
        message = f"a bound needs at least one trial, not {trials}"
        raise ValueError(message)
    return Interval(0.0, 0.0, min(1.0, 3 / trials), trials)


def ratio_of_means(above: Samples, below: Samples, *, cold: int = 0) -> Interval:
    """Return mean(above) ÷ mean(below), of positive samples, each in order of arrival and independent of the other.

    Args:
        above: the dividend's samples.
        below: the divisor's, cold start included.
        cold: how many of the first samples below are the cold start.

    Raises:
        ValueError: one of them is empty.
    """
    count = min(len(above), len(below))
    if not count:
        message = "a ratio of means needs samples on both sides"
        raise ValueError(message)
    value = float(above.mean() / below.mean())
    if count < _FEWEST_FOR_A_MEAN:
        return Interval(value, samples=count)
    reach = math.hypot(reach_of_mean(above) / above.mean(), reach_of_mean(below, cold=cold) / below.mean())
    return Interval(value, value * math.exp(-reach), value * math.exp(reach), count)


def reach_of_mean(samples: Samples | Flags, *, cold: int = 0) -> float:
    """Return how far the 95 % interval of a mean reaches on either side of it.

    Args:
        samples: the measurements in order of arrival, cold start included.
        cold: how many of the first samples are the cold start.
    """
    parts = _resampled(samples, cold)
    return parts[-1].normals * math.sqrt(sum(part.variance for part in parts)) / len(samples)


def block_length(samples: Samples | Flags) -> int:
    """Return how many consecutive samples vary together, as a length for blocks.

    At least a fortieth of the samples, so that slow drifts stay inside; more where their autocorrelation asks for it:
    twice the length that makes the variance of a mean most accurate (Politis and White 2004, corrected by Patton 2009),
    because intervals need longer blocks than variances do; at most a tenth of the samples.
    """
    count = len(samples)
    return max(1, min(count // _FEWEST, max(count // _MOST, round(2 * _politis_white(samples)))))


def student(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t, for four degrees of freedom or more.

    Abramowitz and Stegun 26.7.5; off by less than 0.01 at four and by less than 0.001 from ten on.
    """
    z = _Z
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


class _Blocks:
    """A series as blocks to draw from: overlapping, its end joined to its beginning, so that every sample weighs alike.

    Args:
        samples: the series.
        length: samples a block.
    """

    def __init__(self, samples: Samples | Flags, length: int) -> None:
        self.sums = _running_sums(samples, length)
        self.drawn = max(2, round(len(samples) / length))
        self.variance = len(samples) / length * float(self.sums.var())  # of the sum of all samples
        # So many normal errors make a 95 % reach; overlapping blocks know theirs like half as many again separate ones.
        freedom = max(4.0, min(len(samples) - 1, 1.5 * self.drawn))
        self.normals = student(freedom) * math.sqrt(self.drawn / (self.drawn - 1))


def _resampled(samples: Samples | Flags, cold: int) -> list[_Blocks]:
    """Return what to resample: the cold start, if any, and the rest."""
    parts = [_blocks(part) for part in (samples[:cold], samples[cold:]) if len(part)]
    whole = _Blocks(samples, 1)
    # Where a percentile falls between the cold start and the rest, each of them alone would be certain.
    return parts if sum(part.variance for part in parts) >= _SMALLEST_EFFECT * whole.variance else [whole]


def _blocks(samples: Samples | Flags) -> _Blocks:
    """Return the blocks of a series, or single samples when those vary more: a rhythm in the blocks is no certainty."""
    blocks, single = _Blocks(samples, block_length(samples)), _Blocks(samples, 1)
    return blocks if blocks.variance > single.variance else single


def _come_in_clusters(samples: Samples) -> bool:
    """Tell whether samples vary together, by their order around the median: few samples beyond a percentile cannot."""
    above = samples > np.median(samples)
    blocks = _Blocks(above, max(2, block_length(above)))
    return blocks.variance > _BY_CHANCE * _Blocks(above, 1).variance


def _resampled_count(flags: Flags, cold: int) -> tuple[float, float]:
    """Return how far the number of true values reaches below and above its mean, in 95 % of all resamples."""
    parts = _resampled(flags, cold)
    reach = 10 * math.sqrt(sum(part.variance for part in parts)) + 32
    size = 1 << math.ceil(math.log2(2 * reach))  # counts are known modulo this: ten deviations on either side
    spectrum = np.ones(size // 2 + 1, dtype=np.complex128)
    for part in parts:
        counts = np.bincount(part.sums % size, minlength=size)
        spectrum *= np.fft.rfft(counts / len(part.sums)) ** part.drawn
    mean = sum(part.drawn * float(part.sums.mean()) for part in parts)
    offsets = np.arange(size) - size // 2
    chances = np.fft.irfft(spectrum, size)[(round(mean) + offsets) % size]
    tail = (1 - _CONFIDENCE) / 2
    middles = np.cumsum(chances) - chances / 2
    low, high = np.interp([tail, 1 - tail], middles, round(mean) + offsets - mean)
    widening = parts[-1].normals / _Z
    return float(-low * widening), float(high * widening)


def _reach_by_key(hits: Flags, keys: Keys, cold: int) -> float:
    """Return how far the interval of a share reaches when all values of one key may go together."""
    warm = hits[cold:]
    codes = np.unique(keys[cold:], return_inverse=True)[1]
    excess = np.bincount(codes, weights=warm - warm.mean()) if len(warm) else np.zeros(0)
    count = len(excess)
    if count < _FEWEST_KEYS:
        return 0.0
    variance = count / (count - 1) * float(excess @ excess)
    variance += _blocks(hits[:cold]).variance if cold else 0
    return student(count - 1) * math.sqrt(variance) / len(hits)


def _running_sums(samples: Samples | Flags, length: int) -> NDArray[Any]:
    """Return the sum of each block of so many samples, one starting at every sample, the last ones going around."""
    if length == 1:
        return samples * 1
    totals: NDArray[Any] = np.cumsum(np.concatenate((samples, samples[: length - 1])) * 1)
    return np.concatenate((totals[length - 1 : length], totals[length:] - totals[:-length]))


def _politis_white(samples: Samples | Flags) -> float:
    count = len(samples)
    lags = math.ceil(math.sqrt(count)) + _QUIET
    covariances = _autocovariances(samples, lags)
    if not covariances[0] > 0:
        return 1.0
    loud = np.abs(covariances[1:]) >= 2 * math.sqrt(math.log10(count) / count) * covariances[0]
    quiet = np.flatnonzero(np.convolve(loud, np.ones(_QUIET), "valid") == 0)  # after so many lags, a quiet stretch
    last = int(quiet[0]) if len(quiet) else lags
    window = np.arange(1, min(2 * last, lags) + 1)
    weighted = np.clip(2 - 2 * window / (2 * last), 0, 1) * covariances[window] if last else np.zeros(0)
    spectrum = covariances[0] + 2 * float(weighted.sum())
    slope = 2 * float(window @ weighted)
    return float((1.5 * slope**2 / spectrum**2 * count) ** (1 / 3)) if spectrum > 0 else 1.0


def _autocovariances(samples: Samples | Flags, lags: int) -> Samples:
    """Return the autocovariances at lags 0 to so many."""
    centred = samples - samples.mean()
    size = 1 << (len(samples) + lags).bit_length()  # so much longer that the end does not meet the beginning
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    return np.fft.irfft(power, size)[: lags + 1] / len(samples)
