"""``jupyter nbconvert --to dousell``: a notebook as one file of our look."""

import shutil
from pathlib import Path

import msgspec
import pytest
from nbconvert.exporters import get_exporter

from dousell_cache.reporting import catalog
from dousell_cache.reporting.exporter import DousellExporter
from dousell_cache.reporting.record import VERSION

from .reports import BAD, GOOD, NAME, Seen, finished, made_up, many, measured, save, v4


def write(path: Path, *, executed: bool = True) -> Path:
    """Write a notebook with a heading, code, and an output that would reach outside."""
    outside = v4.new_output("display_data", {"text/html": "<img src='https://example.org/x.png' alt='4 ms'>"})
    cells = [
        v4.new_markdown_cell("# What is it worth?\n\n## Setup"),
        v4.new_code_cell("1 + 1", execution_count=1, outputs=[outside]) if executed else v4.new_code_cell("1 + 1"),
    ]
    notebook = v4.new_notebook(cells=cells)
    if executed:
        notebook.metadata["papermill"] = {
            "parameters": {"environment": "local"},
            "start_time": "2026-11-22T19:30:00.123456+00:00",
            "duration": 24.2,
        }
    save(notebook, path)
    return path


def exported(path: Path, **config: object) -> Seen:
    """Return what a browser makes of the page of a notebook."""
    html, _ = DousellExporter(**config).from_filename(str(path))  # type: ignore[no-untyped-call] # theirs
    return Seen(html)


def test_nbconvert_knows_it() -> None:
    """The entry point is installed, so that the command finds it by name."""
    assert get_exporter("dousell") is DousellExporter  # type: ignore[no-untyped-call] # theirs


def test_a_notebook_is_a_page_of_its_own(tmp_path: Path) -> None:
    """Title, moment, duration and content are there; nothing is fetched, and no level of headings is left out."""
    seen = exported(write(tmp_path / f"{NAME}.ipynb"))
    text = " ".join(seen.text.split())
    for said in ("What is it worth?", "22 November 2026, 19:30 UTC", "24 s", "ran to its end", "1 + 1", "4 ms"):
        assert said in text
    assert seen.fetched == []
    assert [tag for tag, _ in seen.tags if tag in {"h1", "h2", "h3"}][:2] == ["h1", "h2"]


def test_a_notebook_that_was_not_executed_says_so(tmp_path: Path) -> None:
    """It has no verdict, no moment and no figures."""
    seen = exported(write(tmp_path / "x.ipynb", executed=False))
    assert "not executed" in seen.text
    assert seen.exact == []


def test_a_notebook_of_a_run_has_its_verdict(tmp_path: Path) -> None:
    """In a run's folder it shows the figures of results.json for its environment, with margin and trend."""
    many(tmp_path, [5.0, 6.0])
    results = made_up({"local": measured(GOOD, host="5f0c81a9be77"), "vercel": measured(BAD)})
    folder = finished(tmp_path, results)
    seen = exported(write(folder / "notebooks" / "local" / f"{NAME}.ipynb"))
    assert set(seen.exact) == {figure.value for figure in GOOD.values()}
    for said in ("pass", "40.2 ms to spare", "like the run before", results.run.id, "2,040"):
        assert said in seen.text
    assert "../../index.html" in seen.values("a", "href")


@pytest.mark.parametrize("version", [VERSION + 1, None])
def test_a_run_that_cannot_be_read_is_not_shown(tmp_path: Path, version: int | None) -> None:
    """Of another version, or damaged: the notebook is shown alone."""
    results = made_up({"local": measured(GOOD)})
    folder = finished(tmp_path, msgspec.structs.replace(results, version=version or VERSION))
    if version is None:
        (folder / "results.json").write_bytes(b"{")
    assert exported(write(folder / "notebooks" / "local" / f"{NAME}.ipynb")).exact == []


def test_a_page_in_french_says_what_is_not(tmp_path: Path) -> None:
    """The words around a notebook of one's own are French, its own stay, and the page says what does."""
    seen = exported(write(tmp_path / "x.ipynb"), language="fr")
    assert seen.values("html", "lang") == ["fr"]
    assert "22 novembre 2026 à 19:30 UTC" in seen.text
    assert "Restent en anglais ce que calculent les notebooks 00 à 07 (phrases, tableaux, images), le code" in seen.text
    assert "What is it worth?" in seen.text
    assert "en" in [attrs.get("lang") for _, attrs in seen.tags]


def test_a_notebook_of_the_suite_is_in_the_pages_language(tmp_path: Path) -> None:
    """Its title and prose are French on a French page, without a word of that in its file."""
    path = tmp_path / "x.ipynb"
    shutil.copy(catalog.find("08").path, path)
    assert exported(path, language="fr").values("html", "lang") == ["fr"]
    for language, title in (("en", "Does the cache pay"), ("fr", "Le cache est-il rentable")):
        assert title in exported(path, language=language).text
    assert path.read_bytes() == catalog.find("08").path.read_bytes()


def test_a_notebook_elsewhere_is_no_part_of_a_run(tmp_path: Path) -> None:
    """A copy beside another folder's results.json is judged by nothing."""
    folder = finished(tmp_path, made_up({"local": measured(GOOD)}))
    shutil.copy(write(tmp_path / "x.ipynb"), folder / "x.ipynb")
    assert exported(folder / "x.ipynb").exact == []
