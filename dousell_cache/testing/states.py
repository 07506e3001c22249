"""The records of an exploration: a state, a move, and what a move led to."""

from collections.abc import Hashable
from typing import Final, NamedTuple

from .replays import Word
from .scenario import Faults
from .server_state import Key
from .world import Request, Send, Told

STEP: Final = ""
LOST: Final = "~"
REFUSED: Final = "!"
CRASH: Final = "#"
LATE: Final = ">"
INTERRUPT: Final = "^"
ARRIVAL: Final = "l"
EXPIRY: Final = "x"
EVICTION: Final = "e"
AGING: Final = "g"
END: Final = "."
KEY_WORDS = {EXPIRY: "expires", EVICTION: "is evicted", AGING: "grows old"}
ON_THE_WAY = (LOST, REFUSED, LATE, INTERRUPT)
"""What may happen to a command."""
_COSTS = {
    EXPIRY: "expiries",
    EVICTION: "evictions",
    CRASH: "crashes",
    LOST: "lost",
    REFUSED: "refused",
    LATE: "late",
    INTERRUPT: "interrupts",
}


class State(NamedTuple):
    """Everything that decides what can happen next; equal states are explored once."""

    histories: tuple[int, ...]  # of each process, or DONE, or CRASHED
    flying: tuple[tuple[int, int, Hashable], ...]  # process, task, answer on its way
    data: int
    origin: Hashable
    faults: Faults
    agings: int
    checks: tuple[Hashable, ...]
    late: tuple[Send, ...] = ()  # commands that nobody waits for any more, and that may arrive at any step
    last: int = 0  # the process that moved last, and how often one was interrupted: with a bound on that only
    interruptions: int = 0


class Move(NamedTuple):
    """One thing that can happen; its code names it in a schedule."""

    code: str
    kind: str
    process: int = -1
    task: int = -1
    key: Key | None = None
    free: bool = False
    late: Send | None = None


class Taken(NamedTuple):
    """What a move led to."""

    state: State
    request: Request | Word | None = None
    answer: Hashable = None
    told: tuple[Told, ...] = ()
    problem: str | None = None
    checker: int = -1  # whose problem it is


def left(faults: Faults, kind: str) -> bool:
    """Tell whether one more fault of this kind may happen."""
    return faults.total > 0 and getattr(faults, _COSTS[kind]) > 0


def paid(state: State, move: Move) -> State:
    """Return a state in which a move has used up what it costs."""
    if move.kind == AGING:
        return state._replace(agings=state.agings - 1)
    cost = _COSTS.get(move.kind)
    if cost is None or move.free:
        return state
    less = {cost: getattr(state.faults, cost) - 1, "total": state.faults.total - 1}
    return state._replace(faults=state.faults._replace(**less))
