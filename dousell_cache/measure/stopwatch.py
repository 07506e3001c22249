"""One request after another, timed: what open and closed loops have in common.

The clock is the event loop's, so that a loop whose time is simulated measures exactly.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from .load_result import Array, LoadResult
from .progress import Tally

Operation = Callable[[int], Awaitable[str]]
"""Takes a request's index, returns its outcome in one word."""

ERRORS_KEPT = 5


class Stopwatch:
    """Run an operation, and note when each request was due, was sent and ended, and what it came to.

    Args:
        operation: what is timed.
        timeout: seconds a request may take from when it is sent; None for as long as it likes.
        limit: how many may be under way at once; None for any number.

    Raises:
        ValueError: timeout or limit is not positive.
    """

    def __init__(self, operation: Operation, *, timeout: float | None = None, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            message = f"limit must be at least one request, or None for any number, not {limit}"
            raise ValueError(message)
        if timeout is not None and not 0 < timeout < math.inf:
            message = f"timeout must be a positive number of seconds, or None for none, not {timeout}"
            raise ValueError(message)
        self.clock = asyncio.get_running_loop().time
        self.tally: Tally | None = None
        self.errors: list[str] = []
        self._operation = operation if timeout is None else _within(operation, timeout)
        self._due, self._sent, self._ended = list[float](), list[float](), list[float]()
        self._outcomes: list[str] = []
        self._turns = asyncio.Semaphore(limit) if limit else None
        self._started = list[float]() if limit else self._sent  # the same, where nothing makes a request wait

    def expect(self, due: Sequence[float]) -> None:
        """Make room for requests that are due at these times of the clock."""
        never = [math.nan] * len(due)
        self._due += due
        self._sent += never
        self._ended += never
        self._outcomes += ["error"] * len(due)
        if self._turns:
            self._started += never

    async def request(self, index: int) -> None:
        """Make a request, when it is its turn."""
        if self._turns is None:
            return await self._request(index)
        self._started[index] = self.clock()
        async with self._turns:
            return await self._request(index)

    async def _request(self, index: int) -> None:
        self._sent[index] = self.clock()
        outcome = "error"
        try:
            outcome = await self._operation(index)
        except asyncio.CancelledError:
            if cancelled_from_outside():
                outcome = "cancelled"
                raise
            self._keep("CancelledError: it was cancelled from within")
        except Exception as error:  # noqa: BLE001 - whatever an operation raises is an outcome, counted and kept
            outcome = "timeout" if isinstance(error, TimeoutError) else "error"
            self._keep(f"{type(error).__name__}: {error}")
        finally:
            ended = self._ended[index] = self.clock()
            self._outcomes[index] = outcome
            if self.tally:
                self.tally.note(outcome, (ended - self._due[index]) * 1000)

    def _keep(self, error: str) -> None:
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(error)

    def result(self, times: Array | None = None) -> LoadResult:
        """Return what became of the requests, once all have ended.

        Args:
            times: when each was due, in seconds from the start of the run; None to count from the first of them.
        """
        due, started, sent, ended = map(np.array, (self._due, self._started, self._sent, self._ended))
        response, service, lag = (ended - due) * 1000, (ended - sent) * 1000, (started - due) * 1000
        return LoadResult(
            response, service, lag, self._outcomes, self.errors, due - due[:1] if times is None else times
        )


def cancelled_from_outside() -> bool:
    """Tell whether this task is being cancelled; an operation that cancelled only itself has failed like any other."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _within(operation: Operation, seconds: float) -> Operation:
    async def timed(index: int) -> str:
        async with asyncio.timeout(seconds):
            return await operation(index)

    return timed
