"""The staleness probe: a few hits are compared with the origin, behind everybody's back.

A cache that serves old data looks healthy: its hits are many and quick. So a fraction of a process's hits is looked up
once more, the value loaded from the origin and the two compared, in a thread or task of the probe's own. Only what
differs, and still does after a moment, is called stale: a writer changes the origin first and invalidates then, and a
hit in between is not yet a broken promise. A comparison costs two commands and a load; no reader ever waits for one.

This module imports the core alone, so that a service can carry it.
"""

import asyncio
import inspect
import logging
import queue
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from ..async_cache import AsyncCache
from ..cache import Cache
from ..context import MISSING
from ..errors import ConfigurationError
from ..events import Event, Read, family
from ..explaining import Explanation
from ..runner import run_blocking

Verdict = Literal["same", "stale", "unknown"]

_WAITING = 100  # hits that may wait to be compared; more are let go
_STOP = ""  # no key

LEAVE_SECONDS = 5.0
"""Seconds that leaving a block waits for a comparison under way: half of what Docker gives a process that stops."""

logger = logging.getLogger("dousell_cache")


@dataclass(frozen=True, slots=True)
class Compared:
    """A hit that was compared with the origin.

    Args:
        key: the hit's.
        verdict: ``stale``: the two differ, and did again a moment later; ``unknown``: the origin failed, or the entry
            was replaced or gone before it could be judged.
        age: seconds since the entry was stored, of a stale one; None if nobody can tell.
    """

    key: str
    verdict: Verdict
    age: float | None = None


async def compare(
    key: str,
    peek: Callable[[str], Awaitable[Explanation]],
    load: Callable[[str], Awaitable[Any]],
    settle: Callable[[], Awaitable[None]],
) -> Compared:
    """Compare what the cache holds under a key with the origin.

    Args:
        key: the key.
        peek: looks at the cache without counting a read.
        load: reads the origin.
        settle: waits as long as a writer may take from its change to its invalidation, or raises to end it here.
    """
    before = await peek(key)
    if before.value is MISSING or before.outcome not in ("hit", "stale"):
        return Compared(key, "unknown")
    if _alike(before.value, await load(key)):
        return Compared(key, "same")
    await settle()
    after = await peek(key)
    if after.value is MISSING or not _alike(before.value, after.value):
        return Compared(key, "unknown")  # withdrawn or replaced meanwhile: as it should be
    if _alike(after.value, await load(key)):
        return Compared(key, "same")
    return Compared(key, "stale", after.age)


def _alike(held: Any, loaded: Any) -> bool:
    """Tell whether two values have one canonical form: JSON, its members in order."""
    return _canonical(held) == _canonical(loaded)


def _canonical(value: Any) -> bytes:
    plain = msgspec.json.decode(msgspec.json.encode(value))  # dates and dataclasses as a hit shows them
    return msgspec.json.encode(plain, order="sorted")


class _CutShort(Exception):
    """The block was left before a writer's time was over: nothing can be said."""


