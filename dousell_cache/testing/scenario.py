"""What is explored: actors, what must hold, what may go wrong; and controls, the same with one guard switched off."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .checkers import Checker, NobodyStuck
from .world import Actor, Command


class Faults(NamedTuple):
    """How often each thing may go wrong in one schedule, and all of them together.

    Args:
        total: faults in one schedule, whatever their kind.
        expiries: a key with an end reaches it.
        evictions: the server drops a key.
        crashes: a process is never heard of again.
        lost: a command is executed, and its reply lost.
        refused: a command is not executed, and its caller cannot tell that from a lost reply.
        late: a command gets no answer, and is executed at any later step; by default never.
        interrupts: a flow is interrupted, as by Ctrl-C or a cancellation, while its command is on its way, which is
            executed at any later step; by default never.
    """

    total: int = 1
    expiries: int = 1
    evictions: int = 1
    crashes: int = 1
    lost: int = 1
    refused: int = 1
    late: int = 0
    interrupts: int = 0


ONE_FAULT = Faults()
NO_FAULTS = Faults(0)


def any_key(key: str) -> bool:  # noqa: ARG001 - a predicate's signature
    """Accept every key."""
    return True


def unchanged(command: Command) -> Command:
    """Return the command: as it is."""
    return command


@dataclass(frozen=True)
class Scenario:
    """One story in all its variations.

    Args:
        name: what reports call it.
        actors: the flows that run at once; two or three.
        checkers: what must hold.
        faults: how much may go wrong in one schedule; each more multiplies the schedules.
        setup: commands run on the empty server first.
        origin: the origin's first value.
        expires: which keys the exploration may let expire, if they have an end at all. They also do so, at no cost,
            once everybody waits.
        evicts: which keys it may evict.
        ages: for a key and its milliseconds left, how many it may have instead after a while; None: it does not age.
            Ageing is no fault; each schedule has `agings` of it.
        agings: how often keys age in one schedule.
        polls: how many times a flow may get the same answers from one sleep to the next; a further time counts as
            standing still. Raise it to see flows give up.
        preemptions: how often a flow that could go on may be interrupted; None: in every way there is.
        can_block: whether the ports offer ``block``.
        rewrite: what becomes of every command on its way to the server: for a script that reads the time, say, of which
            no two runs have the same.
        scripts: names of Lua scripts by their text, for stories.
        again: how stories say they are run again; ``{schedule}`` and ``{control}`` are filled in.
    """

    name: str
    actors: tuple[Actor, ...]
    checkers: tuple[Checker, ...] = (NobodyStuck(),)
    faults: Faults = ONE_FAULT
    setup: tuple[tuple[str | bytes | int, ...], ...] = ()
    origin: Any = 0
    expires: Callable[[str], bool] = any_key
    evicts: Callable[[str], bool] = any_key
    ages: Callable[[str, int], int | None] | None = None
    agings: int = 1
    polls: int = 1
    preemptions: int | None = None
    can_block: bool = False
    rewrite: Callable[[Command], Command] = unchanged
    scripts: Mapping[str, str] = field(default_factory=dict)
    again: str = "replay(scenario, server, {schedule!r})"

    def processes(self) -> list[tuple[str, list[Actor]]]:
        """Return the actors by process, in order."""
        found: dict[str, list[Actor]] = {}
        for actor in self.actors:
            found.setdefault(actor.process or actor.name, []).append(actor)
        return list(found.items())


@dataclass(frozen=True)
class Control:
    """One guard switched off: an exploration that does not find out proves nothing.

    Args:
        name: what reports call it.
        off: the guard, in a few words.
        mutate: what becomes of each command on its way to the server, see ``without``.
        patch: makes a context in which the flows' own code is changed, such as ``mock.patch.object(…)``.
    """

    name: str
    off: str
    mutate: Callable[[Command], Command] = unchanged
    patch: Callable[[], AbstractContextManager[Any]] = nullcontext


def without(guard: str, instead: str) -> Callable[[Command], Command]:
    """Return a mutation that replaces a piece of text wherever a command carries it, in a script for instance.

    Args:
        guard: the text; a control whose guard no command carries is an error, since it switches nothing off.
        instead: what takes its place.
    """
    old, new = guard.encode(), instead.encode()
    return lambda command: tuple(argument.replace(old, new) for argument in command)
