"""The nearest valid name: what a sentence about an unknown name ends with. Pure."""

import difflib
from collections.abc import Iterable

_ALIKE = 0.6  # "de" and "en" share one letter of two, which is 0.5 and means nothing


def suggestion(word: str, names: Iterable[str]) -> str:
    """Return ``did you mean "x"?`` for the name most like the word, or the list of names when none is like it."""
    known = list(names)
    close = difflib.get_close_matches(word, known, n=1, cutoff=_ALIKE)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"there are {', '.join(known)}" if known else "there are none"
