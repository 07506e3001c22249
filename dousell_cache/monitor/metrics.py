"""The one table of metrics: what each is called, what it counts, and where it comes from.

The endpoint, the dashboard and the reference page are made from it. Names without ``server_`` mean what
:mod:`dousell_cache.adapters.prometheus` means by them, over all processes instead of one, and have a label more.
"""

from typing import Literal, NamedTuple

Type = Literal["counter", "gauge", "histogram"]

PREFIX = "dousell_cache_"

_NODE = ("environment", "node")
_FAMILY = ("environment", "family")


class Metric(NamedTuple):
    """One metric.

    Args:
        name: without the prefix, and without the ``_total`` that a counter's samples end in.
        type: Prometheus' own.
        help: what it is, in a sentence.
        unit: ``seconds``, ``bytes``, … ; "" for a number of things.
        labels: in order.
        source: ``INFO <field>`` or ``INFO <section>`` of the server, ``figures <fields>`` of what the processes
            flushed, ``sample <field>`` of the monitor's own sample.
    """

    name: str
    type: Type
    help: str
    unit: str
    labels: tuple[str, ...]
    source: str

    @property
    def full_name(self) -> str:
        """Return the name of its family, prefix included."""
        return PREFIX + self.name

    @property
    def sample_name(self) -> str:
        """Return the name to ask Prometheus for; a histogram's is followed by ``_bucket``, ``_sum`` or ``_count``."""
        return self.full_name + ("_total" if self.type == "counter" else "")


def _info(name: str, type_: Type, help_: str, field: str, unit: str = "") -> Metric:
    return Metric(f"server_{name}", type_, help_, unit, _NODE, f"INFO {field}")


