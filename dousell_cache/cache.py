"""The two faces: ``Cache`` for blocking code, ``AsyncCache`` for asyncio. Same names, same flows."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from . import flows
from .clocks import MonotonicClock
from .entries import checked_type
from .environments import Environment
from .errors import ConfigurationError
from .events import Counters, Observer, Observers, Tally
from .policy import Ttl, checked_key, ttl_ms
from .runner import run_blocking
from .store import Store
from .transport.connect import Place, async_transport, blocking_transport, locate
from .transport.port import AsyncTransport, BlockingTransport, Port

T = TypeVar("T")


class _Face:
    """What both faces share: where the cache is, and who watches."""

    def __init__(self, port: Port, place: Place, namespace: str) -> None:
        self._port = port
        self._place = place
        self._namespace = namespace
        self._clock = MonotonicClock()
        self._tally = Tally()
        self._observers = Observers()
        self._observers.subscribe(self._tally)

    @property
    def environment(self) -> Environment:
        """Where the code runs and which cache it found."""
        return self._place.environment

    @property
    def namespace(self) -> str:
        """What stands before every key on the server."""
        return self._namespace

    def counters(self) -> Counters:
        """Return how reads ended and what they cost so far, in this process, in all and for each key family."""
        return self._tally.counters()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Hand every event to an observer and return the function that ends it.

        Args:
            observer: takes one frozen event (see :mod:`dousell_cache.events`); runs in the caller's thread.
        """
        return self._observers.subscribe(observer)

    def _call(self) -> flows.Call:
        return flows.Call(Store(self._port, self._namespace), self._clock, self._observers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.environment!r}, namespace={self._namespace!r})"


