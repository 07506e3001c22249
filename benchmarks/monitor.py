"""What monitoring costs, and how often its intervals are right: ``python -m benchmarks.monitor [PART ...]``.

- ``recording``: microseconds that a read costs more for being recorded, alone and as a hit over TCP;
- ``flush``: how large a flush is, how long it keeps the server, what an hour of figures takes there;
- ``look``: how long one look of the monitor takes, on a server with a day of figures;
- ``coverage``: how often the intervals over clusters have the truth (nothing is timed there).

The docstring of ``monitor/intervals.py`` and decision 15 quote its figures. By hand only. Times of this process are
processor time and those of the server its own, since a machine is seldom quiet; ``look`` is told by both clocks.
"""

import argparse
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from dousell_cache import Cache, connect
from dousell_cache.environments import from_url
from dousell_cache.events import Read
from dousell_cache.histogram import bucket
from dousell_cache.keys import Names
from dousell_cache.local import embedded
from dousell_cache.monitor.info import node_figures
from dousell_cache.monitor.intervals import Part, clustered_quantiles, clustered_share
from dousell_cache.monitor.monitor import Monitor
from dousell_cache.recording import Batch, Recorder, hour
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import Place
from dousell_cache.transport.tcp import BlockingTcp

ROUNDS, READS = 15, 4_000
RUNS = 2_000
_EMPTY = Batch(0, "", {})


def recording(url: str) -> Iterator[str]:
    """Measure what a read costs more for being recorded."""
    recorder = Recorder("local", time.monotonic, time.time, lambda: "process")
    events = [Read(f"detail:{number}", "hit", number / 1e6, 0.0, 1) for number in range(1000)]
    alone = [_microseconds(lambda: list(map(recorder, events))) / len(events) for _ in range(ROUNDS * 4)]
    yield f"one event recorded: {statistics.median(alone):.2f} µs"
    for what, near in (("over TCP", None), ("near", (100, 600.0))):
        plain, recorded = list[float](), list[float]()
        with _cache(url, figures=False, near=near) as without, _cache(url, figures=True, near=near) as with_them:
            for _ in range(ROUNDS):  # in turn, so that what the machine does meanwhile falls on both
                plain.append(_per_hit(without))
                recorded.append(_per_hit(with_them))
        more = [b - a for a, b in zip(plain, recorded, strict=True)]
        yield (
            f"a hit {what}: {statistics.median(plain):.1f} µs, recorded {statistics.median(recorded):.1f} µs, "
            f"{statistics.median(more):+.1f} µs ({min(more):+.1f} to {max(more):+.1f}, {ROUNDS} rounds of {READS})"
        )


def flush(url: str) -> Iterator[str]:
    """Measure a flush after ten busy seconds, and what an hour takes on the server."""
    client = BlockingTcp(url, patience=20)
    chance = random.Random(1)  # noqa: S311 - a simulation
    for families in (1, 10, 50):
        with _cache(url, figures=True) as cache:
            recorder = _recorder(cache)
            for _ in range(30):
                for _ in range(5_000):
                    key = f"family{chance.randrange(families)}:{chance.randrange(100)}"
                    slow = chance.random() < 0.05
                    seconds = chance.lognormvariate(-1.5 if slow else -5.5, 0.5)
                    recorder(Read(key, "miss" if slow else "hit", seconds, seconds * 0.9 if slow else 0.0, 1))
                sent = len((recorder.take() or _EMPTY).fields)
                before = _script_seconds(client)
                cache.flush(force=True)
                took = (_script_seconds(client) - before) * 1000
            name = Names(cache.namespace).figures(hour(time.time()))
            size: Any = run_blocking(client.send("MEMORY", "USAGE", name, "SAMPLES", 0))
            fields: Any = run_blocking(client.send("HLEN", name))
            yield (
                f"{families} families, 5,000 reads: {sent} fields in {took:.1f} ms of the server; after 30 of them "
                f"{fields} fields, {size / 1024:.0f} KiB, {size / fields:.0f} bytes a field"
            )
    client.close()


