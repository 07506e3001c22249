"""How each read of a load was answered: told by the cache's own events, kept apart by task."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..async_cache import AsyncCache
from ..events import Event, Read

# Each request of a load is a task, and a task's context is its own: the last outcome set in it is its read's.
_OUTCOME: ContextVar[str] = ContextVar("outcome", default="error")


@contextmanager
def outcomes(cache: AsyncCache) -> Iterator[Callable[[], str]]:
    """Watch a cache, and yield what tells how the last read of the calling task was answered.

    Args:
        cache: watched until the block is left.
    """
    unsubscribe = cache.subscribe(_note)
    try:
        yield _OUTCOME.get
    finally:
        unsubscribe()


def _note(event: Event) -> None:
    if isinstance(event, Read):
        _OUTCOME.set(event.outcome)
