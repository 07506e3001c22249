"""What playing a trace counts, for each time to live and each part of the trace's time. Pure."""

import numpy as np
from numpy.typing import NDArray

Which = int | NDArray[np.int64]
"""Which TTL: one for all values, or one for each."""

COLUMNS = (
    "hits",
    "misses",
    "coalesced",
    "stale",
    "refused",
    "loads",
    "asked_again",
    "asked_together",
    "led_again",
    "age",
    "outdated",
    "lag",
)
"""Counts, and sums of microseconds: of the ages of what was served from the cache, and of how far it lagged behind."""


class Tallies:
    """Add up by TTL and by part of the trace's time.

    Args:
        ttls: how many TTLs.
        blocks: how many parts.
    """

    def __init__(self, ttls: int, blocks: int) -> None:
        self.columns = {name: np.zeros((ttls, blocks)) for name in COLUMNS}
        self.worst = np.zeros(ttls)

    def add(self, name: str, which: Which, blocks: NDArray[np.int64], values: NDArray[np.int64] | int) -> None:
        """Add values, one for each of ``blocks`` or one for all, to a column."""
        column = self.columns[name]
        count = column.shape[1]
        if isinstance(which, int) and count == 1:
            column[which, 0] += values * len(blocks) if isinstance(values, int) else values.sum(dtype=np.float64)
            return
        weights = None if isinstance(values, int) else values
        sums = np.bincount(which * count + blocks, weights, minlength=column.size).reshape(column.shape)
        column += sums * values if isinstance(values, int) else sums

    def age_at_most(self, which: Which, ages: NDArray[np.int64]) -> None:
        """Note the age of something that was served, in microseconds."""
        np.maximum.at(self.worst, which, ages) if not isinstance(which, int) else self._oldest(which, ages)

    def _oldest(self, which: int, ages: NDArray[np.int64]) -> None:
        if len(ages):
            self.worst[which] = max(self.worst[which], float(ages.max()))
