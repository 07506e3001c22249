"""What a run leaves behind for programs: the shapes of ``results.json`` and ``status.json``, and their verdicts.

Documented for readers in ``docs/reference/results.md``. A change that a reader would notice raises ``VERSION``.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from ..measure.kpis import Alert, Word, overall
from ..measure.result import Host, Result
from ..measure.stats import Interval
from .parameters import Value

SCHEMA = "dousell-cache/results"
VERSION = 1

Status = Literal["ok", "unreachable", "cell_error", "timeout", "dead_kernel", "interrupted"]
NotebookStatus = Literal["ok", "cell_error", "timeout", "dead_kernel", "interrupted", "not_run"]
RunVerdict = Literal["pass", "fail", "inconclusive", "error", "unreachable", "measured"]
State = Literal["running", "finished", "interrupted", "failed"]

TOGETHER = "together"
"""What the part of a run is called whose notebooks go through all environments by themselves."""

EXIT_CODES: dict[RunVerdict, int] = {
    "error": 3,
    "unreachable": 4,
    "fail": 1,
    "inconclusive": 5,
    "pass": 0,
    "measured": 0,
}
"""Worst first. A run that failed says nothing for certain, so it outranks all; an environment that was not reached
leaves a part unanswered; a missed target is an answer; too few samples are none yet, but hide no missed target. Where
nothing was to be judged there is no answer, and no doubt either: it counts only where nothing else does."""


class NotebookRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one notebook in one environment.

    Args:
        status: how it ended; ``not_run`` when the environment was unreachable, out of time or stopped before it.
        seconds: how long it ran.
        reason: why it is not ``ok``, in one line without credentials or paths.
        result: what it published, if it did.
    """

    status: NotebookStatus
    seconds: float = 0.0
    reason: str | None = None
    result: Result | None = None


class EnvironmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one environment.

    Args:
        status: ``ok`` when every notebook was.
        reason: why it is not, in one line.
        verdict: what its figures say, or why there are none.
        emulated: a line for each part imitated on this machine.
        figures: the notebooks' figures by name.
        samples: how many raw measurements are in ``samples.parquet``.
        notebooks: each notebook's record, in the order in which they ran.
        alerts: figures that are surely beyond their alert level.
    """

    status: Status
    reason: str | None
    verdict: RunVerdict
    emulated: list[str]
    figures: dict[str, Interval]
    samples: int
    notebooks: dict[str, NotebookRecord]
    alerts: list[Alert] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run's own facts.

    Args:
        id: its folder's name.
        started: UTC, ISO 8601.
        finished: likewise.
        profile: ``quick`` or ``full``.
        notebooks: their names, in the order in which they ran.
        parameters: what each of them was given; ``environment`` is each environment's own.
        command: what repeats the run.
        host: where it ran.
        commit: the repository's, with ``-dirty`` when it had changes; None outside a repository.
        parallel: whether the environments were measured at once, so that they disturbed each other's figures.
    """

    id: str
    started: str
    finished: str
    profile: str
    notebooks: list[str]
    parameters: dict[str, dict[str, Value]]
    command: str
    host: Host
    commit: str | None
    parallel: bool = False


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of ``results.json``.

    Args:
        schema: what this is.
        version: of its shape.
        run: the run's own facts.
        verdict: that of its worst part.
        exit_code: the command's.
        environments: what was found in each.
        together: what the notebooks found that compare all environments; None when there were none of them.
    """

    schema: str = SCHEMA
    version: int = VERSION
    run: Run
    verdict: RunVerdict
    exit_code: int
    environments: dict[str, EnvironmentRecord]
    together: EnvironmentRecord | None = None

    @property
    def parts(self) -> dict[str, EnvironmentRecord]:
        """What was found in each environment, and behind them what was found in all of them together."""
        return {**self.environments, **({TOGETHER: self.together} if self.together else {})}


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of ``status.json``, true at every moment of a run.

    Args:
        id: the run's.
        state: ``running`` until the end; ``failed`` when the report itself could not be written.
        exit_code: the command's; None while it runs.
        reason: why it did not finish, in one line.
        environments: the status of each, and of ``together``, or ``pending`` or ``running``.
        pid: the process that writes this.
        started: UTC, ISO 8601.
        finished: likewise; None while it runs.
    """

    id: str
    state: State
    exit_code: int | None = None
    reason: str | None = None
    environments: dict[str, str]
    pid: int
    started: str
    finished: str | None = None


def environment_verdict(status: Status, results: Iterable[Result]) -> RunVerdict:
    """Return the word for one environment: its status when something went wrong, else what the figures say.

    A connection test counts like a target: passed when every step did. So does an environment that was compared, where
    it is in doubt: inconclusive, since who reads only the word must not take its figures for sound. Where there was
    nothing to judge, the word is ``measured``: neither praise nor blame.

    Args:
        status: how it went.
        results: what its notebooks published.
    """
    if status != "ok":
        return "unreachable" if status == "unreachable" else "error"
    words: list[Word] = []
    for result in results:
        words += [verdict.word for verdict in result.verdicts]
        words += ["pass" if all(step.passed for step in result.steps) else "fail"] if result.steps else []
        words += ["inconclusive" for row in result.compared if row.doubt]
    return overall(words) if words else "measured"


def run_verdict(environments: Iterable[EnvironmentRecord]) -> RunVerdict:
    """Return the worst verdict, in the order of :data:`EXIT_CODES`."""
    verdicts = {environment.verdict for environment in environments}
    return next(word for word in EXIT_CODES if word in verdicts)


def encode(document: Results | RunStatus) -> bytes:
    """Return a document as it is written: indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
