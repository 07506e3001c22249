"""What can happen in a scenario: the moves out of a state and where they lead."""

from collections.abc import Callable, Hashable, Iterator
from itertools import product
from typing import NamedTuple

from .checkers import OVER, Violation
from .replays import BEGIN, CRASHED, DONE, INTERRUPTED, UNAVAILABLE, Histories, Word
from .scenario import Scenario
from .server_state import Key, Server
from .states import (
    AGING,
    ARRIVAL,
    CRASH,
    END,
    EVICTION,
    EXPIRY,
    INTERRUPT,
    KEY_WORDS,
    LATE,
    LOST,
    ON_THE_WAY,
    REFUSED,
    STEP,
    Move,
    State,
    Taken,
    left,
    paid,
)
from .world import Command, Request, Send, Told, Visit, Wait, as_bytes

_LONGEST_POLL = 8  # steps


class _Opened(NamedTuple):
    history: int
    told: tuple[Told, ...]
    request: Request | Word | None


class Model:
    """What can happen in a scenario.

    Args:
        scenario: the scenario.
        server: runs its commands.
        mutate: what becomes of each command on its way there.
    """

    def __init__(self, scenario: Scenario, server: Server, mutate: Callable[[Command], Command]) -> None:
        self.scenario = scenario
        self.server = server
        self.histories = Histories(scenario.processes(), polls=scenario.polls, can_block=scenario.can_block)
        self.mutated = 0
        self._mutate = mutate
        self._sent: dict[Send, Command] = {}  # what became of each
        data = 0
        for command in scenario.setup:
            _, data = server.run(data, tuple(as_bytes(argument) for argument in command))
        checks = tuple(checker.first for checker in scenario.checkers)
        self.first = State(self.histories.roots, (), data, scenario.origin, scenario.faults, scenario.agings, checks)

    def close(self) -> None:
        """Throw away what is still paused."""
        self.histories.close()

    def successors(self, state: State) -> list[tuple[Move, Taken]]:
        """Return what can happen next and where it leads; nothing, when everybody is done or has crashed."""
        if all(history < 0 for history in state.histories):
            return [(move, self._arrived(state, move)) for move in self._arrivals(state)]
        found = [(move, self.take(state, move)) for move in self._moves(state)]
        alive = (process for process, history in enumerate(state.histories) if history >= 0)
        if state.late or not all(self._may_run(state, process) for process in alive):
            return found
        steps = ((move, taken) for move, taken in found if move.process >= 0 and move.kind == STEP)
        if any(self._gets_on(state, move, taken) for move, taken in steps):
            return found
        return found + self._as_time_passes(state)

    def take(self, state: State, move: Move) -> Taken:
        """Return where a move leads."""
        if move.key is not None:
            return self._key_taken(state, move, move.key)
        if move.late is not None:
            return self._arrived(state, move)
        state = paid(state, move)
        if move.kind == CRASH:
            flying = tuple(answer for answer in state.flying if answer[0] != move.process)
            return Taken(self._with_history(state._replace(flying=flying), move.process, CRASHED))
        return self._step(self._switched(state, move.process), move)

    def _gets_on(self, state: State, move: Move, taken: Taken) -> bool:
        """Tell whether a step leads anywhere: a poll of a few commands comes back to where it was."""
        for _ in range(_LONGEST_POLL):
            if _where(taken.state) == _where(state):
                return False
            history = taken.state.histories[move.process]
            if taken.problem is not None or history < 0 or not self.histories.has_slept(history):
                return True
            if not self.histories.pause(history).ready[move.task]:
                return True
            taken = self.take(taken.state, move)
        return True

    def _moves(self, state: State) -> Iterator[Move]:
        for process, history in enumerate(state.histories):
            if history >= 0 and self._may_run(state, process):
                yield from self._steps(state, process)
            if history >= 0 and history != self.histories.roots[process] and left(state.faults, CRASH):
                yield Move(f"{process + 1}{CRASH}", CRASH, process)
        for index, key in enumerate(self.server.keys(state.data)):
            yield from self._key_moves(state, index, key)
        yield from self._arrivals(state)

    def _arrivals(self, state: State) -> Iterator[Move]:
        for index, command in enumerate(state.late):
            yield Move(f"{ARRIVAL}{index}", ARRIVAL, late=command)

    def _steps(self, state: State, process: int) -> Iterator[Move]:
        pause = self.histories.pause(state.histories[process])
        flying = {task for owner, task, _ in state.flying if owner == process}
        for task in range(len(pause.requests)):
            code = f"{process + 1}{chr(ord('a') + task) if task else ''}"
            if task in flying:
                yield Move(code, STEP, process, task)
            elif pause.ready[task]:
                yield Move(code, STEP, process, task)
                if isinstance(self._opened(state, process, task).request, Send):
                    kinds = (kind for kind in ON_THE_WAY if left(state.faults, kind))
                    yield from (Move(code + kind, kind, process, task) for kind in kinds)

    def _key_moves(self, state: State, index: int, key: Key) -> Iterator[Move]:
        name = key.name.decode(errors="replace")
        if key.ttl_ms >= 0 and left(state.faults, EXPIRY) and self.scenario.expires(name):
            yield Move(f"{EXPIRY}{index}", EXPIRY, key=key)
        if left(state.faults, EVICTION) and self.scenario.evicts(name):
            yield Move(f"{EVICTION}{index}", EVICTION, key=key)
        if self._aged(key) is not None and state.agings:
            yield Move(f"{AGING}{index}", AGING, key=key)

    def _as_time_passes(self, state: State) -> list[tuple[Move, Taken]]:
        ends = [
            Move(f"{EXPIRY}{index}{END}", EXPIRY, key=key, free=True)
            for index, key in enumerate(self.server.keys(state.data))
            if key.ttl_ms >= 0 and self.scenario.expires(key.name.decode(errors="replace"))
        ]
        if ends:
            return [(move, self.take(state, move)) for move in ends]
        waiting = " and ".join(self._waiting(state))
        return [(Move(END, END), self._seen(state, (Told("", "nothing can happen any more", waiting),)))]

    def _waiting(self, state: State) -> Iterator[str]:
        for pause in (self.histories.pause(history) for history in state.histories if history >= 0):
            yield from (name for name, request in zip(pause.names, pause.requests, strict=True) if request is not None)

    def _aged(self, key: Key) -> int | None:
        if self.scenario.ages is None or key.ttl_ms < 0:
            return None
        ms = self.scenario.ages(key.name.decode(errors="replace"), key.ttl_ms)
        return ms if ms is not None and ms < key.ttl_ms else None

    def _key_taken(self, state: State, move: Move, key: Key) -> Taken:
        state = paid(state, move)
        command = {
            EXPIRY: (b"PEXPIRE", key.name, b"-1"),
            EVICTION: (b"DEL", key.name),
            AGING: (b"PEXPIRE", key.name, as_bytes(self._aged(key) or 0)),
        }[move.kind]
        state = state._replace(data=self.server.run(state.data, command)[1])
        return self._seen(state, (Told(key.name.decode(errors="replace"), KEY_WORDS[move.kind]),))

    def _step(self, state: State, move: Move) -> Taken:
        process, task = move.process, move.task
        for flight in state.flying:
            if flight[:2] == (process, task):
                flying = tuple(other for other in state.flying if other != flight)
                return self._answered(state._replace(flying=flying), move, BEGIN, flight[2], ())
        opened = self._opened(state, process, task)
        state = self._with_history(state, process, opened.history)
        if isinstance(opened.request, Wait) and self._is_ready(opened.history, task):
            return self._answered(state, move, opened.request, None, opened.told)
        if not isinstance(opened.request, (Send, Visit)):
            return self._seen(state, opened.told, opened.request)
        state, answer, told = self._executed(state, move, opened.request)
        if self.histories.pause(opened.history).alive > 1:  # others of its process may act before the answer is there
            flying = (*state.flying, (process, task, answer))
            return self._seen(state._replace(flying=flying), opened.told + told, opened.request, answer)
        return self._answered(state, move, opened.request, answer, opened.told + told)

    def _opened(self, state: State, process: int, task: int) -> _Opened:
        """Return what a task asks for, having begun it if it has not and nobody of its process looks on."""
        history = state.histories[process]
        pause = self.histories.pause(history)
        if pause.requests[task] is not BEGIN:
            return _Opened(history, (), pause.requests[task])
        begun = self.histories.extend(history, task, BEGIN)
        alone = pause.alive == 1 and begun.history != DONE
        return _Opened(*begun, self.histories.pause(begun.history).requests[task] if alone else BEGIN)

    def _is_ready(self, history: int, task: int) -> bool:
        return self.histories.pause(history).ready[task]

    def _executed(self, state: State, move: Move, request: Send | Visit) -> tuple[State, Hashable, tuple[Told, ...]]:
        if isinstance(request, Visit):
            answer, origin = request.change(state.origin)
            name = self.histories.pause(state.histories[move.process]).names[move.task]
            return state._replace(origin=origin), answer, (Told(name, request.label, answer),)
        if move.kind == REFUSED:
            return state, UNAVAILABLE, ()
        if move.kind in (LATE, INTERRUPT):
            state = state._replace(late=(*state.late, request))
            return state, UNAVAILABLE if move.kind == LATE else INTERRUPTED, ()
        state, answer = self._run(state, request)
        return state, UNAVAILABLE if move.kind == LOST else answer, ()

    def _arrived(self, state: State, move: Move) -> Taken:
        late = list(state.late)
        request = late.pop(int(move.code.removeprefix(ARRIVAL)))
        state, answer = self._run(state._replace(late=tuple(late)), request)
        return self._seen(state, (), request, answer)

    def _run(self, state: State, request: Send) -> tuple[State, Hashable]:
        if request not in self._sent:
            rewritten = self.scenario.rewrite(request.command)
            self._sent[request] = self._mutate(rewritten)
            self.mutated += self._sent[request] != rewritten
        answer, data = self.server.run(state.data, self._sent[request])
        return state._replace(data=data), answer

    def _answered(
        self, state: State, move: Move, request: Request | Word, answer: Hashable, told: tuple[Told, ...]
    ) -> Taken:
        extended = self.histories.extend(state.histories[move.process], move.task, answer)
        state = self._with_history(state, move.process, extended.history)
        return self._seen(state, told + extended.told, request, answer)

    def _seen(
        self, state: State, told: tuple[Told, ...], request: Request | Word | None = None, answer: Hashable = None
    ) -> Taken:
        checks = list(state.checks)
        for one, (index, checker) in product((*told, *self._over(state)), enumerate(self.scenario.checkers)):
            try:
                checks[index] = checker.see(checks[index], one)
            except Violation as violation:
                return Taken(state, request, answer, told, str(violation), index)
        return Taken(state._replace(checks=tuple(checks)), request, answer, told)

    def _over(self, state: State) -> tuple[Told, ...]:
        if state.late or any(history != DONE for history in state.histories):
            return ()
        return (Told("", OVER, tuple(key.name.decode(errors="replace") for key in self.server.keys(state.data))),)

    def _with_history(self, state: State, process: int, history: int) -> State:
        histories = list(state.histories)
        histories[process] = history
        return state._replace(histories=tuple(histories))

    def _may_run(self, state: State, process: int) -> bool:
        bound = self.scenario.preemptions
        return bound is None or not self._interrupts(state, process) or state.interruptions < bound

    def _interrupts(self, state: State, process: int) -> bool:
        history = state.histories[state.last]
        if process == state.last or history < 0 or history == self.histories.roots[state.last]:
            return False
        pause = self.histories.pause(history)
        return not pause.slept and any(pause.ready)

    def _switched(self, state: State, process: int) -> State:
        if self.scenario.preemptions is None:
            return state
        return state._replace(last=process, interruptions=state.interruptions + self._interrupts(state, process))


def _where(state: State) -> tuple[object, ...]:
    return state[:-2]  # who moved last does not matter
