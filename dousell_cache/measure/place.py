"""Where a run was measured: how far the cache is, over what, in which region. Never a credential.

The distance is that of a ``PING`` over a connection of its own, made like the cache's: what no command can be faster
than. Over REST each one is an HTTP request, and Upstash charges none (https://upstash.com/docs/redis/overall/billing).
"""

import os
import re
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
import numpy as np

from ..audit import audit
from ..environments import Environment, Kind
from ..errors import CacheError
from ..inquiry import ask
from ..transport.connect import async_transport
from ..transport.port import AsyncTransport
from .host import Ticks, ticks

PINGS = 20
"""How many round trips are timed, unless they take more than a second together."""

_SECONDS = 1.0
_PATIENCE = 2.0
# The variables by which platforms tell a function or a container where it runs.
_REGIONS = ("VERCEL_REGION", "AWS_REGION", "FLY_REGION", "RAILWAY_REPLICA_REGION")
_UPSTASH_REGION = re.compile(r"^((?:us|eu|ap|apn|sa|af|ca)\d|[a-z]+-[a-z]+-\d)-")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run was measured.

    Args:
        kind: how the cache was reached: ``rest``, ``tcp``, ``embedded`` or ``none``.
        tls: whether the way there was encrypted.
        region: where the code ran, as its platform tells; None if it does not.
        cache_region: where the cache is, as far as its address tells.
        server: which server answered, with its version; None if it does not tell.
        rtt_floor_ms: the shortest round trip of a ``PING``; None when none was answered.
        rtt_median_ms: the median one.
        pings: how many were timed.
        stolen: share of processor time that other virtual machines took during the run; None where it is unknown.
    """

    kind: Kind
    tls: bool = False
    region: str | None = None
    cache_region: str | None = None
    server: str | None = None
    rtt_floor_ms: float | None = None
    rtt_median_ms: float | None = None
    pings: int = 0
    stolen: float | None = None


class Survey:
    """A place, and the machine's account of its time when it was looked at.

    Args:
        place: what was seen.
        began: that account.
    """

    def __init__(self, place: Place, began: Ticks) -> None:
        self._place = place
        self._began = began

    def until_now(self) -> Place:
        """Return the place, with what other virtual machines took since it was looked at."""
        return msgspec.structs.replace(self._place, stolen=self._began.stolen_until(ticks()))


async def survey(environment: Environment, environ: Mapping[str, str] | None = None) -> Survey:
    """Look at the place where a run is about to be measured: at most some two seconds, none of which can fail.

    Args:
        environment: where the cache is.
        environ: where platforms tell the region; default: the process's environment variables.
    """
    place = described(environment, os.environ if environ is None else environ)
    if environment.kind == "none":
        return Survey(place, ticks())
    transport = async_transport(environment, _PATIENCE)
    try:
        times = await _round_trips(transport)
        server = await _server(transport) if len(times) else None
    finally:
        await transport.close()
    return Survey(msgspec.structs.replace(place, server=server, **_distance(times)), ticks())


def described(environment: Environment, environ: Mapping[str, str]) -> Place:
    """Return what can be told of a place without asking anybody."""
    parts = urlsplit(environment.url)
    return Place(
        kind=environment.kind,
        tls=parts.scheme == "https" or parts.scheme.startswith("rediss"),
        region=next((environ[name] for name in _REGIONS if environ.get(name)), None),
        cache_region=_region_of(parts.hostname or ""),
    )


def _region_of(host: str) -> str | None:
    """Return the region that Upstash puts before some of its databases' names, such as ``eu2-`` in older ones."""
    found = _UPSTASH_REGION.match(host) if host.endswith(".upstash.io") else None
    return found[1] if found else None


async def _round_trips(transport: AsyncTransport) -> list[float]:
    """Return the milliseconds of up to twenty pings; the one that opens the connection is not among them."""
    times: list[float] = []
    try:
        await transport.send("PING")
        enough = time.perf_counter() + _SECONDS
        while len(times) < PINGS and time.perf_counter() < enough:
            sent = time.perf_counter()
            await transport.send("PING")
            times.append((time.perf_counter() - sent) * 1000)
    except CacheError:
        pass  # a cache that does not answer is what the run itself will tell
    return times


async def _server(transport: AsyncTransport) -> str | None:
    enough = time.monotonic() + _SECONDS
    told = await ask(transport, lambda: max(0.001, enough - time.monotonic()), time.time)
    named = {finding.name: finding.value for finding in audit(told).findings}["server"]
    return None if named == "unknown" else named


def _distance(times: list[float]) -> dict[str, float | int]:
    if not times:
        return {}
    return {"rtt_floor_ms": min(times), "rtt_median_ms": float(np.median(times)), "pings": len(times)}
