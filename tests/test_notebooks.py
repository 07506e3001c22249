"""The suite's own notebooks, run to their end as a report runs them."""

import json
from pathlib import Path

import msgspec
import pytest

from dousell_cache.cli import main
from dousell_cache.reporting.record import Results

LOCKS = "03_measure_lock_contention"
TTLS = "04_tune_ttl"


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
    assert (code, results.verdict) == (0, "measured")
    (kept,) = tmp_path.glob(f"*/notebooks/local/{TTLS}.ipynb")
    shown = json.dumps(json.loads(kept.read_text("utf-8"))["cells"], ensure_ascii=False)
    for text in (
        "The smallest TTL that surely does",
        "Hit rate by time to live",
        "With a TTL of 60 s",
        "A/B of two TTLs",
    ):
        assert text in shown


SMALL = ["-p", "seconds=1", "-p", "rate=40", "-p", "keys=4", "-p", "every=0.5", "-p", "traffic=20"]
SHOWN = {
    "05_survive_failures": ("reads were answered", "What became of the reads of each phase", "added to one read"),
    "06_monitor_cache": ("What processes flushed", "3 looks in", "Hit rate: lowest", "P95 response time: highest"),
    "07_measure_invalidation": (
        "of their row were stale",
        "Time from a change to its first correct answer",
        "stale for up to",
    ),
}


def test_the_notebooks_about_trouble_run_from_top_to_bottom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run headless, 05, 06 and 07 end by themselves, show their tables and pictures, and publish what they found."""
    chosen = [word for name in SHOWN for word in ("--notebook", name[:2])]
    main(["report", "--env", "local", *chosen, *SMALL, "--out", str(tmp_path), "--json"])
    results = msgspec.json.decode(capsys.readouterr().out, type=Results)
    for name, texts in SHOWN.items():
        record = results.environments["local"].notebooks[name]
        assert (record.status, record.reason) == ("ok", None)
        assert record.result is not None
        (kept,) = tmp_path.glob(f"*/notebooks/local/{name}.ipynb")
        shown = json.dumps(json.loads(kept.read_text("utf-8"))["cells"], ensure_ascii=False)
        assert [text for text in texts if text not in shown] == []


def test_the_overview_runs_once_and_needs_no_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run headless where no report was made before, it ends well and says how to make one, on the page in French."""
    words = ["--env", "local", "--notebook", "08", "-p", f"runs={tmp_path}", "--lang", "fr"]
    main(["report", *words, "--out", str(tmp_path), "--json"])
    results = msgspec.json.decode(capsys.readouterr().out, type=Results)
    assert results.together is not None
    assert results.together.notebooks["08_overview"].status == "ok"
    (kept,) = tmp_path.glob("*/notebooks/together/08_overview.ipynb")
    assert "There are no runs yet" in kept.read_text("utf-8")
    (page,) = tmp_path.glob("2*/index.html")
    assert "pas encore de rapport : make report mesure".replace(" :", "\xa0:") in page.read_text("utf-8")
    assert "There are no runs yet" not in page.read_text("utf-8")
