"""Server figures: what each kind of server tells, what it keeps to itself, and what moved, restarts included."""

from typing import TYPE_CHECKING

import pytest

from dousell_cache import connect
from dousell_cache.environments import Environment, from_url
from dousell_cache.monitor.deltas import delta
from dousell_cache.monitor.figures import NodeFigures, ServerFigures
from dousell_cache.monitor.info import key_family, node_figures, slow_commands, spikes
from dousell_cache.monitor.metrics import METRICS, fields_of
from dousell_cache.monitor.server import read_server
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import blocking_transport
from dousell_cache.transport.port import Argument, Reply
from dousell_cache.transport.tcp import BlockingTcp

from .watched_places import PLACES, environment_of

if TYPE_CHECKING:
    from .conftest import FreeValkey
    from .servers_redis import ThreeNodes, TlsServer, Watched


def read(environment: Environment, namespace: str = "", families: int = 0) -> ServerFigures:
    """Return a server's figures."""
    transport = blocking_transport(environment, 5)
    try:
        return run_blocking(read_server(transport, namespace=namespace, families=families))
    finally:
        transport.close()


def send(url: str, *command: Argument) -> Reply:
    """Send a command past every cache."""
    client = BlockingTcp(url, patience=5)
    try:
        return run_blocking(client.send(*command))
    finally:
        client.close()


@pytest.mark.parametrize("kind", PLACES)
def test_every_server_tells_what_the_table_asks_for(kind: str, request: pytest.FixtureRequest) -> None:
    """Redis 7, Valkey, a Cluster's nodes and Upstash's emulator tell every counter and gauge, and P99 by command."""
    read(environment_of(kind, request))  # a command's time is told from its second run on
    figures = read(environment_of(kind, request))
    assert len(figures.nodes) == (3 if kind == "cluster" else 1)
    for node in figures.nodes:
        assert node.counters.keys() == fields_of("counter")
        assert node.gauges.keys() >= {"used_memory", "maxmemory", "connected_clients", "keys", "expires"}
        assert node.run_id
        assert node.role == "master"
        assert node.server.startswith("Redis 7" if kind == "redis7" else "Valkey 9")
        assert node.words == {"maxmemory_policy": "noeviction"}
        assert "99" in node.commands["info"].quantiles_ms
    assert figures.unanswered == (("SLOWLOG", "LATENCY") if kind == "upstash" else ())


def test_a_cluster_is_told_node_by_node_and_summed(three_nodes: "ThreeNodes") -> None:
    """Each node has its address, and the total is their sum, the worst where a sum says nothing."""
    figures = read(from_url(three_nodes.url))
    assert {node.node for node in figures.nodes} == {server.address for server in three_nodes.servers}
    total = figures.total
    for name in ("keyspace_hits", "total_commands_processed"):
        assert total.counters[name] == sum(node.counters[name] for node in figures.nodes)
    assert total.gauges["used_memory"] == sum(node.gauges["used_memory"] for node in figures.nodes)
    assert total.gauges["mem_fragmentation_ratio"] == max(n.gauges["mem_fragmentation_ratio"] for n in figures.nodes)
    assert total.commands["info"].calls == sum(node.commands["info"].calls for node in figures.nodes)


def test_a_replica_tells_of_its_link(watched: "Watched") -> None:
    """Of a replica it is told whether it is linked to its primary; of a primary, how many replicas it has."""
    (replica,) = read(from_url(watched.replica.url)).nodes
    (primary,) = read(from_url(watched.master.url)).nodes
    assert (replica.role, replica.gauges["link_up"]) == ("slave", 1.0)
    assert (primary.role, primary.gauges["connected_slaves"]) == ("master", 1.0)
    assert "link_up" not in primary.gauges


@pytest.mark.parametrize("kind", PLACES)
def test_memory_by_family_from_a_sample(kind: str, request: pytest.FixtureRequest, namespace: str) -> None:
    """Asked for by name, some keys are looked at: the families' memory, the largest keys; never more than allowed."""
    environment = environment_of(kind, request)
    with connect(environment, namespace=namespace, ttl=60, patience=5) as cache:
        cache.set_many({f"small:{number}": 1 for number in range(20)})
        cache.set_many({f"big:{number}": "x" * 5000 for number in range(5)})
        figures = read(environment, namespace, families=10_000)
        cache.invalidate(*(f"small:{number}" for number in range(20)), *(f"big:{number}" for number in range(5)))
    found = {row.family: row for row in figures.families}
    assert (found["small"].sampled, found["big"].sampled) == (20, 5)
    assert found["big"].bytes > 20 * found["small"].bytes / 4
    assert found["big"].largest > 5000
    assert figures.big[0].bytes
    assert figures.big[0].bytes >= figures.big[1].bytes >= 5000  # type: ignore[operator]  # a sample knows its bytes
    assert figures.hot == ()
    few = read(environment, namespace, families=6)
    assert few.sampled <= 6


