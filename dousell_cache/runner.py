"""The blocking face of a flow: one step is all it takes when nothing suspends."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_blocking(flow: Coroutine[Any, Any, T]) -> T:
    """Run a flow over a blocking transport to its end and return what it returns.

    No event loop is started, so this also works inside one, a notebook's for instance.

    Raises:
        RuntimeError: the flow suspended, which means that it was given something asynchronous.
    """
    try:
        flow.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    flow.close()
    message = "a blocking flow suspended: it was given an asyncio transport or an async loader"
    raise RuntimeError(message)
