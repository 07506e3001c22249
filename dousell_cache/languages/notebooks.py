"""The prose of this suite's notebooks in the languages that they are not written in. Reads those files, no more.

A notebook is written in English, and stays so wherever it is run. ``notebooks.fr.toml`` has a table for each of its
Markdown cells: the French text, and the digest of the English one that it translates. A text is found by that digest
alone, so a cell that its reader has changed, or one of a notebook of their own, has none and is shown as it is; and a
text whose English has changed is never shown beside what it does not say.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from . import Language


class Prose(NamedTuple):
    """What a Markdown cell says in another language.

    Args:
        of: the digest of the English text, see :func:`digest`.
        text: the same in that language, as Markdown.
    """

    of: str
    text: str


def digest(source: str) -> str:
    """Return what a cell's English text is known by."""
    return hashlib.sha256(source.encode()).hexdigest()[:12]


@cache
def prose(language: Language) -> Mapping[str, Prose]:
    """Return all texts of a language by notebook and cell, such as ``08_overview.08-05``; none of English, theirs."""
    if language == "en":
        return {}
    notebooks = tomllib.loads((files(__package__) / f"notebooks.{language}.toml").read_text("utf-8"))
    return {f"{name}.{cell}": Prose(**told) for name, cells in notebooks.items() for cell, told in cells.items()}


def translated(source: str, language: Language) -> str | None:
    """Return a Markdown cell in a language; None where it has no text there, or is no longer what was translated."""
    return _by_digest(language).get(digest(source))


@cache
def _by_digest(language: Language) -> Mapping[str, str]:
    return {one.of: one.text for one in prose(language).values()}
