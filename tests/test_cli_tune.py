"""The command that tunes: what it prints, its JSON, its exit codes."""

import json
from pathlib import Path

import pytest

from dousell_cache.cli import main
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.design import DESIGN_TTLS
from dousell_cache.tuning.formats import read_trace

CURVE = {
    *("ttl", "hit_rate", "low", "high", "formula_hit_rate", "outdated_share", "origin_rate", "mean_age", "worst_age"),
    *("mean_lag", "hits", "misses", "coalesced", "stale", "refused", "origin_calls", "outdated", "commands"),
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page read each second and one read each two seconds, which changes every 100 s."""
    path = tmp_path_factory.mktemp("traces") / "pages.csv"
    lines = [f"{n}.000,home,read" for n in range(2_000)]
    lines += [f"{2 * n}.500,detail:7,read" for n in range(1_000)]
    lines += [f"{100 * n}.250,detail:7,invalidate" for n in range(20)]
    lines.sort(key=lambda line: float(line.partition(",")[0]))
    path.write_text("\n".join(["time_s,key,op", *lines]), encoding="utf-8")
    return str(path)


def test_the_document_has_curve_and_advice(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every TTL asked for has a row with its figures, equal to the library's; every family has advice."""
    code = main(["tune", "--trace", trace, "--ttl", "60,5,20", "--target", "0.85", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (code, told["schema"], told["version"]) == (0, "dousell-cache/tune", 1)
    assert [row["ttl"] for row in told["curve"]] == [5, 20, 60]
    assert set(told["curve"][0]) == CURVE
    exact = curve(read_trace(trace), [5, 20, 60])
    assert [row["hit_rate"] for row in told["curve"]] == exact.hit_rate.tolist()
    assert [(one["family"], one["status"], one["ttl"]) for one in told["advice"]] == [
        ("home", "met", 20),
        ("detail", "met", 20),
    ]
    assert (told["trace"]["reads"], told["trace"]["invalidations"], told["trace"]["keys"]) == (3_000, 20, 2)
    assert set(told["families"]) == {"home", "detail"}
    row = told["families"]["detail"]["curve"][2]
    assert row["hit_rate"] <= row["best_hit_rate"]
    assert row["outdated_share"] == 0 < row["outdated_share_by_ttl_alone"]


def test_tables_say_the_same(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json there are a curve, a line a family, and the reason for each advice."""
    assert main(["tune", "--trace", trace, "--present", "home=60"]) == 0
    printed = capsys.readouterr().out
    assert "3,000 reads, 20 invalidations of 2 keys in 1,999 s" in printed
    assert "✓ home" in printed
    assert "already gives" in printed


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--target", "0.5"], 0),
        (["--target", "0.999"], 1),  # unreachable: it changes too often
        (["--target", "0.5", "--present", "home=0.5"], 1),  # what is there now misses it
        (["--target", "0.5", "--ttl", "1000"], 5),  # too short a trace to be sure
        (["--target", "0.9", "--max-stale", "0.01", "--ttl-only"], 1),
        (["--target", "0.5", "--max-origin", "0.000001"], 1),
        (["--target", "0.5", "--budget", "0", "--load-price", "1"], 1),
    ],
)
def test_the_verdict_is_the_exit_code(trace: str, options: list[str], code: int) -> None:
    """0: a TTL does in every family; 1: in one none does, or the present one does not; 5: nobody can say."""
    assert main(["tune", "--trace", trace, "--json", *options]) == code


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--ttl", "1,x"], "--ttl must be seconds with commas between, such as 1,10,60, not '1,x'"),
        (["--ttl", "0"], "a ttl must be between"),
        (["--target", "90"], "hit_rate must be a share from 0 to 1, not 90"),
        (["--present", "detail"], "--present must be FAMILY=SECONDS"),
        (["--present", "detail=soon"], "--present must be FAMILY=SECONDS"),
        (["--load-price", "-1"], "the price of load must be a number from 0 upwards"),
    ],
)
def test_wrong_usage_is_told(trace: str, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What makes no sense is one sentence and exit code 2."""
    assert main(["tune", "--trace", trace, *options]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "time,key\n", "time,key\n2,a\n1,a\n", "time,key\n-1,a\n", "time,key\n,a\n", "time,key,op\n1,a,invalidate\n"],
)
def test_a_trace_that_is_none_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Empty, unsorted, negative, missing times, and no reads: a sentence and exit code 2, never a curve."""
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["tune", "--trace", str(path), "--json"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_the_sites_own_design_can_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--present dousell judges each family that the design has a TTL for."""
    path = tmp_path / "trace.csv"
    path.write_text("time,key\n" + "".join(f"{n}.0,slots:1\n" for n in range(1_000)), encoding="utf-8")
    assert main(["tune", "--trace", str(path), "--unit", "s", "--json", "--present", "dousell"]) == 0
    (advice,) = json.loads(capsys.readouterr().out)["advice"]
    assert (advice["present"]["ttl"], advice["present_met"]) == (DESIGN_TTLS["slots"], True)


def test_what_writes_are_can_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace with writes is refused with the option that says what they are, and read with it."""
    path = tmp_path / "trace.csv"
    path.write_text("time_s,key,op\n0,a,get\n1,a,set\n2,a,get\n", encoding="utf-8")
    assert main(["tune", "--trace", str(path), "--json"]) == 2
    assert "--writes" in capsys.readouterr().err
    for writes, count in (("fills", 0), ("changes", 1)):
        main(["tune", "--trace", str(path), "--json", "--writes", writes])
        assert json.loads(capsys.readouterr().out)["trace"]["invalidations"] == count
