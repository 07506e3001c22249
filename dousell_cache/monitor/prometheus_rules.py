"""The table of alerts once more, as rules for Prometheus: the same names, limits and room between firing and resolved.

Prometheus knows no "fires here, is resolved there", but it keeps what fires as the series ``ALERTS``: a rule that has
begun to fire goes on by its second limit as long as it is in there.
"""

import json
from collections.abc import Iterator

from .alert_rules import Limits, Rule, rules
from .metrics import BY_NAME

_GROUP = "dousell_cache"
EVERYTHING = "all"
"""The family label of the figures for all families together."""

_MONITOR_GONE = "DousellCacheMonitorGone"


def named(name: str, *selectors: str) -> str:
    """Return a metric of the table as one asks Prometheus for it.

    Args:
        name: as the table has it; of a histogram followed by ``_bucket``.
        selectors: what stands between the braces, such as what :func:`equal` returns.
    """
    bare = name.removesuffix("_bucket")
    asked = BY_NAME[bare].sample_name + name[len(bare) :]
    return f"{asked}{{{','.join(selectors)}}}" if selectors else asked


def equal(label: str, value: str) -> str:
    """Return the selector of a label's value."""
    return f'{label}="{value}"'


def alert_name(rule: Rule) -> str:
    """Return what Prometheus calls a rule: ``DousellCacheHitRate``."""
    return "DousellCache" + "".join(word.capitalize() for word in rule.name.split("_"))


def expression(rule: Rule, limits: Limits) -> str:
    """Return when a rule fires and goes on firing, in PromQL."""
    points = f"abs({named('unexplained_points')})"
    memory = f"max by (environment) ({named('server_used_memory_bytes')} / ({named('server_max_memory_bytes')} > 0))"
    replicas = named("server_connected_replicas")
    expressions = {
        "unseen": f"{named('server_up')} == 0",
        "hit_rate": _kept(rule, _hit_rate("high", limits), _hit_rate("low", limits)),
        "evictions": f"increase({named('server_evicted_keys')}[{rule.quiet / 60:.0f}m]) > 0",
        "memory": _kept(rule, f"{memory} > {limits.memory:g}", f"{memory} >= {limits.memory_back:g}"),
        "breaker": _happened(named("breaker_opened")),
        "lock_refusals": _locks("unavailable"),
        "lost_locks": _locks("lost"),
        "replication": f"{named('server_link_up')} == 0 or {replicas} < max_over_time({replicas}[1d])",
        "unexplained": _kept(rule, f"{points} > {limits.points:g}", f"{points} >= {limits.points_back:g}"),
    }
    return expressions[rule.name]


def _kept(rule: Rule, fires: str, goes_on: str) -> str:
    """Return a rule with room: it fires by one limit, and then goes on by another."""
    firing = f'ALERTS{{alertname="{alert_name(rule)}",alertstate="firing"}}'
    return f"{fires} or ({goes_on} and on (environment) {firing})"


def _hit_rate(bound: str, limits: Limits) -> str:
    rate = named("hit_rate", equal("family", EVERYTHING), equal("bound", bound))
    return f"max by (environment) ({rate}) < {limits.hit_rate:g}"


def _locks(outcome: str) -> str:
    return _happened(named("locks", equal("outcome", outcome)))


def _happened(counter: str) -> str:
    """Return when something was counted in the last hour; a counter that is new then has no increase, but its value."""
    return f"increase({counter}[1h]) > 0 or ({counter} unless max_over_time({counter}[1d] offset 1h)) > 0"


def alert_rules(limits: Limits | None = None) -> str:
    """Return the rules as the YAML file that Prometheus loads.

    Args:
        limits: where alerts begin and end; default as everywhere.
    """
    at = limits or Limits()
    lines = [
        "# Made by python -m dousell_cache.monitor.grafana from the tables of metrics and alerts: change those.",
        "groups:",
        f"  - name: {_GROUP}",
        "    rules:",
        *(line for rule in rules(at) for line in _rule(alert_name(rule), expression(rule, at), rule)),
        *_monitor_gone(),
    ]
    return "\n".join(lines) + "\n"


def _rule(name: str, expr: str, rule: Rule) -> Iterator[str]:
    what = f"{rule.label}. dousell-cache monitor --once tells the likely cause and the next step."
    yield from _lines(name, expr, rule.severity, f"{rule.label} ({{{{ $labels.environment }}}})", what)


def _monitor_gone() -> Iterator[str]:
    what = "Prometheus has no figures of the monitor: see whether dousell-cache monitor --serve runs."
    yield from _lines(_MONITOR_GONE, f"absent({named('server_up')})", "critical", "The monitor is gone", what, "5m")


def _lines(name: str, expr: str, severity: str, summary: str, what: str, wait: str = "0m") -> Iterator[str]:
    # A JSON string is a YAML one, too.
    yield f"      - alert: {name}"
    yield f"        expr: {json.dumps(expr)}"
    yield f"        for: {wait}"
    yield "        labels:"
    yield f"          severity: {severity}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(summary)}"
    yield f"          description: {json.dumps(what + ' Seen: {{ $value }}.')}"
