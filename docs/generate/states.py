"""The states of an entry, a lock and the breaker, with what leads from one to another.

What moves them is code; the tables here say it in words. That they have the code's own states and endings, none missing
and none made up, is checked when they are drawn.
"""

from typing import NamedTuple, get_args

from dousell_cache.entries import State as EntryState
from dousell_cache.events import LockAnswer, LockEnding
from dousell_cache.transport.patience import State as BreakerState

from .svg import Arrow, Box, picture


class Move(NamedTuple):
    """What leads from one state to another.

    Args:
        start: a state.
        end: likewise.
        label: what happens, a line each.
        bend: how far the arrow bends to its left.
        slide: where on its way the label stands.
    """

    start: str
    end: str
    label: tuple[str, ...]
    bend: float = 0.0
    slide: float = 0.5


class Machine(NamedTuple):
    """A diagram of states.

    Args:
        title: what it is.
        description: what is to be seen, for those who do not see it.
        size: of the picture.
        states: where each stands, and what it means.
        moves: what leads from one to another.
        endings: states that are none of the code's: what a caller is told.
    """

    title: str
    description: str
    size: tuple[float, float]
    states: dict[str, tuple[float, float, str]]
    moves: tuple[Move, ...]
    endings: frozenset[str] = frozenset()


ENTRY = Machine(
    "States of an entry",
    "An entry is fresh for its ttl, then stale for its grace, then gone. An invalidation makes it gone at once, a "
    "soft one makes it old, which serves only where the origin fails. A load makes it fresh again.",
    (860, 340),
    {
        "fresh": (110, 90, "served: hit"),
        "stale": (430, 90, "served while one refreshes"),
        "old": (430, 210, "only for a failing origin"),
        "gone": (750, 90, "loaded by one caller: miss"),
    },
    (
        Move("fresh", "stale", ("ttl is over",), 14),
        Move("stale", "gone", ("grace is over",), 14),
        Move("stale", "fresh", ("refreshed",), 14),
        Move("fresh", "old", ("invalidated softly",), 0, 0.5),
        Move("stale", "old", ("invalidated softly",)),
        Move("old", "gone", ("its time is over,", "or invalidated"), 0, 0.5),
        Move("fresh", "gone", ("invalidated, evicted, or its ttl is over and it has no grace",), 60),
        Move("gone", "fresh", ("loaded, and not withdrawn meanwhile",), 210, 0.5),
    ),
)
LOCK = Machine(
    "States of a lock, and what its callers are told",
    "A free lock is granted, with a fence. It is released by its holder, or its ttl ends and the holder is told that "
    "it is lost. Others are told busy, or unavailable when no server could say; one that was cancelled abandoned it.",
    (760, 400),
    {
        "free": (110, 200, ""),
        "granted": (380, 200, "its body runs, with a fence"),
        "busy": (380, 60, "LockBusy: another has it"),
        "unavailable": (110, 60, "LockUnavailable: no body runs"),
        "abandoned": (110, 340, "cancelled: given back first"),
        "released": (650, 60, "done"),
        "unconfirmed": (650, 200, "in time, and no reply: ends by ttl"),
        "lost": (650, 340, "LockLost: ask the database"),
    },
    (
        Move("free", "granted", ("asked",), 0),
        Move("free", "unavailable", ("no server can say",), 0, 0.5),
        Move("free", "abandoned", ("interrupted",), 0, 0.5),
        Move("granted", "busy", ("asked by another",), 0, 0.5),
        Move("granted", "released", ("left",), 0, 0.45),
        Move("granted", "unconfirmed", ("left",), 0, 0.45),
        Move("granted", "lost", ("ttl over,", "or forgotten"), 0, 0.5),
    ),
    frozenset({"free"}),
)
BREAKER = Machine(
    "States of the breaker",
    "Closed, it lets commands pass. Three failures, or a refused connection, open it: reads go to their loaders. "
    "After a second one caller tries: half-open. If that is answered it closes, else it stays open for another second.",
    (860, 150),
    {
        "closed": (110, 60, "commands are sent"),
        "open": (430, 60, "nothing is sent"),
        "half-open": (750, 60, "one caller tries"),
    },
    (
        Move("closed", "open", ("3 failures,", "or refused"), 0),
        Move("open", "half-open", ("1 s later",), 14),
        Move("half-open", "open", ("no answer",), 14),
        Move("half-open", "closed", ("answered: what was owed is replayed first",), 62),
    ),
)
KNOWN = {
    "entry-states": (ENTRY, frozenset(get_args(EntryState))),
    "lock-states": (LOCK, frozenset(get_args(LockAnswer) + get_args(LockEnding))),
    "breaker-states": (BREAKER, frozenset(get_args(BreakerState))),
}


def pictures() -> dict[str, str]:
    """Return each diagram by its file's name.

    Raises:
        ValueError: a diagram has other states than the code.
    """
    return {name: drawn(machine, states) for name, (machine, states) in KNOWN.items()}


def drawn(machine: Machine, states: frozenset[str]) -> str:
    """Draw a diagram whose states are the code's."""
    wrong = (machine.states.keys() - machine.endings) ^ states
    if wrong:
        message = f"{machine.title}: the code and the diagram differ in {', '.join(sorted(wrong))}"
        raise ValueError(message)
    boxes = {
        name: Box(x, y, 190 if meaning else 110, 48 if meaning else 34, name, (meaning,) if meaning else ())
        for name, (x, y, meaning) in machine.states.items()
    }
    arrows = [Arrow(boxes[m.start], boxes[m.end], m.label, m.bend, m.slide) for m in machine.moves]
    parts = [
        *(one.drawn() for one in arrows),
        *(box.drawn() for box in boxes.values()),
        *(one.labelled() for one in arrows),
    ]
    return picture(*machine.size, machine.title, machine.description, parts)
