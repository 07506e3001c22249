"""Paused flows as lists of answers: a coroutine cannot be copied, but its answers say all there is to it.

A flow that reads no clock and no chance of its own goes the same way whenever it receives the same answers. So a
process is a history, a list of (task, answer), known by a small number; replaying it tells what each of its tasks waits
for. The flows stay where the replay left them: the first way on takes them along, every other begins anew.
"""

from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

from ..errors import CacheError, CacheUnavailable, refusal
from .world import Actor, Interrupted, Nap, Process, Request, Told, Wait, World

_MOST_NAPS = 10_000
_MOST_PAUSED = 5_000  # at some 10 KB each


class Word:
    """An answer that no server gives."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


BEGIN: Final = Word("BEGIN")
UNAVAILABLE: Final = Word("UNAVAILABLE")
INTERRUPTED: Final = Word("INTERRUPTED")
DONE: Final = -1
CRASHED: Final = -2


class Refusal(NamedTuple):
    """A server's error reply."""

    message: str


Entry: TypeAlias = tuple[int, Hashable]


class Pause(NamedTuple):
    """Where a process stands: what its tasks are called and wait for; BEGIN to be begun, None having ended."""

    names: tuple[str, ...]
    requests: tuple[Request | Word | None, ...]
    ready: tuple[bool, ...]  # whether a task could go on, if its request were answered
    told: tuple[Told, ...]
    slept: bool

    @property
    def alive(self) -> int:
        """How many tasks have not ended."""
        return sum(request is not None for request in self.requests)


class Extended(NamedTuple):
    """What one more answer leads to."""

    history: int
    told: tuple[Told, ...]


@dataclass(slots=True)
class _Task:
    name: str
    may_raise: tuple[type[Exception], ...]
    flow: Coroutine[Any, Any, object] | None  # None when it has ended
    request: Request | Word | None = BEGIN


class Replay:
    """One run of a process's flows along a history.

    Args:
        name: the process's.
        actors: its flows.
        can_block: whether their ports offer ``block``.
    """

    def __init__(self, name: str, actors: Sequence[Actor], *, can_block: bool) -> None:
        self._process = Process(name)
        self._tasks: list[_Task] = []
        self._slept = False
        for actor in actors:
            flow = actor.start(World(actor.name, self._process, can_block=can_block))
            self._tasks.append(_Task(actor.name, actor.may_raise, flow))

    def along(self, history: Sequence[Entry]) -> Pause:
        """Give the answers of a history, or what comes next in it, and return where that leads."""
        for task, answer in history:
            self._process.told.clear()
            self._slept = False
            self._advance(self._tasks[task], answer)
            self._adopt()
        return self._pause()

    def _advance(self, task: _Task, answer: Hashable) -> None:
        if task.flow is None:
            raise RuntimeError(f"{task.name} has ended and takes no answer: its flow does not repeat itself")
        try:
            task.request = _given(task.flow, answer)
            self._nap(task, task.flow)
        except StopIteration:
            task.request = task.flow = None
        except BaseException as error:
            if not isinstance(error, (*task.may_raise, Interrupted)):
                raise
            task.request = task.flow = None
            self._process.told.append(Told(task.name, "raises", type(error).__name__))

    def _nap(self, task: _Task, flow: Coroutine[Any, Any, object]) -> None:
        naps = 0
        while isinstance(task.request, Nap):
            self._slept = True
            naps += 1
            if naps > _MOST_NAPS:
                raise RuntimeError(f"{task.name} sleeps for ever without asking anybody anything")
            task.request = flow.send(None)

    def _adopt(self) -> None:
        self._tasks += [_Task(name, (CacheError,), flow) for name, flow in self._process.spawned]
        self._process.spawned.clear()

    def _pause(self) -> Pause:
        names, requests = zip(*((task.name, task.request) for task in self._tasks), strict=True)
        return Pause(names, requests, tuple(map(_ready, requests)), tuple(self._process.told), self._slept)

    def discard(self) -> None:
        """Throw the flows away; none of them does anything more."""
        self._process.over = True
        self._adopt()
        for task in self._tasks:
            if task.flow is not None:
                task.flow.close()


