"""The process of one lock's contender: does one task at a time, told over its pipe, and does nothing in between.

A line of JSON in, a line of JSON out. A blocking contender is run by the same coroutines, which then never suspend.
"""

import asyncio
import gc
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from importlib.metadata import distributions
from typing import Any

import msgspec

from ..tasks import Failed, Ready
from .contenders import LONGEST_WAIT
from .tasks import (
    Alone,
    AloneDone,
    Answer,
    Contend,
    Contended,
    Ended,
    Enter,
    Grab,
    Grabbed,
    Grant,
    Held,
    Hold,
    Leave,
    Task,
    Tried,
    Try,
)

_TTL = 30.0


class Blocking:
    """Locks of a blocking library; many callers are threads, kept because connections may belong to threads."""

    def __init__(self, opener: Callable[[str], Any], url: str) -> None:
        self._opener, self._url = opener, url
        self._pool = ThreadPoolExecutor(16)

    async def open(self) -> None:
        """Connect anew."""
        self._lock = self._opener(self._url)

    async def enter(self, name: str, ttl: float, wait: bool) -> Any:
        """Get a lock; return what leaves it."""
        held = self._lock(name, ttl, wait)
        held.__enter__()
        return held

    async def leave(self, held: Any) -> None:
        """Give a lock back."""
        held.__exit__(None, None, None)

    async def alone(self, name: str, seconds: float) -> list[float]:
        """Return the seconds that each pair took."""
        times, now, lock = list[float](), time.perf_counter(), self._lock
        end = now + seconds
        while now < end or not times:
            with lock(name, _TTL, False):
                pass
            after = time.perf_counter()
            times.append(after - now)
            now = after
        return times

    async def contend(self, task: Contend) -> list[Grant]:
        """Let all callers have their grants."""
        callers = [self._pool.submit(self._caller, task) for _ in range(task.callers)]
        return [grant for caller in callers for grant in caller.result()]

    def _caller(self, task: Contend) -> list[Grant]:
        grants = []
        time.sleep(max(0.0, task.start - time.monotonic()))
        while (asked := time.monotonic()) < task.start + task.seconds:
            with self._lock(task.name, _TTL, True):
                granted = time.monotonic()
                time.sleep(task.hold)
                leaving = time.monotonic()
            grants.append(Grant(asked, granted, leaving))
            time.sleep(task.think)
        return grants


class Asynchronous:
    """Locks of an asyncio library; many callers are tasks of one event loop."""

    def __init__(self, opener: Callable[[str], Any], url: str) -> None:
        self._opener, self._url = opener, url

    async def open(self) -> None:
        """Connect anew."""
        self._lock = await self._opener(self._url)

    async def enter(self, name: str, ttl: float, wait: bool) -> Any:
        """Get a lock; return what leaves it."""
        held = self._lock(name, ttl, wait)
        await held.__aenter__()
        return held

    async def leave(self, held: Any) -> None:
        """Give a lock back."""
        await held.__aexit__(None, None, None)

    async def alone(self, name: str, seconds: float) -> list[float]:
        """Return the seconds that each pair took."""
        times, now, lock = list[float](), time.perf_counter(), self._lock
        end = now + seconds
        while now < end or not times:
            async with lock(name, _TTL, False):
                pass
            after = time.perf_counter()
            times.append(after - now)
            now = after
        return times

    async def contend(self, task: Contend) -> list[Grant]:
        """Let all callers have their grants."""
        each = await asyncio.gather(*(self._caller(task) for _ in range(task.callers)))
        return [grant for grants in each for grant in grants]

    async def _caller(self, task: Contend) -> list[Grant]:
        grants = []
        await asyncio.sleep(max(0.0, task.start - time.monotonic()))
        while (asked := time.monotonic()) < task.start + task.seconds:
            async with self._lock(task.name, _TTL, True):
                granted = time.monotonic()
                await asyncio.sleep(task.hold)
                leaving = time.monotonic()
            grants.append(Grant(asked, granted, leaving))
            await asyncio.sleep(task.think)
        return grants


