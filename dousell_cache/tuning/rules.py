"""How entries live: for how long they are fresh, when they are gone, and what a change does to them. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .streams import Integers
from .tallies import Which


@dataclass(frozen=True)
class Rules:
    """How entries live; times in milliseconds.

    Args:
        ttls: the times to live.
        grace: how long after that they may be served while one caller refreshes them.
        jitter: the share of its TTL by which an entry may expire earlier.
        background: whether a refresh runs behind the back of the caller that found it due.
        served_at_end: whether a read exactly when an entry expires still finds it.
        resets: whether a change withdraws its key.
    """

    ttls: Integers
    grace: int = 0
    jitter: float = 0.0
    background: bool = False
    served_at_end: bool = True
    resets: bool = True

    def fresh_ms(self, which: Which, chances: NDArray[np.float64]) -> Integers:
        """Return how long entries are to be fresh, as :meth:`dousell_cache.policy.Policy.fresh_ms` draws it."""
        ttls = self.ttls[which]
        if not self.jitter:
            return np.broadcast_to(ttls, chances.shape)
        return np.maximum(1, np.rint(ttls * (1 - self.jitter * chances)).astype(np.int64))

    def ends(self, stored: Integers, fresh_ms: Integers) -> tuple[Integers, Integers]:
        """Return from when on an entry is not fresh, and from when on it is gone, in microseconds.

        Servers expire by whole milliseconds. An entry with grace goes stale when the time it has left is its grace.
        """
        fresh_until = stored // 1000 + fresh_ms
        at_end = int(self.served_at_end)
        gone = (fresh_until + self.grace + at_end) * 1000
        return (fresh_until * 1000, gone) if self.grace else (gone, gone)
