"""What a user holds: the facts of running servers, and the lease that keeps them running."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from dousell_cache.errors import ConfigurationError

from .latency import LatencyProfile

if TYPE_CHECKING:
    from .shared import Lease

__all__ = ["Cloud", "Embedded", "cloud", "embedded"]


@dataclass(frozen=True, eq=False)
class _Handle:
    """Servers in use; leave the block or call ``close`` to let go of them."""

    lease: "Lease" = field(repr=False)

    def close(self) -> None:
        """Let go; the servers stop when nobody else uses them. A second call does nothing."""
        self.lease.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedded(_Handle):
    """A running Valkey on this machine.

    Args:
        url: its address over TCP.
        socket: its unix socket, a little faster.
    """

    url: str
    socket: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Cloud(_Handle):
    """Running stand-ins for Upstash and Supabase on this machine. The repr shows no secret.

    Args:
        valkey_url: the Valkey behind Upstash, over TCP and without latency.
        upstash_url: Upstash's REST API; ``upstash_token`` is its bearer token.
        postgres_url: the database behind Supabase, as superuser and without latency.
        supabase_url: what the supabase client takes; None when PostgREST is missing.
        supabase_anon_key: the public key, under row level security.
        supabase_service_key: the key that passes row level security by.
        cache_latency: added to each request to Upstash, or None.
        origin_latency: added to each request to Supabase, or None.
        missing: what could not be started, each with a sentence that says why; empty when all is there.
    """

    valkey_url: str
    upstash_url: str
    upstash_token: str = field(repr=False)
    postgres_url: str = field(repr=False)
    supabase_url: str | None
    supabase_anon_key: str = field(repr=False)
    supabase_service_key: str = field(repr=False)
    cache_latency: LatencyProfile | None
    origin_latency: LatencyProfile | None
    missing: Mapping[str, str]


def embedded() -> Embedded:
    """Join this user's embedded Valkey, or start it.

    All processes of one user and one Python environment share it. It stops when the last of them has closed it or
    ended; an object that is lost without ``close`` holds it until its process ends.

    Returns:
        The server's addresses; close it, or use it in a ``with`` block.

    Raises:
        ConfigurationError: the platform or the installation has no server for it.
        CacheUnavailable: it could not be started.
    """
    facts, lease = _attach(_common())
    return Embedded(lease=lease, url=facts["url"], socket=facts["socket"])


def cloud(
    cache_latency: str | LatencyProfile | None = None, origin_latency: str | LatencyProfile | None = None
) -> Cloud:
    """Join this user's cloud with these latencies, or start it: shared and stopped as ``embedded`` is.

    It has a Valkey of its own. Without PostgREST it starts all the same, and ``missing`` says why.

    Args:
        cache_latency: added to each request to Upstash: a profile, its name or its spec; none by default.
        origin_latency: added to each request to Supabase, likewise.

    Returns:
        The servers' addresses and keys; close it, or use it in a ``with`` block.

    Raises:
        ValueError: there is no such profile.
        ConfigurationError: the platform or the installation has no servers for it.
        CacheUnavailable: a server could not be started.
    """
    cache, origin = _profile(cache_latency), _profile(origin_latency)
    common = _common()
    postgrest, missing = _postgrest()
    facts, lease = _attach(common | _cloud_parts(postgrest, cache, origin))
    del facts["socket"]
    return Cloud(lease=lease, cache_latency=cache, origin_latency=origin, missing=missing, **facts)


def _common() -> dict[str, Any]:
    if os.name != "posix":
        raise ConfigurationError(
            "the embedded servers need Linux or macOS (WSL is Linux); here, set REDIS_URL to a server of your own"
        )
    from dousell_cache import __version__

    from .valkey import server_path

    return {"version": __version__, "prefix": sys.prefix, "valkey": str(server_path())}


def _cloud_parts(postgrest: str | None, cache: LatencyProfile | None, origin: LatencyProfile | None) -> dict[str, Any]:
    from . import postgres, runtime

    postgres.require_reach(runtime.base_folder())
    return {
        "postgres": str(postgres.install_path()),
        "postgrest": postgrest,
        "cache_latency": cache and str(cache),
        "origin_latency": origin and str(origin),
    }


def _postgrest() -> tuple[str | None, dict[str, str]]:
    from .postgrest import PostgrestMissing, install

    try:
        return str(install()), {}
    except PostgrestMissing as reason:
        return None, {"supabase": str(reason)}


def _attach(configuration: Mapping[str, Any]) -> "tuple[dict[str, Any], Lease]":
    from .shared import attach  # needs POSIX

    return attach(configuration)


def _profile(latency: str | LatencyProfile | None) -> LatencyProfile | None:
    return LatencyProfile.parse(latency) if isinstance(latency, str) else latency
