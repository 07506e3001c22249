"""Which notebook a word means."""

from pathlib import Path

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.reporting import catalog

from .reports import write_notebook


@pytest.mark.parametrize("word", ["01", "01_measure_cache_aside", "01_measure_cache_aside.ipynb"])
def test_a_notebook_has_three_names(word: str) -> None:
    """Its number, its name and its file name mean the same."""
    assert catalog.find(word).path == catalog.folder() / "01_measure_cache_aside.ipynb"


def test_a_path_means_that_file(tmp_path: Path) -> None:
    """A notebook of one's own is found by its path, with the parameters and cells it has."""
    path = write_notebook(tmp_path / "mine.ipynb", "1 + 1", parameters="n: int = 3")
    found = catalog.find(str(path))
    assert (found.name, found.path, found.cells) == ("mine", path.resolve(), 2)
    assert [parameter.name for parameter in found.parameters] == ["n"]


def test_a_copy_is_not_the_original(tmp_path: Path) -> None:
    """A file that only has the name of a notebook of the suite is taken by what it declares itself."""
    path = write_notebook(tmp_path / "01_measure_cache_aside.ipynb", "pass", parameters="n: int = 3")
    assert [parameter.name for parameter in catalog.find(str(path)).parameters] == ["n"]


@pytest.mark.parametrize("word", ["01_mesure_cache_aside", "1_measure_cache_aside.ipynb"])
def test_a_typo_gets_the_nearest_name(word: str) -> None:
    """A name that does not exist is answered by the one that was probably meant."""
    with pytest.raises(ConfigurationError, match='did you mean "01_measure_cache_aside"'):
        catalog.find(word)


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path, text: str) -> None:
    """Something else under a notebook's ending is named in one sentence, before a kernel starts."""
    path = tmp_path / "odd.ipynb"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"odd\.ipynb cannot be read as a notebook"):
        catalog.find(str(path))


def test_a_cell_that_is_no_python_is_refused(tmp_path: Path) -> None:
    """A parameters cell that cannot be read is named, too."""
    path = write_notebook(tmp_path / "odd.ipynb", parameters="n: int = ")
    with pytest.raises(ConfigurationError, match="SyntaxError"):
        catalog.find(str(path))


def test_each_name_is_reported_once(tmp_path: Path) -> None:
    """Two notebooks of one name cannot be in one report."""
    paths = [write_notebook(tmp_path / folder / "same.ipynb", "pass") for folder in ("a", "b")]
    with pytest.raises(ConfigurationError, match="same is asked for twice"):
        catalog.find_all(str(path) for path in paths)


def test_notebooks_come_in_reading_order() -> None:
    """The catalog is in the order of the numbers."""
    assert catalog.names() == sorted(catalog.names())
    assert [name[:2] for name in catalog.names()][:4] == ["00", "01", "02", "03"]
    assert all(Path(catalog.folder(), f"{name}.ipynb").is_file() for name in catalog.names())
