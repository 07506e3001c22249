"""The notebooks' prose in French: all of it, of the English as it is, and built as that is."""

import re
from collections import Counter
from typing import NamedTuple

import pytest
from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html

from dousell_cache.languages import notebooks
from dousell_cache.languages.notebooks import digest, translated
from dousell_cache.reporting import catalog

BLOCKS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "tr", "pre", "blockquote"]
ENGLISH = {
    f"{name}.{cell.id}": str(cell.source)
    for name in catalog.names()
    for cell in catalog.read_notebook(catalog.folder() / f"{name}.ipynb").cells
    if cell.cell_type == "markdown"
}
FRENCH = notebooks.prose("fr")


class Built(NamedTuple):
    """What a cell is made of, whatever its language."""

    blocks: list[str]
    code: Counter[str]
    links: Counter[str]
    bold: int
    numbers: Counter[str]


def built(source: str) -> Built:
    """Return what a browser makes of a Markdown cell, without its words."""
    soup = rendered(source)
    blocks, bold = [tag.name for tag in soup.find_all(BLOCKS)], len(soup.find_all("strong"))
    code = Counter(tag.get_text() for tag in soup.find_all("code"))
    links = Counter(str(tag["href"]) for tag in soup.find_all("a"))
    return Built(blocks, code, links, bold, Counter(re.findall(r"\d+", words(soup))))


def rendered(source: str) -> BeautifulSoup:
    """Return a Markdown cell as nbconvert renders it, without the anchors that it adds to headings."""
    soup = BeautifulSoup(markdown2html(source), "html.parser")
    for anchor in soup.find_all("a", class_="anchor-link"):
        anchor.decompose()
    return soup


def words(soup: BeautifulSoup) -> str:
    """Return the text of a cell without what is code."""
    for tag in soup.find_all("code"):
        tag.decompose()
    return str(soup.get_text())


def test_every_cell_has_a_french_text() -> None:
    """None is missing, and none is left over from a cell that is gone."""
    assert sorted(set(ENGLISH) - set(FRENCH)) == [], "these cells have no table in notebooks.fr.toml"
    assert sorted(set(FRENCH) - set(ENGLISH)) == [], "these tables of notebooks.fr.toml have no cell"


@pytest.mark.parametrize("cell", sorted(set(ENGLISH) & set(FRENCH)))
def test_a_french_text_is_that_of_the_english_one(cell: str) -> None:
    """It is of the English as it is now, with its headings, lists, code, links, bold words and numbers."""
    source, french = ENGLISH[cell], FRENCH[cell]
    assert built(french.text) == built(source)
    known = digest(source)
    assert french.of == known, f'{cell} has changed in English: read its French again, then write of = "{known}"'


def test_a_text_that_cells_share_is_translated_once() -> None:
    """Texts are found by their English alone, so the same English is the same French everywhere."""
    told = {(one.of, one.text) for one in FRENCH.values()}
    assert len(told) == len({of for of, _ in told})


@pytest.mark.parametrize("cell", sorted(FRENCH))
def test_french_signs_stand_where_they_belong(cell: str) -> None:
    """A space, no new line, is before : ; ? ! % and inside « », the only quotation marks; nothing says tu."""
    text = words(rendered(FRENCH[cell].text))
    assert re.findall(r"[^ ][:;?!%»]|«[^ ]|[\"“”\u2019]", text) == []
    assert re.findall(r"\b(?:tu|toi|ton|ta|tes)\b", text) == []


def test_only_what_is_still_the_shipped_text_is_translated() -> None:
    """One letter more, or a language that the notebooks are written in, and there is no translation."""
    source = ENGLISH["00_check_connection.00-07"]
    assert str(translated(source, "fr")).startswith("## Ce que cela veut dire\n")
    assert translated(f"{source}!", "fr") is None
    assert translated(source, "en") is None


def test_what_a_cell_is_built_of_is_noticed() -> None:
    """The comparison sees a lost number, list item, link, bold word and code span."""
    whole = "## A\n\n- **b** `c` [d](e) 7\n- f"
    for less in ("**b**", "`c`", "[d](e)", "7", "\n- f", "## "):
        assert built(whole.replace(less, "b")) != built(whole)
