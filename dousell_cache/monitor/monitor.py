"""The monitor: look after look at one environment, each a :class:`.figures.Sample`."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Generic

import msgspec

from ..check import diagnosis
from ..errors import CacheError, CacheUnavailable
from ..lookups import looked_up
from ..runner import run_blocking
from ..transport.connect import Place, blocking_transport
from ..transport.counted import CountedTransport
from ..transport.port import Argument, Reply
from .application import (
    MOST_HOURS,
    application_figures,
    hours_back,
    lock_figures,
    process_figures,
    read_hours,
    since,
    staleness_figures,
)
from .counts import Field, Hours, Key, accumulated, gathered, merge
from .deltas import delta
from .figures import Alert, Lookups, Sample, ServerFigures
from .memory import Look, Memory
from .reconciling import compared_figure, reconcile
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


class Totals(Generic[Key]):
    """Add up what was flushed since the monitor began: hours leave its window, and what they counted stays.

    An hour that left and comes back, since a clock was set, is the same hour: it is known by its name for a week.

    Args:
        key: what a field counts for; None: for nothing here.
    """

    def __init__(self, key: Callable[[Field], Key | None]) -> None:
        self._key = key
        self._seen: dict[str, Mapping[str, int]] = {}
        self._left: dict[str, Counter[Key]] = {}
        self.past = Counter[Key]()
        self.hours: dict[str, Counter[Key]] = {}

    def see(self, hours: Hours) -> Counter[Key]:
        """Return the sums so far; they only grow, also when a server lost what it had."""
        self._take_back(hours)
        now = {
            name: self.hours[name] if self._seen.get(name) is fields else self._summed({name: fields})
            for name, fields in hours.items()
        }
        for name, counts in self.hours.items():
            if not counts <= now.get(name, Counter()):
                self.past += counts
        self._left |= {name: counts for name, counts in self.hours.items() if name not in now}
        self._left = dict(list(self._left.items())[-MOST_HOURS:])
        self._seen, self.hours = dict(hours), now
        sums = Counter(self.past)
        for counts in now.values():
            merge(sums, counts)
        return sums

    def _take_back(self, hours: Hours) -> None:
        for name in self._left.keys() & hours.keys():
            self.hours[name] = self._left.pop(name)
            self.past -= self.hours[name]

    def _summed(self, hours: Hours) -> Counter[Key]:
        sums = Counter[Key]()
        for field, count in accumulated(hours).items():
            key = self._key(field)
            if key is not None:
                sums[key] += count
        return sums


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
        self._totals, self._sums = Totals[Field](lambda field: field), Totals(compared_figure)
        self._first: Look | None = None
        self._middle: Look | None = None
        self._last: Look | None = None
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

    @property
    def name(self) -> str:
        """What this monitor is told apart from others by: where it looks, how far back, and at which namespace."""
        environment = self._place.environment
        return f"{environment.name} {environment.address} {self._window:g}h {self._namespace}"

    @property
    def memory(self) -> Memory | None:
        """What it would need to go on from here in another process; None before its first look."""
        if self._first is None or self._middle is None or self._last is None:
            return None
        hours = {name: dict(counts) for name, counts in self._sums.hours.items()}
        return Memory(self._first, self._middle, self._last, self._own, dict(self._sums.past), hours)

    def resume(self, memory: Memory) -> None:
        """Go on from where another process was; after a week, when figures are gone, begin anew."""
        if time.time() - memory.last.at > MOST_HOURS * 3600:
            return
        self._first, self._middle, self._last = memory.first, memory.middle, memory.last
        self._own = memory.own
        self._sums.past = Counter(memory.past)
        self._sums.hours = {name: Counter(counts) for name, counts in memory.hours.items()}

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
        look = Look(now, self._with_families(server), dict(self._sums.see(hours)), own)
        return self._compared(now, look, hours)

    def _compared(self, now: float, look: Look, hours: Hours) -> Sample:
        is_back = self._last is not None and now < self._last.at  # a clock was set back: no seconds lie between
        last, first = (None, look) if is_back else (self._last, self._first or look)
        shown = {name: hours[name] for name in hours_back(now, self._window)}
        counts = gathered(shown, since(now, self._window))
        window = delta(first.server, look.server, look.at - first.at)
        own = Lookups(look.own.found - first.own.found, look.own.absent - first.own.absent)
        moved = {figure: count - first.sums.get(figure, 0) for figure, count in look.sums.items()}
        compared = reconcile(window, moved, own) if last else None
        self._move_on(first, look, anew=is_back or bool(window.gaps))
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

    def _move_on(self, first: Look, look: Look, *, anew: bool) -> None:
        """Begin the comparison anew after a gap; else let it begin half a window later once it is a window long."""
        self._last = look
        middle = self._middle or first
        if anew:
            first = middle = look
        elif look.at - first.at >= self._window * 3600:
            first, middle = middle, look
        elif middle is first and look.at - first.at >= self._window * 1800:
            middle = look
        self._first, self._middle = first, middle

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
        idle = (now - self._last.at) / 3600 if self._last else 0.0  # cron may come once a day
        names = hours_back(now, min(max(self._window, idle), MOST_HOURS))
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
            self._own += Lookups(*found[1:])
