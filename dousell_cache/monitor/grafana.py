"""A dashboard for Grafana and alert rules for Prometheus, made from the one table of metrics.

``python -m dousell_cache.monitor.grafana --write docs/monitoring`` writes both; a test holds the files to this.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..measure.kpis import KPIS
from .alert_rules import limits_of
from .prometheus_rules import EVERYTHING, alert_rules, equal, named

DASHBOARD, RULES = "grafana-dashboard.json", "alert-rules.yml"

_WIDTH, _HEIGHT, _ACROSS = 12, 8, 2
_HERE = 'environment=~"$environment"'
_NOT_GRANTED = 'outcome=~"busy|unavailable|lost"'
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_SCHEMA = 39  # of Grafana 10.4 and later, which migrate it by themselves


class Panel(NamedTuple):
    """One picture of the dashboard.

    Args:
        title: its heading.
        what: what it shows, behind the i.
        unit: Grafana's name of the unit.
        queries: what is asked, by the legend of the answer.
        most: the top of the axis; None to leave it to the figures.
        stacked: whether the lines are areas, one on the other.
    """

    title: str
    what: str
    unit: str
    queries: dict[str, str]
    most: float | None = None
    stacked: bool = False


def _rate(name: str, *selectors: str, by: str = "environment") -> str:
    return f"sum by ({by}) (rate({_now(name, *selectors)}[$__rate_interval]))"


def _share(outcome: str, by: str) -> str:
    reads = _rate("reads", by=by)
    return f"({_rate('reads', equal('outcome', outcome), by=by)} or 0 * {reads}) / {reads}"


def _quantile(share: float) -> str:
    return f"histogram_quantile({share:g}, {_rate('read_seconds_bucket', by='environment, le')})"


def _now(name: str, *selectors: str) -> str:
    return named(name, _HERE, *selectors)


PANELS: tuple[Panel, ...] = (
    Panel(
        "Hit rate, the KPI",
        "Hits ÷ reads of all processes over the monitor's window, with the ends of its 95 % interval.",
        "percentunit",
        {"{{environment}} {{bound}}": _now("hit_rate", equal("family", EVERYTHING))},
        most=1,
    ),
    Panel(
        "Hit rate by family",
        "Hits ÷ reads of each key family.",
        "percentunit",
        {"{{family}}": _share("hit", "family")},
        most=1,
    ),
    Panel(
        "Response time",
        "Time from call to answer, hits and misses together.",
        "s",
        {"P50 {{environment}}": _quantile(0.5), "P95 {{environment}}": _quantile(0.95)},
    ),
    Panel(
        "Reads by outcome",
        "How reads were answered, a second.",
        "reqps",
        {"{{outcome}}": _rate("reads", by="outcome")},
        stacked=True,
    ),
    Panel(
        "Coalesced, stale, bypass",
        "Shares of the reads that waited for another's load, got an old value, or went past a dead cache.",
        "percentunit",
        {name: _share(name, "environment") for name in ("coalesced", "stale", "bypass")},
    ),
    Panel(
        "Locks not granted",
        "A second. busy: somebody else has it (double clicks); unavailable: nobody could say; lost: while it was held.",
        "short",
        {"{{family}} {{outcome}}": _rate("locks", _NOT_GRANTED, by="family, outcome")},
    ),
    Panel(
        "Memory",
        "What the server has allocated, and its limit; a limit of 0 is none.",
        "bytes",
        {
            "used {{environment}} {{node}}": _now("server_used_memory_bytes"),
            "limit {{environment}} {{node}}": _now("server_max_memory_bytes"),
        },
    ),
    Panel(
        "Evictions",
        "Entries that left for want of memory, a second.",
        "cps",
        {"{{environment}}": _rate("server_evicted_keys")},
    ),
    Panel(
        "Breaker",
        "Seconds in each second for which processes left a dead cache alone, all of them together.",
        "short",
        {"{{environment}}": _rate("breaker_open_seconds")},
    ),
    Panel(
        "Server against application",
        "Percentage points of hit rate that the application's own doing does not explain; an alert over 2.",
        "short",
        {"{{environment}}": _now("unexplained_points")},
    ),
)
"""The pictures of the dashboard, in their order."""


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "title": "dousell_cache",
        "uid": "dousell-cache",
        "description": "What the cache is doing, in every process and on its server.",
        "tags": ["cache", "redis", "valkey"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_source_variable(), _environment_variable()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _environment_variable() -> dict[str, Any]:
    return {
        "name": "environment",
        "label": "Environment",
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({named('server_up')}, environment)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _ACROSS)
    custom: dict[str, Any] = {"lineWidth": 2, "fillOpacity": 30 if panel.stacked else 0}
    custom |= {"stacking": {"mode": "normal", "group": "A"}} if panel.stacked else {}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": None if panel.unit == "short" else 0, "custom": custom}
    defaults |= {"max": panel.most} if panel.most is not None else {}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.what,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "fieldConfig": {"defaults": {k: v for k, v in defaults.items() if v is not None}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend, "datasource": _SOURCE}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {DASHBOARD: json.dumps(dashboard(), indent=2) + "\n", RULES: alert_rules(limits_of(KPIS))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files into a folder and return the exit code."""
    parser = argparse.ArgumentParser(description="Write the Grafana dashboard and the Prometheus alert rules.")
    parser.add_argument("--write", metavar="DIR", required=True, help="the folder, such as docs/monitoring")
    folder = Path(parser.parse_args(arguments).write)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
