"""The explorer: every interleaving of a few flows over a real server, equal states once.

Breadth first, so that the first story found of a problem is a shortest one.
"""

import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field

from ..errors import ConfigurationError
from .model import Model
from .scenario import Control, Scenario, unchanged
from .server_state import Server
from .states import Move, State, Taken
from .story import Story, told

NOTHING_OFF = Control("production", "nothing")


@dataclass(frozen=True)
class Exploration:
    """What an exploration found.

    Args:
        scenario: the scenario's name.
        schedules: how many different schedules its states make up, each from the beginning to an end.
        states: how many different states there were.
        replays: how often flows were run from the beginning.
        commands: how many commands the server executed for it.
        violations: for each checker the shortest story that it objects to.
        seconds: how long it took.
        complete: whether there is nothing it left out.
    """

    scenario: str
    schedules: int
    states: int
    replays: int
    commands: int
    violations: tuple[Story, ...]
    seconds: float
    complete: bool

    def __str__(self) -> str:
        extent = "all" if self.complete else "not all"
        found = f"{len(self.violations)} violations" if self.violations else "no violation"
        return (
            f"{self.scenario}: {self.schedules:,} schedules ({extent}) in {self.states:,} states, {found}; "
            f"{self.replays:,} replays, {self.commands:,} commands, {self.seconds:.1f} s"
        )


def explore(
    scenario: Scenario,
    server: Server,
    *,
    control: Control = NOTHING_OFF,
    max_states: int = 1_000_000,
    first_only: bool = False,
) -> Exploration:
    """Explore every schedule of a scenario.

    Args:
        scenario: what runs, what must hold, what may go wrong.
        server: a server whose data may be replaced.
        control: the guard to switch off; none by default.
        max_states: where to give up, at about 2 KB and 50 µs each; the result then says that it is not complete.
        first_only: stop at the first violation.

    Raises:
        ConfigurationError: the control changed nothing, so it proves nothing.
    """
    started, commands = time.perf_counter(), server.commands
    with control.patch(), closing(Model(scenario, server, control.mutate)) as model:
        search = _Search(model, max_states, first_only=first_only)
        search.run()
        stories = tuple(_told(model, search.schedule(at), control) for at in search.problems.values())
    if control.mutate is not unchanged and not model.mutated:
        raise ConfigurationError(f"the control {control.name!r} changed no command: the guard it names is not there")
    seconds = time.perf_counter() - started
    return Exploration(
        scenario.name,
        schedules=search.schedules(),
        states=len(search.states),
        replays=model.histories.replays,
        commands=server.commands - commands,
        violations=stories,
        seconds=seconds,
        complete=search.complete,
    )


def replay(scenario: Scenario, server: Server, schedule: str, *, control: Control = NOTHING_OFF) -> Story:
    """Run one schedule again.

    Args:
        scenario: the one it was found in.
        server: a server whose data may be replaced.
        schedule: as a story shows it.
        control: the guard that was switched off.

    Raises:
        ValueError: the schedule is none of this scenario.
    """
    with control.patch(), closing(Model(scenario, server, control.mutate)) as model:
        return _told(model, schedule, control)


def _told(model: Model, schedule: str, control: Control) -> Story:
    return told(model, schedule, model.scenario.again.format(schedule=schedule, control=control.name))


@dataclass(slots=True)
class _Search:
    model: Model
    max_states: int
    first_only: bool
    states: list[State] = field(default_factory=list)
    problems: dict[int, tuple[int, str]] = field(default_factory=dict)  # by checker: a state, and the code of a move
    complete: bool = True
    _numbers: dict[State, int] = field(default_factory=dict)
    _came: list[tuple[int, str]] = field(default_factory=list)
    _leads: list[list[int] | None] = field(default_factory=list)  # None: not explored

    def run(self) -> None:
        """Explore until nothing is left, or until told to stop."""
        queue = deque([self._number(self.model.first, (-1, ""))])
        while queue and not (self.first_only and self.problems):
            if len(self.states) > self.max_states:
                break
            self._expand(queue.popleft(), queue)
        self.complete = not queue

    def _expand(self, number: int, queue: deque[int]) -> None:
        leads = self._leads[number] = []
        for move, taken in self._successors(number):
            if taken.problem is not None:
                self.problems.setdefault(taken.checker, (number, move.code))
                leads.append(-1)
            elif taken.state not in self._numbers:
                queue.append(self._number(taken.state, (number, move.code)))
                leads.append(queue[-1])
            elif taken.state != self.states[number]:
                leads.append(self._numbers[taken.state])

    def _successors(self, number: int) -> list[tuple[Move, Taken]]:
        try:
            return self.model.successors(self.states[number])
        except Exception as error:
            error.add_note(f"on the way from schedule {self.schedule(self._came[number])!r}")
            raise

    def _number(self, state: State, came: tuple[int, str]) -> int:
        self._numbers[state] = len(self.states)
        self.states.append(state)
        self._came.append(came)
        self._leads.append(None)
        return len(self.states) - 1

    def schedule(self, at: tuple[int, str]) -> str:
        """Return the steps that lead to a state's move."""
        codes, (number, code) = [], at
        while number >= 0:
            codes.append(code)
            number, code = self._came[number]
        return "-".join(reversed(codes))

    def schedules(self) -> int:
        """Count the paths from the first state to an end; what was not explored is no end, and a circle is none."""
        counts = {-1: 1}
        stack = [(0, iter(self._leads[0] or ()))]
        under_way = {0}
        while stack:
            number, leads = stack[-1]
            deeper = next((lead for lead in leads if lead not in counts and lead not in under_way), None)
            if deeper is None:
                counts[number] = self._paths(number, counts)
                stack.pop()
            else:
                under_way.add(deeper)
                stack.append((deeper, iter(self._leads[deeper] or ())))
        return counts[0]

    def _paths(self, number: int, counts: dict[int, int]) -> int:
        leads = self._leads[number]
        if leads is None:
            return 0
        return sum(counts.get(lead, 0) for lead in leads) if leads else 1
