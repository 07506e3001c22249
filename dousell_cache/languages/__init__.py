"""What people read, in English and in French: one catalogue, a TOML file for each language. Reads those files, no more.

Everything that a page, the command's summary or a tenant's message says stands there under the same key in both; a test
holds the two files to the same keys and placeholders. What comes out of a measurement as a sentence (why something
failed, what was emulated) and what notebooks compute is as it was recorded, in English; their prose is in
:mod:`.notebooks`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """Return all texts of a language by key, such as ``headline.pass``; the tables of the file are the keys' heads."""
    return dict(_flat("", tomllib.loads((files(__package__) / f"{language}.toml").read_text("utf-8"))))


def section(language: Language, head: str) -> dict[str, str]:
    """Return the texts of one table of a language, by what follows its head in their keys."""
    return {
        key.removeprefix(f"{head}."): text for key, text in catalogue(language).items() if key.startswith(f"{head}.")
    }


def _flat(head: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{head}{name}.", value)
        else:
            yield f"{head}{name}", value
