"""The load generator, measured: does it keep its rate, start on time, cost little, see a stall, and add up?

Run as ``python -m benchmarks.load [--seconds 60] [--only rate,lag]``; docs/reference/load.md quotes its figures. The
machine decides them: close what else runs. ``redis`` needs redis-benchmark (Debian's redis-tools), ``workers`` Dask.
"""

import argparse
import asyncio
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import numpy as np

from dousell_cache.measure.load import ClosedLoopWarning, LoadResult, Operation, run_closed_loop, run_open_loop
from dousell_cache.measure.popularity import Zipf
from dousell_cache.measure.workers import run_in_workers
from dousell_cache.measure.workload import Schedule

from .load_redis import redis

Row = tuple[str, ...]
RATE, SEED = 1_000, 1
PERCENTS = (50, 95, 99)


async def nothing(_index: int) -> str:
    """Answer at once."""
    return "hit"


@asynccontextmanager
async def stub() -> AsyncIterator[Operation]:
    """Open what answers at once."""
    yield nothing


def rate(seconds: float) -> Iterator[Row]:
    """Offered and achieved rate against a stub, at 1,000 requests a second."""
    yield "arrivals", "offered /s", "achieved /s", "share", "lag P99 ms", "valid"
    for name, schedule in (
        ("poisson", Schedule.poisson(RATE, seconds, seed=SEED)),
        ("constant", Schedule.constant(RATE, seconds)),
    ):
        result = asyncio.run(run_open_loop(schedule, nothing))
        achieved = result.achieved_rate / result.offered_rate
        shown = f"{result.offered_rate:.1f}", f"{result.achieved_rate:.1f}", f"{achieved:.4f}"
        yield name, *shown, f"{result.lag_ms_p99:.2f}", str(result.valid)


def lag(seconds: float) -> Iterator[Row]:
    """How late requests start, in ms, at 1,000 a second."""
    yield "mode", "P50", "P99", "largest"
    schedule = Schedule.poisson(RATE, seconds / 2, seed=SEED)
    for mode in ("plain", "precise"):
        result = asyncio.run(run_open_loop(schedule, nothing, precise=mode == "precise"))
        yield mode, *(f"{value:.4f}" for value in np.percentile(result.lag_ms, [50, 99, 100]))


def stall(_seconds: float) -> Iterator[Row]:
    """A stub of 1 ms that stands still for 2 s of 20 at 500 requests a second: response in ms."""
    yield "loop", "requests", "P50", "P95", "P99"
    closed = run_closed_loop(standing_still(), seconds=20)
    loops = {"open, poisson": run_open_loop(Schedule.poisson(500, 20, seed=SEED), standing_still()), "closed": closed}
    for name, load in loops.items():
        result = asyncio.run(load)
        yield name, f"{len(result.outcomes):,}", *(f"{result.percentile(percent).value:,.1f}" for percent in PERCENTS)


def standing_still() -> Operation:
    """Return what answers in 1 ms, but from its 8th to its 10th second nobody."""
    begun: list[float] = []

    async def operation(_index: int) -> str:
        now = asyncio.get_running_loop().time
        begun.append(now()) if not begun else None
        if 8 <= now() - begun[0] < 10:
            await asyncio.sleep(begun[0] + 10 - now())
        await asyncio.sleep(0.001)
        return "hit"

    return operation


def overhead(_seconds: float) -> Iterator[Row]:
    """Processor time of a request in µs, and how much more than that of a bare task; 100,000 requests, best of 5."""
    yield "what", "µs", "more"
    requests, schedule = 100_000, Schedule.constant(1e9, requests=100_000)
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "bare tasks": partial(bare_tasks, requests),
        "open loop": partial(run_open_loop, schedule, nothing),
        "with progress": partial(run_open_loop, schedule, nothing, progress=lambda _progress: None),
        "with a limit of 100": partial(run_open_loop, schedule, nothing, limit=100),
        "with a timeout": partial(run_open_loop, schedule, nothing, timeout=5),
    }
    costs = {name: min(processor_time(way) for _ in range(5)) / requests * 1e6 for name, way in ways.items()}
    for name, cost in costs.items():
        yield name, f"{cost:.2f}", f"{cost - costs['bare tasks']:.2f}"


async def bare_tasks(requests: int) -> None:
    """Do nothing in as many tasks."""
    async with asyncio.TaskGroup() as tasks:
        for index in range(requests):
            tasks.create_task(nothing(index))
            if index % 16 == 0:
                await asyncio.sleep(0)


def processor_time(way: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds of processor time that something takes."""

    async def run() -> float:
        begun = time.process_time()
        await way()
        return time.process_time() - begun

    return asyncio.run(run())


def drawing(_seconds: float) -> Iterator[Row]:
    """How long a schedule of a million requests for 10,000 keys takes to make and to hash, in seconds."""
    yield "arrivals", "keys", "digest"
    begun = time.perf_counter()
    schedule = Schedule.poisson(RATE, seed=SEED, requests=1_000_000)
    arrived = time.perf_counter()
    schedule = schedule.asking(Zipf(10_000), seed=SEED)
    asked = time.perf_counter()
    assert schedule.digest  # noqa: S101 - it is the time that counts
    yield tuple(f"{value:.2f}" for value in (arrived - begun, asked - arrived, time.perf_counter() - asked))


def workers(seconds: float) -> Iterator[Row]:
    """One schedule of 1,000 requests a second, by one process, four, and a Dask cluster of four."""
    yield "who", "requests", "outcomes", "achieved", "response P50 ms", "P95", "P99"
    schedule = Schedule.poisson(RATE, seconds / 4, seed=SEED)
    yield "this process", *shown(asyncio.run(run_open_loop(schedule, nothing)))
    yield "4 processes", *shown(asyncio.run(run_in_workers(schedule, stub)))
    from distributed import LocalCluster

    started = LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0")  # type: ignore[no-untyped-call] # theirs
    with started as cluster:
        yield "Dask cluster", *shown(asyncio.run(run_in_workers(schedule, stub, scheduler=cluster.scheduler_address)))


def shown(result: LoadResult) -> Row:
    """Return a result's figures."""
    achieved = f"{result.achieved_rate / result.offered_rate:.4f}"
    times = tuple(f"{result.percentile(percent).value:.3f}" for percent in PERCENTS)
    return f"{len(result.outcomes):,}", str(result.counts), achieved, *times


PARTS: dict[str, Callable[[float], Iterator[Row]]] = {
    part.__name__: part for part in (rate, lag, stall, overhead, drawing, workers, redis)
}


def main() -> None:
    """Measure what was asked for and print a table of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the longest run (60)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ClosedLoopWarning)  # it stands beside an open one here
    for name in options.only.split(","):
        if name not in PARTS:
            parser.error(f"there is no part {name}, only {', '.join(PARTS)}")
        sys.stdout.write(f"\n## {name}: {PARTS[name].__doc__}\n\n")
        for row in PARTS[name](options.seconds):
            sys.stdout.write("| " + " | ".join(row) + " |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
