"""What usually causes a missed target, and what the run itself leaves of it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.place import Place
from dousell_cache.measure.result import LatencyRow
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import page
from dousell_cache.reporting.causes import SPARED, Facts, causes, told_causes
from dousell_cache.reporting.wording import ENGLISH, Wording

from .comparisons import result
from .reports import NAME, Seen, made_up, measured


@pytest.mark.parametrize(
    ("hit_rate", "hit_ms", "floor_ms", "median_ms", "left"),
    [
        (0.97, 12.8, 2.5, 2.9, ["busy"]),
        (0.97, 12.8, 2.5, None, ["busy"]),
        (0.97, 12.8, 6.4, None, ["far"]),  # half of the time is on the way
        (0.97, 12.8, 2.5, 11.0, ["uneven"]),  # a way that is short at best, and seldom
        (0.97, 12.8, None, None, ["far"]),
        (0.97, None, 2.5, 2.9, ["far"]),
        (0.50, 12.8, 2.5, 2.9, ["misses"]),  # half of the reads is not more than half of them
        (0.30, 12.8, 11.0, 12.0, ["misses", "far"]),
        (None, 12.8, 2.5, 2.9, ["misses"]),
        (None, None, None, None, ["misses", "far"]),
    ],
)
def test_what_the_run_disproves_is_left_out(
    hit_rate: float | None, hit_ms: float | None, floor_ms: float | None, median_ms: float | None, left: list[str]
) -> None:
    """Misses are no cause where hits are more than enough, nor is the way where a hit took twice as long and more."""
    assert causes(Facts(hit_rate, hit_ms, floor_ms, median_ms), SPARED["p50_ms"]) == left


def test_each_percentile_needs_its_own_hit_rate() -> None:
    """With 90 % hits the median is a hit's time, and the slowest twentieth is not."""
    facts = Facts(hit_rate=0.9, hit_ms=100.0, floor_ms=1.0)
    assert [causes(facts, SPARED[name]) for name in ("p50_ms", "p95_ms")] == [["busy"], ["misses"]]


SLOW = Interval(12.9, 12.1, 13.6, 2000)
HITS = LatencyRow("hit", 1943, 13.0, 12.8, 31.0)
NEAR = Place(kind="tcp", rtt_floor_ms=2.5, rtt_median_ms=2.9, pings=20)


def test_causes_are_told_with_their_numbers() -> None:
    """In either language; a cause by itself, two of them, or what is left when both are excluded."""
    verdict = judge(KPIS["p50_ms"], SLOW)
    hits, misses = ({"hit_rate": Interval(rate, rate - 0.01, rate + 0.01, 2000)} for rate in (0.97, 0.3))
    busy = result(hits, latency=[HITS], place=NEAR)
    assert told_causes(verdict, busy, ENGLISH) == (
        "A hit cost 12.8 ms, a round trip at least 2.50 ms: this machine or the client was busy."
    )
    uneven = result(hits, latency=[HITS], place=replace(NEAR, rtt_median_ms=11.0))
    assert "at least 2.50 ms but usually 11.0 ms: the way to the cache" in told_causes(verdict, uneven, ENGLISH)
    assert "12,8" in told_causes(verdict, busy, Wording("fr"))
    assert told_causes(verdict, result(hits), ENGLISH) == "Usual cause: the cache is far from where this ran."
    assert told_causes(verdict, result(misses), ENGLISH) == (
        "Usual causes: more than half of the reads miss, or the cache is far from where this ran."
    )


def test_the_page_does_not_contradict_itself(tmp_path: Path) -> None:
    """Beside a hit rate of 97 % and a near cache, a slow median is not put down to misses or to the way."""
    record = measured({"hit_rate": Interval(0.97, 0.96, 0.98, 2000), "p50_ms": SLOW})
    (notebook,) = record.notebooks.values()
    assert notebook.result
    found = replace(notebook.result, latency=[HITS], place=NEAR)
    results = made_up({"local": replace(record, notebooks={NAME: replace(notebook, result=found)})})
    text = " ".join(Seen(page.render(results, tmp_path)).text.split())
    assert "the target is < 10.0 ms. A hit cost 12.8 ms, a round trip at least 2.50 ms" in text
    assert "Usual cause" not in text
