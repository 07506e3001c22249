"""``Cache``: the face for blocking code."""

import inspect
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

from . import flows
from .cached import Cached, cached_blocking, checked_template
from .clocks import BlockingClock
from .context import Call
from .entries import checked_type
from .errors import ConfigurationError
from .explaining import Explanation, explain
from .face import Defaults, Face, Keeping, LockOptions
from .flights import Flights, ThreadFlights
from .lock_outcomes import LockOutcome, checked_tries, with_lock
from .locks import Lock
from .near import ABSENT, NearCache
from .policy import BATCH_JITTER, Ttl, checked_key, checked_keys, checked_mapping, checked_tags
from .reads import Reads, ThreadReads
from .renewals import RENEWALS, Renewals
from .runner import run_blocking
from .terms import TTL_SECONDS
from .transport.connect import Place
from .transport.port import BlockingTransport
from .warming import Progress, Warmed, warm_blocking

if TYPE_CHECKING:  # redis-py comes with it
    from .transport.tracking import BlockingListener

P = ParamSpec("P")
T = TypeVar("T")


class Cache(Face):
    """A cache-aside for blocking code; one instance serves all threads. Made by :func:`dousell_cache.connect`.

    Args:
        transport: a blocking transport.
        place: the environment it reaches.
        namespace: put before every key, as it is.
        defaults: what calls go by unless they say otherwise.
        listening: makes what follows the server's invalidations for a near cache; default: only its age bounds that.
    """

    def __init__(
        self,
        transport: BlockingTransport,
        place: Place,
        namespace: str = "",
        defaults: Defaults | None = None,
        listening: Callable[[NearCache, str], "BlockingListener"] | None = None,
    ) -> None:
        if not transport.blocking:
            message = "Cache needs a blocking transport; AsyncCache takes the asyncio ones"
            raise ConfigurationError(message)
        self._transport = transport
        self._is_followed = listening is not None
        super().__init__(transport, place, namespace, defaults or Defaults(), BlockingClock())
        self._listener = listening(self._near, namespace) if self._near is not None and listening else None

    def _follow(self) -> None:
        if self._listener:
            self._listener.start()

    def _flush_behind(self) -> None:
        with suppress(RuntimeError):  # no thread to be had: the next time
            threading.Thread(
                target=self.flush, kwargs={"force": True}, name="dousell-cache figures", daemon=True
            ).start()

    def _parts(self) -> tuple[Reads, Flights, Renewals]:
        return ThreadReads(self._port), ThreadFlights(), RENEWALS

    def get_or_set(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> T:
        """Return the value under a key; when there is none, call the loader and store what it returns.

        However many callers ask at once, in however many processes, one of them loads. The value comes back as JSON
        stores it, from a miss as from a hit: a tuple is a list, a date without ``type`` is text. When the cache cannot
        serve, the loader answers.

        Args:
            key: a non-empty string.
            loader: takes nothing, reads the origin, returns the value; ``None`` is a value like any other.
            tags: what the entry is to be withdrawn by, besides its key; see :meth:`invalidate_tags`.
            type: what the value is, for JSON to be read back as: a dataclass, a msgspec Struct, ``list[date]``, …
            options: how the entry is kept, see :class:`~dousell_cache.face.Keeping`; ``ttl`` is needed unless
                ``connect`` was given one.

        Returns:
            The value.

        Raises:
            ValueError: key, tags, type or an option makes no sense.
            EncodingError: the loader's value has no JSON form or does not fit ``type``.
            Exception: whatever the loader raised, the same to all that waited for it; nothing is stored then.
        """
        if self._near is not None and (near := self._from_near(key, type, tags)) is not ABSENT:
            return near  # type: ignore[no-any-return]  # what lies there is taken for what the loader returns
        asked = self._asked(key, _load, loader, tags, type, options)
        value: T = run_blocking(flows.get_or_set(Call(self._context), asked))
        return value

    def refresh(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> T:
        """Load now, store and return the value, whatever is under the key; see :meth:`get_or_set`."""
        asked = self._asked(key, _load, loader, tags, type, options)
        value: T = run_blocking(flows.refresh(self._call(), asked))
        return value

    def cached(
        self,
        template: str,
        *,
        tags: Iterable[str] = (),
        secret: str | bytes | None = None,
        type: Any = None,
        **options: Unpack[Keeping],
    ) -> Callable[[Callable[P, T]], Cached[P, T]]:
        """Return a decorator that keeps a function's results under keys made from its arguments.

        The function gets ``key(…)``, ``tags(…)``, ``invalidate(…)`` and ``refresh(…)``, which take its own arguments.
        How arguments become parts of a key: :mod:`dousell_cache.templates`. A method's ``self`` is no part of it.

        Args:
            template: the key, with arguments in braces: ``"detail:{property_id}"``; ``{email:hashed}`` for personal
                ones.
            tags: templates likewise.
            secret: 16 to 64 bytes that key the hashes, so that nobody can find a hashed argument by guessing; default
                none, which keeps it out of sight only.
            type: what the values are; default: what the function says that it returns.
            options: as for :meth:`get_or_set`.

        Raises:
            ValueError: a template, an option, the secret or the function makes no sense; raised on decoration.
        """
        checked_template(template)
        self._policy(options)
        return cached_blocking(self, template, tags=tags, secret=secret, type=type, **options)

    def get(self, key: str, *, type: Any = Any) -> Any:
        """Return the value under a key, or ``MISSING``, also when the cache cannot serve."""
        if self._near is not None and (near := self._from_near(key, type)) is not ABSENT:
            return near
        return run_blocking(flows.get(Call(self._context), checked_key(key), checked_type(type)))

    def get_many(self, keys: Iterable[str], *, type: Any = Any) -> dict[str, Any]:
        """Return the values of those keys that have one, by key: one command for all, two if any has tags or grace."""
        names = checked_keys(keys)
        return run_blocking(flows.get_many(self._call(), names, checked_type(type)))

    def set(self, key: str, value: object, *, tags: Collection[str] = (), **options: Unpack[Keeping]) -> bool:
        """Store a value and return whether the server took it; a load of it under way will not replace it.

        Args:
            key: a non-empty string.
            value: what has a JSON form.
            tags: what the entry is to be withdrawn by, besides its key.
            options: ``ttl``, ``grace`` and ``jitter``, as for :meth:`get_or_set`.

        Raises:
            ValueError: key, tags or an option makes no sense.
            EncodingError: the value has no JSON form.
        """
        flow = flows.put(self._call(), {checked_key(key): value}, self._policy(options), checked_tags(tags))
        return run_blocking(flow)

    def set_many(self, values: Mapping[str, object], *, tags: Collection[str] = (), **options: Unpack[Keeping]) -> bool:
        """Store values by key in one command and return whether the server took them; they expire up to 10 % apart.

        See :meth:`set`.
        """
        checked = checked_mapping("values", values)
        policy = self._policy(options, BATCH_JITTER)
        return run_blocking(flows.put(self._call(), checked, policy, checked_tags(tags)))

    def warm(
        self,
        loaders: Mapping[str, Callable[[], Any]],
        *,
        concurrency: int = 8,
        progress: Progress | None = None,
        tags: Collection[str] = (),
        type: Any = Any,
        **options: Unpack[Keeping],
    ) -> Warmed:
        """Load and store what is missing of these keys, several at once; entries expire up to 10 % apart.

        Args:
            loaders: what loads each key.
            concurrency: how many load at the same time, each in a thread.
            progress: told after each key: how many are done, of how many, and which.
            tags: what every entry is to be withdrawn by, besides its key.
            type: what the values are.
            options: as for :meth:`get_or_set`.

        Returns:
            Which keys were loaded, which were there, and which failed with what.
        """
        options.setdefault("jitter", self._policy(options, BATCH_JITTER).jitter)
        return warm_blocking(self, loaders, concurrency, progress, {"tags": tags, "type": type, **options})

    def delete(self, key: str) -> bool:
        """Withdraw one key and return whether there was anything: a value, or a load under way.

        Raises:
            CacheUnavailable: the server did not confirm; see :meth:`invalidate`.
        """
        return self.invalidate(key) > 0

    def invalidate(self, *keys: str, soft: bool = False) -> int:
        """Withdraw keys in one command, whatever their number, and return how many values and loads there were.

        Once this has returned, no read that starts afterwards, in any process, returns a value that was loaded before.

        Args:
            keys: the keys.
            soft: keep the old values to stand in for an origin that fails; they are served to nobody else.

        Raises:
            CacheUnavailable: the server did not confirm, so the old values may still be served elsewhere. It is
                remembered, and replayed before this process trusts the cache again.
        """
        return run_blocking(flows.invalidate(self._call(), self._withdrawal(keys, soft=soft))) if keys else 0

    def invalidate_tags(self, *tags: str, soft: bool = False) -> None:
        """Withdraw every entry that carries one of these tags, in one command, whatever their number.

        As :meth:`invalidate` otherwise.
        """
        if tags:
            run_blocking(flows.invalidate(self._call(), self._withdrawal(tags=tags, soft=soft)))

    def invalidate_prefix(self, prefix: str, *, soft: bool = False) -> int:
        """Withdraw every key that begins with a prefix, and return how many values and loads there were.

        This alone SCANs all names that the server has, twice, because loads may be under way: it takes a command for
        every thousand of them. A tag costs one, whatever its size.
        """
        return run_blocking(flows.invalidate(self._call(), self._withdrawal(prefix=prefix, soft=soft)))

    def lock(self, name: str, ttl: Ttl = TTL_SECONDS, *, wait: Ttl = 0, **options: Unpack[LockOptions]) -> Lock:
        """Return a lock to be taken by ``with``: one body of a name at a time, as far as a lock can see to that.

        A holder that is paused past its ``ttl`` may come back while another is inside: hand ``held.fence`` to the
        database, which refuses a smaller one. Entering and leaving cost a command each.

        Args:
            name: a non-empty string.
            ttl: how long it is granted: seconds or a timedelta, 0.1 s to 300 s; longer than the slowest body.
            wait: how long to wait for it; default not at all.
            options: see :class:`~dousell_cache.face.LockOptions`.

        Raises:
            ValueError: the name or an option makes no sense.
            LockBusy: on entering: somebody else has it.
            LockUnavailable: on entering: nobody could say who has it, so the body does not run.
            LockLost: on leaving: another may have been inside meanwhile.
        """
        if inspect.iscoroutinefunction(options.get("on_lost")):
            message = "on_lost is asynchronous: use AsyncCache, from connect_async()"
            raise ConfigurationError(message)
        return Lock(self._asking(name, ttl, wait, options))

    def with_lock(
        self,
        name: str,
        body: Callable[[], T],
        ttl: Ttl = TTL_SECONDS,
        retries: int = 1,
        delay: float = 0.1,
        **options: Unpack[LockOptions],
    ) -> LockOutcome[T]:
        """Run a body under a lock if it can be had, and return how that came out; see :meth:`lock`.

        Args:
            name: a non-empty string.
            body: takes nothing; what it raises comes through. One that needs the fence is for :meth:`lock`.
            ttl: how long the lock is granted.
            retries: how often to ask again when it is busy.
            delay: the seconds between two tries.
            options: see :class:`~dousell_cache.face.LockOptions`.

        Raises:
            ValueError: the name, the body or an option makes no sense.
        """
        lock = self.lock(name, ttl, **options)
        checked_tries(body, retries, delay)
        return with_lock(lock, body, retries, delay, time.sleep)

    def explain(self, key: str) -> Explanation:
        """Say what a read of this key would find, and why; nothing is loaded, and no read is counted."""
        return run_blocking(explain(self._call(), checked_key(key)))

    def flush(self, *, force: bool = False) -> bool:
        """Add what was recorded since the last time to the figures of all processes, in one command.

        Needed only where nothing runs between requests, on Vercel: call it when the answer is on its way. Elsewhere it
        happens by itself. A cache that is dead takes nothing and costs patience; what it did not take is kept.

        Args:
            force: also if the last time is less than 10 s ago; default no, so that it may be called at every request.

        Returns:
            Whether anything arrived.

        Raises:
            ConfigurationError: nothing is recorded: ``connect`` was not given ``figures=True``.
        """
        return run_blocking(self._flush(force=force))

    def ping(self) -> float:
        """Return the seconds that one round trip to the server takes.

        Raises:
            CacheUnavailable: no server answered within patience.
        """
        return run_blocking(flows.ping(self._call()))

    def close(self) -> None:
        """Flush the figures, close the connections, and an embedded server that nobody else uses."""
        try:
            run_blocking(self._flush_the_rest())
            if self._listener:
                self._listener.close()
            self._transport.close()
        finally:
            self._place.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _load(loader: Callable[[], T]) -> T:
    value = loader()
    if inspect.iscoroutine(value):
        value.close()
        message = "the loader is asynchronous: use AsyncCache, from connect_async()"
        raise ConfigurationError(message)
    return value
