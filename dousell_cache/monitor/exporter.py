"""Metrics for Prometheus: the table of metrics, filled from samples and from what was flushed.

What only grows is counted from the hour in which the monitor began; where it began anew, Prometheus sees a counter that
was reset, as after any restart. Needs the extra ``[prometheus]``.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..adapters.common import SECONDS, missing
from ..histogram import middle
from .counts import OUTCOMES, Field
from .figures import NodeFigures, Sample
from .metrics import BY_NAME, METRICS, Metric
from .monitor import Monitor

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(missing("prometheus-client", "prometheus"), name=error.name) from error

FRESH_SECONDS = 5.0
"""Scrapes within so many seconds are answered from one look: two Prometheus servers do not ask a server twice."""

Labels = tuple[str, ...]
Row = tuple[Labels, float]
_BOUNDS = ("value", "low", "high")


class MonitorCollector(Collector):
    """Answer each scrape with a look at every environment; safe between threads.

    Args:
        monitors: one for each environment.
        now: returns monotonic seconds.
    """

    def __init__(self, monitors: Sequence[Monitor], now: Callable[[], float] = time.monotonic) -> None:
        self._monitors, self._now = monitors, now
        self._lock = threading.Lock()
        self._seen: list[tuple[Sample, Counter[Field]]] = []
        self._until = float("-inf")

    def collect(self) -> Iterator[Any]:
        """Yield every metric that there is something to say of."""
        with self._lock:
            if self._now() >= self._until:
                self._look()
            seen = self._seen
        yield from exposed(seen)

    def look(self) -> list[Sample]:
        """Look at every environment, whether or not anybody scrapes, and return the samples.

        No scrape waits for what is done with them: alerts are judged and sent then.
        """
        with self._lock:
            self._look()
            return [sample for sample, _ in self._seen]

    def describe(self) -> list[Any]:
        """Say nothing: a look is for a scrape, not for being registered."""
        return []

    def _look(self) -> None:
        self._seen = [(monitor.look(), monitor.totals) for monitor in self._monitors]
        self._until = self._now() + FRESH_SECONDS


def registry_of(collector: MonitorCollector) -> CollectorRegistry:
    """Return a registry that serves what a collector sees, and nothing of the process itself."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def exposed(seen: Sequence[tuple[Sample, Mapping[Field, int]]]) -> Iterator[Any]:
    """Yield the metrics of samples and of what was flushed, in the order of the table."""
    moved = Counter[Field]()
    for _, totals in seen:
        moved |= Counter(totals)  # not added: two environments may share a server, and then see the same
    rows = _server_rows([sample for sample, _ in seen]) | _sample_rows([sample for sample, _ in seen])
    rows |= _counted_rows(moved)
    for metric in METRICS:
        if metric.type == "histogram":
            yield _histogram(metric, moved, "t" if metric.name == "read_seconds" else "l")
        elif metric.name in rows:
            yield _simple(metric, rows[metric.name])


def _simple(metric: Metric, rows: list[Row]) -> Any:
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    family = kind(metric.full_name, metric.help, labels=metric.labels)
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, moved: Mapping[Field, int], kind: str) -> Any:
    times: dict[Labels, Counter[int]] = {}
    for field, count in moved.items():
        if field.figure[:1] == kind and field.figure[1:].isdecimal():
            times.setdefault((field.environment, field.family), Counter())[int(field.figure[1:])] += count
    family = HistogramMetricFamily(metric.full_name, metric.help, labels=metric.labels)
    for labels, counts in sorted(times.items()):
        buckets, total = _cumulated(counts)
        family.add_metric(labels, buckets, sum_value=total)
    return family


def _cumulated(counts: Counter[int]) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulated counts at Prometheus' bounds, and the sum; a bucket counts by its middle."""
    at = {place: middle(place) for place in counts}
    bounds = [(str(bound), float(sum(n for place, n in counts.items() if at[place] <= bound))) for bound in SECONDS]
    return [*bounds, ("+Inf", float(counts.total()))], sum(at[place] * n for place, n in counts.items())


