"""A figure with its margin and its trend: what is decided, and what is said of it."""

import pytest

from dousell_cache.measure.history import among
from dousell_cache.measure.kpis import KPIS, Word, judge
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.judged import Judged, told_drawing, told_margin, told_move, told_tally
from dousell_cache.reporting.margins import Margin, margin
from dousell_cache.reporting.series import Trend
from dousell_cache.reporting.wording import ENGLISH, Wording


def p95(value: float, spread: float = 0.1) -> Interval:
    """Return a P95 with an interval around it."""
    return Interval(value, value * (1 - spread), value * (1 + spread), 2000)


def after(now: Interval, *earlier: Interval, name: str = "p95_ms") -> Judged:
    """Return a figure judged after earlier runs."""
    (past,) = among({name: now}, [{name: one} for one in earlier], targets={name})
    return Judged(judge(KPIS[name], now), Trend(earlier, past))


@pytest.mark.parametrize(
    ("met", "missed", "undecided", "english", "french"),
    [
        (8, 1, 1, "8 of 10 targets met, 1 missed, 1 undecided", "8 objectifs atteints sur 10, 1 manqué, 1 indécis"),
        (5, 0, 0, "5 of 5 targets met", "5 objectifs atteints sur 5"),
        (1, 2, 0, "1 of 3 targets met, 2 missed", "1 objectif atteint sur 3, 2 manqués"),
        (0, 0, 2, "0 of 2 targets met, 2 undecided", "0 objectif atteint sur 2, 2 indécis"),
    ],
)
def test_targets_add_up(met: int, missed: int, undecided: int, english: str, french: str) -> None:
    """Those met are told of how many, and then those missed and those undecided, if any."""
    counts: dict[Word, int] = {"pass": met, "fail": missed, "inconclusive": undecided}
    words = [word for word, count in counts.items() for _ in range(count)]
    assert (told_tally(words, ENGLISH), told_tally(words, Wording("fr"))) == (english, french)


@pytest.mark.parametrize(
    ("name", "figure", "kind", "amount", "told"),
    [
        ("p95_ms", Interval(20.0, 10.0, 40.5, 99), "spare", 9.5, "9.50 ms to spare"),
        ("p95_ms", Interval(200.0, 60.0, 301.0, 99), "over", 251.0, "251 ms over at worst"),
        ("p95_ms", Interval(48.0, 40.0, 61.0, 99), "over", 11.0, "11.0 ms over at worst"),
        ("hit_rate", Interval(0.97, 0.95, 0.98, 99), "spare", 0.05, "5.00 points to spare"),
        ("hit_rate", Interval(0.6, 0.55, 0.65, 99), "under", 0.35, "35.0 points under at worst"),
        ("hit_rate", Interval(0.9, 0.88, 0.93, 99), "under", 0.02, "2.00 points under at worst"),
        ("hit_rate", Interval(1.0, None, None, 3), "unknown", 0.0, "unknown: too few samples"),
        ("double_payments", Interval(0.0, 0.0, 0.025, 120), "never", 0.005, "none seen, 0.50 points to spare"),
        ("double_payments", Interval(0.0, 0.0, 0.06, 50), "over", 0.03, "3.00 points over at worst"),
        ("double_payments", Interval(1 / 60, 0.0, 0.06, 120), "seen", 2.0, "2 seen, none may be"),
    ],
)
def test_a_margin_is_from_the_worse_end(name: str, figure: Interval, kind: str, amount: float, told: str) -> None:
    """How much is left, or missing, is counted from where the interval is worst, and said in the figure's unit."""
    judged = Judged(judge(KPIS[name], figure))
    found = margin(judged.verdict)
    assert found == Margin(kind, pytest.approx(amount))  # type: ignore[arg-type] # one of the kinds
    assert told_margin(judged, ENGLISH) == told


@pytest.mark.parametrize(
    ("now", "earlier", "move", "told"),
    [
        (20.0, [], "first", "first run like it"),
        (20.0, [21.0], "alike", "like the run before"),
        (20.0, [40.0], "better", "better than the run before"),
        (40.0, [20.0], "worse", "worse than the run before"),
        (21.0, [20.0, 21.0, 19.0, 20.5, 22.0], "within", "as usual"),
        (90.0, [20.0, 21.0, 19.0, 20.5, 22.0], "regressed", "worse than usual"),
        (5.0, [20.0, 21.0, 19.0, 20.5, 22.0], "improved", "better than usual"),
    ],
)
def test_a_trend_is_by_whole_intervals_and_then_by_history(
    now: float, earlier: list[float], move: str, told: str
) -> None:
    """Few earlier runs: against the one before; enough of them: against where a run usually is."""
    judged = after(p95(now), *map(p95, earlier))
    assert (judged.move, told_move(judged, ENGLISH)) == (move, told)


def test_more_hits_are_better() -> None:
    """Better is by the figure: more for a hit rate, less for a time."""
    more = after(Interval(0.97, 0.96, 0.98, 900), Interval(0.91, 0.9, 0.92, 900), name="hit_rate")
    assert more.move == "better"


def test_a_run_without_interval_is_not_compared() -> None:
    """Where one of the two had too few samples, the earlier value is said and no word is given."""
    judged = after(Interval(20.0, None, None, 3), p95(40.0))
    assert (judged.move, told_move(judged, ENGLISH)) == ("unknown", "run before: 40.0 ms")


def test_a_drawing_is_told_with_its_numbers() -> None:
    """The text for those who do not see it has the last values, the run before, this run, and what is usual."""
    judged = after(p95(90.0), *map(p95, [20.0, 21.0, 19.0, 20.5, 22.0, 23.0, 18.0]))
    told = told_drawing(judged, ENGLISH)
    assert told.startswith(
        "P95 response over 8 runs alike, oldest first: … 19.0 ms, 20.5 ms, 22.0 ms, 23.0 ms, 18.0 ms"
    )
    assert "The run before had 18.0 ms, this one has 90.0 ms. Worse than usual. Usual: " in told
    assert "from 7 earlier runs alike" in told
    assert "moins bien que d'habitude" in told_drawing(judged, Wording("fr")).lower()


def test_without_an_earlier_run_nothing_is_drawn() -> None:
    """A first run has no line, and says that it is the first."""
    first = after(p95(20.0))
    assert first.plot is None
    assert told_drawing(first, ENGLISH) == "first run like it"
