"""How fast TTL curves are and how they grow; how wrong formulas, intervals, forecasts and advice are.

Run as ``python -m benchmarks.tuning``, about four minutes. Name parts to run only them: ``speed``, ``growth``,
``formulas``, ``forecasts``, ``intervals``, ``advice``. Traces are drawn here, from fixed seeds, so that everything but
the seconds comes out the same again.
"""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dousell_cache.tuning import analytic
from dousell_cache.tuning.advice import advise
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.goals import Goal
from dousell_cache.tuning.points import hit_interval
from dousell_cache.tuning.spread import MOST_BLOCKS
from dousell_cache.tuning.trace import Trace

TTLS = np.geomspace(1, 3_600, 30)
FEW_TTLS = np.array([1.0, 10.0, 60.0, 300.0])


def zipf(reads: int, keys: int, skew: float, rate: float, *, changes: float = 0.0, seed: int = 1) -> Trace:
    """Return reads of keys by Zipf's popularity at Poisson times; a share of all events are changes."""
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, keys + 1) ** skew
    codes = generator.choice(keys, reads, p=weights / weights.sum())
    operations = (generator.random(reads) < changes).astype(np.uint8)
    return _trace(np.cumsum(generator.exponential(1 / rate, reads)), codes, keys, operations)


def _trace(times: NDArray[np.float64], codes: NDArray[np.int64], keys: int, operations: NDArray[np.uint8]) -> Trace:
    names = tuple(f"page:{key}" for key in range(keys))
    return Trace(times, codes, names, np.zeros(keys, np.int64), ("page",), operations)


def speed() -> None:
    """Time 1 M requests at 30 TTLs, every figure of a curve included; the best of three."""
    print("1,000,000 requests at 30 TTLs from 1 s to 1 h, seconds of processor time")
    million = {
        "10,000 keys, Zipf 1.0": zipf(10**6, 10_000, 1.0, 100),
        "1,000 keys, Zipf 1.0": zipf(10**6, 1_000, 1.0, 100),
        "100,000 keys, Zipf 0.8": zipf(10**6, 100_000, 0.8, 100),
        "one key": zipf(10**6, 1, 1.0, 100),
        "one key, each 2 s": _trace(np.arange(0, 2e6, 2.0), np.zeros(10**6, np.int64), 1, np.zeros(10**6, np.uint8)),
    }
    for name, trace in million.items():
        print(f"  {name:<58}{_best(partial(curve, trace, TTLS)):6.2f}")
    changing = zipf(10**6, 10_000, 1.0, 100, changes=0.02)
    ways: dict[str, tuple[Trace, dict[str, Any]]] = {
        "loads of 0.3 s": (million["10,000 keys, Zipf 1.0"], {"fill": 0.3}),
        "2 % invalidations": (changing, {}),
        "2 % invalidations, loads of 0.3 s": (changing, {"fill": 0.3}),
        "2 % changes, ignored, loads of 0.3 s": (changing, {"fill": 0.3, "invalidations": "ignored"}),
        "2 % invalidations, loads of 0.3 s, grace and jitter": (changing, {"fill": 0.3, "grace": 60, "jitter": 0.1}),
    }
    for name, (trace, options) in ways.items():
        print(f"  10,000 keys, {name:<45}{_best(partial(curve, trace, TTLS, **options)):6.2f}")


def growth() -> None:
    """Time ever longer traces, to 10 M requests."""
    print("growth: 10,000 keys, Zipf 1.0, 30 TTLs")
    for reads in (10**6, 2 * 10**6, 5 * 10**6, 10**7):
        trace = zipf(reads, 10_000, 1.0, 100)
        seconds = _best(partial(curve, trace, TTLS), times=1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"  {reads:>10,} requests {seconds:6.2f} s, {seconds / reads * 1e6:.2f} s a million, {peak:.1f} GiB at most"
        )


