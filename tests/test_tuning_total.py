"""All families together: what is advised for each adds up, and is held against the goal's bounds."""

import numpy as np
import pytest

from dousell_cache.cli.tune import verdict
from dousell_cache.tuning.goals import Goal, Prices
from dousell_cache.tuning.reasons import apart, number, percent
from dousell_cache.tuning.sampling import sampled
from dousell_cache.tuning.total import Total
from dousell_cache.tuning.trace import Trace
from dousell_cache.tuning.tuned import document, tune

from .tuning_traces import poisson_trace

FAMILIES = Trace.of(np.repeat(np.arange(0, 4_000.0), 3), ["home:1", "city:1", "page:1"] * 4_000)


def whole(goal: Goal, trace: Trace = FAMILIES) -> Total:
    """Return the total of a trace, which is in the document just so."""
    tuned = tune(trace, goal, ttls=[10])
    assert tuned.total
    assert document(tuned)["total"]["met"] is tuned.total.met
    return tuned.total


def test_families_add_up() -> None:
    """Three families of a load in ten seconds are three in ten, each within the bound and together beyond it."""
    told = whole(Goal(0.9, max_origin_rate=0.2))
    assert told.origin_rate == pytest.approx(3 / 11, rel=0.01)
    assert told.met is False
    assert told.reason.startswith(
        "The TTLs advised for 3 families come to 0.273 loads a second, more than the 0.2 allowed"
    )


def test_what_is_within_all_bounds_is_told() -> None:
    """A bound that holds all of them is met, on loads and on cost."""
    told = whole(Goal(0.9, max_origin_rate=0.5, budget=24_000, prices=Prices(load=1)))
    assert told.met is True
    assert "0.273 loads a second, within the 0.5 allowed and a cost of 23,593 a day, within the 24,000" in told.reason


def test_a_family_without_advice_leaves_it_open() -> None:
    """While a family has no TTL advised, the rest being within the bounds says nothing of all; beyond them it does."""
    few = Trace.of([*FAMILIES.times, 4_000], [*FAMILIES.keys, "rare:1"])
    told = whole(Goal(0.9, max_origin_rate=0.5), few)
    assert (told.met, told.left_out) == (None, 1)
    assert told.reason.endswith("; 1 without an advised TTL is not in it.")
    assert whole(Goal(0.9, max_origin_rate=0.2), few).met is False


def test_without_bounds_there_is_no_total() -> None:
    """Hits and staleness are shares, which need no sum."""
    tuned = tune(FAMILIES, Goal(0.9, max_outdated=0.1), ttls=[10])
    assert tuned.total is None
    assert document(tuned)["total"] is None


def test_longer_ttls_keep_what_the_smallest_exceed() -> None:
    """Two like families whose smallest TTLs load five a second keep three with ones that are little longer."""
    generator = np.random.default_rng(0)
    keys = [f"{family}:{key}" for family, key in zip(*generator.integers(0, (2, 10), (8_000, 2)).T, strict=True)]
    tuned = tune(Trace.of(np.sort(generator.uniform(0, 800, 8_000)), keys), Goal(0.5, max_origin_rate=3))
    assert tuned.total
    assert (tuned.total.met, verdict(tuned)) == (True, 0)
    assert 2.7 < tuned.total.origin_rate <= 3
    assert all(one.ttl and one.ttl > 3 for one in tuned.advice)
    assert "for 2 families, 2 of them longer than that family would need alone, come to" in tuned.total.reason


def test_a_family_that_cannot_spare_loads_leaves_it_to_others() -> None:
    """Where one family must load each key and no TTL lessens that, the other's TTL alone is made longer."""
    keys = [key for second in range(4_000) for key in (f"once:{second // 2}", "page:1")]
    trace = Trace.of(np.repeat(np.arange(0, 4_000.0), 2), keys)
    tuned = tune(trace, Goal(0.4, max_origin_rate=0.6))
    assert tuned.total
    assert tuned.total.met is True
    assert {one.family: one.status for one in tuned.advice} == {"once": "met", "page": "met"}


def test_what_no_ttl_keeps_is_missed() -> None:
    """Where the longest TTLs exceed the bound together, it is missed, and the reason says that."""
    tuned = tune(FAMILIES, Goal(0.9, max_origin_rate=0.2), ttls=[10])
    assert tuned.total
    assert (tuned.total.met, verdict(tuned)) == (False, 1)
    assert tuned.total.reason.endswith("more than the 0.2 allowed; nor did longer TTLs keep that.")


def test_a_sample_stands_for_all_keys() -> None:
    """Of a sample, loads a second and cost are those of the whole site, and are held against the bounds as such."""
    trace = poisson_trace([0.1] * 400, 1_000)
    goal = Goal(0.5, max_origin_rate=20, budget=1e9, prices=Prices(load=1, command=1))
    all_keys, some = (tune(one, goal, ttls=[30]) for one in (trace, sampled(trace, 0.25)))
    assert all_keys.total
    assert some.total
    assert some.total.origin_rate == pytest.approx(all_keys.total.origin_rate, rel=0.1)
    assert some.total.cost_per_day == pytest.approx(all_keys.total.cost_per_day, rel=0.1)
    assert some.curve.origin_rate == pytest.approx(all_keys.curve.origin_rate, rel=0.1)
    assert tune(sampled(trace, 0.25), Goal(0.5, max_origin_rate=8), ttls=[30]).advice[0].status == "unreachable"


def test_two_figures_are_told_apart() -> None:
    """Beside a bound, a figure that rounds alike has as many digits as it takes; a thousand is no power of ten."""
    assert number(999.9) == number(1_000) == "1,000"
    assert (number(999.4), number(1_234.5), number(0.2731)) == ("999", "1,234", "0.273")
    assert apart(5.00012, 5) == ("5.0001", "5")
    assert apart(1_234.4, 1_234) == ("1,234.4", "1,234.0")
    assert apart(0.8999, 0.9, percent) == ("89.99 %", "90.00 %")
    assert apart(5, 5) == ("5", "5")
    assert (percent(0.99999), percent(0.99999, 1)) == ("99.9 %", "99.99 %")


def test_a_sentence_does_not_contradict_itself() -> None:
    """What exceeds a bound by little, or falls short of a share by little, is told with figures that differ."""
    exceeds = whole(Goal(0.9, max_origin_rate=0.27306)).reason
    assert "come to 0.27307 loads a second, more than the 0.27306 allowed" in exceeds
    (few,) = tune(FAMILIES.of_family("home"), Goal(0.9092), ttls=[10]).advice
    assert few.reason.startswith("None of these TTLs gives 90.92 %: the best, 10 s, gives 90.90 %"), few.reason


def test_nothing_advised_has_no_total() -> None:
    """Where no family has a TTL advised there is nothing to add up, whatever is bounded."""
    assert tune(FAMILIES, Goal(0.99, max_origin_rate=5), ttls=[10]).total is None
