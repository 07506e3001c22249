"""Adapters: each event reaches logging, Prometheus and OpenTelemetry once, with bounded labels."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, get_args
from uuid import uuid4

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from dousell_cache import Cache, ConfigurationError, connect
from dousell_cache.adapters.common import MOST_KEYS, Families
from dousell_cache.adapters.logging import LOGGER, level_of, observe_with_logging
from dousell_cache.adapters.opentelemetry import observe_with_opentelemetry
from dousell_cache.adapters.prometheus import observe_with_prometheus
from dousell_cache.errors import installing
from dousell_cache.events import BreakerMoved, Event, Invalidation, Observers, Outcome, Read, Tally, Write

HIT = Read("detail:7", "hit", 0.001, 0.0, 1)
MISS = Read("detail:8", "miss", 0.3, 0.2, 3)
STORED, NOT_STORED = Write("detail:7", True, 0.002, 1), Write("detail:7", False, 0.1, 1)
WITHDRAWN = Invalidation(("detail:7", "all"), True, 0.003, 1)
TAGS_LOST = Invalidation((), False, 0.1, 2, tags=("city:Dakar",), soft=True)
PREFIX = Invalidation((), True, 0.1, 5, prefix="search:", replayed=True)
OPEN, CLOSED = BreakerMoved("open", "3 failures in a row"), BreakerMoved("closed", "a probe succeeded")
EVENTS: list[Event] = [HIT, MISS, STORED, NOT_STORED, WITHDRAWN, TAGS_LOST, PREFIX, CLOSED, OPEN]


@pytest.fixture
def cache(valkey_url: str) -> Iterator[Cache]:
    """A blocking cache under a namespace of its own."""
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as opened:
        yield opened


@pytest.fixture
def observers() -> Observers:
    """What a cache keeps its observers in: told events by hand, those that need a broken server among them."""
    return Observers(Tally())


def tell(observers: Observers, *events: Event) -> None:
    """Tell events, or all that there are."""
    for event in events or EVENTS:
        observers(event)


def run(script: str) -> str:
    """Run a script in an interpreter of its own and return what it printed."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_loads_no_adapter() -> None:
    """Whoever does not watch loads neither an adapter nor what it needs."""
    loaded = json.loads(run("import dousell_cache, sys, json; print(json.dumps(list(sys.modules)))"))
    unwanted = ("prometheus_client", "opentelemetry", "dousell_cache.adapters")
    assert [name for name in loaded if name.startswith(unwanted)] == []
    assert "dousell_cache.cached" in loaded


@pytest.mark.parametrize(
    ("adapter", "package", "name"),
    [
        ("prometheus", "prometheus_client", "prometheus-client"),
        ("opentelemetry", "opentelemetry", "opentelemetry-api"),
    ],
)
def test_a_missing_extra_says_how_to_get_it(adapter: str, package: str, name: str) -> None:
    """Without its package, an adapter's import fails with one sentence: what is missing and the command."""
    script = f"""
import sys
sys.modules[{package!r}] = None
try:
    import dousell_cache.adapters.{adapter}
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(script) == f"{name} is not installed: {installing(adapter)}\n"


def test_a_real_cache_is_watched_by_all_three(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """Subscribed to a cache, each adapter tells of its reads, and nothing after it was stopped."""
    registry, reader = CollectorRegistry(), InMemoryMetricReader()
    caplog.set_level(logging.DEBUG, LOGGER)
    with_metrics = MeterProvider([reader], shutdown_on_exit=False)
    stops = [
        observe_with_logging(cache),
        observe_with_prometheus(cache, registry=registry),
        observe_with_opentelemetry(cache, meter=with_metrics.get_meter("test")),
    ]
    for _ in range(2):
        assert cache.get_or_set("detail:7", lambda: 1, ttl=60) == 1
    assert registry.get_sample_value("dousell_cache_reads_total", {"family": "detail", "outcome": "hit"}) == 1
    for stop in stops:
        stop()
    cache.get("detail:7")
    outcomes = [record.__dict__["cache_outcome"] for record in caplog.records if record.name == LOGGER]
    assert outcomes == ["miss", "hit"]
    assert sum(points(reader)["dousell_cache.reads"].values()) == 2
    with_metrics.shutdown()


# -- logging


def records(
    observers: Observers, caplog: pytest.LogCaptureFixture, *events: Event, **options: Any
) -> list[logging.LogRecord]:
    """Tell events to the logging adapter and return the records that came of them."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    stop = observe_with_logging(observers, **options)
    tell(observers, *events)
    stop()
    return list(caplog.records)


