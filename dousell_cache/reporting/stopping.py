"""Requests to stop: noted, so that a run can end in order, rather than obeyed on the spot."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether somebody asked the run to stop.

    Args:
        signum: by which signal; 0 for not at all.
    """

    signum: int = 0

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.signum != 0

    def ask(self, signum: int, _frame: FrameType | None) -> None:
        """Remember the first signal."""
        self.signum = self.signum or signum


@contextmanager
def stop_requests() -> Iterator[Stop]:
    """Note SIGTERM and SIGINT instead of dying of them. For a main thread: no other one may handle signals."""
    stop = Stop()
    former = {signum: signal.signal(signum, stop.ask) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for signum, handler in former.items():
            signal.signal(signum, handler)
