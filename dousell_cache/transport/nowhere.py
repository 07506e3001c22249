"""Degraded mode: no cache at all. Every read goes to the loader, and there is never anything to withdraw."""

from typing import Literal

from ..errors import CacheUnavailable
from .port import Argument, CannotBlock, Reply


def _answer(command: tuple[Argument, ...]) -> Reply:
    if command[0] == "DEL":
        return 0
    if command[0] == "SCAN":
        return [b"0", []]
    raise CacheUnavailable("degraded mode: there is no cache here")


class BlockingNowhere(CannotBlock):
    """Stand where a blocking transport would."""

    blocking: Literal[True] = True

    async def send(self, *command: Argument) -> Reply:
        """Refuse everything but deletions, and the search for what to delete."""
        return _answer(command)

    def close(self) -> None:
        """Do nothing."""


class AsyncNowhere(CannotBlock):
    """Stand where an asyncio transport would."""

    blocking: Literal[False] = False

    async def send(self, *command: Argument) -> Reply:
        """Refuse everything but deletions, and the search for what to delete."""
        return _answer(command)

    async def close(self) -> None:
        """Do nothing."""