METRICS: tuple[Metric, ...] = (
    Metric("server_up", "gauge", "1 if the server answered the monitor.", "", ("environment",), "sample server"),
    _info("uptime_seconds", "gauge", "Time since the server started.", "uptime_in_seconds", "seconds"),
    _info("keyspace_hits", "counter", "Lookups that found a name.", "keyspace_hits"),
    _info("keyspace_misses", "counter", "Lookups that found none.", "keyspace_misses"),
    _info("expired_keys", "counter", "Keys whose time was over.", "expired_keys"),
    _info("expiry_cycles_capped", "counter", "Expiry ran out of its share of time.", "expired_time_cap_reached_count"),
    _info("expired_stale_percent", "gauge", "Expired keys still there, estimated.", "expired_stale_perc", "percent"),
    _info("evicted_keys", "counter", "Keys evicted for want of memory.", "evicted_keys"),
    _info("evicted_clients", "counter", "Clients evicted for want of memory.", "evicted_clients"),
    _info("rejected_connections", "counter", "Connections over maxclients.", "rejected_connections"),
    _info("connections", "counter", "Connections accepted.", "total_connections_received"),
    _info("commands", "counter", "Commands processed.", "total_commands_processed"),
    _info("error_replies", "counter", "Commands answered by an error.", "total_error_replies"),
    _info("net_input_bytes", "counter", "Bytes read from the network.", "total_net_input_bytes", "bytes"),
    _info("net_output_bytes", "counter", "Bytes written to the network.", "total_net_output_bytes", "bytes"),
    _info("cpu_sys_seconds", "counter", "Processor time in the system.", "used_cpu_sys", "seconds"),
    _info("cpu_user_seconds", "counter", "Processor time of its own.", "used_cpu_user", "seconds"),
    _info("operations_per_second", "gauge", "Commands a second, as it says.", "instantaneous_ops_per_sec"),
    _info("connected_clients", "gauge", "Clients connected.", "connected_clients"),
    _info("blocked_clients", "gauge", "Clients that wait in a blocking command.", "blocked_clients"),
    _info("max_clients", "gauge", "Most clients at a time.", "maxclients"),
    _info("connected_replicas", "gauge", "Replicas connected.", "connected_slaves"),
    _info("link_up", "gauge", "On a replica: 1 while it is linked to its primary.", "master_link_status"),
    _info("used_memory_bytes", "gauge", "Memory allocated.", "used_memory", "bytes"),
    _info("used_memory_rss_bytes", "gauge", "Memory resident.", "used_memory_rss", "bytes"),
    _info("used_memory_peak_bytes", "gauge", "Most memory ever allocated.", "used_memory_peak", "bytes"),
    _info("used_memory_dataset_bytes", "gauge", "Memory of the data alone.", "used_memory_dataset", "bytes"),
    _info("max_memory_bytes", "gauge", "The limit of memory; 0 is none.", "maxmemory", "bytes"),
    _info("fragmentation_ratio", "gauge", "Memory resident ÷ allocated.", "mem_fragmentation_ratio"),
    _info("latest_fork_microseconds", "gauge", "How long the last fork took.", "latest_fork_usec", "microseconds"),
    _info("keys", "gauge", "Keys in all databases.", "keyspace"),
    _info("expiring_keys", "gauge", "Of them, those with a time to live.", "keyspace"),
    Metric(
        "server_command_calls",
        "counter",
        "Runs of a command, inside scripts too.",
        "",
        (*_NODE, "command"),
        "INFO commandstats",
    ),
    Metric(
        "server_command_seconds",
        "counter",
        "Processor time of a command.",
        "seconds",
        (*_NODE, "command"),
        "INFO commandstats",
    ),
    Metric("reads", "counter", "Reads by how they ended.", "", (*_FAMILY, "outcome"), "figures <outcome>"),
    Metric("near_reads", "counter", "Reads that the near cache answered.", "", _FAMILY, "figures near"),
    Metric("undecodable_reads", "counter", "Reads of what could not be read back.", "", _FAMILY, "figures undecodable"),
    Metric("failed_loads", "counter", "Reads whose loader raised.", "", _FAMILY, "figures failure"),
    Metric("read_seconds", "histogram", "Time from call to answer, to 0.8 %.", "seconds", _FAMILY, "figures t<bucket>"),
    Metric("load_seconds", "histogram", "Time in loaders, to 0.8 %.", "seconds", _FAMILY, "figures l<bucket>"),
    Metric("commands", "counter", "Commands sent.", "", ("environment", "operation"), "figures commands.<operation>"),
    Metric("writes", "counter", "Values handed over.", "", ("environment", "stored"), "figures write.<ending>"),
    Metric(
        "invalidations", "counter", "Invalidations.", "", ("environment", "delivered"), "figures invalidation.<ending>"
    ),
    Metric(
        "locks",
        "counter",
        "Locks asked for and ended.",
        "",
        (*_FAMILY, "outcome"),
        "figures lock.<outcome>",
    ),
    Metric(
        "breaker_opened",
        "counter",
        "Times a process took the cache for dead.",
        "",
        ("environment",),
        "figures breaker.opened",
    ),
    Metric(
        "breaker_open_seconds",
        "counter",
        "Time that processes took it for dead.",
        "seconds",
        ("environment",),
        "figures breaker.open_ms",
    ),
    Metric("flushes", "counter", "Times that figures came from a process.", "", ("environment",), "figures flushes"),
    Metric(
        "compared_hits",
        "counter",
        "Hits compared with the origin: same, stale, unknown.",
        "",
        (*_FAMILY, "verdict"),
        "figures probe.<verdict>",
    ),
    Metric(
        "hit_rate",
        "gauge",
        "Hits ÷ reads of the last hours, and the ends of its 95 % interval.",
        "",
        (*_FAMILY, "bound"),
        "sample application.hit_rate",
    ),
    Metric(
        "unexplained_points",
        "gauge",
        "The server's hit rate less the expected one.",
        "percent",
        ("environment",),
        "sample reconciliation.points",
    ),
    Metric(
        "unexplained_lookups",
        "gauge",
        "Lookups that the application did not make.",
        "",
        ("environment",),
        "sample reconciliation.unexplained",
    ),
    Metric("sample_seconds", "gauge", "How long the look took.", "seconds", ("environment",), "sample seconds"),
)

BY_NAME = {metric.name: metric for metric in METRICS}


def fields_of(type_: Type) -> frozenset[str]:
    """Return INFO's names of the numbers that the table has of a type."""
    rows = (metric for metric in METRICS if metric.type == type_ and metric.labels == _NODE)
    return frozenset(metric.source.removeprefix("INFO ") for metric in rows)
