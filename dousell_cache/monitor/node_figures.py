"""What one server tells of itself, and several of them as one.

What was not told is absent: missing from a dict, or None. It is never taken for nought.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


class CommandFigures(msgspec.Struct, frozen=True):
    """What a node tells of one command.

    Args:
        calls: how often it ran, inside scripts too.
        seconds: processor time of all calls.
        quantiles_ms: its time by percent (``"50"``, ``"99"``, ``"99.9"``); they cannot be merged between nodes.
    """

    calls: int
    seconds: float
    quantiles_ms: dict[str, float] = {}


class NodeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one server tells of itself.

    Args:
        node: its host and port in a Cluster, else "".
        run_id: a word of its own since it started; None where it tells none.
        server: its maker and version in words; "" if unknown.
        role: ``master`` or ``slave``; None if unknown.
        uptime_seconds: since it started.
        counters: what only grows until a restart or CONFIG RESETSTAT, by INFO's names (``keyspace_hits``,
            ``evicted_keys``, …).
        gauges: what moves both ways, by INFO's names (``used_memory``, ``maxmemory``, ``connected_clients``, …), and
            ``keys``, ``expires`` summed over databases, ``link_up`` (1 if a replica's link to its primary is up).
        words: what is told in words: ``maxmemory_policy``, ``master_link_status``.
        commands: by command, lower case.
    """

    node: str = ""
    run_id: str | None = None
    server: str = ""
    role: str | None = None
    uptime_seconds: float | None = None
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    words: dict[str, str] = {}
    commands: dict[str, CommandFigures] = {}

    @property
    def memory_share(self) -> float | None:
        """Return used memory ÷ its limit; None without a limit, or if either is not told."""
        limit, used = self.gauges.get("maxmemory"), self.gauges.get("used_memory")
        return used / limit if limit and used is not None else None


# Of these gauges a sum over nodes says nothing: the worst is told.
_WORST = frozenset({"mem_fragmentation_ratio", "latest_fork_usec", "expired_stale_perc"})


def together(nodes: tuple[NodeFigures, ...]) -> NodeFigures:
    """Return several nodes as one: what can be added is added, of the rest the worst."""
    gauges = _joined([node.gauges for node in nodes], _WORST)
    gauges |= {"link_up": min(node.gauges.get("link_up", math.inf) for node in nodes)} if "link_up" in gauges else {}
    uptimes = [node.uptime_seconds for node in nodes if node.uptime_seconds is not None]
    names = sorted({name for node in nodes for name in node.commands})
    return NodeFigures(
        node="all",
        server=", ".join(dict.fromkeys(node.server for node in nodes)),
        role=_if_alike(node.role for node in nodes),
        uptime_seconds=min(uptimes, default=None),
        counters=_joined([node.counters for node in nodes], frozenset()),
        gauges=gauges,
        words={name: text for name, text in nodes[0].words.items() if all(n.words.get(name) == text for n in nodes)},
        commands={name: _command([node.commands[name] for node in nodes if name in node.commands]) for name in names},
    )


def _joined(parts: list[dict[str, float]], worst: frozenset[str]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    told: Mapping[str, list[float]] = {name: [part[name] for part in parts if name in part] for name in names}
    return {name: max(values) if name in worst else sum(values) for name, values in told.items()}


def _command(parts: list[CommandFigures]) -> CommandFigures:
    return CommandFigures(sum(part.calls for part in parts), sum(part.seconds for part in parts))


def _if_alike(values: Iterable[Any]) -> Any:
    seen = set(values)
    return seen.pop() if len(seen) == 1 else None
