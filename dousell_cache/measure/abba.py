"""Two environments measured in turns: blocks in the order A B B A, judged pair by pair. Pure.

A machine drifts while it measures. Both blocks of a pair are asked the same requests, one right after the other, and
who comes first alternates, so that a steady drift falls on both sides alike. What counts is how much the two blocks of
a pair differ, and how much that varies from pair to pair (Student's t); so what all requests of a block have in common
widens the interval, and what both blocks of a pair have in common does not.

In A/A mode both sides are the same, and any difference that is found is a false alarm. How often one would be is learnt
from the pairs themselves: which of two blocks is called A is arbitrary, so every way of exchanging them within pairs is
an A/A comparison as good as the one that was made (Fisher's randomisation).

Simulated by ``python -m benchmarks.comparing``: 2,000 comparisons each of blocks of 150 lognormal times (spread 0.5),
on a machine whose mood varies by 5 % from block to block and which gets slower until the end; in %:

                                   any differs   P95 differs   learnt by A/A
    8 pairs, alike                         5.1           3.1             4.8
    8 pairs, alike, 1.5 × slower           4.9           3.0             4.6
    16 pairs, alike, 1.5 × slower          5.1           3.1             4.8
    8 pairs, 10 % up, 1.5 × slower        45.1          31.6
    16 pairs, 10 % up, 1.5 × slower       86.6          68.3
    8 pairs, 20 % up, 1.5 × slower        94.5          83.8
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from .compare import ALPHA, SHARES, Compared, Scale, judged, raised_together
from .significance import p_of_student
from .stats import Interval, student

FEWEST = 5
"""Pairs that it takes to know how much pairs differ."""

_MOST_EXCHANGES = 4_096

Figures = Mapping[str, float]


class Turn(NamedTuple):
    """One block.

    Args:
        pair: which pair it belongs to, from 0.
        second: whether it is B's.
    """

    pair: int
    second: bool


def turns(pairs: int) -> list[Turn]:
    """Return the order of the blocks: A B, B A, A B, ...

    Args:
        pairs: how many of each side.
    """
    return [Turn(pair, second ^ (pair % 2 == 1)) for pair in range(pairs) for second in (False, True)]


def compare_pairs(
    a: Sequence[Figures],
    b: Sequence[Figures],
    whole: tuple[Mapping[str, Interval], Mapping[str, Interval]],
    *,
    targets: Collection[str],
    doubt: str | None = None,
) -> list[Compared]:
    """Compare blocks, pair by pair.

    Args:
        a: the figures of each of A's blocks, in order of the pairs.
        b: those of B's.
        whole: the figures of all blocks of A together, and of B.
        targets: the figures that have a target.
        doubt: why nothing may be concluded, such as reads that failed.
    """
    names = [name for name in whole[0] if name in whole[1]]
    return judged([_compared(name, a, b, whole, name in targets, doubt) for name in names])


def exchanges(pairs: int, seed: int = 1) -> Iterator[Sequence[float]]:
    """Yield ways of exchanging the blocks of pairs, as signs: all of them, or 4,096 drawn at random if there are more.

    Exchanging every pair changes nothing but the sign, so the first one stays.
    """
    if 2 ** (pairs - 1) <= _MOST_EXCHANGES:
        for number in range(2 ** (pairs - 1)):
            yield [-1.0 if number >> pair & 1 else 1.0 for pair in range(pairs)]
        return
    generator = np.random.default_rng(seed)
    for _ in range(_MOST_EXCHANGES):
        yield generator.choice((-1.0, 1.0), pairs).tolist()


class FalseAlarms(NamedTuple):
    """How often two sides that are the same would be called different.

    Args:
        rate: share of the exchanges with a difference of any figure that has a target.
        exchanges: how many there were.
        pairs: of so many pairs of blocks.
    """

    rate: float
    exchanges: int
    pairs: int


def false_alarms(a: Sequence[Figures], b: Sequence[Figures], targets: Collection[str]) -> FalseAlarms:
    """Learn the false-alarm rate from the blocks of one environment.

    Args:
        a: the figures of the blocks that were called A.
        b: of those that were called B.
        targets: the figures that have a target.
    """
    effects = {name: _effects(name, a, b)[1] for name in a[0] if name in targets}
    found = [_any_different(effects, signs) for signs in exchanges(len(a))]
    return FalseAlarms(sum(found) / len(found), len(found), len(a))


def _any_different(effects: Mapping[str, list[float] | None], signs: Sequence[float]) -> bool:
    values = [
        (name, True, _student([one * sign for one, sign in zip(effect, signs, strict=True)])[2])
        for name, effect in effects.items()
        if effect is not None
    ]
    return any(p < ALPHA for p in raised_together(values).values())


def _compared(
    name: str,
    a: Sequence[Figures],
    b: Sequence[Figures],
    whole: tuple[Mapping[str, Interval], Mapping[str, Interval]],
    target: bool,
    doubt: str | None,
) -> Compared:
    scale, effects = _effects(name, a, b)
    bare = Compared(name=name, target=target, a=whole[0][name], b=whole[1][name], scale=scale, note=doubt or "")
    if effects is None:
        return bare
    middle, reach, p = _student(effects)
    ends = (middle, middle - reach, middle + reach)
    value, low, high = map(math.exp, ends) if scale == "ratio" else ends
    if len(effects) < FEWEST:
        return msgspec.structs.replace(bare, effect=Interval(value, samples=len(effects)))
    return msgspec.structs.replace(bare, effect=Interval(value, low, high, len(effects)), p=None if doubt else p)


def _effects(name: str, a: Sequence[Figures], b: Sequence[Figures]) -> tuple[Scale, list[float] | None]:
    """Return how b differs from a in each pair: differences of shares, logarithms of ratios of all else."""
    pairs = [(first[name], second[name]) for first, second in zip(a, b, strict=True)]
    if name in SHARES:
        return "difference", [second - first for first, second in pairs]
    if min(min(pair) for pair in pairs) <= 0:
        return "ratio", None
    return "ratio", [math.log(second / first) for first, second in pairs]


def _student(effects: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, how far its 95 % interval reaches, and how easily it is so far from 0 by chance."""
    count = len(effects)
    mean = math.fsum(effects) / count
    if count < FEWEST:
        return mean, math.inf, 1.0
    error = math.sqrt(math.fsum((one - mean) ** 2 for one in effects) / (count - 1) / count)
    if not error:
        return mean, 0.0, float(mean == 0)
    return mean, student(count - 1) * error, p_of_student(mean / error, count - 1)
