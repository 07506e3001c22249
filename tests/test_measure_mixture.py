"""A mixture taken apart: what each path adds, whose the percentiles are, and what would change that."""

import numpy as np
import pytest

from dousell_cache.measure.mixture import Quantile, decompose, hit_rate_needed, quantile_map
from dousell_cache.measure.stats import percentile


def reads(**counts: int) -> tuple[np.ndarray, list[str]]:
    """Return times and outcomes, so many of each: hits of 1 to 2 ms, coalesced of 50 to 100, others of 200 to 300."""
    generator = np.random.default_rng(4)
    spans = {"hit": (1, 2), "coalesced": (50, 100)}
    outcomes = generator.permutation([name for name, count in counts.items() for _ in range(count)]).tolist()
    times = np.array([generator.uniform(*spans.get(name, (200, 300))) for name in outcomes])
    return times, outcomes


def test_the_parts_add_up() -> None:
    """Shares to 1, what they add to the mean to the mean, what lies beyond P95 to all of it."""
    times, outcomes = reads(miss=60, hit=900, coalesced=40)
    parts = decompose(times, outcomes)
    assert sum(part.share.value for part in parts) == pytest.approx(1)
    assert sum(part.of_mean for part in parts) == pytest.approx(times.mean())
    assert sum(part.beyond_p95 for part in parts) == pytest.approx(1)
    for part in parts:
        mine = times[np.array(outcomes) == part.outcome]
        assert part.mean == pytest.approx(mine.mean())
        assert part.of_mean == pytest.approx(mine.mean() * part.share.value)
        assert part.share.low is not None


def test_the_parts_are_in_the_order_of_the_outcomes() -> None:
    """Known outcomes as the events list them, others behind by name."""
    counts = {"zeal": 1, "error": 1, "bypass": 1, "refused": 1, "stale": 1, "coalesced": 1, "miss": 1, "hit": 9, "b": 1}
    names = [part.outcome for part in decompose(*reads(**counts))]
    assert names == ["hit", "miss", "coalesced", "stale", "refused", "bypass", "error", "b", "zeal"]


def test_what_lies_beyond_p95_is_told_by_outcome() -> None:
    """With 6 % misses, slower than all else, the slowest 5 % are misses."""
    parts = {part.outcome: part for part in decompose(*reads(hit=900, coalesced=40, miss=60))}
    assert (parts["hit"].beyond_p95, parts["coalesced"].beyond_p95, parts["miss"].beyond_p95) == (0, 0, 1)


def test_equal_times_have_no_tail() -> None:
    """Where nothing is slower than P95, nobody's share of it is."""
    parts = decompose(np.ones(10), ["hit"] * 5 + ["miss"] * 5)
    assert [part.beyond_p95 for part in parts] == [0, 0]


@pytest.mark.parametrize(("hits", "within"), [(600, 87.5), (800, 75), (900, 50), (940, 50 / 3)])
def test_below_95_percent_hits_p95_is_a_percentile_of_the_misses(hits: int, within: float) -> None:
    """The one that (p - h) ÷ (1 - h) says, with slower misses."""
    times, outcomes = reads(hit=hits, miss=1_000 - hits)
    (place,) = quantile_map(times, outcomes, [95])
    assert place.path == "miss"
    assert place.within == pytest.approx(within, abs=2)  # one of 60 misses is 1.7 %


def test_above_95_percent_hits_p95_is_theirs() -> None:
    """Then P95 is off the misses' path, while P99 is still on it."""
    middle, high, highest = quantile_map(*reads(hit=970, miss=30))
    assert [middle.path, high.path, highest.path] == ["hit", "hit", "miss"]
    assert [middle.certainty, high.certainty, highest.certainty] == [1, 1, 1]
    assert middle.within == pytest.approx(50 / 0.97, abs=0.2)
    assert high.value < 2 < 200 < highest.value


@pytest.mark.parametrize("hits", [600, 940, 950, 970])
def test_a_percentile_is_the_same_in_every_table(hits: int) -> None:
    """Whatever it lies on, its value is that of the figures, to the last digit."""
    times, outcomes = reads(hit=hits, miss=1_000 - hits)
    percents = (50, 95, 99)
    figures = [percentile(times, percent).value for percent in percents]
    assert [place.value for place in quantile_map(times, outcomes, percents)] == figures


def test_on_the_edge_of_two_paths_the_map_is_less_certain() -> None:
    """With 95 % hits, one half of the samples around P95 are hits."""
    (place,) = quantile_map(*reads(hit=950, miss=50), [95])
    assert place.certainty == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("percent", [50, 95, 99])
@pytest.mark.parametrize("hits", [100, 900, 990])
def test_the_hit_rate_needed_is_the_percentile_when_misses_are_slower(percent: float, hits: int) -> None:
    """Whatever it is now, P95 leaves the misses at 95 % hits, and P50 at 50 %."""
    needed = hit_rate_needed(*reads(hit=hits, miss=1_000 - hits), percent)
    assert needed == pytest.approx(percent / 100, abs=0.006)  # a hundred hits stand for up to 99 %


def test_hits_that_are_slow_themselves_need_more() -> None:
    """When hits have a tail as slow as misses, P95 is theirs already with fewer of them."""
    generator = np.random.default_rng(4)
    times = np.concatenate([generator.uniform(1, 2, 800), generator.uniform(200, 300, 200)])
    needed = hit_rate_needed(times, ["hit"] * 900 + ["miss"] * 100)
    assert needed is not None
    assert needed < 0.93


@pytest.mark.parametrize("counts", [{"hit": 100}, {"miss": 100}])
def test_without_a_choice_no_hit_rate_is_needed(counts: dict[str, int]) -> None:
    """Only hits, or none, say nothing about how the one would turn into the other."""
    assert hit_rate_needed(*reads(**counts)) is None


def test_a_single_read_has_its_place() -> None:
    """One read is every percentile."""
    assert quantile_map(np.array([7.0]), ["miss"], [99]) == [Quantile(99, 7.0, "miss", 1.0, 100.0)]


def test_what_makes_no_sense_is_refused() -> None:
    """Times and outcomes belong together, and percentiles lie between 0 and 100."""
    with pytest.raises(ValueError, match="an outcome for each, not 0 and 0"):
        decompose(np.array([]), [])
    with pytest.raises(ValueError, match="an outcome for each, not 2 and 1"):
        hit_rate_needed(np.ones(2), ["hit"])
    with pytest.raises(ValueError, match="between 0 and 100, not 100"):
        quantile_map(np.ones(2), ["hit", "miss"], [100])
