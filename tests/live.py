"""Runs a schedule on a live server: real coroutines from beginning to end, commands one by one, nothing put back."""

from collections.abc import Hashable, Sequence
from typing import Any

from dousell_cache.testing import Scenario, Server, Told, World
from dousell_cache.testing.replays import BEGIN, UNAVAILABLE, _given
from dousell_cache.testing.server_state import _frozen
from dousell_cache.testing.states import CRASH, EVICTION, LOST, REFUSED, Move
from dousell_cache.testing.world import Nap, Process, Send, Visit

Live = tuple[str, Hashable, tuple[Told, ...]]


class LiveActor:
    """One actor, alone in its process."""

    def __init__(self, scenario: Scenario, number: int) -> None:
        self.actor = scenario.actors[number]
        self.process = Process(self.actor.name)
        self.flow = self.actor.start(World(self.actor.name, self.process))
        self.request: Any = BEGIN

    def go_on(self, answer: Hashable) -> None:
        """Give an answer; sleeps end at once."""
        try:
            self.request = _given(self.flow, answer)
            while isinstance(self.request, Nap):
                self.request = self.flow.send(None)
        except StopIteration:
            self.request = None
        except self.actor.may_raise as error:
            self.process.told.append(Told(self.actor.name, "raises", type(error).__name__))

    def told(self) -> tuple[Told, ...]:
        """Return what it told since the last time."""
        told = tuple(self.process.told)
        self.process.told.clear()
        return told

    def drop(self) -> None:
        """Never resume it."""
        self.process.over = True
        self.flow.close()


def run_live(scenario: Scenario, server: Server, moves: Sequence[Move]) -> list[Live]:
    """Return the code, the answer and what was told, for every move of an actor."""
    server._exchange([("FLUSHDB",)])
    actors = [LiveActor(scenario, number) for number in range(len(scenario.actors))]
    origin = [scenario.origin]
    seen = [live for move in moves for live in _moved(actors, server, origin, move)]
    for actor in actors:
        actor.drop()
    return seen


def _moved(actors: list[LiveActor], server: Server, origin: list[Any], move: Move) -> list[Live]:
    if move.key is not None:
        server._exchange([("DEL", move.key.name) if move.kind == EVICTION else ("PEXPIRE", move.key.name, -1)])
        return []
    actor = actors[move.process]
    if move.kind == CRASH:
        return [(move.code, None, ())]
    if actor.request is BEGIN:
        actor.go_on(BEGIN)
    before = actor.told()
    answer = _answer(actor.request, server, origin, move)
    if isinstance(actor.request, Visit):
        before += (Told(actor.actor.name, actor.request.label, answer),)
    actor.go_on(answer)
    return [(move.code, answer, before + actor.told())]


def _answer(request: Any, server: Server, origin: list[Any], move: Move) -> Hashable:
    if isinstance(request, Visit):
        answer, origin[0] = request.change(origin[0])
        return answer
    assert isinstance(request, Send)
    if move.kind == REFUSED:
        return UNAVAILABLE
    (reply,) = server._exchange([request.command])
    return UNAVAILABLE if move.kind == LOST else _frozen(reply)
