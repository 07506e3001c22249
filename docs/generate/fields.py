"""The page of every field that programs read, from the published JSON Schemas and the structs' docstrings."""

from collections.abc import Mapping
from typing import Any

from dousell_cache.reporting.schemas import DOCUMENTS, schema

from .docstrings import described, markdown

INTRODUCTION = """\
# Every field of what is written

Made from the [JSON Schemas](schemas/), which are made from what writes the documents. Fields may be added within a
version, never taken away: read by name. How a run's files belong together is on [the page of results](results.md).
"""
WRITTEN = {
    "results": "`results.json`, of a run",
    "status": "`status.json`, of a run: from its beginning on",
    "compare": "`dousell-cache compare --json`",
}


def page() -> str:
    """Return ``docs/reference/fields.md``."""
    parts = [INTRODUCTION]
    for name in DOCUMENTS:
        document = schema(name)
        parts += [f"## {WRITTEN.get(name, f'`{name}`')}", f"The document is a `{_called(document)}`."]
        parts += [_struct(title, struct) for title, struct in document["$defs"].items()]
    return "\n\n".join(parts) + "\n"


def _struct(title: str, struct: Mapping[str, Any]) -> str:
    text = struct.get("description", "")
    meanings = described(text)
    rows = [
        f"| `{name}` | {kind(field)} | {meanings.get(name, '')} |"
        for name, field in struct.get("properties", {}).items()
    ]
    sentence = markdown(text.partition("\n\n")[0].replace("\n", " "))
    return "\n".join(
        [f"### `{title.rpartition('.')[2]}`", "", sentence, "", "| field | type | meaning |", "|---|---|---|", *rows]
    )


def kind(field: Mapping[str, Any]) -> str:
    """Say in a few words what a field may hold."""
    if "$ref" in field:
        return f"`{_called(field)}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(kind(one) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}" if isinstance(field.get("items"), dict) else "list"
    if isinstance(field.get("additionalProperties"), dict) and field["additionalProperties"]:
        return f"{kind(field['additionalProperties'])} by name"
    return str(field.get("type", "anything"))


def _called(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2].rpartition(".")[2]
