"""Why a run ends before its time: noted, so that it can end in order, rather than obeyed on the spot."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal


@dataclass(frozen=True)
class Halt:
    """Why a run ends before its time.

    Args:
        status: that of the environments which it cuts short.
        reason: in one line.
    """

    status: Literal["interrupted", "timeout"]
    reason: str


Watch = Callable[[], Halt | None]
"""Asked ten times a second whether the run has to end, and why."""

_SIGNALLED = Halt("interrupted", "the run was stopped")


def time_limit(seconds: float) -> Watch:
    """Return what ends a run that many seconds from now."""
    deadline = time.monotonic() + seconds
    halt = Halt("timeout", f"the run's time limit of {seconds:g} s was over")
    return lambda: halt if time.monotonic() >= deadline else None


@dataclass
class Stop:
    """Whether the run has to end, and why; the first reason counts.

    Args:
        watches: asked each time.
        signum: the signal that asked for it; 0 for none.
        halt: the reason; None while there is none.
    """

    watches: Sequence[Watch] = ()
    signum: int = 0
    halt: Halt | None = None

    def __call__(self) -> Halt | None:
        """Return why to stop; None to go on."""
        for watch in self.watches:
            self.halt = self.halt or watch()
        return self.halt

    def ask(self, signum: int, _frame: FrameType | None) -> None:
        """Remember a signal."""
        if self.halt is None:
            self.signum, self.halt = signum, _SIGNALLED


@contextmanager
def stop_requests(watches: Sequence[Watch] = ()) -> Iterator[Stop]:
    """Note SIGTERM and SIGINT instead of dying of them. For a main thread: no other one may handle signals.

    Args:
        watches: what else may end the run.
    """
    stop = Stop(watches)
    former = {signum: signal.signal(signum, stop.ask) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for signum, handler in former.items():
            signal.signal(signum, handler)
