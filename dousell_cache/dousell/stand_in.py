"""The local cloud as Dousell's stand-in: when it is needed, and how far away its services seem to be.

Light to import, so that whoever only keeps the cloud running does not pay for the clients that use it.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..errors import CacheError, CacheUnavailable, ConfigurationError
from ..local import Cloud, LatencyProfile, cloud

REST_VARIABLES = ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_URL", "KV_REST_API_TOKEN")
"""Any of them means the real Upstash."""

_SCHEMA_SECONDS = 20.0  # PostgREST reads it in well under one; a deadline for a laden machine, never a wait
_POLL_SECONDS = 0.02
_UNKNOWN = "PGRST202"  # no such function, as far as PostgREST has read: https://docs.postgrest.org/en/stable/references/errors.html


def start(environ: Mapping[str, str] = os.environ) -> Cloud:
    """Start or join the local cloud.

    Args:
        environ: ``DOUSELL_CACHE_LATENCY`` and ``DOUSELL_ORIGIN_LATENCY`` say how far away Upstash and Supabase seem to
            be: the name or spec of a profile, or ``none``; default ``upstash-eu`` and ``supabase-eu``.

    Raises:
        ConfigurationError: one of them is no latency profile; the message names it.
        CacheUnavailable: the cloud could not be started.
    """
    return cloud(
        cache_latency=_from_variable(environ, "DOUSELL_CACHE_LATENCY", "upstash-eu"),
        origin_latency=_from_variable(environ, "DOUSELL_ORIGIN_LATENCY", "supabase-eu"),
    )


def is_needed(environments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Say whether one of these environments lacks the credentials of a real service."""
    upstash = "vercel" in environments and not any(environ.get(name, "").strip() for name in REST_VARIABLES)
    return upstash or not environ.get("SUPABASE_URL", "").strip()


@contextmanager
def kept_running(environments: Sequence[str]) -> Iterator[None]:
    """Keep the cloud running for the processes of a block, which would otherwise start it one after the other."""
    held = None
    if is_needed(environments, os.environ):
        try:
            held = start()
        except CacheError:
            held = None  # each environment's own preflight says why it cannot be reached
    try:
        yield
    finally:
        if held:
            held.close()


def await_schema(held: Cloud) -> None:
    """Wait until the cloud's PostgREST knows the tables: it reads them a moment after they were made, all at once.

    Raises:
        CacheUnavailable: it did not in time.
    """
    import httpx

    if not held.supabase_url:
        return
    asked = {"lease_id": 0, "period": "2000-01-01"}
    headers = {"apikey": held.supabase_service_key}
    deadline = time.monotonic() + _SCHEMA_SECONDS
    with httpx.Client(base_url=held.supabase_url, headers=headers, trust_env=False) as client:
        while client.post("/rest/v1/rpc/find_payment", json=asked).json().get("code") == _UNKNOWN:
            if time.monotonic() > deadline:
                message = f"PostgREST did not read the tables within {_SCHEMA_SECONDS:g} s after they were made"
                raise CacheUnavailable(message)
            time.sleep(_POLL_SECONDS)


def latency(text: str, source: str) -> LatencyProfile | None:
    """Return the latency that a profile's name or spec means; None for ``none``.

    Raises:
        ConfigurationError: it is no latency profile; the message names where it came from.
    """
    try:
        return None if text.strip() == "none" else LatencyProfile.parse(text)
    except ValueError as error:
        message = f"{source}: {error}"
        raise ConfigurationError(message) from error


def _from_variable(environ: Mapping[str, str], variable: str, default: str) -> LatencyProfile | None:
    return latency(environ.get(variable, "").strip() or default, variable)
