"""The page about ``dousell-cache check`` has every finding, and the shape of the JSON that the command prints."""

import json
from typing import Any

from dousell_cache.audit import audit
from dousell_cache.check import Check, summary
from dousell_cache.inquiry import Told
from dousell_cache.transport.connect import locate

from .pages import CHECK, table


def shape(value: Any) -> Any:
    """Return a document with its values left out: names stay, and the first of each list."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) else None


def test_the_json_on_the_page_is_what_the_command_prints(valkey_url: str) -> None:
    """The page's document has the members of the command's own, in their order."""
    place = locate(valkey_url)
    test = Check(place)
    printed = json.loads(json.dumps(summary(place.environment, list(test.steps()), test.audit())))
    test.close()
    shown = json.loads(CHECK.read_text().partition("```json\n")[2].partition("```")[0])
    assert json.dumps(shape(shown)) == json.dumps(shape(printed))


def test_every_finding_is_on_the_page() -> None:
    """The table has a row for each finding that the audit can have."""
    found = audit(Told({"cluster_enabled": "1"}, None, ("INFO",))).findings
    assert [row[0].strip("`") for row in table(CHECK, "What is audited")] == [finding.name for finding in found]
