"""Events as OpenTelemetry metrics, and as events on the span that is current where the cache was called."""

from collections.abc import Callable
from typing import assert_never

from ..events import BreakerMoved, Event, Invalidation, LockAsked, LockEnded, Read, Write
from .common import SECONDS, Families, Observable, facts, missing, scope

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import Meter
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(missing("opentelemetry-api", "opentelemetry"), name=error.name) from error


def observe_with_opentelemetry(
    cache: Observable, *, meter: Meter | None = None, families: int = 50, hide_keys: bool = False
) -> Callable[[], None]:
    """Measure every event of a cache, note it on the current span, and return the function that ends it.

    Args:
        cache: either face.
        meter: what makes the instruments; default the global provider's meter ``dousell_cache``.
        families: how many key families get attributes of their own in metrics; the rest share ``(other)``.
        hide_keys: whether span events name only families of keys and tags, for keys that carry personal data.
    """
    instruments = _Instruments(meter or metrics.get_meter("dousell_cache"), Families(families))

    def observer(event: Event) -> None:
        instruments.record(event)
        span = trace.get_current_span()
        if span.is_recording():
            noted = facts(event, hide_keys=hide_keys)
            attributes = {f"dousell_cache.{name}": fact for name, fact in noted.items() if name != "event"}
            span.add_event(f"dousell_cache.{noted['event']}", attributes)

    return cache.subscribe(observer)


class _Instruments:
    """The instruments of one cache."""

    def __init__(self, meter: Meter, families: Families) -> None:
        def duration(operation: str) -> metrics.Histogram:
            name = f"dousell_cache.{operation}.duration"
            return meter.create_histogram(name, unit="s", explicit_bucket_boundaries_advisory=SECONDS)

        self._families = families
        self._reads = meter.create_counter("dousell_cache.reads", "{read}", "Reads by how they ended")
        self._writes = meter.create_counter("dousell_cache.writes", "{write}", "Values handed to the server")
        self._invalidations = meter.create_counter("dousell_cache.invalidations", "{invalidation}", "Invalidations")
        self._commands = meter.create_counter("dousell_cache.commands", "{command}", "Commands sent to the server")
        self._read_seconds, self._load_seconds = duration("read"), duration("load")
        self._write_seconds, self._invalidation_seconds = duration("write"), duration("invalidation")
        self._locks = meter.create_counter("dousell_cache.locks", "{lock}", "Locks asked for and ended, by outcome")
        self._lock_wait, self._lock_hold = duration("lock.wait"), duration("lock.hold")
        self._breaker_open = meter.create_gauge(
            "dousell_cache.breaker.open", description="1 while the breaker keeps calls from the server"
        )

    def record(self, event: Event) -> None:
        """Record one event."""
        match event:
            case Read():
                self._record_read(event)
            case Write():
                self._writes.add(1, {"stored": event.stored})
                self._write_seconds.record(event.seconds)
                self._commands.add(event.commands, {"operation": "write"})
            case Invalidation():
                self._invalidations.add(1, {"scope": scope(event), "delivered": event.delivered})
                self._invalidation_seconds.record(event.seconds)
                self._commands.add(event.commands, {"operation": "invalidation"})
            case LockAsked() | LockEnded():
                self._record_lock(event)
            case BreakerMoved():
                self._breaker_open.set(int(event.state != "closed"))
            case _:
                assert_never(event)

    def _record_read(self, event: Read) -> None:
        family = self._families.label(event.key)
        about = {"near": event.near, "undecodable": event.undecodable}
        self._reads.add(1, {"family": family, "outcome": event.outcome, **about})
        self._read_seconds.record(event.seconds, {"outcome": event.outcome})
        self._commands.add(event.commands, {"operation": "read"})
        if event.load_seconds:
            self._load_seconds.record(event.load_seconds)

    def _record_lock(self, event: LockAsked | LockEnded) -> None:
        seconds = self._lock_wait if isinstance(event, LockAsked) else self._lock_hold
        self._locks.add(1, {"family": self._families.label(event.name), "outcome": event.outcome})
        seconds.record(event.seconds, {"outcome": event.outcome})
        self._commands.add(event.commands, {"operation": "lock"})
