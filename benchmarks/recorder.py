"""What a recorder costs a read: a whole cache's, recorded and not, on both faces; and by itself.

Run as ``python -m benchmarks.recorder [--reads 20000]``; docs/how-to/record-a-trace.md quotes it. Processor time of the
whole process is what counts: the writing thread takes the interpreter from those who read.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from dousell_cache import AsyncCache, Cache, connect, connect_async
from dousell_cache.events import Read
from dousell_cache.tuning.recorder import Recorder

from .harness import server

KEYS = 500
ROUNDS = 9


def alone(reads: int, format_: str, sample: float) -> float:
    """Return the microseconds of processor time that an event takes, without a cache."""
    events = [
        Read(f"detail:{key % 5_000}", "hit", 0.001, 0.0, 1, tags=("city:Dakar",), size=900) for key in range(reads)
    ]
    with TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), format=format_, sample=sample)  # type: ignore[arg-type]  # one of the two
        before = time.process_time()
        for number, event in enumerate(events):
            recorder(event)
            if number % 5_000 == 4_999:
                recorder.flush()  # as in the second that so many would take
        recorder.close()
        return (time.process_time() - before) / reads * 1e6


def read_blocking(cache: Cache, reads: int) -> None:
    """Read hits."""
    for number in range(reads):
        cache.get_or_set(f"detail:{number % KEYS}", int, ttl=600)


async def read_async(cache: AsyncCache, reads: int) -> None:
    """Read hits, one at a time."""
    for number in range(reads):
        await cache.get_or_set(f"detail:{number % KEYS}", int, ttl=600)


def taken(act: Callable[[], None]) -> float:
    """Return the seconds of processor time that something took."""
    before = time.process_time()
    act()
    return time.process_time() - before


def dearer(cache: Cache | AsyncCache, act: Callable[[], None], reads: int) -> float:
    """Return by how many microseconds a recorded read is dearer: the median over rounds that take turns."""
    extra = []
    act()
    for _ in range(ROUNDS):
        plain = taken(act)
        with TemporaryDirectory() as folder:

            def recorded(where: str = folder) -> None:
                with Recorder(where) as recorder:
                    unsubscribe = cache.subscribe(recorder)
                    act()
                    unsubscribe()

            extra.append((taken(recorded) - plain) / reads * 1e6)
    return median(extra)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorder", description=__doc__.partition("\n")[0])
    parser.add_argument("--reads", type=int, default=20_000, help="reads in a round (20,000)")
    reads = parser.parse_args().reads
    for format_, sample in (("csv", 1.0), ("parquet", 1.0), ("csv", 0.1)):
        cost = median(alone(10 * reads, format_, sample) for _ in range(3))
        sys.stdout.write(f"an event alone, {format_}, sample {sample:g}: {cost:.2f} µs\n")
    with server() as where:
        with connect(where.url) as cache:
            sys.stdout.write(f"a hit, blocking: {dearer(cache, lambda: read_blocking(cache, reads), reads):+.2f} µs\n")
        with asyncio.Runner() as runner:
            awaited = runner.run(connect_async(where.url))
            cost = dearer(awaited, lambda: runner.run(read_async(awaited, reads)), reads)
            sys.stdout.write(f"a hit, asyncio: {cost:+.2f} µs\n")
            runner.run(awaited.close())


if __name__ == "__main__":
    main()
