"""The README: its example is the file that can be run, its figures are the benchmarks', in both languages."""

import re
from pathlib import Path

import pytest

from .pages import DOCS, ROOT, Snippet, snippets, table

PAGES = [ROOT / "README.md", ROOT / "README.fr.md"]
MEASURED = {"README.md": "Measured beside its peers", "README.fr.md": "Mesuré à côté des autres"}
BENCHMARKS = (DOCS / "reference" / "benchmarks.md").read_text()


def example(page: Path) -> Snippet:
    """Return the page's first example."""
    return snippets(page)[0]


def code(text: str) -> list[str]:
    """Return the lines of a piece of Python that do something: comments, docstrings and annotations left out."""
    text = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    text = re.sub(r"  #.*$| -> [^:]*(?=:$)", "", text, flags=re.MULTILINE)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_example_is_the_one_that_can_be_run(page: Path) -> None:
    """What the page shows is `examples/first_steps.py`, but for its annotations."""
    assert code(example(page).code) == code((ROOT / "examples" / "first_steps.py").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_example_is_short(page: Path) -> None:
    """Twelve lines are no more than that, blank ones not counted."""
    assert len(code(example(page).code)) <= 12


def commands(page: Path) -> list[str]:
    """Return what the page tells to type, without comments and without what stands for something else."""
    lines = [line for piece in snippets(page, "sh") for line in piece.code.splitlines()]
    return [re.sub(r"<.*?>", "<>", line.partition("  #")[0]).strip() for line in lines]


def test_both_languages_tell_the_same_commands() -> None:
    """Whoever reads French is told to type what is typed in English, in the same order, and needs the same programs."""
    english, french = PAGES
    assert commands(french) == commands(english)
    needed = [set(re.findall(r"`([\w-]+)`", page.read_text().partition("Docker")[0])) for page in PAGES]
    assert needed[0] == needed[1] == {"redis-server", "chromium"}


def test_both_languages_have_the_same_sections() -> None:
    """Under each heading of the French page stands what stands under the English one's."""
    english, french = ([line for line in page.read_text().splitlines() if line.startswith("## ")] for page in PAGES)
    assert len(french) == len(english)


def in_english(page: Path) -> list[list[str]]:
    """Return the rows of a page's table of figures, with English signs in the figures of both languages."""
    rows = table(page, MEASURED[page.name])
    if page.name == "README.md":
        return rows
    with_point = [[re.sub(r"(?<=\d),(?=\d)", ".", cell) for cell in row] for row in rows]
    return [[re.sub(r"(?<=\d)\u202f(?=\d)", ",", cell) for cell in row] for row in with_point]


def figures(row: list[str]) -> list[str]:
    """Return the figures of a row's cells, as they are written."""
    return re.findall(r"(?<![\w.-])\d[\d,.]*\d|(?<![\w.-])\d(?![\w.])", " ".join(row[1:]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_figure_is_one_of_the_benchmarks(page: Path) -> None:
    """Each figure of the table stands on the page that the benchmarks write, and the date is that page's."""
    rows = in_english(page)
    told = [figure for row in rows for figure in figures(row)]
    assert len(told) > 3 * len(rows) - 1
    known = set(re.findall(r"\d[\d,.]*\d|\d", BENCHMARKS))
    assert [figure for figure in told if figure not in known] == []


def test_both_languages_tell_the_same_figures() -> None:
    """The French table has the English one's figures, row by row."""
    english, french = map(in_english, PAGES)
    assert [figures(row) for row in french] == [figures(row) for row in english]


def test_the_date_is_that_of_the_benchmarks() -> None:
    """The README names the day on which the benchmark page was last written."""
    days = set(re.findall(r"\b20\d\d-\d\d-\d\d(?=, profile full)", BENCHMARKS))
    assert set(re.findall(r"\b20\d\d-\d\d-\d\d\b", (ROOT / "README.md").read_text())) == days
