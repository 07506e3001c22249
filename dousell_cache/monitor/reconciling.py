"""Reconcile: is what the server's counters moved by what the application's commands looked up? Pure.

The application's hit rate is the one that counts. The server's counts other things too: what loads and locks look up,
every tenant, and none of the hits that a near cache answered. So each process counts, command by command, what the
server must have counted for it (:mod:`dousell_cache.lookups`), and only what is left over is worth a word.
"""

from collections.abc import Mapping

from .counts import Field
from .figures import MOST_POINTS, Lookups, Reconciliation, ServerDelta

CAUSES = ("reads", "loads", "locks", "others")
SETTLED_SECONDS = 300.0
"""Below, what processes have not flushed yet, ten seconds of it, may well be another mix of hits and misses."""

_NEEDED = {"hit", "near"} | {f"{end}.{cause}" for end in ("found", "absent") for cause in CAUSES}
_FEW = 0.02  # of the server's lookups: so many may be on their way in flushes


def compared_figure(field: Field) -> str | None:
    """Return the figure of a field if the comparison needs it: of all environments and families together."""
    return field.figure if field.figure in _NEEDED else None


def reconcile(server: ServerDelta, moved: Mapping[str, int], own: Lookups) -> Reconciliation | None:
    """Compare what the server counted with what the application says, over one window.

    Args:
        server: what the server's counters moved by.
        moved: what the application's figures moved by, by figure, of all environments that share the server.
        own: what the monitor itself looked up.

    Returns:
        The comparison; None if the server does not count lookups.
    """
    if not {"keyspace_hits", "keyspace_misses"} <= server.counters.keys():
        return None
    expected = {cause: Lookups(moved.get(f"found.{cause}", 0), moved.get(f"absent.{cause}", 0)) for cause in CAUSES}
    expected["monitor"] = own
    whole = sum(expected.values(), Lookups())
    counted = Lookups(round(server.counters["keyspace_hits"]), round(server.counters["keyspace_misses"]))
    points = None
    # After a restart the server has counted for a part of the time only: that is a gap, and no difference.
    settled = server.seconds >= SETTLED_SECONDS and not server.gaps
    if settled and counted.rate is not None and whole.rate is not None:
        points = (counted.rate - whole.rate) * 100
    return Reconciliation(
        seconds=server.seconds,
        application_hits=moved.get("hit", 0),
        near_hits=moved.get("near", 0),
        expected=expected,
        server=counted,
        unexplained=counted.total - whole.total,
        points=points,
        cause=_cause(server, counted, whole, points),
        gaps=server.gaps,
    )


def _cause(server: ServerDelta, counted: Lookups, expected: Lookups, points: float | None) -> str:
    if server.gaps:
        return f"{server.gaps[0]}, while the application's figures went on"
    if points is None or abs(points) <= MOST_POINTS:
        return ""
    unexplained = counted.total - expected.total
    if unexplained > _FEW * counted.total:
        return (
            f"{unexplained} lookups are nobody's: another tenant of this server, a process without figures=True, "
            "or another namespace"
        )
    if unexplained < -_FEW * counted.total:
        return (
            f"{-unexplained} lookups never reached this server: some processes speak to another one, or its counters "
            "were reset"
        )
    return "the lookups are as many, but fewer or more of them found something: entries that expired or were evicted \
between two commands of a load, or waiters of other processes"
