"""What others get: the wheel, and the source package, which is the repository less what git ignores."""

import configparser
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import dousell_cache

ROOT = Path(__file__).parents[1]
# A folder that only one machine has; written so that it does not match itself.
PRIVATE_FOLDER = re.compile(r"(?<![\w.~)}-])/(?:root\b|(?:home|Users|tmp)/\w)[^\s\"'`]*")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds one wheel and one source package of this clone."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, str]:
    """The text of the wheel's files by name; its .dist-info folder is called INFO here."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return {re.sub(r"^[^/]+\.dist-info", "INFO", n): archive.read(n).decode(errors="replace") for n in names}


@pytest.fixture(scope="module")
def source(built: Path) -> dict[str, str]:
    """The text of the source package's files by name: every file of the repository that git does not ignore."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = {m.name.partition("/")[2]: archive.extractfile(m) for m in archive.getmembers()}
        return {name: file.read().decode(errors="replace") for name, file in files.items() if file}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, str]) -> Message:
    """The wheel's METADATA."""
    return Parser().parsestr(wheel["INFO/METADATA"])


def package_files() -> set[str]:
    """Every file of the package in this clone, but for what running it leaves."""
    left = {"__pycache__", "node_modules", ".ipynb_checkpoints"}
    found = (p.relative_to(ROOT) for p in (ROOT / "dousell_cache").rglob("*") if p.is_file())
    return {path.as_posix() for path in found if left.isdisjoint(path.parts)}


def test_the_wheel_carries_every_file_of_the_package(wheel: dict[str, str]) -> None:
    """SQL, Lua, templates, package-lock.json, py.typed and the notebooks are installed, not only the Python files."""
    carried = {name for name in wheel if not name.startswith("INFO/")}
    notebooks = {f"dousell_cache/_notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert carried == package_files() | notebooks
    assert "dousell_cache/py.typed" in carried


def test_the_source_package_can_be_worked_on(source: dict[str, str]) -> None:
    """A source package holds what a contributor needs: the commands, the locked versions and the tests."""
    assert source.keys() >= {"Makefile", ".ci/run", "uv.lock", "constraints.txt", "environment.yml", "LICENSE"}
    assert "tests/test_distribution.py" in source


def test_no_file_names_a_folder_of_somebodys_machine(source: dict[str, str]) -> None:
    """Every path in the repository means something in every clone: none starts in a home or scratch folder."""
    named = {name: found for name, text in source.items() if (found := PRIVATE_FOLDER.findall(text))}
    assert named == {}


def test_notebooks_are_committed_without_outputs() -> None:
    """No notebook carries an output or an execution count: they would be one machine's, and fill every diff."""
    cells = [
        (path.name, cell)
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        for cell in json.loads(path.read_text())["cells"]
    ]
    executed = {name for name, cell in cells if cell.get("outputs") or cell.get("execution_count")}
    assert executed == set(), "run `make format`"


def test_the_version_is_written_once(metadata: Message) -> None:
    """The version of a built package is `dousell_cache.__version__`, and pyproject.toml has none of its own."""
    assert metadata["Version"] == dousell_cache.__version__
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()


def test_the_package_says_its_licence_and_extras(metadata: Message, wheel: dict[str, str]) -> None:
    """A built package names the MIT licence, ships its text, and offers its extras."""
    assert metadata["License-Expression"] == "MIT"
    assert "Dousell Immo" in wheel["INFO/licenses/LICENSE"]
    assert set(metadata.get_all("Provides-Extra", [])) == {"lab", "prometheus", "opentelemetry", "cluster", "dev"}


def test_the_command_is_installed(wheel: dict[str, str]) -> None:
    """The wheel installs one command, `dousell-cache`, and one exporter for nbconvert, `dousell`."""
    registered = configparser.ConfigParser()
    registered.read_string(wheel["INFO/entry_points.txt"])
    assert {name: dict(registered[name]) for name in registered.sections()} == {
        "console_scripts": {"dousell-cache": "dousell_cache.cli:main"},
        "nbconvert.exporters": {"dousell": "dousell_cache.reporting.exporter:DousellExporter"},
    }
