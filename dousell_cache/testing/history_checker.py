"""What must hold of a history: what processes saw of one set of keys, judged by when each thing began and ended. Pure.

Times are nanoseconds of the monotonic clock, which the processes of one machine share. A version is the origin's: it
grows with every change of a key, and a value carries the one that it was loaded from.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from ..events import Outcome
from ..policy import BACK_OFF_SECONDS

_BACK_OFF_NS = round(BACK_OFF_SECONDS * 1e9)


class Reading(msgspec.Struct, frozen=True, tag=True):
    """One key of a call that reads.

    Args:
        who: which actor of which process.
        called: when it was called.
        returned: when it returned.
        what: the method.
        key: the key.
        version: the version of the value that it returned; None if it returned none.
        of: the key that this value was loaded for.
        outcome: how the read ended.
        tags: the tags whose invalidations it must see: those it asked for, or that every entry of the key carries.
    """

    who: str
    called: int
    returned: int
    what: str
    key: str
    version: int | None
    of: str
    outcome: Outcome
    tags: tuple[str, ...] = ()


class Withdrawing(msgspec.Struct, frozen=True, tag=True):
    """A call that withdraws: an invalidation, or a ``set``.

    Args:
        who: which actor of which process.
        called: when it was called.
        returned: when it returned.
        what: the method and what it was given.
        floors: for each key that it withdraws, the origin's version when it was called; or the version that was set.
        tag: the tag that it withdraws by, if it is a tag.
        soft: whether old values may stand in for a failing origin.
        puts: whether it is a ``set``.
        confirmed: whether the server acknowledged it.
    """

    who: str
    called: int
    returned: int
    what: str
    floors: Mapping[str, int]
    tag: str | None = None
    soft: bool = False
    puts: bool = False
    confirmed: bool = True


class Happening(msgspec.Struct, frozen=True, tag=True):
    """Something else that happened: what a story is told with, and why a stand-in may have been served.

    Args:
        who: which actor of which process, or which process.
        called: when it began.
        returned: when it ended.
        what: what happened.
        name: the key, or the server's own name of what was evicted.
        version: the origin's version, after a change or as loaded.
    """

    who: str
    called: int
    returned: int
    what: Literal["changed", "loaded", "failed to load", "evicted", "paused"]
    name: str = ""
    version: int | None = None


Event = Reading | Withdrawing | Happening


class Breach(msgspec.Struct, frozen=True):
    """A read that returned what it must not.

    Args:
        reading: the read.
        withdrawal: the acknowledged withdrawal that it did not see; None if the value is another key's.
        story: the events concerned, a line each, in milliseconds from the first.
    """

    reading: Reading
    withdrawal: Withdrawing | None
    story: tuple[str, ...]


def check(events: Iterable[Event]) -> list[Breach]:
    """Return the reads of one history that broke the promise.

    A read that began after a withdrawal had returned must not return an older version than the origin's when that
    withdrawal was called, except for one that was ``set`` since. After a soft one an older version may stand in
    while the origin fails. Reads that bypassed the cache are not judged: what it forgot while they could not ask it
    is promised nowhere.

    Args:
        events: everything that happened in the history, in any order.
    """
    history = sorted(events, key=lambda event: event.called)
    withdrawals = [event for event in history if isinstance(event, Withdrawing)]
    failures = [event for event in history if isinstance(event, Happening) and event.what == "failed to load"]
    return [
        Breach(reading, missed, tuple(_story(history, reading, missed)))
        for reading in history
        if isinstance(reading, Reading) and reading.version is not None and judged(reading)
        for missed in _missed(reading, withdrawals, failures)
    ]


def judged(reading: Reading) -> bool:
    """Tell whether the promise holds for a read: not while the cache cannot serve."""
    return reading.outcome != "bypass"


def _missed(
    reading: Reading, withdrawals: list[Withdrawing], failures: list[Happening]
) -> Iterator[Withdrawing | None]:
    """Yield the first withdrawal that a read should have seen and did not; None for a value of another key."""
    if reading.of != reading.key:
        yield None
        return
    stands_in = reading.outcome == "stale" and any(_failing(reading, failure) for failure in failures)
    for withdrawal in withdrawals:
        too_old = _covers(withdrawal, reading) and (reading.version or 0) < withdrawal.floors[reading.key]
        excused = (withdrawal.soft and stands_in) or any(_put_since(put, withdrawal, reading) for put in withdrawals)
        if too_old and not excused:
            yield withdrawal
            return


def _covers(withdrawal: Withdrawing, reading: Reading) -> bool:
    concerned = reading.key in withdrawal.floors and (withdrawal.tag is None or withdrawal.tag in reading.tags)
    return concerned and withdrawal.confirmed and withdrawal.returned < reading.called


def _put_since(put: Withdrawing, withdrawal: Withdrawing, reading: Reading) -> bool:
    """Tell whether a ``set`` may have stored what was read after the withdrawal, or while it was under way."""
    same = put.puts and put.floors.get(reading.key) == reading.version and put.called < reading.returned
    return same and (put.returned > withdrawal.called or not put.confirmed)


def _failing(reading: Reading, failure: Happening) -> bool:
    """Tell whether the origin was known to fail: its back-off is not over, or the read itself found out."""
    recent = reading.called - _BACK_OFF_NS < failure.returned < reading.returned
    return failure.name == reading.key and recent


def _story(history: list[Event], reading: Reading, missed: Withdrawing | None) -> Iterator[str]:
    concerned = [event for event in history if _concerns(event, reading)]
    first = min(event.called for event in concerned if _brings(event, reading))
    for event in concerned:
        if event.returned >= first and event.called <= reading.returned:
            mark = ">" if event is reading or event is missed else " "
            times = f"{(event.called - first) / 1e6:9.3f} to {(event.returned - first) / 1e6:9.3f} ms"
            yield f"{mark} {times}  {event.who:5} {_told(event)}"


def _concerns(event: Event, reading: Reading) -> bool:
    if isinstance(event, Reading):
        return event.key == reading.key and (event.version == reading.version or event is reading)
    if isinstance(event, Withdrawing):
        return reading.key in event.floors and (event.tag is None or event.tag in reading.tags)
    return event.what == "paused" or any(name in event.name for name in (reading.key, *reading.tags))


def _brings(event: Event, reading: Reading) -> bool:
    """Tell whether an event may have brought the version that was read."""
    if isinstance(event, Withdrawing):
        return event.puts and event.floors.get(reading.key) == reading.version
    return not isinstance(event, Happening) or (event.what == "loaded" and event.version == reading.version)


def _told(event: Event) -> str:
    if isinstance(event, Reading):
        value = "nothing" if event.version is None else f"version {event.version} of {event.of}"
        return f"{event.what} {event.key} → {value} ({event.outcome})"
    if isinstance(event, Withdrawing):
        at = ", ".join(f"{key} at version {version}" for key, version in event.floors.items())
        return f"{event.what} → {'confirmed' if event.confirmed else 'NOT confirmed'} ({at})"
    return f"{event.what} {event.name}" + ("" if event.version is None else f": version {event.version}")
