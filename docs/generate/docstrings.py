"""From our docstrings (a sentence, then Args, Returns, Raises) to Markdown."""

import inspect
import re
from typing import NamedTuple

_SECTIONS = ("Args", "Returns", "Raises", "Yields")
_HEAD = re.compile(rf"^({'|'.join(_SECTIONS)}):$", re.MULTILINE)
_ITEM = re.compile(r"^(\*{0,2}\w[\w, .|]*?): (.*)", re.DOTALL)
_ROLE = re.compile(r":\w+:`~?\.?([^`]+)`")


class Docstring(NamedTuple):
    """A docstring in its parts: the text before the sections, and each section's items."""

    text: str
    sections: dict[str, str]


def parsed(docstring: str | None) -> Docstring:
    """Return the parts of a docstring, as Markdown."""
    text, *rest = _HEAD.split(inspect.cleandoc(docstring or ""))
    return Docstring(
        markdown(text.strip()), {name: _items(body) for name, body in zip(rest[::2], rest[1::2], strict=True)}
    )


def markdown(text: str) -> str:
    """Return reStructuredText as we write it, as Markdown: roles and doubled backticks become code."""
    return _ROLE.sub(r"`\1`", text).replace("``", "`")


def shown(docstring: str | None, *, level: str = "") -> str:
    """Return a docstring as a piece of a page: the text, then a list for each section."""
    parts = parsed(docstring)
    lists = [f"{level}*{name}*\n\n{items}" for name, items in parts.sections.items()]
    return "\n\n".join(filter(None, [parts.text, *lists]))


def described(docstring: str | None) -> dict[str, str]:
    """Return what the Args section says of each name, on one line."""
    body = dict(zip((split := _HEAD.split(inspect.cleandoc(docstring or "")))[1::2], split[2::2], strict=True))
    found: dict[str, str] = {}
    for name, text in _pairs(body.get("Args", "")):
        found |= dict.fromkeys(re.split(", ", name), markdown(text))
    return found


def _items(body: str) -> str:
    pairs = list(_pairs(body))
    return "\n".join(f"- `{name}`: {markdown(text)}" if name else f"- {markdown(text)}" for name, text in pairs)


def _pairs(body: str) -> list[tuple[str, str]]:
    """Return a section's items as names and texts; a text without a name has an empty one."""
    lines = inspect.cleandoc("\n" + body).splitlines()
    items: list[list[str]] = []
    for line in lines:
        if items and (line.startswith(" ") or not _ITEM.match(line) or not line):
            items[-1].append(line.strip())
        elif line:
            items.append([line])
    joined = [" ".join(filter(None, item)) for item in items]
    return [(match[1], match[2]) if (match := _ITEM.match(one)) else ("", one) for one in joined]
