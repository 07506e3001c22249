"""Blocks in turns: a drift cancels out, a difference is found, and A/A tells how often that would be a false alarm."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from benchmarks.comparing import TARGETS, drifting
from dousell_cache.measure.abba import FEWEST, Turn, compare_pairs, exchanges, false_alarms, turns
from dousell_cache.measure.compare import Compared
from dousell_cache.measure.stats import Interval

WHOLE = {name: Interval(1.0) for name in TARGETS}


def found(
    a: Sequence[Mapping[str, float]], b: Sequence[Mapping[str, float]], doubt: str | None = None
) -> dict[str, Compared]:
    """Return each figure of blocks that were compared."""
    whole = ({name: WHOLE.get(name, Interval(1.0)) for name in a[0]},) * 2
    return {one.name: one for one in compare_pairs(a, b, (whole[0], whole[1]), targets=TARGETS, doubt=doubt)}


def blocks(*p95: float) -> list[dict[str, float]]:
    """Return blocks with these figures."""
    return [{"p95_ms": value} for value in p95]


def test_the_order_is_a_b_b_a() -> None:
    """Both blocks of a pair follow each other, and who comes first alternates."""
    assert [(turn.pair, "AB"[turn.second]) for turn in turns(4)] == [
        (0, "A"), (0, "B"), (1, "B"), (1, "A"), (2, "A"), (2, "B"), (3, "B"), (3, "A"),
    ]  # fmt: skip
    assert turns(1) == [Turn(0, False), Turn(0, True)]


def test_what_all_pairs_agree_on_is_found() -> None:
    """B is twice A in every pair, whatever the level of the pair: that is what is found."""
    levels = np.array([1.0, 5.0, 2.0, 9.0, 3.0, 7.0])
    wobble = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0])
    one = found(blocks(*levels), blocks(*(2 * wobble * levels)))["p95_ms"]
    assert one.word == "worse"
    assert one.effect is not None
    assert one.effect.value == pytest.approx(2, rel=0.02)
    assert one.effect.low is not None
    assert one.effect.high is not None
    assert 1.8 < one.effect.low < 2 < one.effect.high < 2.2


def test_a_drift_is_no_difference() -> None:
    """A machine that gets steadily slower, by half in all, is charged to neither side."""
    times = [1.5 ** (at / 15) for at in range(16)]
    sides: list[list[float]] = [[], []]
    for turn, time in zip(turns(8), times, strict=True):
        sides[turn.second].append(time)
    assert found(blocks(*sides[0]), blocks(*sides[1]))["p95_ms"].word == "not significant"


def test_hit_rates_are_compared_by_their_difference() -> None:
    """Shares differ by points; pairs that are all the same differ by nothing, for certain."""
    low, high = [{"hit_rate": 0.8 + at / 100} for at in range(6)], [{"hit_rate": 0.9 + at / 101} for at in range(6)]
    one = found(low, high)["hit_rate"]
    assert (one.word, one.scale) == ("better", "difference")
    assert one.effect is not None
    assert one.effect.value == pytest.approx(0.1, abs=0.01)
    same = found(low, low)["hit_rate"]
    assert (same.word, same.p, same.effect) == ("not significant", 1.0, Interval(0.0, 0.0, 0.0, 6))


def test_what_cannot_be_said() -> None:
    """Too few pairs, a zero, or reads that failed: the word is that nobody can say."""
    few = found(blocks(1, 1, 1, 1), blocks(2, 2.1, 2.2, 2.3))["p95_ms"]
    assert (few.word, few.effect and few.effect.low, few.note) == ("cannot say", None, "too few samples")
    zero = found(blocks(1, 1, 1, 1, 0), blocks(2, 2, 2, 2, 2))["p95_ms"]
    assert (zero.word, zero.effect) == ("cannot say", None)
    doubted = found(blocks(1, 1, 1, 1, 1), blocks(2, 2.1, 2.2, 2, 2), "reads failed")["p95_ms"]
    assert (doubted.word, doubted.p, doubted.note) == ("cannot say", None, "reads failed")
    assert FEWEST == 5


def test_blocks_are_exchanged_in_every_way_once() -> None:
    """Of 5 pairs there are 16 ways that differ by more than the sign of all; of many pairs, 4,096 are drawn."""
    ways = [tuple(signs) for signs in exchanges(5)]
    assert len(set(ways)) == len(ways) == 16
    negatives = {tuple(-sign for sign in signs) for signs in ways}
    assert not negatives & set(ways)
    many = [tuple(signs) for signs in exchanges(30)]
    assert len(many) == 4_096
    assert many == [tuple(signs) for signs in exchanges(30)]
    assert {sign for signs in many for sign in signs} == {-1.0, 1.0}


def test_a_a_learns_the_false_alarm_rate() -> None:
    """Of blocks that are alike, about one exchange in twenty would be called different, and not many more."""
    generator = np.random.default_rng(1)
    pairs = [drifting(generator, 8, 150, 1.0, 1.5) for _ in range(12)]
    learnt = [false_alarms(a, b, TARGETS) for a, b in pairs]
    assert {(one.exchanges, one.pairs) for one in learnt} == {(128, 8)}
    assert 0.02 <= np.mean([one.rate for one in learnt]) <= 0.07


def test_alike_is_seldom_called_different_in_turns() -> None:
    """A/A on a machine that drifts by half: at most about 5 % of comparisons find a figure that differs."""
    generator = np.random.default_rng(2)
    alarms = 0
    for _ in range(300):
        a, b = drifting(generator, 8, 60, 1.0, 1.5)
        alarms += any(one.word in {"better", "worse"} for one in found(a, b).values())
    assert alarms <= 29  # what 300 tosses of 5 % reach in 99.9 % of cases


def test_a_fifth_slower_is_found_in_turns() -> None:
    """Eight pairs find 20 % in most comparisons, on a machine that drifts and whose blocks vary by 5 %."""
    generator = np.random.default_rng(3)
    words = [found(a, b) for a, b in (drifting(generator, 8, 150, 1.2, 1.5) for _ in range(60))]
    assert np.mean([any(one.word == "worse" for one in each.values()) for each in words]) >= 0.8
    assert not any(one.word == "better" for each in words for one in each.values())