def look(url: str) -> Iterator[str]:
    """Measure looks at a server that has a day of figures of ten families."""
    client, namespace = BlockingTcp(url, patience=20), f"bench-{uuid4().hex}:"
    names, chance = Names(namespace), random.Random(2)  # noqa: S311 - a simulation
    for back in range(24):
        words: list[str | int] = []
        for family in range(10):
            for minute in range(0, 60, 2):
                words += [f"local:hit:{minute:02d}:f{family}", 90, f"local:miss:{minute:02d}:f{family}", 10]
            for place in chance.sample(range(300, 900), 250):
                words += [f"local:t{place}::f{family}", 12]
        run_blocking(client.send("HSET", names.figures(hour(time.time() - 3600 * back)), *words))
    client.close()
    for hours in (1, 24):
        monitor = Monitor(Place(from_url(url)), namespace=namespace, hours=hours)
        spent, times = list[float](), list[float]()
        for _ in range(ROUNDS):
            started = time.process_time()
            times.append(monitor.look().seconds * 1000)
            spent.append((time.process_time() - started) * 1000)
        monitor.close()
        first, later = (f"{part[0]:.0f} ms, then {statistics.median(part[1:]):.0f} ms" for part in (spent, times))
        yield f"{hours} h: first look {first} of processor time; {later} by the clock"


def coverage(_: str) -> Iterator[str]:
    """Simulate how often the intervals over clusters have the truth."""
    for clusters in (5, 12, 30, 288):
        alike, differ = (_share_covered(clusters, spread) for spread in (0.0, 0.09))
        times = _time_covered(clusters) if clusters <= 30 else None
        told = f", P95 of clusters that differ {times:.1f} %" if times is not None else ""
        yield f"{clusters} clusters: share of alike ones {alike:.1f} %, of ones that differ {differ:.1f} %{told}"


def _share_covered(clusters: int, spread: float) -> float:
    chance, truth, inside = np.random.default_rng(clusters), 0.9, 0
    for _ in range(RUNS):
        reads = chance.integers(50, 150, clusters)
        hits = chance.binomial(reads, truth + chance.uniform(-spread, spread, clusters))
        found = clustered_share([Part(int(meant), int(count)) for meant, count in zip(hits, reads, strict=True)])
        inside += found.low is not None and found.high is not None and found.low <= truth <= found.high
    return inside / RUNS * 100


def _time_covered(clusters: int) -> float:
    chance, inside, runs = np.random.default_rng(clusters), 0, RUNS // 2
    truth = float(np.quantile(_times(chance, 20_000, 200), 0.95)) * 1000
    for _ in range(runs):
        parts = [Counter(map(bucket, times.tolist())) for times in _times(chance, clusters, 200)]
        (found,) = clustered_quantiles(parts, 95)
        inside += bool(found and found.low is not None and found.high is not None and found.low <= truth <= found.high)
    return inside / runs * 100


def _times(chance: np.random.Generator, clusters: int, reads: int) -> NDArray[np.float64]:
    """Return clusters as rows: times whose level differs by a fifth from one to the next."""
    return chance.uniform(0.8, 1.2, (clusters, 1)) * chance.lognormal(-5.3, 0.7, (clusters, reads))


def _recorder(cache: Cache) -> Recorder:
    if cache.recorder is None:
        message = "this cache records nothing"
        raise RuntimeError(message)
    return cache.recorder


def _cache(url: str, *, figures: bool, near: tuple[int, float] | None = None) -> Cache:
    return connect(url, namespace=f"bench-{uuid4().hex}:", ttl=600, patience=5, figures=figures, near=near)


def _per_hit(cache: Cache) -> float:
    cache.set("detail:1", {"rent_xof": 450_000})
    return _microseconds(lambda: [cache.get("detail:1") for _ in range(READS)]) / READS


def _microseconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1e6


def _script_seconds(client: BlockingTcp) -> float:
    commands = node_figures(run_blocking(client.send("INFO", "everything"))).commands
    return sum(commands[name].seconds for name in ("eval", "evalsha") if name in commands)


PARTS: dict[str, Callable[[str], Iterator[str]]] = {
    "recording": recording,
    "flush": flush,
    "look": look,
    "coverage": coverage,
}


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description="what monitoring costs")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {' or '.join(sorted(unknown))}, only {', '.join(PARTS)}")
    with embedded() as server:
        for name in options.parts or PARTS:
            for line in PARTS[name](server.url):
                sys.stdout.write(f"{name}: {line}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
