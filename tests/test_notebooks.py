"""The suite's own notebooks: thin, without outputs, and run to their end as a report runs them."""

import json
from pathlib import Path

import msgspec
import pytest

from dousell_cache.cli import main
from dousell_cache.reporting import catalog
from dousell_cache.reporting.record import Results

LOCKS = "03_measure_lock_contention"
TTLS = "04_tune_ttl"


@pytest.mark.parametrize("name", catalog.names())
def test_notebooks_are_thin(name: str) -> None:
    """One title, no stored outputs, prose before each cell of code, eight lines a cell at most, but for parameters."""
    cells = catalog.read_notebook(catalog.folder() / f"{name}.ipynb").cells
    titles = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    assert sum(line.startswith("# ") for line in titles) == 1
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.cell_type == "code":
            assert before is not None
            assert before.cell_type == "markdown"
            assert not cell.outputs
            assert cell.execution_count is None
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= 8 or "parameters" in cell.metadata.get("tags", [])  # there, a line each
            assert "def " not in cell.source


def test_the_notebook_about_locks_runs_from_top_to_bottom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run headless, it shows tables and pictures and publishes its verdicts: inconclusive, with so few rents."""
    small = ["-p", "rents=4", "-p", "contenders=2"]
    code = main(["report", "--env", "local", "--notebook", "03", *small, "--out", str(tmp_path), "--json"])
    results = msgspec.json.decode(capsys.readouterr().out, type=Results)
    record = results.environments["local"].notebooks[LOCKS]
    assert (record.status, record.reason) == ("ok", None)
    assert code == 5
    assert record.result is not None
    assert [(verdict.kpi.name, verdict.word) for verdict in record.result.verdicts] == [
        ("double_payments", "inconclusive"),
        ("double_bookings", "inconclusive"),
    ]
    assert [row.contenders for row in record.result.contention] == [1, 2, 2]
    (kept,) = tmp_path.glob(f"*/notebooks/local/{LOCKS}.ipynb")
    shown = json.dumps(json.loads(kept.read_text("utf-8"))["cells"], ensure_ascii=False)
    for text in ("0 of 4 rents were paid twice", "Timeline of one story", "Waits for one lock", "Double clicks on"):
        assert text in shown


def test_the_notebook_about_environments_runs_once_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run headless, it compares the environments of the run with their origin, and publishes a row for each."""
    small = ["-p", "requests=100", "-p", "properties=4"]
    code = main(["report", "--env", "local", "--notebook", "02", *small, "--out", str(tmp_path), "--json"])
    results = msgspec.json.decode(capsys.readouterr().out, type=Results)
    assert results.together is not None
    record = results.together.notebooks["02_compare_environments"]
    assert (record.status, record.reason) == ("ok", None)
    assert record.result is not None
    (row,) = record.result.compared
    assert code == (5 if row.doubt else 0)
    assert (row.environment, sum(row.outcomes.values())) == ("local", 100)
    (kept,) = tmp_path.glob("*/notebooks/together/02_compare_environments.ipynb")
    shown = json.dumps(json.loads(kept.read_text("utf-8"))["cells"], ensure_ascii=False)
    for text in (
        "100 reads (home, property, search, dashboard, slots)",
        "Half of the reads were",
        "What it would cost",
    ):
        assert text in shown


def test_the_notebook_about_ttls_runs_from_top_to_bottom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run headless on a trace of six minutes, it shows advice, curves and what was measured."""
    code = main(["report", "--env", "local", "--notebook", "04", "-p", "hours=0.1", "--out", str(tmp_path), "--json"])
    results = msgspec.json.decode(capsys.readouterr().out, type=Results)
    record = results.environments["local"].notebooks[TTLS]
    assert (record.status, record.reason) == ("ok", None)
    assert code == 5  # nothing is judged
    (kept,) = tmp_path.glob(f"*/notebooks/local/{TTLS}.ipynb")
    shown = json.dumps(json.loads(kept.read_text("utf-8"))["cells"], ensure_ascii=False)
    for text in (
        "The smallest TTL that surely does",
        "Hit rate by time to live",
        "With a TTL of 60 s",
        "A/B of two TTLs",
    ):
        assert text in shown
