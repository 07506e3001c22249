"""When requests arrive: seeded times, in seconds from the start. Pure.

Arrivals whose rate changes are drawn by inversion (Ross, Simulation, 2006): given their number, Poisson arrivals are
independent, and lie where the integral of the rate reaches uniform numbers.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

# What is drawn for different ends comes from streams of its own: from one, popular keys would come at short gaps.
ARRIVALS, KEYS, KINDS, UPDATES = range(4)

# fmt: off
DAY = (
    0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.4, 0.7,  # night
    0.9, 1.0, 1.1, 1.2, 1.5, 1.6, 1.3, 1.1,  # morning, and a peak at lunch
    1.1, 1.2, 1.4, 1.7, 2.0, 2.1, 1.5, 0.7,  # afternoon, and the highest peak in the evening
)
# fmt: on
"""How busy each full hour is, from midnight on, beside the others.

An assumption about a property site that people look at from home: nobody measured it. Give your own as ``curve``.
"""

_DAY_SECONDS = 86_400
_STEPS = 1_440  # minutes: within one of them the rate is constant


def stream(seed: int, *number: int) -> np.random.Generator:
    """Return the generator of one stream of a seed.

    Raises:
        ValueError: the seed is negative.
    """
    if seed < 0:
        message = f"a seed must be a whole number from 0 upwards, not {seed}"
        raise ValueError(message)
    return np.random.default_rng((seed, *number))


def expected(rate: float, seconds: float | None, requests: int | None) -> float:
    """Return how many requests there are to be, on average.

    Raises:
        ValueError: the rate, seconds or requests make no sense, or not exactly one of the last two is given.
    """
    check_rate("rate", rate)
    if (seconds is None) == (requests is None):
        message = "give either seconds or requests"
        raise ValueError(message)
    count = float(requests or 0) if seconds is None else rate * seconds
    if not 0 <= count < math.inf:
        message = f"a schedule must be of 0 requests or more, not {count:g}"
        raise ValueError(message)
    return count


def check_rate(name: str, rate: float) -> None:
    """Refuse a rate that is none.

    Raises:
        ValueError: it is not positive and finite.
    """
    if not 0 < rate < math.inf:
        message = f"{name} must be a positive number of requests per second, not {rate}"
        raise ValueError(message)


def varying(edges: Times, rates: Times, seed: int) -> Times:
    """Draw Poisson arrivals at a rate that changes in steps.

    Args:
        edges: seconds at which each step begins, and the last one ends; ascending.
        rates: requests per second in each step.
        seed: of the arrivals.
    """
    reached = np.concatenate(([0.0], np.cumsum(rates * np.diff(edges))))
    generator = stream(seed, ARRIVALS)
    drawn = generator.uniform(0, reached[-1], generator.poisson(reached[-1]))
    times: Times = np.interp(np.sort(drawn), reached, edges)
    return times


def burst_steps(rate: float, burst: float, every: float, lasting: float, seconds: float) -> tuple[Times, Times]:
    """Return the edges and rates of bursts: each period is calm first, then busy.

    Raises:
        ValueError: a rate or a time makes no sense.
    """
    check_rate("rate", rate)
    check_rate("burst", burst)
    if not 0 < lasting < every < math.inf:
        message = f"a burst must last less than the time from one to the next, not {lasting} of {every} s"
        raise ValueError(message)
    _check_seconds(seconds)
    starts = np.arange(math.ceil(seconds / every)) * every
    edges = np.append(np.stack((starts, starts + every - lasting), axis=1).ravel(), seconds)
    return np.minimum(edges, seconds), np.tile([rate, burst], len(starts))


def day_steps(rate: float, seconds: float, day: float | None, curve: Sequence[float]) -> tuple[Times, Times]:
    """Return the edges and rates of days that follow a curve, straight from one of its points to the next.

    Raises:
        ValueError: the rate, a time or the curve makes no sense.
    """
    check_rate("rate", rate)
    _check_seconds(seconds)
    length = seconds if day is None else day
    points = np.asarray(curve, dtype=np.float64)
    if not 0 < length < math.inf:
        message = f"a day must last a positive number of seconds, not {length}"
        raise ValueError(message)
    if not len(points) or not np.all(np.isfinite(points) & (points >= 0)) or not points.any():
        message = "a curve must hold numbers from 0 upwards, one of them above it"
        raise ValueError(message)
    middles = (np.arange(_STEPS) + 0.5) / _STEPS * len(points)
    shape = np.interp(middles, np.arange(len(points) + 1), np.append(points, points[0]))
    days = math.ceil(seconds / length)
    edges = np.arange(days * _STEPS + 1) * (length / _STEPS)
    return np.minimum(edges, seconds), np.tile(rate * shape / shape.mean(), days)


def _check_seconds(seconds: float) -> None:
    if not 0 < seconds < math.inf:
        message = f"seconds must be a positive number, not {seconds}"
        raise ValueError(message)
