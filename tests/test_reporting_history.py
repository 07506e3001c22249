"""All runs of a folder, in one call, as a table of figures or of single measurements."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.reporting.history import COLUMNS, read_runs, read_samples

from .reports import BAD, GOOD, VAGUE, failed, finished, made_up, measured, unfinished

OLD, NEW = "20260101T000000Z-aaaa", "20260201T000000Z-aaaa"


def keep_samples(folder: Path, **columns: Sequence[object]) -> None:
    """Leave single measurements in a run's folder."""
    pd.DataFrame(columns).to_parquet(folder / "samples.parquet", index=False)


def test_every_figure_of_every_run_is_a_row(tmp_path: Path) -> None:
    """Oldest run first, each with interval, the verdict that the run gave, and where it was measured."""
    finished(tmp_path, made_up({"local": measured(GOOD, emulated=["x"]), "vercel": measured(BAD)}, run_id=OLD))
    finished(tmp_path, made_up({"local": failed("unreachable", "no")}, run_id=NEW))
    unfinished(tmp_path, "20260301T000000Z-aaaa", "failed", 1)
    table = read_runs(tmp_path)
    assert tuple(table.columns) == COLUMNS
    assert table[["run", "environment", "figure"]].to_numpy().tolist() == [
        [OLD, environment, figure]
        for environment in ("local", "vercel")
        for figure in ("hit_rate", "p95_ms", "speedup")
    ]
    first = table.iloc[0]
    assert first[["value", "low", "high", "samples"]].tolist() == [0.9715, 0.951, 0.983, 2000]
    assert first["started"] == pd.Timestamp("2026-11-22T19:30:00Z")
    assert (first["profile"], first["emulated"], first["commit"][-6:]) == ("quick", True, "-dirty")
    assert table["verdict"].fillna("none").tolist() == ["pass", "pass", "none", "fail", "pass", "none"]
    assert read_runs(str(tmp_path)).equals(table)


def test_an_interval_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """Where there were too few samples the ends are missing numbers, and the column is one of numbers all the same."""
    finished(tmp_path, made_up({"local": measured(VAGUE)}))
    hit_rate = read_runs(tmp_path).iloc[0]
    assert pd.isna(hit_rate["low"])
    assert read_runs(tmp_path)["low"].dtype == float


def test_no_runs_are_an_empty_table(tmp_path: Path) -> None:
    """A folder without reports gives tables without rows; one that is not there is named."""
    assert read_runs(tmp_path).empty
    assert read_runs(tmp_path)["value"].dtype == float
    assert list(read_samples(tmp_path).columns) == ["run"]
    with pytest.raises(ConfigurationError, match="nowhere is no folder of runs"):
        read_runs(tmp_path / "nowhere")


def test_measurements_of_several_runs_are_one_table(tmp_path: Path) -> None:
    """Each row says which run it is of; environments and columns can be chosen, and what a run has not is missing."""
    for run_id, column in ((OLD, "response_ms"), (NEW, "wait_ms")):
        folder = finished(tmp_path, made_up({"local": measured(GOOD)}, run_id=run_id))
        keep_samples(folder, environment=["local", "vercel"], **{column: [1.0, 2.0]})
    finished(tmp_path, made_up({"local": measured(GOOD)}, run_id="20260301T000000Z-aaaa"))  # kept no measurements
    everything = read_samples(tmp_path)
    assert everything["run"].tolist() == [OLD, OLD, NEW, NEW]
    assert everything["response_ms"].isna().tolist() == [False, False, True, True]
    chosen = read_samples(tmp_path, runs=[NEW], environments=["vercel"], columns=["wait_ms"])
    assert chosen.to_dict("records") == [{"run": NEW, "wait_ms": 2.0}]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A run that is not there, and a file that was cut off, are one sentence each that says which."""
    folder = finished(tmp_path, made_up({"local": measured(GOOD)}))
    with pytest.raises(ConfigurationError, match='no run "20200101" with a report'):
        read_samples(tmp_path, runs=["20200101"])
    (folder / "samples.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigurationError, match=f"the measurements of run {folder.name} cannot be read"):
        read_samples(tmp_path)


def test_a_run_of_another_host_says_so(tmp_path: Path) -> None:
    """The host's id is a column, so that what is not comparable can be told apart; empty where none was noted."""
    results = made_up({"local": measured(GOOD)})
    folder = finished(tmp_path, results)
    assert read_runs(tmp_path)["host"].isna().all()
    document = msgspec.json.decode((folder / "results.json").read_bytes())
    document["run"]["host"]["id"] = "b5ca"
    (folder / "results.json").write_bytes(msgspec.json.encode(document))
    assert read_runs(tmp_path)["host"].unique().tolist() == ["b5ca"]
