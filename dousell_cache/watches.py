"""Watch over a lock while its body runs: a thread, or a task, of its own, which is over before its release returns."""

import asyncio
import threading

from .hold import Hold
from .locking import watch
from .runner import run_blocking

_LONGEST = 2  # patiences that a renewal may take, on a laden machine


def _is_needed(hold: Hold) -> bool:
    return hold.terms.renew or hold.untold != [None]


class ThreadWatch:
    """Watch over a lock of blocking code.

    Args:
        hold: the lock.
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._stop: threading.Event | None = None  # made only if it is needed: most locks are not watched
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if _is_needed(self._hold):
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name="dousell-cache lock", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End: nothing is sent any more once this has returned."""
        if self._stop and self._thread:
            self._stop.set()
            if self._thread.is_alive() and not self._hold.telling:  # ``on_lost`` may take its time, or let go itself
                self._thread.join(_LONGEST * self._hold.patience)

    def _run(self, stop: threading.Event) -> None:
        pause: float | None = 0.0
        while pause is not None and not stop.wait(pause):
            pause = run_blocking(watch(self._hold))


class TaskWatch:
    """Watch over a lock of asyncio code.

    Args:
        hold: the lock.
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if _is_needed(self._hold):
            self._task = asyncio.get_running_loop().create_task(self._run(), name="dousell-cache lock")

    async def stop(self) -> None:
        """End: nothing is sent any more once this has returned."""
        self._stop.set()
        if self._task and not self._hold.telling:  # ``on_lost`` may take its time, or let go itself
            await asyncio.wait({self._task}, timeout=_LONGEST * self._hold.patience)

    async def _run(self) -> None:
        pause: float | None = 0.0
        while pause is not None and not await self._stopped(pause):
            pause = await watch(self._hold)

    async def _stopped(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stop.wait()
        except TimeoutError:
            return False
