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
        (["--target", "0.5", "--present", "home=1900"], 5),  # what is there now is too long to tell
        (["--target", "0.5", "--ttl", "1000"], 5),  # too short a trace to be sure
        (["--target", "0.985", "--max-stale", "0.01", "--ttl-only"], 1),  # 48 s would miss no change, longer ones do
        (["--target", "0.5", "--max-stale", "0.9", "--ttl-only"], 5),  # home has no change to tell by
        (["--target", "0.5", "--max-origin", "0.000001"], 1),
        (["--target", "0.5", "--budget", "0", "--load-price", "1"], 1),
    ],
)
def test_the_verdict_is_the_exit_code(trace: str, options: list[str], code: int) -> None:
    """0: a TTL does in every family; 1: in one none does, or the present one does not; 5: nobody can say."""
    assert main(["tune", "--trace", trace, "--json", *options]) == code


def test_all_families_together_are_judged(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two families that each keep the bound on loads, but not together, are told in a line and by exit code 1."""
    assert main(["tune", "--trace", trace, "--target", "0.5", "--ttl", "10", "--max-origin", "0.12"]) == 1
    assert "✗ all families: The TTLs advised for 2 families come to 0.1" in capsys.readouterr().out
    assert main(["tune", "--trace", trace, "--target", "0.5", "--ttl", "10", "--max-origin", "0.2"]) == 0
    assert "✓ all families" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--ttl", "1,x"], "--ttl must be seconds with commas between, such as 1,10,60, not '1,x'"),
        (["--ttl", "0"], "a ttl must be between"),
        (["--target", "90"], "--target must be a share from 0 to 1, such as 0.9, not 90"),
        (["--present", "detail"], "--present must be FAMILY=SECONDS"),
        (["--present", "detail=soon"], "--present must be FAMILY=SECONDS"),
        (["--present", "home=60", "--present", "details=60"], "no reads of 'details'; its families are home, detail"),
        (["--namespace", "prod:"], "no key of this trace has the namespace 'prod:'; the first is 'home'"),
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


NAMESPACED = "".join(
    f'{1_700_000_000 + n}.000000 [0 127.0.0.1:5000] "GET" "{key}"\n'
    for n in range(300)
    for key in (f"prod:v3:property:{n % 5}", "prod:v3:home")
)


@pytest.mark.parametrize("prefix", ["prod:v3:", "prod:v3"])
def test_a_namespace_hides_no_family(tmp_path: Path, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What MONITOR shows of a namespace is taken off, and what is outside it left out and counted."""
    path = tmp_path / "monitor.txt"
    path.write_text(NAMESPACED + '1700000300.000000 [0 127.0.0.1:5000] "GET" "test:v1:home"\n', encoding="utf-8")
    main(["tune", "--trace", str(path), "--json", "--ttl", "10", "--namespace", prefix, "--present", "property=60"])
    told = json.loads(capsys.readouterr().out)
    assert {one["family"] for one in told["advice"]} == {"property", "home"}
    assert (told["trace"]["keys"], told["trace"]["reads"]) == (6, 600)
    assert f"keys outside the namespace {prefix} were left out: 1, which 1 events were about" in " ".join(
        told["trace"]["notes"]
    )


def test_a_namespace_that_was_not_given_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All keys in one family, with families behind it, have a note that says which option shows them."""
    path = tmp_path / "monitor.txt"
    path.write_text(NAMESPACED, encoding="utf-8")
    main(["tune", "--trace", str(path), "--ttl", "10"])
    assert "give --namespace prod:v3:" in " ".join(capsys.readouterr().out.split())
    assert main(["tune", "--trace", str(path), "--present", "dousell"]) == 2
    assert "no reads of any family of the site; its families are prod" in capsys.readouterr().err


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
