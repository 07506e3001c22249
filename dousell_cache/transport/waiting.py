"""Waiting for a connection to come free or to be opened, until a deadline: by a thread, and by a task.

Whoever stops waiting in the instant in which something is delivered puts it back for the next.
"""

import asyncio
from queue import Empty, SimpleQueue
from typing import Any

from .links import AsyncLink, BlockingLink, left
from .shelf import Outcome, Shelf


class Crowded(TimeoutError):
    """All connections there may be are in use by others of this process: that says nothing about the server."""


def _no_connection(shelf: Shelf[Any]) -> TimeoutError:
    message = "Timeout waiting for a connection"
    return Crowded(message) if shelf.crowded else TimeoutError(message)


def waited(shelf: Shelf[BlockingLink], deadline: float) -> BlockingLink:
    """Block the thread until there is a connection for it.

    Raises:
        TimeoutError: there was none before the deadline.
        Exception: what went wrong in opening one.
    """
    delivered = SimpleQueue[Outcome[BlockingLink]]()
    deliver = delivered.put
    shelf.wait(deliver)
    try:
        outcome = delivered.get(timeout=left(deadline))
    except BaseException as error:
        if not shelf.leave(deliver):
            _returned(shelf, delivered.get())
        if isinstance(error, Empty):
            raise _no_connection(shelf) from None
        raise
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def awaited(shelf: Shelf[AsyncLink], deadline: float) -> AsyncLink:
    """Suspend the task until there is a connection for it; see :func:`waited`."""
    delivered: asyncio.Future[Outcome[AsyncLink]] = asyncio.get_running_loop().create_future()

    def deliver(outcome: Outcome[AsyncLink]) -> None:
        if delivered.done():
            _returned(shelf, outcome)
        else:
            delivered.set_result(outcome)

    shelf.wait(deliver)
    try:
        async with asyncio.timeout(left(deadline)):
            outcome = await delivered
    except BaseException as error:
        if not shelf.leave(deliver) and not delivered.cancelled():
            _returned(shelf, delivered.result())
        if isinstance(error, TimeoutError):
            raise _no_connection(shelf) from None
        raise
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _returned(shelf: Shelf[Any], outcome: Outcome[Any]) -> None:
    if not isinstance(outcome, Exception):
        shelf.give(outcome)
