"""The clocks of the two faces. Flows never import this: a clock comes in with the call."""

import asyncio
import time


class BlockingClock:
    """The machine's monotonic clock; waiting blocks the thread."""

    now = staticmethod(time.monotonic)  # every hit asks twice: a function of ours around it would cost more than it

    async def sleep(self, seconds: float) -> None:
        """Block the thread for so many seconds."""
        time.sleep(seconds)  # noqa: ASYNC251 - it is meant to block


class AsyncClock:
    """The machine's monotonic clock; waiting suspends the task."""

    now = staticmethod(time.monotonic)  # every hit asks twice: a function of ours around it would cost more than it

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for so many seconds."""
        await asyncio.sleep(seconds)
