"""The pages of the documentation, as tests read them."""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference" / "cache.md"
CHECK = DOCS / "reference" / "check.md"
MONITOR = DOCS / "reference" / "monitor.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "README.fr.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
"""Every page."""

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A piece of code on a page.

    Args:
        line: where its code begins, counted from 1.
        code: the code.
        output: what the page says that it prints; None where the page does not say.
    """

    line: int
    code: str
    output: str | None


def snippets(page: Path, language: str = "python") -> list[Snippet]:
    """Return a page's blocks in a language; the ```text output block that follows one is what it prints.

    What cannot run here is fenced as ```python no-run, and left out. Shell blocks that run here are ```sh run.
    """
    text = page.read_text()
    fences = list(_FENCE.finditer(text))
    found = []
    for fence, following in itertools.zip_longest(fences, fences[1:]):
        if fence["info"] == language:
            told = following["body"] if following and following["info"] == "text output" else None
            found.append(Snippet(text.count("\n", 0, fence.start("body")) + 1, fence["body"], told))
    return found


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def shell_lines(page: Path) -> list[str]:
    """Return each command that a page's shell blocks show, continued lines joined, comments and output left out."""
    lines = []
    for language in ("sh", "sh run", "console"):
        for piece in snippets(page, language):
            joined = piece.code.replace("\\\n", " ").splitlines()
            lines += [line.removeprefix("$ ") for line in joined if language != "console" or line.startswith("$ ")]
    return [line for line in (line.partition(" #")[0].strip() for line in lines) if line and not line.startswith("#")]


def table(page: Path, heading: str, number: int = 0) -> list[list[str]]:
    """Return the rows of a table under a heading, the first unless told, without its head."""
    section = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = [
        list(rows) for is_row, rows in itertools.groupby(section.splitlines(), lambda line: line[:1] == "|") if is_row
    ]
    assert number < len(tables), f"{page.name} has no such table under {heading!r}"
    rows = [re.split(r"(?<!\\)\|", row.strip("|")) for row in tables[number][2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in rows]
