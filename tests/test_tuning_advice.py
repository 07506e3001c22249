"""Advice: the smallest TTL that does, or why none does."""

import re
from typing import Any

import numpy as np
import pytest

from dousell_cache.tuning.advice import Advice, advise
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.goals import Goal, Prices
from dousell_cache.tuning.points import Played
from dousell_cache.tuning.search import Search, two_digits
from dousell_cache.tuning.trace import Trace

from .tuning_traces import poisson_trace

EVERY_SECOND = Trace.of(np.arange(0, 4_000.0), ["page:1"] * 4_000)


def one(trace: Trace, goal: Goal | None = None, **options: Any) -> Advice:
    """Return the advice for a trace of one family."""
    (advice,) = advise(trace, goal, **options)
    return advice


@pytest.mark.parametrize(("target", "ttl"), [(0.5, 1), (0.9, 9), (0.95, 19)])
def test_a_known_optimum_is_found(target: float, ttl: float) -> None:
    """Read each second, T seconds give T hits a miss: nine in ten take nine seconds, not eight."""
    advice = one(EVERY_SECOND, Goal(target - 0.001))
    assert (advice.status, advice.ttl) == ("met", ttl)


def test_the_optimum_of_random_reads_is_found() -> None:
    """λT ÷ (1 + λT) = 0.9 takes T = 9 ÷ λ; what is advised is up to a tenth more, so as to be sure."""
    advice = one(poisson_trace([0.5] * 10, 4_000))
    assert advice.ttl
    assert 18 <= advice.ttl <= 20
    assert advice.point
    assert advice.point.low
    assert advice.point.low >= 0.9


def test_nothing_smaller_does() -> None:
    """The TTL below the advised one, of two digits, does not surely meet the target."""
    trace = poisson_trace([1, 0.3, 0.1], 10_000, changes=0.002)
    advice = one(trace, Goal(0.8))
    assert advice.ttl
    below = max(two_digits(0.01, advice.ttl))
    again = one(trace, Goal(0.8), ttls=[below])
    assert again.status in ("inconclusive", "unreachable")


def test_a_window_between_two_round_ttls_is_found() -> None:
    """120 s give too few hits and 300 s serve too much that had changed, so that a TTL between them is advised."""
    trace = poisson_trace([0.06] * 40, 60_000, changes=0.0005)
    advice = one(trace, Goal(0.9, max_outdated=0.05), invalidations="ignored")
    assert (advice.status, advice.ttl) == ("met", 160)


