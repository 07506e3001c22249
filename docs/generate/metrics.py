"""The page of every metric, from the adapters and the monitor's own table."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from opentelemetry.metrics import Counter, Histogram, NoOpMeter
from opentelemetry.metrics import _Gauge as Gauge
from prometheus_client import CollectorRegistry

from dousell_cache import connect
from dousell_cache.adapters.opentelemetry import observe_with_opentelemetry
from dousell_cache.adapters.prometheus import observe_with_prometheus
from dousell_cache.environments import Environment

INTRODUCTION = """\
# Every metric

Made from the code that exports them. Families are what stands before a key's first colon; no whole key is ever a label.
A counter's samples end in `_total`, a histogram's in `_bucket`, `_sum` and `_count`.
"""
ADAPTER = """\
## Of one process

From `observe_with_prometheus(cache)`; how to use the adapters is with [the events](cache.md#events-and-counters).
"""
OPENTELEMETRY = """\
The same from `observe_with_opentelemetry(cache)`; durations are histograms of seconds.
"""
MONITOR = """\
## Of the server and of all processes

From `dousell-cache monitor`, which looks at the server and adds up what each process flushed. The last column says
where a figure comes from: a field or section of `INFO`, what the processes flushed, or the monitor's own sample.
"""


def page() -> str:
    """Return ``docs/reference/metrics.md``."""
    parts = [INTRODUCTION, ADAPTER, *_table(("metric", "type", "labels", "meaning"), _adapter())]
    parts += ["", OPENTELEMETRY, *_table(("instrument", "unit", "meaning"), _instruments())]
    if find_spec("dousell_cache.monitor"):
        parts += ["", MONITOR, *_table(("metric", "type", "labels", "meaning", "from"), _monitor())]
    return "\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _adapter() -> list[tuple[str, ...]]:
    registry = CollectorRegistry()
    with connect(Environment("local", "none")) as cache:
        stop = observe_with_prometheus(cache, registry=registry)
        metrics = list(registry._collector_to_names)  # noqa: SLF001 - labels have no public name before there are samples
        rows: list[tuple[str, ...]] = [
            (f"`{told.name}`", told.type, _labels(metric._labelnames), told.documentation)  # type: ignore[attr-defined]  # noqa: SLF001 - likewise
            for metric in metrics
            for told in metric.describe()  # type: ignore[attr-defined]  # every metric describes itself
        ]
        stop()
    return rows


class _Told(NoOpMeter):
    """A meter that takes note of what it is asked to make."""

    def __init__(self) -> None:
        super().__init__("told")
        self.rows: list[tuple[str, ...]] = []

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        self._note(name, unit, description)
        return super().create_counter(name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Gauge:
        self._note(name, unit, description)
        return super().create_gauge(name, unit, description)

    def create_histogram(self, name: str, unit: str = "", description: str = "", **options: Any) -> Histogram:
        self._note(name, unit, description)
        return super().create_histogram(name, unit, description, **options)

    def _note(self, name: str, unit: str, description: str) -> None:
        self.rows.append((f"`{name}`", f"`{unit}`" if unit else "", description))


def _instruments() -> list[tuple[str, ...]]:
    meter = _Told()
    with connect(Environment("local", "none")) as cache:
        observe_with_opentelemetry(cache, meter=meter)()
    return meter.rows


def _monitor() -> list[tuple[str, ...]]:
    metrics = import_module("dousell_cache.monitor.metrics").METRICS
    return [(f"`{one.full_name}`", one.type, _labels(one.labels), one.help, f"`{one.source}`") for one in metrics]


def _labels(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
