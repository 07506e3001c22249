"""Transports of either face, for tests of what they do: opened by a function, closed when the test is over."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def opening(build: Callable[..., T]) -> AsyncIterator[Callable[..., T]]:
    """Yield a function that builds transports as ``build`` does, and close them at the end."""
    opened: list[T] = []

    def open_(*args: Any, **options: Any) -> T:
        opened.append(build(*args, **options))
        return opened[-1]

    yield open_
    for transport in opened:
        await close(transport)


async def close(transport: Any) -> None:
    """Close a transport of either face."""
    closing = transport.close()
    if inspect.isawaitable(closing):
        await closing
