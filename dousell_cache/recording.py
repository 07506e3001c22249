"""Record what one process sees, as counts that can be added to those of all others. Pure: times and words come in.

What is recorded leaves in batches: a batch that may not have arrived is sent again as it was, under its number, before
anything newer. So nothing counts twice, and what a dead server does not take is kept; it is bounded by the number of
families and of buckets, whatever happens.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from .events import BreakerMoved, Event, Invalidation, LockAsked, LockEnded, Read, Write
from .families import NO_FAMILY, Families
from .histogram import bucket

EVERY_SECONDS = 10.0
"""Seconds between two flushes of a process, at least: a hit's price stays one command."""
SLICE_MINUTES = 2
"""Counts of an hour are told apart by slices of so many minutes: the clusters of a hit rate's interval. Five of them
make one, so that what is wrong is known for sure after ten minutes; shorter ones would be too alike."""
LIVE_MS = 7 * 24 * 3600 * 1000
"""How long figures live: a week, so that one day can be compared with the same day before."""
BATCH_LIVES_MS = 2 * 3600 * 1000
"""How long a server knows which batch of a process came last."""

_CAUSES = ("reads", "loads", "locks", "others")
_FOUND = {cause: f"found.{cause}" for cause in _CAUSES}
_ABSENT = {cause: f"absent.{cause}" for cause in _CAUSES}
_MOST_DOUBT_SECONDS = 3600.0  # half of that: a batch that may have arrived is not sent again after it
_MOST_FAMILIES = 50
_MOST_LETTERS = 80  # of a family's name
_MOST_FIELDS = 2000  # in a batch, after which the next family waits: some milliseconds of the server's time


@dataclass(slots=True)
class Batch:
    """Counts on their way to a server.

    Args:
        number: greater than that of any batch before it.
        hour: which figures they belong to, such as ``2026-11-28T13``, UTC.
        fields: what to add to each field.
        doubted: when it first went without an answer, in monotonic seconds.
    """

    number: int
    hour: str
    fields: dict[str, int]
    doubted: float = math.inf


class _Family:
    """The counts of one family; times by bucket."""

    __slots__ = ("answers", "counts", "loads")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.answers: dict[int, int] = {}
        self.loads: dict[int, int] = {}


