"""What a dead cache costs: every fault, on every way to a server, seen from ``get_or_set`` alone.

Run as ``python benchmarks/faults.py [--json] [--only silence,refuse] [--calls 200]``. Servers and faults are local, so
what is left is the price of noticing. Columns, in milliseconds; the loader itself takes none:

- first: the first call after the fault began;
- paid: calls in a row, from the first on, that reached the server's address or took longer than 1 ms;
- p99: the 99th percentile of the calls after those (``--calls``, 1 ms apart: one of 200 may be the breaker's try);
- recovery: from healing to the first hit.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dousell_cache import connect, connect_async, local
from dousell_cache.environments import Environment, rest
from dousell_cache.testing.faults import FaultProxy, HttpFaultProxy

ON_THE_WAY = ("refuse", "silence", "reset", "reset-mid-reply", "garbage", "drip", "tls-stall")
FAULTS = {
    "tcp": (*ON_THE_WAY, "LOADING", "READONLY", "NOAUTH", "OOM", "MISCONF"),
    "rest": (*ON_THE_WAY, "401", "429", "500", "html", "truncated-json"),
}
FACES = ("blocking", "asyncio")
PAID = 0.001
MOST_PAID = 10
PAUSE = 0.001  # between calls: pages do not come back to back
DRIP = 0.02  # seconds a byte: always within the patience of one wait, never of a call
GIVE_UP = 10.0

Read = Callable[[str], Any]


class Row(NamedTuple):
    """What one fault cost on one way."""

    way: str
    face: str
    fault: str
    first_ms: float
    paid: int
    p99_ms: float
    recovery_ms: float | None


async def measure(read: Read, proxy: FaultProxy, fault: str, calls: int) -> tuple[float, int, float, float | None]:
    """Let a cache suffer one fault and get well again.

    Args:
        read: reads a key through the cache and returns whether it was a hit.
        proxy: stands in front of the server.
        fault: what to inject.
        calls: how many calls to take the percentile of.
    """
    if fault != "tls-stall":
        await read("warm")
    proxy.inject(fault, seconds=DRIP)
    seen = proxy.commands, proxy.connections
    paid = [await timed(read, "key 0")]
    while (paid[-1] > PAID or seen != (proxy.commands, proxy.connections)) and len(paid) <= MOST_PAID:
        seen = proxy.commands, proxy.connections
        paid.append(await timed(read, f"key {len(paid)}"))
    later = [await timed(read, f"later {number}", PAUSE) for number in range(calls)]
    proxy.heal()
    recovery = None if fault == "tls-stall" else await recovered(read)
    return paid[0] * 1000, len(paid) - 1, sorted(later)[int(len(later) * 0.99)] * 1000, recovery


async def timed(read: Read, key: str, pause: float = 0.0) -> float:
    """Return the seconds of one read, after a pause."""
    await asyncio.sleep(pause)
    started = time.perf_counter()
    await read(key)
    return time.perf_counter() - started


async def recovered(read: Read) -> float | None:
    """Return the milliseconds until a read is a hit again, or None if that takes too long."""
    started = time.perf_counter()
    while time.perf_counter() - started < GIVE_UP:
        if await read("back"):
            return (time.perf_counter() - started) * 1000
        await asyncio.sleep(PAUSE)
    return None


async def rows(way: str, proxy: FaultProxy, token: str, faults: tuple[str, ...], calls: int) -> list[Row]:
    """Measure one way, both faces, fault by fault, with a cache of its own for each."""
    found = list[Row]()
    for face in FACES:
        for fault in faults:
            url = proxy.tls_url if fault == "tls-stall" else proxy.url
            target: str | Environment = rest(url, token, source="argument") if way == "rest" else url
            namespace = f"faults:{os.getpid()}:{face}:{fault}:"
            found.append(Row(way, face, fault, *await suffered(face, target, namespace, proxy, fault, calls)))
            print(".", end="", file=sys.stderr, flush=True)
    return found


async def suffered(
    face: str, target: str | Environment, namespace: str, proxy: FaultProxy, fault: str, calls: int
) -> tuple[float, int, float, float | None]:
    """Open one face of a cache and measure it under a fault."""
    if face == "blocking":
        with connect(target, namespace=namespace) as cache:

            async def read(key: str) -> bool:
                hits = cache.counters().hits
                cache.get_or_set(key, dict, ttl=60)
                return cache.counters().hits > hits

            return await measure(read, proxy, fault, calls)
    async with await connect_async(target, namespace=namespace) as acache:

        async def aread(key: str) -> bool:
            hits = acache.counters().hits
            await acache.get_or_set(key, dict, ttl=60)
            return acache.counters().hits > hits

        return await measure(aread, proxy, fault, calls)


@contextmanager
def proxies() -> Iterator[dict[str, tuple[FaultProxy, str]]]:
    """Start the servers, and a proxy in front of each."""
    with (
        local.cloud(cache_latency=None, origin_latency=None) as cloud,
        FaultProxy(cloud.valkey_url) as tcp,
        HttpFaultProxy(cloud.upstash_url) as http,
    ):
        yield {"tcp": (tcp, ""), "rest": (http, cloud.upstash_token)}


def table(found: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| way | face | fault | first, ms | calls that paid | P99 after, ms | recovery, ms |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in found:
        paid = "all" if row.paid >= MOST_PAID else str(row.paid)
        recovery = "–" if row.recovery_ms is None else f"{row.recovery_ms:.0f}"
        lines.append(
            f"| {row.way} | {row.face} | {row.fault} | {row.first_ms:.1f} | {paid} | {row.p99_ms:.2f} | {recovery} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a dead cache costs, fault by fault.")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--only", default="", metavar="FAULTS", help="faults to measure, separated by commas")
    parser.add_argument("--ways", default="tcp,rest", help="tcp, rest or both")
    parser.add_argument("--calls", type=int, default=200, help="calls for the P99 (default 200)")
    options = parser.parse_args()
    logging.getLogger("dousell_cache").setLevel(logging.ERROR)
    found = list[Row]()
    with proxies() as opened:
        for way in options.ways.split(","):
            faults = tuple(fault for fault in FAULTS[way] if not options.only or fault in options.only.split(","))
            found += asyncio.run(rows(way, *opened[way], faults, options.calls))
    print(file=sys.stderr)
    print(json.dumps([row._asdict() for row in found], indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
