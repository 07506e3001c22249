"""The monitor: look after look, on every kind of server; and what it shows, for people, cron and Prometheus."""

import io
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from dousell_cache import connect
from dousell_cache.adapters.prometheus import observe_with_prometheus
from dousell_cache.environments import Environment, from_url
from dousell_cache.keys import Names
from dousell_cache.measure.stats import Interval
from dousell_cache.monitor import figures
from dousell_cache.monitor.counts import Field, accumulated
from dousell_cache.monitor.exporter import MonitorCollector, exposed, registry_of
from dousell_cache.monitor.figures import Alert, ApplicationFigures, KeyFigure, NodeFigures, Sample, ServerFigures
from dousell_cache.monitor.metrics import METRICS
from dousell_cache.monitor.monitor import Monitor, Totals
from dousell_cache.monitor.view import verdicts, view
from dousell_cache.recording import hour
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import Place
from dousell_cache.transport.tcp import BlockingTcp

from .faces import Loader
from .watched_places import PLACES, environment_of, looking, recorded

if TYPE_CHECKING:
    from .conftest import FreeValkey


def busy(environment: Environment, namespace: str) -> None:
    """Have a process do a little of everything, and flush it."""
    with recorded(environment, namespace) as cache:
        for number in range(40):
            cache.get_or_set(f"detail:{number % 8}", Loader("x"), tags=["city:Dakar"])
        cache.invalidate("detail:1")
        with cache.lock("payment:1"):
            pass


def shown(sample: Sample, width: int = 80) -> str:
    """Return what a sample looks like without a terminal."""
    written = io.StringIO()
    Console(file=written, width=width, highlight=False).print(view(sample))
    return written.getvalue()


@pytest.mark.parametrize("kind", PLACES)
def test_a_look_sees_everything(kind: str, request: pytest.FixtureRequest, namespace: str) -> None:
    """Server, application, locks, processes and reconciliation are in one sample, on every kind of server."""
    environment = environment_of(kind, request)
    with connect(environment, namespace=namespace, ttl=60, patience=5) as cache:
        cache.set_many({"list:1": 1, "list:2": 2, "list:3": 3})
    with looking(environment, namespace=namespace, families=200) as monitor:
        first = monitor.look()
        busy(environment, namespace)
        sample = monitor.look()
    assert (first.application, first.delta, first.reconciliation) == ((), None, None)
    whole = sample.of()
    assert whole
    assert (whole.outcomes, whole.commands > 0) == ({"hit": 32, "miss": 8}, True)
    assert sample.of("detail") == msgspec.structs.replace(whole, family="detail")
    assert [(row.family, row.outcomes) for row in sample.locks] == [("payment", {"granted": 1, "released": 1})]
    assert (sample.processes[0].flushes, sample.processes[0].invalidations) == (1, 1)
    assert sample.reconciliation
    assert sample.delta
    assert sample.delta.counters["total_commands_processed"] > 40
    assert sample.server
    assert sample.server.sampled > 0
    assert (sample.environment, sample.emulated) == (environment.name, environment.emulated)


def test_a_sample_survives_json(valkey_url: str, namespace: str) -> None:
    """What is encoded comes back equal; another version, or something else, is refused in a sentence."""
    busy(from_url(valkey_url), namespace)
    with looking(from_url(valkey_url), namespace=namespace) as monitor:
        monitor.look()
        sample = monitor.look()
    assert figures.decode(figures.encode(sample)) == sample
    document = json.loads(figures.encode(sample))
    assert (document["schema"], document["version"]) == ("dousell-cache/monitor", 1)
    with pytest.raises(ValueError, match="version 9; this package reads dousell-cache/monitor version 1"):
        figures.decode(json.dumps({**document, "version": 9}))
    with pytest.raises(ValueError, match="this is no sample of a monitor"):
        figures.decode("[]")


