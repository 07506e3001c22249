"""Load in simulated time: what a stall, a limit, a timeout, a late generator and a cancellation do to the figures."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from dousell_cache.measure.load import ClosedLoopWarning, LoadResult, run_closed_loop, run_open_loop
from dousell_cache.measure.progress import Progress
from dousell_cache.measure.workload import Schedule

from .simulated import SimulatedLoop, simulated

STALL = (8.0, 10.0)  # seconds; the schedule is of 20
SECOND = Schedule.constant(100, 1)


def stub(stall: tuple[float, float] = STALL) -> Callable[[int], Awaitable[str]]:
    """Answer in 1 ms, but nobody while it stands still."""

    async def operation(_index: int) -> str:
        loop = asyncio.get_running_loop()
        if stall[0] <= loop.time() < stall[1]:
            await asyncio.sleep(stall[1] - loop.time())
        await asyncio.sleep(0.001)
        return "hit"

    return operation


@pytest.mark.parametrize("schedule", [Schedule.constant(500, 20), Schedule.poisson(500, 20, seed=1)])
def test_a_stall_is_seen_by_everyone_who_was_due(schedule: Schedule) -> None:
    """A stall of 2 s in 20 s at 500 requests a second makes a P95 of 1.0 s and a P99 of 1.8 s, within 5 %."""
    result = simulated(run_open_loop(schedule, stub()))
    assert result.percentile(95).value == pytest.approx(1_000, rel=0.05)
    assert result.percentile(99).value == pytest.approx(1_800, rel=0.05)
    assert result.percentile(50).value == pytest.approx(1, rel=1e-4)
    assert result.valid


def test_a_closed_loop_hides_a_stall() -> None:
    """On the same stub a closed loop of one client makes one slow request in twenty seconds, and a P99 of 1 ms."""
    with pytest.warns(ClosedLoopWarning, match="hides the waits"):
        result = simulated(run_closed_loop(stub(), seconds=20))
    assert result.percentile(99).value == pytest.approx(1, rel=1e-4)
    assert (result.response_ms > 5).sum() == 1
    assert np.array_equal(result.response_ms, result.service_ms)
    assert result.lag_ms.max() < 1e-4


def test_a_limit_makes_wait_and_the_wait_counts() -> None:
    """Beyond the limit requests wait in order; response has the wait, service and lag do not."""

    async def operation(_index: int) -> str:
        await asyncio.sleep(0.1)
        return "hit"

    result = simulated(run_open_loop(Schedule.constant(100, requests=10), operation, limit=2))
    ends = (np.repeat(np.arange(1, 6), 2) * 0.1 + np.tile([0, 0.01], 5)) * 1000  # two at a time
    assert result.times * 1000 + result.response_ms == pytest.approx(ends)
    assert result.service_ms == pytest.approx(np.full(10, 100))
    assert result.lag_ms == pytest.approx(np.zeros(10), abs=1e-4)


def test_a_request_that_takes_too_long_is_a_timeout() -> None:
    """What outlasts its timeout is given up then and counts as one, as does what raises TimeoutError by itself."""

    async def operation(index: int) -> str:
        if index == 0:
            raise TimeoutError("the client's own")
        await asyncio.sleep(0.05 * index)
        return "miss"

    result = simulated(run_open_loop(Schedule.constant(100, requests=4), operation, timeout=0.08))
    assert result.outcomes == ["timeout", "miss", "timeout", "timeout"]
    assert result.service_ms == pytest.approx([0, 50, 80, 80], abs=1e-4)
    assert result.failed.tolist() == [True, False, True, True]
    assert result.errors[0] == "TimeoutError: the client's own"


def test_a_timeout_counts_from_when_a_request_is_sent() -> None:
    """A request that waited for its turn has its full time all the same."""

    async def operation(_index: int) -> str:
        await asyncio.sleep(0.06)
        return "hit"

    result = simulated(run_open_loop(Schedule.constant(1_000, requests=3), operation, limit=1, timeout=0.07))
    assert result.counts == {"hit": 3}


def test_precise_requests_start_within_one_turn_of_the_loop() -> None:
    """In precise mode the clock is asked again and again before each start, so that no timer's lateness is in it."""
    plain, precise = (
        simulated(run_open_loop(Schedule.constant(97, 1), stub(), precise=precise), step=0.0001, grain=0.001)
        for precise in (False, True)
    )
    assert plain.lag_ms.max() > 0.9
    assert precise.lag_ms.max() < 0.25  # a turn to see that it is time, another to begin
    assert plain.counts == precise.counts == {"hit": 97}


