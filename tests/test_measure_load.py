"""Open-loop load: nothing is lost, nothing waits for its predecessor, and waits are counted from the intended start."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from dousell_cache.measure.load import LoadResult, run_open_loop
from dousell_cache.measure.workload import Schedule

FAST = Schedule.constant(10_000, requests=300)
STALLED, WOKEN_BY = 100, 200  # half a second apart in the schedule of the stalls
STALLING = Schedule.constant(200, requests=300)


async def test_every_scheduled_request_is_counted() -> None:
    """Whatever becomes of requests (answers, errors, a cancellation from within), the outcomes add up exactly."""

    async def operation(index: int) -> str:
        if index % 10 == 0:
            raise ConnectionError(f"request {index}")
        if index % 10 == 1:
            raise asyncio.CancelledError
        await asyncio.sleep(0)
        return "hit" if index % 2 else "miss"

    result = await run_open_loop(FAST, operation)
    assert result.counts == {"error": 60, "miss": 120, "hit": 120}
    assert [outcome == "error" for outcome in result.outcomes] == [index % 10 in {0, 1} for index in range(300)]
    for times in (result.response_ms, result.service_ms, result.lag_ms):
        assert len(times) == 300
        assert np.all((times >= 0) & (times < 60_000))
    cancelled = "CancelledError: it was cancelled from within"
    assert (
        result.errors
        == [error for index in (0, 10, 20) for error in (f"ConnectionError: request {index}", cancelled)][:5]
    )
    assert result.failure("reads") == "60 of 300 reads failed, the first with ConnectionError: request 0"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (asyncio.CancelledError(), ", the first with CancelledError: it was cancelled from within"),
        (TimeoutError("too slow"), ", the first with TimeoutError: too slow"),
        (None, ""),
    ],
)
async def test_what_failed_is_told_in_one_sentence(error: BaseException | None, told: str) -> None:
    """Whatever a request ended with, a cancellation from within too, there is a sentence; without failures none."""

    async def operation(_index: int) -> str:
        if error:
            raise error
        return "hit"

    result = await run_open_loop(Schedule.constant(1_000, requests=3), operation)
    assert result.failure() == (f"3 of 3 requests failed{told}" if error else "")
    assert dataclasses.replace(result, errors=[]).failure() == ("3 of 3 requests failed" if error else "")


async def test_response_is_lag_and_service() -> None:
    """For each request the response time is what the generator was late plus what the operation took."""

    async def operation(_index: int) -> str:
        await asyncio.sleep(0.001)
        return "hit"

    result = await run_open_loop(FAST, operation)
    assert np.allclose(result.response_ms, result.lag_ms + result.service_ms)
    assert result.lag_ms_p99 == np.percentile(result.lag_ms, 99)
    assert result.percentile(50).value == np.median(result.response_ms)


async def test_no_request_waits_for_an_earlier_one() -> None:
    """All requests start although none is answered before the last has started."""
    all_started = asyncio.Event()

    async def operation(index: int) -> str:
        if index == len(FAST) - 1:
            all_started.set()
        await all_started.wait()
        return "hit"

    assert (await run_open_loop(FAST, operation)).counts == {"hit": len(FAST)}


async def test_requests_never_start_early() -> None:
    """A request starts at its intended time or later."""

    async def operation(_index: int) -> str:
        return "hit"

    result = await run_open_loop(Schedule.poisson(500, seed=1, requests=200), operation)
    assert result.lag_ms.min() > -0.01  # the clock's own grain


def answered(result: LoadResult) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return when each request was answered, in ms from the start of the run."""
    return STALLING.times * 1000 + result.response_ms


def server(turns: asyncio.Lock | None) -> Callable[[int], Awaitable[str]]:
    """Answer at once, but for one request that is answered when a later one arrives; with turns, one at a time."""
    woken = asyncio.Event()

    async def operation(index: int) -> str:
        if index == WOKEN_BY:
            woken.set()
        if turns is None:
            return await answer(index)
        async with turns:
            return await answer(index)

    async def answer(index: int) -> str:
        if index == STALLED:
            await woken.wait()
        return "hit"

    return operation


async def test_a_stall_counts_for_everyone_who_was_due() -> None:
    """When the server stalls for half a second, each request due meanwhile is charged its wait for the end of it."""
    result = await run_open_loop(STALLING, server(asyncio.Lock()))
    end = answered(result)[STALLED]
    due = slice(STALLED + 1, WOKEN_BY)
    assert np.all(answered(result)[due] >= end)
    waits = end - STALLING.times[due] * 1000
    assert np.all(result.response_ms[due] >= waits - 1e-6)
    assert waits[0] > 480  # the first of them waited for nearly all of it: the schedule says so, not the clock


async def test_a_stall_of_one_request_is_its_own() -> None:
    """When only one request stalls, those due meanwhile are answered before it."""
    result = await run_open_loop(STALLING, server(None))
    due = slice(STALLED + 1, WOKEN_BY)
    assert np.all(answered(result)[due] <= answered(result)[STALLED])
    assert result.response_ms[STALLED] > 480  # until the later one was due: the schedule says so, not the clock


async def test_a_stalled_generator_shows_in_response_and_not_in_service() -> None:
    """When this process itself stands still, requests due meanwhile start late: response says so, service cannot."""

    def stand_still() -> None:
        time.sleep(0.5)

    async def operation(index: int) -> str:
        if index == STALLED:
            stand_still()
        return "hit"

    result = await run_open_loop(STALLING, operation)
    due = slice(STALLED + 1, STALLED + 90)
    end = answered(result)[STALLED]
    started = STALLING.times[due] * 1000 + result.lag_ms[due]
    assert np.all(started >= end)  # so that no service time can hold a part of the stall
    assert np.all(result.response_ms[due] >= end - STALLING.times[due] * 1000)
    assert result.service_ms[STALLED] >= 500


async def test_cancellation_leaves_no_task() -> None:
    """A run that is cancelled cancels what it started, waits for its end, and leaves no task behind."""
    before, ended, started = asyncio.all_tasks(), [], asyncio.Event()

    async def operation(index: int) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(index)
        return "never"

    run = asyncio.create_task(run_open_loop(Schedule.constant(50, requests=500), operation))
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended
    assert asyncio.all_tasks() == before


async def test_an_empty_schedule_has_an_empty_result() -> None:
    """Nothing scheduled is nothing done, and its percentiles are refused in words."""

    async def operation(_index: int) -> str:
        return "hit"

    result = await run_open_loop(Schedule.replay([]), operation)
    assert result.counts == {}
    assert result.valid
    with pytest.raises(ValueError, match="needs samples"):
        result.percentile(50)


@pytest.mark.parametrize(("lag", "doubted"), [(0.6, False), (8.0, True)])
def test_a_few_slow_reads_hide_no_late_generator(lag: float, doubted: bool) -> None:
    """When most of the median is lag there is doubt, though a few slow reads make the lag small beside P99."""
    service = np.where(np.arange(1_000) % 33 == 0, 320.0, 0.5)
    late = np.full(1_000, lag)
    load = LoadResult(service + late, service, late, ["hit"] * 1_000, [], np.arange(1_000) / 75)
    assert bool(load.doubt) == doubted


def test_a_load_of_nothing_was_not_late() -> None:
    """Without a request there is no lag, and no reason for doubt."""
    none = np.zeros(0)
    load = LoadResult(none, none, none, [], [], none)
    assert (load.lag_ms_p99, load.doubt) == (0.0, "")
