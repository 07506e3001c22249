"""One schedule made by several workers: merged exactly; on processes, threads and a Dask cluster; nothing is lost."""

import asyncio
import logging
import multiprocessing
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dousell_cache.errors import ConfigurationError, MeasurementFailed
from dousell_cache.measure import LoadResult, Schedule, Uniform, crew, run_in_workers, workers
from dousell_cache.measure.crew import Crew
from dousell_cache.measure.progress import Progress
from dousell_cache.measure.workers import Clocks, merged

from .loads import closed, deadly, late, marked, telling
from .loop_complaints import complaints

SCHEDULE = Schedule.poisson(400, seed=1, requests=201)
QUANTILES = [50, 95, 99, 99.9]


@pytest.fixture
def threads() -> Iterator[Executor]:
    """Two workers that are there at once."""
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def processes() -> Iterator[Executor]:
    """Two processes of the caller's."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster of two processes on this machine."""
    with local_cluster() as address:
        yield address


@contextmanager
def local_cluster() -> Iterator[str]:
    """Yield the address of a new cluster's scheduler."""
    from distributed import LocalCluster

    options: dict[str, Any] = {"dashboard_address": ":0", "processes": True, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as local:  # type: ignore[no-untyped-call]  # Dask's
        yield local.scheduler_address


def told(result: LoadResult) -> tuple[list[str], set[str]]:
    """Return what each request came to, without who was asked, and who was."""
    parts = [outcome.partition(" ") for outcome in result.outcomes]
    return [part[0] for part in parts], {part[2] for part in parts} - {""}


EXPECTED = ["error" if index % 10 == 3 else str(index) for index in range(201)]


def check(result: LoadResult) -> None:
    """Hold a run of the schedule to what any run of it must be."""
    outcomes, who = told(result)
    assert outcomes == EXPECTED
    assert len(who) == 2
    assert result.times.tolist() == SCHEDULE.times.tolist()
    assert sum(result.counts.values()) == len(SCHEDULE)
    assert len(result.errors) == 5
    assert np.all(result.lag_ms > -0.01)  # the clock's own grain
    assert np.allclose(result.response_ms, result.lag_ms + result.service_ms)


@pytest.mark.parametrize("number", [1, 2, 4, 7])
def test_merging_is_exact(number: int) -> None:
    """Workers' results, merged, are the pooled raw values in their places: counts and quantiles are equal, not near."""
    schedule = Schedule.poisson(100, seed=2, requests=1_001)
    times = np.random.default_rng(1).lognormal(size=(3, 1_001))
    outcomes = [("hit", "miss", "error")[index % 3] for index in range(1_001)]
    parts = []
    for part in range(number):
        mine = slice(part, None, number)
        response, service, lag = times[:, mine]
        parts.append(LoadResult(response, service, lag, outcomes[mine], [f"of {part}"], schedule.times[mine]))
    result = merged(schedule, parts)
    for merged_times, pooled in zip((result.response_ms, result.service_ms, result.lag_ms), times, strict=True):
        assert np.array_equal(merged_times, pooled)
        assert np.percentile(merged_times, QUANTILES).tolist() == np.percentile(pooled, QUANTILES).tolist()
    assert result.outcomes == outcomes
    assert result.times is schedule.times
    assert result.errors == [f"of {part}" for part in range(number)][:5]


def test_the_parts_of_a_schedule_are_all_of_it() -> None:
    """Each request is in one part, with its time, key and operation."""
    schedule = Schedule.poisson(100, 1, seed=1).asking(Uniform(5), seed=1)
    parts = [schedule.part(number, 3) for number in range(3)]
    for index, request in enumerate(schedule):
        assert parts[index % 3][index // 3] == request
    assert sum(map(len, parts)) == len(schedule)


async def test_processes_make_one_schedule_together() -> None:
    """Two processes started for it make every request of the schedule once, at its index, from one moment on."""
    seen: list[Progress] = []
    result = await run_in_workers(SCHEDULE, telling, workers=2, lead=0.2, progress=seen.append)
    check(result)
    assert [snapshot.done for snapshot in seen][-1] == 201
    assert len(seen) == 2


async def test_any_executor_makes_it(threads: Executor) -> None:
    """An executor of the caller's does the same, and is left as it was."""
    check(await run_in_workers(SCHEDULE, telling, workers=2, executor=threads, lead=0.1))
    assert threads.submit(int, "7").result() == 7


async def test_a_cluster_makes_it(cluster: str) -> None:
    """Two workers of a Dask cluster, by its address, come to the same as processes do."""
    check(await run_in_workers(SCHEDULE, telling, workers=2, scheduler=cluster, lead=0.2))


async def test_whoever_opens_late_starts_late(threads: Executor) -> None:
    """A worker that is not ready at the agreed moment has the rest of its opening as lag, and the run says so."""
    result = await run_in_workers(SCHEDULE, late, workers=2, executor=threads, lead=0.1)
    assert result.counts == {"hit": 201}
    assert result.lag_ms[:2].min() > 100  # 0.3 s of opening, less 0.1 s of lead, less the first gaps
    assert not result.valid


async def test_a_worker_that_dies_ends_the_run() -> None:
    """When a process dies, the run fails in one sentence: a part of the figures would be missing."""
    with pytest.raises(MeasurementFailed, match="a worker failed, so nothing of this run counts: BrokenProcessPool"):
        await run_in_workers(SCHEDULE, deadly, workers=2, lead=0.2)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Dask's own, when a worker of its is killed
async def test_a_cluster_s_worker_that_dies_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a cluster loses a worker, the run fails in one sentence, instead of waiting for that one's part."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # its flag stays up
    monkeypatch.setattr(crew, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(crew, "_STOP_SECONDS", 0.1)  # the one that is gone would be waited for
    with local_cluster() as address, pytest.raises(MeasurementFailed, match="nothing of this run counts"):
        await run_in_workers(SCHEDULE, deadly, workers=2, scheduler=address, lead=0.2)


async def test_a_worker_that_cannot_open_ends_the_run(threads: Executor) -> None:
    """What fails in a worker is raised here, with its reason."""
    with pytest.raises(MeasurementFailed, match="ConnectionRefusedError: nobody listens"):
        await run_in_workers(SCHEDULE, closed, workers=2, executor=threads)


async def test_too_few_workers_are_refused(monkeypatch: pytest.MonkeyPatch, threads: Executor) -> None:
    """When fewer workers answer at once than are needed, a part would begin when another has ended: refused."""
    monkeypatch.setattr(workers, "_ROLL_CALL_SECONDS", 0.1)
    with pytest.raises(MeasurementFailed, match="only 2 of 3 workers answer at once"):
        await run_in_workers(SCHEDULE, telling, workers=3, executor=threads)


async def test_what_was_not_begun_is_not_made(threads: Executor) -> None:
    """A run that is cancelled before its workers answered ends, and its executor is as it was."""
    run = asyncio.create_task(run_in_workers(Schedule.constant(10, requests=3), telling, workers=2, executor=threads))
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert threads.submit(int, "7").result() == 7


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


LONG = Schedule.constant(100, requests=3_000)  # nobody waits for its end: it only has not come yet


@pytest.mark.parametrize("kind", ["threads", "processes", "cluster"])
async def test_a_cancelled_run_leaves_no_part(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is cancelled while its parts are made returns when they have ended, whoever makes them."""
    monkeypatch.setattr(crew, "_STOP_SECONDS", 60.0)  # on a laden machine
    options = {"scheduler" if kind == "cluster" else "executor": request.getfixturevalue(kind)}
    run = asyncio.create_task(run_in_workers(LONG, partial(marked, tmp_path), workers=2, **options))
    while len(names(tmp_path)) < 2:
        assert not run.done()
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert names(tmp_path) == []


async def test_a_run_that_failed_leaves_no_part(threads: Executor, tmp_path: Path) -> None:
    """When one worker fails, the others stop as well: nothing of such a run counts."""
    with pytest.raises(MeasurementFailed, match="ConnectionRefusedError: nobody listens"):
        await run_in_workers(LONG, partial(marked, tmp_path, fail=True), workers=2, executor=threads)
    assert names(tmp_path) == ["first"]


async def test_a_flag_stays_up_while_somebody_has_not_seen_it(
    threads: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that does not look in time finds the flag later; once all have ended there is none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(crew, "_STOP_SECONDS", 0.01)
    held, one = threading.Event(), Crew([threads])
    call = asyncio.create_task(one.done(threads, held.wait))
    await asyncio.sleep(0)
    await one.stop()
    assert names(tmp_path) == [one.flag.name]
    held.set()
    assert await call
    await one.stop()
    assert names(tmp_path) == []


async def test_a_part_that_fails_when_nobody_waits_is_not_logged(threads: Executor) -> None:
    """A run that was cancelled has said all that there is: how its parts end then is nobody's concern."""
    held, one = threading.Event(), Crew([threads])

    def fails() -> None:
        held.wait()
        raise ConnectionError

    with complaints() as heard:
        call = asyncio.create_task(one.done(threads, fails))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        held.set()
        await one.stop()
    assert isinstance(one.calls[0].exception(), ConnectionError)
    assert heard == []


async def test_the_last_part_takes_the_flag_down(
    threads: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that no longer waits leaves no flag behind: it goes with the last of the parts that outlive it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(crew, "_STOP_SECONDS", 0.01)
    held, one = [threading.Event(), threading.Event()], Crew([threads])
    calls = [asyncio.create_task(one.done(threads, each.wait)) for each in held]
    await asyncio.sleep(0)
    await one.stop()
    held[0].set()
    await calls[0]
    assert names(tmp_path) == [one.flag.name]
    held[1].set()
    await calls[1]
    threads.shutdown()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("clocks", "moment"),
    [(Clocks("a", ours=True, ahead=9.0), (5.0, True)), (Clocks("b", ours=False, ahead=2.0), (1_002.0, False))],
)
def test_the_moment_is_told_by_a_clock_that_both_have(clocks: Clocks, moment: tuple[float, bool]) -> None:
    """On one machine it is the monotonic clock's, exactly; elsewhere the wall clock's, as that worker's shows it."""
    assert clocks.moment(monotonic=5.0, wall=1_000.0) == moment


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"scheduler": "10.0.0.5"}, 'scheduler must be an address such as tcp://10.0.0.5:8786, not "10.0.0.5"'),
    ],
)
async def test_nonsense_is_refused(options: dict[str, Any], sentence: str) -> None:
    """Options that make no sense are refused in one sentence, before anything is started."""
    with pytest.raises(ConfigurationError, match=sentence):
        await run_in_workers(SCHEDULE, telling, **options)


async def test_two_kinds_of_workers_are_refused(threads: Executor) -> None:
    """An executor and a scheduler at once are one too many."""
    with pytest.raises(ConfigurationError, match="either an executor or a scheduler"):
        await run_in_workers(SCHEDULE, telling, executor=threads, scheduler="tcp://127.0.0.1:1")


async def test_a_cluster_that_is_too_small_is_refused(cluster: str) -> None:
    """A cluster with fewer workers than asked for is refused with both numbers."""
    with pytest.raises(ConfigurationError, match="has 2 workers, not 3"):
        await run_in_workers(SCHEDULE, telling, workers=3, scheduler=cluster)
