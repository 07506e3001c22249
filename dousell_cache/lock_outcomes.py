"""Run a body under a lock, and say how that came out instead of raising."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from .errors import ConfigurationError, LockBusy, LockLost, LockUnavailable
from .locks import AsyncLock, Lock

T = TypeVar("T")

_LONGEST_DELAY = 60  # beyond, it is milliseconds by mistake


@dataclass(frozen=True, slots=True)
class LockOutcome(Generic[T]):
    """How a body that needed a lock came out.

    Args:
        success: whether it ran, and was alone.
        value: what it returned; None if it did not run. It is there also if the lock was lost meanwhile.
        reason: why not: somebody else has the lock; nobody can say who has it; it was lost while the body ran.
    """

    success: bool
    value: T | None = None
    reason: Literal["busy", "unavailable", "lost"] | None = None


def with_lock(
    lock: Lock, body: Callable[[], T], retries: int, delay: float, sleep: Callable[[float], object]
) -> LockOutcome[T]:
    """Run a body under a lock, if it can be had; see :meth:`Cache.with_lock`."""
    for tried in range(retries + 1):
        if tried:
            sleep(delay)
        entered, over, value = False, False, None
        try:
            with lock:
                entered = True
                value = _finished(body())
                over = True
            return LockOutcome(success=True, value=value)
        except _REFUSALS as error:
            if _is_the_bodys(error, entered=entered, over=over):
                raise
            if not isinstance(error, LockBusy):
                return _refused(error, value)
    return LockOutcome(success=False, reason="busy")


def _finished(value: T) -> T:
    """Return what a body returned, if it has run."""
    if inspect.iscoroutine(value):
        value.close()
        message = "the body is asynchronous: use AsyncCache, from connect_async()"
        raise ConfigurationError(message)
    return value


async def with_lock_async(lock: AsyncLock, body: Callable[[], Any], retries: int, delay: float) -> LockOutcome[Any]:
    """Run a body under a lock, if it can be had; see :meth:`AsyncCache.with_lock`."""
    for tried in range(retries + 1):
        if tried:
            await asyncio.sleep(delay)
        entered, over, value = False, False, None
        try:
            async with lock:
                entered = True
                value = body()
                value = await value if inspect.isawaitable(value) else value
                over = True
            return LockOutcome(success=True, value=value)
        except _REFUSALS as error:
            if _is_the_bodys(error, entered=entered, over=over):
                raise
            if not isinstance(error, LockBusy):
                return _refused(error, value)
    return LockOutcome(success=False, reason="busy")


_REFUSALS = (LockBusy, LockUnavailable, LockLost)


def _is_the_bodys(error: Exception, *, entered: bool, over: bool) -> bool:
    """Tell whether a body raised this of another lock: ours is refused before it, or lost by the end of it."""
    return entered and not (over and isinstance(error, LockLost))


def _refused(error: Exception, value: T | None) -> LockOutcome[T]:
    return LockOutcome(success=False, value=value, reason="lost" if isinstance(error, LockLost) else "unavailable")


def checked_tries(body: object, retries: int, delay: float) -> None:
    """Refuse a body that cannot run, and tries that make no sense.

    Raises:
        ValueError: one of them makes no sense; the message names it.
    """
    if not callable(body):
        message = f"the body must be a function, not {body!r}"
        raise ConfigurationError(message)
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        message = f"retries must be a whole number, 0 or more, not {retries!r}"
        raise ConfigurationError(message)
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not 0 <= delay <= _LONGEST_DELAY:
        message = f"delay must be seconds, from 0 to {_LONGEST_DELAY}, not {delay!r}"
        raise ConfigurationError(message)
