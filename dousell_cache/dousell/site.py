"""Dousell's site as it stands in one environment: its cache, its origin, and what of them is emulated.

Credentials in the environment mean the real service; without them the local cloud stands in, and says so.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache as once
from typing import NamedTuple

import httpx
import psycopg
from postgrest import APIError

from ..async_cache import AsyncCache
from ..check import PATIENCE, diagnosis
from ..connecting import connect_async
from ..environments import LOCAL_URL, NAMES, Environment, detect, rest, urlsplit_safely
from ..errors import CacheError, ConfigurationError
from ..local import Cloud
from . import database, stand_in
from .ledger import Ledger, postgres_ledger, supabase_ledger
from .origin import Origin, postgres_origin, supabase_origin
from .pages import Pages
from .seed import EPOCH

# PostgREST's codes for a token that is none or has no right; PostgreSQL's for a missing right.
_REFUSALS = ("401", "403", "PGRST3", "42501")
_ORIGIN_FAILURES = (httpx.HTTPError, psycopg.Error)


@dataclass(frozen=True, slots=True)
class Site:
    """A cache and an origin, ready to use.

    Args:
        cache: under a namespace of its own, so that a measurement never meets the site's real keys.
        origin: what the loaders read.
        ledger: what asks for the service role's rights: dashboards and visit slots.
        as_of: the moment at which its data stands; None for now.
        origin_name: which origin it is, in words.
        emulated: a line for each part imitated on this machine.
        patience: seconds a dead cache may cost one call, as the site was opened; None for the default.
    """

    cache: AsyncCache
    origin: Origin
    ledger: Ledger
    as_of: datetime | None
    origin_name: str
    emulated: tuple[str, ...]
    patience: float | None = None

    @property
    def environment(self) -> Environment:
        """Where the site runs."""
        return self.cache.environment

    @property
    def origin_emulated(self) -> bool:
        """Whether the origin is imitated on this machine, whatever the cache is."""
        return any(line != self.environment.emulated for line in self.emulated)

    @property
    def pages(self) -> Pages:
        """What visitors and owners read, by key."""
        return Pages(self.cache, self.origin, self.ledger, self.as_of)


@asynccontextmanager
async def open_site(
    environment: str, *, patience: float | None = None, namespace: str | None = None
) -> AsyncIterator[Site]:
    """Open the site as it stands in an environment.

    Args:
        environment: ``local``, ``vercel`` or ``dedicated``.
        patience: seconds a dead cache may cost one call; default as for ``connect``.
        namespace: of its keys, to share those of a site that is open elsewhere; default: one of its own.

    Raises:
        ConfigurationError: there is no such environment, or its variables make no sense; the message names them.
    """
    async with AsyncExitStack() as stack:
        place = await asyncio.to_thread(cache_environment, environment, os.environ)
        namespace = namespace or f"dousell-lab:{uuid.uuid4().hex[:8]}:"
        cache = await stack.enter_async_context(await connect_async(place, namespace=namespace, patience=patience))
        source = await _open_source(stack, os.environ)
        emulated = tuple(line for line in (place.emulated, source.emulated) if line)
        yield Site(cache, source.origin, source.ledger, source.as_of, source.name, emulated, patience)


def cache_environment(name: str, environ: Mapping[str, str]) -> Environment:
    """Say which cache belongs to an environment, asked for by name; for ``vercel`` without credentials, the emulator.

    Raises:
        ConfigurationError: there is no such environment, or its variables make no sense.
    """
    if name == "vercel":
        if any(environ.get(variable, "").strip() for variable in stand_in.REST_VARIABLES):
            return detect({**environ, "VERCEL": "1"})
        held = shared_cloud()
        latency = held.cache_latency.label if held.cache_latency else "no latency added"
        return rest(held.upstash_url, held.upstash_token, source="local cloud", emulated=f"Upstash ({latency})")
    if name == "dedicated":
        found = detect({**environ, "VERCEL": ""})
        if found.name == "dedicated":
            return found
        message = "REDIS_URL is not set: it says where the dedicated server's Valkey or Redis is"
        raise ConfigurationError(message)
    if name == "local":
        return Environment("local", "tcp", LOCAL_URL, source="default")
    message = f"there is no environment {name!r}; there are {', '.join(NAMES)}"
    raise ConfigurationError(message)


@once
def shared_cloud() -> Cloud:
    """Return this process's hold on the local cloud, with Dousell's data in it; the system lets go when we end.

    Raises:
        ConfigurationError: a latency variable is no latency profile; the message names it.
    """
    held = stand_in.start()
    try:
        database.load(held.postgres_url)
        stand_in.await_schema(held)
    except BaseException:
        held.close()
        raise
    return held


def preflight(environment: str) -> str | None:
    """Try an environment's cache and origin once; return the sentence that says why it cannot be reached, or None."""
    return asyncio.run(why_unreachable(environment))


