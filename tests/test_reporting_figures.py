"""Pictures that say in words what they show, survive being embedded, and tell outcomes apart without colour."""

import base64
import io
import re
from collections.abc import Callable
from html import unescape
from typing import cast, get_args

import numpy as np
import pytest
from matplotlib import image

from dousell_cache.async_cache import AsyncCache
from dousell_cache.dousell.ledger import Ledger
from dousell_cache.dousell.origin import Origin
from dousell_cache.dousell.site import Site
from dousell_cache.environments import Environment
from dousell_cache.events import Outcome
from dousell_cache.measure import CacheAside, LoadResult, Plan
from dousell_cache.reporting import figures
from dousell_cache.reporting.figures import Picture, latency_distribution, latency_over_time
from dousell_cache.transport.connect import Place
from dousell_cache.transport.nowhere import AsyncNowhere

PLAN = Plan(requests=100, keys=5)


def load(times: list[float], outcomes: list[str]) -> LoadResult:
    """Return a load that was answered in these times."""
    response = np.array(times)
    return LoadResult(response, response, np.zeros(len(times)), outcomes, [], np.arange(len(times)) / 75)


def run(outcomes: list[str]) -> CacheAside:
    """Return a run whose hits took 4 ms and whose other reads took 300 ms."""
    cache = AsyncCache(AsyncNowhere(), Place(Environment("local", "none")))
    site = Site(cache, cast("Origin", None), cast("Ledger", None), None, "none", ())
    reads = load([4.0 if outcome == "hit" else 300.0 for outcome in outcomes], outcomes)
    return CacheAside(site, PLAN, "2026-11-22T20:00:00+00:00", 1.0, load([310.0] * 40, ["origin"] * 40), reads)


MIXED = run(["miss"] * 5 + ["hit"] * 20 + ["error"] + ["hit"] * 74)


def pixels(picture: Picture) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the drawing's pixels."""
    return cast("np.ndarray[tuple[int, ...], np.dtype[np.float32]]", image.imread(io.BytesIO(picture.png)))


@pytest.mark.parametrize("draw", [latency_distribution, latency_over_time])
def test_a_picture_is_a_drawing_of_its_run(draw: Callable[[CacheAside], Picture]) -> None:
    """The drawing is a PNG wide enough to read, not blank, and another run's looks different."""
    drawn = pixels(draw(MIXED))
    height, width, _ = drawn.shape
    assert width >= 800
    assert height >= 300
    assert len(np.unique(drawn.reshape(-1, drawn.shape[2]), axis=0)) > 10
    assert not np.array_equal(drawn, pixels(draw(run(["hit"] * 50 + ["miss"] * 50))))


def test_the_distribution_says_its_numbers() -> None:
    """The alternative text and the caption state both medians."""
    picture = latency_distribution(MIXED)
    for text in (picture.alt, picture.caption, repr(picture)):
        assert "4.0 ms" in text
        assert "310 ms" in text


def test_the_course_says_its_numbers() -> None:
    """The alternative text and the caption count the outcomes and say when the last read had to wait."""
    picture = latency_over_time(MIXED)
    last = PLAN.schedule.times[25]  # the error
    for text in (picture.alt, picture.caption, repr(picture)):
        assert "1 error, 94 hit, 5 miss" in text
        assert f"came after {last:.1f} s" in text


def test_a_run_of_hits_alone_is_drawn_too() -> None:
    """Without a single miss the picture is drawn and says so."""
    assert latency_over_time(run(["hit"] * 100)).caption == "100 hit; all were hits."


def test_every_outcome_has_a_colour_and_a_marker_of_its_own() -> None:
    """Any outcome is drawn with a colour and, for those who do not tell colours, a marker of its own."""
    outcomes = get_args(Outcome)
    assert len({figures.COLOURS[outcome] for outcome in outcomes}) == len(outcomes)
    assert len({figures.MARKERS[outcome] for outcome in outcomes}) == len(outcomes)
    latency_over_time(run([outcomes[index % len(outcomes)] for index in range(100)]))


def test_text_in_a_picture_is_escaped() -> None:
    """An alternative text or caption that looks like markup is shown as it is and ends no attribute."""
    hostile = '"><script>alert(1)</script>'
    html = Picture(b"png", alt=hostile, caption=hostile)._repr_html_()
    assert "<script" not in html
    alt = re.search(r'alt="([^"]*)"', html)
    assert alt is not None
    assert unescape(alt[1]) == hostile
    assert f"<figcaption>{hostile}</figcaption>" in unescape(html)


def test_a_picture_needs_no_file_beside_it() -> None:
    """The drawing travels inside its HTML, with its text, and asks nothing of any other place."""
    picture = latency_distribution(MIXED)
    html = picture._repr_html_()
    embedded = re.search(r'src="data:image/png;base64,([^"]*)"', html)
    assert embedded is not None
    assert base64.b64decode(embedded[1], validate=True) == picture.png
    assert "http" not in html
    assert f"<figcaption>{picture.caption}</figcaption>" in unescape(html)
