"""A result survives its way through JSON, and lands where the run wants it and nowhere else."""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from dousell_cache.check import Step
from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.result import RESULTS_FOLDER_VARIABLE, LatencyRow, Result, publish, this_host, utc_now
from dousell_cache.measure.stats import Interval

FIGURES = {"hit_rate": Interval(0.95, 0.93, 0.97, 2_000), "speedup": Interval(12.5, samples=5)}
RESULT = Result(
    notebook="01.5_a_dotted_name",
    environment="vercel",
    cache="http://127.0.0.1:8079",
    origin="Supabase",
    emulated=["Upstash (near: 4 ms, emulated)"],
    started="2026-11-22T20:00:00+00:00",
    seconds=8.125,
    parameters={"requests": None, "ttl": 300.0, "keys": 40, "profile": "quick"},
    figures=FIGURES,
    outcomes={"hit": 1_900, "miss": 100},
    latency=[LatencyRow("hit", 1_900, 5.1, 5.0, 6.5)],
    verdicts=[judge(KPIS["hit_rate"], FIGURES["hit_rate"])],
    steps=[Step("SET", True, "stored « Thiès »", 0.2)],
    host=this_host(),
)
SAMPLES = pd.DataFrame({"path": ["origin", "cache"], "response_ms": [301.5, 5.25], "outcome": ["origin", "hit"]})


def test_a_result_goes_through_json_and_back() -> None:
    """What is written is read back equal, empty parts included."""
    bare = Result(
        notebook="00",
        environment="local",
        cache="",
        origin="",
        emulated=[],
        started=utc_now(),
        seconds=0,
        parameters={},
    )
    for result in (RESULT, bare):
        assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


def test_a_run_gets_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run the result is one JSON file and the samples one Parquet file, both by the notebook's name."""
    monkeypatch.setenv(RESULTS_FOLDER_VARIABLE, str(tmp_path))
    assert publish(RESULT, SAMPLES) == "Handed over to the report."
    document, table = tmp_path / "01.5_a_dotted_name.json", tmp_path / "01.5_a_dotted_name.parquet"
    assert set(tmp_path.iterdir()) == {document, table}
    assert msgspec.json.decode(document.read_bytes(), type=Result) == RESULT
    assert "« Thiès »" in document.read_text("utf-8")
    expected = SAMPLES.assign(environment="vercel", notebook="01.5_a_dotted_name")
    pd.testing.assert_frame_equal(pd.read_parquet(table), expected, check_dtype=False)
    assert list(SAMPLES) == ["path", "response_ms", "outcome"]


def test_a_result_without_samples_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without raw samples only the JSON is written."""
    monkeypatch.setenv(RESULTS_FOLDER_VARIABLE, str(tmp_path))
    publish(RESULT)
    assert [path.name for path in tmp_path.iterdir()] == ["01.5_a_dotted_name.json"]


@pytest.mark.parametrize("value", [None, ""])
def test_outside_a_run_nothing_is_written(value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an interactive session publishing says so and writes nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RESULTS_FOLDER_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(RESULTS_FOLDER_VARIABLE, value)
    assert publish(RESULT, SAMPLES).startswith("Not part of a report run")
    assert not list(tmp_path.iterdir())


def test_the_host_is_described_without_its_name() -> None:
    """The stamp says what matters to a figure; not whose machine it is nor where things lie on it."""
    host = this_host()
    said = msgspec.json.encode(host).decode()
    assert host.cpus == os.cpu_count()
    assert {"dousell-cache", "redis", "upstash-redis", "supabase", "numpy", "pandas"} == set(host.versions)
    for private in (socket.gethostname(), str(Path.cwd()), str(Path.home())):
        assert private not in said


def test_moments_are_utc_in_whole_seconds() -> None:
    """A moment is written in UTC, to the second."""
    moment = datetime.fromisoformat(utc_now())
    assert moment.tzinfo == UTC
    assert moment.microsecond == 0
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
