"""The command line: ``python -m benchmarks [hits|near|cold|locks ...] [--quick] [--json FILE] [--page FILE]``."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis

from dousell_cache.measure.result import this_host, utc_now

from .cold_key import measure_cold
from .harness import PEERS_PYTHON, BenchmarkFailed, Server, server
from .hits import measure_hits, measure_near
from .locks.alone import measure_alone
from .locks.dead import measure_dead
from .locks.hand_off import measure_hand_off
from .locks.killed import measure_killed
from .locks.lost import measure_lost
from .locks.table import alone_table, dead_table, hand_off_table, killed_table, lost_table
from .machine import cores, processor
from .table import cold_table, hits_table, place

# By name: what measures (the server, the profile), and what makes its report a text.
PARTS: dict[str, tuple[Callable[[Server, str], Any], Callable[[Any], str]]] = {
    "hits": (measure_hits, hits_table),
    "near": (measure_near, hits_table),
    "cold": (measure_cold, cold_table),
    "lock-alone": (measure_alone, alone_table),
    "lock-hand-off": (measure_hand_off, hand_off_table),
    "lock-killed": (measure_killed, killed_table),
    "lock-dead": (measure_dead, dead_table),
    "lock-lost": (measure_lost, lost_table),
}
GROUPS = {"locks": [name for name in PARTS if name.startswith("lock-")]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print it, and leave it where it was asked to be."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS) - set(GROUPS):
        parser.error(f"there is no part {' or '.join(sorted(unknown))}, only {', '.join([*PARTS, *GROUPS])}")
    parts = [name for part in options.parts or PARTS for name in GROUPS.get(part, [part])]
    if not PEERS_PYTHON.exists():
        sys.stderr.write("the peers are not installed: run `make bench`, which makes .venv-bench\n")
        return 2
    profile = "quick" if options.quick else "full"
    report: dict[str, Any] = {"machine": {"host": this_host(), "processor": processor()}, "profile": profile}
    try:
        for name in parts:
            report[name], text = _run(name, profile)
            sys.stdout.write(f"\n## {name}\n\n{text}\n")
            if options.page:
                place(options.page, name, text)
    except (BenchmarkFailed, ValueError) as reason:
        sys.stderr.write(f"\n{reason}\n")
        return 1
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    return 0


def _run(name: str, profile: str) -> tuple[dict[str, Any], str]:
    measure, as_text = PARTS[name]
    sys.stderr.write(f"{name} ")
    started, begin = utc_now(), time.monotonic()
    with server() as where:
        version = _server_version(where)
        measured = measure(where, profile)
    seconds = time.monotonic() - begin
    sys.stderr.write(f" {seconds:.0f} s\n")
    stamp = _stamp(started, seconds, profile, version)
    return {"started": started, "seconds": seconds, "server": version, "report": measured}, as_text(measured) + stamp


def _server_version(where: Server) -> str:
    with redis.Redis.from_url(where.url) as client:
        told: Any = client.info("server")
    return f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {told['redis_version']}"


def _stamp(started: str, seconds: float, profile: str, version: str) -> str:
    host = this_host()
    return (
        f"{version}, Python {host.python}, {host.system}, {processor()}, {host.cpus} cores, {_pinning()}. "
        f"{started[:10]}, profile {profile}, {seconds:.0f} s.\n"
    )


def _pinning() -> str:
    if not cores():
        return "**not pinned**: this system cannot, so figures of one caller may jump"
    return "pinned" if len(cores()) > 1 else "pinned, but 32 callers and the server **share the only core**"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="dousell_cache beside its peers")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join([*PARTS, *GROUPS])}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="rewrite the tables between that page's comments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
