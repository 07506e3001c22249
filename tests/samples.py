"""What the tests of alerts share: looks of a monitor that never was."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from dousell_cache.measure.stats import Interval
from dousell_cache.monitor.figures import (
    ApplicationFigures,
    LockFigures,
    Lookups,
    NodeFigures,
    ProcessFigures,
    Reconciliation,
    Sample,
    ServerDelta,
    ServerFigures,
)

BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)
CACHE = "redis://cache.example:6379"
GIB = 2.0**30


def at(minute: float) -> str:
    """Return the moment so many minutes after the beginning, as samples write it."""
    return (BEGIN + timedelta(minutes=minute)).isoformat(timespec="seconds")


def look(
    minute: float = 0,
    *,
    hit_rate: tuple[float, float | None, float | None] | None = (0.95, 0.94, 0.96),
    evicted: float | None = 0,
    memory: float | None = 0.5,
    opened: int = 0,
    locks: Mapping[str, int] | None = None,
    replicas: float | None = 1,
    link_up: bool | None = None,
    points: float | None = 0.0,
    uptime: float = 1e6,
    policy: str = "allkeys-lru",
    families: Iterable[ApplicationFigures] = (),
    outcomes: Mapping[str, int] | None = None,
    environment: str = "dedicated",
) -> Sample:
    """Return a sample in which all is well but for what is named."""
    gauges = {"maxmemory": GIB, "used_memory": memory * GIB} if memory is not None else {}
    gauges |= {"connected_slaves": replicas} if replicas is not None else {}
    gauges |= {"link_up": float(link_up)} if link_up is not None else {}
    role = "slave" if link_up is not None else "master"
    words = {"maxmemory_policy": policy}
    node = NodeFigures(role=role, uptime_seconds=uptime, gauges=gauges, words=words)
    everything = ApplicationFigures(
        environment=environment,
        outcomes=dict(outcomes or {"hit": 950, "miss": 50}),
        hit_rate=Interval(*hit_rate, 1000) if hit_rate else None,
    )
    return Sample(
        at=at(minute),
        environment=environment,
        cache=CACHE,
        server=ServerFigures(nodes=(node,)),
        delta=ServerDelta(60.0, {"evicted_keys": evicted} if evicted is not None else {}),
        application=(everything, *families),
        locks=(LockFigures(environment, "payment", dict(locks)),) if locks else (),
        processes=(ProcessFigures(environment=environment, breaker_opened=opened, breaker_open_seconds=5.0 * opened),),
        reconciliation=_reconciliation(points),
    )


def blind(minute: float, problem: str = "nothing listens at redis://cache.example:6379") -> Sample:
    """Return the sample of a look that could not see the server."""
    return Sample(at=at(minute), environment="dedicated", cache=CACHE, problem=problem)


def family(name: str, *, hits: int, misses: int) -> ApplicationFigures:
    """Return the figures of a key family."""
    return ApplicationFigures(environment="dedicated", family=name, outcomes={"hit": hits, "miss": misses})


def _reconciliation(points: float | None) -> Reconciliation:
    cause = "somebody else reads from this database" if points and abs(points) > 2 else ""
    return Reconciliation(
        seconds=60.0,
        application_hits=950,
        near_hits=0,
        expected={},
        server=Lookups(950, 50),
        unexplained=0,
        points=points,
        cause=cause,
    )
