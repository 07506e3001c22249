"""What lies in a folder of runs is told as it stands, and a run is found by what one would type."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.reporting.listing import entries, find

from .reports import GOOD, failed, finished, made_up, measured, unfinished

FIRST, SECOND = "20260101T000000Z-aaaa", "20260102T000000Z-abcd"


def ended() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_each_run_is_told_as_it_stands(tmp_path: Path) -> None:
    """Finished, stopped, running, killed, failed and unreadable are told apart, newest first; an empty one is none."""
    finished(tmp_path, made_up({"local": measured(GOOD)}, run_id="20260101T000000Z-aaaa"))
    finished(tmp_path, made_up({"local": failed("interrupted", "no")}, exit_code=130, run_id="20260102T000000Z-aaaa"))
    unfinished(tmp_path, "20260103T000000Z-aaaa", "running", os.getpid())
    unfinished(tmp_path, "20260104T000000Z-aaaa", "running", ended())
    unfinished(tmp_path, "20260105T000000Z-aaaa", "failed", os.getpid())
    (tmp_path / "20260106T000000Z-aaaa").mkdir()
    (tmp_path / "20260106T000000Z-aaaa" / "results.json").write_text("{")
    (tmp_path / ".20260107T000000Z-aaaa.partial").mkdir()
    told = [(run.id[:8], run.state) for run in entries(tmp_path)]
    assert told == [
        ("20260106", "unreadable"),
        ("20260105", "failed"),
        ("20260104", "killed"),
        ("20260103", "running"),
        ("20260102", "stopped"),
        ("20260101", "finished"),
    ]


def test_a_run_knows_its_verdicts(tmp_path: Path) -> None:
    """Of each figure that had a target, the verdict that the run itself gave; whether it is a good one, too."""
    finished(tmp_path, made_up({"local": measured(GOOD)}))
    (run,) = entries(tmp_path)
    assert run.good
    assert run.summary
    assert run.summary.environments["local"].verdicts == {"hit_rate": "pass", "p95_ms": "pass"}


@pytest.mark.parametrize("wanted", ["latest", SECOND, "20260102", "20260102T000000Z-a"])
def test_a_run_is_found_by_what_one_would_type(tmp_path: Path, wanted: str) -> None:
    """Its id, the beginning of it, or latest, which is the latest that has a report."""
    for run_id in (FIRST, SECOND):
        finished(tmp_path, made_up({"local": measured(GOOD)}, run_id=run_id))
    unfinished(tmp_path, "20270101T000000Z-aaaa", "running", os.getpid())
    assert find(tmp_path, wanted).id == SECOND


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("2026010", f'"2026010" begins 2 runs in {{out}}: {SECOND} and others; write a few letters more'),
        ("20260102T000000Z-abce", f'there is no run "20260102T000000Z-abce" in {{out}}: did you mean "{SECOND}"?'),
        ("", 'there is no run "" in'),
    ],
)
def test_a_run_that_nobody_could_mean_is_one_sentence(tmp_path: Path, wanted: str, said: str) -> None:
    """What begins several runs, or none, is refused with what would be right."""
    for run_id in (FIRST, SECOND):
        finished(tmp_path, made_up({"local": measured(GOOD)}, run_id=run_id))
    with pytest.raises(ConfigurationError) as refused:
        find(tmp_path, wanted)
    assert str(refused.value).startswith(said.format(out=tmp_path))


def test_no_report_yet_is_said(tmp_path: Path) -> None:
    """Asked for the latest where there is none, it says how to make one; a folder that is none is named."""
    with pytest.raises(ConfigurationError, match="yet that has a report: dousell-cache report makes one"):
        find(tmp_path, "latest")
    with pytest.raises(ConfigurationError, match="elsewhere is no folder of runs: No such file or directory"):
        list(entries(tmp_path / "elsewhere"))
