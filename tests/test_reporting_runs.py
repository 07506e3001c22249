"""A run that was kept is found by its id, as the latest, or by its path, and read back whole."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.measure.place import Place
from dousell_cache.reporting.record import encode
from dousell_cache.reporting.runs import all_runs, open_run, split

from .comparisons import FIGURES, SIDES, keep, keep_together, record, result, row, unreachable
from .reports import NAME, made_up

TIMES = np.arange(1.0, 51.0)


def test_a_run_goes_by_id_latest_or_path(tmp_path: Path) -> None:
    """Its id, the word latest, its folder and its results.json all mean the same run."""
    keep(tmp_path, "20261121T000000Z-aaaa", {"local": result()})
    folder = keep(tmp_path, "20261122T000000Z-bbbb", {"local": result()})
    for word in ("20261122T000000Z-bbbb", "latest", str(folder), str(folder / "results.json")):
        assert open_run(word, tmp_path).id == "20261122T000000Z-bbbb"
    assert open_run("20261121T000000Z-aaaa", tmp_path).measured("local")[NAME].figures == FIGURES


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("20261122T000000Z-bbbb:vercel", ("20261122T000000Z-bbbb", "vercel")),
        ("20261122T000000Z-bbbb", ("20261122T000000Z-bbbb", None)),
        ("a:b", ("a:b", None)),
        ("C:/runs/x:local", ("C:/runs/x", "local")),
        (":local", (":local", None)),
    ],
)
def test_an_environment_is_named_after_a_colon(word: str, parts: tuple[str, str | None]) -> None:
    """Only a known environment after the last colon is one: a path may have colons of its own."""
    assert split(word) == parts


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("20261122T000000Z-bbbc", 'no run "20261122T000000Z-bbbc".*did you mean "20261122T000000Z-bbbb"'),
        ("elsewhere", "there are 20261122T000000Z-bbbb"),
    ],
)
def test_a_run_that_is_not_there_is_named(word: str, sentence: str, tmp_path: Path) -> None:
    """The sentence has the nearest id, or all of them."""
    keep(tmp_path, "20261122T000000Z-bbbb", {"local": result()})
    with pytest.raises(ConfigurationError, match=sentence):
        open_run(word, tmp_path)
    with pytest.raises(ConfigurationError, match=r"there is no run in .* yet"):
        open_run("latest", tmp_path / "absent")


def test_what_is_no_result_is_said(tmp_path: Path) -> None:
    """A garbled file and one of another version are each named; neither is part of a history."""
    keep(tmp_path, "20261120T000000Z-cccc", {"local": result()})
    for run_id, content in (
        ("20261121T000000Z-aaaa", b"{"),
        (
            "20261122T000000Z-bbbb",
            encode(made_up({"local": record(result())})).replace(b'"version": 1', b'"version": 9'),
        ),
    ):
        (tmp_path / run_id).mkdir()
        (tmp_path / run_id / "results.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read as results"):
        open_run("20261121T000000Z-aaaa", tmp_path)
    with pytest.raises(ConfigurationError, match="version 9; this package reads dousell-cache/results version 1"):
        open_run("20261122T000000Z-bbbb", tmp_path)
    assert [kept.id for kept in all_runs(tmp_path)] == ["20261120T000000Z-cccc"]


def test_an_environment_without_figures_says_why(tmp_path: Path) -> None:
    """One that is not there, and one that was not reached, are told apart."""
    folder = keep(tmp_path, "20261122T000000Z-bbbb", {"local": result()})
    (folder / "results.json").write_bytes(encode(made_up({"local": record(result()), "vercel": unreachable()})))
    run = open_run(str(folder), tmp_path)
    with pytest.raises(ConfigurationError, match="has no environment dedicated: there are local, vercel"):
        run.measured("dedicated")
    with pytest.raises(ConfigurationError, match="measured nothing in vercel: nothing listens there"):
        run.measured("vercel")


def test_samples_are_those_of_the_reads(tmp_path: Path) -> None:
    """The response times are the answered reads' through the cache, in order; without a file there are none."""
    folder = keep(tmp_path, "20261122T000000Z-bbbb", {"local": result()}, {"local": TIMES, "vercel": 2 * TIMES})
    run = open_run(str(folder), tmp_path)
    assert run.response_ms("vercel", NAME).tolist() == (2 * TIMES).tolist()
    assert len(run.response_ms("local", "another")) == 0
    table = pq.read_table(folder / "samples.parquet")
    outcomes = ["error"] * len(table)
    pq.write_table(table.set_column(2, "outcome", [outcomes]), folder / "samples.parquet")
    assert len(run.response_ms("local", NAME)) == 0
    (folder / "samples.parquet").write_bytes(b"PAR1")
    assert len(run.response_ms("local", NAME)) == 0
    assert json.loads((folder / "results.json").read_text())["run"]["id"] == run.id


def test_what_was_compared_counts_as_an_environment(tmp_path: Path) -> None:
    """A row has its own figures, place, emulated parts and doubt, and its raw samples are those of its path."""
    far = row("vercel", emulated=["Upstash"], place=Place(kind="rest", rtt_floor_ms=2.0), doubt="12 reads failed")
    folder = keep_together(tmp_path, "20261122T000000Z-bbbb", row("local"), far, emulated=["Upstash"])
    frame = pd.DataFrame({"path": "vercel", "response_ms": TIMES, "outcome": "hit"})
    frame.loc[[0, 1, 2], "outcome"] = ["error", "timeout", "withdrawn"]
    frame = pd.concat([frame, frame.assign(path="origin"), frame.assign(path="local", response_ms=2 * TIMES)])
    frame.assign(environment="local, vercel", notebook=SIDES).to_parquet(folder / "samples.parquet", index=False)
    run = open_run("latest", tmp_path)
    assert run.environments == ["local", "vercel"]
    found = run.measured("vercel")[SIDES]
    assert (found.environment, found.emulated, found.place) == ("vercel", ["Upstash"], far.place)
    assert found.figures == far.figures
    assert {verdict.doubt for verdict in found.verdicts} == {"12 reads failed"}
    assert run.measured("local")[SIDES].emulated == []
    assert run.response_ms("vercel", SIDES).tolist() == TIMES[3:].tolist()
    with pytest.raises(ConfigurationError, match="has no environment dedicated: there are local, vercel"):
        run.measured("dedicated")
