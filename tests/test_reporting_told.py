"""Outputs that are said in every language: English for whoever shows them, another one for a page in it."""

from pathlib import Path
from typing import Any

from IPython.core.formatters import DisplayFormatter

from dousell_cache.reporting.prose import render
from dousell_cache.reporting.tables import Table
from dousell_cache.reporting.told import METADATA, Told
from dousell_cache.reporting.wording import Wording

from .reports import Seen, save, v4

SENTENCE = Told(lambda wording: wording.text("overview.unsure", n=3))
TABLE = Told(lambda wording: Table(wording.text("overview.table"), ("", wording.text("overview.when")), [("a", "b")]))


def output(told: Told[Any]) -> Any:
    """Return the output that a kernel makes of it."""
    data, metadata = DisplayFormatter().format(told)  # type: ignore[no-untyped-call] # theirs
    return v4.new_output("execute_result", data=data, metadata=metadata, execution_count=1)


def page(path: Path, language: Any, *outputs: Any) -> Seen:
    """Return what a page in a language shows of these outputs."""
    save(v4.new_notebook(cells=[v4.new_code_cell("1", outputs=[*outputs], execution_count=1)]), path)
    return Seen(render(path, "x", Wording(language)).html)


def test_whoever_asks_for_no_language_is_told_in_english() -> None:
    """JupyterLab, a terminal and print have the English text, a table as HTML too."""
    assert str(SENTENCE) == "Of 3 nobody can say: too few samples."
    assert output(SENTENCE).data == {"text/plain": str(SENTENCE)}
    assert set(output(TABLE).data) == {"text/plain", "text/html"}
    assert "Where each target stands" in output(TABLE).data["text/html"]


def test_a_page_takes_its_own_language(tmp_path: Path) -> None:
    """A French page shows the French output, marked as French; an English one the English, marked as nothing."""
    english = page(tmp_path / "x.ipynb", "en", output(SENTENCE), output(TABLE))
    french = page(tmp_path / "x.ipynb", "fr", output(SENTENCE), output(TABLE))
    assert "Of 3 nobody can say" in english.text
    assert "quand (UTC)" not in english.text
    assert "Pour 3, nul ne peut trancher" in french.text
    assert "quand (UTC)" in french.text
    assert "Of 3" not in french.text
    assert "when" not in french.text
    marks = [attrs.get("lang") for tag, attrs in french.tags if attrs.get("class") in {"said", "rich"}]
    assert marks == ["fr", "fr"]
    assert "fr" not in [attrs.get("lang") for _, attrs in english.tags]


def test_what_another_wrote_there_is_not_shown(tmp_path: Path) -> None:
    """An output whose metadata hold something else, or another language only, is shown as it is."""
    for metadata in ({METADATA: "fr"}, {METADATA: {"fr": "no"}}, {METADATA: {"de": {"text/plain": "nein"}}}, {}):
        shown = v4.new_output("display_data", data={"text/plain": "as it is"}, metadata=metadata)
        assert "as it is" in page(tmp_path / "x.ipynb", "fr", shown).text
