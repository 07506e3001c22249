"""The command that proves the locks: what it runs, what it prints, its JSON, its exit codes, its logs judged again."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from dousell_cache.cli import main
from dousell_cache.errors import MeasurementFailed
from dousell_cache.testing import evidence
from dousell_cache.testing.evidence import Control, Evidence, Explored
from dousell_cache.testing.ledger import Trial
from dousell_cache.testing.ledger_checker import Figures, Objection
from dousell_cache.testing.ledger_subjects import CONTROLS

from .docs.pages import DOCS

SCENARIO = next(iter(evidence.proofs()))
NAIVE = "token per instance"
STOOD = Trial(
    "dousell_cache", 7, "reports/prove/dousell-cache-7.jsonl", 20.0, Figures(grants=1500, rows=300, kills=9), ()
)
CAUGHT = Control("no fence", "ledger", "told by nobody", True, 1.5, "paid twice: rent has 2 rows", STOOD)
GUARD = Control("keys: write", "explorer", "without: a guard", True, 0.1, "got 0")
HOLDS = Evidence(7, 30.0, (Explored("keys", 1234, 99, True, 0.5),), (), (GUARD, CAUGHT), STOOD)


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any], Path]:
    """A short real run of a scenario, a naive lock and ours: its exit code, its JSON document, its folder."""
    folder = tmp_path_factory.mktemp("prove")
    names = [option for name in (SCENARIO, NAIVE, "chaos") for option in ("--only", name)]
    with pytest.MonkeyPatch.context() as patched:
        printed: list[str] = []
        patched.setattr("builtins.print", lambda *words, **_: printed.append(str(words[0])))
        code = main(["prove", "--seconds", "6", "--seed", "7", "--json", "--out", str(folder), *names])
    return code, json.loads(printed[-1]), folder


def test_a_run_that_holds_says_so_in_json(proved: tuple[int, dict[str, Any], Path]) -> None:
    """Nothing is violated, what is naive is caught, every figure is there, and the exit code is 0."""
    code, document, _ = proved
    assert document["stories"] == []
    assert (code, document["holds"], document["violations"]) == (0, True, 0)
    assert (document["schema"], document["version"], document["seed"]) == ("dousell-cache/prove", 1, 7)
    assert document["schedules"] == sum(one["schedules"] for one in document["explored"]) > 0
    assert [one["scenario"] for one in document["explored"]] == [SCENARIO]
    controls = {control["name"]: control for control in document["controls"]}
    assert all(control["caught"] for control in controls.values())
    assert controls[NAIVE]["by"] == "ledger"
    assert len([control for control in controls.values() if control["by"] == "explorer"]) > 0
    for figure in ("grants", "rows", "kills", "pauses", "lost_replies"):
        assert document[figure] > 0, figure
    assert document["fence_refusals"] >= 0
    assert document["guarded_doubles"] == document["fenced_doubles"] == 0
    assert document["bound_95"] == pytest.approx(3 / document["grants"])


def test_a_log_is_judged_again(proved: tuple[int, dict[str, Any], Path], capsys: pytest.CaptureFixture[str]) -> None:
    """One command says of a raw log what was said of it when it was written, and its exit code is the verdict."""
    _, document, folder = proved
    assert document["log"] == str(folder / "dousell-cache-7.jsonl")
    assert main(["prove", "--check", document["log"], "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert {name: document[name] for name in figures} == figures
    naive = next(control for control in document["controls"] if control["name"] == NAIVE)
    assert main(["prove", "--check", naive["log"]]) == 1
    assert f"again: dousell-cache prove --check {naive['log']}" in capsys.readouterr().out


def test_what_can_be_run_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every part, scenario and naive lock has a name to ask for it by."""
    assert main(["prove", "--list"]) == 0
    names = {line.strip() for line in capsys.readouterr().out.splitlines()}
    assert names == {*evidence.PARTS, *evidence.proofs(), *CONTROLS}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "everything"], "there is no 'everything' to run, but"),
        (["--seconds", "0"], "seconds must be between 1 and 86400, not 0"),
        (["--seconds", "nan"], "seconds must be between 1 and 86400, not nan"),
        (["--check", "nowhere.jsonl"], "nowhere.jsonl is no event log of a chaos ledger"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What makes no sense is wrong usage, and nothing is run."""
    assert main(["prove", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def said(found: Evidence, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    """Return the exit code and the output of a run that finds this."""
    with patch.object(evidence, "gather", return_value=found):
        code = main(["prove", *options])
    return code, capsys.readouterr().out


def test_the_table_of_a_run_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """It is small, and ends with the verdict."""
    code, out = said(HOLDS, capsys)
    assert code == 0
    assert out.startswith("seed 7, 30 s\nexplorer                1,234 schedules of 1 scenarios, 0 violations\n")
    assert "guards switched off     1 of 1 caught\n" in out
    assert "guarded ledger          300 rows, 0 paid twice; 0 writes refused\n" in out
    assert "seen 0 times in 1,500 grants: less often than once in 500 (95 % sure)\n" in out
    assert "\nno fence                1.5 s     0, 0                        paid twice: rent has 2 rows\n" in out
    assert out.endswith("\n\nnothing was violated, and everything naive was caught\n")


def test_what_the_lock_alone_lets_through_is_explained_by_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    """Rents paid twice behind the lock alone are what no lock can help; none of them is luck, not a promise kept."""
    struck = msgspec.structs.replace(STOOD, figures=Figures(grants=1500, unguarded_doubles=8))
    rows = [said(msgspec.structs.replace(HOLDS, chaos=chaos), capsys)[1] for chaos in (struck, STOOD)]
    assert "the lock alone          8 paid twice: what no lock over one server can help\n" in rows[0]
    assert "the lock alone          0 paid twice: luck, which no lock can promise\n" in rows[1]


def shape(text: str) -> list[str]:
    """Return what is printed without what differs from run to run: figures, scenarios, a naive lock's row."""
    head, _, naive = text.partition("\nnaive locks")
    head = re.sub(r"(finish )\d+: .*(; give it)", r"\1\2", head)
    heading, _, rest = naive.partition("\n")
    return [*re.sub(r"\d[\d,.]*", "N", head).splitlines(), heading, rest.strip().splitlines()[-1]]


def test_the_pages_sample_is_what_a_run_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Its rows are worded as a run's, its unfinished scenarios are some of ours, its naive locks are all of them."""
    page = (DOCS / "reference" / "prove.md").read_text()
    sample = page.partition("$ dousell-cache prove\n")[2].partition("```")[0]
    cut = Explored("tags", 10, 9, False, 0.5)
    struck = msgspec.structs.replace(STOOD, figures=Figures(grants=1500, unguarded_doubles=8))
    ran = Evidence(7, 30.0, (*HOLDS.explored, cut), ("grace",), HOLDS.controls, struck)
    assert shape(sample) == shape(said(ran, capsys)[1])
    unfinished = re.search(r"finish (\d+): (.*); give it", sample)
    assert unfinished
    named = unfinished[2].split("; ")
    assert (len(named), set(named) - set(evidence.proofs())) == (int(unfinished[1]), set())
    rows = sample.partition("\nnaive locks")[2].partition("\n\n")[0].splitlines()[1:]
    assert [row[:24].strip() for row in rows] == list(CONTROLS)


def test_a_violation_shows_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A story of the explorer is shown with its own line, one of the ledger with its log; the exit code is 1."""
    story = Explored("keys", 1, 1, True, 0.1, ("keys:\n  1. …\n  python -c replay",))
    struck = Trial("dousell_cache", 7, "x.jsonl", 1.0, Figures(), (Objection("paid twice", "rent has 2 rows"),))
    found = Evidence(7, 1.0, (story,), (), (), struck)
    code, out = said(found, capsys)
    assert code == 1
    assert "python -c replay" in out
    assert "paid twice: rent has 2 rows\n  again: dousell-cache prove --check x.jsonl\n" in out
    assert out.startswith("seed 7, ")
    assert out.endswith("this does NOT hold\n")
    code, out = said(found, capsys, "--json")
    assert (code, json.loads(out)["violations"]) == (1, 2)


def test_a_naive_lock_that_passes_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A harness that does not see what is wrong proves nothing about what is right."""
    missed = Control("no fence", "ledger", "", False, 9.0, "", STOOD)
    guard = Control("keys: write", "explorer", "", False, 0.1)
    code, out = said(Evidence(7, 1.0, (), (), (guard, missed), STOOD), capsys)
    assert code == 1
    assert "not caught, so this run proves nothing: keys: write, no fence\n" in out


def test_what_there_was_no_time_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario that was cut short, or left out, is named: the run claims no more than it did."""
    cut = (Explored("keys", 10, 9, False, 0.5), Explored("tags", 10, 9, True, 0.5))
    code, out = said(Evidence(7, 1.0, cut, ("grace",), (), STOOD), capsys)
    assert code == 0
    assert "no time to finish 2: keys; grace; give it more --seconds\n" in out


def test_each_phase_is_told_once_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """In a log each part begins with a line on stderr, however often it moves on; with --json there is none."""

    def gather(*_: object, observe: Callable[[str], None], **__: object) -> Evidence:
        for words in ("explorer: lock (1 of 2)", "explorer: extend (2 of 2)", "chaos: 1 attempts", "chaos: 2 attempts"):
            observe(words)
        return HOLDS

    with patch.object(evidence, "gather", gather):
        said = [(main(["prove", *options]), capsys.readouterr().err) for options in ([], ["--json"])]
    assert said == [(0, "dousell-cache: explorer …\ndousell-cache: chaos …\n"), (0, "")]


def test_a_run_that_fails_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """A harness that breaks down ends with 3, which is neither that it holds nor that it does not."""
    with patch.object(evidence, "gather", side_effect=MeasurementFailed("process 0 failed")):
        assert main(["prove"]) == 3
    assert capsys.readouterr().err == "dousell-cache: process 0 failed\n"
