"""A monitor's pictures say in words what they show, keep the worst moment, and leave gaps where nothing was seen."""

import functools
import io
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from matplotlib import image

from dousell_cache.measure.stats import Interval
from dousell_cache.monitor.figures import Alert, Sample
from dousell_cache.reporting.figures import COLOURS, Picture
from dousell_cache.reporting.monitor_figures import (
    alerts_over_time,
    evictions_over_time,
    hit_rate_over_time,
    memory_over_time,
    p95_over_time,
)

from .samples import at, blind, look

Draw = Callable[[Sequence[Sample]], Picture]
DRAWINGS: list[Draw] = [hit_rate_over_time, p95_over_time, memory_over_time, evictions_over_time, alerts_over_time]


def with_p95(sample: Sample, ms: float) -> Sample:
    """Return a sample with a response time."""
    (everything,) = sample.application
    row = msgspec.structs.replace(everything, p95_ms=Interval(ms, 0.9 * ms, 1.1 * ms, 1000))
    return msgspec.structs.replace(sample, application=(row,))


def firing(sample: Sample, name: str, since: float, *, on: bool = True) -> Sample:
    """Return a sample with an alert."""
    return msgspec.structs.replace(sample, alerts=(Alert(name, on, at(since), ""),))


DAY = [with_p95(look(minute), 20.0) for minute in range(0, 1440, 5)]
BAD_DAY = [*DAY[:100], *(blind(minute) for minute in range(500, 540, 5)), *DAY[108:]]
BAD_DAY[150] = firing(with_p95(look(750, hit_rate=(0.6, 0.5, 0.7), memory=0.97, evicted=7), 900.0), "memory", 745)


@functools.cache
def drawing(draw: Draw) -> Picture:
    """Return the picture of the bad day, drawn once for all tests."""
    return draw(BAD_DAY)


def pixels(picture: Picture) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the drawing's pixels."""
    drawn: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = image.imread(io.BytesIO(picture.png))
    return drawn


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_picture_is_a_drawing_of_its_samples(draw: Draw) -> None:
    """The drawing is a PNG wide enough to read, not blank, and that of a bad day looks different."""
    drawn = pixels(drawing(draw))
    assert drawn.shape[1] >= 800
    assert len(np.unique(drawn.reshape(-1, drawn.shape[2]), axis=0)) > 10
    good = pixels(draw(DAY))
    assert good.shape != drawn.shape or not np.array_equal(good, drawn)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (hit_rate_over_time, "Hit rate: lowest 60.0 %, last 95.0 %."),
        (p95_over_time, "P95 response time: highest 900.0 ms, last 20.0 ms."),
        (memory_over_time, "Memory of the fullest node: highest 97.0 %, last 50.0 %."),
        (evictions_over_time, "Evictions: 7 entries, at 1 of 288 looks."),
        (alerts_over_time, "Alerts: memory 1×, 5 min in all."),
    ],
)
def test_a_picture_says_its_numbers(draw: Draw, said: str) -> None:
    """The caption has the worst and the last figure; the alternative text also says when and where."""
    picture = drawing(draw)
    assert picture.caption == said
    assert picture.alt == f"{said} 288 looks from {at(0)} to {at(1435)} (dedicated, redis://cache.example:6379)."


@pytest.mark.parametrize("draw", DRAWINGS)
def test_nothing_seen_is_said(draw: Draw) -> None:
    """A day on which the server could not be seen has a picture without a line, and says that nothing is known."""
    picture = draw([blind(0), blind(5)])
    assert "unknown" in picture.caption or "none fired" in picture.caption or "0 entries" in picture.caption
    with pytest.raises(ValueError, match="there are no samples to draw"):
        draw([])


def test_of_many_samples_the_worst_is_drawn() -> None:
    """Among more samples than a line can show, one bad moment is still to be seen: the axis reaches down to it."""
    many = [look(second / 60) for second in range(0, 20_000, 5)]
    dip = [*many[:2001], look(2001 / 12, hit_rate=(0.2, None, None)), *many[2002:]]
    assert "lowest 20.0 %" in hit_rate_over_time(dip).caption
    assert not np.array_equal(pixels(hit_rate_over_time(dip)), pixels(hit_rate_over_time(many)))


def test_an_alerts_level_is_drawn() -> None:
    """It is a line in the picture and a number in its text."""
    with_level = hit_rate_over_time(DAY, alert=0.8)
    assert with_level.caption == "Hit rate: lowest 95.0 %, last 95.0 %, the alert's level 80 %."
    assert not np.array_equal(pixels(with_level), pixels(hit_rate_over_time(DAY)))


def test_an_alert_that_fires_twice_is_two_bars() -> None:
    """Each time from its beginning to the last look at which it fired."""
    series = [
        firing(look(0), "memory", 0),
        firing(look(10), "memory", 0),
        firing(look(11), "memory", 0, on=False),
        firing(look(20), "memory", 20),
        firing(look(25), "memory", 20),
    ]
    assert alerts_over_time(series).caption == "Alerts: memory 2×, 15 min in all."


def test_a_short_alert_is_to_be_seen() -> None:
    """One that fired at a single look has a bar, and no length of nought."""
    one = [look(0), firing(look(1), "memory", 1), firing(look(2), "memory", 1, on=False)]
    assert alerts_over_time(one).caption == "Alerts: memory 1×, less than a minute in all."
    ending = [look(0), look(1), firing(look(2), "memory", 1, on=False)]
    assert alerts_over_time(ending).caption == "Alerts: none fired."
    assert coloured(alerts_over_time(one), COLOURS["miss"])


def coloured(picture: Picture, colour: str) -> bool:
    """Tell whether a colour is in a picture."""
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return bool(np.any(np.all(np.abs(pixels(picture)[..., :3] - wanted) < 0.01, axis=-1)))


def test_a_lone_figure_is_to_be_seen() -> None:
    """Between two looks that saw nothing, and where there is no other, a figure is a point."""
    for series in ([look(0)], [blind(0), look(1), blind(2), blind(3)]):
        assert coloured(hit_rate_over_time(series), COLOURS["hit"])


def test_evictions_stand_before_the_look_that_counted_them() -> None:
    """They happened since the look before: a series that ends with them shows them."""
    assert not np.array_equal(
        pixels(evictions_over_time([look(0), look(1), look(2, evicted=0)])),
        pixels(evictions_over_time([look(0), look(1), look(2, evicted=1)])),
    )
    silent = [look(0, evicted=None), look(1, evicted=None)]
    assert evictions_over_time(silent).caption == "Evictions: unknown."


def test_one_look_is_enough() -> None:
    """A monitor that has just begun has a picture, too."""
    assert hit_rate_over_time([look(0)]).caption == "Hit rate: lowest 95.0 %, last 95.0 %."


def test_what_is_emulated_is_said() -> None:
    """A picture of an emulated cache says so."""
    sample = msgspec.structs.replace(look(0), emulated="Upstash, emulated")
    assert hit_rate_over_time([sample]).alt.endswith("(dedicated, redis://cache.example:6379, Upstash, emulated).")
