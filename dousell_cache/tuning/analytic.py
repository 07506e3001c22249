"""What a TTL gives by formula, where there is no trace, or beside one as a check. Pure.

Set on a miss, not prolonged by reads. ``rate`` (λ) is the reads of one key a second, ``change_rate`` (μ) its changes a
second, ``fill`` (δ) the seconds of a load, shared by all who come meanwhile. Real reads come in clusters, which the
Poisson forms do not know: against a recorded trace they were wrong by -17 to +23 points, so a trace is better
(:mod:`.curves`). Sources: J. Jung, A. W. Berger, H. Balakrishnan, "Modeling TTL-based Internet caches", INFOCOM 2003
(renewal); N. C. Fofack, S. Alouf, "Modeling modern DNS caches", 2013 (random TTLs, renewal in practice).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .trace import INVALIDATE, READ, Trace

Figures = NDArray[np.float64]

_STEPS = 2_000


def poisson(rate: ArrayLike, ttl: ArrayLike, *, fill: float = 0.0) -> Figures:
    """Return the hit rate of a key whose reads are a Poisson process: λT ÷ (1 + λδ + λT).

    Between two misses lie λδ reads that wait for the load, and λT hits. Jitter costs nothing here: T is then its mean.

    Args:
        rate: reads a second.
        ttl: seconds.
        fill: seconds of a load. Default: none.
    """
    hits = np.asarray(rate, np.float64) * np.asarray(ttl, np.float64)
    return hits / (1 + np.asarray(rate, np.float64) * fill + hits)


def poisson_invalidated(rate: ArrayLike, ttl: ArrayLike, change_rate: ArrayLike) -> Figures:
    """Return the hit rate of a key that is invalidated at every change: λs ÷ (1 + λs), s = (1 - e^(-μT)) ÷ μ.

    An entry lives for s seconds on average: until its TTL or its next change. So no TTL gives more than
    λ ÷ (λ + μ), and one of much more than 1 ÷ μ gives little more.

    Args:
        rate: reads a second.
        ttl: seconds.
        change_rate: changes a second, of a Poisson process; 0 is allowed.
    """
    return poisson(rate, _lives(ttl, change_rate))


def outdated_of_hits(ttl: ArrayLike, change_rate: ArrayLike) -> Figures:
    """Return the share of hits that had changed, by TTL alone: 1 - (1 - e^(-μT)) ÷ (μT).

    A hit's age is uniform between 0 and T, and a change within that age has a chance of 1 - e^(-μ·age).

    Args:
        ttl: seconds.
        change_rate: changes a second, of a Poisson process.
    """
    return 1 - _lives(ttl, change_rate) / np.asarray(ttl, np.float64)


def lag_of_hits(ttl: ArrayLike, change_rate: ArrayLike) -> Figures:
    """Return the mean seconds since the first change that a hit missed, 0 for those that missed none, by TTL alone.

    T ÷ 2 - 1 ÷ μ + (1 - e^(-μT)) ÷ (μ²T).

    Args:
        ttl: seconds.
        change_rate: changes a second, of a Poisson process; above 0.
    """
    ttl, changes = np.asarray(ttl, np.float64), np.asarray(change_rate, np.float64)
    lag: Figures = ttl / 2 - 1 / changes - np.expm1(-changes * ttl) / (changes**2 * ttl)
    return lag


def renewal(gaps: ArrayLike, ttl: float) -> float:
    """Return the hit rate of a key whose gaps between reads are independent: m(T) ÷ (1 + m(T)).

    m(T) is the renewal function, the mean number of reads in the T seconds after one. It solves
    m(T) = F(T) + ∫ m(T - x) dF(x), here on a grid of 2,000 steps, with F the distribution of the gaps given.

    Args:
        gaps: seconds between the reads of a key, a sample of them.
        ttl: seconds.

    Raises:
        ValueError: there are no gaps.
    """
    given = np.sort(np.asarray(gaps, np.float64).ravel())
    if not len(given):
        message = "a renewal process needs at least one gap between two reads"
        raise ValueError(message)
    grid = np.linspace(0, ttl, _STEPS + 1)
    below = np.searchsorted(given, grid, side="right") / len(given)
    mass = np.diff(below, prepend=0.0)
    # (1 - mass[0]) m = F + the gaps so far: a power series, solved term by term.
    reads = np.zeros(_STEPS + 1)
    for step in range(_STEPS + 1):
        earlier = reads[:step] @ mass[step:0:-1] if step else 0.0
        reads[step] = (below[step] + earlier) / max(1 - mass[0], 1e-12)
    return float(reads[-1] / (1 + reads[-1]))


def from_rates(trace: Trace, ttls: Sequence[float] | Figures, *, invalidated: bool = True) -> Figures:
    """Return the hit rates that the Poisson forms give for the rates of a trace's keys, in all: Σ λh ÷ Σ λ.

    Args:
        trace: its keys' reads and changes are counted over its length, and taken for Poisson processes.
        ttls: seconds.
        invalidated: whether changes withdraw entries.

    Raises:
        ValueError: the trace has no reads, or no length.
    """
    if not trace.reads or not trace.seconds:
        message = "rates need a trace with reads at two times at least"
        raise ValueError(message)
    reads = np.bincount(trace.key_codes[trace.operations == READ], minlength=len(trace.key_names))
    changes = np.bincount(trace.key_codes[trace.operations == INVALIDATE], minlength=len(trace.key_names))
    rate, change_rate = reads / trace.seconds, changes / trace.seconds * invalidated
    return np.array([reads @ poisson_invalidated(rate, ttl, change_rate) / reads.sum() for ttl in ttls])


def _lives(ttl: ArrayLike, change_rate: ArrayLike) -> Figures:
    """Return the mean seconds until a change or the TTL: (1 - e^(-μT)) ÷ μ; T where nothing changes."""
    ttl, changes = np.broadcast_arrays(np.asarray(ttl, np.float64), np.asarray(change_rate, np.float64))
    never = changes == 0
    return np.where(never, ttl, -np.expm1(-changes * ttl) / np.where(never, 1.0, changes))
