"""Verdicts come from the whole interval, and the file of targets says what is wrong with it."""

import math
from pathlib import Path
from typing import Literal

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.measure.kpis import (
    FIGURES,
    KPIS,
    KPIS_VARIABLE,
    Kpi,
    Verdict,
    Word,
    alerts,
    judge,
    judge_all,
    kpis_in_force,
    load_kpis,
    overall,
)
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
    """Hit rate over 90 %, P50 under 10 ms, P95 under 50 ms; what must never be, surely in under 3 % or 1 %."""
    targets = {name: (each.direction, each.target, each.unit) for name, each in KPIS.items()}
    assert targets == {
        "hit_rate": ("above", 0.90, "%"),
        "p50_ms": ("below", 10.0, "ms"),
        "p95_ms": ("below", 50.0, "ms"),
        "double_payments": ("none", 0.03, "%"),
        "double_bookings": ("none", 0.03, "%"),
        "unanswered": ("none", 0.01, "%"),
        "stale_reads": ("none", 0.01, "%"),
    }
    assert all(each.name == name and each.label for name, each in KPIS.items())


GOOD = '[hit_rate]\nlabel = "Hits"\ndirection = "above"\ntarget = 0.9\nunit = "%"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hit_rate", "not TOML"),
        (GOOD.replace("target = 0.9\n", ""), "hit_rate must have .*`target`"),
        (GOOD.replace('"above"', '"over"'), "hit_rate must have .*'over'"),
        (GOOD.replace("0.9", '"0.9"'), "hit_rate must have .*target"),
        (GOOD.replace("0.9", "true"), "hit_rate must have .*target"),
        (GOOD.replace("0.9", "nan"), "hit_rate must have a finite target, not nan"),
        (GOOD.replace("0.9", "90"), "hit_rate is a share: its target must be from 0 to 1, not 90"),
        (GOOD + "taget = 1\n", "hit_rate must have .*`taget`"),
        (GOOD + "alert = 0.95\n", "hit_rate: an alert level must be at most its target, not 0.95"),
        (GOOD.replace('"above"', '"none"') + "alert = 0.95\n", "hit_rate: an alert level must be left out, not 0.95"),
        (
            GOOD.replace("hit_rate", "hitrate"),
            "a target for hitrate, which is not measured; measured are hit_rate,",
        ),
        ("hit_rate = 0.9", "hit_rate must have label"),
    ],
)
def test_a_wrong_file_is_refused_by_the_name_of_its_target(text: str, sentence: str) -> None:
    """What is wrong with the file of targets is said in one sentence that names the target."""
    with pytest.raises(ValueError, match=sentence) as refused:
        load_kpis(text)
    assert "\n" not in str(refused.value)


def test_a_right_file_is_read() -> None:
    """A target is read as written; a whole number will do."""
    assert load_kpis(GOOD) == {"hit_rate": Kpi("hit_rate", "Hits", "above", 0.9, "%")}
    assert load_kpis(GOOD.replace("0.9", "1"))["hit_rate"].target == 1.0


def test_a_file_changes_what_it_says_and_leaves_the_rest(tmp_path: Path) -> None:
    """The user's file need only hold what differs: no guard is lost for not being repeated."""
    path = tmp_path / "mine.toml"
    path.write_text("[p95_ms]\ntarget = 80\n[speedup]\n" + GOOD.partition("\n")[2].replace("0.9", "2"))
    path.write_text(path.read_text().replace('"%"', '"×"'))
    found = kpis_in_force({KPIS_VARIABLE: str(path)})
    assert found["p95_ms"] == Kpi("p95_ms", "P95 response", "below", 80.0, "ms")
    assert found["speedup"].target == 2.0
    assert {name: kpi for name, kpi in found.items() if name not in {"p95_ms", "speedup"}} == {
        name: kpi for name, kpi in KPIS.items() if name != "p95_ms"
    }
    assert kpis_in_force({KPIS_VARIABLE: " "}) is KPIS


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file"),
        (b"[hit_rate]\ntarget = 2\n", "hit_rate is a share"),
        (b"\xff", "codec"),
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_usage(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    """A missing, wrong or garbled file is a setting that makes no sense, and is named."""
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"mine\.toml.*{sentence}"):
        kpis_in_force({KPIS_VARIABLE: str(path)})


