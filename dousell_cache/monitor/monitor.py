"""The monitor: look after look at one environment, each a :class:`.figures.Sample`."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from ..check import diagnosis
from ..errors import CacheError, CacheUnavailable
from ..lookups import looked_up
from ..runner import run_blocking
from ..transport.connect import Place, blocking_transport
from ..transport.counted import CountedTransport
from ..transport.port import Argument, Reply
from .application import (
    application_figures,
    hours_back,
    lock_figures,
    process_figures,
    read_hours,
    since,
    staleness_figures,
)
from .counts import Field, Hours, accumulated, gathered
from .deltas import delta
from .figures import Alert, Lookups, Sample, ServerFigures
from .reconciling import reconcile
from .server import read_server

PATIENCE = 5.0
"""Seconds that a command may take: a monitor waits out a slow network, where a site would go to the origin."""
SAMPLE_KEYS = 500
"""Keys that are looked at for the memory of families: a second of a server that is not near."""

_SAMPLE_EVERY = 60.0  # seconds: the memory of families does not move faster
_STILL_MOVING = 2  # hours: later no process adds to its figures, but for a batch that was long in doubt

Alerts = Callable[[Sample], Sequence[Alert]]


def no_alerts(sample: Sample) -> Sequence[Alert]:  # noqa: ARG001 - the hook's
    """Say nothing: what a monitor goes by unless rules are plugged in."""
    return ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look saw of what only grows."""

    at: float
    server: ServerFigures
    totals: Counter[Field]
    own: Lookups


class Totals:
    """Add up what was flushed since the monitor began: hours leave its window, and what they counted stays."""

    def __init__(self) -> None:
        self._past = Counter[Field]()
        self._hours: dict[str, Counter[Field]] = {}

    def see(self, hours: Hours) -> Counter[Field]:
        """Return the sums so far; they only grow, also when a server lost what it had."""
        now = {name: accumulated({name: fields}) for name, fields in hours.items()}
        for name, counts in self._hours.items():
            if not counts <= now.get(name, Counter()):
                self._past += counts
        self._hours = now
        return sum(now.values(), Counter[Field]()) + self._past


class Monitor:
    """Look at one environment, as often as it is asked to.

    Args:
        place: where the cache is; let go of at the end.
        namespace: what stands before the application's keys; default nothing.
        hours: how far back the application's figures reach; default one: what is wrong now is seen.
        families: how many keys to look at for the memory of families; default none, since that SCANs.
        alerts: rules that are told each sample, and say what somebody should know of.
    """

    def __init__(
        self,
        place: Place,
        *,
        namespace: str = "",
        hours: float = 1.0,
        families: int = 0,
        alerts: Alerts = no_alerts,
    ) -> None:
        hours_back(0.0, hours)  # refuses what makes no sense
        self._place, self._namespace, self._window = place, namespace, hours
        self._families, self._sampled_at = families, -_SAMPLE_EVERY
        self._alerts = alerts
        self._transport = CountedTransport(blocking_transport(place.environment, PATIENCE), self._count)
        self._own = Lookups()
        self._hours: dict[str, dict[str, int]] = {}
        self._totals = Totals()
        self._first: _Look | None = None
        self._last: _Look | None = None
        self.totals = Counter[Field]()
        """What was flushed since the monitor began, hours of its first look included: it only grows."""

    def look(self) -> Sample:
        """Return what is to be seen now; a server that cannot be seen is told of, not raised."""
        started, now = time.monotonic(), time.time()
        try:
            sample = self._seen_again(now)
        except CacheError as error:
            sample = msgspec.structs.replace(self._blank(now), problem=diagnosis(error, self._place.environment))
        sample = msgspec.structs.replace(sample, seconds=round(time.monotonic() - started, 6))
        return msgspec.structs.replace(sample, alerts=tuple(self._alerts(sample)))

    def close(self) -> None:
        """Close the connections, and let go of the place."""
        try:
            self._transport.close()
        finally:
            self._place.release()

    def _seen_again(self, now: float) -> Sample:
        """Look a second time if the first failed: over a connection that has gone meanwhile that says too little."""
        try:
            return self._seen(now)
        except CacheError:
            return self._seen(now)

    def _seen(self, now: float) -> Sample:
        own = self._own  # as INFO finds it: what is sampled is sampled after it
        server = run_blocking(read_server(self._transport, namespace=self._namespace, families=self._families_due()))
        if not any(node.counters or node.gauges for node in server.nodes):
            message = "the server tells nothing of itself: its user may not ask for INFO"
            raise CacheUnavailable(message)
        hours = self._read_hours(now)
        self.totals = self._totals.see(hours)
        look = _Look(time.monotonic(), self._with_families(server), self.totals, own)
        return self._compared(now, look, hours)

    def _compared(self, now: float, look: _Look, hours: Hours) -> Sample:
        last, first = self._last, self._first or look
        counts = gathered(hours, since(now, self._window))
        window = delta(first.server, look.server, look.at - first.at)
        own = Lookups(look.own.found - first.own.found, look.own.absent - first.own.absent)
        compared = reconcile(window, look.totals - first.totals, own) if last else None
        self._last = look
        self._first = look if window.gaps else first  # after a gap, what can be compared begins anew
        return msgspec.structs.replace(
            self._blank(now),
            server=look.server,
            delta=delta(last.server, look.server, look.at - last.at) if last else None,
            application=tuple(application_figures(counts)),
            locks=tuple(lock_figures(counts)),
            processes=tuple(process_figures(counts)),
            reconciliation=compared,
            staleness=tuple(staleness_figures(counts)),
        )

    def _blank(self, now: float) -> Sample:
        environment = self._place.environment
        return Sample(
            at=datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            environment=environment.name,
            cache=environment.address,
            emulated=environment.emulated,
            namespace=self._namespace,
            hours=self._window,
        )

    def _read_hours(self, now: float) -> Hours:
        """Read what may have moved; of the hours before that, those that were not read yet."""
        names = hours_back(now, self._window)
        wanted = [name for name in names if name not in self._hours or name in names[-_STILL_MOVING:]]
        read = run_blocking(read_hours(self._transport, self._namespace, wanted))
        self._hours = {name: fields for name, fields in (self._hours | read).items() if name in names}
        return self._hours

    def _families_due(self) -> int:
        now = time.monotonic()
        if not self._families or now - self._sampled_at < _SAMPLE_EVERY:
            return 0
        self._sampled_at = now
        return self._families

    def _with_families(self, server: ServerFigures) -> ServerFigures:
        """Return the figures with the last sample of keys, where none was taken now."""
        if server.sampled or not self._last:
            return server
        kept = self._last.server
        return msgspec.structs.replace(server, families=kept.families, big=kept.big, hot=kept.hot, sampled=kept.sampled)

    def _count(self, command: tuple[Argument, ...], reply: Reply) -> None:
        found = looked_up(command, reply)
        if found:
            self._own += Lookups(found.found, found.absent)
