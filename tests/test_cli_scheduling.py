"""``dousell-cache report`` as cron, systemd and CI start it: one at a time, in time, told beforehand and afterwards."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from dousell_cache.cli import main, report
from dousell_cache.local import Cloud, runtime
from dousell_cache.reporting import run
from dousell_cache.reporting.measuring import Stage
from dousell_cache.reporting.record import RunStatus
from dousell_cache.reporting.run_lock import cache_lock, folder_lock
from dousell_cache.reporting.wording import Wording

from .reports import BAD, finished, made_up, measured, worker, write_notebook

if TYPE_CHECKING:
    from .conftest import FreeValkey

CANARY = "c4n4ry-value-5813"
ALL = worker("None")
SECRETS = {
    "UPSTASH_REDIS_REST_TOKEN": f"{CANARY}-upstash",
    "KV_REST_API_TOKEN": f"{CANARY}-kv",
    "REDIS_URL": f"redis://user:{CANARY}-redis@127.0.0.1:1/0",
    "VALKEY_URL": f"redis://:{CANARY}-valkey@127.0.0.1:1/0",
    "SUPABASE_URL": f"http://user:{CANARY}-url@127.0.0.1:1",
    "SUPABASE_KEY": f"{CANARY}-key",
    "SUPABASE_SERVICE_ROLE_KEY": f"{CANARY}-service",
    "SUPABASE_ANON_KEY": f"{CANARY}-anon",
    "DATABASE_URL": f"postgresql://user:{CANARY}-database@127.0.0.1:1/x",
    "DOUSELL_CACHE_WEBHOOK_URL": f"https://hooks.slack.com/services/{CANARY}-hook",
    "DOUSELL_CACHE_WEBHOOK_SECRET": f"{CANARY}-signature",
    "PAYDUNYA_MASTER_KEY": f"{CANARY}-master",
    "PAYDUNYA_PRIVATE_KEY": f"{CANARY}-private",
    "PAYDUNYA_TOKEN": f"{CANARY}-paydunya",
}
# Everything that a careless notebook may do with a secret: print, show, warn, log, publish, keep as a sample, raise.
CARELESS = """
import json, logging, os, sys
import pandas as pd
from dousell_cache.measure.result import LatencyRow, Result, publish
everything = "\\n".join([*os.environ.values(), os.path.expanduser("~/data"), targets])
print(everything)
print(json.dumps(dict(os.environ)), file=sys.stderr)
logging.warning(everything)
display(pd.DataFrame({"value": list(os.environ.values())}))
publish(Result(
    notebook="careless", environment=environment, cache=os.environ["REDIS_URL"], origin=os.environ["SUPABASE_URL"],
    emulated=[os.environ["KV_REST_API_TOKEN"]], started="2026-11-22T19:30:00+00:00", seconds=1.0,
    parameters={"all": everything}, latency=[LatencyRow(os.environ["SUPABASE_KEY"], 1, 1.0, 1.0, 1.0)],
), pd.DataFrame({"said": [everything, None], os.environ["SUPABASE_KEY"]: [1.0, 2.0]}))
raise ValueError(everything.replace("\\n", " "))
"""


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every environment can be reached, without a server."""
    monkeypatch.setattr(run, "run", functools.partial(run.run, worker=ALL))
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_KEY", "anon-key-of-nobody")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--time-limit", "soon"], '--time-limit must be a number of seconds from 1 to a week, not "soon"'),
        (["--keep", "0"], '--keep must be a whole number from 1, not "0"'),
        (["--max-age", "90"], '--max-age must be a number and a unit (s, m, h, d, w), such as 90d, not "90"'),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line, before a lock is taken or a folder made."""
    assert main(["report", *arguments, "--out", str(tmp_path / "reports")]) == 2
    assert capsys.readouterr().err == f"dousell-cache: {sentence}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_in_a_cache_that_nobody_shares_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an address that other machines know, --lock-name would promise what it cannot keep: exit code 2."""
    assert main(["report", "--lock-name", "nightly", "--out", str(tmp_path / "reports")]) == 2
    assert "--lock-name needs a cache that the other machines reach: set REDIS_URL" in capsys.readouterr().err


