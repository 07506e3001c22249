"""What becomes of those who wait for a load that is withdrawn: they ask again when it is over. Pure.

A change withdraws the load under way. It answers the read that led it (``refused``) and stores nothing; those that had
joined it before the change ask anew when it is over: they join the load that somebody began since, or one of them leads
another (see ``flows.get_or_set`` and decision 6). That may be withdrawn again, and so on, until one is not.
"""

from collections import deque
from dataclasses import dataclass, field

from .streams import NEVER, Stream


@dataclass
class _Flight:
    leader: int
    begun: int
    done: int
    joined: list[int] = field(default_factory=list)
    withdrawn: bool = False


@dataclass
class Calm:
    """How a tangle ended.

    Args:
        next: the first row that asked after it.
        next_change: the index of the first change after it.
        leader: the row whose load was stored at last; None if nothing was.
        begun: when that load began, in microseconds.
        done: when it was stored.
        misses: how many loads were stored.
        coalesced: how many reads those answered beside their leader's.
        refused: how many loads were withdrawn, after the one it began with.
        loads: how many loads there were, after that.
        asked_again: how many times a read asked anew.
        asked_together: how many times some did, all at once.
        led_again: how many loads such a read led.
    """

    next: int
    next_change: int
    leader: int | None = None
    begun: int = 0
    done: int = 0
    misses: int = 0
    coalesced: int = 0
    refused: int = 0
    loads: int = 0
    asked_again: int = 0
    asked_together: int = 0
    led_again: int = 0


def untangle(stream: Stream, load: int, end: int, joined: int, following: int) -> Calm:
    """Follow a load that was withdrawn while others waited for it, until no load is under way.

    Args:
        stream: the trace, put in order.
        load: the row that led it.
        end: the row before which to stop.
        joined: the first row that waited for it.
        following: the first row after the change that withdrew it.
    """
    fill, last_change = int(stream.fills[load]), int(stream.change_ends[stream.keys[load]])
    begun = int(stream.times[load])
    first = _Flight(load, begun, begun + fill, list(range(joined, following)), withdrawn=True)
    flights, current = deque([first]), None
    calm = Calm(following, int(stream.before[load]) + 1)
    while flights:
        changes_first = calm.next_change < (stream.before[calm.next] if calm.next < end else last_change)
        when = _when(stream, calm, end, changes_first=changes_first)
        if flights[0].done <= when:
            landed = flights.popleft()
            if not landed.withdrawn:
                _store(calm, landed)
                break  # whoever began before it is over by now, and nobody began after it
            calm.refused += landed is not first
            current = _ask_again(calm, landed, flights, current, fill)
        elif changes_first:
            calm.next_change += 1
            if current:
                current.withdrawn, current = True, None
        else:
            current = _ask(calm, flights, current, when, fill)
    return calm


def _when(stream: Stream, calm: Calm, end: int, *, changes_first: bool) -> int:
    if changes_first:
        return int(stream.changes[calm.next_change])
    return int(stream.times[calm.next]) if calm.next < end else NEVER


def _store(calm: Calm, landed: _Flight) -> None:
    calm.leader, calm.begun, calm.done = landed.leader, landed.begun, landed.done
    calm.misses += 1
    calm.coalesced += len(landed.joined)


def _ask(calm: Calm, flights: deque[_Flight], current: _Flight | None, when: int, fill: int) -> _Flight:
    row, calm.next = calm.next, calm.next + 1
    if current:
        current.joined.append(row)
        return current
    return _lead(calm, flights, _Flight(row, when, when + fill))


def _ask_again(
    calm: Calm, landed: _Flight, flights: deque[_Flight], current: _Flight | None, fill: int
) -> _Flight | None:
    calm.asked_again += len(landed.joined)
    calm.asked_together += bool(landed.joined)
    if current:
        current.joined += landed.joined
        return current
    if not landed.joined:
        return None
    leader, *joined = landed.joined
    calm.led_again += 1
    return _lead(calm, flights, _Flight(leader, landed.done, landed.done + fill, joined))


def _lead(calm: Calm, flights: deque[_Flight], flight: _Flight) -> _Flight:
    calm.loads += 1
    flights.append(flight)
    return flight
