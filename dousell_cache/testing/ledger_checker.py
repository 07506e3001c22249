"""What must hold of a chaos ledger, judged from its event log alone. Pure: anybody can judge a log again.

An *attempt* is one try to pay a rent or book a visit under a lock. What happened on the way to the server and back is
not in the log, so a grant was made at some time between ``asked`` and ``granted``, and rules are read from what is
certain.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, zip_longest
from typing import TypeAlias

import msgspec

from .ledger_log import Event, Log, Row

Key: TypeAlias = tuple[int, int]
"""An attempt: its process, and its number there."""

_ENDINGS = ("busy", "unavailable", "lost", "released", "killed")
_FOREVER = 1 << 63
_MOST_TOLD = 24  # events of a story


class Objection(msgspec.Struct, frozen=True):
    """Something that must not have happened.

    Args:
        rule: the rule that was broken.
        sentence: what was seen.
        story: the events concerned, a line each, in milliseconds from the first.
    """

    rule: str
    sentence: str
    story: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n    ".join((f"{self.rule}: {self.sentence}", *self.story))


class Figures(msgspec.Struct, frozen=True):
    """What a log counts.

    Args:
        attempts: tries to pay or book.
        grants: locks that were granted.
        busy: attempts that found somebody else there.
        unavailable: attempts whose lock could not be had, nor refused.
        lost: holders that were told that they had lost their lock.
        kills: processes that were killed.
        pauses: processes that were stopped for longer than a lock lasts.
        inside: those of both that were between grant and release.
        wipes: how often the server forgot everything.
        lost_replies: commands that a server ran, or was never sent, and nobody was answered.
        fence_refusals: writes that the guarded ledger refused because of their fence.
        rows: what the guarded ledger held at the end.
        guarded_doubles: what was paid twice where the guards decide.
        unguarded_doubles: what was paid twice where the lock alone decides.
        fenced_doubles: what was paid twice where the fence alone decides.
    """

    attempts: int = 0
    grants: int = 0
    busy: int = 0
    unavailable: int = 0
    lost: int = 0
    kills: int = 0
    pauses: int = 0
    inside: int = 0
    wipes: int = 0
    lost_replies: int = 0
    fence_refusals: int = 0
    rows: int = 0
    guarded_doubles: int = 0
    unguarded_doubles: int = 0
    fenced_doubles: int = 0

    @property
    def bound_95(self) -> float:
        """The 95 % upper bound of what was seen 0 times in so many grants: the rule of three."""
        return min(1.0, 3 / self.grants) if self.grants else 1.0

    def __add__(self, other: "Figures") -> "Figures":
        mine, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        return Figures(**{name: mine[name] + theirs[name] for name in mine})


class Attempt:
    """What is known of one attempt.

    Args:
        events: what happened in it, in order of time.
    """

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.name = events[0].name
        self.asked = events[0].at
        self.granted = self.first("granted")
        self._releasing = self.first("releasing")
        self._beliefs = [event for event in events if event.left > 0]

    def first(self, *whats: str) -> Event | None:
        """Return the first of these that happened in it."""
        return next((event for event in self.events if event.what in whats), None)

    def believes(self, at: int) -> bool:
        """Tell whether it believed to hold its lock alone at some time, by what it had last said before."""
        if self._releasing and self._releasing.at <= at:
            return False
        said = [event for event in self._beliefs if event.at <= at]
        return bool(said) and said[-1].at + said[-1].left * 1e9 > at

    @property
    def beliefs(self) -> list[int]:
        """The times at which it said that it held its lock alone."""
        return [event.at for event in self._beliefs]

    @property
    def over(self) -> int:
        """When its last belief ended at the latest."""
        return max((event.at + round(event.left * 1e9) for event in self._beliefs), default=0)

    def ended(self, *whats: str) -> bool:
        """Tell whether one of these happened in it."""
        return self.first(*whats) is not None

    def ends(self, linger: float) -> int:
        """Return when it can no longer have kept anybody out."""
        if not self.ended(*_ENDINGS):
            return _FOREVER  # as far as is known it is still there
        if self.ended("busy", "released"):
            return self.events[-1].at
        return self.events[-1].at + round(linger * 1e9)


def check(log: Log) -> list[Objection]:
    """Return everything in a log that must not have happened, one objection for each rule and lock at most."""
    attempts = attempts_of(log.events)
    return [objection for rule in _RULES for objection in _first_of_each_name(rule(log, attempts))]


def count(log: Log) -> Figures:
    """Return what a log counts."""
    attempts = attempts_of(log.events)
    whats = Counter(event.what for event in log.events)
    rows = Counter(row.ledger for row in log.rows)
    return Figures(
        attempts=len(attempts),
        grants=whats["granted"],
        busy=whats["busy"],
        unavailable=sum(attempt.granted is None and attempt.ended("unavailable") for attempt in attempts.values()),
        lost=whats["lost"],
        kills=whats["killed"],
        pauses=whats["stopped"],
        inside=sum(_struck_inside(attempt) for attempt in attempts.values()),
        wipes=whats["wiped"],
        lost_replies=whats["reply lost"],
        fence_refusals=whats["refused"],
        rows=rows["guarded"],
        guarded_doubles=_doubles(log.rows, "guarded"),
        unguarded_doubles=_doubles(log.rows, "unguarded"),
        fenced_doubles=_doubles(log.rows, "fenced"),
    )


def attempts_of(events: Iterable[Event]) -> dict[Key, Attempt]:
    """Return every attempt of a log by its process and number."""
    found: dict[Key, list[Event]] = defaultdict(list)
    for event in events:
        if event.process >= 0:
            found[event.process, event.attempt].append(event)
    return {key: Attempt(of) for key, of in found.items() if of[0].what == "asked"}


def _struck_inside(attempt: Attempt) -> bool:
    whats = [event.what for event in attempt.events]
    struck = next((at for at, what in enumerate(whats) if what in ("killed", "stopped")), None)
    return struck is not None and "granted" in whats[:struck] and "released" not in whats[:struck]


def _doubles(rows: Iterable[Row], ledger: str) -> int:
    paid = Counter((row.name, row.period) for row in rows if row.ledger == ledger)
    return sum(times - 1 for times in paid.values())


_Found: TypeAlias = Iterator[tuple[str, Objection]]


def _paid_once(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    for ledger in ("guarded", "fenced", "charged"):
        payers: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in log.rows:
            if row.ledger == ledger:
                payers[row.name, row.period].append(row)
        for (name, period), rows in payers.items():
            if len(rows) > 1:
                sentence = f"{name}, period {period}, has {len(rows)} rows in the {ledger} ledger"
                yield name, _told(log, "paid twice", sentence, [attempts.get(_payer(row)) for row in rows])


def _paid_at_all(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    if not any(event.what == "swept" for event in log.events):
        return
    wanted = {(attempt.name, attempt.events[0].period) for attempt in attempts.values()}
    for ledger in ("guarded", "fenced"):
        paid = {(row.name, row.period) for row in log.rows if row.ledger == ledger}
        for name, period in sorted(wanted - paid):
            sentence = f"{name}, period {period}, has no row in the {ledger} ledger, although it was swept"
            yield name, Objection("never paid", sentence)


def _fences_grow(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    for name, all_grants in _grants(attempts).items():
        grants = [attempt for attempt in all_grants if _fence(attempt)]
        floor: Attempt | None = None
        waiting = sorted(grants, key=lambda attempt: attempt.asked)
        for attempt in sorted(grants, key=_granted_at):  # whoever asks after this one was granted
            while waiting and waiting[0].asked <= _granted_at(attempt):
                later = waiting.pop(0)
                if floor and _fence(later) <= _fence(floor):
                    sentence = f"{name} was granted with fence {_fence(floor)}, and later with {_fence(later)}"
                    yield name, _told(log, "fences grow", sentence, [floor, later])
            floor = attempt if floor is None or _fence(attempt) > _fence(floor) else floor
        for one, other in pairwise(sorted(grants, key=_fence)):
            if _fence(one) == _fence(other):
                yield (
                    name,
                    _told(log, "fences grow", f"{name} was granted twice with fence {_fence(one)}", [one, other]),
                )


def _fenced_keeps_order(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    written: dict[str, list[Row]] = defaultdict(list)
    for row in log.rows:
        if row.ledger == "fenced":
            written[row.name].append(row)
    for name, rows in written.items():
        for one, other in pairwise(rows):
            if 0 < other.fence < one.fence:
                sentence = f"{name} was written with fence {one.fence}, and then with {other.fence}"
                yield name, _told(log, "order of writes", sentence, [attempts.get(_payer(row)) for row in (one, other)])


def _guarded_keeps_order(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    """Find what was settled with a smaller fence than it had been claimed with since."""
    claims: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for event in log.events:
        if event.what == "claimed":
            claims[event.name, event.period].append(event)
    for row in log.rows:
        attempt = attempts.get(_payer(row))
        paying = attempt and attempt.first("paying")
        for claim in claims[row.name, row.period] if paying and row.ledger == "guarded" else ():
            if paying and claim.at < paying.at and 0 < row.fence < claim.fence:
                sentence = f"{row.name}, claimed with fence {claim.fence}, was then settled with {row.fence}"
                yield row.name, _told(log, "order of writes", sentence, [attempt, attempts.get(_key(claim))])


def _granted_before_paid(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    for row in log.rows:
        attempt = attempts.get(_payer(row))
        if attempt is None or attempt.granted is None:
            sentence = f"{row.name}, period {row.period}, was paid into the {row.ledger} ledger without a grant"
            yield row.name, _told(log, "no grant, no payment", sentence, [attempt])


def _alone_while_valid(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    wipes = _wipes(log)
    for name, grants in _grants(attempts).items():
        for one, other in _contemporaries(grants):
            at = next((at for at in one.beliefs if other.believes(at)), None)
            asked = min(one.asked, other.asked)
            if at and not any(begun <= at and asked <= over for begun, over in wipes):
                yield name, _told(log, "one holder", f"two at once believed that {name} was theirs", [one, other])


def _busy_has_a_reason(log: Log, attempts: dict[Key, Attempt]) -> _Found:
    by_name: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts.values():
        by_name[attempt.name].append(attempt)
    for name, some in by_name.items():
        spans = [(attempt, attempt.asked, attempt.ends(log.began.linger)) for attempt in some]
        for attempt in some:
            last = attempt.events[-1]
            if last.what == "busy" and not any(
                begins <= last.at and ends >= attempt.asked for other, begins, ends in spans if other is not attempt
            ):
                yield name, _told(log, "busy with somebody", f"{name} was busy, and nobody else was there", [attempt])


_Rule: TypeAlias = Callable[[Log, dict[Key, Attempt]], _Found]
_RULES: tuple[_Rule, ...] = (
    _paid_once,
    _paid_at_all,
    _fences_grow,
    _fenced_keeps_order,
    _guarded_keeps_order,
    _granted_before_paid,
    _alone_while_valid,
    _busy_has_a_reason,
)


def _first_of_each_name(found: _Found) -> Iterator[Objection]:
    seen = set()
    for name, objection in found:
        if (objection.rule, name) not in seen:
            seen.add((objection.rule, name))
            yield objection


def _grants(attempts: dict[Key, Attempt]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts.values():
        if attempt.granted:
            found[attempt.name].append(attempt)
    return found


def _contemporaries(grants: list[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """Yield pairs of which the second may have held the lock while the first said that it did."""
    under_way: list[Attempt] = []
    for attempt in sorted(grants, key=lambda attempt: attempt.asked):
        under_way = [other for other in under_way if other.over >= attempt.asked]
        yield from ((attempt, other) for other in under_way)
        yield from ((other, attempt) for other in under_way)
        under_way.append(attempt)


def _wipes(log: Log) -> list[tuple[int, int]]:
    """Return when the server began and ended to forget: what was granted before is void."""
    began = [event.at for event in log.events if event.what == "wiping"]
    ended = [event.at for event in log.events if event.what == "wiped"]
    return list(zip_longest(began, ended, fillvalue=_FOREVER))


def _granted_at(attempt: Attempt) -> int:
    return attempt.granted.at if attempt.granted else 0


def _fence(attempt: Attempt) -> int:
    return attempt.granted.fence if attempt.granted else 0


def _payer(row: Row) -> Key:
    return row.process, row.attempt


def _key(event: Event) -> Key:
    return event.process, event.attempt


def _told(log: Log, rule: str, sentence: str, concerned: Iterable[Attempt | None]) -> Objection:
    """Tell what happened to a lock while those concerned were at it, the others included."""
    attempts = [attempt for attempt in concerned if attempt]
    keys = {_key(attempt.events[0]) for attempt in attempts}
    times = [event.at for attempt in attempts for event in attempt.events]
    names = {attempt.name for attempt in attempts}
    story = [event for event in log.events if event.name in names and min(times) <= event.at <= max(times)]
    others = [event for event in story if _key(event) not in keys]
    left_out = set(map(id, others[: max(0, len(story) - _MOST_TOLD)]))  # the end of a story tells most
    lines = (_line(event, min(times), concerned=_key(event) in keys) for event in story if id(event) not in left_out)
    return Objection(rule, sentence, tuple(lines))


def _line(event: Event, first: int, *, concerned: bool) -> str:
    fence = f", fence {event.fence}" if event.fence and event.what in ("granted", "paying") else ""
    left = f", alone for {event.left * 1e3:,.0f} ms more" if event.left else ""
    detail = f" ({event.detail})" if event.detail else ""
    who = f"{'>' if concerned else ' '} {(event.at - first) / 1e6:9.3f} ms  p{event.process} attempt {event.attempt:<4}"
    return f"{who} {event.what}{detail}{fence}{left}"
