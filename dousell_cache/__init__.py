"""Cache-aside on Redis, Valkey or Upstash: measured, tuned, watched, with promises that are proved.

>>> from dousell_cache import connect
>>> cache = connect()
>>> rows = cache.get_or_set("all_properties", load_properties, ttl=300)
"""

from .async_cache import AsyncCache
from .cache import Cache
from .connecting import connect, connect_async
from .context import MISSING
from .environments import Environment, detect
from .errors import (
    CacheError,
    CacheUnavailable,
    ConfigurationError,
    EncodingError,
    LockBusy,
    LockLost,
    LockUnavailable,
)
from .loading import skip
from .lock_outcomes import LockOutcome
from .locks import AsyncHeld, AsyncLock, Held, Lock
from .near import NearOptions

__version__ = "0.1.0"

__all__ = [
    "MISSING",
    "AsyncCache",
    "AsyncHeld",
    "AsyncLock",
    "Cache",
    "CacheError",
    "CacheUnavailable",
    "ConfigurationError",
    "EncodingError",
    "Environment",
    "Held",
    "Lock",
    "LockBusy",
    "LockLost",
    "LockOutcome",
    "LockUnavailable",
    "NearOptions",
    "connect",
    "connect_async",
    "detect",
    "skip",
]
