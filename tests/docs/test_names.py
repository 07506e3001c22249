"""What the pages name is there: modules and names, files, options, variables, make targets."""

import argparse
import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from docs.generate.commands import commands
from docs.generate.names import PAGES as API
from docs.generate.names import described_modules, exists, public
from dousell_cache.cli import parser

from .pages import DOCS, PAGES, ROOT, prose, shell_lines

ENVIRONMENT = DOCS / "reference" / "environment.md"
_CODE = re.compile(r"`([^`\n]+)`")
_NAME = re.compile(r"^dousell_cache(\.\w+)+$")
_FILE = re.compile(r"^(?:docs|dousell_cache|tests|examples|notebooks|benchmarks|reports/example)/[\w./-]+\.\w+$")
_VARIABLE = re.compile(r"^(?:DOUSELL|UPSTASH|KV|REDIS|VALKEY|SUPABASE|VERCEL|DATABASE|SITE)(?:_[A-Z]+)*$")
# Read by what is not this package: the example application, the local cloud's own emulator, vendors.
_NOT_OURS = {"SITE_TOKEN", "SITE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL", "UPSTASH_EMULATOR_TOKEN"}


def coded(page: Path) -> list[str]:
    """Return what a page's prose has between backticks."""
    return _CODE.findall(prose(page))


def resolves(name: str) -> bool:
    """Tell whether a dotted name leads to a module, or to something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def variables_in_the_code() -> set[str]:
    """Return the environment variables that the package's own constants name."""
    found = set()
    for path in (ROOT / "dousell_cache").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _VARIABLE.match(node.value):
                found.add(node.value)
    return found - _NOT_OURS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_and_files_are_there(page: Path) -> None:
    """Each dotted name of the package can be imported, each file that is named exists."""
    named = coded(page)
    named = [] if page.name == "metrics.md" else named  # whose names look like modules', and are instruments'
    lost = [name for name in named if _NAME.match(name) and not _FILE.match(name) and not resolves(name)]
    lost += [name for name in named if _FILE.match(name) and not (ROOT / name).exists()]
    assert lost == []


def test_every_variable_has_a_row() -> None:
    """The page of variables has each that the code reads, and no other."""
    told = {name for name in coded(ENVIRONMENT) if _VARIABLE.match(name)}
    assert told - _NOT_OURS == variables_in_the_code()


def test_the_example_of_a_dotenv_has_every_variable() -> None:
    """What one may set is in `.env.example`, but for what a run sets by itself."""
    text = (ROOT / ".env.example").read_text()
    offered = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert offered == variables_in_the_code() - {"DOUSELL_CACHE_RESULTS"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_are_there(page: Path) -> None:
    """No page tells of a variable that nothing reads."""
    known = {name for name in coded(ENVIRONMENT) if _VARIABLE.match(name)} | _NOT_OURS
    assert {name for name in coded(page) if _VARIABLE.match(name)} - known == set()


def parsed(line: str) -> str | None:
    """Return what is wrong with a line of the command, as its own parser sees it; None if nothing is."""
    words = shlex.split(line)
    at = next(i for i, word in enumerate(words) if word.endswith("dousell-cache"))
    end = next((i for i, word in enumerate(words) if i > at and word in {"|", ">", ">>", "&&", ";", "||", "&"}), None)
    try:
        parser().parse_args(words[at + 1 : end])
    except SystemExit as stopped:
        return None if stopped.code == 0 else line
    except argparse.ArgumentError as error:  # pragma: no cover - argparse exits instead
        return str(error)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of a shell block that calls the command has options that there are."""
    lines = [line for line in shell_lines(page) if re.search(r"(^|[\s/])dousell-cache(\s|$)", line)]
    wrong = [line for line in lines if not line.startswith(("pip", "git")) and parsed(line)]
    assert wrong == [], capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_are_there(page: Path) -> None:
    """Each `make` that a page tells to run has its target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = [line.split()[1:] for line in [*shell_lines(page), *coded(page)] if re.match(r"make( |$)", line)]
    named = {word for words in asked for word in words[:1] if "=" not in word}
    assert named - targets == set()


def test_every_option_has_a_command() -> None:
    """What the guide and the how-to pages call an option is one of some command."""
    known = {
        option for _, command in commands(parser()) for action in command._actions for option in action.option_strings
    }
    pages = [page for page in PAGES if page.parent.name in {"guide", "how-to"}]
    told = {(page.name, word) for page in pages for word in coded(page) if re.match(r"--[a-z][a-z-]*$", word)}
    foreign = {"--no-tls", "--tls", "--preload", "--workers", "--reload", "--app-dir", "--wait"}
    assert {(page, word) for page, word in told if word not in known | foreign} == set()


def test_every_public_name_is_on_a_page() -> None:
    """Each name that the package or one of its packages exports has its entry in the reference."""
    for name, page in API.items():
        text = (DOCS / "reference" / "api" / f"{name}.md").read_text() if any(map(exists, page.modules)) else ""
        for module in filter(exists, page.modules):
            for inner in described_modules(module):
                assert [one for one, _ in public(inner) if f"# `{one}`" not in text] == [], inner.__name__