class Recorder:
    """Take every event of a cache and keep counts for the next batch; safe between threads.

    Args:
        environment: whose figures they are.
        now: returns monotonic seconds.
        wall: returns seconds since 1970.
        token: makes a word that no other process makes.
        on_due: called, at most once in :data:`EVERY_SECONDS`, when there is something to flush; None: nobody is.
    """

    def __init__(
        self,
        environment: str,
        now: Callable[[], float],
        wall: Callable[[], float],
        token: Callable[[], str],
        on_due: Callable[[], None] | None = None,
    ) -> None:
        self._environment, self._now, self._wall, self._token = environment, now, wall, token
        self._on_due = on_due
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything, in a forked child: the parent flushes what the parent saw."""
        self._lock = threading.Lock()
        self.process = self._token()
        self._labels = Families(_MOST_FAMILIES)
        self._families: dict[str, _Family] = {}
        self._totals: dict[str, int] = {}
        self._number = 0
        self._pending: Batch | None = None
        self._opened: float | None = None
        self._due = self._now() + EVERY_SECONDS
        self._last_flush = -math.inf
        self.refused = False
        """Whether a server has refused what was sent."""

    def __call__(self, event: Event) -> None:
        """Record one event."""
        if isinstance(event, Read):
            self._read(event)
        elif isinstance(event, BreakerMoved):
            self._moved(event)
        else:
            self._other(event)
        if self._on_due and self._now() >= self._due:
            self._due = self._now() + EVERY_SECONDS
            self._on_due()

    def looked_up(self, cause: str, found: int, absent: int) -> None:
        """Record names that a command looked up on the server."""
        with self._lock:  # every command comes here: no call is spent on it
            totals = self._totals
            if found:
                name = _FOUND[cause]
                totals[name] = totals.get(name, 0) + found
            if absent:
                name = _ABSENT[cause]
                totals[name] = totals.get(name, 0) + absent

    def compared(self, key: str, verdict: str, age: float | None = None) -> None:
        """Record that a hit was compared with the origin.

        Args:
            key: the hit's.
            verdict: ``same``, ``stale`` or ``unknown``.
            age: seconds since its entry was stored.
        """
        with self._lock:
            counts = self._of(key).counts
            name = f"probe.{verdict}"
            counts[name] = counts.get(name, 0) + 1
            if age is not None:
                name = f"age{bucket(age / 1000)}"  # milliseconds in the place of microseconds: to 18 hours
                counts[name] = counts.get(name, 0) + 1

    def may_flush(self) -> bool:
        """Tell whether the last flush is long enough ago."""
        return self._now() - self._last_flush >= EVERY_SECONDS

    def take(self) -> Batch | None:
        """Return what is to be sent next, None if there is nothing: first what may not have arrived."""
        with self._lock:
            self._last_flush = self._now()
            self._due = self._last_flush + EVERY_SECONDS
            if self._pending and self._last_flush - self._pending.doubted > _MOST_DOUBT_SECONDS:
                self._pending = None
            if self._pending is None and (fields := self._drain()):
                self._number += 1
                self._pending = Batch(self._number, self._hour(), fields)
            return self._pending

    def arrived(self, batch: Batch) -> None:
        """Take note that a batch arrived."""
        with self._lock:
            if self._pending is batch:
                self._pending = None

    def doubted(self, batch: Batch) -> None:
        """Take note that nobody knows whether a batch arrived."""
        batch.doubted = min(batch.doubted, self._now())

    def _read(self, event: Read) -> None:
        name, colon, _ = event.key.partition(":")
        with self._lock:
            family = self._families.get(name if colon else NO_FAMILY)
            if family is None:
                family = self._of(event.key)
            counts, answers = family.counts, family.answers
            outcome, place = event.outcome, bucket(event.seconds)
            counts[outcome] = counts.get(outcome, 0) + 1
            answers[place] = answers.get(place, 0) + 1
            if event.commands:
                counts["commands"] = counts.get("commands", 0) + event.commands
            if event.near:
                counts["near"] = counts.get("near", 0) + 1
            if event.load_seconds or event.undecodable or event.failure:
                self._loaded(family, event)

    def _loaded(self, family: _Family, event: Read) -> None:
        if event.load_seconds:
            place = bucket(event.load_seconds)
            family.loads[place] = family.loads.get(place, 0) + 1
        for name, happened in (("undecodable", event.undecodable), ("failure", bool(event.failure))):
            family.counts[name] = family.counts.get(name, 0) + happened

    def _other(self, event: Write | Invalidation | LockAsked | LockEnded) -> None:
        with self._lock:
            if isinstance(event, Write):
                self._add("write.stored" if event.stored else "write.refused", 1)
                self._add("commands.write", event.commands)
            elif isinstance(event, Invalidation):
                self._add("invalidation.delivered" if event.delivered else "invalidation.undelivered", 1)
                self._add("commands.invalidation", event.commands)
            else:
                counts, name = self._of(event.name).counts, f"lock.{event.outcome}"
                counts[name] = counts.get(name, 0) + 1
                self._add("commands.lock", event.commands)

    def _moved(self, event: BreakerMoved) -> None:
        with self._lock:
            if event.state == "open" and self._opened is None:
                self._opened = self._now()
                self._add("breaker.opened", 1)
            elif event.state == "closed" and self._opened is not None:
                self._add("breaker.open_ms", round((self._now() - self._opened) * 1000))
                self._opened = None

    def _add(self, name: str, count: int) -> None:
        if count:
            self._totals[name] = self._totals.get(name, 0) + count

    def _of(self, key: str) -> _Family:
        name = self._labels.label(key)[:_MOST_LETTERS] or NO_FAMILY  # without a name are the totals
        return self._families.setdefault(name, _Family())

    def _hour(self) -> str:
        return hour(self._wall())

    def _drain(self) -> dict[str, int]:
        """Move what was counted into fields; a process that flushes for the first time in a slice says so."""
        minute = datetime.fromtimestamp(self._wall(), UTC).minute
        part = f"{minute - minute % SLICE_MINUTES:02d}"
        fields: dict[str, int] = {}
        for name in list(self._families):
            if len(fields) >= _MOST_FIELDS:
                break
            family = self._families.pop(name)
            fields |= {self._field(figure, part, name): n for figure, n in family.counts.items() if n}
            fields |= {self._field(f"t{place}", "", name): n for place, n in family.answers.items()}
            fields |= {self._field(f"l{place}", "", name): n for place, n in family.loads.items()}
        fields |= {self._field(figure, part, ""): n for figure, n in self._totals.items()}
        self._totals = {}
        return fields and {**fields, self._field("flushes", part, ""): 1}

    def _field(self, figure: str, part: str, family: str) -> str:
        return f"{self._environment}:{figure}:{part}:{family}"


def hour(seconds: float) -> str:
    """Return the hour that a time, in seconds since 1970, falls in, as figures are named by it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H")
