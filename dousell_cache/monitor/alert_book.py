"""One look's alerts, from the sample to whoever is told: judged by what is kept, written down, delivered.

A notice is written down before it is sent and crossed out after, so it is sent at least once, whatever dies in between;
its id lets a receiver drop what it has.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from .alert_file import Book, BookNotKept, Keeping, Watched, document, replace
from .alert_rules import Rule
from .alerts import REMINDER_SECONDS, Notice, State, alerts, moment, set_right, step
from .delivery import WORDS, Delivery
from .deltas import delta
from .figures import Alert, NodeFigures, Sample, ServerFigures

MOST_OWED = 200
"""How many notices wait for a receiver at most; the oldest are dropped first, and the loss is told."""

OLDEST_OWED = timedelta(days=1)
"""How long a notice waits for its receiver: after a day it is no news, is dropped, and the loss is told."""

MOST_LATE = timedelta(minutes=5)
"""By how much a look may be older than the last one and be merely late: it waited for its server, and for the book."""

DELIVERY_SECONDS = 60.0
"""Seconds after which a look hands nothing more to the webhook: meanwhile nobody else has the book."""

Send = Callable[[Notice, float], Delivery]
"""Hands a notice to the webhook; told for how many seconds it may be tried."""


@dataclass(frozen=True)
class Told:
    """What came of one look.

    Args:
        alerts: what fires, and what did.
        notices: what is to be said of it.
        complaint: why the webhook did not take something, how many notices are lost, and that a clock was ahead; "" if
            all is well.
    """

    alerts: list[Alert]
    notices: list[Notice]
    complaint: str = ""

    @property
    def firing(self) -> bool:
        """Whether anything does."""
        return any(alert.firing for alert in self.alerts)


def take(
    sample: Sample,
    kept: Keeping,
    rules: Sequence[Rule],
    *,
    send: Send | None = None,
    reminder: float = REMINDER_SECONDS,
    seconds: Callable[[], float] = time.monotonic,
) -> Told:
    """Judge a sample by what is kept, write down what is new, and deliver what is owed.

    Args:
        sample: the look. One that is a little older than the last is told by what is known, and changes nothing; when
            it is more than :data:`MOST_LATE`, a clock was ahead, and what is known of moments begins anew.
        kept: where alerts are kept between two looks.
        rules: the table.
        send: hands a notice to the webhook; None if there is none.
        reminder: seconds after which an alert that lasts is spoken of again.
        seconds: of a monotonic clock.

    Raises:
        ConfigurationError: the file is none of ours.
        BookNotKept: it cannot be written, or another job has it.
    """
    with kept.opened() as (known, keep):
        name = " ".join((sample.environment, sample.cache, sample.namespace)).rstrip()
        book, ahead = _set_right(known, name, sample.at)
        before = book.places.get(name, Watched())
        sample = _since_last(sample, before)
        states, notices, lost = before.rules, list[Notice](), list[str]()
        if not before.seen or moment(sample.at) > moment(before.seen):
            states, notices = step(before.rules, sample, rules, reminder=reminder)
            places = {**book.places, name: _watched(sample, before, states)}
            book, lost = _owing(msgspec.structs.replace(book, places=places), notices if send else [], sample.at)
            keep(book)
        waiting = _deliver(book, send, sample.at, keep, seconds) if send and book.owed else []
        return Told(alerts(states, sample, rules), notices, "; ".join(filter(None, (ahead, *lost, *waiting))))


def _set_right(book: Book, name: str, at: str) -> tuple[Book, str]:
    """Begin anew with the moments of a place that was last seen later than now, and say so."""
    before = book.places.get(name, Watched())
    if not before.seen or moment(before.seen) - moment(at) <= MOST_LATE:
        return book, ""
    places = {**book.places, name: Watched(rules=set_right(before.rules, at))}
    said = f"the last look, of {before.seen}, was later than this one: a clock was ahead, and what fires is said again"
    return msgspec.structs.replace(book, places=places, not_before=""), said


def _since_last(sample: Sample, before: Watched) -> Sample:
    """Return a first sample with what moved since the job before this one looked; others know it themselves."""
    if sample.delta or not sample.server or not before.server:
        return sample
    seconds = (moment(sample.at) - moment(before.server_seen)).total_seconds()
    return msgspec.structs.replace(sample, delta=delta(before.server, sample.server, seconds))


def _watched(sample: Sample, before: Watched, states: dict[str, State]) -> Watched:
    if not sample.server:
        return msgspec.structs.replace(before, seen=sample.at, rules=states)
    nodes = tuple(map(_counted, sample.server.nodes))
    return Watched(seen=sample.at, rules=states, server_seen=sample.at, server=ServerFigures(nodes=nodes))


def _counted(node: NodeFigures) -> NodeFigures:
    """Return what the next look needs of a node to tell what moved."""
    return NodeFigures(node=node.node, run_id=node.run_id, uptime_seconds=node.uptime_seconds, counters=node.counters)


def _owing(book: Book, notices: Sequence[Notice], at: str) -> tuple[Book, list[str]]:
    """Add what is new to what is owed; what is a day old, or too much, is dropped, counted and told."""
    every, oldest = (*book.owed, *notices), moment(at) - OLDEST_OWED
    young = [notice for notice in every if moment(notice.at) >= oldest]
    owed = tuple(young[-MOST_OWED:])
    late, over = len(every) - len(young), len(young) - len(owed)
    said = [_lost(late, "more than a day old"), _lost(over, f"more than {MOST_OWED} wait")]
    return msgspec.structs.replace(book, owed=owed, dropped=book.dropped + late + over), said


def _deliver(book: Book, send: Send, at: str, keep: Callable[[Book], None], seconds: Callable[[], float]) -> list[str]:
    """Send what is owed in its order, until one is not taken or the time is over; cross each out as soon as it is."""
    if book.not_before and timedelta() < moment(book.not_before) - moment(at) <= OLDEST_OWED:  # more is a clock's fault
        return [f"notices that wait for the webhook until {book.not_before}: {len(book.owed)}"]
    refused, waiting, until = Counter[str](), "", seconds() + DELIVERY_SECONDS
    for notice in book.owed:
        left = until - seconds()
        if left <= 0:
            waiting = _later(book, f"{DELIVERY_SECONDS:.0f} s are over")
            break
        done = send(notice, left)
        if not done.delivered and not done.given_up:
            later = moment(at) + timedelta(seconds=done.after)
            keep(msgspec.structs.replace(book, not_before=later.isoformat()))
            waiting = _later(book, done.reason)
            break
        refused[done.reason] += done.given_up
        dropped = book.dropped + done.given_up
        book = msgspec.structs.replace(book, owed=book.owed[1:], not_before="", dropped=dropped)
        keep(book)
    return [*(_lost(number, reason) for reason, number in refused.items()), waiting]


def _lost(number: int, reason: str) -> str:
    if not number:
        return ""
    what = "a notice was" if number == 1 else f"{number} notices were"
    return f"{what} not delivered, and will not be: {reason}"


def _later(book: Book, reason: str) -> str:
    return f"notices not delivered yet, to be tried again next time: {len(book.owed)} ({reason})"


class Watch:
    """The alerts of a monitor, told each sample: what its ``alerts=`` takes.

    Args:
        kept: where they are kept between two looks.
        rules: the table.
        send: hands a notice to the webhook; None if there is none.
        reminder: seconds after which an alert that lasts is spoken of again.
        now: the file that says what fires now, of all environments; None for none.
    """

    def __init__(
        self,
        kept: Keeping,
        rules: Sequence[Rule],
        *,
        send: Send | None = None,
        reminder: float = REMINDER_SECONDS,
        now: Path | None = None,
    ) -> None:
        self._kept, self._rules, self._send, self._reminder, self._now = kept, rules, send, reminder, now
        self._latest: dict[tuple[str, str], tuple[Sample, Told]] = {}
        self._unsaid: list[str] = []
        self._complaints: list[str] = []

    def __call__(self, sample: Sample) -> list[Alert]:
        """Return what a sample carries of its alerts, when it was judged, kept and delivered.

        Raises:
            ConfigurationError: the file of the alerts is none of ours.
            BookNotKept: it, or the one that says what fires now, cannot be written.
        """
        told = take(sample, self._kept, self._rules, send=self._send, reminder=self._reminder)
        self._latest[sample.environment, sample.cache] = (sample, told)
        self._unsaid = [*self._unsaid, *map(line, told.notices)][-MOST_OWED:]
        self._complaints = [*self._complaints, *filter(None, [told.complaint])][-MOST_OWED:]
        if self._now:
            replace(self._now, document(now(self._latest.values())))
        return told.alerts

    def patiently(self, sample: Sample) -> list[Alert]:
        """Return the same for a monitor that goes on: what cannot be kept is a complaint, and tried at the next look.

        Raises:
            ConfigurationError: the file of the alerts is none of ours.
        """
        try:
            return self(sample)
        except BookNotKept as error:
            self._complaints = [*self._complaints, str(error)][-MOST_OWED:]
            return []

    def unsaid(self) -> tuple[list[str], list[str]]:
        """Return the notices and the complaints since the last call, a line each."""
        said, self._unsaid, self._complaints = (self._unsaid, self._complaints), [], []
        return said


def line(notice: Notice) -> str:
    """Return a notice as one line."""
    word = WORDS[notice.kind]
    advice = f" Likely cause: {notice.cause}. Next: {notice.step}." if notice.cause else ""
    return f"{word} {notice.environment} {notice.rule} since {notice.since}: {notice.label}: {notice.figure}.{advice}"


def now(latest: Iterable[tuple[Sample, Told]]) -> dict[str, object]:
    """Return what fires now as the document of ``--alerts-json``."""
    seen = list(latest)
    places = [
        {
            "at": sample.at,
            "environment": sample.environment,
            "cache": sample.cache,
            "namespace": sample.namespace,
            "emulated": sample.emulated,
            "alerts": told.alerts,
            "notices": told.notices,
        }
        for sample, told in seen
    ]
    firing = any(told.firing for _, told in seen)
    return {"schema": "dousell-cache/alerts-now", "version": 1, "firing": firing, "places": places}
