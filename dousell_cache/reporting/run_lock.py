"""One run at a time: in a folder by a lock of this machine, over several machines by a lock in the cache they share.

The first is flock's: the system lets go of it when its process ends, however it ends. The second is ours, renewed while
the run lasts; who loses it ends its run, because another may have begun.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import connecting
from ..cache import Cache
from ..context import MISSING
from ..environments import Environment, detect
from ..errors import CacheError, CacheUnavailable, ConfigurationError, LockBusy, LockLost, LockUnavailable
from ..local.runtime import open_lock, try_lock
from ..locks import Held
from ..measure.result import utc_now
from .folder import PARTIAL
from .listing import entry, names
from .stopping import Halt, Watch

LOCK_FILE = ".lock"
"""In the folder of all runs; stays there, because a lock on a file that was removed is no lock."""

_TTL = 30.0  # how long the lock in the cache outlives a killed run; renewed at a third of it
_PATIENCE = 2.0  # seconds: a run can wait for a distant server, unlike a page
_NOTE_SECONDS = 8 * 86_400  # longer than any run may take


class RunLocked(CacheError):
    """Another run's: it holds the lock; the message says which run and which process."""


@contextmanager
def folder_lock(out: Path) -> Iterator[None]:
    """Hold the lock of a folder of runs for a block.

    Args:
        out: the folder; made if need be.

    Raises:
        ConfigurationError: nothing can be written there.
        RunLocked: another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = open_lock(out / LOCK_FILE)
    except OSError as error:
        message = f"--out {out} cannot be written: {error.strerror}"
        raise ConfigurationError(message) from error
    try:
        if not try_lock(lock):
            raise RunLocked(_busy_folder(out))
        os.ftruncate(lock, 0)
        os.pwrite(lock, _whoever().encode(), 0)
        yield
    finally:
        os.close(lock)


def _busy_folder(out: Path) -> str:
    with suppress(OSError):
        partial = (name for name in names(out) if name.endswith(PARTIAL))
        run = next((found.id for found in (entry(out, name) for name in partial) if found.state == "running"), "a run")
        holder = (out / LOCK_FILE).read_text("utf-8", errors="replace")
        return f"{run} is being written to {out} by {holder or 'another process'}: wait for it, or name another --out"
    return f"another run holds the lock of {out}: wait for it, or name another --out"


def _whoever() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} since {utc_now()}"


@contextmanager
def cache_lock(name: str, environ: Mapping[str, str] = os.environ) -> Iterator[Watch]:
    """Hold a lock in the cache for a block, and yield what tells when it is lost.

    Args:
        name: the lock's: runs that share it never overlap.
        environ: says which cache; one that other machines reach.

    Raises:
        ConfigurationError: the variables name no such cache, or the name is none.
        RunLocked: another run holds it.
        CacheUnavailable: nobody could say who holds it.
    """
    with connecting.connect(_shared(environ), namespace="dousell-cache:run:", patience=_PATIENCE) as cache:
        held = _taken(cache, name)
        halt = Halt("interrupted", f'the lock "{name}" was lost, so that another run may have begun')
        try:
            yield lambda: halt if held.remaining() <= 0 or held.lost else None
        finally:
            with suppress(LockLost, LockUnavailable):
                held.release()


def _shared(environ: Mapping[str, str]) -> Environment:
    found = detect(environ)
    if found.source == "default":
        message = "--lock-name needs a cache that the other machines reach: set REDIS_URL, or VERCEL=1 for Upstash"
        raise ConfigurationError(message)
    return found


def _taken(cache: Cache, name: str) -> Held:
    holder = f"{name}:holder"
    try:
        held = cache.lock(name, ttl=_TTL, renew=True).acquire()
        with suppress(CacheUnavailable):  # it only makes the other's sentence longer
            cache.set(holder, _whoever(), ttl=_NOTE_SECONDS)
    except LockBusy as error:
        message = f'another run holds the lock "{name}": {_noted(cache, holder)}'
        raise RunLocked(message) from error
    except LockUnavailable as error:
        raise CacheUnavailable(str(error)) from error
    return held


def _noted(cache: Cache, holder: str) -> str:
    with suppress(CacheUnavailable):
        noted = cache.get(holder)
        if noted is not MISSING:
            return str(noted)
    return "nobody noted which"