def test_hot_keys_where_the_server_counts_uses(free_valkey: "FreeValkey") -> None:
    """Under an LFU policy the most used keys are told."""
    send(free_valkey.url, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0")
    for number in range(5):
        send(free_valkey.url, "SET", f"key:{number}", 1)
    for _ in range(20):
        send(free_valkey.url, "GET", "key:3")
    figures = read(from_url(free_valkey.url), families=100)
    assert figures.hot[0].key == "key:3"
    assert figures.hot[0].frequency


def test_no_scan_unless_asked_for(free_valkey: "FreeValkey") -> None:
    """Without families no key is looked at, and nothing is scanned."""
    read(from_url(free_valkey.url))
    assert {"scan", "keys", "memory|usage"}.isdisjoint(read(from_url(free_valkey.url)).nodes[0].commands)


def test_the_slow_log_tells_no_arguments(redis7: "TlsServer", namespace: str) -> None:
    """A slow command is told by its name and its key's family: what else it carried may be personal."""
    redis7.ask("CONFIG", "SET", "slowlog-log-slower-than", 0)
    redis7.ask("SET", f"{namespace}", "the tenant's secret")
    redis7.ask("SET", "detail:7", "the tenant's secret")
    redis7.ask("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    figures = read(from_url(redis7.url))
    assert ("SET", "detail") in [(entry.command, entry.family) for entry in figures.slow]
    assert "secret" not in repr(figures)


def test_what_a_user_may_not_ask_is_told_as_unanswered(free_valkey: "FreeValkey") -> None:
    """A user without INFO gets no figures of it, and is told what was refused."""
    send(free_valkey.url, "ACL", "SETUSER", "guest", "on", ">word", "~*", "+ping", "+cluster", "-info")
    figures = read(from_url(free_valkey.url.replace("redis://", "redis://guest:word@")))
    assert figures.unanswered == ("INFO", "SLOWLOG", "LATENCY")
    assert figures.nodes[0].counters == {}


def test_a_server_that_talks_nonsense_has_no_figures() -> None:
    """What is no number, or no reply of its kind, is absent and no failure."""
    assert node_figures(b"used_memory:a lot\r\nkeyspace_hits:12\r\ndb0:keys=3,expires=oops") == NodeFigures(
        counters={"keyspace_hits": 12.0}, gauges={"keys": 3.0, "expires": 0.0}
    )
    assert node_figures(None) == NodeFigures()
    assert slow_commands([[1, 2], b"no"]) == []
    assert spikes(None) == []


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("site:detail:7", "detail"),
        ("{site:detail:7}:lease", "detail"),
        ("{site:payment:lease12}:fence", "payment"),
        ("site:all_properties", "(no family)"),
        ("other:thing", "(foreign)"),
    ],
)
def test_a_name_on_the_server_has_a_family(name: str, family: str) -> None:
    """What stands beside a key is of its family; what is not the application's is foreign."""
    assert key_family(name, "site:") == family


# --- what moved


def look(**counters: float) -> ServerFigures:
    """Return a look at one server that has run for an hour."""
    return ServerFigures(nodes=(NodeFigures(run_id="a", uptime_seconds=3600, counters=counters),))


def test_counters_move_by_their_difference() -> None:
    """Between two looks at one run of a server a counter moved by what it grew."""
    moved = delta(look(keyspace_hits=100, evicted_keys=1), look(keyspace_hits=130, evicted_keys=1), 5.0)
    assert (moved.counters, moved.gaps) == ({"keyspace_hits": 30, "evicted_keys": 0}, ())


def test_a_reset_is_a_gap_and_nothing_negative(free_valkey: "FreeValkey") -> None:
    """After CONFIG RESETSTAT what was counted since is taken, and the gap is told."""
    for _ in range(5):
        send(free_valkey.url, "GET", "a")
    before = read(from_url(free_valkey.url))
    send(free_valkey.url, "CONFIG", "RESETSTAT")
    send(free_valkey.url, "GET", "a")
    moved = delta(before, read(from_url(free_valkey.url)), 5.0)
    assert moved.counters["keyspace_misses"] == 1
    assert min(moved.counters.values()) >= 0
    assert "reset" in moved.gaps[0]


def test_a_restart_is_a_gap_and_nothing_negative(free_valkey: "FreeValkey") -> None:
    """After a restart what was counted since is taken, and the gap is told."""
    for _ in range(5):
        send(free_valkey.url, "GET", "a")
    before = read(from_url(free_valkey.url))
    free_valkey.restart()
    send(free_valkey.url, "GET", "a")
    moved = delta(before, read(from_url(free_valkey.url)), 5.0)
    assert moved.counters["keyspace_misses"] == 1
    assert min(moved.counters.values()) >= 0
    assert "restarted" in moved.gaps[0]


def test_a_restart_without_a_run_id_is_seen_by_its_uptime() -> None:
    """Where no run id is told, a server that is younger than it was has restarted."""
    before = ServerFigures(nodes=(NodeFigures(uptime_seconds=3600, counters={"keyspace_hits": 5}),))
    after = ServerFigures(nodes=(NodeFigures(uptime_seconds=10, counters={"keyspace_hits": 7}),))
    moved = delta(before, after, 5.0)
    assert (moved.counters, len(moved.gaps)) == ({"keyspace_hits": 7}, 1)


def test_a_node_that_comes_or_goes_is_a_gap() -> None:
    """A new node's counters begin with it, and one that is gone takes its own along."""
    old = NodeFigures(node="a:1", run_id="a", counters={"keyspace_hits": 5})
    new = NodeFigures(node="b:1", run_id="b", counters={"keyspace_hits": 500})
    moved = delta(ServerFigures(nodes=(old,)), ServerFigures(nodes=(new,)), 5.0)
    assert moved.counters == {}
    assert moved.gaps == ("node b:1 is new: its counters begin here", "node a:1 is gone")


def test_the_table_names_each_metric_once() -> None:
    """No name is there twice, counters do not say _total themselves, and every one has a sentence and a source."""
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith("_total")]
    assert all(metric.help.endswith(".") and metric.source.partition(" ")[2] for metric in METRICS if metric.source)
