"""Tables that a screen reader, a terminal and a browser can all read, and numbers written in one way."""

import math
import re
from html.parser import HTMLParser

import pytest

from dousell_cache.check import Step
from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.result import LatencyRow
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.tables import Table, interval, latency_table, number, step_table, target, verdict_table

HOSTILE = '<script>alert("1 & 2")</script>'


class Seen(HTMLParser):
    """What a browser makes of a page: the tags with their attributes, and the text in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold a closing tag to the one that is open."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text and the tag it stands in."""
        self.cells.append((self._open[-1], data))


def page(shown: Table) -> Seen:
    """Return a table as a browser sees it."""
    return Seen(shown._repr_html_())


def test_headers_say_what_they_head() -> None:
    """Each column's header and each row's name is a ``th`` with its scope, and the table has a caption."""
    seen = page(Table("Two cities", ("city", "homes", "rent"), [("Dakar", "900", "1"), ("Thiès", "300", "2")]))
    scopes = [attributes.get("scope") for tag, attributes in seen.tags if tag == "th"]
    assert scopes == ["col", "col", "col", "row", "row"]
    assert seen.cells == [
        ("caption", "Two cities"),
        *[("th", "city"), ("th", "homes"), ("th", "rent")],
        *[("th", "Dakar"), ("td", "900"), ("td", "1")],
        *[("th", "Thiès"), ("td", "300"), ("td", "2")],
    ]


def test_everything_is_escaped() -> None:
    """A value that looks like markup is shown as it is, wherever it stands, and becomes no tag."""
    seen = page(Table(HOSTILE, (HOSTILE, HOSTILE), [(HOSTILE, HOSTILE)]))
    assert {tag for tag, _ in seen.tags} == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert [text for _, text in seen.cells] == [HOSTILE] * 5


def test_the_plain_form_is_aligned() -> None:
    """On a terminal the columns stand under their headers."""
    shown = repr(Table("Two cities", ("city", "homes"), [("Dakar", "900"), ("Saint-Louis", "30")]))
    assert shown.splitlines() == ["Two cities", "city         homes", "Dakar        900  ", "Saint-Louis  30   "]


def test_a_table_without_rows_is_still_one() -> None:
    """Nothing measured gives headers and no rows, in both forms."""
    empty = Table("Nothing", ("a", "b"), [])
    assert [tag for tag, _ in page(empty).tags].count("tr") == 1
    assert repr(empty) == "Nothing\na  b"


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.0, "ms", "0.00 ms"),
        (-0.0, "ms", "0.00 ms"),
        (-0.0001, "%", "0.0 %"),
        (5.333, "ms", "5.33 ms"),
        (9.996, "ms", "10.0 ms"),
        (42.42, "ms", "42.4 ms"),
        (99.96, "ms", "100 ms"),
        (301.5, "ms", "302 ms"),
        (-12.34, "ms", "-12.3 ms"),
        (-301.4, "ms", "-301 ms"),
        (1_234_567.8, "ms", "1,234,568 ms"),
        (0.954, "%", "95.4 %"),
        (0.0, "%", "0.0 %"),
        (1.0, "%", "100.0 %"),
        (0.99999, "%", "100.0 %"),
        (12.34, "×", "12.3×"),
        (7.0, "", "7.00"),
        (math.nan, "ms", "no value"),
        (math.nan, "%", "no value"),
        (math.inf, "ms", "inf ms"),
    ],
)
def test_numbers_are_written_in_one_way(value: float, unit: str, written: str) -> None:
    """Shares as percentages, the rest with as many decimals as matter, no minus before a zero, and NaN in words."""
    assert number(value, unit) == written


