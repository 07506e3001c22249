"""A schedule told in numbered lines, so that a reader sees what went wrong and can run it again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .checkers import ASKS
from .model import Model
from .replays import BEGIN, INTERRUPTED, UNAVAILABLE, Refusal
from .states import CRASH, INTERRUPT, LATE, LOST, REFUSED, STEP, Move, Taken
from .world import Command, Send, Visit

_LONGEST = 60


@dataclass(frozen=True)
class Story:
    """One schedule, step by step.

    Args:
        scenario: the scenario's name.
        schedule: its steps as a short string, which ``replay`` takes.
        lines: its steps in words.
        problem: what must not have happened, or None.
        again: how to run it again.
    """

    scenario: str
    schedule: str
    lines: tuple[str, ...]
    problem: str | None
    again: str

    def __str__(self) -> str:
        numbered = [f"{number:3}. {line}" for number, line in enumerate(self.lines, 1)]
        return "\n".join([f"{self.scenario}:", *numbered, f"  => {self.problem or 'nothing wrong'}", f"  {self.again}"])


def told(model: Model, schedule: str, again: str) -> Story:
    """Run a schedule and tell it.

    Raises:
        ValueError: one of its steps cannot be taken where it stands.
    """
    state, problem, lines = model.first, None, []
    for number, code in enumerate(schedule.split("-") if schedule else (), 1):
        possible = {move.code: (move, taken) for move, taken in model.successors(state)}
        if code not in possible:
            message = f"step {number} of the schedule, {code!r}, cannot be taken there; possible: {', '.join(possible)}"
            raise ValueError(message)
        move, taken = possible[code]
        names = model.histories.pause(state.histories[move.process]).names if move.process >= 0 else ()
        lines.append("; ".join(_line(move, taken, names, model.scenario.scripts)))
        state, problem = taken.state, taken.problem
    return Story(model.scenario.name, schedule, tuple(lines), problem, again)


def _line(move: Move, taken: Taken, names: tuple[str, ...], scripts: Mapping[str, str]) -> Iterator[str]:
    if move.kind == CRASH:
        yield f"{' and '.join(names)} crash{'es' if len(names) == 1 else ''}"
    elif move.late is not None:
        yield f"what was late arrives: {_command(move.late.command, scripts)} → {_shown(taken.answer)}"
    elif move.process >= 0:
        yield f"{names[move.task]} {_step(move, taken, scripts)}"
    for one in taken.told:
        if one.what != ASKS and not (isinstance(taken.request, Visit) and one.what == taken.request.label):
            value = "" if one.value is None else f" {one.value}"
            yield f"{one.actor} {one.what}{value}".strip()


def _step(move: Move, taken: Taken, scripts: Mapping[str, str]) -> str:
    if isinstance(taken.request, Visit):
        return f"{taken.request.label} → {_shown(taken.answer)}"
    if not isinstance(taken.request, Send):
        if taken.answer is INTERRUPTED:
            return "is interrupted"
        received = "receives no answer" if taken.answer is UNAVAILABLE else f"receives {_shown(taken.answer)}"
        return "goes on" if taken.answer is None and taken.request is not BEGIN else received
    endings = {
        STEP: f"→ {_shown(taken.answer)}",
        LOST: "→ done, but the reply is lost",
        REFUSED: "→ refused, not done",
        LATE: "→ late, and given up",
        INTERRUPT: "→ late, and interrupted",
    }
    return f"sends {_command(taken.request.command, scripts)} {endings[move.kind]}"


def _command(command: Command, scripts: Mapping[str, str]) -> str:
    if command[0] != b"EVAL":
        return " ".join(_text(argument) for argument in command)
    script, count = command[1].decode(), int(command[2])
    keys, arguments = command[3 : 3 + count], command[3 + count :]
    name = scripts.get(script, script.strip().partition("\n")[0].lstrip("- "))
    shown = [" ".join(_text(argument) or "''" for argument in part) for part in (keys, arguments)]
    return f"{name[:_LONGEST]} ({' | '.join(shown)})"


def _shown(answer: object) -> str:
    if isinstance(answer, tuple) and not isinstance(answer, Refusal):
        return f"[{', '.join(_shown(item) for item in answer)}]"
    if isinstance(answer, Refusal):
        return f"error {answer.message}"
    return _text(answer) if isinstance(answer, bytes) else "nil" if answer is None else str(answer)


def _text(value: bytes) -> str:
    text = value.decode(errors="backslashreplace")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