class Worker:
    """Does tasks with the locks of one contender.

    Args:
        locks: of either face.
    """

    def __init__(self, locks: Blocking | Asynchronous) -> None:
        self._locks = locks
        self._opened = False
        self._held: Any = None

    async def do(self, task: Task) -> Answer:
        """Do one task."""
        if isinstance(task, Hold):
            return _hold(self._locks, task)
        if not self._opened or (isinstance(task, Try) and task.anew):
            await self._locks.open()
            self._opened = True
        if isinstance(task, Alone):
            return await self._alone(task)
        if isinstance(task, Contend):
            cpu = time.process_time()
            return Contended(await self._locks.contend(task), time.process_time() - cpu)
        if isinstance(task, Grab):
            held = await self._locks.enter(task.name, task.ttl, True)
            granted = time.monotonic()
            await self._locks.leave(held)
            return Grabbed(granted)
        return await (self._try(task) if isinstance(task, Try) else self._step(task))

    async def _alone(self, task: Alone) -> AloneDone:
        if task.warm_seconds:
            await self._locks.alone(task.name, task.warm_seconds)
        gc.collect()
        cpu = time.process_time()
        times = sorted(await self._locks.alone(task.name, task.seconds))
        cpu = time.process_time() - cpu
        return AloneDone(
            p50_us=times[len(times) // 2] * 1e6,
            p95_us=times[len(times) * 95 // 100] * 1e6,
            cpu_us=cpu / len(times) * 1e6,
            pairs=len(times),
        )

    async def _try(self, task: Try) -> Tried:
        seconds, endings, bodies = list[float](), list[str](), 0
        for _ in range(task.count):
            time.sleep(task.pause)  # noqa: ASYNC251 - nobody else is on the loop
            started, ending = time.perf_counter(), "granted"
            try:
                held = await self._locks.enter(task.name, _TTL, False)
                bodies += 1
                await self._locks.leave(held)
            except Exception as error:  # noqa: BLE001 - the libraries raise what they like: that is what is asked
                ending = type(error).__name__
            seconds.append(time.perf_counter() - started)
            endings.append(ending)
        return Tried(seconds, endings, bodies)

    async def _step(self, task: Enter | Leave) -> Ended:
        try:
            if isinstance(task, Enter):
                self._held = await self._locks.enter(task.name, task.ttl, False)
            else:
                await self._locks.leave(self._held)
        except Exception as error:  # noqa: BLE001 - as above
            return Ended(type(error).__name__)
        return Ended("")


def _hold(locks: Blocking | Asynchronous, task: Hold) -> Held:
    """Fork, because starting Python takes as long as the lock is held; this process itself never connects."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed leaves nothing behind
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run(_keep(locks, task, theirs), locks)
        os._exit(1)
    os.close(theirs)
    with open(ours, "rb") as told:  # noqa: PTH123 - a descriptor
        asked, granted = msgspec.json.decode(told.readline(), type=tuple[float, float])
    return Held(asked, granted, pid)


async def _keep(locks: Blocking | Asynchronous, task: Hold, pipe: int) -> None:
    await locks.open()
    await locks.leave(await locks.enter(f"{task.name}:warm", task.ttl, True))
    asked = time.monotonic()
    _held = await locks.enter(task.name, task.ttl, True)  # some give back what nobody refers to
    os.write(pipe, msgspec.json.encode((asked, time.monotonic())) + b"\n")
    time.sleep(LONGEST_WAIT)  # noqa: ASYNC251 - until killed


async def serve(locks: Blocking | Asynchronous) -> None:
    """Do what the pipe says until it closes. The loop stands still between two tasks."""
    worker = Worker(locks)
    _say(Ready({package.name: package.version for package in distributions()}))
    while line := sys.stdin.readline():
        task: Task = msgspec.json.decode(line, type=Task)
        try:
            _say(await worker.do(task))
        except Exception as error:  # noqa: BLE001 - a contender's failure is an answer too
            _say(Failed(f"{type(error).__name__}: {error}"))


def _say(answer: Answer | Ready | Failed) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


def _run(work: Coroutine[Any, Any, None], locks: Blocking | Asynchronous) -> None:
    if isinstance(locks, Asynchronous):
        asyncio.run(work)
    else:
        with suppress(StopIteration):
            work.send(None)


def main(place: str, url: str) -> None:
    """Connect a contender when it is first needed, then do what the pipe says."""
    module, _, name = place.partition(":")
    opener = getattr(import_module(f".contenders.{module}", __package__), name)
    locks = (Asynchronous if inspect.iscoroutinefunction(opener) else Blocking)(opener, url)
    _run(serve(locks), locks)


if __name__ == "__main__":
    main(*sys.argv[1:])
