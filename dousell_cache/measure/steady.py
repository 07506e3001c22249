"""What hit rate a page mix comes to at a given rate, when all is warm: by formula. Pure.

A run asks often and for a short time; a month asks seldom and for long. The hit rate is not the same: a page that is
read once in its time to live is never a hit. So what a month costs is reckoned with the hit rate of its own rate.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .pages import Page


def steady_hit_rate(pages: Sequence[Page], rate: float) -> float:
    """Return the share of reads that are hits in the long run, by the formula for independent (Poisson) reads.

    Of a key that is read λ times a second, kept T seconds and withdrawn μ times a second, h = λs / (1 + λs) are hits,
    with s = (1 - e^(-μT)) / μ, which is T where nothing is withdrawn (Jung, Berger and Balakrishnan 2003 without
    withdrawals). Bursts make real hit rates higher than this, and nights make the average rate mean little: it is
    where to begin, not a promise.

    Args:
        pages: what is read: weights, numbers of keys, skews, times to live, updates.
        rate: reads a second, of all pages together.

    Raises:
        ValueError: the rate is not positive.
    """
    if not rate > 0:
        message = f"rate must be a positive number of reads per second, not {rate}"
        raise ValueError(message)
    whole, withdrawn = sum(page.weight for page in pages), _withdrawals(pages)
    hits = 0.0
    for page in pages:
        shares = 1.0 / np.arange(1, page.keys + 1) ** page.skew
        reads = rate * page.weight / whole * shares / shares.sum()
        changes = rate * np.array([withdrawn[page.key(rank)] for rank in range(page.keys)])
        kept = np.full(page.keys, page.ttl)
        kept[changes > 0] = -np.expm1(-changes[changes > 0] * page.ttl) / changes[changes > 0]
        hits += float(np.sum(reads * reads * kept / (1 + reads * kept)))
    return hits / rate


def _withdrawals(pages: Sequence[Page]) -> dict[str, float]:
    """Return how often each key is withdrawn, per read of all pages."""
    whole = sum(page.weight for page in pages)
    found: dict[str, float] = defaultdict(float)
    for page in (page for page in pages if page.updates):
        each = page.weight / whole * page.updates / 1_000 / page.keys
        for rank in range(page.keys):
            for key in (page.key(rank), *page.withdraws(rank)):
                found[key] += each
    return found
