"""Comparisons as documents and as tables: the words of the figures, and what has to be said beside them."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from dousell_cache.measure.abba import FalseAlarms
from dousell_cache.measure.compare import compare_results
from dousell_cache.measure.history import against_history
from dousell_cache.measure.kpis import KPIS, judge_all
from dousell_cache.measure.result import Result
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import schemas
from dousell_cache.reporting.compared import (
    CompareDocument,
    chance,
    comparison_table,
    document,
    effect,
    history_table,
    left_out,
    remarks,
    sentence,
)

from .comparisons import FIGURES, OTHER, result, slower


def compared(b: Result) -> CompareDocument:
    """Compare a usual result with another one."""
    return document("runs", comparisons=[compare_results(result(), b, targets=KPIS.keys(), names=("run 1", "run 2"))])


def test_the_worst_figure_with_a_target_decides() -> None:
    """Worse in one of them exits with 1, not to be told with 5, no worse with 0; the sentence names what is worse."""
    worse, same = compared(slower(2)), compared(result())
    open_ = compared(result({**FIGURES, "p95_ms": Interval(8.0, samples=4)}))
    assert [(one.verdict, one.exit_code) for one in (worse, same, open_)] == [
        ("worse", 1),
        ("no worse", 0),
        ("inconclusive", 5),
    ]
    assert sentence(worse) == "B is significantly worse: P50 response, P95 response"
    assert sentence(same) == "B is no worse, as far as these samples can tell"
    assert sentence(open_).startswith("inconclusive")


def test_a_figure_without_a_target_decides_nothing() -> None:
    """A speedup that fell is called worse in the table, and the verdict stays as it is."""
    found = compared(result({**FIGURES, "speedup": Interval(5.0, 4.0, 6.0, 40)}))
    assert found.comparisons[0].figures[3].word == "worse"
    assert (found.verdict, found.exit_code) == ("no worse", 0)


def test_the_table_says_what_the_document_says() -> None:
    """Each figure has its values, its effect with interval, its p value and its word; ranks have a row of their own."""
    table = comparison_table(compared(slower(2)).comparisons[0])
    assert table.caption == "A = run 1, local, 01_measure_cache_aside; B = run 2, local, 01_measure_cache_aside"
    assert table.rows[2][:3] == ("P95 response *", "8.00 ms", "16.0 ms")
    assert table.rows[2][3].startswith("×2.00 (1.")
    assert table.rows[2][4:] == ("< 0.001", "✗ worse")
    assert table.rows[0][3:] == ("+0.0 pp (-2.5 to +2.5)", "1.000", "~ not significant")
    assert table.rows[3][0] == "Speedup"


def test_a_history_has_a_table_too() -> None:
    """Each figure has what it is, what was usual, of how many runs, and what it did."""
    earlier = [(str(day), result(started=f"2026-10-0{day}")) for day in range(1, 7)]
    found = against_history(slower(3), earlier, targets=KPIS.keys(), name="run 7")
    table = history_table(found)
    assert table.caption == "run 7, local, 01_measure_cache_aside, against 6 earlier runs like it"
    assert table.rows[2][0] == "P95 response *"
    assert table.rows[2][3] == "6"
    assert table.rows[2][5] == "✗ regressed"
    whole = document("history", histories=[found])
    assert (whole.verdict, whole.exit_code) == ("worse", 1)
    assert sentence(whole) == "this run is significantly worse: P50 response, P95 response"
    few = against_history(slower(3), earlier[:2], targets=KPIS.keys())
    assert history_table(few).rows[0][2:] == ("unknown", "2", "–", "? too few earlier runs")
    assert document("history", histories=[few]).exit_code == 5


def test_a_history_says_what_it_does_without() -> None:
    """Earlier runs that are left out are counted by their reason; a figure that nobody can judge says why."""
    doubt = judge_all(FIGURES, KPIS, untrusted="the generator was late")
    earlier = [
        ("late", result(started="2026-10-01", verdicts=doubt)),
        ("elsewhere", result(started="2026-10-02", host=OTHER)),
    ]
    found = against_history(result(verdicts=doubt), earlier, targets=KPIS.keys())
    assert left_out(found) == [
        "mind: 1 earlier run was not like it, and left out",
        "mind: 1 earlier run was in doubt, and left out",
    ]
    assert history_table(found).rows[0][-1] == "? cannot say (the generator was late)"


def test_what_is_emulated_and_what_differs_is_said_beside_it() -> None:
    """Each emulated part once, with the side that it is a part of; each caveat in its own line."""
    parts = "Supabase (300 ms)"
    both, other = result(emulated=["Supabase (300 ms)"]), result(emulated=["Supabase (300 ms)", "Upstash"], origin="x")
    found = compare_results(both, other, targets=KPIS.keys())
    assert remarks(found) == [
        "emulated on the measuring machine in A and B: Supabase (300 ms)",
        "emulated on the measuring machine in B: Upstash",
        "mind: the origins differ: Supabase and x",
        f"mind: other parts are emulated in A than in B, or otherwise: {parts} against {parts}; Upstash",
    ]


def test_what_several_figures_have_in_common_is_said_once() -> None:
    """A doubt about all of them stands below the table with their names; one of a single figure in its row."""
    doubted = result(verdicts=judge_all(FIGURES, KPIS, untrusted="the generator was late"))
    found = compare_results(result(), doubted, targets=KPIS.keys())
    assert {row[-1] for row in comparison_table(found).rows[:3]} == {"? cannot say"}
    assert remarks(found)[0] == "Hit rate; P50 response; P95 response: the generator was late"
    alone = compare_results(result(), result({**FIGURES, "p95_ms": Interval(8.0, samples=4)}), targets=KPIS.keys())
    assert comparison_table(alone).rows[2][-1] == "? cannot say (too few samples)"
    assert remarks(alone) == []


def test_blocks_in_pairs_say_what_their_columns_are() -> None:
    """What pairs differ by is no ratio of the two columns, and that is said; of kept runs it is, and is not."""
    found = compare_results(result(), result(), targets=KPIS.keys())
    assert "the mean over pairs of blocks" in remarks(found, "live")[0]
    assert remarks(found, "runs") == []


def test_effects_and_chances_are_written_for_people() -> None:
    """Ratios as factors, differences in percentage points, small p values as a bound."""
    assert effect(Interval(1.123, 1.05, 1.2, 9), "ratio") == "×1.12 (1.05 to 1.20)"
    assert effect(Interval(1.123, samples=9), "ratio") == "×1.12"
    assert effect(Interval(-0.0004, -0.02, 0.019, 9), "difference") == "+0.0 pp (-2.0 to +1.9)"
    assert effect(Interval(0.05, samples=9), "difference") == "+5.0 pp"
    assert effect(None, "ratio") == "no value"
    assert [chance(p) for p in (None, 0.0, 0.0009, 0.05, 1.0)] == ["–", "< 0.001", "< 0.001", "0.050", "1.000"]


NOWHERE = compare_results(result(host=None), result(host=None), targets=KPIS.keys())


@pytest.mark.parametrize("found", [compared(slower(2)), compared(result()), document("runs", comparisons=[NOWHERE])])
def test_the_document_is_as_published(found: CompareDocument) -> None:
    """It names its shape and version, is valid by its schema, and reads back equal; so does one of A/A."""
    schema = schemas.schema("compare")
    alarmed = document("a/a", comparisons=found.comparisons, false_alarms=FalseAlarms(0.03, 128, 8))
    for one in (found, alarmed):
        written = msgspec.json.encode(one)
        told = json.loads(written)
        assert (told["schema"], told["version"]) == ("dousell-cache/compare", 1)
        jsonschema.Draft202012Validator(schema).validate(told)
        assert msgspec.json.decode(written, type=CompareDocument) == one
    assert alarmed.false_alarms is not None
    assert alarmed.false_alarms.exchanges == 128


def test_the_documented_example_is_such_a_document() -> None:
    """What the reference page shows can be read, has every field, and agrees with itself."""
    page = (Path(__file__).parents[1] / "docs" / "reference" / "compare.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    read = msgspec.json.decode(example, type=CompareDocument)
    assert msgspec.json.format(msgspec.json.encode(read), indent=2) == msgspec.json.format(example.encode(), indent=2)
    assert document(read.mode, comparisons=read.comparisons) == read