def test_a_dry_run_tells_all_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], private_runtime: Path
) -> None:
    """Parameters, caches and how each was found, the place to write to; no folder, no server, no secret."""
    monkeypatch.setenv("REDIS_URL", f"rediss://user:{CANARY}@cache.example:6380/1")
    asked = ["report", "--dry-run", "--env", "local,vercel,dedicated", "--notebook", "01", "--out", str(tmp_path / "r")]
    assert main([*asked, "-p", "ttl=60", "--scheduler", f"tcp://me:{CANARY}@far:8786", "--time-limit", "90"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert CANARY not in out
    assert "dedicated: rediss://***@cache.example:6380/1 (REDIS_URL)" in out.replace("•••@", "***@")
    assert "vercel: an Upstash emulator on this machine (UPSTASH_REDIS_REST_URL is not set)" in out
    assert "ttl=60.0 keys=8" in out
    assert "at most 90 s in all" in out
    assert f"report: {tmp_path / 'r'}/<run id>/index.html" in out
    assert list(tmp_path.iterdir()) == list(private_runtime.iterdir()) == []


def test_a_dry_run_has_a_document_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """What is surely out of reach is named, exit code 4, and the document's parameters are the resolved ones."""
    assert main(["report", "--dry-run", "--json", "--env", "dedicated", "--notebook", "01", "-p", "keys=9"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["version"]) == ("dousell-cache/report-plan", 1)
    assert document["environments"]["dedicated"]["reason"].startswith("REDIS_URL is not set")
    assert document["parameters"]["01_measure_cache_aside"]["keys"] == 9
    assert document["parts"] == {"dedicated": ["01_measure_cache_aside"]}


def test_a_second_run_into_a_folder_is_told_whose_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 75, one sentence with the holder's process, and nothing beside the lock is made."""
    with folder_lock(tmp_path):
        assert main(["report", "--out", str(tmp_path)]) == 75
    out, err = capsys.readouterr()
    assert out == ""
    assert f"a run is being written to {tmp_path} by process {os.getpid()} on " in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_second_run_under_a_name_is_told_whose_it_is(
    tmp_path: Path, free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 75 also where the folders differ; with the cache gone it is 4, because nobody knows."""
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    with cache_lock("nightly", {"REDIS_URL": free_valkey.url}):
        assert main(["report", "--lock-name", "nightly", "--out", str(tmp_path)]) == 75
    assert f'another run holds the lock "nightly": process {os.getpid()} on ' in capsys.readouterr().err
    free_valkey.kill()
    assert main(["report", "--lock-name", "nightly", "--out", str(tmp_path)]) == 4


@pytest.mark.usefixtures("reachable")
def test_afterwards_old_runs_go_and_the_summary_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--keep leaves the newest, --summary gets a line for the failure behind what was there, stdout stays one line."""
    out, summary = tmp_path / "reports", tmp_path / "summary.md"
    out.mkdir()
    summary.write_text("before\n")
    old = finished(out, made_up({"local": measured(BAD)}, run_id="20200101T000000Z-aaaa"))
    notebook = write_notebook(tmp_path / "raises.ipynb", "raise ValueError('a | b <c>')")
    asked = ["--env", "local", "--notebook", str(notebook), "--keep", "1", "--summary", str(summary)]
    assert main(["report", *asked, "--out", str(out)]) == 3
    printed, err = capsys.readouterr()
    assert (printed.count("\n"), err) == (1, "")
    assert not old.exists()
    (kept,) = (path for path in out.iterdir() if path.is_dir())
    text = summary.read_text("utf-8")
    assert text.startswith("before\n## dousell-cache: error\n")
    assert r"raises: cell 1: ValueError: a \| b \<c\>" in text
    assert f"{kept.name}/index.html" in text


@pytest.mark.usefixtures("reachable")
def test_no_secret_is_in_any_artefact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """However careless the notebook: no page, notebook, JSON, Parquet, summary or output has a credential or a home."""
    home = tmp_path / "home" / "aminata"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)  # elsewhere the one line on stdout is the page's whole path, for whoever wants to open it
    (home / "targets.toml").write_text("[hit_rate]\ntarget = 0.9\n")
    for name, value in {**SECRETS, "HOME": str(home), "DOUSELL_CACHE_PRICES": str(home / "prices.toml")}.items():
        monkeypatch.setenv(name, value)
    parameters = f'environment: str = "local"\ntargets: str = "{home / "targets.toml"}"'
    notebook = write_notebook(home / "careless.ipynb", CARELESS, parameters=parameters)
    asked = ["report", "--env", "local", "--notebook", str(notebook), "--kpis", str(home / "targets.toml")]
    asked += ["--out", str(home / "reports"), "--summary", str(tmp_path / "summary.md")]
    assert main([*asked, "--json"]) == 3
    assert main([*asked, "--dry-run"]) == main([*asked, "--dry-run", "--json"]) == 0
    said = capfd.readouterr()
    files = {path: path.read_bytes() for path in (home / "reports").rglob("*") if path.is_file()}
    assert {path.suffix for path in files} >= {".html", ".ipynb", ".json", ".parquet"}
    written = {str(path): content.decode("latin-1") for path, content in files.items()}
    texts = {**written, "summary": (tmp_path / "summary.md").read_text(), "stdout": said.out, "stderr": said.err}
    leaks = [name for name, text in texts.items() if CANARY in text or str(home) in text]
    assert leaks == []
    assert any("•••" in text for text in texts.values())


def test_a_full_disk_is_told_truthfully(tmp_path: Path) -> None:
    """No file may grow beyond a few blocks: exit code 3, one sentence, and status.json says that the run failed."""
    write_notebook(tmp_path / "mine.ipynb", "'never run'")
    command = [sys.executable, "-m", "dousell_cache.cli", "report", "--env", "dedicated", "--notebook", "mine.ipynb"]
    environ = {"PATH": os.defpath, "REDIS_URL": "redis://127.0.0.1:1/0", "SUPABASE_URL": "http://127.0.0.1:1"}
    environ |= {"SUPABASE_KEY": "anon-key-of-nobody", "PYTHONDONTWRITEBYTECODE": "1"}  # Python keeps half a .pyc
    limited = ["/bin/sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command]  # blocks of 512 bytes; some shells: of 1024
    done = subprocess.run(limited, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("dousell-cache: the report could not be written: ")
    assert done.stderr.endswith(": File too large\n")
    (partial,) = (path for path in (tmp_path / "reports").iterdir() if path.is_dir())
    assert partial.name.endswith(".partial")
    status = msgspec.json.decode((partial / "status.json").read_bytes(), type=RunStatus)
    assert (status.state, status.exit_code) == ("failed", 3)
    assert "running" not in status.environments.values()
    assert status.reason is not None
    assert "File too large" in status.reason


@pytest.mark.parametrize("asked", [True, False])
def test_what_begins_is_told_if_asked_for(asked: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal stderr has a line for each notebook of each environment with --progress, else nothing."""
    with report._progress(Wording("en"), lines=asked) as observe:
        for notebook, fraction in (("", 0.0), ("01_measure_cache_aside", 0.1), ("01_measure_cache_aside", 0.2)):
            observe(Stage("local", notebook, fraction))
    lines = ["starting", "local · getting ready", "local · 01_measure_cache_aside"]
    assert capsys.readouterr() == ("", "".join(f"dousell-cache: {line} …\n" for line in lines) if asked else "")


@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_a_whole_run_needs_nothing_around_it(home: str | None, tmp_path: Path, cloud: Cloud) -> None:
    """No variables, home, terminal, activated venv or folder of one's own: one line, nothing on stderr, exit code 0."""
    notebook = write_notebook(tmp_path / "mine.ipynb", "'run'", parameters='environment: str = "local"')
    base = os.environ[runtime.BASE_VARIABLE]  # or it would start servers of its own
    environ = {"REDIS_URL": cloud.valkey_url, runtime.BASE_VARIABLE: base}
    environ |= {"DOUSELL_CACHE_LATENCY": "none", "DOUSELL_ORIGIN_LATENCY": "none"}
    environ |= {"HOME": home} if home else {}
    asked = ["--env", "dedicated", "--notebook", str(notebook), "--out", str(tmp_path / "reports")]
    command = [sys.executable, "-m", "dousell_cache.cli", "report", *asked]
    done = subprocess.run(
        command, cwd="/", env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("measured (dedicated measured): ")
    assert done.stdout.count("\n") == 1