def test_a_server_that_is_down_is_a_sample_too(free_valkey: "FreeValkey", namespace: str) -> None:
    """It says why, and once the server is back the figures go on, with the gap told and nothing negative."""
    with looking(from_url(free_valkey.url), namespace=namespace) as monitor:
        busy(from_url(free_valkey.url), namespace)
        monitor.look()
        free_valkey.kill()
        down = monitor.look()
        free_valkey.restart()
        back = monitor.look()
        after = monitor.look()
    assert "nothing listens at" in down.problem
    assert down.server is None
    assert back.delta
    assert min(back.delta.counters.values()) >= 0
    assert "restarted" in back.delta.gaps[0]
    assert after.reconciliation
    assert after.reconciliation.gaps == ()


def test_a_server_that_tells_nothing_cannot_be_seen(free_valkey: "FreeValkey") -> None:
    """A user who may not ask for INFO is told so; no figures are made up."""
    client = BlockingTcp(free_valkey.url, patience=5)
    run_blocking(client.send("ACL", "SETUSER", "guest", "on", ">word", "~*", "+@all", "-info"))
    client.close()
    with looking(from_url(free_valkey.url.replace("redis://", "redis://guest:word@"))) as monitor:
        sample = monitor.look()
    assert "may not ask for INFO" in sample.problem


def test_what_only_grows_never_shrinks() -> None:
    """Hours leave the window, and a server may lose what it had: the sums stay, and go on from there."""
    totals, field = Totals[Field](lambda field: field), Field("local", "hit", "", "a")
    looks: list[dict[str, dict[str, int]]] = [
        {"07": {"local:hit:00:a": 5}},
        {"07": {"local:hit:00:a": 6}, "08": {"local:hit:02:a": 1}},
        {"08": {"local:hit:02:a": 3}},
        {"08": {}},
        {"08": {"local:hit:10:a": 2}},
    ]
    seen = [totals.see(hours)[field] for hours in looks]
    assert seen == [5, 7, 9, 9, 11]


def test_a_clock_that_jumps_counts_no_hour_twice() -> None:
    """Hours that leave the window with a clock and come back with it are the same hours, wherever they went."""
    totals, field = Totals[Field](lambda field: field), Field("local", "hit", "", "a")
    looks: list[dict[str, dict[str, int]]] = [
        {"07": {"local:hit:00:a": 40}, "08": {"local:hit:00:a": 2}},
        {"10": {}, "11": {}},  # ahead
        {"07": {"local:hit:00:a": 40}, "08": {"local:hit:00:a": 5}},  # right again
        {"06": {}, "07": {"local:hit:00:a": 40}},  # set back across an hour
        {"07": {"local:hit:00:a": 40}, "08": {"local:hit:00:a": 6}},
        {"10": {}, "11": {}},
        {"07": {}, "08": {"local:hit:00:a": 1}},  # and the server lost what it had meanwhile
    ]
    assert [totals.see(hours)[field] for hours in looks] == [42, 42, 45, 45, 46, 46, 47]


def test_old_hours_are_read_once(free_valkey: "FreeValkey") -> None:
    """A day's window costs a day's commands at first, and after that those of the hours that still move."""
    with looking(from_url(free_valkey.url), hours=24) as monitor:
        counts = []
        for _ in range(3):
            sample = monitor.look()
            assert sample.server
            counts.append(sample.server.nodes[0].commands.get("hgetall"))
    assert counts[0] is None
    assert [counts[1] and counts[1].calls, counts[2] and counts[2].calls] == [25, 27]


