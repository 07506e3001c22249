"""``dousell-cache report``: everything is checked before a kernel starts, and one line says what came of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from dousell_cache.cli import main
from dousell_cache.local import Cloud
from dousell_cache.reporting import run, schemas
from dousell_cache.reporting.folder import ReportNotWritten

from .reports import write_notebook

CANARY = "c4n4ry-secret-2468"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--env", "locl"], 'there is no environment "locl": did you mean "local"?'),
        (["--env", "local,,vercel"], 'there is no environment ""'),
        (["--env", "local,local"], "the environment local is asked for twice"),
        (["--notebook", "01_mesure_cache_aside"], 'did you mean "01_measure_cache_aside"?'),
        (["--profile", "ful"], 'there is no profile "ful": did you mean "full"?'),
        (["--lang", "french"], 'there is no language "french"'),
        (["--lang", "de"], 'there is no language "de": there are en, fr'),
        (["-p", "request=500"], 'has a parameter "request": did you mean "requests"?'),
        (["-p", "requests=many"], 'parameter requests must be a whole number such as 2000, or none, not "many"'),
        (["-p", "requests=7"], "parameter requests must be between 100 and 1,000,000, not 7"),
        (["-p", "skew=0.5", "-p", "skew=1"], "parameter skew is given twice"),
        (["-p", "requests"], '-p "requests" must be NAME=VALUE'),
        (["-p", "workers=2", "--workers", "3"], "parameter workers is given twice"),
        (["--workers", "two"], 'parameter workers must be a whole number such as 40, not "two"'),
        (["--notebook", "00", "--workers", "2"], 'no notebook here has a parameter "workers"'),
        (["-p", "environment=vercel"], "parameter environment is set by --env"),
        (["--timeout", "soon"], '--timeout must be a number of seconds from 1 to a week, not "soon"'),
        (["--timeout", "nan"], "--timeout must be"),
        (["--timeout", "0"], "--timeout must be"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line with the nearest valid name, nothing on stdout, and not even the folder is made."""
    assert main(["report", *arguments, "--out", str(tmp_path / "reports")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "the KPI file {path} cannot be read: No such file or directory"),
        ("[hit_rat]\ntarget = 0.9", "{path}: the KPI file sets a target for hit_rat, which is not measured"),
        ('[hit_rate]\ntarget = "high"', "{path}: the KPI file's hit_rate must have label"),
        ("[hit_rate", "{path}: the KPI file is not TOML"),
    ],
)
def test_a_wrong_file_of_targets_is_one_sentence(
    content: str | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line that names the file and what is wrong in it, before anything is run."""
    path = tmp_path / "targets.toml"
    if content is not None:
        path.write_text(content)
    assert main(["report", "--kpis", str(path), "--out", str(tmp_path / "reports")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence.format(path=path) in err
    assert err.count("\n") == 1
    assert not (tmp_path / "reports").exists()


def test_the_kernels_judge_by_the_file(tmp_path: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    """What --kpis says reaches the process of each notebook, and what the run writes is as published."""
    assert cloud
    (tmp_path / "targets.toml").write_text("[hit_rate]\ntarget = 0.999\nalert = 0.998\n")
    cell = (
        "from dousell_cache.measure import judge_all, publish, Interval, Result\n"
        "from dousell_cache.measure.kpis import kpis_in_force\n"
        "verdicts = judge_all({'hit_rate': Interval(0.9, 0.8, 0.95, 100)}, kpis_in_force())\n"
        "publish(Result(notebook='mine', environment='local', cache='', origin='', emulated=[],\n"
        "    started='2026-11-22T20:00:00+00:00', seconds=1, parameters={}, verdicts=verdicts))"
    )
    notebook = write_notebook(tmp_path / "mine.ipynb", cell)
    asked = ["--env", "local", "--notebook", str(notebook), "--kpis", str(tmp_path / "targets.toml")]
    assert main(["report", *asked, "--out", str(tmp_path / "reports")]) == 1
    assert "Hit rate 90.0 %, target > 99.9 %; ALERT for Hit rate" in capsys.readouterr().out
    (written,) = (tmp_path / "reports").glob("*/results.json")
    document = json.loads(written.read_text())
    jsonschema.Draft202012Validator(schemas.schema("results")).validate(document)
    status = json.loads((written.parent / "status.json").read_text())
    jsonschema.Draft202012Validator(schemas.schema("status")).validate(status)
    assert document["environments"]["local"]["alerts"][0]["kpi"]["alert"] == 0.998
    assert f"--kpis {tmp_path / 'targets.toml'}" in document["run"]["command"]


def test_an_unusable_folder_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where the reports should go is named, exit code 2, before anything is run."""
    (tmp_path / "file").write_text("here")
    assert main(["report", "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "here"


@pytest.mark.parametrize("error", [ReportNotWritten("the disk is full"), RuntimeError("the disk is full")])
def test_a_run_that_cannot_report_is_no_missed_target(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong, a bug of ours too, exits with 3: 1 would say that a target is missed."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(run, "run", fail)
    assert main(["report"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("the disk is full\n")


def report(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as cron would, towards a dedicated server that is not there."""
    environ = {
        "PATH": os.defpath,
        "REDIS_URL": f"redis://:{CANARY}@127.0.0.1:1/0",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_KEY": CANARY,
    }
    command = [sys.executable, "-m", "dousell_cache.cli", "report", "--env", "dedicated", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_from_cron_it_is_one_line(tmp_path: Path) -> None:
    """Without terminal, home and variables: one line with verdict, reason and page, nothing on stderr, exit code 4."""
    write_notebook(tmp_path / "mine.ipynb", "'never run'", parameters='environment: str = "local"')
    done = report(tmp_path, "--notebook", "mine.ipynb")
    assert done.returncode == 4
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    (folder,) = (entry for entry in (tmp_path / "reports").iterdir() if entry.is_dir())
    reason = "nothing listens at redis://•••@127.0.0.1:1/0: start the server or check REDIS_URL"
    assert line == f"unreachable (dedicated unreachable: {reason}): reports/{folder.name}/index.html"


def test_in_french_the_line_and_the_pages_are_french(tmp_path: Path) -> None:
    """With --lang fr the line, the run's page and the list of runs are French, and the command on the page says so."""
    write_notebook(tmp_path / "mine.ipynb", "'never run'")
    done = report(tmp_path, "--notebook", "mine.ipynb", "--lang", "fr")
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith("injoignable (dedicated injoignable: nothing listens at ")
    (page,) = (tmp_path / "reports").glob("*/index.html")
    for written in (page, tmp_path / "reports" / "index.html"):
        assert '<html lang="fr">' in written.read_text("utf-8")
    assert "--lang fr" in page.read_text("utf-8")


def test_json_is_alone_on_stdout(tmp_path: Path) -> None:
    """What is printed is what is in results.json, and no secret is in anything written or said."""
    write_notebook(tmp_path / "mine.ipynb", "'never run'")
    done = report(tmp_path, "--notebook", "mine.ipynb", "--json", "--out", "elsewhere")
    document = json.loads(done.stdout)
    (written,) = (tmp_path / "elsewhere").glob("*/results.json")
    assert document == json.loads(written.read_text())
    assert document["exit_code"] == done.returncode == 4
    assert document["environments"]["dedicated"]["status"] == "unreachable"
    assert document["run"]["command"].startswith("dousell-cache report --env dedicated --profile quick --notebook mine")
    texts = [path.read_text() for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert not any(CANARY in text for text in [*texts, done.stdout, done.stderr])
