"""The chaos ledger: processes pay and book under a lock while everything goes wrong, and the ledgers must be right.

    python -m dousell_cache.testing.ledger --attempts 500 --processes 8 --seeds 20

Workers are killed, and stopped for longer than a lock lasts; replies are lost; the server forgets everything, and is
killed. In the end every rent must have been paid once: no row twice, none missing. With ``--subject`` a naive lock is
tried instead, which must be found out, else the run proves nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import msgspec

from ..errors import ConfigurationError
from .ledger_checker import Figures, Objection, check, count
from .ledger_crew import Crew, Progress
from .ledger_log import Row, read_log
from .ledger_subjects import CONTROLS, OURS, PLAIN, Subject

FOLDER = Path("reports/prove")
"""Where event logs go unless told otherwise."""

SUBJECTS = {subject.name: subject for subject in (OURS, PLAIN, *CONTROLS.values())}
"""Every lock that can be put on trial, by name."""


class Trial(msgspec.Struct, frozen=True):
    """What came of one lock and seed.

    Args:
        subject: the lock.
        seed: what was drawn from.
        log: the event log, for whoever wants to judge it again.
        seconds: how long it took.
        figures: what happened.
        objections: what must not have happened.
    """

    subject: str
    seed: int
    log: str
    seconds: float
    figures: Figures
    objections: tuple[Objection, ...]

    @property
    def again(self) -> str:
        """The command that judges its log again."""
        return f"dousell-cache prove --check {self.log}"

    def __str__(self) -> str:
        figures = self.figures
        told = (
            f"{self.subject}, seed {self.seed}, {self.seconds:.0f} s: {figures.attempts:,} attempts, "
            f"{figures.grants:,} grants, {figures.kills} kills, {figures.pauses} pauses, {figures.lost_replies} lost "
            f"replies, {figures.wipes} losses of memory; {figures.rows:,} rows, {figures.fence_refusals} writes "
            f"refused; paid twice: {figures.guarded_doubles} guarded, {figures.fenced_doubles} by the fence alone, "
            f"{figures.unguarded_doubles} by the lock alone; {len(self.objections)} objections"
        )
        return "\n".join((told, *map(str, self.objections), *([f"again: {self.again}"] if self.objections else [])))


def judged(path: Path) -> Trial:
    """Judge an event log, from its lines alone.

    Raises:
        ConfigurationError: it is none.
    """
    log = read_log(path)
    seconds = (log.events[-1].at - log.events[0].at) / 1e9 if log.events else 0.0
    return Trial(log.began.subject, log.began.seed, str(path), seconds, count(log), tuple(check(log)))


def run_trial(
    crew: Crew,
    subject: Subject,
    seed: int,
    *,
    attempts: int = 0,
    seconds: float = 600.0,
    folder: Path = FOLDER,
    progress: Progress = lambda _: None,
    until_caught: bool = False,
) -> Trial:
    """Put one lock on trial, and judge it by its event log.

    Args:
        crew: who does it.
        subject: the lock, and what it has to stand.
        seed: what is drawn from.
        attempts: how many each process makes; by default as many as there is time for.
        seconds: how long the workers go on at most; the sweep comes on top.
        folder: where the event log goes, named after subject and seed; one that is there is replaced.
        progress: told now and then how many attempts there were.
        until_caught: whether to end, without a sweep, as soon as something can be objected to.

    Raises:
        MeasurementFailed: a process failed, or did not end.
    """
    words = "".join(letter if letter.isalnum() else "-" for letter in subject.name).strip("-")
    log = folder / f"{words.replace('--', '-')}-{seed}.jsonl"
    crew.run(subject, seed, log, attempts, seconds, progress, _objectionable if until_caught else None)
    return judged(log)


def _objectionable(path: Path, rows: list[Row]) -> bool:
    log = read_log(path)
    return bool(check(msgspec.structs.replace(log, rows=tuple(rows))))


def pressed(subject: Subject, processes: int | None) -> Subject:
    """Return a subject with another number of processes.

    Raises:
        ConfigurationError: there are none.
    """
    if processes is None:
        return subject
    if processes < 1:
        raise ConfigurationError(f"there must be at least 1 process, not {processes}")
    return replace(subject, pressure=replace(subject.pressure, processes=processes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return its exit code: 0 if nothing was objected to, else 1."""
    options = _parser().parse_args(arguments)
    subject, trials = pressed(SUBJECTS[options.subject], options.processes), []
    with Crew() as crew:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            trial = run_trial(crew, subject, seed, attempts=options.attempts, folder=options.out)
            trials.append(trial)
            print(msgspec.json.encode(trial).decode() if options.json else trial, flush=True)  # noqa: T201 - a command line
    if not options.json:
        print(_summary(trials))  # noqa: T201 - as above
    return 1 if any(trial.objections for trial in trials) else 0


def _summary(trials: Sequence[Trial]) -> str:
    everything = reduce(add, (trial.figures for trial in trials), Figures())
    return (
        f"{len(trials)} seeds: {everything.attempts:,} attempts, {everything.grants:,} grants, {everything.kills} "
        f"kills, {everything.pauses} pauses, {everything.rows:,} rows, {everything.fence_refusals} writes refused, "
        f"{everything.unguarded_doubles} paid twice by the lock alone, "
        f"{sum(len(trial.objections) for trial in trials)} objections; what was seen 0 times in so many grants "
        f"happens less often than once in {1 / everything.bound_95:,.0f} (95 % sure)"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dousell_cache.testing.ledger", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--attempts", type=int, default=500, metavar="N", help="of each process (default 500)")
    parser.add_argument("--processes", type=int, metavar="N", help="how many (default: the subject's own)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="over how many seeds (default 1)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="the first of them (default 1)")
    parser.add_argument("--subject", default=OURS.name, choices=SUBJECTS, help="the lock on trial (default: ours)")
    parser.add_argument(
        "--out", type=Path, default=FOLDER, metavar="FOLDER", help="for event logs (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print each seed as a line of JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
