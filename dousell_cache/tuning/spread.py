"""How far a share of a trace's reads would vary from one such trace to the next: a block bootstrap over time. Pure.

Reads come in clusters and entries live across them, so single reads say little of each other's luck. What is resampled
are stretches of time, each at least as long as the TTL; from fewer than eight of them nothing is said.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FEWEST_BLOCKS, MOST_BLOCKS = 8, 64
"""Fewer blocks say nothing of each other; more would be shorter than what clusters."""

_RESAMPLES = 1_000
_SEED = 1


def interval(parts: NDArray[np.float64], wholes: NDArray[np.float64], blocks: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share, or None if there are too few blocks.

    The share's spread over the resamples, widened as Student's t asks for so few blocks.

    Args:
        parts: for each stretch of time, how many reads were so.
        wholes: for each, how many there were.
        blocks: how many blocks to make of the stretches, next to each other.
    """
    if blocks < FEWEST_BLOCKS or not wholes.sum():
        return None
    edges = np.linspace(0, len(wholes), min(blocks, len(wholes)) + 1).astype(int)[:-1]
    part, whole = np.add.reduceat(parts, edges), np.add.reduceat(wholes, edges)
    count = len(edges)
    times = _resamples(count)
    sizes = times @ whole
    shares = (times @ part)[sizes > 0] / sizes[sizes > 0]
    value = float(parts.sum() / wholes.sum())
    reach = _student(count - 1) * float(shares.std()) * math.sqrt(count / (count - 1))
    return max(0.0, value - reach), min(1.0, value + reach)


def blocks_for(ttl: float, seconds: float) -> int:
    """Return how many blocks a trace of so many seconds has, each as long as the TTL or longer."""
    return min(MOST_BLOCKS, int(seconds / ttl))


@lru_cache(maxsize=MOST_BLOCKS)
def _resamples(count: int) -> NDArray[np.int64]:
    """Return how often each block is in each resample."""
    return np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), _RESAMPLES)


def _student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t (Abramowitz and Stegun, 26.7.5); good to 0.002 from seven on."""
    z = 1.959964
    terms = (z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return float(sum(term / freedom**power for power, term in enumerate(terms)))
