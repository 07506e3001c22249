"""The notebook that is meant to be copied: it is the page's, and a report runs it among its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..docs.pages import DOCS, ROOT, snippets

NOTEBOOK = ROOT / "examples" / "reads_of_a_few_pages.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]


def test_the_page_shows_its_cells() -> None:
    """The page's blocks are the notebook's cells of code, in their order."""
    shown = [piece.code.rstrip("\n") for piece in snippets(DOCS / "how-to" / "notebook.md", "python no-run")]
    assert shown == ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_it_keeps_to_what_the_page_asks_of_a_notebook() -> None:
    """Its parameters are tagged, prose stands before each cell of code, none has more than eight lines or an output."""
    code = [at for at, cell in enumerate(CELLS) if cell["cell_type"] == "code"]
    assert [CELLS[at]["metadata"].get("tags") for at in code] == [["parameters"], None, None]
    assert all(CELLS[at - 1]["cell_type"] == "markdown" for at in code)
    assert all(len([line for line in CELLS[at]["source"] if line.strip()]) <= 8 for at in code)
    assert [CELLS[at]["outputs"] for at in code] == [[], [], []]


def test_a_report_runs_it(tmp_path: Path, valkey_url: str) -> None:
    """It ends well, and its figures are in the report's results under its own name."""
    assert valkey_url, "the embedded Valkey that it finds"
    command = [sys.executable, "-m", "dousell_cache.cli", "report", "--env", "local", "--notebook", str(NOTEBOOK)]
    asked = [*command, "-p", "reads=100", "--out", str(tmp_path)]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    (results,) = tmp_path.glob("2*/results.json")
    record = json.loads(results.read_text())["environments"]["local"]["notebooks"][NOTEBOOK.stem]
    assert record["status"] == "ok", done.stderr
    assert record["result"]["figures"].keys() >= {"hit_rate", "p50_ms", "p95_ms"}
