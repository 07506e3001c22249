"""The JSON Schemas of what programs read, made from the structs that are written, so that the two never differ.

Published under ``docs/reference/schemas/``; ``python -m dousell_cache.reporting.schemas`` writes them anew.
"""

import json
import sys
from collections.abc import Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from . import compared
from .compared import CompareDocument
from .record import VERSION, Results, RunStatus

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path("docs", "reference", "schemas")

DOCUMENTS: Mapping[str, tuple[type[msgspec.Struct], int]] = {
    "results": (Results, VERSION),
    "status": (RunStatus, 1),
    "compare": (CompareDocument, compared.VERSION),
}
"""What has a schema, and in which version."""


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document.

    Fields that it does not know are allowed: new ones may come without a new version.

    Args:
        name: ``results`` or ``status``, for ``results.json`` and ``status.json``; ``compare``, for ``compare --json``.
    """
    struct, version = DOCUMENTS[name]
    (reference,), components = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    for component in components.values():
        component["description"] = cleandoc(component["description"])
    title = f"dousell-cache {name}, version {version}"
    return {"$schema": DIALECT, "title": title, **reference, "$defs": components}


def text(name: str) -> str:
    """Return a schema as it is published."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main(folder: Path = FOLDER) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (folder / f"{name}.schema.json").write_text(text(name), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