class _Probe:
    """What both faces share: which hits are compared, and what came of it.

    Args:
        cache: whose hits.
        loaders: for each key family, what loads the value of a key, given the key; other families are not compared.
        fraction: of the hits.
        per_second: comparisons at most, so that a busy site does not load its origin by watching it.
        settle: seconds that a writer may take from its change of the origin to its invalidation.
        chance: returns numbers in [0, 1).
    """

    def __init__(
        self,
        cache: Cache | AsyncCache,
        loaders: Mapping[str, Callable[[str], Any]],
        *,
        fraction: float = 0.01,
        per_second: float = 1.0,
        settle: float = 1.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        _check(loaders, fraction, per_second, settle)
        self._recorder = cache.recorder
        self._loaders, self._fraction, self._settle = dict(loaders), fraction, settle
        self._pause, self._next = 1 / per_second, 0.0
        self._chance = chance
        self.compared: dict[Verdict, int] = {"same": 0, "stale": 0, "unknown": 0}
        """How many hits had each verdict, in this process."""

    def _wants(self, event: Event) -> str | None:
        """Return the key to compare, if this event's is."""
        if not isinstance(event, Read) or event.outcome != "hit" or family(event.key) not in self._loaders:
            return None
        now = time.monotonic()
        if now < self._next or self._chance() >= self._fraction:
            return None
        self._next = now + self._pause
        return event.key

    def _note(self, found: Compared) -> None:
        self.compared[found.verdict] += 1
        if self._recorder:
            self._recorder.compared(found.key, found.verdict, found.age)

    def _failed(self, key: str) -> None:
        logger.warning("a hit of %r could not be compared with the origin", family(key), exc_info=True)
        self._note(Compared(key, "unknown"))


class StalenessProbe(_Probe):
    """Compare a fraction of a blocking cache's hits with the origin, in a thread of its own, for the length of a block.

    What it finds is flushed with the cache's other figures (``connect(figures=True)``), and is in :attr:`compared`.
    Leaving the block waits for the comparison under way, :data:`LEAVE_SECONDS` at most: an origin that hangs is left to
    the thread, which ends with the process.

    Args:
        cache: whose hits.
        loaders: for each key family, what loads the value of a key, given the key; other families are not compared.
        fraction: of the hits; default one in a hundred.
        per_second: comparisons at most; default one, which no origin feels.
        settle: seconds that a writer may take from its change of the origin to its invalidation; default 1.
        chance: returns numbers in [0, 1).

    Raises:
        ConfigurationError: an option makes no sense.
    """

    def __init__(self, cache: Cache, loaders: Mapping[str, Callable[[str], Any]], **options: Any) -> None:
        super().__init__(cache, loaders, **options)
        self._cache = cache
        self._waiting = queue.Queue[str](_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dousell-cache staleness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._unsubscribe = self._cache.subscribe(self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unsubscribe()
        self._ended.set()
        with suppress(queue.Full):  # then there is another key that wakes it
            self._waiting.put_nowait(_STOP)
        self._thread.join(LEAVE_SECONDS)

    def _take(self, event: Event) -> None:
        key = self._wants(event)
        if key is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(key)

    def _run(self) -> None:
        while (key := self._waiting.get()) and not self._ended.is_set():
            try:
                self._note(run_blocking(compare(key, self._peek, self._load, self._pass)))
            except _CutShort:
                return
            except Exception:  # noqa: BLE001 - an origin may raise anything, and watching goes on
                self._failed(key)

    async def _peek(self, key: str) -> Explanation:
        return self._cache.explain(key)

    async def _load(self, key: str) -> Any:
        return self._loaders[family(key)](key)

    async def _pass(self) -> None:
        if self._ended.wait(self._settle):
            raise _CutShort


class AsyncStalenessProbe(_Probe):
    """Compare a fraction of an asyncio cache's hits with the origin, in a task; see :class:`StalenessProbe`.

    Args:
        cache: whose hits.
        loaders: as there; what they return is awaited if it can be.
    """

    def __init__(self, cache: AsyncCache, loaders: Mapping[str, Callable[[str], Any]], **options: Any) -> None:
        super().__init__(cache, loaders, **options)
        self._cache = cache
        self._waiting = asyncio.Queue[str](_WAITING)

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="dousell-cache staleness")
        self._unsubscribe = self._cache.subscribe(self._take)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unsubscribe()
        self._task.cancel()
        await asyncio.wait((self._task,))

    def _take(self, event: Event) -> None:
        key = self._wants(event)
        if key is not None and not self._waiting.full():
            self._waiting.put_nowait(key)

    async def _run(self) -> None:
        while True:
            key = await self._waiting.get()
            try:
                self._note(await compare(key, self._cache.explain, self._load, self._pass))
            except Exception:  # noqa: BLE001 - an origin may raise anything, and watching goes on
                self._failed(key)

    async def _load(self, key: str) -> Any:
        value = self._loaders[family(key)](key)
        return await value if inspect.isawaitable(value) else value

    async def _pass(self) -> None:
        await asyncio.sleep(self._settle)


def _check(loaders: Any, fraction: Any, per_second: Any, settle: Any) -> None:
    if not isinstance(loaders, Mapping) or not all(callable(load) for load in loaders.values()):
        message = f"loaders must be a function of the key for each family, such as {{'detail': load}}, not {loaders!r}"
        raise ConfigurationError(message)
    for name, value, most in (("fraction", fraction, 1), ("per_second", per_second, 1000), ("settle", settle, 60)):
        least = 0 if name == "settle" else 1e-9
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            message = f"{name} must be a number {'from' if least == 0 else 'above'} 0 to {most}, not {value!r}"
            raise ConfigurationError(message)
