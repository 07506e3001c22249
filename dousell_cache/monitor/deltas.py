"""What moved between two looks at a server: never negative, and never in silence after a restart or a reset. Pure."""

from .figures import NodeFigures, ServerDelta, ServerFigures

_REAL = frozenset({"used_cpu_sys", "used_cpu_user"})
"""Counters that CONFIG RESETSTAT leaves alone."""


def delta(before: ServerFigures, after: ServerFigures, seconds: float) -> ServerDelta:
    """Return what the counters of all nodes moved by.

    A node that restarted counts from nought, and so does one whose counters were reset: what it has counted since is
    taken, what it had counted before that is lost, and a gap says so. A node that is new, after a failover say, is a
    beginning: nothing of it is taken.

    Args:
        before: the look before.
        after: this look.
        seconds: between the two.
    """
    counters: dict[str, float] = {}
    gaps = []
    known = {_identity(node): node for node in before.nodes}
    places = {node.node: node for node in before.nodes}
    for node in after.nodes:
        moved, gap = _moved(known.get(_identity(node)), places.get(node.node), node)
        gaps += [gap] if gap else []
        for name, value in moved.items():
            counters[name] = counters.get(name, 0.0) + value
    here = {node.node for node in after.nodes}
    gaps += [f"{_called(node)} is gone" for node in before.nodes if node.node not in here]
    return ServerDelta(seconds, counters, tuple(gaps))


def _identity(node: NodeFigures) -> str:
    return node.run_id or node.node


def _moved(same: NodeFigures | None, place: NodeFigures | None, now: NodeFigures) -> tuple[dict[str, float], str]:
    if same is None and place is None:
        return {}, f"{_called(now)} is new: its counters begin here"
    if same is None or _younger(now, same):
        return now.counters, f"{_called(now)} restarted: what it counted before is lost"
    # A reset that was outgrown by the next look goes unseen: of a dozen counters one is nearly always smaller.
    moved = {name: value - same.counters[name] for name, value in now.counters.items() if name in same.counters}
    if any(value < 0 for name, value in moved.items() if name not in _REAL):
        counters = {name: moved.get(name, 0.0) if name in _REAL else value for name, value in now.counters.items()}
        return counters, f"{_called(now)} had its counters reset: what it counted before is lost"
    return moved, ""


def _younger(now: NodeFigures, before: NodeFigures) -> bool:
    return None not in (now.uptime_seconds, before.uptime_seconds) and (now.uptime_seconds or 0) < (
        before.uptime_seconds or 0
    )


def _called(node: NodeFigures) -> str:
    return f"node {node.node}" if node.node else "the server"
