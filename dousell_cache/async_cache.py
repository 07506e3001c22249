"""``AsyncCache``: the face for asyncio. The same names as :class:`~dousell_cache.Cache`, the same flows, awaited."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from . import flows
from .cached import AsyncDecorator, cached_async, checked_template
from .clocks import AsyncClock
from .context import Call
from .entries import checked_type
from .errors import ConfigurationError
from .explaining import Explanation, explain
from .face import Defaults, Face, Keeping, LockOptions
from .flights import Flights, TaskFlights
from .lock_outcomes import LockOutcome, checked_tries, with_lock_async
from .locks import AsyncLock
from .near import ABSENT, NearCache
from .policy import BATCH_JITTER, Ttl, checked_key, checked_keys, checked_mapping, checked_tags
from .reads import Reads, TaskReads
from .renewals import Renewals, TaskRenewals
from .terms import TTL_SECONDS
from .transport.connect import Place
from .transport.port import AsyncTransport
from .warming import Progress, Warmed, warm_async

if TYPE_CHECKING:  # redis-py comes with it
    from .transport.tracking import AsyncListener

T = TypeVar("T")


class AsyncCache(Face):
    """A cache-aside for asyncio; one instance serves all tasks of a loop. Made by :func:`dousell_cache.connect_async`.

    Its methods are those of :class:`Cache`, awaited. Plain reads that meet in one turn of the loop travel as one
    command.

    Args:
        transport: an asyncio transport.
        place: the environment it reaches.
        namespace: put before every key, as it is.
        defaults: what calls go by unless they say otherwise.
        listening: makes what follows the server's invalidations for a near cache; default: only its age bounds that.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        place: Place,
        namespace: str = "",
        defaults: Defaults | None = None,
        listening: Callable[[NearCache, str], "AsyncListener"] | None = None,
    ) -> None:
        if transport.blocking:
            message = "AsyncCache needs an asyncio transport: a blocking one would stall every task of the loop"
            raise ConfigurationError(message)
        self._transport = transport
        self._flushing: asyncio.Task[bool] | None = None
        self._is_followed = listening is not None
        super().__init__(transport, place, namespace, defaults or Defaults(), AsyncClock())
        self._listener = listening(self._near, namespace) if self._near is not None and listening else None

    def _follow(self) -> None:
        if self._listener:
            self._listener.start()

    def _flush_behind(self) -> None:
        if self._flushing and not self._flushing.done():
            return  # close() waits for one
        self._flushing = asyncio.get_running_loop().create_task(self.flush(force=True), name="dousell-cache figures")

    def _parts(self) -> tuple[Reads, Flights, Renewals]:
        self._flights = TaskFlights()
        return TaskReads(self._port), self._flights, TaskRenewals()

    @overload
    async def get_or_set(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        *,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> T: ...

    @overload
    async def get_or_set(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> T: ...

    async def get_or_set(
        self,
        key: str,
        loader: Callable[[], Any],
        *,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> Any:
        """Return the value under a key; when there is none, call the loader and store what it returns.

        As :meth:`Cache.get_or_set`. What the loader returns is awaited if it can be; a loader that blocks belongs in
        ``asyncio.to_thread``. A load runs in a task of its own: cancelling a caller leaves it, and the others, alone.
        """
        if self._near is not None and (near := self._from_near(key, type, tags)) is not ABSENT:
            return near
        asked = self._asked(key, _load, loader, tags, type, options)
        return await flows.get_or_set(Call(self._context), asked)

    async def refresh(
        self,
        key: str,
        loader: Callable[[], Any],
        *,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> Any:
        """Load now, store and return the value, whatever is under the key; see :meth:`get_or_set`."""
        asked = self._asked(key, _load, loader, tags, type, options)
        return await flows.refresh(self._call(), asked)

    def cached(
        self,
        template: str,
        *,
        tags: Iterable[str] = (),
        secret: str | bytes | None = None,
        type: Any = None,
        **options: Unpack[Keeping],
    ) -> AsyncDecorator:
        """Return a decorator that keeps a function's results; see :meth:`Cache.cached`.

        It takes asynchronous and blocking functions, and what it makes of them is awaited.
        """
        checked_template(template)
        self._policy(options)
        return cached_async(self, template, tags=tags, secret=secret, type=type, **options)

    async def get(self, key: str, *, type: Any = Any) -> Any:
        """Return the value under a key, or ``MISSING``, also when the cache cannot serve."""
        if self._near is not None and (near := self._from_near(key, type)) is not ABSENT:
            return near
        return await flows.get(Call(self._context), checked_key(key), checked_type(type))

    async def get_many(self, keys: Iterable[str], *, type: Any = Any) -> dict[str, Any]:
        """Return the values of those keys that have one, by key; see :meth:`Cache.get_many`."""
        names = checked_keys(keys)
        return await flows.get_many(self._call(), names, checked_type(type))

    async def set(self, key: str, value: object, *, tags: Collection[str] = (), **options: Unpack[Keeping]) -> bool:
        """Store a value and return whether the server took it; see :meth:`Cache.set`."""
        policy = self._policy(options)
        return await flows.put(self._call(), {checked_key(key): value}, policy, checked_tags(tags))

    async def set_many(
        self, values: Mapping[str, object], *, tags: Collection[str] = (), **options: Unpack[Keeping]
    ) -> bool:
        """Store values by key in one command and return whether the server took them; see :meth:`Cache.set_many`."""
        checked = checked_mapping("values", values)
        policy = self._policy(options, BATCH_JITTER)
        return await flows.put(self._call(), checked, policy, checked_tags(tags))

    async def warm(
        self,
        loaders: Mapping[str, Callable[[], Any]],
        *,
        concurrency: int = 8,
        progress: Progress | None = None,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> Warmed:
        """Load and store what is missing of these keys, several at once; see :meth:`Cache.warm`."""
        options.setdefault("jitter", self._policy(options, BATCH_JITTER).jitter)
        return await warm_async(self, loaders, concurrency, progress, {"tags": tags, "type": type, **options})

    async def delete(self, key: str) -> bool:
        """Withdraw one key and return whether there was anything; see :meth:`Cache.delete`."""
        return await self.invalidate(key) > 0

    async def invalidate(self, *keys: str, soft: bool = False) -> int:
        """Withdraw keys in one command and return how much there was; see :meth:`Cache.invalidate`."""
        return await flows.invalidate(self._call(), self._withdrawal(keys, soft=soft)) if keys else 0

    async def invalidate_tags(self, *tags: str, soft: bool = False) -> None:
        """Withdraw every entry that carries one of these tags, in one command; see :meth:`Cache.invalidate_tags`."""
        if tags:
            await flows.invalidate(self._call(), self._withdrawal(tags=tags, soft=soft))

    async def invalidate_prefix(self, prefix: str, *, soft: bool = False) -> int:
        """Withdraw every key that begins with a prefix: this alone SCANs; see :meth:`Cache.invalidate_prefix`."""
        return await flows.invalidate(self._call(), self._withdrawal(prefix=prefix, soft=soft))

    def lock(self, name: str, ttl: Ttl = TTL_SECONDS, *, wait: Ttl = 0, **options: Unpack[LockOptions]) -> AsyncLock:
        """Return a lock to be taken by ``async with``; see :meth:`Cache.lock`.

        A task that is cancelled while it takes or leaves the lock gives it back first.
        """
        return AsyncLock(self._asking(name, ttl, wait, options))

    @overload
    async def with_lock(
        self,
        name: str,
        body: Callable[[], Awaitable[T]],
        ttl: Ttl = TTL_SECONDS,
        retries: int = 1,
        delay: float = 0.1,
        **options: Unpack[LockOptions],
    ) -> LockOutcome[T]: ...

    @overload
    async def with_lock(
        self,
        name: str,
        body: Callable[[], T],
        ttl: Ttl = TTL_SECONDS,
        retries: int = 1,
        delay: float = 0.1,
        **options: Unpack[LockOptions],
    ) -> LockOutcome[T]: ...

    async def with_lock(
        self,
        name: str,
        body: Callable[[], Any],
        ttl: Ttl = TTL_SECONDS,
        retries: int = 1,
        delay: float = 0.1,
        **options: Unpack[LockOptions],
    ) -> LockOutcome[Any]:
        """Run a body under a lock if it can be had; see :meth:`Cache.with_lock`. An asynchronous one is awaited."""
        lock = self.lock(name, ttl, **options)
        checked_tries(body, retries, delay)
        return await with_lock_async(lock, body, retries, delay)

    async def explain(self, key: str) -> Explanation:
        """Say what a read of this key would find, and why; see :meth:`Cache.explain`."""
        return await explain(self._call(), checked_key(key))

    async def flush(self, *, force: bool = False) -> bool:
        """Add what was recorded to the figures of all processes, in one command; see :meth:`Cache.flush`."""
        return await self._flush(force=force)

    async def ping(self) -> float:
        """Return the seconds that one round trip to the server takes; see :meth:`Cache.ping`."""
        return await flows.ping(self._call())

    async def close(self) -> None:
        """Stop the loads that are still under way, flush the figures, close the connections and an own server."""
        try:
            await self._flights.close()
            if self._flushing:
                await asyncio.wait((self._flushing,))
            await self._flush_the_rest()
            if self._listener:
                await self._listener.close()
            await self._transport.close()
        finally:
            self._place.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _load(loader: Callable[[], Any]) -> Any:
    value = loader()
    return await value if inspect.isawaitable(value) else value
