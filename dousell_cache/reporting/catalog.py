"""Which notebooks there are, and which one a word on the command line means."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat

from ..errors import ConfigurationError
from .nearest import suggestion
from .parameters import SCHEMAS, Parameter, declared_in

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Notebook:
    """A notebook that can be run.

    Args:
        name: its file name without the ending.
        path: where it is.
        parameters: what it takes.
        cells: how many code cells it has.
    """

    name: str
    path: Path
    parameters: tuple[Parameter, ...]
    cells: int

    @property
    def spanning(self) -> bool:
        """Whether it goes through all environments by itself, and so runs once, after all others."""
        return any(parameter.name == "environments" for parameter in self.parameters)


@cache
def folder() -> Path:
    """Return the folder of this suite's notebooks: the repository's, else the copy inside the installed package."""
    of_repository = _PACKAGE.parent / "notebooks"
    return of_repository if (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / "_notebooks"


def names() -> list[str]:
    """Return the names of this suite's notebooks, in reading order."""
    return sorted(path.stem for path in folder().glob("[0-9][0-9]_*.ipynb"))


def find_all(words: Iterable[str]) -> list[Notebook]:
    """Return the notebooks that several words mean; see :func:`find`.

    Raises:
        ConfigurationError: a word means none, or two of them share a name, under which they would be reported.
    """
    found: dict[str, Notebook] = {}
    for word in words:
        notebook = find(word)
        if notebook.name in found:
            message = f"the notebook {notebook.name} is asked for twice: a report holds each name once"
            raise ConfigurationError(message)
        found[notebook.name] = notebook
    return list(found.values())


def find(word: str) -> Notebook:
    """Return the notebook that a word means.

    Args:
        word: a name such as ``01_measure_cache_aside``, its number ``01``, or the path of a notebook of the user's own.

    Raises:
        ConfigurationError: there is no such notebook, or the file is not one; the message has the nearest name.
    """
    own = Path(word)
    if own.suffix == ".ipynb" and own.is_file():
        return _read(own)
    known = names()
    stem = word.removesuffix(".ipynb")
    matches = [name for name in known if stem in {name, name.partition("_")[0]}]
    if not matches:
        message = f'there is no notebook "{word}": {suggestion(stem, known)}'
        raise ConfigurationError(message)
    return _read(folder() / f"{matches[0]}.ipynb")


def _read(path: Path) -> Notebook:
    try:
        notebook = read_notebook(path)
        declared = declared_in(_parameters_cell(notebook))
    except (OSError, ValueError, TypeError, AttributeError, nbformat.ValidationError, SyntaxError) as error:
        message = f"{path} cannot be read as a notebook: {type(error).__name__}"
        raise ConfigurationError(message) from error
    of_suite = path.resolve().parent == folder().resolve()
    parameters = SCHEMAS.get(path.stem, declared) if of_suite else declared
    return Notebook(path.stem, path.resolve(), parameters, sum(cell.cell_type == "code" for cell in notebook.cells))


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook file as nbformat 4.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no notebook.
    """
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call] # theirs
    return notebook


def _parameters_cell(notebook: nbformat.NotebookNode) -> str:
    tagged = (cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    source: str = next(tagged, "")
    return source
