"""An executed notebook as a fragment of our page: rendered by nbconvert, then made to fit in and need nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from nbconvert import HTMLExporter

from .catalog import read_notebook

_TEMPLATES = Path(__file__).parent / "templates"
_ERROR_MARKER = "papermill-error-cell-tag"
_DEEPER = {"h1": "h4", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}
_ACTIVE = ("script", "iframe", "object", "embed", "link", "base", "meta", "form", "noscript", "template")
_LOADING = ("src", "srcset", "poster", "data", "background", "xlink:href")
_STYLE_LOADS = ("url(", "@import", "image-set(")


@dataclass(frozen=True)
class Rendered:
    """A notebook ready for the page.

    Args:
        title: its first heading, or nothing.
        html: the rest, headings from h4 down.
    """

    title: str
    html: str


def render(path: Path, where: str) -> Rendered:
    """Render an executed notebook.

    Args:
        path: the notebook.
        where: what tells its tables from those of the page's other notebooks, for screen readers.

    Raises:
        OSError: the file cannot be read.
    """
    notebook = read_notebook(path)
    notebook.cells = [cell for cell in notebook.cells if _ERROR_MARKER not in cell.metadata.get("tags", [])]
    html, _ = _exporter().from_notebook_node(notebook)
    return fit_in(html, where)


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(  # type: ignore[no-untyped-call] # nbconvert is typed in part
        template_name="notebook",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_anchor_links=True,
    )


def fit_in(html: str, where: str) -> Rendered:
    """Make a fragment fit in: nothing active, nothing from outside, headings below ours, tables accessible."""
    soup = BeautifulSoup(html, "html.parser")
    _make_inert(soup)
    _drop_outside(soup)
    title = _take_title(soup)
    for heading in soup.find_all(list(_DEEPER)):
        heading.attrs.clear()
        heading.name = _DEEPER[heading.name]
    for number, table in enumerate(soup.find_all("table"), start=1):
        _scope_headers(table)
        _make_scrollable(soup, table, f"table {number} of {where}")
    for block in soup.find_all("pre"):
        block["tabindex"] = "0"
    return Rendered(title, str(soup))


def _make_inert(soup: BeautifulSoup) -> None:
    for tag in soup.find_all(list(_ACTIVE)):
        tag.decompose()
    for tag in soup.find_all(True):
        for name in [name for name in tag.attrs if name.lower().startswith("on")]:
            del tag[name]
        if str(tag.get("href", "")).strip().lower().startswith(("javascript:", "data:")):
            del tag["href"]


def _drop_outside(soup: BeautifulSoup) -> None:
    """Drop what a browser would fetch: pictures become their descriptions, links stay links."""
    for tag in soup.find_all("style"):
        if any(mark in tag.get_text() for mark in _STYLE_LOADS):
            tag.decompose()
    for tag in soup.find_all(True):
        if any(mark in str(tag.get("style", "")) for mark in _STYLE_LOADS):
            del tag["style"]
        for name in [name for name in _loading(tag) if not str(tag[name]).startswith(("data:", "#"))]:
            del tag[name]
    for image in soup.find_all("img"):
        if not image.get("src"):
            image.replace_with(f"[picture left out, it is not in this file: {image.get('alt') or 'no description'}]")
        elif not image.get("alt"):
            image["alt"] = "A picture that the notebook does not describe"


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


def _scope_headers(table: Tag) -> None:
    for header in table.find_all("th"):
        if not header.get_text().strip():
            header.name = "td"
        elif not header.get("scope"):
            header["scope"] = "col" if header.find_parent("thead") else "row"


def _make_scrollable(soup: BeautifulSoup, table: Tag, name: str) -> None:
    caption = table.find("caption")
    label = f"{caption.get_text().strip()}, {name}" if caption else name.capitalize()
    region = soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label})
    table.wrap(region)
