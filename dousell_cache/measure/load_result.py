"""What became of a load: every request's times and outcome, and whether the generator was measured instead. Pure."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .stats import Interval, percentile
from .warmup import WarmUp, warm_up

Array = NDArray[np.float64]

FAILED = ("error", "timeout")
"""What a request comes to that was not answered; all other outcomes are the operation's own words."""

_LEAST_ACHIEVED = 0.99  # less of the offered rate, and it is the generator that was measured (k6: dropped iterations)
_LATE_MS, _LATE_SHARE = (
    5.0,
    0.1,
)  # P99: an idle machine's plain timers stay below the one, and lag matters above the other
_MOSTLY_LATE_MS, _MOSTLY_LATE_SHARE = 2.0, 0.5  # where few slow reads hide from P99 that the rest waited for us
_NEVER_ZERO_MS = 1e-6  # a clock's grain may leave nothing of the shortest time, and logarithms are taken


@dataclass(frozen=True, eq=False)
class LoadResult:
    """What became of every scheduled request; the arrays have one element for each, in schedule order.

    Args:
        response_ms: from intended start to answer.
        service_ms: from actual start to answer.
        lag_ms: from intended start to when it would have started, had no limit made it wait: the generator's own
            lateness. What response has beyond lag and service is that wait.
        outcomes: what the operation returned; ``timeout`` when it took too long, ``error`` when it raised otherwise.
        errors: the first exceptions seen, as text, for the report.
        times: when each was to start, in seconds from the start of the run.
    """

    response_ms: Array
    service_ms: Array
    lag_ms: Array
    outcomes: list[str]
    errors: list[str]
    times: Array

    def percentile(self, percent: float) -> Interval:
        """Return a percentile of the response time in ms, with its 95 % interval; failed requests count in it."""
        return percentile(self.response_ms, percent)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which requests were not answered."""
        return np.isin(np.array(self.outcomes, dtype=np.str_), FAILED)

    def failure(self, of: str = "requests") -> str:
        """Say how many of them were not answered, and what the first ended with; "" if all were.

        Args:
            of: what they were.
        """
        failed = int(np.count_nonzero(self.failed))
        first = f", the first with {self.errors[0]}" if self.errors else ""
        return f"{failed:,} of {len(self.outcomes):,} {of} failed{first}" if failed else ""

    @property
    def lag_ms_p99(self) -> float:
        """How late the generator itself was, at its 99th percentile."""
        return float(np.percentile(self.lag_ms, 99)) if len(self.lag_ms) else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """How many requests ended in each outcome; they add up to all that were scheduled."""
        return dict(Counter(self.outcomes))

    @property
    def offered_rate(self) -> float:
        """Requests per second as scheduled, from the first to the last."""
        return _rate(self.times)

    @property
    def achieved_rate(self) -> float:
        """Requests per second as the generator was ready to start them; the same as offered, but for its lateness."""
        return _rate(self.times + self.lag_ms / 1000)

    @property
    def doubt(self) -> str:
        """Why this says more about the generator than about what it asked; empty when it does not.

        Either less than 99 % of the offered rate was achieved; or the lag, at its P99, is more than 5 ms and more than
        a tenth of the response's P99; or it is, at its median, more than 2 ms and more than half of the response's.
        """
        if not self.outcomes:
            return ""
        if not self.achieved_rate >= _LEAST_ACHIEVED * self.offered_rate:
            return f"only {self.achieved_rate:,.0f} of {self.offered_rate:,.0f} requests a second could be started"
        if self.lag_ms_p99 > max(_LATE_MS, _LATE_SHARE * float(np.percentile(self.response_ms, 99))):
            return f"requests started up to {self.lag_ms_p99:.0f} ms late (P99), which counts in every figure"
        late = float(np.median(self.lag_ms))
        if late > max(_MOSTLY_LATE_MS, _MOSTLY_LATE_SHARE * float(np.median(self.response_ms))):
            return f"half of the requests started {late:.0f} ms late or more, which is most of their time"
        return ""

    @property
    def valid(self) -> bool:
        """Whether what was asked was measured, and not the generator: there is no :attr:`doubt`."""
        return not self.doubt

    @property
    def warm_up(self) -> WarmUp:
        """How long the responses took to settle; it counts in every figure."""
        return warm_up(np.maximum(self.response_ms, _NEVER_ZERO_MS), self.times)


def among_all(cold: int, answered: NDArray[np.bool_]) -> int:
    """Return how many of all requests a cold start spans that was found on the answered ones alone.

    Args:
        cold: how many of the first answered requests it is.
        answered: which of all requests were answered.
    """
    return int(np.flatnonzero(answered)[cold - 1]) + 1 if cold else 0


def _rate(times: Array) -> float:
    """Return how many a second these are; none or one of them, or all at once, have no rate that could be missed."""
    span = float(times.max() - times.min()) if len(times) else 0.0
    return (len(times) - 1) / span if span else math.inf
