"""``dousell-cache runs``: what earlier reports found, in lines and in documents, and what is kept of them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dousell_cache.cli import main
from dousell_cache.measure.stats import Interval

from .comparisons import keep_together, row
from .reports import BAD, GOOD, failed, finished, made_up, measured, unfinished

OLD, MIDDLE, NEW = "20260101T000000Z-aaaa", "20260102T000000Z-bbbb", "20260103T000000Z-cccc"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with a bad run, a good one in two environments and one that is being written."""
    finished(tmp_path, made_up({"local": measured(BAD)}, run_id=OLD))
    environments = {"local": measured(GOOD, emulated=["x"]), "vercel": failed("unreachable", "no token")}
    finished(tmp_path, made_up(environments, run_id=MIDDLE))
    unfinished(tmp_path, NEW, "running", os.getpid())
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what the command says when it ends well."""
    assert main(["runs", *arguments]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the document that the command prints."""
    return json.loads(said(capsys, *arguments, "--json"))


def test_the_list_tells_each_run(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, a line for each environment, with the verdict, the figures, and how they moved."""
    lines = said(capsys, "list", "--out", str(out)).splitlines()
    assert lines[0] == f"3 runs in {out}, newest first"
    cells = [line.split() for line in lines[2:]]
    assert cells[0][:4] == [NEW, "2026-11-22", "19:30", "running"]
    assert cells[1] == f"{MIDDLE} 2026-11-22 19:30 unreachable local 97.2 % ↑ 4.46 ms → 12.3× → quick, emulated".split()
    assert cells[2] == ["vercel", "–", "–", "–", "quick,", "unreachable"]
    assert cells[3] == [OLD, *["2026-11-22", "19:30", "fail", "local", "62.3", "%", "4.46", "ms", "12.3×", "quick"]]


def test_the_list_can_be_narrowed(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To environments, and to the newest so many; how a figure moved is told by all runs all the same."""
    assert [run["id"] for run in document(capsys, "list", "--out", str(out), "--env", "vercel,dedicated")["runs"]] == [
        MIDDLE
    ]
    (run,) = document(capsys, "list", "--out", str(out), "--env", "local", "--last", "1")["runs"]
    assert run["environments"]["local"]["trends"] == {"hit_rate": "up", "p95_ms": "level", "speedup": "level"}


def test_the_list_as_a_document(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has a schema and a version; what is not known of a run is null."""
    told = document(capsys, "list", "--out", str(out))
    assert (told["schema"], told["version"], told["out"]) == ("dousell-cache/runs", 1, str(out))
    running, middle, _ = told["runs"]
    assert (running["state"], running["verdict"], running["environments"]) == ("running", None, {})
    assert (middle["state"], middle["verdict"], middle["exit_code"]) == ("finished", "unreachable", 4)
    local = middle["environments"]["local"]
    assert local["figures"]["hit_rate"] == {"value": 0.9715, "low": 0.951, "high": 0.983, "samples": 2000}
    assert local["verdicts"] == {"hit_rate": "pass", "p95_ms": "pass"}


def test_one_run_is_shown(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its facts, each environment with targets, intervals and verdicts or the reason for none, and its page."""
    shown = said(capsys, "show", "latest", "--out", str(out))
    assert shown.startswith(f"run {MIDDLE}: unreachable\n22 November 2026, 19:30 UTC, 1 min 5 s, profile quick\n")
    for piece in ("$ dousell-cache report --env local,vercel", "local: pass\nemulated: x\n2,040 measurements\n"):
        assert piece in shown
    assert "Hit rate > 90.0 % 97.2 % 95.1 to 98.3 % 2,000 ✓ pass" in [
        " ".join(line.split()) for line in shown.splitlines()
    ]
    assert f"vercel: unreachable: no token\n\npage: {out / MIDDLE / 'index.html'}\n" in shown
    assert document(capsys, "show", MIDDLE[:8], "--out", str(out)) == json.loads(
        (out / MIDDLE / "results.json").read_text()
    )


def test_a_run_that_only_compared_is_listed_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has a line, ``together``, also where one of its environments is asked for; shown, each one's figures stand."""
    doubted = row("vercel", figures={"p50_ms": Interval(5.5, 5.0, 6.0, 600)}, doubt="2 reads failed")
    keep_together(tmp_path, OLD, row("local"), doubted)
    for narrowed in ([], ["--env", "vercel"]):
        head, _, line = said(capsys, "list", "--out", str(tmp_path), *narrowed).splitlines()
        assert head.startswith("1 run in ")
        assert line.split()[-6:] == ["inconclusive", "together", "–", "–", "–", "quick"]
        (told,) = document(capsys, "list", "--out", str(tmp_path), *narrowed)["runs"]
        assert list(told["environments"]) == ["together"]
    assert document(capsys, "list", "--out", str(tmp_path), "--env", "dedicated")["runs"] == []
    lines = [" ".join(line.split()) for line in said(capsys, "show", OLD, "--out", str(tmp_path)).splitlines()]
    assert "together: inconclusive" in lines
    assert "P50 response 2.00 ms 1.90 to 2.10 ms 1,000" in lines[lines.index("local, compared") :]
    assert (
        "P50 response 5.50 ms 5.00 to 6.00 ms 600" in lines[lines.index("vercel, compared, in doubt: 2 reads failed") :]
    )


def test_figures_without_a_target_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was judged, what was measured is shown all the same."""
    finished(tmp_path, made_up({"local": measured({})}, run_id=OLD))
    lines = [" ".join(line.split()) for line in said(capsys, "show", OLD, "--out", str(tmp_path)).splitlines()]
    assert lines[lines.index("local: measured") + 3] == "Speedup 12.3× 10.1 to 15.2× 40"


def test_compare_is_the_other_compare(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``runs compare`` takes the same words, prints the same and exits alike."""
    words = ["compare", OLD, f"{MIDDLE}:local", "--out", str(out), "--json"]
    codes = [main(words)]
    told = [capsys.readouterr().out]
    codes.append(main(["runs", *words]))
    told.append(capsys.readouterr().out)
    assert codes[0] == codes[1]
    assert json.loads(told[0]) == json.loads(told[1])


def test_a_dry_run_removes_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be removed, and why, and leaves the folder as it was."""
    before = sorted(path.name for path in out.iterdir())
    told = said(capsys, "prune", "--keep", "1", "--dry-run", "--out", str(out)).splitlines()
    assert told == [
        f"1 would be removed, 2 kept in {out}",
        f"  {NEW}  kept: it is being written",
        f"  {OLD}  removed: newer ones fill the number to keep",
    ]
    assert sorted(path.name for path in out.iterdir()) == before


def test_pruning_removes(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is older than the age goes, the document says what became of each, and the list is written anew."""
    told = document(capsys, "prune", "--max-age", "4w", "--out", str(out))
    assert (told["schema"], told["version"], told["dry_run"]) == ("dousell-cache/runs-prune", 1, False)
    assert {run["id"]: run["removed"] for run in told["runs"]} == {NEW: False, MIDDLE: True, OLD: True}
    assert sorted(path.name for path in out.iterdir()) == [f".{NEW}.partial", "index.html"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "--env", "locl"], 'there is no environment "locl": did you mean "local"?'),
        (["list", "--last", "0"], '--last must be a whole number from 1, not "0"'),
        (["list", "--out", "nowhere"], "nowhere is no folder of runs: No such file or directory"),
        (["show", "2020"], 'there is no run "2020"'),
        (["show", NEW], f"run {NEW} has no report: running"),
        (["prune"], "say what to keep: --keep N"),
        (["prune", "--keep", "-1"], '--keep must be a whole number from 1, not "-1"'),
        (["prune", "--max-age", "90"], "--max-age must be a number and a unit (s, m, h, d, w), such as 90d"),
        (["prune", "--max-age", "0d"], "--max-age must be a number and a unit"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line that says what would be right, and nothing is touched."""
    action, *rest = arguments
    assert main(["runs", action, "--out", str(out), *rest]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert told.err.count("\n") == 1


def test_what_cannot_be_removed_is_a_failure(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, and one sentence that names the folder."""
    (out / f".{OLD}.removed").write_text("a file where the folder would go")
    assert main(["runs", "prune", "--keep", "1", "--out", str(out)]) == 3
    assert f"{OLD} cannot be removed" in capsys.readouterr().err
