"""How often comparisons are right: simulated runs that are alike, and runs that differ by a known factor.

Run as ``python -m benchmarks.comparing [--runs 1000] [--only results,pairs,histories]``; the docstrings of
``compare.py``, ``abba.py`` and ``history.py`` in ``measure/`` quote its figures. Nothing is timed, so any machine
prints the same. Times are lognormal with a spread of 0.5; AR(1) 0.9: each is correlated so much with the one before.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import SEED, Matrix, Row, correlated, percent
from dousell_cache.measure.abba import compare_pairs, false_alarms
from dousell_cache.measure.compare import compare_results
from dousell_cache.measure.history import against_history
from dousell_cache.measure.result import Host, Result
from dousell_cache.measure.stats import Interval, percentile, share

TARGETS = ("hit_rate", "p50_ms", "p95_ms")
HOST = Host(system="Linux", machine="x86_64", cpus=2, python="3.11", versions={}, id="0123456789ab")


def figures(times: NDArray[np.float64], hits: NDArray[np.bool_]) -> dict[str, Interval]:
    """Return the figures of a run of these response times."""
    return {"hit_rate": share(hits), "p50_ms": percentile(times, 50), "p95_ms": percentile(times, 95)}


def result(found: Mapping[str, Interval], started: str = "") -> Result:
    """Return a run that found these figures."""
    return Result(
        notebook="01",
        environment="local",
        cache="",
        origin="",
        emulated=[],
        started=started,
        seconds=1,
        parameters={},
        figures=dict(found),
        host=HOST,
    )


def runs_of(correlation: float, length: int, runs: int, factor: float, seed: int) -> Iterator[dict[str, Interval]]:
    """Yield the figures of simulated runs, 95 % of their reads hits.

    Their times are this factor of the usual ones; of a negative factor, only those of the slowest fifth.
    """
    normal = correlated(correlation, length, runs, seed)
    times: Matrix = np.exp(0.5 * normal) * np.where((factor > 0) | (normal > 0.84), abs(factor), 1.0)
    hits = np.random.default_rng((SEED, seed)).random((runs, length)) < 0.95
    yield from map(figures, times, hits)


def results(runs: int) -> Iterator[Row]:
    """What comparing two results finds: any target figure that differs, and P95 that is worse."""
    yield ("simulated, each side", "any differs", "any worse", "P95 worse", "P95 alone, p < 5 %")
    for name, correlation, length, factor in (
        ("alike, independent, 2,500", 0.0, 2_500, 1.0),
        ("alike, AR(1) 0.9, 4,000", 0.9, 4_000, 1.0),
        ("10 % up, independent, 2,500", 0.0, 2_500, 1.1),
        ("tail 10 % up, independent, 2,500", 0.0, 2_500, -1.1),
        ("20 % up, AR(1) 0.9, 4,000", 0.9, 4_000, 1.2),
    ):
        usual, other = runs_of(correlation, length, runs, 1.0, 1), runs_of(correlation, length, runs, factor, 2)
        pairs = zip(usual, other, strict=True)
        found = [compare_results(result(a), result(b), targets=TARGETS).figures for a, b in pairs]
        words = [[one.word for one in each] for each in found]
        yield (
            name,
            percent(np.array([bool({"better", "worse"} & set(each)) for each in words])),
            percent(np.array(["worse" in each for each in words])),
            percent(np.array([each[2] == "worse" for each in words])),
            percent(np.array([(each[2].p or 1) < 0.05 for each in found])),
        )


def drifting(
    generator: np.random.Generator, pairs: int, length: int, factor: float, drift: float
) -> list[list[dict[str, float]]]:
    """Return the figures of A's and of B's blocks on a machine that gets slower by this factor until the end."""
    sides: list[list[dict[str, float]]] = [[], []]
    for at in range(2 * pairs):
        pair, place = divmod(at, 2)
        second = (place + pair) % 2
        mood = np.exp(0.05 * generator.standard_normal()) * drift ** (at / (2 * pairs))
        times = mood * factor**second * np.exp(0.5 * generator.standard_normal(length))
        hits = float((generator.random(length) < 0.95).mean())
        p50, p95 = np.percentile(times, (50, 95))
        sides[second].append({"hit_rate": hits, "p50_ms": float(p50), "p95_ms": float(p95)})
    return sides


def pairs(runs: int) -> Iterator[Row]:
    """What blocks in turns find, of a machine whose mood varies by 5 % from block to block and drifts."""
    yield ("simulated, 150 requests a block", "any differs", "P95 differs", "learnt false alarms")
    for count, factor, drift in (
        (8, 1.0, 1.0),
        (8, 1.0, 1.5),
        (16, 1.0, 1.5),
        (8, 1.1, 1.5),
        (16, 1.1, 1.5),
        (8, 1.2, 1.5),
    ):
        generator = np.random.default_rng(SEED)
        any_, p95, learnt = [], [], []
        for number in range(runs):
            a, b = drifting(generator, count, 150, factor, drift)
            whole = {name: Interval(1.0) for name in TARGETS}
            words = [one.word for one in compare_pairs(a, b, (whole, whole), targets=TARGETS)]
            any_.append(bool({"better", "worse"} & set(words)))
            p95.append(words[2] in {"better", "worse"})
            if factor == 1 and number < 20:
                learnt.append(false_alarms(a, b, TARGETS).rate)
        told = f"{100 * np.mean(learnt):.1f} %" if learnt else ""
        name = f"{count} pairs, ×{factor:g}, drift ×{drift:g}"
        yield (name, percent(np.array(any_)), percent(np.array(p95)), told)


def histories(runs: int) -> Iterator[Row]:
    """What a run against its history finds, where runs vary by 10 % beyond their 1,000 samples."""
    yield ("simulated", "any changed", "any regressed", "P95 regressed")
    for count, factor in ((5, 1.0), (10, 1.0), (20, 1.0), (5, 1.5), (10, 1.5), (20, 1.5), (5, 2.0), (10, 2.0)):
        generator = np.random.default_rng(SEED)
        found = []
        for number in range(runs):
            moods = np.exp(0.1 * generator.standard_normal(count + 1))
            moods[-1] *= factor
            made = [
                figures(mood * np.exp(0.5 * generator.standard_normal(1_000)), generator.random(1_000) < 0.95)
                for mood in moods
            ]
            earlier = [(str(at), result(one, f"{number:06d} {at:03d}")) for at, one in enumerate(made[:-1])]
            found.append(against_history(result(made[-1], f"{number:06d} 999"), earlier, targets=TARGETS).figures)
        words = [[one.word for one in each] for each in found]
        yield (
            f"{count} earlier runs, now ×{factor:g}",
            percent(np.array([bool({"regressed", "improved"} & set(each)) for each in words])),
            percent(np.array(["regressed" in each for each in words])),
            percent(np.array([each[2] == "regressed" for each in words])),
        )


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {"results": results, "pairs": pairs, "histories": histories}


def main() -> None:
    """Simulate what was asked for and print a table of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000, help="simulated comparisons (1,000)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    options = parser.parse_args()
    for name in options.only.split(","):
        if name not in PARTS:
            parser.error(f"there is no part {name}, only {', '.join(PARTS)}")
        sys.stdout.write(f"\n## {name}: {PARTS[name].__doc__} {options.runs:,} runs.\n\n")
        for row in PARTS[name](options.runs):
            cells = (f"{cell:<32}" if not at else f"{cell:>20}" for at, cell in enumerate(row))
            sys.stdout.write(" | ".join(cells) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