def formulas() -> None:
    """Compare the Poisson forms with the exact curve, in points."""
    print("formula less exact curve, in points, at " + ", ".join(f"{ttl:g} s" for ttl in FEW_TTLS))
    cases = {
        "300,000 reads, 1,000 keys, Zipf 0.8": zipf(300_000, 1_000, 0.8, 100),
        "300,000 reads, 10,000 keys, Zipf 0.8": zipf(300_000, 10_000, 0.8, 100),
        "300,000 reads, 10,000 keys, Zipf 1.2": zipf(300_000, 10_000, 1.2, 100),
        "200,000 reads, 100 keys, 2 % changes": zipf(200_000, 100, 0.8, 50, changes=0.02),
        "300,000 reads, 1,000 keys, in clusters": clustered(300_000, 1_000),
    }
    for name, trace in cases.items():
        errors = (analytic.from_rates(trace, FEW_TTLS) - curve(trace, FEW_TTLS).hit_rate) * 100
        print(f"  {name:<42}" + "".join(f"{error:+8.2f}" for error in errors))
    one = zipf(204_000, 1, 1.0, 0.52, changes=0.02 / 0.52)
    played = curve(one, [30], invalidations="ignored")
    print(
        f"  one key, 0.5 reads and 0.02 changes a second, TTL 30 s: hits "
        f"{(analytic.poisson_invalidated(0.5, 30, 0.02) - curve(one, [30]).hit_rate[0]) * 100:+.2f}, outdated hits "
        f"{(analytic.outdated_of_hits(30, 0.02) - played.outdated[0] / played.hits[0]) * 100:+.2f} points"
    )


def clustered(reads: int, keys: int) -> Trace:
    """Return reads that come in visits: ten of one key within seconds, then nothing for long."""
    generator = np.random.default_rng(1)
    visits = reads // 10
    begun = generator.uniform(0, 3_000, visits)
    times = (begun[:, None] + generator.exponential(2.0, (visits, 10)).cumsum(axis=1)).ravel()
    codes = np.repeat(generator.integers(0, keys, visits), 10)
    order = np.argsort(times)
    return _trace(times[order], codes[order], keys, np.zeros(visits * 10, np.uint8))


def forecasts() -> None:
    """Predict the second half of a trace by the first, in points, and what the advice says of it."""
    print("second half less first half, in points, at " + ", ".join(f"{ttl:g} s" for ttl in FEW_TTLS))
    growing = np.sort(np.random.default_rng(2).uniform(0, 1, 300_000) ** 0.4) * 6_000
    codes = np.random.default_rng(3).integers(0, 300, 300_000)
    cases = {
        "stationary, 1,000 keys, Zipf 0.8": zipf(300_000, 1_000, 0.8, 50),
        "stationary, 10,000 keys, Zipf 1.2": zipf(300_000, 10_000, 1.2, 50),
        "in clusters, 1,000 keys": clustered(300_000, 1_000),
        "three times as busy at the end": _trace(growing, codes, 300, np.zeros(300_000, np.uint8)),
    }
    for name, trace in cases.items():
        middle = trace.times[0] + trace.seconds / 2
        first, second = (
            curve(part, FEW_TTLS).hit_rate for part in (trace.between(0, middle), trace.between(middle, np.inf))
        )
        (advice,) = advise(trace, Goal(0.6))
        errors = "".join(f"{error:+8.2f}" for error in (second - first) * 100)
        print(f"  {name:<36}{errors}  {advice.status}")


def intervals() -> None:
    """Count how often the 95 % interval has the true hit rate of Poisson reads, λT ÷ (1 + λT)."""
    print("intervals that have the true hit rate, of 500 traces of one key, 0.5 reads a second")
    for seconds in (400, 1_000, 4_000, 20_000):
        held = 0
        for seed in range(500):
            trace = zipf(int(seconds / 2), 1, 1.0, 0.5, seed=seed)
            ends = hit_interval(curve(trace, [10], blocks=MOST_BLOCKS), 0)
            held += ends is not None and ends[0] <= 5 / 6 <= ends[1]
        print(f"  {seconds:>7,} s, TTL 10 s: {held / 5:.1f} %")


def advice() -> None:
    """Compare what is advised with the optimum of traces built to have one."""
    print("advised TTL beside the optimum")
    for target in (0.5, 0.8, 0.9, 0.95):
        optimum = target / (1 - target) / 0.5
        found = [next(iter(advise(zipf(20_000, 1, 1.0, 0.5, seed=seed), Goal(target)))).ttl for seed in range(20)]
        known = [ttl for ttl in found if ttl]
        print(
            f"  {target:.0%} of Poisson reads, optimum {optimum:5.1f} s: advised {np.median(known):5.1f} s "
            f"({min(known):.1f} to {max(known):.1f} in {len(known)} of 20 traces)"
        )


def _best(run: Callable[[], object], times: int = 3) -> float:
    taken = []
    for _ in range(times):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return min(taken)


PARTS = {part.__name__: part for part in (speed, growth, formulas, forecasts, intervals, advice)}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - PARTS.keys()
    if unknown:
        sys.exit(f"there is no part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
