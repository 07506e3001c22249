"""Who is measured, and against whom. Data only: a library is imported in its contender's own process.

A contender is a function of a module beside this one. It takes the server's URL and a loader, ``load(key)``, and
returns ``read(key)``: the smallest cache-aside that the library documents, with the library's defaults unless ``how``
says otherwise. On asyncio both the function and what it returns are asynchronous, and so is the loader.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

TTL = 3600
"""Seconds; longer than any run, so that no measured read misses."""

Load: TypeAlias = Callable[[str], Any]
Read: TypeAlias = Callable[[str], Any]
AsyncLoad: TypeAlias = Callable[[str], Awaitable[Any]]
AsyncRead: TypeAlias = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True)
class Contender:
    """One way of reading through a cache.

    Args:
        place: ``<module>:<function>`` in this package.
        face: how it is called.
        how: what the tables call it.
    """

    place: str
    face: Literal["blocking", "asyncio"]
    how: str


BASE = Contender("bare:blocking", "blocking", "redis-py `get` + msgspec")
ASYNC_BASE = Contender("bare:asynchronous", "asyncio", "redis-py `get` + msgspec")
OURS = Contender("ours:blocking", "blocking", "**dousell_cache** `get_or_set`")
ASYNC_OURS = Contender("ours:asynchronous", "asyncio", "**dousell_cache** `get_or_set`")
DOGPILE = Contender("dogpile:region", "blocking", "dogpile.cache `get_or_create`")
DJANGO = Contender("django_redis:get_or_set", "blocking", "django-redis `get_or_set`")
CASHEWS = Contender("cashews:get_or_set", "asyncio", "cashews `get_or_set`")
CASHEWS_DECORATOR = Contender("cashews:decorator", "asyncio", "cashews `@cache`")
AIOCACHE = Contender("aiocache:decorator", "asyncio", "aiocache `@cached` (JSON)")

BLOCKING_HITS = [BASE, OURS, Contender("ours:blocking_get", "blocking", "**dousell_cache** `get`"), DOGPILE, DJANGO]
ASYNC_HITS = [
    ASYNC_BASE,
    ASYNC_OURS,
    Contender("ours:asynchronous_get", "asyncio", "**dousell_cache** `get`"),
    AIOCACHE,
    CASHEWS,
    CASHEWS_DECORATOR,
]
NEAR_BASE = Contender("cashews:near_get", "asyncio", "cashews `client_side` (RESP 2) `get`")
NEAR = [
    NEAR_BASE,
    Contender("cashews:near", "asyncio", "cashews `client_side` (RESP 2) `get_or_set`"),
    Contender("ours:asynchronous_near_get", "asyncio", "**dousell_cache** `near` `get`"),
    Contender("ours:asynchronous_near", "asyncio", "**dousell_cache** `near` `get_or_set`"),
    Contender("ours:asynchronous_near_shared", "asyncio", "**dousell_cache** `near`, shared, `get_or_set`"),
    Contender("ours:near", "blocking", "**dousell_cache** `near` `get_or_set`"),
    Contender("ours:near_shared", "blocking", "**dousell_cache** `near`, shared, `get_or_set`"),
]
COLD = [
    BASE,
    OURS,
    DOGPILE,
    Contender("dogpile:distributed", "blocking", "dogpile.cache `distributed_lock`"),
    DJANGO,
    ASYNC_BASE,
    ASYNC_OURS,
    AIOCACHE,
    Contender("aiocache:stampede", "asyncio", "aiocache `@cached_stampede` (JSON)"),
    CASHEWS,
    CASHEWS_DECORATOR,
    Contender("cashews:locked", "asyncio", "cashews `@cache(lock=True)`"),
]
