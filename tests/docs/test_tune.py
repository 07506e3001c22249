"""The reference of ``dousell-cache tune`` has every option and every field of its document, and no others."""

from collections.abc import Iterable

from dousell_cache.cli import parser
from dousell_cache.tuning.goals import Goal
from dousell_cache.tuning.trace import Trace
from dousell_cache.tuning.tuned import document, tune

from .pages import ROOT, table

TUNE = ROOT / "docs" / "reference" / "tune.md"


def named(cells: Iterable[str]) -> set[str]:
    """Return what is in backticks in the cells."""
    return {part for cell in cells for part in cell.split("`")[1::2]}


def test_every_option_is_on_the_page() -> None:
    """The table of options is that of the parser."""
    subparsers = next(action for action in parser()._actions if action.choices)
    assert subparsers.choices
    options = dict(subparsers.choices)["tune"]._actions
    assert named(row[0] for row in table(TUNE, "Options")) == {
        name for option in options for name in option.option_strings if name.startswith("--") and name != "--help"
    }


def test_every_field_is_on_the_page() -> None:
    """The tables of fields are those of a document."""
    trace = Trace.of(range(200), ["a:1"] * 200, [0, 1] + [0] * 198)
    told = document(tune(trace, Goal(0.4, max_origin_rate=1), ttls=[1]))
    assert named(row[0] for row in table(TUNE, "The document, version 1")) >= told.keys()
    text = TUNE.read_text("utf-8")
    fields = (
        set(told["curve"][0]) | set(told["families"]["a"]["curve"][0]) | set(told["advice"][0]) | set(told["total"])
    )
    assert {field for field in fields if f"`{field}`" not in text} == set()