@pytest.mark.parametrize(
    ("figure", "unit", "written"),
    [
        (Interval(0.95, 0.931, 0.972, 2_000), "%", "93.1 to 97.2 %"),
        (Interval(5, 4.5, 101, 9), "ms", "4.50 to 101 ms"),
        (Interval(5, 4.5, 12.25, 9), "×", "4.50 to 12.2×"),
        (Interval(5, 4.5, 12.25, 9), "", "4.50 to 12.2"),
        (Interval(5, -1, 12.25, 9), "ms", "-1.00 to 12.2 ms"),
        (Interval(5, samples=3), "ms", "too few samples"),
    ],
)
def test_intervals_name_their_unit_once(figure: Interval, unit: str, written: str) -> None:
    """An interval is written from low to high with one unit, or the lack of one is said."""
    assert interval(figure, unit) == written


def test_targets_say_the_direction() -> None:
    """A target is written with the side it asks for."""
    assert [target(kpi) for kpi in KPIS.values()] == [
        "> 90.0 %",
        "< 10.0 ms",
        "< 50.0 ms",
        "none, bound < 3.0 %",
        "none, bound < 3.0 %",
        "none, bound < 1.0 %",
        "none, bound < 1.0 %",
    ]


def test_verdicts_are_told_by_mark_and_word() -> None:
    """A verdict is a mark and a word, never a colour alone, next to the figure, its interval and its samples."""
    figures = [Interval(0.95, 0.93, 0.97, 2_000), Interval(12, 11, 13, 2_000), Interval(40, samples=30)]
    shown = verdict_table(judge(kpi, figure) for kpi, figure in zip(KPIS.values(), figures, strict=False))
    assert shown.rows == [
        ("Hit rate", "> 90.0 %", "95.0 %", "93.0 to 97.0 %", "2,000", "✓ pass"),
        ("P50 response", "< 10.0 ms", "12.0 ms", "11.0 to 13.0 ms", "2,000", "✗ fail"),
        ("P95 response", "< 50.0 ms", "40.0 ms", "too few samples", "30", "? inconclusive"),
    ]
    page(shown)


@pytest.mark.parametrize(("twice", "told"), [(0.0, "0 of 120"), (1 / 120, "1 of 120")])
def test_what_must_never_be_is_counted(twice: float, told: str) -> None:
    """What must never happen is told as a count, however few: a share would round a case away."""
    verdict = judge(KPIS["double_payments"], Interval(twice, 0.0, 0.025, 120))
    assert verdict_table([verdict]).rows[0][2] == told


def test_a_failure_is_bold() -> None:
    """A cell that tells a failure stands out without a colour."""
    html = Table("t", ("a", "b"), [("lock", "✗ twice"), ("row", "✓ once")])._repr_html_()
    assert re.findall(r"bold[^<]*>([^<]*)<", html) == ["✗ twice"]


def test_latencies_are_a_row_each() -> None:
    """Each way of being answered is a row with its requests, mean and percentiles."""
    shown = latency_table(
        [LatencyRow("origin alone", 40, 301.25, 299.5, 352, 360), LatencyRow("hit", 1_900, 5, 4.5, 6)]
    )
    assert shown.rows == [
        ("origin alone", "40", "301 ms", "300 ms", "352 ms", "360 ms"),
        ("hit", "1,900", "5.00 ms", "4.50 ms", "6.00 ms", "–"),
    ]


def test_steps_are_told_by_mark_and_word() -> None:
    """A step of the connection test is a row; what a server said cannot become markup."""
    shown = step_table([Step("SET", True, "stored", 0.21), Step("GET", False, HOSTILE, 1_200)])
    assert shown.rows == [("SET", "✓ passed", "stored", "0.21 ms"), ("GET", "✗ failed", HOSTILE, "1,200 ms")]
    assert ("td", HOSTILE) in page(shown).cells


def test_verdicts_on_an_emulation_say_so() -> None:
    """The caption names what is emulated, and nothing where all is real."""
    verdict = judge(KPIS["hit_rate"], Interval(0.95, 0.93, 0.965, 1_000))
    assert verdict_table([verdict], ["Upstash (2 ms)"]).caption == (
        "Targets and what was measured (emulated: Upstash (2 ms))"
    )
    assert verdict_table([verdict]).caption == "Targets and what was measured"
