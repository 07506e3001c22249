"""The pages about alerts and runs have every rule, state, column and member that there is."""

import json
from pathlib import Path
from typing import get_args

from dousell_cache.cli import runs_text
from dousell_cache.monitor.alert_rules import rules
from dousell_cache.reporting.history import COLUMNS
from dousell_cache.reporting.listing import State, entries
from dousell_cache.reporting.trends import Trend, trends

from ..reports import GOOD, finished, made_up, measured
from .pages import ROOT, table
from .test_check import shape

ALERTS = ROOT / "docs" / "how-to" / "alerts.md"
RUNS = ROOT / "docs" / "reference" / "runs.md"


def test_every_alert_is_on_the_page() -> None:
    """The table has a row for each rule, in the order in which they are judged."""
    told = [row[0].strip("`") for row in table(ALERTS, "What fires, and when it is over")]
    assert told == [rule.name for rule in rules()]


def test_every_state_of_a_run_is_on_the_page() -> None:
    """The table has each but the one that no list shows, and the page every trend."""
    told = {row[2].strip("`") for row in table(RUNS, "`runs list`")}
    assert told == set(get_args(State)) - {"unwritten"}
    assert [word for word in get_args(Trend) if f"`{word}`" not in RUNS.read_text()] == []


def test_every_column_is_on_the_page() -> None:
    """The table has each column of ``read_runs``, in its order."""
    assert tuple(row[0].strip("`") for row in table(RUNS, "`read_runs`, `read_samples`")) == COLUMNS


def test_the_json_on_the_page_is_what_the_command_prints(tmp_path: Path) -> None:
    """The page's document has the members of the command's own, in their order."""
    finished(tmp_path, made_up({"local": measured({"hit_rate": GOOD["hit_rate"]}, emulated=["x"])}))
    found = list(entries(tmp_path))
    printed = json.loads(runs_text.list_json("reports", list(zip(found, trends(found), strict=True))))
    shown = json.loads(RUNS.read_text().partition("```json\n")[2].partition("```")[0])
    for document in (printed, shown):
        for part in ("figures", "trends"):
            document["runs"][0]["environments"]["local"][part].pop("speedup", None)
    assert json.dumps(shape(shown)) == json.dumps(shape(printed))
