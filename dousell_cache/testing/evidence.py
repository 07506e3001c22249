"""All evidence about the locks in one go: every schedule of a few flows, a chaos ledger, and naive locks beside it.

A run that finds nothing proves little by itself, so each part has controls: a guard of the flows switched off, or a
lock that is wrong in one way. One that is not caught counts as much as a violation.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import ConfigurationError
from .explorer import Exploration, explore
from .ledger import FOLDER, Trial, run_trial
from .ledger_crew import Crew
from .ledger_subjects import CONTROLS, OURS, Subject
from .proving import Proof
from .server_state import Server, private_server

EXPLORER, CHAOS, NAIVE = "explorer", "chaos", "controls"
PARTS = (EXPLORER, CHAOS, NAIVE)

_SHARE = 1 / 3  # of the time, for the explorer at most; naive locks are quick, and chaos has the rest
_STATE_SECONDS = 3e-4  # about what a state costs
_FEWEST_STATES = 2_000
_LONGEST_SECONDS = 50.0  # for a naive lock, which mostly needs one or two
_SWEEP_SECONDS = 2.0  # what a trial takes beside its own time
_LEAST_SHARE = 1 / 4  # of the time, for chaos

Observe = Callable[[str], None]
"""Told what is being done, in a few words, as often as something changes."""


class Explored(msgspec.Struct, frozen=True):
    """What came of one scenario.

    Args:
        scenario: its name.
        schedules: how many ways it can go.
        states: how many states they lead through.
        complete: whether nothing was left out.
        seconds: how long it took.
        violations: stories, each with the line that runs it again.
    """

    scenario: str
    schedules: int
    states: int
    complete: bool
    seconds: float
    violations: tuple[str, ...] = ()


class Control(msgspec.Struct, frozen=True):
    """Something that is wrong on purpose, and must be caught.

    Args:
        name: what it is called.
        by: who must catch it.
        wrong: what is wrong with it.
        caught: whether it was.
        seconds: how long it took.
        objection: what was seen.
        trial: the last round of a naive lock.
    """

    name: str
    by: Literal["explorer", "ledger"]
    wrong: str
    caught: bool
    seconds: float
    objection: str = ""
    trial: Trial | None = None


class Evidence(msgspec.Struct, frozen=True):
    """Everything that was found.

    Args:
        seed: what was drawn from.
        seconds: how long it took.
        explored: the scenarios.
        left_out: scenarios for which there was no time.
        controls: what is wrong on purpose.
        chaos: our lock's trial; None if it was not asked for.
    """

    seed: int
    seconds: float
    explored: tuple[Explored, ...]
    left_out: tuple[str, ...]
    controls: tuple[Control, ...]
    chaos: Trial | None

    @property
    def schedules(self) -> int:
        """How many schedules were explored."""
        return sum(one.schedules for one in self.explored)

    @property
    def violations(self) -> tuple[str, ...]:
        """Everything that must not have happened, each with the line that shows it again."""
        stories = tuple(story for one in self.explored for story in one.violations)
        objections = self.chaos.objections if self.chaos else ()
        return stories + tuple(f"{one}\n  again: {self.chaos.again}" for one in objections if self.chaos)

    @property
    def holds(self) -> bool:
        """Tell whether nothing was violated and everything wrong was caught."""
        return not self.violations and all(control.caught for control in self.controls)


def proofs() -> Mapping[str, Proof]:
    """Return the scenarios that the explorer goes through, by name."""
    with suppress(ModuleNotFoundError):
        found: Mapping[str, Proof] = import_module(f"{__package__}.lock_proofs").PROOFS
        return found
    from .proofs import PROOFS

    return PROOFS


def names() -> dict[str, tuple[str, ...]]:
    """Return what can be asked for, by part."""
    return {EXPLORER: tuple(proofs()), CHAOS: (), NAIVE: tuple(CONTROLS)}


def gather(
    seconds: float = 60.0,
    seed: int = 1,
    *,
    folder: Path = FOLDER,
    only: Collection[str] = (),
    observe: Observe = lambda _: None,
) -> Evidence:
    """Explore, put naive locks on trial, then ours.

    A script that calls this needs ``if __name__ == "__main__":``, because a process imports it.

    Args:
        seconds: how long it may take, about: the explorer a third of it at most beside others, chaos what is left.
        seed: what chaos is drawn from; the explorer leaves nothing to chance.
        folder: where event logs go.
        only: parts, scenarios and naive locks by name; everything by default.
        observe: see :data:`Observe`.

    Raises:
        ConfigurationError: a name or a number makes no sense, or the installation lacks a server.
        MeasurementFailed: a process failed, or did not end.
    """
    if not 1 <= seconds <= 86_400:
        raise ConfigurationError(f"seconds must be between 1 and 86400, not {seconds:g}")
    wanted, started = _Wanted(only), time.monotonic()
    share = _SHARE if wanted.naive or wanted.chaos else 1.0
    search = _Search(started + seconds * share, observe)
    if wanted.proofs:
        with private_server() as server:
            search.run(wanted.proofs, server)
    controls, chaos = tuple(search.controls), None
    if wanted.naive or wanted.chaos:
        with Crew() as crew:
            controls += tuple(_tried(crew, subject, seed, folder, observe) for subject in wanted.naive)
            if wanted.chaos:
                left = max(seconds - (time.monotonic() - started) - _SWEEP_SECONDS, seconds * _LEAST_SHARE, 1.0)
                chaos = run_trial(crew, OURS, seed, seconds=left, folder=folder, progress=_counted(observe))
    took = time.monotonic() - started
    return Evidence(seed, took, tuple(search.explored), tuple(search.left_out), controls, chaos)


class _Wanted:
    """What was asked for by name."""

    def __init__(self, only: Collection[str]) -> None:
        known = names()
        all_names = {*PARTS, *(name for part in known.values() for name in part)}
        if unknown := [name for name in only if name not in all_names]:
            raise ConfigurationError(f"there is no {unknown[0]!r} to run, but {', '.join(sorted(all_names))}")
        asked = set(only or PARTS)
        self.chaos = CHAOS in asked
        self.proofs = [proof for name, proof in proofs().items() if asked & {EXPLORER, name}]
        self.naive = [subject for name, subject in CONTROLS.items() if asked & {NAIVE, name}]


class _Search:
    """The explorer's part: as many scenarios as there is time for, each with its controls."""

    def __init__(self, until: float, observe: Observe) -> None:
        self.explored: list[Explored] = []
        self.left_out: list[str] = []
        self.controls: list[Control] = []
        self._until = until
        self._observe = observe

    def run(self, proofs: list[Proof], server: Server) -> None:
        """Explore the scenarios in their order."""
        for number, proof in enumerate(proofs, 1):
            name = proof.scenario.name
            self._observe(f"explorer: {name} ({number} of {len(proofs)})")
            if time.monotonic() < self._until or not self.explored:
                self._explore(proof, server)
            else:
                self.left_out.append(name)

    def _explore(self, proof: Proof, server: Server) -> None:
        name, most = proof.scenario.name, int((self._until - time.monotonic()) / _STATE_SECONDS)
        found = explore(proof.scenario, server, max_states=max(_FEWEST_STATES, most))
        stories = tuple(map(str, found.violations))
        self.explored.append(Explored(name, found.schedules, found.states, found.complete, found.seconds, stories))
        for control in proof.controls:
            without = explore(proof.scenario, server, control=control, first_only=True)
            wrong = f"without: {control.off}"
            caught, seen = bool(without.violations), _last_line(without)
            self.controls.append(Control(f"{name}: {control.name}", "explorer", wrong, caught, without.seconds, seen))


def _last_line(found: Exploration) -> str:
    said = [line for story in found.violations for line in str(story).splitlines() if "=>" in line]
    return said[0].partition("=>")[2].strip() if said else ""


def _tried(crew: Crew, subject: Subject, seed: int, folder: Path, observe: Observe) -> Control:
    """Press a naive lock until it is caught."""
    observe(f"naive lock: {subject.name}")
    trial = run_trial(crew, subject, seed, seconds=_LONGEST_SECONDS, folder=folder, until_caught=True)
    objection = f"{trial.objections[0].rule}: {trial.objections[0].sentence}" if trial.objections else ""
    return Control(subject.name, "ledger", subject.story, bool(trial.objections), trial.seconds, objection, trial)


def _counted(observe: Observe) -> Callable[[int], None]:
    return lambda attempts: observe(f"chaos: {attempts:,} attempts")
