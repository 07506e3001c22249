"""The pace of who waits: never more than so many commands in any second."""

from collections import deque

from .transport.port import Clock

MOST_COMMANDS_A_SECOND = 5
"""What a caller that waits for another process may cost: promise 6."""


class Pace:
    """Hold one caller's commands to the price of waiting.

    Args:
        clock: time, and waiting.
        sent: how many commands the caller has just sent.
    """

    __slots__ = ("_clock", "_sent")

    def __init__(self, clock: Clock, sent: int = 0) -> None:
        self._clock = clock
        self._sent = deque([clock.now()] * sent, maxlen=MOST_COMMANDS_A_SECOND)

    async def may_send(self) -> bool:
        """Wait until another command keeps within the price, and return whether that took time."""
        early = self._sent[0] + 1 - self._clock.now() if len(self._sent) == MOST_COMMANDS_A_SECOND else 0.0
        if early > 0:
            await self._clock.sleep(early)
        self._sent.append(self._clock.now())
        return early > 0
