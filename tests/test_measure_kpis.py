"""Verdicts come from the whole interval, and the file of targets says what is wrong with it."""

import math
from typing import Literal

import pytest

from dousell_cache.measure.kpis import KPIS, Kpi, Word, judge, load_kpis, overall
from dousell_cache.measure.stats import Interval

Direction = Literal["above", "below"]


def kpi(direction: Direction) -> Kpi:
    """Return a KPI with the target 10."""
    return Kpi("figure", "Figure", direction, 10.0, "ms")


@pytest.mark.parametrize(
    ("direction", "low", "high", "word"),
    [
        ("above", 10.1, 12, "pass"),
        ("above", 10, 12, "inconclusive"),  # the target itself is not above the target
        ("above", 9, 11, "inconclusive"),
        ("above", 8, 10, "fail"),
        ("above", 8, 9, "fail"),
        ("above", 10, 10, "fail"),
        ("below", 8, 9.9, "pass"),
        ("below", 8, 10, "inconclusive"),
        ("below", 9, 11, "inconclusive"),
        ("below", 10, 12, "fail"),
        ("below", 11, 12, "fail"),
        ("below", 10, 10, "fail"),
    ],
)
def test_the_whole_interval_decides(direction: Direction, low: float, high: float, word: Word) -> None:
    """Pass when all of the interval is on the right side of the target, fail when none of it is, else inconclusive."""
    for value in (low, (low + high) / 2, high):
        assert judge(kpi(direction), Interval(value, low, high, 100)).word == word


@pytest.mark.parametrize("direction", ["above", "below"])
@pytest.mark.parametrize("figure", [Interval(1.0), Interval(99.0), Interval(math.nan, math.nan, math.nan)])
def test_without_an_interval_nothing_is_said(direction: Direction, figure: Interval) -> None:
    """However good or bad the point: too few samples for an interval are inconclusive."""
    assert judge(kpi(direction), figure).word == "inconclusive"


@pytest.mark.parametrize(
    ("figure", "word"),
    [
        (Interval(0.0, 0.0, 0.029, 104), "pass"),
        (Interval(0.0, 0.0, 0.03, 100), "inconclusive"),  # the bound itself is not below the bound
        (Interval(0.0, 0.0, 1.0, 1), "inconclusive"),
        (Interval(0.0), "inconclusive"),
        (Interval(0.0001, 0.0, 0.001, 10_000), "fail"),
        (Interval(0.5, None, None, 2), "fail"),
    ],
)
def test_what_must_never_be_fails_with_the_first_case(figure: Interval, word: Word) -> None:
    """One case fails, however rare; none passes only when there were enough trials to be sure."""
    assert judge(Kpi("figure", "Figure", "none", 0.03, "%"), figure).word == word


def test_a_verdict_carries_what_it_judged() -> None:
    """A verdict names its KPI and its figure, so that a table needs nothing else."""
    figure = Interval(5.0, 4.0, 6.0, 100)
    verdict = judge(kpi("below"), figure)
    assert (verdict.kpi, verdict.figure) == (kpi("below"), figure)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail", "pass"], "fail"),
        ([], "inconclusive"),
    ],
)
def test_the_worst_word_is_the_overall_one(words: list[Word], word: Word) -> None:
    """One failure fails, else one doubt leaves it open; nothing measured is no pass."""
    assert overall(words) == word


def test_the_targets_in_force() -> None:
    """Hit rate over 90 %, P50 under 10 ms, P95 under 50 ms; nothing paid or given twice, surely in under 3 %."""
    targets = {name: (each.direction, each.target, each.unit) for name, each in KPIS.items()}
    assert targets == {
        "hit_rate": ("above", 0.90, "%"),
        "p50_ms": ("below", 10.0, "ms"),
        "p95_ms": ("below", 50.0, "ms"),
        "double_payments": ("none", 0.03, "%"),
        "double_bookings": ("none", 0.03, "%"),
    }
    assert all(each.name == name and each.label for name, each in KPIS.items())


GOOD = '[hits]\nlabel = "Hits"\ndirection = "above"\ntarget = 0.9\nunit = "%"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hits", "not TOML"),
        (GOOD.replace("target = 0.9\n", ""), "hits must have .*`target`"),
        (GOOD.replace('"above"', '"over"'), "hits must have .*'over'"),
        (GOOD.replace("0.9", '"0.9"'), "hits must have .*target"),
        (GOOD.replace("0.9", "true"), "hits must have .*target"),
        ("hits = 0.9", "hits must have label"),
    ],
)
def test_a_wrong_file_is_refused_by_the_name_of_its_target(text: str, sentence: str) -> None:
    """What is wrong with the file of targets is said in one sentence that names the target."""
    with pytest.raises(ValueError, match=sentence) as refused:
        load_kpis(text)
    assert "\n" not in str(refused.value)


def test_a_right_file_is_read() -> None:
    """A target is read as written; a whole number will do."""
    assert load_kpis(GOOD) == {"hits": Kpi("hits", "Hits", "above", 0.9, "%")}
    assert load_kpis(GOOD.replace("0.9", "1"))["hits"].target == 1.0
