"""The written standard of this suite's notebooks, as rules that a notebook keeps or breaks. Pure.

The standard in words is ``docs/reference/notebooks.md``; each rule here returns a sentence for whatever breaks it.
"""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .parameters import Parameter

MOST_LINES = 8
"""Lines of a code cell that are not empty; the parameters have a line each."""
PROMISES = ("Purpose", "Inputs", "Outputs", "Duration")
"""What the first cell says, in this order, each in bold."""

_NAME = re.compile(r"\d\d_[a-z]+(_[a-z]+)+|\d\d_overview")
_FORBIDDEN = {
    "sys.exit": r"\bsys\.exit\b",
    "a magic or a shell command": r"^\s*[%!]",
    "while True": r"\bwhile\s+True\b",
    "a function or class of its own": r"^\s*(async\s+def|def|class)\s",
}


class Cell(NamedTuple):
    """A cell as the standard sees it.

    Args:
        kind: ``markdown`` or ``code``.
        source: its text.
        tags: its tags.
        is_clean: whether it has neither outputs nor a count.
    """

    kind: str
    source: str
    tags: tuple[str, ...] = ()
    is_clean: bool = True


def violations(name: str, cells: Sequence[Cell], schema: Sequence[Parameter]) -> list[str]:
    """Return a sentence for each place where a notebook breaks the standard.

    Args:
        name: its file name without the ending.
        cells: its cells, in order.
        schema: the parameters that the package declares for it.
    """
    named = [] if _NAME.fullmatch(name) else [f"its name must be NN_verb_object, not {name}"]
    return [*named, *(told for rule in _RULES for told in rule(cells)), *_parameters(cells, schema)]


def _opening(cells: Sequence[Cell]) -> Iterator[str]:
    titles = [line for cell in cells if cell.kind == "markdown" for line in cell.source.splitlines()]
    if sum(line.startswith("# ") for line in titles) != 1:
        yield "it must have exactly one title of the first level"
    first = cells[0].source if cells and cells[0].kind == "markdown" else ""
    found = [word for word in re.findall(r"\*\*(\w+)\.\*\*", first) if word in PROMISES]
    if not first.startswith("# ") or tuple(found) != PROMISES:
        yield f"its first cell must have the title, then {', '.join(PROMISES)}, each in bold"


def _prose(cells: Sequence[Cell]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        if cell.kind == "code" and (number == 0 or cells[number - 1].kind != "markdown"):
            yield f"cell {number} must have prose before it"


def _thin(cells: Sequence[Cell]) -> Iterator[str]:
    for number, cell in _code(cells):
        lines = sum(1 for line in cell.source.splitlines() if line.strip())
        if lines > MOST_LINES and "parameters" not in cell.tags and not _only_imports(cell.source):
            yield f"cell {number} must have {MOST_LINES} lines at most, not {lines}"
        if not cell.is_clean:
            yield f"cell {number} must be committed without outputs and counts"


def _plain(cells: Sequence[Cell]) -> Iterator[str]:
    for number, cell in _code(cells):
        for word, pattern in _FORBIDDEN.items():
            if re.search(pattern, cell.source, re.MULTILINE):
                yield f"cell {number} must be without {word}"


def _setup(cells: Sequence[Cell]) -> Iterator[str]:
    for number, cell in list(_code(cells))[1:]:
        if re.search(r"^\s*(import|from)\s", cell.source, re.MULTILINE):
            yield f"cell {number} imports: imports belong into the first cell of code"


def _readings(cells: Sequence[Cell]) -> Iterator[str]:
    """Ask that what is measured is also told in words that are computed from it."""
    if not any(re.search(r"print\(|\.reading\b", cell.source) for _, cell in _code(cells)):
        yield "it must show what was found, in sentences computed from the result"


def _parameters(cells: Sequence[Cell], schema: Sequence[Parameter]) -> Iterator[str]:
    tagged = [cell.source for _, cell in _code(cells) if "parameters" in cell.tags]
    if len(tagged) != 1:
        yield f"it must have exactly one cell with the tag parameters, not {len(tagged)}"
    elif [line for line in tagged[0].splitlines() if line.strip()] != [parameter.line for parameter in schema]:
        yield "its parameters cell must declare what the package's schema says, line by line"


def _code(cells: Sequence[Cell]) -> Iterator[tuple[int, Cell]]:
    return ((number, cell) for number, cell in enumerate(cells) if cell.kind == "code")


def _only_imports(source: str) -> bool:
    """Tell whether a cell imports, starts the notebook, and does no more: such lines may be many."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return False
    rest = [node for node in statements if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return len(rest) <= 1 and all(ast.unparse(node) == "start_notebook()" for node in rest)


_RULES: tuple[Callable[[Sequence[Cell]], Iterator[str]], ...] = (_opening, _prose, _thin, _plain, _setup, _readings)
