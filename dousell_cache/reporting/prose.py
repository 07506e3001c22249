"""An executed notebook as a fragment of our page: rendered by nbconvert, then made to fit in and need nothing else."""

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from nbconvert import HTMLExporter

from . import pictures, told
from .catalog import read_notebook
from .templating import FOLDER
from .wording import ENGLISH, Wording

TEMPLATE = "dousell"
"""The nbconvert template in :data:`.templating.FOLDER` that makes a fragment of a notebook."""
LANGUAGE = "dousell_language"
"""Where the metadata of a cell or an output tell the template what language it was put into."""

_ERROR_MARKER = "papermill-error-cell-tag"
_IDS = ("id", "for", "headers", "aria-labelledby", "aria-describedby", "aria-controls")
_SHORT = 28  # characters of a cell that stay on one line
_ACTIVE = ("script", "iframe", "object", "embed", "link", "base", "meta", "form", "noscript", "template")
_LOADING = ("src", "srcset", "poster", "data", "background", "xlink:href")
_STYLE_LOADS = ("url(", "@import", "image-set(")


@dataclass(frozen=True)
class Rendered:
    """A notebook ready for the page.

    Args:
        title: its first heading, or nothing.
        html: the rest, headings below the title's.
    """

    title: str
    html: str


def render(path: Path, where: str, wording: Wording = ENGLISH, top: int = 4) -> Rendered:
    """Render an executed notebook.

    Args:
        path: the notebook.
        where: what tells its tables from those of the page's other notebooks, for screen readers.
        wording: of the page; default English.
        top: the level of its first headings; default 4, below a chapter's title.

    Raises:
        OSError: the file cannot be read.
    """
    html, _ = _exporter().from_notebook_node(as_shown(read_notebook(path), wording))
    return fit_in(html, where, wording, top)


def as_shown(notebook: nbformat.NotebookNode, wording: Wording) -> nbformat.NotebookNode:
    """Return a notebook as a page shows it; the one given stays as it is.

    Cells that papermill adds to one that failed are left out. The prose of this suite's notebooks, and outputs that are
    :mod:`.told`, are in the page's language, and marked as such; a cell that a reader has changed, or of a notebook of
    their own, is as they wrote it.

    Args:
        notebook: as it was read.
        wording: of the page.
    """
    kept = [cell for cell in notebook.cells if _ERROR_MARKER not in cell.metadata.get("tags", [])]
    shown = copy(notebook)
    shown.cells = [_in_words(cell, wording) for cell in kept]
    return shown


def _in_words(cell: nbformat.NotebookNode, wording: Wording) -> nbformat.NotebookNode:
    shown = copy(cell)
    if cell.cell_type == "code":
        shown.outputs = [_said(output, wording) for output in cell.outputs]
        return shown
    text = wording.prose(cell.source) if cell.cell_type == "markdown" else None
    if text is not None:
        shown.source, shown.metadata = text, _marked(cell.metadata, wording)
    return shown


def _said(output: nbformat.NotebookNode, wording: Wording) -> nbformat.NotebookNode:
    """Return an output as it was said in the page's language, where it was said in several."""
    match output.get("metadata", {}).get(told.METADATA):
        case {wording.language: {**said}}:
            shown = copy(output)
            shown.data, shown.metadata = {**output.data, **said}, _marked(output.metadata, wording)
            return shown
    return output


def _marked(metadata: nbformat.NotebookNode, wording: Wording) -> nbformat.NotebookNode:
    """Return metadata that tell the template what language something was put into."""
    marked = copy(metadata)
    marked[LANGUAGE] = wording.language
    return marked


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(  # type: ignore[no-untyped-call] # nbconvert is typed in part
        template_name=TEMPLATE, extra_template_basedirs=[str(FOLDER)], exclude_anchor_links=True
    )


