"""Open-loop load: requests start when the schedule says so, whether or not earlier ones were answered.

A closed loop slows its own arrivals when the system slows, and so hides the wait; here the response time counts from
the intended start (wrk2's README explains it). Service time, from the actual start, is kept apart.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .stats import Interval, percentile
from .workload import Schedule

Operation = Callable[[int], Awaitable[str]]


@dataclass(frozen=True, eq=False)
class LoadResult:
    """What became of every scheduled request; the arrays have one element for each, in schedule order.

    Args:
        response_ms: from intended start to answer.
        service_ms: from actual start to answer.
        lag_ms: from intended to actual start: the generator's own lateness.
        outcomes: what the operation returned, or ``error`` when it raised.
        errors: the first exceptions seen, as text, for the report.
    """

    response_ms: NDArray[np.float64]
    service_ms: NDArray[np.float64]
    lag_ms: NDArray[np.float64]
    outcomes: list[str]
    errors: list[str]

    def percentile(self, percent: float) -> Interval:
        """Return a percentile of the response time in ms, with its 95 % interval."""
        return percentile(self.response_ms, percent)

    @property
    def lag_ms_p99(self) -> float:
        """How late the generator itself was, at its 99th percentile."""
        return float(np.percentile(self.lag_ms, 99))

    @property
    def counts(self) -> dict[str, int]:
        """How many requests ended in each outcome; they add up to all that were scheduled."""
        return dict(Counter(self.outcomes))


_ERRORS_KEPT = 5


class _Recorder:
    """Fill the arrays of a result as requests end."""

    def __init__(self, schedule: Schedule, operation: Operation) -> None:
        count = len(schedule)
        self.response_ms, self.service_ms, self.lag_ms = np.empty(count), np.empty(count), np.empty(count)
        self.outcomes = ["error"] * count
        self.errors: list[str] = []
        self._operation = operation

    async def request(self, index: int, intended: float) -> None:
        sent = time.perf_counter()
        try:
            self.outcomes[index] = await self._operation(index)
        except Exception as error:  # noqa: BLE001 - whatever an operation raises is an outcome, counted and kept
            if len(self.errors) < _ERRORS_KEPT:
                self.errors.append(f"{type(error).__name__}: {error}")
        finally:  # an operation that was cancelled from within has its times too
            answered = time.perf_counter()
            self.lag_ms[index] = (sent - intended) * 1000
            self.service_ms[index] = (answered - sent) * 1000
            self.response_ms[index] = (answered - intended) * 1000


async def run_open_loop(
    schedule: Schedule, operation: Operation, *, progress: Callable[[int, int], None] | None = None
) -> LoadResult:
    """Run an operation at every time of a schedule and return how long each took.

    Args:
        schedule: when to start each request.
        operation: takes the request's index, returns its outcome in one word; an exception counts as ``error``.
        progress: called with (started, scheduled) as requests start.

    Returns:
        The result, once the last request was answered. Nothing is dropped.
    """
    recorder = _Recorder(schedule, operation)
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for index, offset in enumerate(schedule.times):
            intended = start + float(offset)
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            tasks.create_task(recorder.request(index, intended))
            if progress:
                progress(index + 1, len(schedule))
    return LoadResult(recorder.response_ms, recorder.service_ms, recorder.lag_ms, recorder.outcomes, recorder.errors)
