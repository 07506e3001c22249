"""Executed notebooks become fragments that fit in and need nothing from outside."""

from pathlib import Path

import pytest
from nbformat import NotebookNode

from dousell_cache.reporting.prose import Rendered, fit_in, render

from .reports import Seen, save, v4

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def fragment(path: Path, *cells: NotebookNode) -> Rendered:
    """Render a notebook of these cells."""
    save(v4.new_notebook(cells=list(cells)), path)
    return render(path, "local, x")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the notebook of a test is."""
    return tmp_path / "x.ipynb"


def test_the_first_heading_is_the_title_and_the_rest_goes_below(path: Path) -> None:
    """Headings continue the page's own, in order, and keep no id that could clash."""
    rendered = fragment(path, v4.new_markdown_cell("# The *title*\n\n## Part\n\n### Detail\n\n# Again"))
    assert rendered.title == "The title"
    assert [tag for tag, _ in Seen(rendered.html).tags if tag.startswith("h")] == ["h4", "h5", "h4"]
    assert not any("id" in attrs for _, attrs in Seen(rendered.html).tags)


def test_code_is_folded_and_outputs_are_shown(path: Path) -> None:
    """The source is behind a summary; text, errors and pictures are in plain sight."""
    outputs = [
        v4.new_output("stream", name="stdout", text="hello & <b>"),
        v4.new_output("error", ename="ValueError", evalue="no", traceback=["  File /srv/me/x.py", "ValueError: no"]),
        v4.new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure>"}),
    ]
    rendered = fragment(path, v4.new_code_cell("answer = 42", outputs=outputs, execution_count=3))
    seen = Seen(rendered.html)
    assert "Code [3]" in seen.text
    assert "answer = 42" in seen.text
    assert "hello & <b>" in seen.text
    assert "ValueError: no" in seen.text
    assert "/srv/me" not in rendered.html
    assert seen.values("img", "alt") == ["A picture that the notebook does not describe"]
    assert "<Figure>" not in seen.text


def test_a_described_picture_keeps_its_description(path: Path) -> None:
    """Alternative text set when the picture was shown is used."""
    output = v4.new_output("display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": "P95 is 4 ms"}})
    assert Seen(fragment(path, v4.new_code_cell("x", outputs=[output])).html).values("img", "alt") == ["P95 is 4 ms"]


def test_markers_of_papermill_are_left_out(path: Path) -> None:
    """The red banners that papermill adds are not the notebook's."""
    marker = v4.new_markdown_cell("<b>An Exception</b>", metadata={"tags": ["papermill-error-cell-tag"]})
    assert "Exception" not in fragment(path, marker, v4.new_markdown_cell("prose")).html


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<script>alert(1)</script>",
        '<img src="https://example.org/x.png" alt="far">',
        '<img src="//example.org/x.png">',
        '<img src="data:image/png;base64,x" srcset="https://example.org/x.png 2x">',
        '<link rel="stylesheet" href="https://example.org/x.css">',
        '<style>@import "https://example.org/x.css";</style>',
        '<p style="background: url(https://example.org/x.png)">x</p>',
        '<iframe src="https://example.org"></iframe>',
        '<object data="x.svg"></object>',
        '<svg><image href="https://example.org/x.png"/><use xlink:href="https://example.org/x.svg#a"/></svg>',
        '<video poster="https://example.org/x.png" src="x.mp4"></video>',
        '<p onclick="alert(1)">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        '<form action="https://example.org"><input></form>',
        '<meta http-equiv="refresh" content="0; url=https://example.org">',
        '<base href="https://example.org">',
    ],
)
def test_nothing_active_and_nothing_from_outside_remains(html: str) -> None:
    """Whatever an output holds, the page fetches nothing and runs nothing."""
    cleaned = fit_in(html, "x").html
    seen = Seen(cleaned)
    assert seen.fetched == []
    assert not {"script", "iframe", "object", "form", "meta", "base", "link"} & {tag for tag, _ in seen.tags}
    assert not any(name.startswith("on") for _, attrs in seen.tags for name in attrs)
    assert "javascript:" not in cleaned
    assert "url(" not in cleaned
    assert "@import" not in cleaned


def test_a_picture_from_outside_leaves_its_description() -> None:
    """A reader is told what is missing."""
    assert (
        "picture left out, it is not in this file: far" in fit_in('<img src="https://e.org/x.png" alt="far">', "x").html
    )


def test_links_stay() -> None:
    """A link is not fetched, so it stays."""
    assert Seen(fit_in('<a href="https://example.org">x</a>', "x").html).values("a", "href") == ["https://example.org"]


def test_tables_can_be_read_and_scrolled() -> None:
    """Headers have a scope, an empty one is none, and the table is in a named region that takes the focus."""
    table = (
        "<table><caption>KPIs</caption><thead><tr><th></th><th>value</th></tr></thead>"
        "<tbody><tr><th>a</th><td>1</td></tr></tbody></table>"
    )
    seen = Seen(fit_in(table + "<table><tr><td>1</td></tr></table>", "local, x").html)
    assert seen.values("th", "scope") == ["col", "row"]
    assert seen.values("div", "aria-label") == ["KPIs, table 1 of local, x", "Table 2 of local, x"]
    assert seen.values("div", "tabindex") == ["0", "0"]


def test_ids_are_the_notebooks_own() -> None:
    """Ids, what refers to them, names of choices and style get the notebook's name; other words stay."""
    html = (
        "<style>#a:checked ~ p { color: #abc }</style><input id='a' name='n'><label for='a'>x</label><a href='#a'>y</a>"
    )
    own = fit_in(html, "local, 01_x").html
    assert "#local-01_x-a:checked" in own
    assert "color: #abc" in own
    seen = Seen(own)
    assert (seen.values("input", "id"), seen.values("label", "for")) == (["local-01_x-a"], ["local-01_x-a"])
    assert (seen.values("input", "name"), seen.values("a", "href")) == (["local-01_x-n"], ["#local-01_x-a"])


def test_an_empty_header_is_a_cell() -> None:
    """What heads nothing is no header, and has no scope."""
    seen = Seen(fit_in("<table><thead><tr><th scope='col'></th><th>hits</th></tr></thead></table>", "x").html)
    assert [(tag, attrs.get("scope")) for tag, attrs in seen.tags if tag in {"td", "th"}] == [
        ("td", None),
        ("th", "col"),
    ]
