"""Ask a server for its figures: INFO, SLOWLOG, LATENCY, of each node; whatever it refuses is told as unanswered."""

from typing import Any

from ..errors import CacheError
from ..inquiry import fields
from ..transport.port import Port, Reply
from ..transport.replies import array
from .figures import LatencySpike, NodeFigures, ServerFigures, SlowCommand
from .info import node_figures, slow_commands, spikes
from .sampling import KeySample, is_refusal, sampled

SLOW_ENTRIES = 10
"""How many entries of a slow log are asked for: the latest; who wants more has it on the server."""


async def read_server(transport: Port, *, namespace: str = "", families: int = 0) -> ServerFigures:
    """Ask every node for its figures: three commands each, and one for a Cluster's map.

    Args:
        transport: the way there.
        namespace: what stands before the application's keys.
        families: how many keys to look at for the memory of families; default none, since that SCANs.

    Returns:
        What was told. Upstash has no SLOWLOG and no LATENCY, and others may forbid them: ``unanswered`` names these.

    Raises:
        CacheUnavailable: no usable answer from one of the nodes.
    """
    unanswered = dict[str, None]()
    nodes: list[NodeFigures] = []
    slow: list[SlowCommand] = []
    stops: list[LatencySpike] = []
    keys = KeySample(namespace)
    ports = await _ports(transport)
    for name, port in ports:
        nodes.append(await _node(port, name, unanswered))
        slow += slow_commands(await _asked(port, unanswered, "SLOWLOG", "GET", SLOW_ENTRIES), name)
        stops += spikes(await _asked(port, unanswered, "LATENCY", "LATEST"), name)
        if families:
            counts_uses = "lfu" in nodes[-1].words.get("maxmemory_policy", "")
            await sampled(port, keys, families // len(ports) or 1, counts_uses=counts_uses)
    total = sum(node.gauges.get("keys", 0.0) for node in nodes)
    return ServerFigures(
        nodes=tuple(nodes),
        slow=tuple(sorted(slow, key=lambda entry: -entry.at)[:SLOW_ENTRIES]),
        spikes=tuple(stops),
        families=keys.families(total),
        big=keys.big(),
        hot=keys.hot(),
        sampled=keys.count,
        unanswered=(*unanswered, *keys.refused),
    )


async def _ports(transport: Port) -> list[tuple[str, Port]]:
    """Return the nodes by the names that they have in the Cluster's map; a server that is alone needs none."""
    ports = list(await transport.nodes())
    if len(ports) == 1:
        return [("", ports[0])]
    return [(_address(await port.send("CLUSTER", "SLOTS"), await port.send("CLUSTER", "MYID")), port) for port in ports]


def _address(slots: Reply, identity: Reply) -> str:
    for part in array(slots):
        match array(part)[2:]:
            case [[host, int(port), name, *_], *_] if name == identity:
                return f"{_text(host)}:{port}"
    return _text(identity)[:8]


async def _node(port: Port, name: str, unanswered: dict[str, None]) -> NodeFigures:
    reply = await _asked(port, unanswered, "INFO", "everything")
    if not fields(reply):  # Upstash answers only the sections that it has
        unanswered.pop("INFO", None)
        reply = await _asked(port, unanswered, "INFO")
    return node_figures(reply, name)


async def _asked(port: Port, unanswered: dict[str, None], *command: str | int) -> Reply:
    try:
        return await port.send(*command)
    except CacheError as error:
        if not is_refusal(error):
            raise
        unanswered[str(command[0])] = None
        return None


def _text(reply: Any) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else ""
