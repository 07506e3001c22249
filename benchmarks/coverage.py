"""How often the statistics are right: simulated runs whose truth is known, judged as a measurement would be.

Run as ``python -m benchmarks.coverage [--runs 4000] [--only percentiles,looks]``; the docstrings of ``stats.py``,
``significance.py`` and ``warmup.py`` in ``measure/`` quote its figures. Nothing is timed, so any machine prints the
same. Simulated:

- independent: normal samples;
- AR(1) 0.9: normal, each correlated so much with the one before: what a run in which slow samples come in clusters is;
- queue 0.7: how long customers stay with one server that is busy 70 % of the time;
- stalls: 2 ms, but 100 ms in stalls of 15 samples, about 500 apart.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from dousell_cache.measure.significance import Look, look, rank_test, ratio_of_percentiles
from dousell_cache.measure.stats import Interval, percentile, ratio_of_means, share
from dousell_cache.measure.warmup import warm_up

Matrix = NDArray[np.float64]
Row = tuple[str, ...]
SEED = 20_261_122
LOOKS = 20
T_40 = 2.0227  # Student's t for 39 degrees of freedom


def correlated(correlation: float, length: int, runs: int, seed: int = SEED) -> Matrix:
    """Return runs as rows: normal samples, each correlated so much with the one before."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal(runs)
    steps = np.sqrt(1 - correlation**2) * generator.standard_normal((length, runs))
    for step in steps:
        values = correlation * values + step
        step[:] = values
    return np.ascontiguousarray(steps.T)


def queue(busy: float, length: int, runs: int) -> Matrix:
    """Return the times that customers stay with one server, after 3,000 that are not looked at."""
    generator = np.random.default_rng(SEED)
    waits, stays = np.zeros(runs), np.empty((length, runs))
    for index in range(-3_000, length):
        stay = waits + generator.exponential(1, runs)
        if index >= 0:
            stays[index] = stay
        waits = np.maximum(0, stay - generator.exponential(1 / busy, runs))
    return np.ascontiguousarray(stays.T)


def stalls(gap: int, stall: int, length: int, runs: int, seed: int = SEED) -> Matrix:
    """Return times of 2 ms, and of 100 ms in stalls of so many samples, so far apart on average."""
    generator = np.random.default_rng(seed)
    stalled, times = generator.random(runs) < stall / (gap + stall), np.empty((length, runs))
    for row in times:
        chance = generator.random(runs)
        stalled = np.where(stalled, chance > 1 / stall, chance < 1 / gap)
        row[:] = np.where(stalled, generator.gamma(4, 25, runs), generator.gamma(4, 0.5, runs))
    return np.ascontiguousarray(times.T)


def covered(intervals: list[Interval], truth: float) -> str:
    """Return how many of the intervals hold the truth, in percent; and how many there were, where some were refused."""
    given = [(one.low, one.high) for one in intervals if one.low is not None and one.high is not None]
    if not given:
        return "none given"
    held = percent(np.array([low <= truth <= high for low, high in given]))
    return held if len(given) == len(intervals) else f"{held} of {len(given) / len(intervals):.0%}"


def percent(flags: NDArray[np.bool_]) -> str:
    """Return the share of true ones in percent."""
    return f"{100 * flags.mean():.1f} %"