# --- the server's

_GAUGES_OF = {"link_up": "link_up", "keys": "keys", "expiring_keys": "expires"}
"""Of those gauges that are no number of INFO's: what they are called in the figures."""


def _server_rows(samples: list[Sample]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for sample in samples:
        rows.setdefault("server_up", []).append(((sample.environment,), float(sample.server is not None)))
        for node in sample.server.nodes if sample.server else ():
            for name, labels, value in _node_rows(node):
                rows.setdefault(name, []).append(((sample.environment, node.node, *labels), value))
    return rows


def _node_rows(node: NodeFigures) -> Iterator[tuple[str, Labels, float]]:
    for metric in METRICS:
        field = metric.source.removeprefix("INFO ")
        told = node.counters if metric.type == "counter" else node.gauges
        value = told.get(_GAUGES_OF.get(metric.name.removeprefix("server_"), field))
        if metric.name == "server_uptime_seconds":
            value = node.uptime_seconds
        if metric.name.startswith("server_") and value is not None:
            yield metric.name, (), value
    for command, figures in sorted(node.commands.items()):
        yield "server_command_calls", (command,), figures.calls
        yield "server_command_seconds", (command,), figures.seconds


# --- the sample's own


def _sample_rows(samples: list[Sample]) -> dict[str, list[Row]]:
    rows: dict[str, dict[Labels, float]] = {}

    def add(name: str, value: float | None, *labels: str) -> None:
        if value is not None:
            rows.setdefault(name, {})[labels] = value  # once, also where two environments share a server

    for sample in samples:
        add("sample_seconds", sample.seconds, sample.environment)
        if sample.reconciliation:
            add("unexplained_points", sample.reconciliation.points, sample.environment)
            add("unexplained_lookups", sample.reconciliation.unexplained, sample.environment)
        for row in sample.application:
            for bound in _BOUNDS:
                add("hit_rate", getattr(row.hit_rate, bound, None), row.environment, row.family or "all", bound)
    return {name: list(found.items()) for name, found in rows.items()}


# --- what was flushed

_ENDINGS = {
    "write.stored": ("writes", "yes"),
    "write.refused": ("writes", "no"),
    "invalidation.delivered": ("invalidations", "yes"),
    "invalidation.undelivered": ("invalidations", "no"),
}
_PLAIN = {"near": "near_reads", "undecodable": "undecodable_reads", "failure": "failed_loads"}
_UNDER = {"lock": "locks", "probe": "compared_hits"}


def _counted_rows(moved: Mapping[Field, int]) -> dict[str, list[Row]]:
    sums: dict[str, Counter[Labels]] = {}
    for field, count in moved.items():
        found = _metric_of(field)
        if found:
            name, labels = found
            sums.setdefault(name, Counter())[field.environment, *labels] += count
    scale = {"breaker_open_seconds": 1000.0}
    return {
        name: [(labels, count / scale.get(name, 1.0)) for labels, count in sorted(rows.items())]
        for name, rows in sums.items()
        if name in BY_NAME
    }


def _metric_of(field: Field) -> tuple[str, Labels] | None:
    """Return the metric that a field belongs to, and its labels after the environment."""
    figure, family = field.figure, field.family
    kind, _, ending = figure.partition(".")
    if figure in OUTCOMES:
        return "reads", (family, figure)
    if figure in _PLAIN:
        return _PLAIN[figure], (family,)
    if figure in _ENDINGS:
        name, ended = _ENDINGS[figure]
        return name, (ended,)
    if kind in _UNDER:
        return _UNDER[kind], (family, ending)
    if kind == "commands":
        return "commands", (ending or "read",)
    return {"breaker.opened": "breaker_opened", "breaker.open_ms": "breaker_open_seconds", "flushes": "flushes"}.get(
        figure, ""
    ), ()
