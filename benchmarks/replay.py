"""Predicted beside measured: a trace replayed against a real Valkey over TCP and through the Upstash emulator.

Run as ``python -m benchmarks.replay [--requests 20000] [--keys 2000] [--compress 10] [--over tcp,rest]``;
docs/decisions/0014 quotes it.
"""

import argparse
import asyncio
import math
import sys

import numpy as np

from dousell_cache import AsyncCache, connect_async
from dousell_cache.environments import Environment, rest
from dousell_cache.errors import MeasurementFailed
from dousell_cache.local import cloud
from dousell_cache.measure.workload import Schedule, zipf_ranks
from dousell_cache.tuning.replay import replay
from dousell_cache.tuning.trace import INVALIDATE, READ, Trace

RATE, SKEW, CHANGES, FILL = 50.0, 0.9, 0.01, 0.3


def trace(requests: int, count: int, seed: int = 7) -> Trace:
    """Return Poisson arrivals over Zipf keys, some of them invalidations, at fifty requests a second."""
    times = np.round(Schedule.poisson(RATE, requests=requests, seed=seed).times, 3)
    keys = zipf_ranks(count, requests, skew=SKEW, seed=seed)
    changed = np.random.default_rng(seed).random(requests) < CHANGES
    return Trace.of(times, [f"detail:{key}" for key in keys.tolist()], np.where(changed, INVALIDATE, READ))


async def replay_over(over: str, cache: AsyncCache, asked: Trace, options: argparse.Namespace) -> float:
    """Replay, print a row for each TTL, and return the worst distance in points."""
    worst = 0.0
    for ttl in map(float, options.ttls.split(",")):
        try:
            (row,) = (await replay(asked, cache, [ttl], compress=options.compress, fill=FILL)).rows
        except MeasurementFailed as reason:
            sys.stdout.write(f"{over} | {ttl:g} s | refused: {reason}\n")
            sys.stdout.flush()
            worst = math.inf
            continue
        worst = max(worst, abs(row.points))
        sys.stdout.write(
            f"{over} | {row.ttl:g} s | {row.predicted:.2%} | {row.measured.value:.2%} | {row.points:+.2f} | "
            f"{row.predicted_loads} | {row.loads} | {row.late_ms:.1f} ms | {row.doubt:.2f}\n"
        )
        sys.stdout.flush()
    return worst


async def run(options: argparse.Namespace) -> bool:
    """Replay over each way that was asked for, and tell whether all were within a point."""
    worst, asked = [], trace(options.requests, options.keys)
    with cloud() as servers:
        places: dict[str, str | Environment] = {
            "tcp": servers.valkey_url,
            "rest": rest(servers.upstash_url, servers.upstash_token),
        }
        for over in options.over.split(","):
            async with await connect_async(places[over], namespace="bench:", patience=20, breaker=False) as cache:
                worst.append(await replay_over(over, cache, asked, options))
    return max(worst) <= 1.0


def main() -> int:
    """Replay and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000, help="events for each TTL (20,000)")
    parser.add_argument("--ttls", default="5,10,30,60,120", help="seconds with commas between (5,10,30,60,120)")
    parser.add_argument("--keys", type=int, default=2_000, help="how many keys there are (2,000)")
    parser.add_argument("--compress", type=float, default=10.0, help="what time is divided by (10)")
    parser.add_argument("--over", default="tcp,rest", help="tcp, rest, or both with a comma between")
    sys.stdout.write("over | TTL | predicted | measured | points | predicted loads | loads | late | doubt\n")
    return 0 if asyncio.run(run(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
