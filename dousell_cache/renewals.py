"""Keep a lease while its loader runs: a renewal every third of it, behind the loader's back."""

import asyncio
import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from .runner import run_blocking

_SENDERS = 16  # at 60 ms a round trip enough for 260 loads at a time; a dead server holds up no other for long

logger = logging.getLogger("dousell_cache")

Renew = Callable[[], Coroutine[Any, Any, bool]]
"""Renews once, and returns whether to go on."""


class Renewals(Protocol):
    """Whatever calls back while a loader runs."""

    def keep(self, renew: Renew, seconds: float) -> Callable[[], None]:
        """Renew every so many seconds until the function that is returned is called."""
        ...


class ThreadRenewals:
    """Renewals of blocking loads: a thread for all of a process that keeps the times, and a few that send."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was kept, in a forked child, which has no threads."""
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, _Kept]] = []
        self._numbers = itertools.count()
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="dousell-cache renewal")
        self._runs = False

    def keep(self, renew: Renew, seconds: float) -> Callable[[], None]:
        """Renew every so many seconds until the function that is returned is called."""
        kept = _Kept(renew, seconds)
        with self._changed:
            self._push(kept)
            if not self._runs:
                with suppress(RuntimeError):  # no thread to be had: a load of more than a lease may then be one of two
                    threading.Thread(target=self._run, name="dousell-cache renewals", daemon=True).start()
                    self._runs = True
        return kept.end

    def _push(self, kept: "_Kept") -> None:
        heapq.heappush(self._due, (time.monotonic() + kept.seconds, next(self._numbers), kept))
        if self._due[0][2] is kept:
            self._changed.notify()

    def _run(self) -> None:
        while True:
            kept = self._next()
            with suppress(RuntimeError):  # the process is ending, or has no thread left
                self._senders.submit(self._renew, kept)

    def _renew(self, kept: "_Kept") -> None:
        try:
            goes_on = run_blocking(kept.renew())
        except Exception:
            logger.exception("a lease could not be renewed; it is tried again")
            goes_on = True
        if goes_on:
            with self._changed:
                self._push(kept)

    def _next(self) -> "_Kept":
        with self._changed:
            while True:
                while self._due and self._due[0][2].over:
                    heapq.heappop(self._due)
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)


RENEWALS = ThreadRenewals()
"""Those of this process."""

os.register_at_fork(after_in_child=RENEWALS.begin_anew)


class _Kept:
    """One load's lease, as long as the load runs."""

    __slots__ = ("over", "renew", "seconds")

    def __init__(self, renew: Renew, seconds: float) -> None:
        self.renew = renew
        self.seconds = seconds
        self.over = False

    def end(self) -> None:
        self.over = True


class TaskRenewals:
    """Renewals of asyncio loads: a task for each load that lasts that long."""

    def keep(self, renew: Renew, seconds: float) -> Callable[[], None]:
        """Renew every so many seconds until the function that is returned is called."""
        loop = asyncio.get_running_loop()
        running: list[asyncio.Task[None]] = []
        timer = loop.call_later(seconds, lambda: running.append(loop.create_task(_renew_on(renew, seconds))))

        def end() -> None:
            timer.cancel()
            for task in running:
                task.cancel()

        return end


async def _renew_on(renew: Renew, seconds: float) -> None:
    while await renew():  # noqa: ASYNC110 - there is nothing to be told of
        await asyncio.sleep(seconds)
