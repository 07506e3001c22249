"""Where numbers lie on the page's small drawings."""

import pytest

from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.result import LatencyRow
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.charts import LogScale, Plot, bullet


@pytest.mark.parametrize("name", list(KPIS))
@pytest.mark.parametrize("value", [0.0, 0.05, 0.9, 1.0, 37.0, 5_000.0])
def test_a_bullet_keeps_the_order(name: str, value: float) -> None:
    """Interval, figure and target lie on the line in the order of their numbers, inside it, even at the extremes."""
    figure = Interval(value, value * 0.5, value * 1.5, 100)
    drawn = bullet(judge(KPIS[name], figure))
    assert 0 <= drawn.low <= drawn.value <= drawn.high <= 100
    assert 0 <= drawn.target <= 100
    if KPIS[name].unit != "%":
        assert (drawn.value < drawn.target) == (value < KPIS[name].target)


def test_a_figure_without_interval_is_a_point() -> None:
    """Too few samples for an interval draw none."""
    drawn = bullet(judge(KPIS["hit_rate"], Interval(0.95, None, None, 3)))
    assert drawn.low == drawn.value == drawn.high


def test_the_scale_is_logarithmic_and_holds_everything() -> None:
    """Equal factors are equal distances, every time is on the scale, and its first decade is its left end."""
    scale = LogScale([LatencyRow("hit", 9, 1.0, 0.3, 3.0), LatencyRow("miss", 9, 1.0, 300, 450)])
    assert scale.place(30) - scale.place(3) == pytest.approx(scale.place(3) - scale.place(0.3), abs=0.02)
    assert 0 < scale.place(0.3) < scale.place(450) < 100
    assert scale.ticks[0] == (0.0, "0.1")
    assert [label for _, label in scale.ticks] == ["0.1", "1", "10", "100"]


def test_a_scale_of_nothing_stands() -> None:
    """No rows, or times of nothing, break no page."""
    assert LogScale([]).place(0) == 0
    assert LogScale([LatencyRow("hit", 0, 0, 0, 0)]).ticks


def test_a_plot_has_better_values_where_one_expects_them() -> None:
    """Runs stand side by side in their order, a larger value higher, all inside the drawing, the target among them."""
    plot = Plot([Interval(10.0, 9.0, 400.0, 99), Interval(20.0, None, None, 3)], 100.0, 30.0, target=15.0)
    (first, low), (second, high) = plot.dots
    assert 0 < first < second < 100
    assert 0 <= high < low <= 30
    assert plot.target == pytest.approx((low + high) / 2)
    corners = [tuple(map(float, corner.split(","))) for corner in plot.band.split()]
    assert len(corners) == 4
    assert all(0 <= x <= 100 and 0 <= y <= 30 for x, y in corners)
    assert corners[1] == corners[2] == (second, high)
    assert plot.line == f"{first:g},{low:g} {second:g},{high:g}"


def test_a_single_run_has_its_whole_interval() -> None:
    """It lies inside the drawing, ends included, as wide as a mark; a target far away presses nothing off."""
    plot = Plot([Interval(4.0, 2.0, 90.0, 9)], 340.0, 96.0, target=50.0)
    ((x, y),) = plot.dots
    corners = [tuple(map(float, corner.split(","))) for corner in plot.band.split()]
    assert [place for place, _ in corners] == [x - 6, x + 6, x + 6, x - 6]
    heights = sorted({height for _, height in corners})
    assert 6 == heights[0] < plot.target < y < heights[1] == 90  # type: ignore[operator] # there is a target


def test_a_plot_of_runs_that_agree_is_a_level_line() -> None:
    """No spread, or a single run, is no division by zero."""
    same = Interval(4.0, 4.0, 4.0, 9)
    assert [y for _, y in Plot([same, same], 100.0, 30.0).dots] == [15.0, 15.0]
    assert Plot([same], 100.0, 30.0).dots == [(50.0, 15.0)]
