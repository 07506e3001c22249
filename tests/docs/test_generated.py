"""Pages and pictures that are made from the code are current, and the pictures can be read by everybody."""

import re
from xml.etree import ElementTree as ET

import pytest

from docs.generate import arrows, docstrings, states
from docs.generate.__main__ import made

from .pages import DOCS, PAGES, ROOT

MADE = made()
PICTURES = [name for name in MADE if name.endswith(".svg")]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", MADE)
def test_a_made_file_is_current(name: str) -> None:
    """What is committed is what the code says now."""
    assert (ROOT / name).read_text("utf-8") == MADE[name], "run `make docs`"


def test_nothing_that_is_no_longer_made_lies_about() -> None:
    """The folder of names has the made pages and no other."""
    there = {path.relative_to(ROOT).as_posix() for path in (DOCS / "reference" / "api").iterdir()}
    assert there == {name for name in MADE if name.startswith("docs/reference/api/")}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_told_to_those_who_do_not_see_it(name: str) -> None:
    """A picture is well-formed, has a title and a description, and knows the dark."""
    root = ET.fromstring(MADE[name])  # noqa: S314 - our own text
    assert root.get("role") == "img"
    assert all((root.findtext(f"{SVG}{part}") or "").strip() for part in ("title", "desc"))
    assert "prefers-color-scheme: dark" in MADE[name]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_shown_with_its_words(name: str) -> None:
    """Some page shows each picture, with a text in its place."""
    file = name.rpartition("/")[2]
    shown = [
        match for page in PAGES for match in re.findall(rf"!\[([^]]*)\]\([^)]*{re.escape(file)}\)", page.read_text())
    ]
    assert shown
    assert all(len(words.split()) > 3 for words in shown)


def test_a_diagram_with_other_states_than_the_code_is_refused() -> None:
    """A state that the code has and the diagram lacks, or the other way round, stops the drawing."""
    with pytest.raises(ValueError, match="differ in half-open"):
        states.drawn(states.BREAKER, frozenset({"closed", "open"}))


def test_an_arrow_that_a_longer_way_replaces_is_left_out() -> None:
    """Of a → b → c and a → c only the first two are drawn; a circle is refused."""
    assert arrows.direct({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}
    with pytest.raises(ValueError, match="circle: a → b → a"):
        arrows.rows({"a": {"b"}, "b": {"a"}})


def test_a_docstring_becomes_markdown() -> None:
    """Sections become lists, continued lines are joined, roles and doubled backticks become code."""
    written = """Do it.

    Args:
        first: what it is, and
            more of it.
        second, third: ``x``, see :func:`~module.name`.

    Raises:
        ValueError: it makes no sense.
    """
    assert docstrings.shown(written).splitlines() == [
        "Do it.",
        "",
        "*Args*",
        "",
        "- `first`: what it is, and more of it.",
        "- `second, third`: `x`, see `module.name`.",
        "",
        "*Raises*",
        "",
        "- `ValueError`: it makes no sense.",
    ]
    assert docstrings.described(written)["third"] == "`x`, see `module.name`."
