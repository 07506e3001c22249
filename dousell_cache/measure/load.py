"""Load: open loop, where requests start when the schedule says so, whether or not earlier ones were answered.

A closed loop slows its own arrivals when the system slows, and so hides the wait; here the response time counts from
the intended start (wrk2's README explains it). Service time, from the actual start, is kept apart.
"""

import asyncio
import math
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from .load_result import FAILED, LoadResult
from .progress import Progress, Tally, Watcher, show
from .stopwatch import Operation, Stopwatch
from .workload import Schedule

__all__ = ["FAILED", "ClosedLoopWarning", "LoadResult", "Operation", "Progress", "run_closed_loop", "run_open_loop"]

_SPIN_SECONDS = 0.002  # a timer is up to a millisecond late, and the system's scheduler likewise
_AT_ONCE = 16  # overdue requests that start in one go: answers under way must not wait for more of them


class ClosedLoopWarning(UserWarning):
    """A closed loop was measured, which asks less while answers are slow, and so hides how long others would wait."""


async def run_open_loop(
    schedule: Schedule,
    operation: Operation,
    *,
    limit: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - of each request, not of the run
    precise: bool = False,
    progress: Watcher | None = None,
) -> LoadResult:
    """Run an operation at every time of a schedule and return how long each took.

    Args:
        schedule: when to start each request.
        operation: takes the request's index, returns its outcome in one word; an exception counts as ``error``.
        limit: how many requests may be under way; one that is due beyond that waits, in order, and its wait counts in
            the response but not in the service time. None, as for visitors: any number.
        timeout: seconds after which a request that was sent is given up and counts as ``timeout``; None: never.
        precise: start requests within microseconds instead of a millisecond or so, at the price of a whole processor
            core; for targets below a few milliseconds.
        progress: shown a snapshot ten times a second, and a last one when the run has ended.

    Returns:
        The result, once the last request was answered. Nothing is dropped.

    Raises:
        ValueError: limit or timeout is not positive.
        asyncio.CancelledError: the run was cancelled; so were its requests, and all have ended. The last snapshot has
            the account.
    """
    stopwatch = Stopwatch(operation, timeout=timeout, limit=limit)
    begun = stopwatch.clock()
    return await run_from(begun, schedule, stopwatch, precise=precise, progress=progress)


async def run_from(
    begun: float, schedule: Schedule, stopwatch: Stopwatch, *, precise: bool = False, progress: Watcher | None = None
) -> LoadResult:
    """Run a schedule that begins at a given time of the clock; the rest is as for :func:`run_open_loop`."""
    due = (schedule.times + begun).tolist()
    stopwatch.expect(due)
    async with _shown(stopwatch, len(due), progress), asyncio.TaskGroup() as tasks:
        await _start_each(due, stopwatch, tasks, _SPIN_SECONDS if precise else 0.0)
    return stopwatch.result(schedule.times)


async def run_closed_loop(
    operation: Operation,
    *,
    requests: int | None = None,
    seconds: float | None = None,
    clients: int = 1,
    timeout: float | None = None,  # noqa: ASYNC109 - of each request, not of the run
    progress: Watcher | None = None,
) -> LoadResult:
    """Run an operation again and again, each client as soon as its last request was answered; warns.

    That measures how much a system can do, and how long one request takes. It does not measure how long visitors
    wait: when the system stands still, so do the clients, and one slow answer stands for all that were not asked for.

    Args:
        operation: as for :func:`run_open_loop`.
        requests: how many in all.
        seconds: how long new ones are begun, instead of how many.
        clients: how many make requests at once.
        timeout: as for :func:`run_open_loop`.
        progress: as for :func:`run_open_loop`; with ``seconds``, as many are scheduled as have begun.

    Returns:
        The result, in the order of the requests' starts. Response and service time are the same, and there is no lag.

    Raises:
        ValueError: not exactly one of requests and seconds is given, or a number is not positive.
    """
    _check_closed(requests, seconds, clients)
    warnings.warn("a closed loop hides the waits that a slow answer causes: see run_open_loop", ClosedLoopWarning, 2)
    stopwatch = Stopwatch(operation, timeout=timeout)
    end, numbers = stopwatch.clock() + (math.inf if seconds is None else seconds), count()

    async def client() -> None:
        for index in numbers:
            if (requests is not None and index >= requests) or stopwatch.clock() >= end:
                return
            stopwatch.expect([stopwatch.clock()])
            await stopwatch.request(index)

    async with _shown(stopwatch, requests, progress), asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    return stopwatch.result()


async def _start_each(due: list[float], stopwatch: Stopwatch, tasks: asyncio.TaskGroup, spin: float) -> None:
    """Start each request when it is due; for so many seconds before that, ask the clock again and again."""
    clock = stopwatch.clock
    for index, moment in enumerate(due):
        early = moment - clock()
        if early > spin:
            await asyncio.sleep(early - spin)
        elif index % _AT_ONCE == 0:
            await asyncio.sleep(0)
        while clock() < moment:  # noqa: ASYNC110 - for a moment only, and no event tells when it comes
            await asyncio.sleep(0)
        tasks.create_task(stopwatch.request(index))


@asynccontextmanager
async def _shown(stopwatch: Stopwatch, scheduled: int | None, watcher: Watcher | None) -> AsyncIterator[None]:
    """Show a watcher how far the run is, until it has ended."""
    if watcher is None:
        yield
        return
    tally = stopwatch.tally = Tally(scheduled)
    showing = asyncio.create_task(show(tally, watcher))
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.wait([showing])  # a watcher that raised there raises below
        tally.drop_the_rest()
        watcher(tally.snapshot())


def _check_closed(requests: int | None, seconds: float | None, clients: int) -> None:
    if (requests is None) == (seconds is None):
        message = "give either requests or seconds"
        raise ValueError(message)
    for name, number in (("requests", requests), ("seconds", seconds), ("clients", clients)):
        if number is not None and not 0 < number < math.inf:
            message = f"{name} must be a positive number, not {number}"
            raise ValueError(message)
