"""Tables on the pages are tables: a row that stands apart from its head is shown as text with bars."""

from pathlib import Path

import pytest

from .pages import PAGES, ROOT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_belongs_to_a_table(page: Path) -> None:
    """What begins with a bar after a line that does not is a table's head: the next line draws the line under it."""
    lines = page.read_text().splitlines()
    heads = [
        number
        for number, line in enumerate(lines[1:], 1)
        if line.startswith("|") and not lines[number - 1].startswith("|")
    ]
    assert [lines[head] for head in heads if not lines[head + 1].replace(" ", "").startswith("|-")] == []
