"""Read what a server tells of itself. Pure: replies in, figures out; what is absent or makes no sense stays absent."""

import re
from collections.abc import Mapping
from typing import Any

from ..events import family
from ..inquiry import fields, shown
from ..transport.port import Reply
from .figures import CommandFigures, LatencySpike, NodeFigures, SlowCommand
from .metrics import fields_of

_NUMBER = re.compile(r"-?\d{1,18}(\.\d+)?")
_COUNTERS, _GAUGES = fields_of("counter"), fields_of("gauge")
_WORDS = ("maxmemory_policy", "master_link_status")
_MAKERS = {"upstash_version": "Upstash", "valkey_version": "Valkey", "redis_version": "Redis"}
_QUANTILE = "latency_percentiles_usec_"


def node_figures(reply: Reply, node: str = "") -> NodeFigures:
    """Return what INFO told.

    Args:
        reply: of ``INFO everything``, or of any part of it.
        node: the server's address in a Cluster, else "".
    """
    told = fields(reply)
    gauges = _numbers(told, _GAUGES) | _keyspace(told)
    if "master_link_status" in told:
        gauges["link_up"] = float(told["master_link_status"] == "up")
    return NodeFigures(
        node=node,
        run_id=told.get("run_id"),
        server=next((f"{maker} {told[field]}" for field, maker in _MAKERS.items() if field in told), ""),
        role=told.get("role"),
        uptime_seconds=_number(told.get("uptime_in_seconds")),
        counters=_numbers(told, _COUNTERS),
        gauges=gauges,
        words={name: told[name] for name in _WORDS if name in told},
        commands=_commands(told),
    )


def slow_commands(reply: Reply, node: str = "") -> list[SlowCommand]:
    """Return the entries of ``SLOWLOG GET``, without their arguments."""
    entries = reply if isinstance(reply, list) else []
    return [found for entry in entries if (found := _slow(entry, node))]


def spikes(reply: Reply, node: str = "") -> list[LatencySpike]:
    """Return the entries of ``LATENCY LATEST``."""
    found = []
    for entry in reply if isinstance(reply, list) else []:
        match entry:
            case [bytes(cause), int(at), int(latest), int(longest), *_]:
                found.append(LatencySpike(node, shown(cause), at, latest, longest))
    return found


def key_family(name: str, namespace: str) -> str:
    """Return the family of a name on the server; what stands beside a key, like its lease, is of the key's family."""
    inner = name[1:].partition("}")[0] if name.startswith("{") else name
    if not inner.startswith(namespace):
        return "(foreign)"
    key = inner[len(namespace) :]
    return family(key) if ":" in key or inner != name else "(no family)"


def _slow(entry: Any, node: str) -> SlowCommand | None:
    match entry:
        case [int(), int(at), int(microseconds), [bytes(name), *arguments], *_]:
            key = _key(shown(name).upper(), arguments)
            return SlowCommand(node, at, microseconds / 1000, shown(name).upper(), family(key) if ":" in key else "")
    return None


def _key(command: str, arguments: list[Any]) -> str:
    """Return the first key of a command; a script's stands third."""
    position = 2 if command.startswith("EVAL") else 0
    key = arguments[position] if len(arguments) > position else b""
    return shown(key) if isinstance(key, bytes) else ""


def _numbers(told: Mapping[str, str], names: frozenset[str]) -> dict[str, float]:
    read = {name: _number(told.get(name)) for name in sorted(names)}
    return {name: number for name, number in read.items() if number is not None}


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and _NUMBER.fullmatch(text) else None


def _keyspace(told: Mapping[str, str]) -> dict[str, float]:
    """Sum the databases; a server that tells of its memory but of no database has none."""
    databases = [_pairs(text) for name, text in told.items() if re.fullmatch(r"db\d+", name)]
    if not databases and "used_memory" not in told:
        return {}
    return {name: sum(database.get(name, 0.0) for database in databases) for name in ("keys", "expires")}


def _commands(told: Mapping[str, str]) -> dict[str, CommandFigures]:
    found = {}
    for field, text in told.items():
        name = field.removeprefix("cmdstat_")
        if name != field:
            pairs = _pairs(text)
            quantiles = _pairs(told.get(_QUANTILE + name, ""))
            times = {percent.removeprefix("p"): time / 1000 for percent, time in quantiles.items()}
            found[name] = CommandFigures(int(pairs.get("calls", 0)), pairs.get("usec", 0.0) / 1e6, times)
    return found


def _pairs(text: str) -> dict[str, float]:
    parts = (part.partition("=") for part in text.split(","))
    return {name: float(value) for name, _, value in parts if _NUMBER.fullmatch(value)}