def test_precise_mode_leaves_the_loop_to_others() -> None:
    """While it spins, other tasks have their turns."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> None:
        task = asyncio.create_task(other())
        await run_open_loop(Schedule.constant(10, requests=2), stub(), precise=True)
        task.cancel()

    simulated(main(), step=0.0001)
    assert turns > 100


async def nothing(_index: int) -> str:
    """Answer at once."""
    return "hit"


async def busy(index: int) -> str:
    """Answer at once, but for one request, over which the whole process stands still."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    if index == 10:
        loop.work(0.5)
    return "hit"


async def slower_than_the_schedule(_index: int) -> str:
    """Keep the process busy for longer than there is time from one request to the next."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    loop.work(0.0102)
    return "hit"


def test_a_generator_that_kept_up_is_trusted() -> None:
    """When requests start on time, offered and achieved rate are the same, and there is no doubt."""
    result = simulated(run_open_loop(SECOND, nothing))
    assert result.offered_rate == pytest.approx(100)
    assert result.achieved_rate == pytest.approx(100)
    assert (result.valid, result.doubt) == (True, "")


def test_a_generator_that_fell_behind_says_so() -> None:
    """When less than 99 % of the offered rate could be started, the result is not valid and names both rates."""
    result = simulated(run_open_loop(SECOND, slower_than_the_schedule))
    assert not result.valid
    assert result.doubt == "only 98 of 100 requests a second could be started"


def test_a_generator_that_stood_still_says_so() -> None:
    """When its own lag is what the slowest responses consist of, the result is not valid and says how much."""
    result = simulated(run_open_loop(SECOND, busy))
    assert result.achieved_rate == pytest.approx(100)
    assert not result.valid
    assert result.doubt == f"requests started up to {result.lag_ms_p99:.0f} ms late (P99), which counts in every figure"


@pytest.mark.parametrize(("lag", "response", "valid"), [(4.9, 5.0, True), (5.1, 40.0, False), (5.1, 60.0, True)])
def test_lag_is_no_matter_below_its_bounds(lag: float, response: float, valid: bool) -> None:
    """Lag is no reason for doubt up to 5 ms, nor up to a tenth of the slowest responses."""
    result = simulated(run_open_loop(SECOND, nothing))
    some = np.where(np.arange(100) < 10, lag, 0.1)  # a tenth of them: what most of a median is, is doubted by itself
    late = dataclasses.replace(result, lag_ms=some, response_ms=np.full(100, response))
    assert late.valid is valid


def test_the_warm_up_is_found_and_kept() -> None:
    """The end of a slow beginning is told, to within a batch of five, and nothing is taken out of the result."""

    async def operation(index: int) -> str:
        await asyncio.sleep(0.2 if index < 300 else 0.002)
        return "hit"

    result = simulated(run_open_loop(Schedule.constant(100, 20), operation))
    assert (result.warm_up.samples, result.warm_up.settled) == (305, True)
    assert result.warm_up.seconds == pytest.approx(3.05)
    assert len(result.response_ms) == 2_000


def watched(operation: Callable[[int], Awaitable[str]], **options: Any) -> tuple[LoadResult, list[Progress]]:
    """Return a run's result and its snapshots."""
    seen: list[Progress] = []
    return simulated(run_open_loop(Schedule.constant(500, 4), operation, progress=seen.append, **options)), seen


def test_progress_is_told_ten_times_a_second_and_at_the_end() -> None:
    """However many requests there are, snapshots come every tenth of a second, count up, and end with all."""
    _, seen = watched(nothing)
    assert len(seen) == 40
    done = [snapshot.done for snapshot in seen]
    assert done == sorted(done)
    assert done[9] == pytest.approx(500, abs=1)
    assert {snapshot.scheduled for snapshot in seen} == {2_000}
    assert done[-1] == 2_000


def test_progress_has_the_hit_rate_and_the_p95_so_far() -> None:
    """Each snapshot has the share of hits and the P95 of what has ended; the last one's outcomes are the run's."""

    async def operation(index: int) -> str:
        await asyncio.sleep(0.3 if index % 10 == 0 else 0.001)
        return "miss" if index % 10 == 0 else "hit"

    result, seen = watched(operation)
    assert seen[0].hit_rate == 1  # no miss has ended yet
    assert seen[0].p95_ms == pytest.approx(1, rel=1e-4)
    assert seen[-1].hit_rate == pytest.approx(0.9)
    assert seen[-1].p95_ms == pytest.approx(300)
    assert seen[-1].outcomes == result.counts


def test_a_stall_shows_in_the_progress() -> None:
    """While nothing is answered, snapshots go on and stand still."""
    _, seen = watched(stub((1.0, 2.0)))
    assert len({snapshot.done for snapshot in seen[10:19]}) == 1


