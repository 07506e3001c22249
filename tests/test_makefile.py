"""What `make` promises without installing anything: its help, its exit codes, its one-sentence refusals.

The real Makefile runs in a small clone whose path has a space. Its .venv is a stub: that `make setup` fills a real one
is seen whenever these tests run, because `make test` came here through it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose .venv is ready: its Python is this one, its `dousell-cache` writes $PAGE and ends with $CODE."""
    folder = tmp_path / "my clone"
    (folder / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    script(folder / ".venv/bin/python", f'exec "{sys.executable}" "$@"')
    script(folder / ".venv/bin/dousell-cache", 'echo "$@"; mkdir -p "${PAGE%/*}" && touch "$PAGE"; exit $CODE')
    for name in ("pyproject.toml", "uv.lock", "constraints.txt"):
        (folder / name).touch()
    (folder / ".venv/.ready").write_text(f"{folder.resolve()}\n")
    return folder


def script(path: Path, body: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def make(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make as a user would, not as a part of the make that may have started these tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = {**inherited, "PAGE": "reports/run 1/index.html", "CODE": "0", **variables}
    return subprocess.run(["make", *arguments], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def test_make_alone_lists_every_target(clone: Path) -> None:
    """`make` without a target prints one line for each target, and does nothing."""
    targets = re.findall(r"^([a-z]+):", (clone / "Makefile").read_text(), re.MULTILINE)
    listed = [line.split()[:2] for line in make(clone).stdout.splitlines()]
    assert listed == [["make", target] for target in targets]
    assert set(targets) == {
        "help",
        "setup",
        "report",
        "test",
        "bench",
        "browser",
        "chaos",
        "kills",
        "lint",
        "lab",
        "format",
        "docs",
        "release",
        "lock",
        "clean",
    }


def test_setup_is_quick_when_nothing_changed(clone: Path) -> None:
    """With a .venv that was made here from these locked versions, `make setup` has nothing to do or say."""
    done = make(clone, "setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("code", [0, 1, 3, 4, 5])
def test_report_ends_well_when_the_report_was_written(clone: Path, code: int) -> None:
    """A failed KPI or cell, an unreachable environment, too few samples: the report tells it, and make ends with 0."""
    assert make(clone, "report", CODE=str(code)).returncode == 0


@pytest.mark.parametrize("code", [2, 75, 130, 143])
def test_report_fails_when_it_was_not_run_to_its_end(clone: Path, code: int) -> None:
    """Wrong usage, another run and a signal make `make report` fail, and the code is shown."""
    done = make(clone, "report", CODE=str(code))
    assert done.returncode != 0
    assert f"Error {code}" in done.stderr


@pytest.mark.parametrize("code", [0, 1])
def test_report_fails_when_no_page_was_written(clone: Path, code: int) -> None:
    """A command that crashes ends with 1, as one whose KPI failed: without a new page, make says so and fails."""
    (clone / "reports/run 0").mkdir(parents=True)
    (clone / "reports/run 0/index.html").touch()
    done = make(clone, "report", PAGE="elsewhere/page", CODE=str(code))
    assert done.returncode != 0
    assert done.stderr.startswith("make report: no report was written")


def test_clean_says_what_it_does_and_leaves_the_reports(clone: Path) -> None:
    """It says first that it may take long; then nothing that was made is left but reports."""
    (clone / "reports/run 0").mkdir(parents=True)
    (clone / "dousell_cache/__pycache__").mkdir(parents=True)
    done = make(clone, "clean")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("→ removing .venv and what the tools left")
    left = {str(path.relative_to(clone)) for path in clone.rglob("*")}
    assert left - {"Makefile", "pyproject.toml", "uv.lock", "constraints.txt"} == {
        "reports",
        "reports/run 0",
        "dousell_cache",
    }


def test_report_passes_its_variables_on(clone: Path) -> None:
    """ENVS, PROFILE, OUT and ARGS reach the command; the defaults compare a laptop with Vercel, quickly."""
    assert make(clone, "report").stdout == "report --progress --env local,vercel --profile quick --out reports\n"
    variables = ("ENVS=local", "PROFILE=full", "OUT=my reports", "ARGS=--json")
    chosen = make(clone, "report", *variables, PAGE="my reports/run 1/index.html")
    assert chosen.returncode == 0
    assert chosen.stdout == "report --progress --env local --profile full --out my reports --json\n"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("echo /elsewhere >.venv/.ready", id="moved"),
        pytest.param("rm .venv/.ready", id="half-made"),
        pytest.param("rm .venv/bin/python", id="its Python is gone"),
        pytest.param("touch -t 203801010000 uv.lock", id="older than the lock"),
    ],
)
def test_setup_does_not_trust_a_stale_environment(clone: Path, damage: str) -> None:
    """A .venv that was moved, left half-made, lost its Python or is older than the lock is made again."""
    subprocess.run(["sh", "-c", damage], cwd=clone, check=True)
    done = make(clone, "setup", "UV=", f"PYTHON={script(clone / 'too old', 'exit 1')}")
    assert done.returncode != 0
    assert "found none" in done.stderr


def test_setup_without_a_suitable_python_says_what_would_do(clone: Path) -> None:
    """Where no Python is right, one sentence names the range and the ways out."""
    (clone / ".venv/.ready").unlink()
    said = make(clone, "setup", "UV=", f"PYTHON={script(clone / 'too old', 'exit 1')}").stderr.splitlines()
    assert said[0].startswith("make setup needs Python 3.11 to 3.14 and found none: install one, or uv")
    assert len(said) == 2, "the sentence, then make's own line"


def test_setup_without_ensurepip_names_the_debian_package(clone: Path, tmp_path: Path) -> None:
    """Debian splits venv from Python: the sentence is the apt line that mends it."""
    (clone / ".venv/.ready").unlink()
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    python = script(tmp_path / "python3", f'exec "{sys.executable}" "$@"')
    done = make(clone, "setup", "UV=", f"PYTHON={python}", PYTHONPATH=str(tmp_path))
    assert "sudo apt install python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 2, "the sentence, then make's own line"


def test_lock_without_uv_says_where_to_get_it(clone: Path) -> None:
    """`make lock` is the one target that needs uv."""
    done = make(clone, "lock", "UV=")
    assert done.returncode != 0
    assert done.stderr.startswith("make lock needs uv: see https://docs.astral.sh/uv/")
