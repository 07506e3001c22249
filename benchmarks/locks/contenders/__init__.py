"""Whose locks are measured. Data only: a library is imported in its contender's own process.

A contender is a function of a module beside this one. It takes the server's URL and returns ``lock(name, ttl, wait)``,
which returns a context manager: entering it gets the lock, or raises; leaving it gives the lock back. With ``wait``
entering takes as long as it must, without it waits for nobody. On asyncio the function is asynchronous and the context
manager too. Libraries keep their defaults unless ``how`` says otherwise.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias

from ...contenders import Contender

Lock: TypeAlias = Callable[[str, float, bool], AbstractContextManager[Any]]
AsyncLock: TypeAlias = Callable[[str, float, bool], AbstractAsyncContextManager[Any]]

LONGEST_WAIT = 60.0
"""Seconds, for libraries that want a number: longer than any wait that is measured."""


class NotGranted(Exception):
    """Entering got no lock, where the library itself says so by a value."""


BASE = Contender("redis_py:blocking", "blocking", "redis-py `Lock`")
QUICK = Contender("redis_py:quick", "blocking", "redis-py `Lock(sleep=0.01)`")
OURS = Contender("ours:blocking", "blocking", "**dousell_cache** `lock`")
FAIR = Contender("ours:fair", "blocking", "**dousell_cache** `lock(fair=True)`")
RENEWED = Contender("ours:renewed", "blocking", "**dousell_cache** `lock(renew=True)`")
SOCKET = Contender("floor:socket_lock", "blocking", "*floor*: `SET NX`, `EVALSHA` on a bare socket")
POP = Contender("floor:pop", "blocking", "*floor*: a token that is popped, no TTL")
REDLOCK_NG = Contender("redlock_ng:blocking", "blocking", "redlock-ng")
POTTERY = Contender("pottery:blocking", "blocking", "pottery `Redlock`")
REDIS_LOCK = Contender("python_redis_lock:blocking", "blocking", "python-redis-lock")
PORTALOCKER = Contender("portalocker:blocking", "blocking", "portalocker `RedisLock`")
WHOLE_SECONDS = {REDIS_LOCK}
REST = Contender("ours:over_rest", "blocking", "**dousell_cache** `lock`, REST")

ASYNC_BASE = Contender("redis_py:asynchronous", "asyncio", "redis-py `Lock`")
ASYNC_OURS = Contender("ours:asynchronous", "asyncio", "**dousell_cache** `lock`")
ASYNC_FAIR = Contender("ours:asynchronous_fair", "asyncio", "**dousell_cache** `lock(fair=True)`")
ASYNC_SOCKET = Contender("floor:streams", "asyncio", "*floor*: `SET NX`, `EVALSHA` on bare streams")
ASYNC_REDLOCK_NG = Contender("redlock_ng:asynchronous", "asyncio", "redlock-ng")
ASYNC_POTTERY = Contender("pottery:asynchronous", "asyncio", "pottery `AIORedlock`")
COREDIS = Contender("coredis:asynchronous", "asyncio", "coredis `Lock`")
ASYNC_REST = Contender("ours:asynchronous_over_rest", "asyncio", "**dousell_cache** `lock`, REST")

ALONE = [BASE, OURS, RENEWED, SOCKET, REDLOCK_NG, REDIS_LOCK, POTTERY, PORTALOCKER]
ASYNC_ALONE = [ASYNC_BASE, ASYNC_OURS, ASYNC_SOCKET, ASYNC_REDLOCK_NG, COREDIS, ASYNC_POTTERY]
HAND_OFF = [POP, OURS, FAIR, BASE, QUICK, REDLOCK_NG, POTTERY, REDIS_LOCK, PORTALOCKER]
ASYNC_HAND_OFF = [ASYNC_OURS, ASYNC_FAIR, ASYNC_BASE]
KILLED = [OURS, FAIR, BASE, QUICK, REDLOCK_NG, POTTERY, REDIS_LOCK]  # portalocker's locks have no TTL
DEAD = [OURS, ASYNC_OURS, BASE, ASYNC_BASE, REDLOCK_NG, POTTERY, REDIS_LOCK]
LOST = [OURS, ASYNC_OURS, BASE, ASYNC_BASE, REDLOCK_NG, POTTERY, REDIS_LOCK]
OVER_REST = [REST, ASYNC_REST]
