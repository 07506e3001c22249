"""What pages cost: how long the list of many runs takes to write, and to be seen in a browser.

Run as ``python -m benchmarks.pages [--runs 1000]``; docs/reference/pages.md quotes its figures. The browser is the
tests' own, and opens the page from its file in a new context for each look. What is told is the median of five.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import index, page
from tests.browser.chromium import Chromium, chromium
from tests.reports import GOOD, finished, made_up, measured

LOOKS = 5
PAINT = """new Promise((done) => { const seen = () => {
  const [first] = performance.getEntriesByName("first-contentful-paint");
  const [way] = performance.getEntriesByType("navigation");
  first ? done([first.startTime, way.loadEventEnd]) : setTimeout(seen, 10) }; seen() })"""


def leave(out: Path, runs: int) -> None:
    """Leave so many runs of two environments in a folder, nine hours apart, every fortieth of them slow."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(runs):
        started = (first + timedelta(hours=9 * number)).isoformat()
        value = 20.0 if number % 40 == 39 else 4.0 + number % 7 / 10
        figures = {**GOOD, "p95_ms": Interval(value, value * 0.9, value * 1.1, 2000)}
        record = measured(figures, emulated=["Supabase (300 ms)"], host="5f0c81a9be77", started=started)
        run_id = f"{datetime.fromisoformat(started):%Y%m%dT%H%M%SZ}-{number:04x}"
        finished(out, made_up({"local": record, "vercel": record}, run_id=run_id, started=started))


def median(measure: Callable[[], float]) -> float:
    """Return the median of several measurements."""
    return statistics.median(measure() for _ in range(LOOKS))


def written(out: Path) -> float:
    """Return how long the list takes to write, in seconds."""
    started = time.perf_counter()
    index.write(out)
    return time.perf_counter() - started


def rendered(out: Path) -> float:
    """Return how long the page of one more run takes, without notebooks, in seconds."""
    results = made_up({"local": measured(GOOD, host="5f0c81a9be77")}, run_id="20991231T000000Z-ffff")
    started = time.perf_counter()
    page.render(results, out / results.run.id)
    return time.perf_counter() - started


def looks(browser: Chromium, out: Path) -> Iterator[tuple[float, float]]:
    """Yield first paint and load of the list, in ms."""
    for _ in range(LOOKS):
        paint, loaded = browser.look(out / "index.html", script=PAINT, axe=False).value
        yield paint, loaded


def main(arguments: list[str]) -> None:
    """Measure and print a line of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args(arguments).runs
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        out = Path(folder)
        leave(out, runs)
        seconds, of_page = median(lambda: written(out)), median(lambda: rendered(out))
        paints, loads = zip(*looks(browser, out), strict=True)
        size = (out / "index.html").stat().st_size
    print(
        f"| {runs:,} | {seconds:.2f} s | {size / 1000:,.0f} KB | {statistics.median(paints):.0f} ms "
        f"| {statistics.median(loads):.0f} ms |"
    )
    print(f"the page of one more run: {of_page:.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