def _ready(request: Request | Word | None) -> bool:
    return request is not None and not (isinstance(request, Wait) and not request.event.is_set)


def _given(flow: Coroutine[Any, Any, object], answer: Hashable) -> Any:
    if answer is BEGIN:
        return flow.send(None)
    if answer is UNAVAILABLE:
        return flow.throw(CacheUnavailable("no answer from the server"))
    if answer is INTERRUPTED:
        return flow.throw(Interrupted())
    if isinstance(answer, Refusal):
        return flow.throw(refusal(answer.message, answer.message))
    return flow.send(_thawed(answer))


def _thawed(answer: Hashable) -> object:
    return [_thawed(item) for item in answer] if type(answer) is tuple else answer


@dataclass(frozen=True, slots=True)
class _Record:
    process: int
    entries: tuple[Entry, ...]
    naps: tuple[int, ...]  # the histories at which it slept, ever longer
    pause: Pause


class Histories:
    """Every history met so far, by number; equal ones are one, and a poll that learns nothing new adds nothing.

    Args:
        processes: their names and actors.
        polls: how many times a flow may receive the same answers from one sleep to the next before it counts as
            standing still.
        can_block: whether ports offer ``block``.
    """

    def __init__(self, processes: Sequence[tuple[str, Sequence[Actor]]], *, polls: int, can_block: bool) -> None:
        self._processes = processes
        self._polls = polls
        self._can_block = can_block
        self._records: list[_Record] = []
        self._extended: dict[tuple[int, Entry], Extended] = {}
        self._paused: dict[int, Replay] = {}  # the flows of some histories, ready to go on: one of several ways, once
        self.replays = 0
        self.roots = tuple(self._recorded(process, (), (), None) for process in range(len(processes)))

    def pause(self, history: int) -> Pause:
        """Return where a history leads."""
        return self._records[history].pause

    def has_slept(self, history: int) -> bool:
        """Tell whether a process has slept before."""
        return bool(self._records[history].naps)

    def extend(self, history: int, task: int, answer: Hashable) -> Extended:
        """Return the history with one answer more: DONE if nothing is left to do."""
        entry = (task, answer)
        if (history, entry) not in self._extended:
            self._extended[history, entry] = self._extend(history, entry)
        return self._extended[history, entry]

    def close(self) -> None:
        """Throw away the flows that are still paused."""
        while self._paused:
            self._paused.popitem()[1].discard()

    def _extend(self, history: int, entry: Entry) -> Extended:
        before = self._records[history]
        paused = self._paused.pop(history, None)
        after = self._recorded(before.process, (*before.entries, entry), before.naps, paused)
        pause = self.pause(after)
        if not pause.alive:
            return Extended(DONE, pause.told)
        return Extended(self._without_repetition(after) if pause.slept else after, pause.told)

    def _recorded(self, process: int, entries: tuple[Entry, ...], naps: tuple[int, ...], paused: Replay | None) -> int:
        number = len(self._records)
        self.replays += paused is None
        replay = paused or Replay(*self._processes[process], can_block=self._can_block)
        self._paused[number] = replay  # so that it is thrown away, whatever happens now
        pause = replay.along(entries[-1:] if paused else entries)
        if not pause.alive or len(self._paused) > _MOST_PAUSED:
            self._paused.pop(number).discard()
        self._records.append(_Record(process, entries, (*naps, number) if pause.slept else naps, pause))
        return number

    def _without_repetition(self, history: int) -> int:
        # The last polls+1 stretches between sleeps brought the same answers: the last of them changed nothing.
        naps = self._records[history].naps[-self._polls - 2 :]
        if len(naps) < self._polls + 2:
            return history
        entries = self._records[history].entries
        ends = [len(self._records[nap].entries) for nap in naps]
        stretches = {entries[start:end] for start, end in pairwise(ends)}
        return naps[-2] if len(stretches) == 1 else history