async def why_unreachable(environment: str) -> str | None:
    """Do the same as :func:`preflight` where a loop is running."""
    try:
        async with open_site(environment, patience=PATIENCE) as site:
            return await _cache_failure(site) or await _origin_failure(site)
    except CacheError as error:
        return str(error)
    except _ORIGIN_FAILURES as error:
        return f"the origin does not answer: {type(error).__name__}"


async def _cache_failure(site: Site) -> str | None:
    try:
        await site.cache.ping()
    except CacheError as error:
        return diagnosis(error, site.environment)
    return None


async def _origin_failure(site: Site) -> str | None:
    try:
        pages = await site.origin.property_ids(1)
    except _ORIGIN_FAILURES as error:
        return f"{site.origin_name} does not answer: {type(error).__name__}; check SUPABASE_URL"
    except APIError as error:
        refused = (error.code or "").startswith(_REFUSALS)
        advice = "check SUPABASE_KEY" if refused else "check SUPABASE_URL and its tables"
        return f"{site.origin_name} refuses to show its properties: {error.message}; {advice}"
    except (ValueError, TypeError, KeyError):
        return f"what answers for {site.origin_name} is no Supabase project: check SUPABASE_URL"
    return None if pages else f"{site.origin_name} holds no published property"


class _Source(NamedTuple):
    """Dousell's data: two ways to read it, when it stands, its name, and what of it is emulated."""

    origin: Origin
    ledger: Ledger
    as_of: datetime | None
    name: str
    emulated: str


async def _open_source(stack: AsyncExitStack, environ: Mapping[str, str]) -> _Source:
    url, key = environ.get("SUPABASE_URL", "").strip(), environ.get("SUPABASE_KEY", "").strip()
    if bool(url) != bool(key):
        absent, present = ("SUPABASE_KEY", "SUPABASE_URL") if url else ("SUPABASE_URL", "SUPABASE_KEY")
        message = f"{absent} is not set although {present} is"
        raise ConfigurationError(message)
    if not key.isascii() or not key.isprintable() or " " in key:
        message = "SUPABASE_KEY must be one word of plain letters, digits and signs, as Supabase's console shows it"
        raise ConfigurationError(message)
    if url:
        urlsplit_safely(url, "SUPABASE_URL")
        return _Source(*await _supabase(stack, url, key, key), None, "Supabase", "")
    held = await asyncio.to_thread(shared_cloud)
    distance = held.origin_latency.label if held.origin_latency else "no latency added"
    if held.supabase_url:
        opened = await _supabase(stack, held.supabase_url, held.supabase_anon_key, held.supabase_service_key)
        return _Source(*opened, EPOCH, "local Supabase (PostgREST)", f"Supabase ({distance})")
    origin = await stack.enter_async_context(postgres_origin(held.postgres_url, held.origin_latency))
    ledger = await stack.enter_async_context(postgres_ledger(held.postgres_url, held.origin_latency))
    name = "PostgreSQL directly, for want of PostgREST"
    return _Source(origin, ledger, EPOCH, name, f"Supabase ({distance}; read from PostgreSQL directly)")


async def _supabase(stack: AsyncExitStack, url: str, public_key: str, service_key: str) -> tuple[Origin, Ledger]:
    """Open a project with the key for its public rows and the one for the rest; where there is one, it is both."""
    origin = await stack.enter_async_context(supabase_origin(url, public_key))
    return origin, await stack.enter_async_context(supabase_ledger(url, service_key))