def test_what_was_flushed_between_two_rare_looks_is_not_missed(free_valkey: "FreeValkey", namespace: str) -> None:
    """Whoever looks once a day is told of all hours in between, and not that somebody else made their lookups."""
    place = from_url(free_valkey.url)
    with looking(place, namespace=namespace) as monitor:
        monitor.look()
        memory = monitor.memory
    assert memory
    long_ago = msgspec.structs.replace(memory.last, at=memory.last.at - 20 * 3600)
    client = BlockingTcp(free_valkey.url, patience=5)
    name = Names(namespace).figures(hour(time.time() - 10 * 3600))
    for _ in range(40):
        run_blocking(client.send("GET", "absent"))
    run_blocking(client.send("HSET", name, "local:absent.reads:00:", 40, "local:miss:00:a", 40))
    client.close()
    with looking(place, namespace=namespace) as monitor:
        monitor.resume(msgspec.structs.replace(memory, first=long_ago, middle=long_ago, last=long_ago))
        sample = monitor.look()
    assert sample.reconciliation
    assert (sample.reconciliation.unexplained, sample.reconciliation.points) == (0, 0.0)
    assert sample.application == (), "it was before the window"


def test_a_clock_that_was_set_back_is_a_beginning(valkey_url: str) -> None:
    """No seconds lie between a look and a later one, so nothing is told of them, and the next look compares again."""
    with looking(from_url(valkey_url)) as monitor:
        monitor.look()
        memory = monitor.memory
    assert memory
    later = msgspec.structs.replace(memory.last, at=memory.last.at + 3600)
    with looking(from_url(valkey_url)) as monitor:
        monitor.resume(msgspec.structs.replace(memory, first=later, middle=later, last=later))
        anew, again = monitor.look(), monitor.look()
    assert (anew.delta, anew.reconciliation) == (None, None)
    assert again.delta
    assert again.reconciliation
    assert min(again.delta.seconds, again.reconciliation.seconds) > 0


def test_hot_keys_are_told_by_their_uses() -> None:
    """A big key by its bytes, a hot one by the server's counter of uses."""
    key = KeyFigure("detail:7", 2048, 143)
    server = ServerFigures(nodes=(NodeFigures(),), big=(key,), hot=(key,), sampled=500)
    told = shown(Sample(at="2026-11-28T10:00:00+00:00", environment="local", cache="", server=server))
    assert "big keys of 500 looked at: detail:7 2 KiB" in told
    assert "hot keys of 500 looked at: detail:7 143 by LFU" in told


def test_a_memory_of_a_week_ago_is_none(valkey_url: str) -> None:
    """When the figures since then are gone the comparison begins anew."""
    with looking(from_url(valkey_url)) as monitor:
        monitor.look()
        memory = monitor.memory
    assert memory
    old = msgspec.structs.replace(memory.last, at=memory.last.at - 169 * 3600)
    with looking(from_url(valkey_url)) as monitor:
        monitor.resume(msgspec.structs.replace(memory, last=old))
        assert monitor.look().delta is None


def test_alerts_are_plugged_in(valkey_url: str) -> None:
    """Whoever is plugged in is told each sample, and what it says is in it."""
    alert = Alert("memory", firing=True, since="2026-11-28T10:00:00+00:00", message="set a limit")
    told = list[Sample]()

    def rules(sample: Sample) -> Sequence[Alert]:
        told.append(sample)
        return [alert]

    with looking(from_url(valkey_url), alerts=rules) as monitor:
        sample = monitor.look()
    assert sample.alerts == (alert,)
    assert told[0].server == sample.server
    assert "memory since 2026-11-28T10:00: set a limit" in shown(sample)


@pytest.mark.parametrize("hours", [0, 200])
def test_a_window_that_makes_no_sense_is_refused(valkey_url: str, hours: float) -> None:
    """When the monitor is made, not at its first look."""
    with pytest.raises(ValueError, match="hours must be more than 0"):
        Monitor(Place(from_url(valkey_url)), hours=hours)


# --- what people see


def row(family: str, **more: Any) -> ApplicationFigures:
    """Return a family's figures."""
    interval = Interval(0.941, 0.932, 0.949, 81_224)
    times = {"p50_ms": Interval(0.41, 0.4, 0.43, 9), "p95_ms": Interval(71.0, 60.0, 80.0, 9)}
    outcomes = {"hit": 76_000, "miss": 5_000, "stale": 224}
    return ApplicationFigures(
        **{"environment": "local", "family": family, "outcomes": outcomes, "hit_rate": interval, **times, **more}
    )


