"""From a target to a face: find the cache that belongs here, and build ``Cache`` or ``AsyncCache`` on it."""

import asyncio
from typing import TypedDict, Unpack

from .async_cache import AsyncCache
from .cache import Cache
from .environments import Environment
from .face import Defaults, Near
from .policy import Ttl
from .terms import PATIENCE_SECONDS
from .transport.connect import async_listening, async_transport, blocking_listening, blocking_transport, locate


class Options(TypedDict, total=False):
    """What the calls of a cache go by unless they say otherwise, and how it behaves as a whole.

    Args:
        ttl: see :class:`~dousell_cache.face.Keeping`, as for ``grace``, ``jitter``, ``early`` and ``background``.
        lease: how long the right to load a key lasts unless renewed, which a loader that runs does by itself: what its
            killed process costs the others at most; default 3 s.
        near: keep so many entries in this process, for so many seconds at most: ``(10_000, 5.0)`` or a
            :class:`~dousell_cache.NearOptions`; default none.
        breaker: whether a cache that failed three times, or refused a connection, is left alone for a second; default
            yes.
        lock_patience: seconds in all that a dead or slow server may cost the taking, extending or leaving of a lock;
            default 0.25, or two and a half times ``patience`` if that is given and more: a distant server needs it.
        figures: whether what this process sees is added to the figures of all processes on the server, for
            ``dousell-cache monitor``: by a command once in 10 s, and at close; default no: each costs a command. On
            Vercel nothing is sent unless :meth:`~dousell_cache.Cache.flush` is called.
    """

    ttl: Ttl | None
    grace: Ttl
    jitter: float | None
    early: float
    background: bool
    lease: Ttl
    near: Near
    breaker: bool
    lock_patience: float
    figures: bool


def connect(
    target: str | Environment | None = None,
    *,
    namespace: str = "",
    patience: float | None = None,
    **options: Unpack[Options],
) -> Cache:
    """Find the cache that belongs to this environment and return the blocking face of it.

    Nothing is sent yet, but that a laptop's ``localhost:6379`` is tried and, when nothing listens, an embedded Valkey
    started (shared with this user's other processes, gone with the last of them).

    Args:
        target: None to ask the environment variables; a ``redis://`` URL; ``"embedded"``; an :class:`Environment`.
        namespace: put before every key, as it is; default none, so that other code reads the same keys.
        patience: seconds that a dead or slow cache may cost one call before its loader is asked; default 0.1 over TCP,
            0.5 over REST.
        options: see :class:`~dousell_cache.connecting.Options`.

    Raises:
        ConfigurationError: a variable, the target or an option makes no sense; the message names it.
    """
    defaults = _defaults(options, patience)
    place = locate(target)
    try:
        transport = blocking_transport(place.environment, patience)
        listening = blocking_listening(transport) if defaults.near else None
        return Cache(transport, place, namespace, defaults, listening)
    except BaseException:
        place.release()
        raise


async def connect_async(
    target: str | Environment | None = None,
    *,
    namespace: str = "",
    patience: float | None = None,
    **options: Unpack[Options],
) -> AsyncCache:
    """Find the cache that belongs to this environment and return the asyncio face of it; see :func:`connect`."""
    defaults = _defaults(options, patience)
    place = await asyncio.to_thread(locate, target)
    try:
        transport = async_transport(place.environment, patience)
        listening = async_listening(transport) if defaults.near else None
        return AsyncCache(transport, place, namespace, defaults, listening)
    except BaseException:
        place.release()
        raise


def _defaults(options: Options, patience: float | None) -> Defaults:
    unknown = options.keys() - Options.__optional_keys__
    if unknown & {"cache_if", "tags", "type"}:
        message = f"{min(unknown)!r} is an option of a call, not of connect()"
        raise TypeError(message)
    if unknown:
        known = ", ".join(sorted({*Options.__optional_keys__, "namespace", "patience"}))
        message = f"{min(unknown)!r} is no option of connect(); the options are {known}"
        raise TypeError(message)
    if not isinstance(patience, (int, float)):  # whoever connects says what is wrong with it
        patience = 0.0
    options.setdefault("lock_patience", min(60.0, max(PATIENCE_SECONDS, 2.5 * patience)))
    return Defaults(**options)
