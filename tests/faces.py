"""The two faces of the cache as one: what tests use to speak to both."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Unpack
from uuid import uuid4

from dousell_cache import (
    AsyncCache,
    Cache,
    connect,
    connect_async,
)
from dousell_cache.connecting import Options
from dousell_cache.environments import Environment
from dousell_cache.events import Counters, Event

FACES = ["blocking", "asyncio"]


class Face:
    """Either face, awaited: so that one test speaks to both."""

    def __init__(self, cache: Cache | AsyncCache) -> None:
        self.cache = cache

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.cache, name)

        async def call(*args: Any, **options: Any) -> Any:
            answer = method(*args, **options)
            return await answer if inspect.isawaitable(answer) else answer

        return call

    def counters(self) -> Counters:
        """Return the cache's counters."""
        return self.cache.counters()

    def record(self) -> list[Event]:
        """Return a list that events are added to from now on."""
        events = list[Event]()
        self.cache.subscribe(events.append)
        return events

    async def send(self, *command: Any) -> Any:
        """Send a command past the cache, as another program would."""
        return await self.cache._port.send(*command)


async def open_face(
    face: str, target: str | Environment, patience: float = 5, namespace: str = "", **options: Unpack[Options]
) -> Face:
    """Connect one face, under a namespace of its own unless it is given one."""
    where = namespace or f"test-{uuid4().hex}:"
    if face == "blocking":
        return Face(await asyncio.to_thread(connect, target, namespace=where, patience=patience, **options))
    return Face(await connect_async(target, namespace=where, patience=patience, **options))


class Loader:
    """A loader that counts its calls and returns a value, or raises it.

    Args:
        value: what it returns.
        meanwhile: what happens while it loads.
    """

    def __init__(self, value: object, meanwhile: Callable[[], object] | None = None) -> None:
        self.value = value
        self.meanwhile = meanwhile
        self.calls = 0

    def __call__(self) -> object:
        """Load once more."""
        self.calls += 1
        if self.meanwhile:
            self.meanwhile()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


@dataclass
class Visit:
    """A row with a date."""

    id: int
    day: date