def test_the_view_fits_eighty_columns(valkey_url: str, namespace: str) -> None:
    """Long families, many of them, and addresses: no line is longer, and nothing essential is cut."""
    families = [row(f"a family with a name that is long {number}") for number in range(20)]
    with looking(from_url(valkey_url), namespace=namespace, families=100) as monitor:
        sample = msgspec.structs.replace(monitor.look(), application=(row(""), *families))
    text = shown(sample)
    assert max(map(len, text.splitlines())) <= 80
    assert "94.1 %" in text
    assert "93.2 % to 94.9 %" in text
    assert "410 µs" in text
    assert "and 8 more families" in text


def test_verdicts_come_from_whole_intervals() -> None:
    """A target is met or missed by the whole interval; without one it is open."""
    sample = Sample(at="", environment="local", cache="", application=(row(""),))
    assert verdicts(sample) == {"hit_rate": "pass", "p50_ms": "pass", "p95_ms": "fail"}
    few = msgspec.structs.replace(sample, application=(row("", hit_rate=Interval(0.1, None, None, 5)),))
    assert verdicts(few)["hit_rate"] == "inconclusive"
    assert verdicts(msgspec.structs.replace(sample, environment="vercel")) == {}


def test_the_view_says_what_is_missing() -> None:
    """No figures, no server: each has its sentence."""
    sample = Sample(at="2026-11-28T10:00:00", environment="local", cache="", problem="nothing listens there")
    text, named = (
        " ".join(shown(each).replace("│", " ").split())
        for each in (sample, msgspec.structs.replace(sample, namespace="prod:"))
    )
    assert "no process has flushed figures in the last hour under no namespace (--namespace names one)" in text
    assert "connect(figures=True) records them" in text
    assert "in the last hour under the namespace prod:" in named
    assert "the server cannot be seen: nothing listens there" in text