class Cache(_Face):
    """A cache-aside for blocking code; one instance serves all threads. Made by :func:`connect`.

    Args:
        transport: a blocking transport.
        place: the environment it reaches.
        namespace: put before every key, as it is.
    """

    def __init__(self, transport: BlockingTransport, place: Place, namespace: str = "") -> None:
        if not transport.blocking:
            message = "Cache needs a blocking transport; AsyncCache takes the asyncio ones"
            raise ConfigurationError(message)
        super().__init__(transport, place, namespace)
        self._transport = transport

    def get_or_set(self, key: str, loader: Callable[[], T], *, ttl: Ttl, type: Any = Any) -> T:
        """Return the value under a key; when there is none, call the loader and store what it returns.

        The value comes back as JSON stores it, from a miss as from a hit: a tuple is a list, a date without ``type`` is
        text. When the cache cannot serve, the loader answers.

        Args:
            key: a non-empty string.
            loader: takes nothing, reads the origin, returns the value; ``None`` is a value like any other.
            ttl: how long the value may be served: seconds or a timedelta, 1 ms to 10 years.
            type: what the value is, for JSON to be read back as: a dataclass, a msgspec Struct, ``list[date]``, …

        Returns:
            The value.

        Raises:
            ValueError: key, ttl or type makes no sense.
            EncodingError: the loader's value has no JSON form or does not fit ``type``.
            Exception: whatever the loader raised; nothing is stored then.
        """
        milliseconds, key, form = ttl_ms(ttl), checked_key(key), checked_type(type)
        flow = flows.get_or_set(self._call(), key, _blocking_loader(loader), milliseconds, form)
        return cast("T", run_blocking(flow))

    def get(self, key: str, *, type: Any = Any) -> Any:
        """Return the value under a key, or ``MISSING``, also when the cache cannot serve."""
        return run_blocking(flows.get(self._call(), checked_key(key), checked_type(type)))

    def set(self, key: str, value: object, *, ttl: Ttl) -> bool:
        """Store a value and return whether the server took it; a cache that cannot serve does not.

        Raises:
            ValueError: key or ttl makes no sense.
            EncodingError: the value has no JSON form.
        """
        milliseconds = ttl_ms(ttl)
        return run_blocking(flows.put(self._call(), checked_key(key), value, milliseconds))

    def delete(self, key: str) -> bool:
        """Delete one key and return whether it was there.

        Raises:
            CacheUnavailable: the server did not confirm.
        """
        return self.invalidate(key) == 1

    def invalidate(self, *keys: str) -> int:
        """Withdraw keys in one command, whatever their number, and return how many were there.

        Raises:
            CacheUnavailable: the server did not confirm, so the old values may still be served.
        """
        return run_blocking(flows.invalidate(self._call(), tuple(checked_key(key) for key in keys)))

    def ping(self) -> float:
        """Return the seconds that one round trip to the server takes.

        Raises:
            CacheUnavailable: no server answered within patience.
        """
        return run_blocking(flows.ping(self._call()))

    def close(self) -> None:
        """Close the connections, and an embedded server that nobody else uses."""
        try:
            self._transport.close()
        finally:
            self._place.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncCache(_Face):
    """A cache-aside for asyncio; one instance serves all tasks of a loop. Made by :func:`connect_async`.

    Its methods are those of :class:`Cache`, awaited.

    Args:
        transport: an asyncio transport.
        place: the environment it reaches.
        namespace: put before every key, as it is.
    """

    def __init__(self, transport: AsyncTransport, place: Place, namespace: str = "") -> None:
        if transport.blocking:
            message = "AsyncCache needs an asyncio transport: a blocking one would stall every task of the loop"
            raise ConfigurationError(message)
        super().__init__(transport, place, namespace)
        self._transport = transport

    @overload
    async def get_or_set(self, key: str, loader: Callable[[], Awaitable[T]], *, ttl: Ttl, type: Any = Any) -> T: ...

    @overload
    async def get_or_set(self, key: str, loader: Callable[[], T], *, ttl: Ttl, type: Any = Any) -> T: ...

    async def get_or_set(self, key: str, loader: Callable[[], Any], *, ttl: Ttl, type: Any = Any) -> Any:
        """Return the value under a key; when there is none, call the loader and store what it returns.

        As :meth:`Cache.get_or_set`. What the loader returns is awaited if it can be; a loader that blocks belongs in
        ``asyncio.to_thread``.
        """
        milliseconds, key, form = ttl_ms(ttl), checked_key(key), checked_type(type)
        return await flows.get_or_set(self._call(), key, _async_loader(loader), milliseconds, form)

    async def get(self, key: str, *, type: Any = Any) -> Any:
        """Return the value under a key, or ``MISSING``, also when the cache cannot serve."""
        return await flows.get(self._call(), checked_key(key), checked_type(type))

    async def set(self, key: str, value: object, *, ttl: Ttl) -> bool:
        """Store a value and return whether the server took it; see :meth:`Cache.set`."""
        milliseconds = ttl_ms(ttl)
        return await flows.put(self._call(), checked_key(key), value, milliseconds)

    async def delete(self, key: str) -> bool:
        """Delete one key and return whether it was there; see :meth:`Cache.delete`."""
        return await self.invalidate(key) == 1

    async def invalidate(self, *keys: str) -> int:
        """Withdraw keys in one command and return how many were there; see :meth:`Cache.invalidate`."""
        return await flows.invalidate(self._call(), tuple(checked_key(key) for key in keys))

    async def ping(self) -> float:
        """Return the seconds that one round trip to the server takes; see :meth:`Cache.ping`."""
        return await flows.ping(self._call())

    async def close(self) -> None:
        """Close the connections, and an embedded server that nobody else uses."""
        try:
            await self._transport.close()
        finally:
            self._place.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(target: str | Environment | None = None, *, namespace: str = "", patience: float | None = None) -> Cache:
    """Find the cache that belongs to this environment and return the blocking face of it.

    Nothing is sent yet, but that a laptop's ``localhost:6379`` is tried and, when nothing listens, an embedded Valkey
    started (shared with this user's other processes, gone with the last of them).

    Args:
        target: None to ask the environment variables; a ``redis://`` URL; ``"embedded"``; an :class:`Environment`.
        namespace: put before every key, as it is; default none, so that other code reads the same keys.
        patience: seconds that connecting, or waiting for a piece of a reply, may take; default 0.1 over TCP, 0.5 over
            REST.

    Raises:
        ConfigurationError: a variable or the target makes no sense; the message names it.
    """
    place = locate(target)
    try:
        return Cache(blocking_transport(place.environment, patience), place, namespace)
    except BaseException:
        place.release()
        raise


async def connect_async(
    target: str | Environment | None = None, *, namespace: str = "", patience: float | None = None
) -> AsyncCache:
    """Find the cache that belongs to this environment and return the asyncio face of it; see :func:`connect`."""
    place = await asyncio.to_thread(locate, target)
    try:
        return AsyncCache(async_transport(place.environment, patience), place, namespace)
    except BaseException:
        place.release()
        raise


def _blocking_loader(loader: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    async def load() -> T:
        value = loader()
        if inspect.iscoroutine(value):
            value.close()
            message = "the loader is asynchronous: use AsyncCache, from connect_async()"
            raise ConfigurationError(message)
        return value

    return load


def _async_loader(loader: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        value = loader()
        return await value if inspect.isawaitable(value) else value

    return load
