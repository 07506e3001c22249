"""A run that left where runs like it have been is found out; one of many that vary is left in peace."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.comparing import TARGETS, figures
from benchmarks.comparing import result as simulated
from dousell_cache.measure.history import FEWEST, History, Word, against_history, like
from dousell_cache.measure.kpis import KPIS, judge_all
from dousell_cache.measure.result import Result
from dousell_cache.measure.stats import Interval

from .comparisons import FIGURES, HOST, OTHER, PARAMETERS, result, times

NOW = "2026-11-22T19:30:00+00:00"


def runs(factors: list[float], **changes: Any) -> list[tuple[str, Result]]:
    """Return earlier runs, a day apart, whose P95 is this factor of the usual one."""
    return [
        (
            f"run {day}",
            result({"p95_ms": times(FIGURES["p95_ms"], factor)}, started=f"2026-10-{day + 1:02d}T00:00:00", **changes),
        )
        for day, factor in enumerate(factors)
    ]


def held(factor: float, earlier: list[tuple[str, Result]]) -> History:
    """Hold a run whose P95 is this factor of the usual one against earlier ones."""
    now = result({"p95_ms": times(FIGURES["p95_ms"], factor)}, started=NOW)
    return against_history(now, earlier, targets=KPIS.keys())


VARIED = [0.9, 1.0, 1.1, 0.95, 1.05, 1.0, 0.9, 1.1]


@pytest.mark.parametrize(
    ("factor", "word"), [(1.0, "within"), (1.15, "within"), (0.85, "within"), (2.0, "regressed"), (0.5, "improved")]
)
def test_a_run_is_judged_by_how_much_runs_differ(factor: float, word: Word) -> None:
    """Within where runs have been is no news; twice their time is a regression, half of it an improvement."""
    (one,) = held(factor, runs(VARIED)).figures
    assert (one.word, one.runs, one.target) == (word, 8, True)


def test_where_a_run_was_to_be_expected() -> None:
    """The middle is the geometric mean, the reach Student's t with the spread of one more run."""
    (one,) = held(1.0, runs(VARIED)).figures
    logs = [math.log(8.0 * factor) for factor in VARIED]
    mean, spread = np.mean(logs), np.std(logs, ddof=1)
    assert one.usual is not None
    assert one.usual.value == pytest.approx(math.exp(mean))
    assert one.usual.high == pytest.approx(math.exp(mean + 2.3646 * spread * math.sqrt(1 + 1 / 8)), rel=1e-3)
    assert one.usual.low == pytest.approx(math.exp(mean - 2.3646 * spread * math.sqrt(1 + 1 / 8)), rel=1e-3)


def test_runs_that_agree_by_luck_raise_no_alarm() -> None:
    """A run's own sampling error is the least spread that is assumed, however alike its forerunners were."""
    assert held(1.02, runs([1.0] * 6)).figures[0].word == "within"
    assert held(1.5, runs([1.0] * 6)).figures[0].word == "regressed"


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_too_few_earlier_runs_say_so(count: int) -> None:
    """Four runs do not tell how much runs differ: the word says so, with their number."""
    (one,) = held(9.0, runs([1.0] * count)).figures
    assert (one.word, one.runs, one.usual) == ("too few earlier runs", count, None)


def test_a_share_has_a_history_too() -> None:
    """A hit rate that falls is a regression, also where every earlier one was perfect."""
    perfect = {"hit_rate": Interval(1.0, 0.996, 1.0, 1_000)}
    earlier = [(str(day), result(perfect, started=f"2026-10-{day:02d}")) for day in range(1, 8)]
    for value, word in ((1.0, "within"), (0.9995, "within"), (0.8, "regressed")):
        now = result({"hit_rate": Interval(value, value - 0.02, min(1.0, value + 0.02), 1_000)}, started=NOW)
        assert against_history(now, earlier, targets=KPIS.keys()).figures[0].word == word


def test_a_zero_has_no_history_of_ratios() -> None:
    """A figure that is or was zero, and no share, is not guessed at."""
    (one,) = against_history(result({"p95_ms": Interval(0.0)}, started=NOW), runs(VARIED), targets=KPIS.keys()).figures
    assert one.word == "cannot say"


@pytest.mark.parametrize(
    "changes",
    [
        {"host": OTHER},
        {"host": None},
        {"host": msgspec.structs.replace(HOST, id="")},
        {"parameters": {**PARAMETERS, "ttl": 60.0}},
        {"emulated": ["Upstash"]},
        {"origin": "PostgreSQL"},
    ],
)
def test_only_runs_that_are_alike_count(changes: dict[str, Any]) -> None:
    """Another machine, other parameters, other emulated parts: left out, and counted as such."""
    found = held(1.0, [*runs(VARIED), *runs([5.0, 6.0], **changes)])
    assert (found.figures[0].runs, found.others) == (8, 2)
    assert found.figures[0].word == "within"
    assert not like(result(started=NOW), result(**changes))


def doubted(one: Result) -> Result:
    """Return a result whose generator was late."""
    return msgspec.structs.replace(one, verdicts=judge_all(one.figures, KPIS, untrusted="the generator was late"))


def test_runs_in_doubt_are_no_measure() -> None:
    """Earlier runs whose own verdicts have a doubt widen nothing and are counted; a doubted figure is not judged."""
    slow = [(f"late {run}", doubted(one)) for run, one in runs([5.0, 6.0, 7.0])]
    found = held(2.0, [*runs(VARIED), *slow])
    assert (found.figures[0].word, found.figures[0].runs, found.others, found.doubted) == ("regressed", 8, 0, 3)
    assert found.earlier == [f"run {day}" for day in range(8)]
    now = doubted(result({"p95_ms": times(FIGURES["p95_ms"], 2.0)}, started=NOW))
    (one,) = against_history(now, runs(VARIED), targets=KPIS.keys()).figures
    assert (one.word, one.note, one.p_adjusted) == ("cannot say", "the generator was late", None)


def test_what_came_later_or_elsewhere_is_no_history() -> None:
    """Later runs, other environments and other notebooks do not count; the earlier ones are named, oldest first."""
    later = ("later", result({"p95_ms": FIGURES["p95_ms"]}, started="2026-12-01"))
    elsewhere = runs([5.0], environment="vercel") + runs([5.0], notebook="09")
    found = held(1.0, [later, *elsewhere, *reversed(runs(VARIED))])
    assert found.earlier == [f"run {day}" for day in range(8)]
    assert found.others == 0


def test_runs_like_their_forerunners_are_seldom_called_changed() -> None:
    """Runs that vary by 10 %: at most about 5 % are called changed in any figure, and twice the time mostly is."""
    generator = np.random.default_rng(5)
    changed, found = 0, 0
    for _ in range(150):
        moods = np.exp(0.1 * generator.standard_normal(7))
        made = [
            figures(mood * np.exp(0.5 * generator.standard_normal(300)), generator.random(300) < 0.95) for mood in moods
        ]
        earlier = [(str(at), simulated(one, str(at))) for at, one in enumerate(made[:-1])]
        now = simulated(made[-1], "z")
        slow = simulated({**made[-1], "p95_ms": times(made[-1]["p95_ms"], 2)}, "z")
        words = {one.word for one in against_history(now, earlier, targets=TARGETS).figures}
        changed += bool({"regressed", "improved"} & words)
        found += against_history(slow, earlier, targets=TARGETS).figures[2].word == "regressed"
    assert changed / 150 <= 17 / 150  # what 150 tosses of 5 % reach in 99.9 % of cases
    assert found / 150 >= 0.8