def forty_blocks(samples: Matrix, level: float, *, naive: bool = False) -> Interval:
    """Return a percentile's interval by how much forty separate blocks differ; naive: as if they did not."""
    value, count = float(np.percentile(samples, level)), len(samples)
    chance, below = level / 100, samples <= value
    excess = np.add.reduceat(below - below.mean(), np.arange(40) * count // 40)
    effect = 1.0 if naive else max(0.5, 40 / 39 * float(excess @ excess) / (count * chance * (1 - chance)))
    reach = T_40 * math.sqrt(chance * (1 - chance) * effect / count)
    ordered = np.sort(samples)
    first, last = max(1, math.floor(count * (chance - reach))), min(count, math.ceil(count * (chance + reach)))
    return Interval(value, float(ordered[first - 1]), float(ordered[last - 1]), count)


def percentiles(runs: int) -> Iterator[Row]:
    """How many 95 % intervals hold the percentile: this package's, those of forty blocks, and naive ones."""
    yield ("simulated", "figure", "this", "forty blocks", "naive")
    few = max(1, runs // 4)
    normal = [NormalDist().inv_cdf(level) for level in (0.50, 0.95, 0.99)]
    stay = [-math.log(1 - level) / 0.3 for level in (0.50, 0.95, 0.99)]
    stalled = np.percentile(stalls(500, 15, 100_000, 100, seed=1), (50, 95, 99)).tolist()
    for name, made, truths in (
        ("independent, 300", correlated(0, 300, runs), normal),
        ("AR(1) 0.9, 100", correlated(0.9, 100, runs), normal),
        ("AR(1) 0.9, 300", correlated(0.9, 300, runs), normal),
        ("independent, 4,000", correlated(0, 4_000, runs), normal),
        ("AR(1) 0.9, 1,000", correlated(0.9, 1_000, runs), normal),
        ("AR(1) 0.9, 4,000", correlated(0.9, 4_000, runs), normal),
        ("AR(1) 0.98, 4,000", correlated(0.98, 4_000, few), normal),
        ("queue 0.7, 4,000", queue(0.7, 4_000, few), stay),
        ("stalls, 4,000", stalls(500, 15, 4_000, few), stalled),
    ):
        for level, truth in zip((50, 95, 99), truths, strict=True):
            this = covered([percentile(run, level) for run in made], truth)
            forty = covered([forty_blocks(run, level) for run in made], truth)
            naive = covered([forty_blocks(run, level, naive=True) for run in made], truth)
            yield (name, f"P{level}", this, forty, naive)


def shares(runs: int) -> Iterator[Row]:
    """How many 95 % intervals hold the hit rate, and the speedup."""
    yield ("simulated", "figure", "by time", "by key too")
    for name, correlation, truth in (("independent", 0.0, 0.9), ("AR(1) 0.9", 0.9, 0.9), ("AR(1) 0.9", 0.9, 0.5)):
        flags = correlated(correlation, 4_000, runs) < NormalDist().inv_cdf(truth)
        yield (f"{name}, 4,000", f"hit rate {truth:.0%}", covered([share(run) for run in flags], truth), "")
    for keys in (20, 200):
        times, by_key = zip(*[keyed(seed, keys) for seed in range(runs // 2)], strict=True)
        yield (f"{keys} keys that differ, 4,000", "hit rate 90%", covered(list(times), 0.9), covered(list(by_key), 0.9))
    generator = np.random.default_rng(SEED)
    ratios = []
    for _ in range(runs):
        missed = generator.random(2_000) < 0.05
        reads = np.where(missed, generator.gamma(100, 3, 2_000), generator.gamma(4, 0.5, 2_000))
        ratios.append(ratio_of_means(generator.gamma(100, 3, 40), reads))
    yield ("40 over 2,000, 5 % misses", "speedup", covered(ratios, 300 / (0.05 * 300 + 0.95 * 2)), "")


def keyed(seed: int, keys: int) -> tuple[Interval, Interval]:
    """Return the hit rate of 4,000 reads of keys whose own hit rates differ, 90 % on average: by time, and by key."""
    generator = np.random.default_rng((SEED, seed))
    rates, asked = generator.beta(9, 1, keys), generator.integers(0, keys, 4_000)
    hits = generator.random(4_000) < rates[asked]
    return share(hits), share(hits, keys=asked)


def comparisons(runs: int) -> Iterator[Row]:
    """What comparing two runs finds: false alarms where they are alike, and how often a P95 10 % up is found."""
    yield ("simulated, each side", "ratio of P50", "ratio of P95", "ratio of means", "rank test")
    for name, correlation, length, factor in (
        ("alike, independent, 2,500", 0.0, 2_500, 1.0),
        ("alike, AR(1) 0.9, 1,000", 0.9, 1_000, 1.0),
        ("alike, AR(1) 0.9, 4,000", 0.9, 4_000, 1.0),
        ("10 % up, independent, 2,500", 0.0, 2_500, 1.1),
        ("10 % up, AR(1) 0.9, 4,000", 0.9, 4_000, 1.1),
    ):
        ups = factor * np.exp(0.5 * correlated(correlation, length, runs, seed=1))
        downs = np.exp(0.5 * correlated(correlation, length, runs, seed=2))
        pairs = list(zip(ups, downs, strict=True))
        found = [
            [differs(ratio_of_percentiles(up, down, 50)) for up, down in pairs],
            [differs(ratio_of_percentiles(up, down, 95)) for up, down in pairs],
            [differs(ratio_of_means(up, down)) for up, down in pairs],
            [(rank_test(up, down).p or 0) < 0.05 for up, down in pairs],
        ]
        yield (name, *(percent(np.array(column)) for column in found))


def differs(figure: Interval) -> bool:
    """Tell whether the interval of a ratio leaves 1 out."""
    return figure.low is not None and not figure.low <= 1 <= (figure.high or 0)


def looks(runs: int) -> Iterator[Row]:
    """How often twenty looks find a difference: evidence that allows them, and a look at each plain interval."""
    yield ("simulated, each side", "P95", "always valid", "plain intervals", "of the samples, when found")
    for name, correlation, length, factor in (
        ("alike, independent, 2,500", 0.0, 2_500, 1.0),
        ("alike, AR(1) 0.9, 4,000", 0.9, 4_000, 1.0),
        ("different, independent, 2,500", 0.0, 2_500, 1.1),
        ("different, independent, 10,000", 0.0, 10_000, 1.1),
        ("different, independent, 2,500", 0.0, 2_500, 1.3),
    ):
        ups = factor * np.exp(0.5 * correlated(correlation, length, runs, seed=1))
        downs = np.exp(0.5 * correlated(correlation, length, runs, seed=2))
        seen = [twenty_looks(up, down) for up, down in zip(ups, downs, strict=True)]
        at = [when / LOOKS for when, _ in seen if when]
        valid = percent(np.array([when > 0 for when, _ in seen]))
        plain = percent(np.array([peeked for _, peeked in seen]))
        yield (name, f"×{factor:g}", valid, plain, f"{np.median(at):.0%}" if at and factor > 1 else "")


def twenty_looks(first: Matrix, second: Matrix) -> tuple[int, bool]:
    """Return at which look a difference was proved, 0 for none, and whether a plain interval ever showed one."""
    last: Look | None = None
    when, peeked = 0, False
    for number in range(1, LOOKS + 1):
        until = number * len(first) // LOOKS
        last = look(first[:until], second[:until], before=last)
        when = when or (number if last.found else 0)
        peeked = peeked or differs(ratio_of_percentiles(first[:until], second[:until], 95))
    return when, peeked


def warm_ups(runs: int) -> Iterator[Row]:
    """How often the end of a warm-up of 10 s in 60 s is found within 2 s, at 75 requests a second."""
    yield ("simulated", "within 2 s", "median", "5 % to 95 %")
    for name, shape in RAMPS.items():
        generator = np.random.default_rng(SEED)
        found = []
        for _ in range(runs):
            times = np.cumsum(generator.exponential(1 / 75, 4_500))
            found.append(warm_up(shape(generator, times), times).seconds)
        seconds = np.array(found)
        low, middle, high = np.percentile(seconds, (5, 50, 95))
        within = percent(np.abs(seconds - (0 if name.startswith("none") else 10)) <= 2)
        yield (name, within, f"{middle:.1f} s", f"{low:.1f} to {high:.1f} s")


def rising_hits(generator: np.random.Generator, times: Matrix) -> Matrix:
    """Return times of 2 ms for hits and 300 ms for misses, while in 10 s the hit rate rises from 0 to 95 %."""
    hits = generator.random(len(times)) < 0.95 * np.clip(times / 10, 0, 1)
    return np.where(hits, 2.0, 300.0) * generator.gamma(10, 0.1, len(times))


def ramp(height: float, spread: float, correlation: float = 0) -> Callable[[np.random.Generator, Matrix], Matrix]:
    """Return what makes times that fall from so high to 1 within 10 s, spread and correlated as told."""

    def shape(generator: np.random.Generator, times: Matrix) -> Matrix:
        level = 1 + (height - 1) * np.clip(1 - times / 10, 0, 1)
        noise = correlated(correlation, len(times), 1, seed=int(generator.integers(2**31)))[0]
        return np.asarray(level * np.exp(spread * noise))

    return shape


RAMPS: dict[str, Callable[[np.random.Generator, Matrix], Matrix]] = {
    "hits from 0 to 95 %": rising_hits,
    "times from ×3, spread 0.3": ramp(3, 0.3),
    "times from ×10, spread 0.5": ramp(10, 0.5),
    "times from ×10, spread 1": ramp(10, 1),
    "times from ×3, spread 0.3, AR(1) 0.9": ramp(3, 0.3, 0.9),
    "none, spread 0.5": ramp(1, 0.5),
    "none, spread 0.5, AR(1) 0.9": ramp(1, 0.5, 0.9),
}

PARTS: dict[str, tuple[Callable[[int], Iterator[Row]], int]] = {  # and one of how many runs it takes
    "percentiles": (percentiles, 1),
    "shares": (shares, 1),
    "comparisons": (comparisons, 2),
    "looks": (looks, 4),
    "warm_ups": (warm_ups, 20),
}


def main() -> None:
    """Simulate what was asked for and print a table of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=4_000, help="simulated runs (4,000; a fourth for looks)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    options = parser.parse_args()
    for name in options.only.split(","):
        if name not in PARTS:
            parser.error(f"there is no part {name}, only {', '.join(PARTS)}")
        part, fraction = PARTS[name]
        runs = max(1, options.runs // fraction)
        sys.stdout.write(f"\n## {name}: {part.__doc__} {runs:,} runs.\n\n")
        for row in part(runs):
            sys.stdout.write(
                " | ".join(f"{cell:<32}" if not at else f"{cell:>15}" for at, cell in enumerate(row)) + "\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