def random_goal(generator: np.random.Generator) -> Goal:
    """Return a goal with bounds that pull the TTL both ways."""
    return Goal(
        hit_rate=float(generator.uniform(0.2, 0.95)),
        max_outdated=float(generator.uniform(0.01, 0.3)),
        max_origin_rate=float(generator.choice([0.02, 0.1, 0.5])),
        budget=float(generator.uniform(2_000, 30_000)),
        prices=Prices(load=1.0, command=0.01, outdated=1.0),
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_search_finds_what_trying_all_finds(seed: int) -> None:
    """Under bounds on staleness, loads and cost it is the smallest of all TTLs of two digits, or none if none does."""
    generator = np.random.default_rng(seed)
    rates = generator.uniform(0.01, 0.1, 20).tolist()
    trace = poisson_trace(rates, 3_000, changes=float(generator.choice([0.002, 0.005, 0.02])), seed=seed)
    played = Played(trace, trace.seconds, random_goal(generator), "ignored", {})
    every = played.points([0.1, *two_digits(0.1, 3_600), 3_600])
    for does in (played.met, played.may_be_met, played.met_here):
        found = Search(played).smallest(does)
        assert (found and found.ttl) == next((point.ttl for point in every if does(point)), None)


@pytest.mark.parametrize("seed", [5, 9, 20])
def test_a_bound_that_is_kept_by_chance_is_not_unreachable(seed: int) -> None:
    """What is out of date wobbles from TTL to TTL: the one with the least of those near is found."""
    trace = poisson_trace([0.04] * 30, 2_000, changes=0.002, seed=seed)
    enough = one(trace, Goal(0.5), invalidations="ignored").ttl
    assert enough
    played = Played(trace, trace.seconds, Goal(0.5), "ignored", {})
    near = [point for point in played.points([enough, *two_digits(enough, 1.5 * enough)]) if played.met(point)]
    least = min(near, key=lambda point: point.outdated_share or 0.0)
    advice = one(trace, Goal(0.5, max_outdated=least.outdated_share), invalidations="ignored")
    assert advice.ttl == least.ttl, advice.reason


@pytest.mark.parametrize(
    ("trace", "goal", "options", "reason"),
    [
        (
            Trace.of(np.arange(0, 400.0), [f"page:{n % 200}" for n in range(400)]),
            Goal(0.6),
            {},
            "No TTL gives 60.0 %: each key must be loaded once, which alone leaves 50.0 % of these reads.",
        ),
        (poisson_trace([0.5], 4_000, changes=0.5), Goal(0.9), {}, "keys change so often between reads that at most"),
        (
            poisson_trace([0.5], 40_000, changes=0.02),
            Goal(0.9, max_outdated=0.05),
            {"invalidations": "ignored"},
            "90.0 % takes 18 s, but then .* of the reads are outdated, more than 5.0 %",
        ),
        (EVERY_SECOND, Goal(0.9, max_origin_rate=0.0001), {}, "the origin answers .* loads a second, more than 0.0001"),
        (EVERY_SECOND, Goal(0.5, budget=1, prices=Prices(load=1)), {}, "but then a day costs .*, more than 1"),
        (EVERY_SECOND, Goal(0.9), {"ttls": [1, 2]}, "None of these TTLs gives 90.0 %: the best, 2 s, gives 66.6 %"),
    ],
)
def test_what_cannot_be_reached_is_told(trace: Trace, goal: Goal, options: dict[str, Any], reason: str) -> None:
    """First reads, changes, staleness, load, cost and the TTLs on offer: the sentence says which of them bars it."""
    advice = one(trace, goal, **options)
    assert (advice.status, advice.ttl) == ("unreachable", None)
    assert re.search(reason, advice.reason), advice.reason


def test_caps_make_the_ttl_longer() -> None:
    """An origin that bears a load in 20 s, or a day's cost of half that, decides when it asks for more than hits do."""
    assert one(EVERY_SECOND, Goal(0.5, max_origin_rate=1 / 20)).ttl == 20
    loads_a_day = 86_400 / 40
    assert one(EVERY_SECOND, Goal(0.5, budget=loads_a_day, prices=Prices(load=1))).ttl == pytest.approx(40, abs=1)


def test_a_familys_loads_are_spread_over_the_whole_trace() -> None:
    """A family that is read for a tenth of the trace burdens the origin and the bill a tenth as much on average."""
    trace = Trace.of(
        np.concatenate([np.arange(0, 40_000.0), np.arange(0, 4_000.0)]),
        ["page:1"] * 40_000 + ["rare:1"] * 4_000,
        sort=True,
    )
    goal = Goal(0.4, max_origin_rate=0.0501, budget=0.0501 * 86_400, prices=Prices(load=1))
    steady, rare = advise(trace, goal)
    assert (steady.ttl, rare.ttl) == (19, 1)
    assert rare.point
    assert rare.point.origin_rate == pytest.approx(0.05, rel=0.01)
    assert rare.point.cost_per_day == pytest.approx(0.05 * 86_400, rel=0.01)


def test_halves_that_disagree_are_told() -> None:
    """Reads that become ten times rarer half-way speak for neither half."""
    times = np.concatenate([np.arange(0, 10_000.0), np.arange(10_000, 20_000.0, 10)])
    advice = one(Trace.of(times, ["page:1"] * len(times)))
    assert (advice.status, advice.ttl) == ("non-stationary", None)
    assert "the first half of the trace gives 95.2 % and the second" in advice.reason


@pytest.mark.parametrize("lifetimes", [9, 12, 15])
def test_halves_that_disagree_are_told_for_long_ttls(lifetimes: float) -> None:
    """With fewer than sixteen TTLs in the trace, too: half-way a page read each 2 s is replaced by many read rarely."""
    length = 4_000
    rare = np.arange(length / 2, length, 4)
    times = np.concatenate([np.arange(0, length / 2, 2), rare])
    keys = ["page:0"] * (length // 4) + [f"page:{1 + n % 100}" for n in range(len(rare))]
    advice = one(Trace.of(times, keys), Goal(0.4), ttls=[length / lifetimes])
    assert advice.status == "non-stationary"


@pytest.mark.parametrize("lifetimes", [9, 12, 15])
def test_halves_that_differ_by_chance_agree(lifetimes: float) -> None:
    """Of forty stationary traces with fewer than sixteen TTLs, none is called non-stationary."""
    for seed in range(40):
        trace = poisson_trace([0.02] * 10, 3_000, seed=seed)
        assert one(trace, Goal(0.5), ttls=[3_000 / lifetimes]).status == "met"


def test_what_is_too_short_or_too_small_is_told() -> None:
    """Few reads, and a trace shorter than eight TTLs, give no advice."""
    assert one(Trace.of(range(99), ["a"] * 99)).reason.startswith("99 reads are too few to say anything")
    advice = one(Trace.of(np.arange(0, 100.0), ["a"] * 100), ttls=[20])
    assert (advice.status, advice.ttl) == ("inconclusive", None)
    assert "99 s of trace are too short" in advice.reason
    assert one(Trace.of([5.0] * 200, ["a"] * 200)).reason.startswith("200 reads of one moment cannot tell")


def test_the_sentence_weighs_a_longer_ttl() -> None:
    """The reason has the figure, its interval, what three times the TTL would add, and what that would outdate."""
    trace = poisson_trace([0.5] * 4, 40_000, changes=0.01)
    advice = one(trace, Goal(0.8, max_outdated=0.01))
    assert advice.point
    point, longer = advice.point, curve(trace, [30]).hit_rate[0]
    assert f"{point.ttl:g} s already gives {point.hit_rate * 100:.1f} % ± " in advice.reason
    assert f"30 s would add {(longer - point.hit_rate) * 100:.1f} points" in advice.reason
    assert f"without invalidation {point.outdated_share:.1%}".replace("%", " %") in advice.reason
    assert advice.invalidation == "needed"


def test_whether_invalidation_is_needed_depends_on_what_may_be_outdated() -> None:
    """By TTL alone less than a tenth is outdated, so that it is not needed; without changes nobody knows."""
    trace = poisson_trace([5.0], 1_000, changes=0.001)
    assert one(trace, Goal(0.9, max_outdated=0.1)).invalidation == "not needed"
    assert one(trace).invalidation == "unknown"
    assert one(poisson_trace([5.0], 1_000), Goal(0.9, max_outdated=0.1)).invalidation == "unknown"


def test_the_present_ttl_of_too_small_a_sample_is_not_judged() -> None:
    """Neither a few reads, however long apart, nor a trace of less than eight TTLs says that it misses the goal."""
    few = one(Trace.of([0, 10, 5_000], ["page:1"] * 3), present={"page": 60})
    assert few.present
    assert few.present_met is None
    assert few.present.hit_rate == pytest.approx(1 / 3)
    assert one(Trace.of([0, 1, 2, 5_000], ["page:1"] * 4), Goal(0.1), present={"page": 60}).present_met is None
    short = Trace.of(np.arange(0, 200.0), [f"page:{n % 100}" for n in range(200)])
    assert one(short, present={"page": 60}).present_met is None


@pytest.mark.parametrize(
    ("goal", "status"),
    [
        (Goal(0.9, max_outdated=0.05), "inconclusive"),
        (Goal(0.9, budget=1e9, prices=Prices(outdated=1)), "inconclusive"),
        (Goal(0.9, max_outdated=1), "met"),  # any share may be
        (Goal(0.9, budget=1e9, prices=Prices(load=1)), "met"),
    ],
)
def test_without_changes_nothing_is_said_of_staleness(goal: Goal, status: str) -> None:
    """By TTL alone, a bound on staleness or its price is neither kept nor broken by a trace that holds no change."""
    advice = one(EVERY_SECOND, goal, invalidations="ignored", present={"page": 60})
    assert (advice.status, advice.present_met) == (status, True if status == "met" else None)
    told = "the trace holds no change of these keys, so nothing can be said of what would be outdated"
    assert (told in advice.reason) == (status == "inconclusive")
    assert one(EVERY_SECOND, goal).status == "met"
    assert (
        one(EVERY_SECOND, Goal(0.9, max_outdated=0.05), invalidations="ignored", present={"page": 1}).present_met
        is False
    )


def test_the_present_ttl_is_judged() -> None:
    """The TTL in use has its own figures, and whether it meets the goal."""
    assert one(EVERY_SECOND, present={"page": 60}).present_met is True
    judged = one(EVERY_SECOND, present={"page": 5})
    assert judged.present
    assert (judged.present_met, judged.present.ttl) == (False, 5)
    assert judged.present.hit_rate == pytest.approx(5 / 6, abs=0.001)
    assert one(EVERY_SECOND).present_met is None


def test_a_present_ttl_that_is_too_long_to_judge_may_break_a_bound() -> None:
    """Too long for an interval, it misses a bound on staleness all the same; but not one on loads."""
    trace = poisson_trace([1.0] * 100, 100, changes=0.1)
    options: dict[str, Any] = {"invalidations": "ignored", "present": {"page": 90}}
    assert one(trace, Goal(0.3, max_outdated=0.05), **options).present_met is False
    assert one(trace, Goal(0.3, max_outdated=1.0), **options).present_met is None
    assert one(trace, Goal(0.3, max_origin_rate=0.01), **options).present_met is None


def test_families_are_advised_each_for_itself() -> None:
    """The most read comes first, and each has a TTL of its own."""
    trace = Trace.of(
        np.concatenate([np.arange(0, 4_000.0), np.arange(0, 1_000, 0.1)]),
        ["slow:1"] * 4_000 + ["fast:1"] * 10_000,
        sort=True,
    )
    advice = list(advise(trace))
    assert [one.family for one in advice] == ["fast", "slow"]
    assert advice[0].ttl
    assert advice[1].ttl
    assert advice[0].ttl < advice[1].ttl


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Goal(90), "hit_rate must be a share from 0 to 1, not 90"),
        (lambda: Goal(max_outdated=-0.1), "max_outdated must be a share"),
        (lambda: Goal(budget=-1), "budget must be a number from 0 upwards, not -1"),
        (lambda: Prices(load=float("nan")), "the price of load must be a number"),
        (lambda: list(advise(Trace.of([], []))), "the trace has no reads"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, sentence: str) -> None:
    """Goals and prices out of range, and nothing to advise on, are told in a sentence."""
    with pytest.raises(ValueError, match=sentence):
        make()
