"""The pages of the documentation, as tests read them."""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "cache.md"
CHECK = ROOT / "docs" / "reference" / "check.md"
MEASURING = [ROOT / "docs" / "reference" / f"{name}.md" for name in ("compare", "cost", "kpis", "pages", "load")]
MONITOR = ROOT / "docs" / "reference" / "monitor.md"
PAGES = [ROOT / "README.md", REFERENCE, CHECK, *MEASURING, MONITOR, *sorted((ROOT / "docs" / "how-to").glob("*.md"))]

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A piece of Python on a page.

    Args:
        line: where its code begins, counted from 1.
        code: the code.
        output: what the page says that it prints; None where the page does not say.
    """

    line: int
    code: str
    output: str | None


def snippets(page: Path) -> list[Snippet]:
    """Return a page's ```python blocks; the ```text output block that follows one is what it prints.

    What cannot run here is fenced as ```python no-run, and left out.
    """
    text = page.read_text()
    fences = list(_FENCE.finditer(text))
    found = []
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        if fence["info"] == "python":
            told = following["body"] if following and following["info"] == "text output" else None
            found.append(Snippet(text.count("\n", 0, fence.start("body")) + 1, fence["body"], told))
    return found


def table(page: Path, heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading, without its head."""
    section = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), section.splitlines())
    rows = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    assert rows, f"{page.name} has no table under {heading!r}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
