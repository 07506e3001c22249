"""What a notebook shows in words, in every language of the catalogue at once: pages take theirs, all else is English.

A kernel does not know who will read its page, and a page is made again without one. So an output is said in each
language when it is made; the English one is what it is, the others are kept beside it in the output's metadata, which
JupyterLab and everything else leaves alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ..languages import LANGUAGES
from .wording import ENGLISH, Wording

METADATA = "dousell_cache"
"""Where an output's metadata hold it in the other languages: by language, then by type as in its data."""


class Drawn(Protocol):
    """A table or a picture: what shows itself as HTML, and as text where that is not wanted."""

    def _repr_html_(self) -> str: ...


_Shown = TypeVar("_Shown", bound=str | Drawn)


@dataclass(frozen=True)
class Told(Generic[_Shown]):
    """Sentences, a table or a picture, as the last line of a cell shows it.

    Args:
        say: returns it in the words of one language.
    """

    say: Callable[[Wording], _Shown]

    def __str__(self) -> str:
        return str(self.say(ENGLISH))

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> tuple[Mapping[str, str], dict[str, Any]]:
        """Return the data and the metadata of the output, as IPython asks for them."""
        said = {language: _data(self.say(Wording(language))) for language in LANGUAGES}
        return said.pop("en"), {METADATA: said}


def _data(shown: str | Drawn) -> dict[str, str]:
    if isinstance(shown, str):
        return {"text/plain": shown}
    return {"text/plain": repr(shown), "text/html": shown._repr_html_()}
