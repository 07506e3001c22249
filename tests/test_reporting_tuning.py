"""Pictures and tables about times to live: they say their numbers, and work where nothing can be clicked."""

from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

from dousell_cache.measure.pages import PAGES
from dousell_cache.reporting import tuning_figures, tuning_tables
from dousell_cache.tuning.advice import advise
from dousell_cache.tuning.demo import demo_trace
from dousell_cache.tuning.design import DESIGN_TTLS
from dousell_cache.tuning.goals import Goal
from dousell_cache.tuning.reasons import percent
from dousell_cache.tuning.trace import Trace
from dousell_cache.tuning.tuned import Tuned, tune

from .tuning_traces import poisson_trace


@pytest.fixture(scope="module")
def tuned() -> Tuned:
    """Dousell's pages for an hour, with four TTLs, beside those of the design."""
    return tune(demo_trace(1, 3), Goal(0.8, max_outdated=0.05), ttls=[1, 60, 300, 1000], present=DESIGN_TTLS, fill=0.3)


def test_the_designs_ttls_are_those_of_the_pages() -> None:
    """What is judged as the site's design is what the page mix keeps its pages for, under their own keys."""
    assert {page.key(0).partition(":")[0]: page.ttl for page in PAGES}.items() <= DESIGN_TTLS.items()
    assert {page.kind: page.ttl for page in PAGES}.items() <= DESIGN_TTLS.items()


def test_the_demo_trace_is_the_page_mix() -> None:
    """It has every kind of page, changes of most, and another seed gives another."""
    trace = demo_trace(1, 3)
    assert set(trace.family_names) == {page.key(0).partition(":")[0] for page in PAGES}
    assert 9_000 < trace.reads < 12_000
    assert len(trace) > trace.reads
    assert trace.digest == demo_trace(1, 3).digest != demo_trace(1, 3, seed=2).digest


@pytest.mark.parametrize("draw", ["hit_rate_curves", "outdated_curves", "origin_curves"])
def test_a_picture_says_its_numbers(tuned: Tuned, draw: str) -> None:
    """Its alternative text has every family that it draws, with its figures at the first and the last TTL."""
    picture = getattr(tuning_figures, draw)(tuned)
    assert picture.png.startswith(b"\x89PNG")
    for name, played in tuned.families.items():
        if draw != "outdated_curves" or played.changes:
            assert name in picture.alt
    assert "at 1 s" in picture.alt
    assert "at 1,000 s" in picture.alt


def test_the_hit_rates_are_told_in_words(tuned: Tuned) -> None:
    """The target, the bound, the TTL now and the advised one are in the caption."""
    told = tuning_figures.hit_rate_curves(tuned).caption
    home = next(one for one in tuned.advice if one.family == "all_properties_public")
    assert home.point
    assert home.present
    assert "Target 80.0 %" in told
    assert f"advised {home.ttl:g} s ({percent(home.point.hit_rate)}), now 300 s" in told


def test_without_changes_nothing_is_outdated() -> None:
    """A trace that tells of no change has a picture that says so, and no figure made up."""
    quiet = tune(poisson_trace([1.0], 2_000), ttls=[1, 60])
    assert "No change was recorded" in tuning_figures.outdated_curves(quiet).alt
    assert tuning_tables.advice_table(quiet.advice).rows[0][4] == "–"


def test_tables_have_a_row_a_family(tuned: Tuned) -> None:
    """Advice, reasons and the TTLs now are there for every family, with the verdicts' marks."""
    names = list(tuned.families)
    assert [name for name, _ in tuning_tables.reasons(tuned.advice).lines] == names
    for table in (tuning_tables.advice_table, tuning_tables.present_table):
        assert [row[0] for row in table(tuned.advice).rows] == names
    assert [row[0] for row in tuning_tables.ttl_table(tuned).rows] == ["1 s", "60 s", "300 s", "1,000 s"]
    assert {row[-1][0] for row in tuning_tables.advice_table(tuned.advice).rows} <= {"✓", "✗", "?"}


def test_the_explorer_needs_no_script(tuned: Tuned) -> None:
    """One radio button and one panel a TTL, exactly one chosen, each button with its own label; plain text has all."""
    explorer: Any = tuning_tables.ttl_explorer(tuned)
    page = BeautifulSoup(explorer._repr_html_(), "html.parser")
    buttons = page.find_all("input")
    assert not page.find_all("script")
    assert [button["type"] for button in buttons] == ["radio"] * 4
    assert sum("checked" in button.attrs for button in buttons) == 1
    assert [label["for"] for label in page.find_all("label")] == [button["id"] for button in buttons]
    assert len(page.find_all("table")) == 4
    assert all(f"With a TTL of {title}" in repr(explorer) for title in ("1 s", "60 s", "300 s", "1,000 s"))


def test_reasons_are_text_whatever_a_key_is_called() -> None:
    """A family's name is escaped in the list, and whole in plain text."""
    (advice,) = advise(Trace.of(range(200), ["<b>:1"] * 200))
    shown: Any = tuning_tables.reasons([advice])
    assert "<li><b>&lt;b&gt;</b>: " in shown._repr_html_()
    assert repr(shown).startswith("<b>: ")


def test_what_all_families_come_to_is_a_reason() -> None:
    """Where loads are bounded, the list ends with all families together."""
    tuned = tune(poisson_trace([1.0], 2_000), Goal(0.8, max_origin_rate=1), ttls=[10])
    assert tuned.total
    assert tuning_tables.reasons(tuned.advice, tuned.total).lines[-1] == ("all families", tuned.total.reason)


def test_a_trace_of_one_moment_has_tables() -> None:
    """All reads at one time: no rate can be told, and nothing fails."""
    tuned = tune(Trace.of(np.zeros(200), ["a:1", "b:1"] * 100), ttls=[1, 10])
    assert [one.status for one in tuned.advice] == ["inconclusive"] * 2
    assert len(tuning_tables.ttl_table(tuned).rows) == 2
    assert "nan" not in repr(tuning_tables.ttl_explorer(tuned)).lower()
