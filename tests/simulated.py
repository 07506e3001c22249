"""An event loop whose time is simulated: waiting takes no time, and is the same on any machine, however laden."""

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Instead of waiting, its clock moves on; beyond that it only does so by ``step`` seconds a turn.

    Args:
        step: for what asks the clock again and again until it is time.
        grain: waits last a multiple of this, as a system's do; 0 for exact ones.
    """

    def __init__(self, step: float = 1e-9, grain: float = 0.0) -> None:
        self.now = 0.0
        self._step, self._grain = step, grain
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the simulated time in seconds."""
        return self.now

    def wait(self, timeout: float | None) -> None:
        """Let a time pass."""
        assert timeout is not None, "everything waits for something that never comes"
        waited = math.ceil(timeout / self._grain) * self._grain if self._grain else timeout
        self.now += max(waited, self._step)

    def work(self, seconds: float) -> None:
        """Let the process be busy for so long: no other task runs meanwhile."""
        self.now += seconds


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.wait(timeout)
        return super().select(0)


def simulated(main: Coroutine[Any, Any, T], *, step: float = 1e-9, grain: float = 0.0) -> T:
    """Run a coroutine to its end in simulated time."""
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(step, grain)) as runner:
        return runner.run(main)
