"""``dousell-cache compare``: what is asked for is checked first, and the exit code says what came of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from dousell_cache.cli import compare, main
from dousell_cache.errors import CacheUnavailable, MeasurementFailed
from dousell_cache.local import Cloud
from dousell_cache.measure import live
from dousell_cache.reporting import schemas

from .comparisons import FIGURES, HOST, OTHER, keep, keep_together, result, row, slower, times

FIRST, SECOND = "20261121T000000Z-aaaa", "20261122T000000Z-bbbb"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with two runs, the second twice as slow on both environments."""
    times = np.random.default_rng(1).exponential(2, 300)
    kept = {"local": times, "vercel": times + 4}
    keep(tmp_path, FIRST, {"local": result(), "vercel": slower(3, environment="vercel")}, kept)
    slow = {"local": slower(2), "vercel": slower(6, environment="vercel")}
    keep(tmp_path, SECOND, slow, {name: 2 * each for name, each in kept.items()})
    return tmp_path


@pytest.fixture
def quick(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: ARG001 - joined, as the site will
    """Ask faster than usual, since nothing is far away here; the shortest live comparison."""
    monkeypatch.setattr(live, "RATE", 400.0)
    return ["--requests", "100", "--pairs", "5", "--keys", "3"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["local"], "local is to be compared with what? Name a second, or say --history or --aa PAIRS"),
        (["local", FIRST], f"local and {FIRST}: two runs or two environments can be compared, not one of each"),
        ([FIRST, "vercel"], f"{FIRST} and vercel: two runs or two environments can be compared, not one of each"),
        ([FIRST, SECOND, "--history"], f"--history takes one word, not {FIRST} and {SECOND}"),
        (["local", "vercel", "--aa", "6"], "--aa takes one word, not local and vercel"),
        (["local", "--history"], "--history is for a run that was kept, not for an environment"),
        ([FIRST, "--aa", "6"], f"--aa measures an environment: local, vercel, dedicated, not {FIRST}"),
        ([FIRST, SECOND, "--seed", "2"], "--seed is for live comparisons: what was kept is as it is"),
        (["local", "--aa", "6", "--pairs", "6"], "--aa says how many pairs there are: leave --pairs out"),
        (["local", "vercel", "--pairs", "4"], "pairs must be from 5 to 1,000"),
        (["local", "--aa", str(10**12)], "pairs must be from 5 to 1,000"),
        (["local", "vercel", "--keys", str(10**12)], "keys must be 1,000,000 or less"),
        (["local", "vercel", "--requests", str(10**12)], "requests must be 50,000,000 or less"),
        (["local", "vercel", "--seconds", "1"], "requests must be 160 or more"),
        (["local", "vercel", "--seconds", "nan"], "--seconds must be a number of seconds"),
        (["local", "vercel", "--ttl", "0"], "ttl must be"),
        ([FIRST, "20261122T000000Z-bbbc"], f'did you mean "{SECOND}"?'),
        ([f"{FIRST}:dedicated", SECOND], "has no environment dedicated: there are local, vercel"),
        ([FIRST, SECOND, "--kpis", "absent.toml"], "absent.toml cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line that says what would be right, before anything is measured."""
    assert main(["compare", *arguments, "--out", str(out)]) == 2
    told, err = capsys.readouterr()
    assert told == ""
    assert sentence in err
    assert err.count("\n") == 1


def test_two_runs_side_by_side(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every environment that both have is a table; B is worse, so the exit code is 1, and 0 the other way round."""
    assert main(["compare", FIRST, SECOND, "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert f"A = {FIRST}, local" in told
    assert f"B = {SECOND}, vercel" in told
    assert "×2.00 (1." in told
    assert "✗ worse" in told
    assert "a read of B is slower" in told
    assert told.endswith("B is significantly worse: P50 response, P95 response (* has a target)\n")
    assert main(["compare", "latest", FIRST, "--out", str(out)]) == 0
    assert "B is no worse" in capsys.readouterr().out


def test_one_run_against_itself_by_environment(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RUN:local against RUN:vercel compares two environments of one run; by path it is the same."""
    assert main(["compare", f"{FIRST}:local", f"{FIRST}:vercel", "--out", str(out)]) == 1
    by_id = capsys.readouterr().out
    assert main(["compare", f"{out / FIRST}:local", f"{out / FIRST / 'results.json'}:vercel"]) == 1
    assert capsys.readouterr().out == by_id
    assert main(["compare", f"{FIRST}:local", FIRST, "--out", str(out)]) == 0


def test_json_is_alone_on_stdout_and_valid(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document of the published shape, with the exit code in it."""
    assert main(["compare", FIRST, SECOND, "--out", str(out), "--json"]) == 1
    told, err = capsys.readouterr()
    document = json.loads(told)
    jsonschema.Draft202012Validator(schemas.schema("compare")).validate(document)
    assert err == ""
    assert (document["mode"], document["verdict"], document["exit_code"]) == ("runs", "worse", 1)
    assert [each["b"]["environment"] for each in document["comparisons"]] == ["local", "vercel"]


def test_targets_of_ones_own_decide(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A figure that --kpis sets a target for counts for the verdict."""
    keep(out, "20261123T000000Z-cccc", {"local": result({"speedup": result().figures["speedup"]})})
    low = {"speedup": slower(1).figures["p50_ms"]}
    keep(out, "20261124T000000Z-dddd", {"local": result(low)})
    words = ["compare", "20261123T000000Z-cccc", "20261124T000000Z-dddd", "--out", str(out)]
    assert main(words) == 5
    (tmp_path / "mine.toml").write_text('[speedup]\nlabel = "Gain"\ndirection = "above"\ntarget = 5\nunit = "×"\n')
    assert main([*words, "--kpis", str(tmp_path / "mine.toml")]) == 1
    assert capsys.readouterr().err == ""


def test_machines_are_not_mixed_unless_told(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Results of another machine are refused in one sentence that says how to insist; then it is a caveat."""
    keep(out, "20261123T000000Z-cccc", {"local": result(host=OTHER)})
    words = ["compare", FIRST, "20261123T000000Z-cccc", "--out", str(out)]
    assert main(words) == 2
    assert "--across-hosts insists" in capsys.readouterr().err
    assert main([*words, "--across-hosts"]) == 0
    assert "mind: different machines: [5f0c81a9be77" in capsys.readouterr().out


def test_environments_at_once_and_in_turns_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs of which one measured its environments at once are compared with a warning, and alike ones without."""
    keep(tmp_path, FIRST, {"local": result()}, parallel=True)
    keep(tmp_path, SECOND, {"local": result()})
    out = ["--out", str(tmp_path)]
    assert main(["compare", FIRST, SECOND, *out]) == 0
    told = "mind: A measured its environments at once, so that they disturbed each other, and B in turns"
    assert told in " ".join(capsys.readouterr().out.split())
    assert main(["compare", FIRST, FIRST, *out]) == 0
    assert "at once" not in capsys.readouterr().out


def test_runs_without_anything_in_common_are_refused(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to compare is wrong usage, and what each has is named; single environments go with each other."""
    keep(out, "20261123T000000Z-cccc", {"dedicated": result(environment="dedicated", notebook="09")})
    assert main(["compare", FIRST, "20261123T000000Z-cccc", "--out", str(out)]) == 2
    assert (
        "(local, vercel) and 20261123T000000Z-cccc (dedicated) have no environment in common" in capsys.readouterr().err
    )
    assert main(["compare", f"{FIRST}:local", "20261123T000000Z-cccc:dedicated", "--out", str(out)]) == 2
    assert "have no notebook in common" in capsys.readouterr().err
    keep(out, "20261124T000000Z-dddd", {"local": result()})
    keep(out, "20261125T000000Z-eeee", {"dedicated": result(environment="dedicated")})
    assert main(["compare", "20261124T000000Z-dddd", "20261125T000000Z-eeee", "--out", str(out)]) == 0


def test_a_run_against_its_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six runs alike, then one three times as slow: 1; one like them: 0; the second of all: 5, too few."""
    for day in range(1, 7):
        started = f"2026-10-0{day}T00:00:00+00:00"
        keep(tmp_path, f"2026100{day}T000000Z-aaaa", {"local": slower(0.95 + day / 50, started=started)})
    keep(tmp_path, "20261007T000000Z-bbbb", {"local": slower(3)})
    keep(tmp_path, "20261008T000000Z-cccc", {"local": result()})
    assert main(["compare", "20261007T000000Z-bbbb", "--history", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "against 6 earlier runs like it" in told
    assert "✗ regressed" in told
    assert "this run is significantly worse: P50 response, P95 response" in told
    assert main(["compare", "20261008T000000Z-cccc:local", "--history", "--out", str(tmp_path), "--json"]) == 0
    (history,) = json.loads(capsys.readouterr().out)["histories"]
    assert {one["word"] for one in history["figures"]} == {"within"}
    assert main(["compare", "20261002T000000Z-aaaa", "--history", "--out", str(tmp_path)]) == 5
    assert "too few earlier runs" in capsys.readouterr().out


def test_what_was_measured_side_by_side_can_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs of notebook 02 are compared environment by environment, with each other and with their history."""
    slow = {name: times(one, 3.0) if name.endswith("_ms") else one for name, one in FIGURES.items()}
    for day in range(1, 8):
        rows = (row("local", figures=slow if day == 7 else FIGURES), row("vercel", figures=slow))
        keep_together(tmp_path, f"2026100{day}T000000Z-aaaa", *rows, started=f"2026-10-0{day}T00:00:00+00:00")
    out = ["--out", str(tmp_path)]
    assert main(["compare", "latest:local", "latest:vercel", *out]) == 0
    assert "B is no worse" in capsys.readouterr().out
    assert main(["compare", "20261001T000000Z-aaaa", "latest", *out, "--json"]) == 1
    comparisons = json.loads(capsys.readouterr().out)["comparisons"]
    assert [one["b"]["environment"] for one in comparisons] == ["local", "vercel"]
    assert main(["compare", "latest", "--history", *out, "--json"]) == 1
    words = [
        {one["word"] for one in history["figures"]} for history in json.loads(capsys.readouterr().out)["histories"]
    ]
    assert words == [{"within", "regressed"}, {"within"}]


def test_what_is_not_like_it_is_left_out_of_its_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs of another machine, or of environments at once, do not count; the table says how many there were."""
    for day in range(1, 7):
        at_once = day % 2 == 0
        one = result(started=f"2026-10-0{day}T00:00:00+00:00", host=HOST if at_once else OTHER)
        keep(tmp_path, f"2026100{day}T000000Z-aaaa", {"local": one}, parallel=at_once)
    keep(tmp_path, "20261007T000000Z-bbbb", {"local": result()})
    assert main(["compare", "latest", "--history", "--out", str(tmp_path)]) == 5
    assert "mind: 6 earlier runs were not like it, and left out" in capsys.readouterr().out


def test_two_environments_live(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Both are measured in turns, here and now; what comes of it is one valid document, nothing on stderr."""
    code = main(["compare", "local", "vercel", "--json", *quick])
    told, err = capsys.readouterr()
    document: Any = json.loads(told)
    jsonschema.Draft202012Validator(schemas.schema("compare")).validate(document)
    assert err == ""
    assert document["mode"] == "live"
    assert document["exit_code"] == code
    (found,) = document["comparisons"]
    assert (found["a"]["environment"], found["b"]["environment"]) == ("local", "vercel")
    assert {one["name"]: one["a"]["samples"] for one in found["figures"]} == dict.fromkeys(
        ("hit_rate", "p50_ms", "p95_ms"), 100
    )
    assert document["false_alarms"] is None


def test_an_environment_against_itself(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A/A, as one word or the same one twice, says how often a difference would be a false alarm."""
    main(["compare", "local", "--aa", "5", "--requests", "100", "--keys", "3"])
    told, err = capsys.readouterr()
    assert err == "".join(f"dousell-cache: measuring in turns, block {block} of 10 …\n" for block in range(1, 11))
    assert "A/A: of 16 ways of exchanging the blocks of 5 pairs" in told
    assert "A = local; B = local" in told
    main(["compare", "local", "local", "--json", *quick])
    document = json.loads(capsys.readouterr().out)
    assert document["mode"] == "a/a"
    assert (document["false_alarms"]["exchanges"], document["false_alarms"]["pairs"]) == (16, 5)


def test_more_pages_than_there_are(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    """What only the origin knows to be wrong is wrong usage all the same."""
    assert cloud
    assert main(["compare", "local", "local", "--keys", "100000"]) == 2
    assert "asks for more pages than the origin has" in capsys.readouterr().err


def test_an_environment_that_is_not_there(tmp_path: Path) -> None:
    """Exit code 4 and one line that says which environment and why, without its credentials."""
    environ = {"PATH": os.defpath, "REDIS_URL": "redis://:s3cret-2468@127.0.0.1:1/0"}
    environ |= {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_KEY": "s3cret-2468"}
    command = [sys.executable, "-m", "dousell_cache.cli", "compare", "dedicated", "dedicated"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("dousell-cache: dedicated cannot be reached: nothing listens at redis://")
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


def test_a_variable_that_is_not_set_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and the variable's name, as of `check`: nothing was asked that could not be reached."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert main(["compare", "dedicated", "--aa", "5"]) == 2
    assert "REDIS_URL is not set: it says where" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (MeasurementFailed("every read failed"), 3, "dousell-cache: the measurement failed: every read failed\n"),
        (CacheUnavailable("nobody answers"), 4, "dousell-cache: nobody answers\n"),
        (RuntimeError("a bug"), 3, "RuntimeError: a bug\n"),
    ],
)
def test_what_goes_wrong_is_never_taken_for_worse(
    error: Exception,
    code: int,
    sentence: str,
    quick: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A measurement that failed, and a bug of ours too, exit with 3, a cache that went away with 4; 1 says worse."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(live, "measure_live", fail)
    assert main(["compare", "local", "local", *quick]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(sentence)


def test_the_rate_of_the_help_is_the_one_that_is_used() -> None:
    """What --seconds multiplies is the rate at which is measured."""
    assert compare._RATE == live.RATE