def fit_in(html: str, where: str, wording: Wording = ENGLISH, top: int = 4) -> Rendered:
    """Make a fragment fit in: nothing active, nothing from outside, headings below ours, tables accessible."""
    soup = BeautifulSoup(html, "html.parser")
    _make_inert(soup)
    _drop_outside(soup)
    pictures.prepare(soup, wording)
    title = _take_title(soup)
    _lower(soup, top)
    _make_own(soup, where)
    for number, table in enumerate(soup.find_all("table"), start=1):
        _scope_headers(table)
        _make_scrollable(soup, table, wording.plain("chapter.table", n=number, where=where))
    for block in soup.find_all("pre"):
        block["tabindex"] = "0"
    return Rendered(title, str(soup))


def _lower(soup: BeautifulSoup, top: int) -> None:
    """Put headings below the title they stand under, no level left out."""
    for heading in soup.find_all(["h1", "h2", "h3", "h4", "h5", "h6"]):
        level = max(2, int(heading.name[1]))
        heading.attrs.clear()
        heading.name = f"h{min(6, level - 2 + top)}"


def _make_inert(soup: BeautifulSoup) -> None:
    for tag in soup.find_all(list(_ACTIVE)):
        tag.decompose()
    for tag in soup.find_all(True):
        for name in [name for name in tag.attrs if name.lower().startswith("on")]:
            del tag[name]
        if str(tag.get("href", "")).strip().lower().startswith(("javascript:", "data:")):
            del tag["href"]


def _drop_outside(soup: BeautifulSoup) -> None:
    """Drop what a browser would fetch; links stay links."""
    for tag in soup.find_all("style"):
        if any(mark in tag.get_text() for mark in _STYLE_LOADS):
            tag.decompose()
    for tag in soup.find_all(True):
        if any(mark in str(tag.get("style", "")) for mark in _STYLE_LOADS):
            del tag["style"]
        for name in [name for name in _loading(tag) if not str(tag[name]).startswith(("data:", "#"))]:
            del tag[name]


def _loading(tag: Tag) -> Iterator[str]:
    yield from (name for name in _LOADING if name in tag.attrs)
    if tag.name in {"image", "use"} and "href" in tag.attrs:
        yield "href"


def _take_title(soup: BeautifulSoup) -> str:
    heading = soup.find("h1")
    if heading is None:
        return ""
    heading.extract()
    return heading.get_text().strip()


def _make_own(soup: BeautifulSoup, where: str) -> None:
    """Let no id or choice be that of another notebook on the page: the same one is there for each environment."""
    prefix = re.sub(r"\W+", "-", where.lower())
    ids = {str(tag["id"]) for tag in soup.find_all(id=True)}
    for tag in soup.find_all(True):
        for name in [name for name in _IDS if name in tag.attrs]:
            words = str(tag[name]).split()
            tag[name] = " ".join(f"{prefix}-{word}" if word in ids else word for word in words)
        if tag.name == "input" and tag.get("name"):
            tag["name"] = f"{prefix}-{tag['name']}"
        if str(tag.get("href", "")).removeprefix("#") in ids:
            tag["href"] = f"#{prefix}-{str(tag['href']).removeprefix('#')}"
    for style in soup.find_all("style"):
        written = style.get_text()
        style.string = re.sub(r"""([#"'])([\w-]+)""", lambda found: _own(found, ids, prefix), written)


def _own(found: "re.Match[str]", ids: set[str], prefix: str) -> str:
    mark, word = found.groups()
    return f"{mark}{prefix}-{word}" if word in ids else f"{mark}{word}"


def _scope_headers(table: Tag) -> None:
    for header in table.find_all("th"):
        if not header.get_text().strip():
            header.name = "td"
            del header["scope"]
        elif not header.get("scope"):
            header["scope"] = "col" if header.find_parent("thead") else "row"
    for cell in table.find_all(["td", "th"]):
        if len(cell.get_text().strip()) > _SHORT:
            cell["class"] = "long"


def _make_scrollable(soup: BeautifulSoup, table: Tag, name: str) -> None:
    caption = table.find("caption")
    label = f"{caption.get_text().strip()}, {name}" if caption else f"{name[:1].upper()}{name[1:]}"
    region = soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label})
    table.wrap(region)
