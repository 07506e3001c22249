"""The process of one contender: does one task at a time, told over its pipe, and waits without working in between.

A line of JSON in, a line of JSON out. It runs among the peers' packages, so it imports nothing but msgspec at first.
"""

import asyncio
import gc
import inspect
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import distributions
from itertools import cycle, islice
from typing import Any

import msgspec

from .contenders import AsyncRead, Read
from .tasks import Answer, Cold, ColdDone, Failed, Hits, HitsDone, Ready, Task
from .values import VALUES, thawed

_MOST_CALLERS = 32


class Origin:
    """The slow truth: returns the value it was told to, after the time it was told to take, and counts."""

    def __init__(self) -> None:
        self.value: Any = None
        self.seconds = 0.0
        self.loads = 0
        self._lock = threading.Lock()

    def load(self, _key: str) -> Any:
        """Block for the time a load takes."""
        self._count()
        time.sleep(self.seconds)
        return self.value

    async def async_load(self, _key: str) -> Any:
        """Suspend for the time a load takes."""
        self._count()
        await asyncio.sleep(self.seconds)
        return self.value

    def _count(self) -> None:
        with self._lock:
            self.loads += 1


class BlockingCallers:
    """Threads that read: kept from task to task, because connections may belong to threads."""

    def __init__(self, opener: Callable[..., Read], url: str, origin: Origin) -> None:
        self._read = opener(url, origin.load)
        self._pool = ThreadPoolExecutor(_MOST_CALLERS)

    def read(self, key: str) -> Any:
        """Read once."""
        return self._read(key)

    def hits(self, task: Hits) -> tuple[list[list[float]], float, float]:
        """Return each caller's times, how long that took, and the processor time it cost."""
        clocks: list[tuple[float, float]] = []
        barrier = threading.Barrier(task.callers, lambda: clocks.append((time.perf_counter(), time.process_time())))

        def caller(key: str) -> list[float]:
            self._until(key, time.perf_counter() + task.warm_seconds)
            barrier.wait()
            return self._until(key, time.perf_counter() + task.seconds)

        if task.callers == 1:  # as a program without threads has it
            times = [caller(task.keys[0])]
        else:
            times = list(self._pool.map(caller, islice(cycle(task.keys), task.callers)))
        return times, time.perf_counter() - clocks[0][0], time.process_time() - clocks[0][1]

    def cold(self, task: Cold) -> list[float]:
        """Return when each caller had its value."""

        def caller() -> float:
            time.sleep(max(0.0, task.start - time.monotonic()))
            self._read(task.key)
            return time.monotonic() - task.start

        return [done.result() for done in [self._pool.submit(caller) for _ in range(task.callers)]]

    def _until(self, key: str, end: float) -> list[float]:
        times, now, read = [], time.perf_counter(), self._read
        while now < end:
            read(key)
            after = time.perf_counter()
            times.append(after - now)
            now = after
        return times


class AsyncCallers:
    """Tasks that read, on one event loop that stands still between tasks of the pipe."""

    def __init__(self, opener: Callable[..., Any], url: str, origin: Origin) -> None:
        self._runner = asyncio.Runner()
        self._read: AsyncRead = self._runner.run(opener(url, origin.async_load))

    def read(self, key: str) -> Any:
        """Read once."""

        async def once() -> Any:
            return await self._read(key)

        return self._runner.run(once())

    def hits(self, task: Hits) -> tuple[list[list[float]], float, float]:
        """Return each caller's times, how long that took, and the processor time it cost."""
        return self._runner.run(self._hits(task))

    def cold(self, task: Cold) -> list[float]:
        """Return when each caller had its value."""
        return self._runner.run(self._cold(task))

    async def _hits(self, task: Hits) -> tuple[list[list[float]], float, float]:
        await self._together(task, task.warm_seconds)
        start, cpu = time.perf_counter(), time.process_time()
        times = await self._together(task, task.seconds)
        return times, time.perf_counter() - start, time.process_time() - cpu

    async def _together(self, task: Hits, seconds: float) -> list[list[float]]:
        end = time.perf_counter() + seconds
        if task.callers == 1:
            return [await self._until(task.keys[0], end)]
        return await asyncio.gather(*(self._until(key, end) for key in islice(cycle(task.keys), task.callers)))

    async def _cold(self, task: Cold) -> list[float]:
        async def caller() -> float:
            await asyncio.sleep(max(0.0, task.start - time.monotonic()))
            await self._read(task.key)
            return time.monotonic() - task.start

        return await asyncio.gather(*(caller() for _ in range(task.callers)))

    async def _until(self, key: str, end: float) -> list[float]:
        times, now, read = [], time.perf_counter(), self._read
        while now < end:
            await read(key)
            after = time.perf_counter()
            times.append(after - now)
            now = after
        return times


def measure_hits(callers: BlockingCallers | AsyncCallers, origin: Origin, task: Hits) -> HitsDone:
    """Store the value, see that it comes back whole, and measure how long reading it takes."""
    origin.value, origin.seconds = VALUES[task.size], 0.0
    for key in task.keys:
        callers.read(key)
        if thawed(callers.read(key)) != origin.value:
            message = f"the value under {key} came back changed"
            raise ValueError(message)
    origin.loads = 0
    each, elapsed, cpu = callers.hits(task)
    times = sorted(time for times in each for time in times)
    return HitsDone(
        p50_us=times[len(times) // 2] * 1e6,
        p95_us=times[len(times) * 95 // 100] * 1e6,
        per_second=len(times) / elapsed,
        cpu_us=cpu / len(times) * 1e6,
        loads=origin.loads,
    )


def measure_cold(callers: BlockingCallers | AsyncCallers, origin: Origin, task: Cold) -> ColdDone:
    """Let all callers read a key that nobody has stored."""
    origin.value, origin.seconds, origin.loads = VALUES["1 KB"], task.load_seconds, 0
    return ColdDone(callers.cold(task), origin.loads)


def do(callers: BlockingCallers | AsyncCallers, origin: Origin, task: Task) -> Answer:
    """Do one task; a contender's failure is an answer too."""
    gc.collect()
    try:
        return measure_hits(callers, origin, task) if isinstance(task, Hits) else measure_cold(callers, origin, task)
    except Exception as error:  # noqa: BLE001 - the libraries raise what they like, and the harness must hear of it
        return Failed(f"{type(error).__name__}: {error}")


def main(place: str, url: str) -> None:
    """Connect a contender, then do what the pipe says until it closes."""
    module, _, name = place.partition(":")
    opener = getattr(import_module(f".contenders.{module}", __package__), name)
    origin = Origin()
    callers = (AsyncCallers if inspect.iscoroutinefunction(opener) else BlockingCallers)(opener, url, origin)
    answer: Answer = Ready({package.name: package.version for package in distributions()})
    while True:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        task: Task = msgspec.json.decode(line, type=Task)
        answer = do(callers, origin, task)


if __name__ == "__main__":
    main(*sys.argv[1:])
