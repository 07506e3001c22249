"""One schedule, made by several workers: each makes every n-th request, all from one agreed moment on.

First a roll call: it waits until as many workers answer at once as are needed, and asks each for its clocks. A worker
whose monotonic clock reads between two readings of ours has the same one, for both count from the same machine's
start: there the agreed moment is exact. On another machine it is the wall clock's, corrected by how far that worker's
is from ours, which is known to within half a round trip. What is left of that error moves all that this worker asks by
as much; no time that is measured has it in it, because each worker times its requests by one clock of its own.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..errors import MeasurementFailed
from .crew import Crew, open_crew
from .load import run_from
from .load_result import Array, LoadResult
from .progress import Tally, Watcher
from .stop_flag import StopFlag
from .stopwatch import ERRORS_KEPT, Operation, Stopwatch
from .workload import Schedule

MakeOperation = Callable[[], AbstractAsyncContextManager[Operation]]
T = TypeVar("T")

_HOLD_SECONDS = 0.02  # a worker that answers the roll call is busy for so long, so that the next call is another's
_ROLL_CALL_SECONDS = 60.0  # starting processes that import numpy takes seconds on a laden machine
_LEAD_SECONDS = 1.0


async def run_in_workers(
    schedule: Schedule,
    make_operation: MakeOperation,
    *,
    workers: int = 4,
    executor: Executor | None = None,
    scheduler: str | None = None,
    limit: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - of each request, not of the run
    precise: bool = False,
    lead: float = _LEAD_SECONDS,
    progress: Watcher | None = None,
) -> LoadResult:
    """Run an operation at every time of a schedule, in several processes or on several machines.

    When it fails or is cancelled, its parts are stopped on every worker, and it raises once they have ended: after five
    seconds at the latest, if an operation holds up its event loop for so long. Only parts that an executor of the
    caller's makes on other machines, or where another folder is the one for temporary files, run to their end.

    Args:
        schedule: when to start each request.
        make_operation: opens what the operation needs and yields it, as an async context manager, once in each worker;
            it must be importable there, or a ``functools.partial`` of what is. The operation takes the index in the
            whole schedule.
        workers: how many; one a processor core is the most that helps.
        executor: whose workers; default: processes of this machine, started for this run. A script that is run must
            have the usual ``if __name__ == "__main__":``.
        scheduler: the address of a Dask cluster's scheduler, such as ``tcp://10.0.0.5:8786``, instead of an executor;
            needs the extra ``[cluster]``, and this package on the workers.
        limit: how many requests of each worker may be under way.
        timeout: as for :func:`~.load.run_open_loop`.
        precise: as for :func:`~.load.run_open_loop`; a core for each worker.
        lead: seconds from the roll call to the first request, in which workers open what they need; whoever takes
            longer starts late, which counts as lag.
        progress: shown a snapshot whenever a worker has ended.

    Returns:
        The result as one loop would have had it: the raw values, each in its place.

    Raises:
        ConfigurationError: as :func:`~.crew.open_crew`.
        MeasurementFailed: not enough workers answered at once, or one failed or died: nothing of the run counts.
        asyncio.CancelledError: the run was cancelled.
    """
    async with open_crew(workers, executor, scheduler) as crew:
        clocks = await _guarded(crew.watch(), _roll_call(crew))
        begun = time.monotonic() + lead, time.time() + lead
        how = _How(make_operation, limit, timeout, precise, crew.flag)
        parts = [
            _Part(schedule.part(number, workers), number, workers, *clock.moment(*begun), how)
            for number, clock in enumerate(clocks)
        ]
        tally = Tally(len(schedule))
        return merged(schedule, await _guarded(crew.watch(), _made(crew, parts, tally, progress)))


def merged(schedule: Schedule, parts: Sequence[LoadResult]) -> LoadResult:
    """Return the results of workers, each of which made every n-th request, as one: exactly, request by request."""

    def woven(arrays: Sequence[Array]) -> Array:
        whole = np.empty(len(schedule))
        for number, array in enumerate(arrays):
            whole[number :: len(parts)] = array
        return whole

    outcomes = [""] * len(schedule)
    for number, part in enumerate(parts):
        outcomes[number :: len(parts)] = part.outcomes
    errors = [error for part in parts for error in part.errors][:ERRORS_KEPT]
    response, service = woven([part.response_ms for part in parts]), woven([part.service_ms for part in parts])
    return LoadResult(response, service, woven([part.lag_ms for part in parts]), outcomes, errors, schedule.times)


class Clocks(NamedTuple):
    """What a worker's clocks are beside ours.

    Args:
        worker: who that is: host, process and thread.
        ours: whether its monotonic clock is ours.
        ahead: seconds by which its wall clock is ahead of ours; 0 where that is not known.
    """

    worker: str
    ours: bool
    ahead: float

    def moment(self, monotonic: float, wall: float) -> tuple[float, bool]:
        """Return a moment, given by both our clocks, by one of its clocks; and whether that is its monotonic one."""
        return (monotonic, True) if self.ours else (wall + self.ahead, False)


@dataclass(frozen=True)
class _How:
    """What all workers do alike."""

    make_operation: MakeOperation
    limit: int | None
    timeout: float | None
    precise: bool
    flag: StopFlag


@dataclass(frozen=True)
class _Part:
    """What one worker has to do: every ``of``-th request from ``number`` on, beginning at a moment of its own clock."""

    schedule: Schedule
    number: int
    of: int
    begun: float
    monotonic: bool
    how: _How


def _answer() -> tuple[str, float, float]:
    """Say who is here, and what its clocks say; run by a worker."""
    read = time.monotonic(), time.time()
    time.sleep(_HOLD_SECONDS)
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}", *read


def _make(part: _Part) -> LoadResult:
    """Make a part of a load; run by a worker."""
    return asyncio.run(_guarded(part.how.flag.watch(), _make_here(part)))


async def _make_here(part: _Part) -> LoadResult:
    how = part.how
    async with how.make_operation() as operation:
        stopwatch = Stopwatch(
            lambda index: operation(part.number + index * part.of), timeout=how.timeout, limit=how.limit
        )
        wait = part.begun - (time.monotonic() if part.monotonic else time.time())
        return await run_from(stopwatch.clock() + wait, part.schedule, stopwatch, precise=how.precise)


async def _roll_call(crew: Crew) -> list[Clocks]:
    """Call until all workers answer at once, each from a place of its own."""
    end = time.monotonic() + _ROLL_CALL_SECONDS
    while True:
        clocks = await _all(_call(crew, executor) for executor in crew.seats)
        present = {each.worker for each in clocks}
        if len(present) == len(clocks):
            return clocks
        if time.monotonic() > end:
            message = f"only {len(present)} of {len(clocks)} workers answer at once: give an executor that has as many"
            raise MeasurementFailed(message)


async def _call(crew: Crew, executor: Executor) -> Clocks:
    before, wall = time.monotonic(), time.time()
    worker, monotonic, theirs = await crew.done(executor, _answer)
    after = time.monotonic()
    there = (after - before - _HOLD_SECONDS) / 2  # how long the call took to arrive, if as long as the answer
    return Clocks(worker, before <= monotonic <= after, theirs - wall - there if crew.pinned else 0.0)


async def _made(crew: Crew, parts: list[_Part], tally: Tally, watcher: Watcher | None) -> list[LoadResult]:
    async def make(executor: Executor, part: _Part) -> LoadResult:
        result = await crew.done(executor, _make, part)
        tally.add(result.outcomes, result.response_ms)
        if watcher:
            watcher(tally.snapshot())
        return result

    return await _all(make(executor, part) for executor, part in zip(crew.seats, parts, strict=True))


async def _all(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all of them come to, or raise what the first that fails raises; then the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _guarded(watch: Coroutine[Any, Any, None], work: Coroutine[Any, Any, T]) -> T:
    """Return what some work comes to, or raise what whoever watches over it raises; then the work is cancelled."""
    working, watching = asyncio.create_task(work), asyncio.create_task(watch)
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.wait({working, watching})
