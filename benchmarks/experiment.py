"""How often an experiment's stopping rule is wrong, and how soon it is right: simulated sites whose truth is known.

Run as ``python -m benchmarks.experiment [--runs 1000]``; docs/decisions/0014 quotes its figures. Nothing is timed, so
any machine prints the same. A site has keys asked for as Zipf has it, at the times of a Poisson process, and a cache
that keeps each for its arm's TTL. It is looked at twenty times, at equal distances.
"""

import argparse
import sys
from collections.abc import Iterator

import numpy as np

from dousell_cache.tuning.arms import Phase, Sums, Table, place
from dousell_cache.tuning.evidence import bounds, difference

LOOKS = 20
CONTROL = 60.0


def site(keys: int, skew: float, rate: float, seconds: float, lead_in: float, ttl: float, seed: int) -> Iterator[Table]:
    """Yield an experiment's table at each look.

    Args:
        keys: how many the site has.
        skew: of their popularity, as Zipf has it.
        rate: requests a second.
        seconds: how long the experiment takes after its lead-in.
        lead_in: how long that is, in seconds; 0: none.
        ttl: of the second arm; the first one's is CONTROL.
        seed: of everything.
    """
    generator = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, keys + 1) ** skew
    settle = max(CONTROL, ttl)
    end = lead_in + settle + seconds
    times = np.sort(generator.uniform(0, end, generator.poisson(rate * end))).tolist()
    asked = generator.choice(keys, size=len(times), p=weights / weights.sum()).tolist()
    places = [place(f"detail:{key}", f"experiment {seed}", 2) for key in range(keys)]
    until, counts = [0.0] * keys, dict[tuple[Phase, int, int], list[int]]()
    due = lead_in + settle + seconds / LOOKS
    for at, key in zip(times, asked, strict=True):
        arm, cluster = places[key]
        while at > due:
            yield table(counts)
            due += seconds / LOOKS
        hit = at <= until[key]
        if not hit:
            until[key] = at + (ttl if arm and at >= lead_in else CONTROL)
        if lead_in <= at < lead_in + settle:
            continue
        sums = counts.setdefault(("before" if at < lead_in else "during", arm, cluster), [0, 0])
        sums[0] += 1
        sums[1] += hit
    yield table(counts)


def table(counts: dict[tuple[Phase, int, int], list[int]]) -> Table:
    """Return counts as an experiment keeps them."""
    return {key: Sums(reads, hits, 0, reads - hits) for key, (reads, hits) in counts.items()}


def simulate(runs: int, effect: float, **options: float) -> tuple[float, float, float, float]:
    """Return how many experiments found a difference at any look and by a plain interval, in %, and what they saw.

    Returns:
        Found, found by looking at plain 95 % intervals, the median width of the last interval and the median
        difference, both in points.
    """
    found, plain, widths, values = 0, 0, [], []
    for run in range(runs):
        hit = naive = False
        for look in site(seed=run, **options):  # type: ignore[arg-type]  # options by name
            estimate = difference(look, 1, "hits")
            interval = bounds(estimate, effect)
            hit |= interval.low > 0 or interval.high < 0
            naive |= estimate is not None and abs(estimate.value) > 1.96 * estimate.variance**0.5
        found, plain = found + hit, plain + naive
        widths.append((interval.high - interval.low) * 50)
        values.append(interval.value * 100)
    return found / runs * 100, plain / runs * 100, float(np.median(widths)), float(np.median(values))


SITES: dict[str, dict[str, float]] = {
    "2,000 keys, Zipf 0.8": {"keys": 2_000, "skew": 0.8, "rate": 20, "seconds": 1_000},
    "2,000 keys, Zipf 1.1": {"keys": 2_000, "skew": 1.1, "rate": 20, "seconds": 1_000},
}


def main() -> None:
    """Simulate and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiment", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000, help="simulated experiments of each kind (1,000)")
    options = parser.parse_args()
    sys.stdout.write("site | lead-in | TTL | found % | plain % | ± points | difference\n")
    for name, kind in SITES.items():
        for lead_in in (0.0, 1_000.0):
            for ttl in (CONTROL, 90.0, 180.0):
                told = simulate(options.runs, 0.01, lead_in=lead_in, ttl=ttl, **kind)
                figures = " | ".join(f"{figure:.2f}" for figure in told)
                sys.stdout.write(f"{name} | {lead_in:.0f} s | {ttl:.0f} s | {figures}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
