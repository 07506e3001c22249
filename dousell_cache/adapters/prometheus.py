"""Events as Prometheus metrics: counters by outcome and key family, histograms of seconds, the breaker as a gauge."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import assert_never

from ..errors import ConfigurationError
from ..events import BreakerMoved, Event, Invalidation, LockAsked, LockEnded, Read, Write
from .common import SECONDS, Families, Observable, missing, scope

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(missing("prometheus-client", "prometheus"), name=error.name) from error

Metric = Counter | Gauge | Histogram


def observe_with_prometheus(
    cache: Observable,
    *,
    registry: CollectorRegistry = REGISTRY,
    prefix: str = "dousell_cache",
    families: int = 50,
) -> Callable[[], None]:
    """Count every event of a cache and return the function that ends it and takes the metrics out of the registry.

    Args:
        cache: either face.
        registry: where the metrics are registered; default the one that ``prometheus_client`` serves.
        prefix: what the metrics' names begin with; a second cache in one registry needs another.
        families: how many key families get labels of their own; the rest share ``(other)``. A family is what stands
            before a key's first colon, so keep personal data behind one.

    Raises:
        ConfigurationError: the registry has metrics of these names already.
    """
    metrics = _Metrics(prefix, Families(families))
    with ExitStack() as stack:
        try:
            for metric in metrics.all():
                registry.register(metric)
                stack.callback(registry.unregister, metric)
        except ValueError as error:
            message = f"the registry has metrics named {prefix}_… already: give this cache another prefix="
            raise ConfigurationError(message) from error
        stack.callback(cache.subscribe(metrics))
        return stack.pop_all().close


class _Metrics:
    """The metrics of one cache; called with each event."""

    def __init__(self, prefix: str, families: Families) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"{prefix}_{name}", what, labels, registry=None)

        def histogram(name: str, what: str, *labels: str) -> Histogram:
            return Histogram(f"{prefix}_{name}", what, labels, registry=None, buckets=SECONDS)

        self._families = families
        self.reads = counter("reads", "Reads by how they ended.", "family", "outcome")
        self.near = counter("near_reads", "Reads that the near cache answered.", "family")
        self.undecodable = counter("undecodable_reads", "Reads of what could not be read back.", "family")
        self.writes = counter("writes", "Values handed to the server.", "stored")
        self.invalidations = counter("invalidations", "Invalidations.", "scope", "delivered")
        self.commands = counter("commands", "Commands sent to the server.", "operation")
        self.read_seconds = histogram("read_seconds", "Time from call to answer.", "outcome")
        self.load_seconds = histogram("load_seconds", "Time spent in loaders.")
        self.write_seconds = histogram("write_seconds", "Time that writes took.")
        self.invalidation_seconds = histogram("invalidation_seconds", "Time that invalidations took.")
        self.locks = counter("locks", "Locks asked for and ended, by outcome.", "family", "outcome")
        self.lock_wait_seconds = histogram("lock_wait_seconds", "Time from asking for a lock to the answer.", "outcome")
        self.lock_hold_seconds = histogram("lock_hold_seconds", "Time that locks were held.", "outcome")
        # Not an Enum metric: those do not work where several worker processes are scraped as one.
        self.breaker_open = Gauge(
            f"{prefix}_breaker_open",
            "1 while the breaker keeps calls from the server.",
            registry=None,
            multiprocess_mode="livemax",
        )

    def all(self) -> list[Metric]:
        """Return every metric."""
        return [metric for metric in vars(self).values() if isinstance(metric, Metric)]

    def __call__(self, event: Event) -> None:
        match event:
            case Read():
                self._count_read(event)
            case Write():
                self.writes.labels(_yes(event.stored)).inc()
                self.write_seconds.observe(event.seconds)
                self.commands.labels("write").inc(event.commands)
            case Invalidation():
                self.invalidations.labels(scope(event), _yes(event.delivered)).inc()
                self.invalidation_seconds.observe(event.seconds)
                self.commands.labels("invalidation").inc(event.commands)
            case LockAsked():
                self.lock_wait_seconds.labels(event.outcome).observe(event.seconds)
                self._count_lock(event)
            case LockEnded():
                self.lock_hold_seconds.labels(event.outcome).observe(event.seconds)
                self._count_lock(event)
            case BreakerMoved():
                self.breaker_open.set(event.state != "closed")
            case _:
                assert_never(event)

    def _count_read(self, event: Read) -> None:
        family = self._families.label(event.key)
        self.reads.labels(family, event.outcome).inc()
        self.read_seconds.labels(event.outcome).observe(event.seconds)
        self.commands.labels("read").inc(event.commands)
        if event.load_seconds:
            self.load_seconds.observe(event.load_seconds)
        if event.near:
            self.near.labels(family).inc()
        if event.undecodable:
            self.undecodable.labels(family).inc()

    def _count_lock(self, event: LockAsked | LockEnded) -> None:
        self.locks.labels(self._families.label(event.name), event.outcome).inc()
        self.commands.labels("lock").inc(event.commands)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