def test_one_sentence_for_each_event(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """Each event is one record, readable without its facts, at the level of who should look."""
    assert [(record.levelname, record.getMessage()) for record in records(observers, caplog)] == [
        ("DEBUG", "read of 'detail:7': hit in 1.0 ms"),
        ("DEBUG", "read of 'detail:8': miss in 300.0 ms"),
        ("DEBUG", "write of 'detail:7': stored in 2.0 ms"),
        ("DEBUG", "write of 'detail:7': not stored in 100.0 ms"),
        ("DEBUG", "invalidation by keys ('detail:7', 'all'): delivered in 3.0 ms"),
        ("WARNING", "invalidation by tags ('city:Dakar',): not delivered in 100.0 ms"),
        ("DEBUG", "invalidation by prefix search:: delivered in 100.0 ms"),
        ("INFO", "breaker closed: a probe succeeded"),
        ("WARNING", "breaker open: 3 failures in a row"),
    ]
    assert {record.name for record in caplog.records} == {LOGGER}


def cache_facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return the facts that stand beside a record's sentence."""
    return {name[6:]: value for name, value in vars(record).items() if name.startswith("cache_")}


def test_facts_stand_beside_the_sentence(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """Every field of an event is an attribute of its record, for formatters that write JSON."""
    read, _, write, _, _, tags, prefix, _, breaker = map(cache_facts, records(observers, caplog))
    assert read == {
        "event": "read",
        "key": "detail:7",
        "outcome": "hit",
        "seconds": 0.001,
        "load_seconds": 0.0,
        "commands": 1,
        "near": False,
        "undecodable": False,
        "failure": "",
    }
    assert write == {"event": "write", "key": "detail:7", "stored": True, "seconds": 0.002, "commands": 1}
    assert (tags["tags"], tags["tag_count"], tags["soft"], tags["delivered"]) == (("city:Dakar",), 1, True, False)
    assert (prefix["prefix"], prefix["replayed"], prefix["commands"]) == ("search:", True, 5)
    assert breaker == {"event": "breaker", "state": "open", "reason": "3 failures in a row"}


def test_keys_can_be_hidden(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """With ``hide_keys`` no record holds more of a key, a tag or a prefix than its family."""
    personal: list[Event] = [
        Read("mail:awa", "hit", 0.001, 0.0, 1),
        Read("awa", "hit", 0.001, 0.0, 1),
        Write("mail:awa", True, 0.001, 1),
        Invalidation(("mail:awa", "awa"), True, 0.001, 1, tags=("of:awa",), prefix="mail:awa"),
    ]
    hidden = records(observers, caplog, *personal, hide_keys=True)
    assert "awa" not in "".join(str(vars(record)) for record in hidden)
    assert cache_facts(hidden[0])["key"] == "mail:…"
    assert cache_facts(hidden[3])["keys"] == ("mail:…", "…")


def test_a_line_break_in_a_key_forges_no_line(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """A key's control characters are escaped in the sentence."""
    (record,) = records(observers, caplog, Read("a\nERROR: forged", "hit", 0.001, 0.0, 1))
    assert "\n" not in record.getMessage()


def test_level_and_logger_are_the_callers(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """Another rule and another logger may be given; below the logger's level nothing is made."""
    own = logging.getLogger("site.cache")
    given = records(observers, caplog, HIT, logger=own, level=lambda _: logging.ERROR)
    assert [(record.name, record.levelname) for record in given] == [("site.cache", "ERROR")]
    own.setLevel(logging.CRITICAL)
    assert records(observers, caplog, HIT, logger=own) == []
    own.setLevel(logging.NOTSET)


def test_a_dead_cache_does_not_flood_the_log() -> None:
    """What may happen thousands of times a second is DEBUG, whatever the outcome."""
    assert {level_of(Read("a", outcome, 0.1, 0.1, 0)) for outcome in get_args(Outcome)} == {logging.DEBUG}
    assert level_of(Read("a", "miss", 0.1, 0.1, 3, undecodable=True)) == logging.INFO


def test_many_keys_are_counted_not_listed(observers: Observers, caplog: pytest.LogCaptureFixture) -> None:
    """One invalidation of a thousand keys names the first twenty."""
    many = Invalidation(tuple(f"detail:{number}" for number in range(1000)), True, 0.003, 1)
    (record,) = records(observers, caplog, many)
    assert (len(cache_facts(record)["keys"]), cache_facts(record)["key_count"]) == (MOST_KEYS, 1000)


# -- Prometheus


def test_what_prometheus_counts(observers: Observers) -> None:
    """Each event moves the counters and histograms that are named for it."""
    registry = CollectorRegistry()
    observe_with_prometheus(observers, registry=registry)
    tell(observers, *EVENTS, Read("detail:7", "miss", 0.1, 0.0, 1, near=True, undecodable=True))
    expected: list[tuple[str, dict[str, str], float]] = [
        ("reads_total", {"family": "detail", "outcome": "hit"}, 1),
        ("reads_total", {"family": "detail", "outcome": "miss"}, 2),
        ("near_reads_total", {"family": "detail"}, 1),
        ("undecodable_reads_total", {"family": "detail"}, 1),
        ("writes_total", {"stored": "yes"}, 1),
        ("writes_total", {"stored": "no"}, 1),
        ("invalidations_total", {"scope": "keys", "delivered": "yes"}, 1),
        ("invalidations_total", {"scope": "tags", "delivered": "no"}, 1),
        ("invalidations_total", {"scope": "prefix", "delivered": "yes"}, 1),
        ("commands_total", {"operation": "read"}, 5),
        ("commands_total", {"operation": "write"}, 2),
        ("commands_total", {"operation": "invalidation"}, 8),
        ("read_seconds_count", {"outcome": "miss"}, 2),
        ("read_seconds_sum", {"outcome": "hit"}, 0.001),
        ("load_seconds_count", {}, 1),
        ("write_seconds_count", {}, 2),
        ("invalidation_seconds_count", {}, 3),
        ("breaker_open", {}, 1),
    ]
    for name, labels, value in expected:
        assert registry.get_sample_value(f"dousell_cache_{name}", labels) == value, name
    tell(observers, CLOSED)
    assert registry.get_sample_value("dousell_cache_breaker_open") == 0


def test_labels_are_bounded(observers: Observers) -> None:
    """Keys without end make no series without end: after so many families the rest share one label."""
    registry = CollectorRegistry()
    observe_with_prometheus(observers, registry=registry, families=3)
    tell(observers, *(Read(f"family{number}:x", "hit", 0.001, 0.0, 1) for number in range(100)))
    tell(observers, Read("family2:y", "hit", 0.001, 0.0, 1))
    text = generate_latest(registry).decode()
    series = [line for line in text.splitlines() if line.startswith("dousell_cache_reads_total")]
    assert len(series) == 4
    assert registry.get_sample_value("dousell_cache_reads_total", {"family": "(other)", "outcome": "hit"}) == 97
    assert registry.get_sample_value("dousell_cache_reads_total", {"family": "family2", "outcome": "hit"}) == 2


def test_families_need_no_room() -> None:
    """With no labels to give, every family shares one."""
    assert {Families(0).label(key) for key in ("a:1", "b:1")} == {"(other)"}


def test_stopping_leaves_the_registry_as_it_was(observers: Observers) -> None:
    """Once stopped, twice if need be, the metrics are gone and the same names are free again."""
    registry = CollectorRegistry()
    stop = observe_with_prometheus(observers, registry=registry)
    stop()
    stop()
    assert generate_latest(registry) == b""
    observe_with_prometheus(observers, registry=registry)


def test_two_caches_in_one_registry(observers: Observers) -> None:
    """The second needs a prefix of its own; without one, a sentence says so and nothing half registered stays."""
    registry = CollectorRegistry()
    stop = observe_with_prometheus(observers, registry=registry)
    before = generate_latest(registry)
    with pytest.raises(ConfigurationError, match=r"has metrics named dousell_cache_… already: give this cache another"):
        observe_with_prometheus(observers, registry=registry)
    assert generate_latest(registry) == before
    observe_with_prometheus(observers, registry=registry, prefix="second")
    tell(observers, HIT)
    stop()
    assert registry.get_sample_value("second_reads_total", {"family": "detail", "outcome": "hit"}) == 1


# -- OpenTelemetry


def points(reader: InMemoryMetricReader) -> dict[str, dict[tuple[tuple[str, Any], ...], Any]]:
    """Return what was measured: by instrument and attributes, a counter's value or how often a histogram was fed."""
    data = reader.get_metrics_data()
    assert data is not None
    metrics = [metric for of in data.resource_metrics for scope in of.scope_metrics for metric in scope.metrics]
    return {
        metric.name: {
            tuple(sorted((point.attributes or {}).items())): getattr(point, "value", getattr(point, "count", None))
            for point in metric.data.data_points
        }
        for metric in metrics
    }


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """Where a test's metrics end up."""
    return InMemoryMetricReader()


@pytest.fixture
def observe(observers: Observers, reader: InMemoryMetricReader) -> Iterator[Callable[..., Callable[[], None]]]:
    """The OpenTelemetry adapter, with a meter of this test's own."""
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield lambda **options: observe_with_opentelemetry(observers, meter=provider.get_meter("test"), **options)
    provider.shutdown()


def test_what_opentelemetry_measures(
    observers: Observers, observe: Callable[..., Callable[[], None]], reader: InMemoryMetricReader
) -> None:
    """Each event moves the instruments that are named for it."""
    observe()
    tell(observers)
    seen = points(reader)
    near = (("near", False), ("outcome", "hit"), ("undecodable", False))
    assert seen["dousell_cache.reads"][("family", "detail"), *near] == 1
    assert sum(seen["dousell_cache.reads"].values()) == 2
    assert seen["dousell_cache.writes"] == {(("stored", True),): 1, (("stored", False),): 1}
    assert seen["dousell_cache.invalidations"][("delivered", False), ("scope", "tags")] == 1
    assert seen["dousell_cache.commands"] == {
        (("operation", "read"),): 4,
        (("operation", "write"),): 2,
        (("operation", "invalidation"),): 8,
    }
    assert seen["dousell_cache.read.duration"] == {(("outcome", "hit"),): 1, (("outcome", "miss"),): 1}
    assert seen["dousell_cache.load.duration"] == {(): 1}
    assert (seen["dousell_cache.write.duration"], seen["dousell_cache.invalidation.duration"]) == ({(): 2}, {(): 3})
    assert seen["dousell_cache.breaker.open"] == {(): 1}


def test_families_are_bounded_in_opentelemetry_too(
    observers: Observers, observe: Callable[..., Callable[[], None]], reader: InMemoryMetricReader
) -> None:
    """After so many families the rest share one attribute."""
    observe(families=1)
    tell(observers, *(Read(f"family{number}:x", "hit", 0.001, 0.0, 1) for number in range(9)))
    assert sorted(points(reader)["dousell_cache.reads"].values()) == [1, 8]


def spans(observers: Observers, *events: Event) -> ReadableSpan:
    """Tell events while a span is current, and return the span."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("request"):
        tell(observers, *events)
    provider.shutdown()
    (span,) = exporter.get_finished_spans()
    return span


def test_the_current_span_is_told(observers: Observers, observe: Callable[..., Callable[[], None]]) -> None:
    """What the cache did for a request stands on the request's span, once for each event, with its facts."""
    observe()
    span = spans(observers)
    assert [event.name.removeprefix("dousell_cache.") for event in span.events] == [
        *("read", "read", "write", "write", "invalidation", "invalidation", "invalidation", "breaker", "breaker")
    ]
    attributes = span.events[1].attributes
    assert attributes is not None
    assert attributes["dousell_cache.key"] == "detail:8"
    assert attributes["dousell_cache.outcome"] == "miss"
    assert "dousell_cache.event" not in attributes


def test_spans_can_do_without_keys(observers: Observers, observe: Callable[..., Callable[[], None]]) -> None:
    """With ``hide_keys`` a span, which others may store, names families only."""
    stop = observe(hide_keys=True)
    (event,) = spans(observers, HIT).events
    assert (event.attributes or {})["dousell_cache.key"] == "detail:…"
    stop()
    assert spans(observers, HIT).events == ()
