"""A trace to try tuning on where none was recorded: Dousell's pages, read and changed by chance."""

import numpy as np

from ..measure.pages import page_mix
from ..measure.workload import Schedule
from .trace import Trace


def demo_trace(hours: float = 12.0, rate: float = 3.0, *, seed: int = 1) -> Trace:
    """Return reads of Dousell's pages as independent visitors make them, with the invalidations of its updates.

    What is read how often is an assumption (see :mod:`dousell_cache.measure.pages`), and so is what follows from it.

    Args:
        hours: how long. Half a day by default: eight times the longest TTL of the design, and some.
        rate: reads a second, on average.
        seed: of what is drawn.

    Raises:
        ValueError: the hours, the rate or the seed make no sense.
    """
    mix = page_mix(Schedule.poisson(rate, hours * 3_600, seed=seed), seed=seed)
    return Trace.of(mix.times, mix.keys or (), mix.operations if mix.operations is not None else np.zeros(len(mix)))