@pytest.mark.parametrize(
    ("size", "told"), [(80, "80 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1000 * 1024, "1000 KiB")]
)
def test_memory_is_told_in_digits(size: int, told: str) -> None:
    """No size is written as a power of ten."""
    total = NodeFigures(gauges={"used_memory": float(size)})
    server = ServerFigures(nodes=(total,))
    assert f"memory {told}" in shown(Sample(at="2026-11-28T10:00:00", environment="local", cache="", server=server))


# --- what Prometheus sees


@pytest.mark.parametrize("kind", PLACES)
def test_prometheus_reads_it(kind: str, request: pytest.FixtureRequest, namespace: str) -> None:
    """Prometheus' own parser takes the page, and OpenMetrics' stricter one: every metric is the table's, as it says."""
    environment = environment_of(kind, request)
    busy(environment, namespace)
    with looking(environment, namespace=namespace) as monitor:
        registry = registry_of(MonitorCollector([monitor]))
        page = generate_latest(registry).decode()
        strict = list(parse_openmetrics(generate_openmetrics(registry).decode()))  # type: ignore[no-untyped-call]
    parsed = list(text_string_to_metric_families(page))
    table = {metric.full_name: metric for metric in METRICS}
    assert {family.name for family in strict} == {family.name for family in parsed} <= table.keys()
    for family in parsed:
        assert (family.type, family.documentation) == (table[family.name].type, table[family.name].help)
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert labels == set(table[family.name].labels if family.samples else ())
    values = {(s.name, s.labels.get("outcome"), s.labels.get("node")): s.value for f in parsed for s in f.samples}
    assert values["dousell_cache_reads_total", "hit", None] == 32
    assert values["dousell_cache_read_seconds_count", None, None] == 40
    nodes = {node for name, _, node in values if name == "dousell_cache_server_keyspace_hits_total"}
    assert len(nodes) == (3 if kind == "cluster" else 1)


def test_every_metric_of_the_table_can_be_said() -> None:
    """Each row of the table is filled from fields and samples that have everything."""
    fields = {
        "local:hit:00:a": 1, "local:near:00:a": 1, "local:undecodable:00:a": 1, "local:failure:00:a": 1,
        "local:commands:00:a": 1, "local:commands.lock:00:": 1, "local:write.stored:00:": 1,
        "local:invalidation.delivered:00:": 1, "local:lock.busy:00:a": 1, "local:breaker.opened:00:": 1,
        "local:breaker.open_ms:00:": 1500, "local:flushes:00:": 1, "local:probe.same:00:a": 1, "local:t500::a": 1,
        "local:l500::a": 1,
    }  # fmt: skip
    numbers = {name.source.removeprefix("INFO "): 1.0 for name in METRICS}
    node = figures.NodeFigures(
        uptime_seconds=1.0,
        counters=numbers,
        gauges={**numbers, "keys": 1.0, "expires": 1.0, "link_up": 1.0},
        commands={"get": figures.CommandFigures(1, 0.1)},
    )
    lookups = figures.Lookups(1, 1)
    sample = Sample(
        at="", environment="local", cache="", application=(row(""),), server=figures.ServerFigures(nodes=(node,)),
        reconciliation=figures.Reconciliation(
            seconds=1, application_hits=1, near_hits=0, expected={}, server=lookups, unexplained=0, points=0.0
        ),
    )  # fmt: skip
    said = {family.name: family.samples for family in exposed([(sample, accumulated({"h": fields}))])}
    assert [metric.name for metric in METRICS if not said.get(metric.full_name)] == []
    (opened,) = said["dousell_cache_breaker_open_seconds"]
    assert opened.value == 1.5


def test_names_mean_what_the_adapter_means_by_them(valkey_url: str) -> None:
    """Where the endpoint and the adapter have a metric of one name, it has one type."""
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    with connect(valkey_url) as cache:
        stop = observe_with_prometheus(cache, registry=registry)
        theirs = {family.name: family.type for family in registry.collect()}
        stop()
    ours = {metric.full_name: metric.type for metric in METRICS if not metric.name.startswith("server_")}
    shared = ours.keys() & theirs.keys()
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
    both = ("reads", "near_reads", "undecodable_reads", "writes", "invalidations", "commands", "locks", "read_seconds")
    assert {f"dousell_cache_{name}" for name in both} <= shared


def test_two_environments_on_one_server_are_counted_once(valkey_url: str, namespace: str) -> None:
    """Monitors that see the same figures do not add them up, nor say a line twice."""
    busy(from_url(valkey_url), namespace)
    place = from_url(valkey_url)
    other = Environment("dedicated", "tcp", place.url, source="test")
    with looking(place, namespace=namespace) as one, looking(other, namespace=namespace) as two:
        page = generate_latest(registry_of(MonitorCollector([one, two]))).decode()
    lines = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    reads = next(f for f in text_string_to_metric_families(page) if f.name == "dousell_cache_reads")
    assert sum(s.value for s in reads.samples if s.name.endswith("_total")) == 40


def test_scrapes_share_a_look(free_valkey: "FreeValkey") -> None:
    """Two Prometheus servers that ask at once cost the server one look."""
    with looking(from_url(free_valkey.url)) as monitor:
        registry = registry_of(MonitorCollector([monitor]))
        for _ in range(5):
            generate_latest(registry)
        sample = monitor.look()
    assert sample.server
    assert sample.server.nodes[0].commands["slowlog|get"].calls == 1


def test_the_hours_name_is_the_recorders(valkey_url: str, namespace: str) -> None:
    """What a process writes to is what a monitor reads from."""
    busy(from_url(valkey_url), namespace)
    client = BlockingTcp(valkey_url, patience=5)
    names: Any = run_blocking(client.send("KEYS", Names(namespace).figures("*")))
    client.close()
    assert any(name.decode().rpartition("}:")[2][:2] == "20" for name in names)
