"""The flows: what a call does, step by step, written once for both faces.

A flow touches a server through its store and time through its clock; it imports no client, no clock and no asyncio. A
cache that cannot serve never stops a read: the loader answers, and the read counts as a bypass.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from . import entries
from .errors import CacheError, CommandRefused, EncodingError
from .events import Event, Invalidation, Outcome, Read, Write
from .store import Store
from .transport.port import Clock


class Missing:
    """The type of :data:`MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # a copy, or what comes out of a pickle, is the one there is


MISSING: Final = Missing()
"""No value, as the answer to ``get``: ``None`` is a value like any other."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one call of a flow works with."""

    store: Store
    clock: Clock
    emit: Callable[[Event], None]


async def get_or_set(call: Call, key: str, load: Callable[[], Awaitable[Any]], ttl_ms: int, type_: Any = Any) -> Any:
    """Return the value under a key; load and store it when there is none."""
    reading = _Reading(call, key)
    entry, serving = await _read(call.store, key, type_)
    if entry is not None:
        reading.ended("hit")
        return entry.value
    # The lease of promises 1 and 2 belongs here: granted before the load, checked by the write.
    loaded = await _load(reading, load, type_)
    serving = serving and await _write(call.store, key, loaded.stored, ttl_ms)
    reading.ended("miss" if serving else "bypass", loaded.seconds)
    return loaded.value


async def get(call: Call, key: str, type_: Any = Any) -> Any:
    """Return the value under a key, or MISSING; a cache that cannot serve has nothing."""
    reading = _Reading(call, key)
    entry, serving = await _read(call.store, key, type_)
    if entry is not None:
        reading.ended("hit")
        return entry.value
    reading.ended("miss" if serving else "bypass")
    return MISSING


async def put(call: Call, key: str, value: object, ttl_ms: int) -> bool:
    """Store a value; return whether the server took it."""
    started = call.clock.now()
    stored = await _write(call.store, key, entries.encode(value), ttl_ms)
    call.emit(Write(key, stored, call.clock.now() - started, call.store.commands))
    return stored


async def invalidate(call: Call, keys: tuple[str, ...]) -> int:
    """Withdraw keys, all in one command, and return how many were there.

    Raises:
        CacheUnavailable: the server did not confirm; the old values may still be served.
    """
    if not keys:
        return 0
    started = call.clock.now()
    delivered = False
    try:
        deleted = await call.store.delete(keys)
        delivered = True
    finally:
        call.emit(Invalidation(keys, delivered, call.clock.now() - started, call.store.commands))
    return deleted


async def ping(call: Call) -> float:
    """Return the seconds of one round trip.

    Raises:
        CacheUnavailable: no server answered.
    """
    started = call.clock.now()
    await call.store.ping()
    return call.clock.now() - started


class _Reading:
    """One read under way: knows when it began, says how it ended."""

    __slots__ = ("_started", "call", "key")

    def __init__(self, call: Call, key: str) -> None:
        self.call = call
        self.key = key
        self._started = call.clock.now()

    def ended(self, outcome: Outcome, load_seconds: float = 0.0) -> None:
        seconds = self.call.clock.now() - self._started
        self.call.emit(Read(self.key, outcome, seconds, load_seconds, self.call.store.commands))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What a loader returned: as stored, as every reader will see it, and how long it took."""

    stored: bytes
    value: Any
    seconds: float


async def _read(store: Store, key: str, type_: Any) -> tuple[entries.Entry[Any] | None, bool]:
    """Return the entry, if any, and whether the cache can serve: an unreadable cache never stops a read."""
    try:
        return await store.read(key, type_), True
    except CacheError as error:
        # WRONGTYPE: the server is well, but what lies there is none of ours.
        return None, isinstance(error, CommandRefused) and error.code == "WRONGTYPE"


async def _write(store: Store, key: str, stored: bytes, ttl_ms: int) -> bool:
    """Return whether the server took the entry."""
    try:
        await store.write(key, stored, ttl_ms)
    except CacheError:
        return False
    return True


async def _load(reading: _Reading, load: Callable[[], Awaitable[Any]], type_: Any) -> _Loaded:
    started = reading.call.clock.now()
    try:
        value = await load()
        seconds = reading.call.clock.now() - started
        stored = entries.encode(value, seconds * 1000)
        return _Loaded(stored, _as_stored(stored, type_), seconds)
    except BaseException:
        reading.ended("error", reading.call.clock.now() - started)
        raise


def _as_stored(stored: bytes, type_: Any) -> Any:
    entry = entries.decode(stored, type_)
    if entry is None:
        message = f"the loader's value does not fit type={type_!r}, so every later read of it would miss"
        raise EncodingError(message)
    return entry.value
