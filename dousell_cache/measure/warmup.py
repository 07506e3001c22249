"""Warm-up: how long a run took to settle. Pure. It is reported, and counts in every figure: nothing is cut.

MSER-5 (White 1997): of all starts in the first half, the one from which on the mean is known best, for means of five
samples each; of their logarithms, so that one slow sample is not taken for the end.

Simulated by ``python -m benchmarks.coverage``: 200 runs of 60 s, 75 requests a second, settled after 10 s. Found within
2 s: hits that rise from none to 95 %, 98 %; times that fall to a third with a spread of 0.3, or to a tenth with one of
0.5 or 1 (lognormal), 100 %. Its limits: where slow samples come in clusters (AR(1) 0.9), the gentle end of a fall to a
third is lost in them, and 52 % are found within 2 s, mostly too early; and a long stall in the first half looks like
the end of a warm-up. Without one, 2 s or less are taken for it in 100 %, with such clusters in 99 %.
"""

import msgspec
import numpy as np

from .stats import Samples

_BATCH = 5


class WarmUp(msgspec.Struct, frozen=True):
    """How long a run took to settle.

    Args:
        samples: how many of the first samples that was; 0 when it was settled from the start.
        seconds: until the first settled sample was due.
        settled: False when not even the first half sufficed: the run is too short to tell, or drifts.
    """

    samples: int
    seconds: float
    settled: bool


def warm_up(samples: Samples, times: Samples) -> WarmUp:
    """Find the end of the warm-up by MSER-5.

    Args:
        samples: response times, positive, in order of arrival.
        times: when each was due, in seconds from the start of the run.

    Raises:
        ValueError: there are not as many times as samples, or a sample is not positive.
    """
    if len(samples) != len(times) or not np.all(samples > 0):
        message = f"there must be positive samples and a time for each, not {len(times)} for {len(samples)}"
        raise ValueError(message)
    batches = len(samples) // _BATCH
    last = batches // 2
    if not last:
        return WarmUp(0, 0.0, settled=False)
    means = np.log(samples[: batches * _BATCH]).reshape(batches, _BATCH).mean(axis=1)
    best = int(np.argmin(_squared_errors(means)[: last + 1]))
    seconds = float(times[best * _BATCH]) if best else 0.0
    return WarmUp(best * _BATCH, seconds, settled=best < last)


def _squared_errors(means: Samples) -> Samples:
    """Return, for each possible start, the squared standard error of the mean from there on."""
    centred = means - means.mean()  # else the difference of two large sums would be rounding
    left = np.arange(len(means), 0, -1)
    sums, squares = np.cumsum(centred[::-1])[::-1], np.cumsum(centred[::-1] ** 2)[::-1]
    errors: Samples = (squares - sums**2 / left) / left**2
    return errors
