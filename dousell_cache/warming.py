"""Warm a cache: load what is missing of many keys, a few at a time."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import ConfigurationError
from .policy import checked_mapping

Progress = Callable[[int, int, str], None]
"""Told after each key: how many are done, of how many, and which."""


class Face(Protocol):
    """What warming asks of a cache, of either face."""

    @property
    def get_many(self) -> Callable[..., Any]:
        """Return the values of keys."""

    @property
    def get_or_set(self) -> Callable[..., Any]:
        """Return the value under a key, loaded if need be."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of the keys.

    Args:
        loaded: those that were loaded.
        present: those that had a value, or got one meanwhile.
        failed: those whose loader raised, and what.
    """

    loaded: tuple[str, ...]
    present: tuple[str, ...]
    failed: Mapping[str, Exception]


def warm_blocking(
    cache: Face,
    loaders: Mapping[str, Callable[[], Any]],
    concurrency: int,
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Warmed:
    """Warm the blocking face; see :meth:`dousell_cache.Cache.warm`."""
    work = _Work(loaders, concurrency, progress)
    work.found(cache.get_many(loaders, type=options["type"]))
    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="dousell-cache warm")
    try:
        loads = {threads.submit(cache.get_or_set, key, work.loader(key), **options): key for key in work.missing}
        for load in as_completed(loads):
            work.done(loads[load], load.exception())
    finally:
        threads.shutdown(cancel_futures=True)  # stopped by Ctrl-C or a progress callback: no further load begins
    return work.result()


async def warm_async(
    cache: Face,
    loaders: Mapping[str, Callable[[], Any]],
    concurrency: int,
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Warmed:
    """Warm the asyncio face; see :meth:`dousell_cache.Cache.warm`."""
    work = _Work(loaders, concurrency, progress)
    work.found(await cache.get_many(loaders, type=options["type"]))
    room = asyncio.Semaphore(concurrency)

    async def load(key: str) -> Exception | None:
        async with room:
            try:
                await cache.get_or_set(key, work.loader(key), **options)
            except Exception as error:  # noqa: BLE001 - reported, key by key
                return error
            return None

    loads = {asyncio.ensure_future(load(key)): key for key in work.missing}
    try:
        waiting = set(loads)
        while waiting:
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                work.done(loads[one], one.result())
    finally:
        for one in loads:
            one.cancel()
    return work.result()


class _Work:
    """Which keys are to be loaded, and what became of each."""

    def __init__(self, loaders: Mapping[str, Callable[[], Any]], concurrency: int, progress: Progress | None) -> None:
        if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
            message = f"concurrency must be a whole number from 1, not {concurrency!r}"
            raise ConfigurationError(message)
        self._loaders = checked_mapping("loaders", loaders)
        for key, loader in self._loaders.items():
            if not callable(loader):
                message = f"the loader of {key!r} must be a function, not {loader!r}"
                raise ConfigurationError(message)
        if progress is not None and (not callable(progress) or inspect.iscoroutinefunction(progress)):
            message = f"progress must be a plain function (done, total, key), not {progress!r}"
            raise ConfigurationError(message)
        self._progress = progress
        self._called: set[str] = set()
        self._ended: dict[str, BaseException | None] = {}
        self.missing: list[str] = []

    def found(self, values: Mapping[str, Any]) -> None:
        self.missing = [key for key in self._loaders if key not in values]
        for key in values:
            self.done(key, None)

    def loader(self, key: str) -> Callable[[], Any]:
        def load() -> Any:
            self._called.add(key)
            return self._loaders[key]()

        return load

    def done(self, key: str, error: BaseException | None) -> None:
        if error and not isinstance(error, Exception):
            raise error
        self._ended[key] = error
        if self._progress:
            self._progress(len(self._ended), len(self._loaders), key)

    def result(self) -> Warmed:
        failed = {key: error for key, error in self._ended.items() if isinstance(error, Exception)}
        well = [key for key in self._loaders if key not in failed]
        return Warmed(
            tuple(key for key in well if key in self._called),
            tuple(key for key in well if key not in self._called),
            failed,
        )
