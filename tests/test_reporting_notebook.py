"""What a notebook begins with: its environment's absence is a sentence, and any other error keeps its traceback."""

import re

import nbclient
import pytest
from papermill import inspect_notebook

from dousell_cache.reporting import catalog
from dousell_cache.reporting.parameters import SCHEMAS

from .reports import v4

START = """from dousell_cache.dousell.site import open_site
from dousell_cache.reporting.notebook import start_notebook
start_notebook()"""
OPEN = """async with open_site("dedicated") as site:
    pass"""
SAID = (
    "Skipped: REDIS_URL is not set: it says where the dedicated server's Valkey or Redis is.\n"
    "Put that right and run all cells again: those below have nothing to show without it."
)


def test_a_missing_environment_is_a_sentence_and_a_bug_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell that opens it fails with what is missing and nothing else; a division by zero shows its line."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in (START, OPEN, "1 / 0")])
    nbclient.execute(notebook, allow_errors=True, kernel_name="python3")
    (skipped,), (bug,) = notebook.cells[1].outputs, notebook.cells[2].outputs
    assert (skipped.ename, skipped.traceback) == ("ConfigurationError", [SAID])
    assert "----> 1 1 / 0" in re.sub(r"\x1b\[[\d;]*m", "", "".join(bug.traceback))


@pytest.mark.parametrize("name", catalog.names())
def test_papermill_reads_the_same_parameters(name: str) -> None:
    """What `papermill --help-notebook` lists of a notebook is what the package declares, names, types and help."""
    listed = inspect_notebook(str(catalog.folder() / f"{name}.ipynb"))
    declared = {parameter.name: (parameter.type, parameter.help) for parameter in SCHEMAS[name]}
    assert {key: (one["inferred_type_name"], one["help"]) for key, one in listed.items()} == declared