def test_before_the_first_answer_there_is_nothing_to_tell() -> None:
    """With no request ended there is no hit rate and no P95."""

    async def operation(_index: int) -> str:
        await asyncio.sleep(1)
        return "hit"

    _, seen = watched(operation)
    assert (seen[0].done, seen[0].hit_rate, seen[0].p95_ms) == (0, None, None)


def test_a_cancelled_run_still_accounts_for_all() -> None:
    """After a cancellation the last snapshot adds up: answered, failed, timed out, cancelled under way, never begun."""
    seen: list[Progress] = []

    async def operation(index: int) -> str:
        if index % 10 == 0:
            raise ConnectionError
        await asyncio.sleep(0.03 if index % 10 == 1 else 10 if index % 10 == 2 else 0.001)
        return "hit"

    async def main() -> None:
        load = run_open_loop(SECOND, operation, timeout=0.1, progress=seen.append)
        run = asyncio.create_task(load)
        await asyncio.sleep(0.505)
        run.cancel()
        await asyncio.wait([run])
        assert run.cancelled()

    simulated(main())
    # Due in 0.505 s are the first 51; 42 has not timed out by then, nor is the last one answered that takes its time.
    assert seen[-1].outcomes == {"error": 6, "hit": 40, "timeout": 4, "cancelled": 1, "dropped": 49}
    assert seen[-1].done == seen[-1].scheduled == 100


def test_a_request_that_waits_for_its_turn_is_dropped_by_a_cancellation() -> None:
    """What was due but not sent when a run is cancelled is dropped, not lost."""
    seen: list[Progress] = []

    async def operation(_index: int) -> str:
        await asyncio.sleep(10)
        return "never"

    async def main() -> None:
        run = asyncio.create_task(run_open_loop(SECOND, operation, limit=3, progress=seen.append))
        await asyncio.sleep(0.5)
        run.cancel()
        await asyncio.wait([run])

    simulated(main())
    assert seen[-1].outcomes == {"cancelled": 3, "dropped": 97}


def test_a_watcher_that_fails_is_not_silent() -> None:
    """An exception of what is shown the progress is raised, when the run has ended."""

    def watcher(_progress: Progress) -> None:
        raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        simulated(run_open_loop(SECOND, nothing, progress=watcher))


def test_a_closed_loop_counts_all_its_clients() -> None:
    """Several clients make as many requests as asked, each numbered once, also when one cancels itself from within."""
    asked: list[int] = []

    async def operation(index: int) -> str:
        asked.append(index)
        await asyncio.sleep(0.01)
        if index == 3:
            raise asyncio.CancelledError
        return "hit"

    with pytest.warns(ClosedLoopWarning):
        result = simulated(run_closed_loop(operation, requests=10, clients=3))
    assert asked == list(range(10))
    assert result.counts == {"hit": 9, "error": 1}
    assert result.times == pytest.approx(np.repeat([0, 0.01, 0.02, 0.03], 3)[:10], abs=1e-6)


def test_a_closed_loop_shows_its_progress() -> None:
    """With a time instead of a number, the last snapshot has as many as were begun."""
    seen: list[Progress] = []
    with pytest.warns(ClosedLoopWarning):
        result = simulated(run_closed_loop(stub(), seconds=1, progress=seen.append))
    assert seen[-1].done == seen[-1].scheduled == len(result.outcomes) == 1_000


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no limit": (lambda: run_open_loop(SECOND, nothing, limit=0), "limit must be at least one .* not 0"),
    "no time": (lambda: run_open_loop(SECOND, nothing, timeout=0), "timeout must be a positive .* not 0"),
    "endless": (lambda: run_open_loop(SECOND, nothing, timeout=float("inf")), "timeout must be .* not inf"),
    "neither": (lambda: run_closed_loop(nothing), "either requests or seconds"),
    "both": (lambda: run_closed_loop(nothing, requests=1, seconds=1), "either requests or seconds"),
    "no requests": (lambda: run_closed_loop(nothing, requests=0), "requests must be a positive number, not 0"),
    "no seconds": (lambda: run_closed_loop(nothing, seconds=-1), "seconds must be a positive number, not -1"),
    "nobody": (lambda: run_closed_loop(nothing, requests=1, clients=0), "clients must be a positive number, not 0"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_nonsense_is_refused(make: Callable[[], Any], sentence: str) -> None:
    """Options that make no sense raise a ValueError that names them, before anything is asked."""
    with pytest.raises(ValueError, match=sentence):
        simulated(make())
