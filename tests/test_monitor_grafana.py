"""The dashboard and the alert rules under ``docs/monitoring`` are what the tables say, and ask for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dousell_cache.monitor import grafana
from dousell_cache.monitor.alert_rules import Limits, rules
from dousell_cache.monitor.counts import OUTCOMES, Field
from dousell_cache.monitor.exporter import exposed
from dousell_cache.monitor.grafana import DASHBOARD, PANELS, RULES, dashboard, files
from dousell_cache.monitor.metrics import METRICS, Metric
from dousell_cache.monitor.prometheus_rules import alert_name, alert_rules

from .samples import look

FOLDER = Path(__file__).parents[1] / "docs" / "monitoring"
_ASKED = re.compile(r"(dousell_cache_\w+)(?:\{([^}]*)\})?")


def rule_table(limits: Limits | None = None) -> list[dict[str, Any]]:
    """Return the rules as Prometheus would read them."""
    (group,) = yaml.safe_load(alert_rules(limits))["groups"]
    return list(group["rules"])


def expressions() -> Iterator[str]:
    """Yield all that Prometheus is asked, by the dashboard and by the rules."""
    yield from (query for panel in PANELS for query in panel.queries.values())
    yield from (rule["expr"] for rule in rule_table())


def known() -> dict[str, Metric]:
    """Return the table's metrics by the names that Prometheus has."""
    names = {metric.sample_name: metric for metric in METRICS if metric.type != "histogram"}
    return names | {f"{metric.full_name}_bucket": metric for metric in METRICS if metric.type == "histogram"}


@pytest.mark.parametrize("name", [DASHBOARD, RULES])
def test_the_files_are_current(name: str) -> None:
    """What is committed is what the tables make; ``python -m dousell_cache.monitor.grafana`` writes it."""
    assert (FOLDER / name).read_text("utf-8") == files()[name]


def test_the_files_are_written(tmp_path: Path) -> None:
    """Into the folder that is named, which is made if need be."""
    assert grafana.main(["--write", str(tmp_path / "new")]) == 0
    assert {path.name: path.read_text("utf-8") for path in (tmp_path / "new").iterdir()} == files()


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_only_what_is_in_the_table_is_asked_for(expression: str) -> None:
    """Every metric is one of the table's, every label one of the metric's, and every bracket has its fellow."""
    metrics = known()
    asked = _ASKED.findall(expression)
    assert asked
    for name, selectors in asked:
        labels = {*metrics[name].labels, *(("le",) if name.endswith("_bucket") else ())}
        used = set(re.findall(r"(\w+)=~?\"", selectors))
        used |= {word for group in re.findall(r"sum by \(([^)]*)\)", expression) for word in group.split(", ")}
        assert used <= labels, name
    assert all(expression.count(left) == expression.count(right) for left, right in ("()", "[]", "{}"))
    assert expression.count('"') % 2 == 0


def test_every_alert_has_a_rule() -> None:
    """Prometheus has each alert of the table under its name and severity, and one for a monitor that is gone."""
    told = {rule["alert"]: rule["labels"]["severity"] for rule in rule_table()}
    assert told == {alert_name(rule): rule.severity for rule in rules()} | {"DousellCacheMonitorGone": "critical"}
    assert alert_name(rules()[1]) == "DousellCacheHitRate"


def test_the_limits_are_the_same() -> None:
    """The limits of the table are the rules' own, those of resolving too."""
    expr = {rule["alert"]: rule["expr"] for rule in rule_table(Limits(0.61, 0.62, 0.53, 6.4, 5.5))}
    assert expr["DousellCacheHitRate"].count("< 0.61") == 2
    assert "> 0.62 or (" in expr["DousellCacheMemory"]
    assert ">= 0.53 and on (environment) ALERTS" in expr["DousellCacheMemory"]
    assert "> 6.4 or (" in expr["DousellCacheUnexplained"]
    assert ">= 5.5 and" in expr["DousellCacheUnexplained"]
    assert "[10m]" in expr["DousellCacheEvictions"]


@pytest.mark.parametrize("name", ["DousellCacheBreaker", "DousellCacheLockRefusals", "DousellCacheLostLocks"])
def test_the_first_time_fires(name: str) -> None:
    """A counter that appears with its first event has no increase in Prometheus: new and above nought, it fires too."""
    (expr,) = (rule["expr"] for rule in rule_table() if rule["alert"] == name)
    counted = expr.removeprefix("increase(").partition("[")[0]
    new = f"({counted} unless max_over_time({counted}[1d] offset 1h)) > 0"
    assert expr == f"increase({counted}[1h]) > 0 or {new}"


def test_a_family_without_hits_has_a_line() -> None:
    """Its hits are a series that is not there: a share is of nought then, and not of nothing."""
    panels = {panel.title: panel for panel in PANELS}
    for title in ("Hit rate by family", "Coalesced, stale, bypass"):
        for query in panels[title].queries.values():
            outcome, _, reads = query.partition(" / ")
            assert outcome.endswith(f" or 0 * {reads})")


def test_the_dashboard_is_one_that_grafana_lays_out() -> None:
    """Panels have ids of their own and lie side by side, each query its letter; what the issue asks for is there."""
    board = dashboard()
    assert json.loads(files()[DASHBOARD]) == board
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) == 10
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for panel in board["panels"]:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
    text = json.dumps(board)
    for metric in ("hit_rate", "read_seconds", "locks", "used_memory", "evicted", "breaker", "unexplained_points"):
        assert metric in text


def test_what_is_asked_for_by_value_is_what_the_endpoint_gives() -> None:
    """Each label's value in a question is one of those that the monitor's own endpoint has under that metric."""
    figures = [*OUTCOMES, *(f"lock.{ending}" for ending in ("granted", "busy", "unavailable", "lost"))]
    totals = {Field("dedicated", figure, "00", "detail"): 1 for figure in figures}
    given: dict[str, set[tuple[str, str]]] = {}
    for metric in exposed([(look(), totals)]):
        for sample in metric.samples:
            given.setdefault(sample.name, set()).update(sample.labels.items())
    asked = [
        (name, label, value)
        for expression in expressions()
        for name, selectors in _ASKED.findall(expression)
        for label, values in re.findall(r"(\w+)=~?\"([^\"$]+)\"", selectors)
        for value in values.split("|")
    ]
    assert ("dousell_cache_hit_rate", "bound", "high") in asked
    assert [one for one in asked if (one[1], one[2]) not in given[one[0]]] == []