def test_every_figure_with_a_target_is_measured() -> None:
    """A target's direction is the better side of its figure; what must never be is better below."""
    sides = {name: "below" if each.direction == "none" else each.direction for name, each in KPIS.items()}
    assert sides == {name: FIGURES[name] for name in KPIS}


FIGURE = {"hit_rate": Interval(0.95, 0.93, 0.97, 1_000), "double_payments": Interval(0.01, 0.0, 0.02, 100)}


def test_the_slowest_hundredth_may_have_a_target(tmp_path: Path) -> None:
    """A KPI file may set one for P99, which notebook 01 measures."""
    path = tmp_path / "mine.toml"
    path.write_text('[p99_ms]\nlabel = "P99"\ndirection = "below"\ntarget = 400\nunit = "ms"\n')
    assert kpis_in_force({KPIS_VARIABLE: str(path)})["p99_ms"] == Kpi("p99_ms", "P99", "below", 400.0, "ms")


def test_every_figure_with_a_target_is_judged() -> None:
    """Figures without a target, and targets without a figure, are left alone."""
    judged = judge_all({**FIGURE, "speedup": Interval(3.0)}, KPIS)
    assert judged == [judge(KPIS[name], figure) for name, figure in FIGURE.items()]
    assert [verdict.word for verdict in judged] == ["pass", "fail"]


def test_a_flawed_run_cannot_pass_but_fails() -> None:
    """Reads that failed take away a pass, with the reason, and excuse no failure."""
    hits, paid = judge_all(FIGURE, KPIS, flaw="reads failed")
    assert (hits.word, hits.doubt) == ("inconclusive", "reads failed")
    assert paid == judge(KPIS["double_payments"], FIGURE["double_payments"])


def test_a_run_that_is_not_trusted_says_nothing() -> None:
    """A generator that was late decides no figure; a rent that was paid twice was paid twice all the same."""
    figures = {**FIGURE, "p95_ms": Interval(90.0, 80.0, 99.0, 1_000), "double_bookings": Interval(0, 0, 0.01, 300)}
    judged = judge_all(figures, KPIS, untrusted="the generator was late")
    assert {v.kpi.name: (v.word, v.doubt) for v in judged} == {
        "hit_rate": ("inconclusive", "the generator was late"),
        "p95_ms": ("inconclusive", "the generator was late"),
        "double_payments": ("fail", None),
        "double_bookings": ("inconclusive", "the generator was late"),
    }


@pytest.mark.parametrize(
    ("figure", "alarming"),
    [
        (Interval(0.70, 0.65, 0.75, 900), True),
        (Interval(0.79, 0.78, 0.7999, 90_000), True),
        (Interval(0.79, 0.78, 0.80, 90_000), False),  # the level itself is not below the level
        (Interval(0.75, 0.70, 0.81, 300), False),
        (Interval(0.10, None, None, 3), False),
        (Interval(0.95, 0.93, 0.97, 900), False),
    ],
)
def test_an_alert_needs_the_whole_interval(figure: Interval, alarming: bool) -> None:
    """The hit rate alarms when even the upper end of its 95 % interval is below 80 % (S5), and not before."""
    found = alerts([judge(KPIS["hit_rate"], figure)])
    assert [(alert.kpi, alert.figure) for alert in found] == ([(KPIS["hit_rate"], figure)] if alarming else [])


def test_alerts_mind_the_direction_and_doubts() -> None:
    """What should be below alarms above; a figure without a level, or of a run that says nothing, alarms nobody."""
    slow, level = Interval(300.0, 260.0, 340.0, 900), Kpi("p95_ms", "P95", "below", 50.0, "ms", 250.0)
    assert len(alerts([judge(level, slow)])) == 1
    assert alerts([judge(level, Interval(300.0, 240.0, 340.0, 900))]) == []
    assert alerts([judge(KPIS["p95_ms"], slow)]) == []
    assert alerts([Verdict(level, slow, "inconclusive", "the generator was late")]) == []
