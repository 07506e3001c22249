"""Degraded mode: no cache at all. Every read goes to the loader, and there is never anything to withdraw."""

import math
from typing import Literal

from ..errors import CacheUnavailable
from .port import Argument, CannotBlock, Reply


def _answer(command: tuple[Argument, ...]) -> Reply:
    if command[0] == "DEL":
        return 0
    if command[0] == "SCAN":
        return [b"0", []]
    raise CacheUnavailable("degraded mode: there is no cache here", answered=True)


class BlockingNowhere(CannotBlock):
    """Stand where a blocking transport would."""

    blocking: Literal[True] = True
    patience: float = math.inf

    async def send(self, *command: Argument) -> Reply:
        """Refuse everything but deletions, and the search for what to delete."""
        return _answer(command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:  # noqa: ARG002 - nothing takes time here
        """Refuse as :meth:`send` does."""
        return _answer(command)

    def close(self) -> None:
        """Do nothing."""


class AsyncNowhere(CannotBlock):
    """Stand where an asyncio transport would."""

    blocking: Literal[False] = False
    patience: float = math.inf

    async def send(self, *command: Argument) -> Reply:
        """Refuse everything but deletions, and the search for what to delete."""
        return _answer(command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:  # noqa: ARG002 - nothing takes time here
        """Refuse as :meth:`send` does."""
        return _answer(command)

    async def close(self) -> None:
        """Do nothing."""
