"""The notebooks' standard: this suite's keep it, and each rule can be broken."""

from collections.abc import Callable
from typing import Any

import pytest

from dousell_cache.reporting import catalog
from dousell_cache.reporting.parameters import SCHEMAS, Parameter
from dousell_cache.reporting.standard import Cell, violations

SCHEMA = (Parameter("keys", "int", 8, "how many"),)
GOOD = [
    Cell("markdown", "# Is it?\n\n**Purpose.** a\n\n**Inputs.** b\n\n**Outputs.** c\n\n**Duration.** d"),
    Cell("code", "from x import y"),
    Cell("markdown", "## Parameters"),
    Cell("code", "keys: int = 8  # how many", ("parameters",)),
    Cell("markdown", "## The result"),
    Cell("code", "print(y(keys))"),
]


@pytest.mark.parametrize("name", catalog.names())
def test_the_suites_notebooks_keep_the_standard(name: str) -> None:
    """Every notebook that is shipped keeps every rule."""
    notebook = catalog.read_notebook(catalog.folder() / f"{name}.ipynb")
    cells = [
        Cell(
            cell.cell_type,
            cell.source,
            tuple(cell.metadata.get("tags", ())),
            not cell.get("outputs") and cell.get("execution_count") is None,
        )
        for cell in notebook.cells
    ]
    assert violations(name, cells, SCHEMAS[name]) == []


def test_a_notebook_that_keeps_it_breaks_nothing() -> None:
    """The smallest notebook that keeps the standard is told nothing."""
    assert violations("01_measure_it", GOOD, SCHEMA) == []


def changed(number: int, **fields: Any) -> Callable[[], list[Cell]]:
    """Return what makes the good notebook with one cell changed."""
    return lambda: [*GOOD[:number], GOOD[number]._replace(**fields), *GOOD[number + 1 :]]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (changed(2, source="# Again"), "exactly one title"),
        (changed(0, source="# Is it?\n\n**Purpose.** a"), "Purpose, Inputs, Outputs, Duration"),
        (lambda: [*GOOD, Cell("code", "1")], "prose before it"),
        (changed(5, source="print(1)\n" * 9), "8 lines at most, not 9"),
        (changed(5, is_clean=False), "without outputs"),
        (changed(5, source="%%time\nprint(1)"), "magic"),
        (changed(5, source="while True:\n    print(1)"), "while True"),
        (changed(5, source="def f():\n    print(1)"), "function or class"),
        (changed(5, source="import os\nprint(1)"), "imports belong"),
        (changed(5, source="y(keys)"), "must show what was found"),
        (changed(3, tags=()), "exactly one cell with the tag parameters"),
        (changed(3, source="keys: int = 9  # how many"), "schema"),
    ],
)
def test_each_rule_can_be_broken(cells: Callable[[], list[Cell]], told: str) -> None:
    """A notebook that breaks one rule is told so, and nothing else."""
    (only,) = violations("01_measure_it", cells(), SCHEMA)
    assert told in only


def test_a_notebook_is_named_by_number_verb_and_object() -> None:
    """A name of another form is told so."""
    assert "NN_verb_object" in violations("measure-it", GOOD, SCHEMA)[0]
