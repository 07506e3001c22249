"""Pictures and tables of environments side by side: they say their numbers in words."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from matplotlib import image

from dousell_cache.async_cache import AsyncCache
from dousell_cache.dousell.ledger import Ledger
from dousell_cache.dousell.origin import Origin
from dousell_cache.dousell.site import Site
from dousell_cache.environments import Environment
from dousell_cache.measure import PAGES, Keys, LoadResult, Schedule, SideBySide, SidePlan
from dousell_cache.measure.place import Place
from dousell_cache.measure.rates import Step
from dousell_cache.measure.sides import Side
from dousell_cache.measure.stats import Interval
from dousell_cache.measure.usage import Usage
from dousell_cache.reporting import side_figures
from dousell_cache.reporting.figures import Picture
from dousell_cache.reporting.record import environment_verdict
from dousell_cache.reporting.side_figures import hit_rates, latency_curves, latency_quantiles, rate_curves, speedups
from dousell_cache.reporting.side_tables import side_table
from dousell_cache.transport.connect import Place as Located
from dousell_cache.transport.nowhere import AsyncNowhere

COUNT = 400
PAGES_READ = tuple(page for page in PAGES if page.kind in {"home", "property"})
KEYS = np.array(["all_properties_public", "detail:1", "detail:2", "detail:3", "detail:4"] * (COUNT // 5))
PICTURES = [latency_curves, latency_quantiles, hit_rates, speedups, rate_curves]


def load(hit_ms: float, misses: int) -> LoadResult:
    """Half of the reads, of which so many waited 300 ms and the others were hits."""
    count = COUNT // 2
    times = np.array([300.0] * misses + [hit_ms] * (count - misses))
    outcomes = ["miss"] * misses + ["hit"] * (count - misses)
    return LoadResult(times, times, np.zeros(count), outcomes, [], np.arange(count) / 40)


def side(name: str, hit_ms: float, knee: float) -> Side:
    """An environment whose hits take so long, up to so many a second."""
    cache = AsyncCache(AsyncNowhere(), Located(Environment(name, "none")))  # type: ignore[arg-type] # any name will do
    site = Site(
        cache,
        cast("Origin", None),
        cast("Ledger", None),
        None,
        "none",
        ("Supabase (300 ms)",) if name == "local" else (),
    )
    usages = [Usage(requests=COUNT // 2, sent=300, executed={"get": 400}, origin_calls=5)] * 2
    steps = [_step(rate, hit_ms * (1 if rate <= knee else 9)) for rate in (100.0, 200.0, 400.0)]
    place = Place(kind="tcp", rtt_floor_ms=hit_ms / 2, pings=20)
    return Side(
        site, place, KEYS, np.ones(len(KEYS), bool), [load(hit_ms, 20), load(hit_ms, 0)], usages, [1_200], steps
    )


def _step(rate: float, ms: float) -> Step:
    told = Interval(ms, ms * 0.9, ms * 1.1, 200)
    return Step(rate=rate, achieved=rate, requests=200, hits=1.0, p50_ms=told, p95_ms=told)


@pytest.fixture
def run() -> SideBySide:
    """Two environments, the second of which is farther away."""
    schedule = Schedule(np.arange(COUNT) / 40, Keys.of(KEYS.tolist()))
    origin = LoadResult(np.full(40, 310.0), np.full(40, 310.0), np.zeros(40), ["origin"] * 40, [], np.arange(40) / 20)
    sides = [side("local", 1.5, 400), side("vercel", 6.0, 200)]
    return SideBySide(SidePlan(), PAGES_READ, schedule, "2026-11-28T10:00:00+00:00", 30.0, origin, sides, {})


@pytest.mark.parametrize("draw", PICTURES)
def test_a_picture_is_a_picture(run: SideBySide, draw: Callable[[SideBySide], Picture]) -> None:
    """Each can be drawn, is not blank, and has a text for those who do not see it."""
    drawn = draw(run)
    pixels = image.imread(io.BytesIO(drawn.png), format="png")
    assert pixels.std() > 0.05
    assert drawn.caption in drawn.alt


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (latency_curves, "local (emulated) 1.50 ms, vercel 6.00 ms, origin alone (emulated) 310 ms"),
        (latency_quantiles, "P50: local (emulated) 1.50 ms (1.50 to 1.50 ms), vercel 6.00 ms (6.00 to 6.00 ms)"),
        (hit_rates, "Hit rate: local (emulated) 95.0 %"),
        (speedups, "Speedup: local (emulated) 18.9×"),
        (rate_curves, "local (emulated): 400 and above; vercel: 200, slow at 400"),
    ],
)
def test_the_numbers_are_said(run: SideBySide, draw: Callable[[SideBySide], Picture], said: str) -> None:
    """The alternative text has the numbers of every environment, their intervals, and which of them are emulated."""
    assert said in draw(run).alt


def test_environments_are_told_apart_without_colour() -> None:
    """No two environments, nor one and the origin, share a dash or a marker."""
    looks = [*side_figures._LOOKS.values(), side_figures._ORIGIN_LOOK]
    for part in range(3):
        assert len({look[part] for look in looks}) == len(looks)


def test_the_table_has_a_column_for_each_environment(run: SideBySide) -> None:
    """Figures with their intervals, and how far each cache is."""
    table = side_table(run)
    assert list(table.headers) == ["figure", "local (emulated)", "vercel"]
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["P50 response"] == ("1.50 ms (1.50 to 1.50 ms)", "6.00 ms (6.00 to 6.00 ms)")
    assert [row.emulated for row in run.rows] == [["Supabase (300 ms)"], []]
    assert cells["In doubt"] == ("no", "no")
    assert cells["Distance"][1] == "a round trip takes at least 3.00 ms (20 pings)"


def test_an_environment_in_doubt_is_said_to_be(run: SideBySide) -> None:
    """A late generator, or else reads that failed, stands in the row that is published and in the table's column."""
    lost = run.sides[1].loads[0]
    run.sides[1].loads[0] = replace(lost, outcomes=["timeout", "error", *lost.outcomes[2:]])
    busy = run.sides[0].loads[1]
    run.sides[0].loads[1] = replace(busy, lag_ms=np.full(COUNT // 2, 4_000.0))
    doubts = tuple(row.doubt for row in run.rows)
    late = "this machine was too busy: requests started up to 4000 ms late (P99), which counts in every figure"
    assert doubts == (late, "2 reads failed")
    assert [row.failed for row in run.rows] == [0, 2]
    assert {row[0]: row[1:] for row in side_table(run).rows}["In doubt"] == doubts
    assert environment_verdict("ok", [run.result]) == "inconclusive"


def test_only_what_runs_here_is_said_to_share_this_machine(run: SideBySide) -> None:
    """The local cache shares the client's processors, and one that is elsewhere does not."""
    caption = rate_curves(run).caption
    assert f"Of {run.sides[0].label}, client and server share" in caption


def test_target_lines_that_judge_nothing_say_so(run: SideBySide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a picture with target lines it stands where targets are judged; no sentence is under one without."""
    said = "Targets are drawn for orientation: they are judged in 01."
    assert all(said in drawn(run).caption for drawn in (latency_quantiles, hit_rates))
    monkeypatch.setattr(side_figures, "kpis_in_force", dict)
    assert not any(said in drawn(run).caption for drawn in (latency_quantiles, hit_rates))
