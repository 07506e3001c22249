"""What lies in a folder of runs, newest first: each told as it stands, whatever became of it. Reads, never writes."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import ConfigurationError
from ..measure.kpis import Word
from ..measure.stats import Interval
from .folder import PARTIAL
from .nearest import suggestion
from .record import SCHEMA, TOGETHER, VERSION, RunStatus, RunVerdict, Status

REMOVED = ".removed"
"""What ends the name of a folder that is being deleted: whatever is in it, it is no run any more."""

LATEST = "latest"

State = Literal["finished", "stopped", "running", "killed", "failed", "unwritten", "unreadable", "another version"]
"""``stopped``: by a signal, and reported all the same; ``killed``: its process is gone and wrote no report; ``failed``:
the report could not be written; ``unwritten``: a folder was made for it and nothing put there."""

_RUN_ID = re.compile(r"(?P<started>\d{8}T\d{6}Z)-[0-9a-f]{4}")


class KpiName(msgspec.Struct, frozen=True):
    """Which figure a verdict is about."""

    name: str


class FigureVerdict(msgspec.Struct, frozen=True):
    """What a run said of one figure when it was written, by the targets of that day."""

    kpi: KpiName
    word: Word


class ComparedName(msgspec.Struct, frozen=True):
    """Which environment was compared with others."""

    environment: str


class Published(msgspec.Struct, frozen=True):
    """The part of a notebook's result that a history needs."""

    verdicts: list[FigureVerdict] = []
    compared: list[ComparedName] = []


class NotebookEnding(msgspec.Struct, frozen=True):
    """The part of a notebook's record that a history needs."""

    result: Published | None = None


class EnvironmentSummary(msgspec.Struct, frozen=True):
    """What lists and histories need of an environment in ``results.json``."""

    status: Status
    verdict: RunVerdict
    emulated: list[str]
    figures: dict[str, Interval]
    notebooks: dict[str, NotebookEnding] = {}

    @property
    def verdicts(self) -> dict[str, Word]:
        """The verdict on each figure that has a target."""
        published = [notebook.result for notebook in self.notebooks.values() if notebook.result]
        return {verdict.kpi.name: verdict.word for result in published for verdict in result.verdicts}


class HostId(msgspec.Struct, frozen=True):
    """What tells one machine from another; empty in a run that did not note it."""

    id: str = ""


class RunFacts(msgspec.Struct, frozen=True):
    """What they need of a run's own facts."""

    id: str
    started: str
    profile: str
    host: HostId = HostId()
    commit: str | None = None
    parallel: bool = False


class Summary(msgspec.Struct, frozen=True):
    """The part of ``results.json`` that lists and histories need, so that a thousand of them are read in a moment."""

    schema: str
    version: int
    run: RunFacts
    verdict: RunVerdict
    exit_code: int
    environments: dict[str, EnvironmentSummary]
    together: EnvironmentSummary | None = None

    @property
    def parts(self) -> dict[str, EnvironmentSummary]:
        """What a list shows: each environment, or what looked at all of them together where nothing else ran."""
        return self.environments or ({TOGETHER: self.together} if self.together else {})

    @property
    def places(self) -> set[str]:
        """The environments that were measured, by themselves or beside others."""
        notebooks = self.together.notebooks.values() if self.together else ()
        return {
            *self.environments,
            *(row.environment for one in notebooks if one.result for row in one.result.compared),
        }


@dataclass(frozen=True)
class Entry:
    """One run as it lies in the folder.

    Args:
        folder: its folder's name.
        state: what became of it.
        started: UTC, ISO 8601; empty when nothing could be read.
        reason: why there is no report, in one line.
        summary: what it found; None unless it is ``finished`` or ``stopped``.
    """

    folder: str
    state: State
    started: str = ""
    reason: str = ""
    summary: Summary | None = None

    @property
    def id(self) -> str:
        """The run's id, or the name of a folder that is a run without one."""
        return self.folder.removeprefix(".").removesuffix(PARTIAL)

    @property
    def born(self) -> datetime | None:
        """When the run began, by its id; None in a folder that no run named, which nobody may take for an old run."""
        named = _RUN_ID.fullmatch(self.id)
        try:
            return datetime.strptime(named["started"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if named else None
        except ValueError:  # digits enough, and no date
            return None

    @property
    def reported(self) -> bool:
        """Whether there is a report, readable or not."""
        return not self.folder.endswith(PARTIAL)

    @property
    def good(self) -> bool:
        """Whether it came to its end and met every target."""
        return self.state == "finished" and self.summary is not None and self.summary.verdict == "pass"


def names(out: Path) -> list[str]:
    """Return the folders that are runs, newest first; unfinished ones begin with a dot and end in ``.partial``.

    Raises:
        OSError: there is no such folder, or it cannot be read.
    """
    found = [entry.name for entry in os.scandir(out) if entry.is_dir() and not entry.name.endswith(REMOVED)]
    runs = (name for name in found if name.endswith(PARTIAL) or (out / name / "results.json").is_file())
    return sorted(runs, key=lambda name: name.lstrip("."), reverse=True)


def known(out: Path) -> list[str]:
    """Return what :func:`names` does, of a folder that somebody named.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be read.
    """
    try:
        return names(out)
    except OSError as error:
        message = f"{out} is no folder of runs: {error.strerror}; name the one that reports were written to"
        raise ConfigurationError(message) from error


class _Header(msgspec.Struct):
    schema: str
    version: int


def entry(out: Path, name: str) -> Entry:
    """Return one of the runs that :func:`names` found."""
    if name.endswith(PARTIAL):
        return _unfinished(out, name)
    try:
        written = (out / name / "results.json").read_bytes()
        header = msgspec.json.decode(written, type=_Header)
        if (header.schema, header.version) != (SCHEMA, VERSION):
            return Entry(name, "another version")  # whose shape is its own affair
        summary = msgspec.json.decode(written, type=Summary)
    except (OSError, msgspec.MsgspecError):
        return Entry(name, "unreadable", reason="results.json cannot be read")
    state: State = "stopped" if summary.exit_code > 128 else "finished"
    return Entry(name, state, summary.run.started, summary=summary)


def entries(out: Path) -> Iterator[Entry]:
    """Yield every run in a folder, newest first.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be read.
    """
    return (found for found in (entry(out, name) for name in known(out)) if found.state != "unwritten")


def find(out: Path, wanted: str, *, nor: str = "") -> Entry:
    """Return the run that is meant: by its id, by the beginning of one, or the latest that has a report.

    Args:
        out: the folder of all runs.
        wanted: an id, what only one id begins with, or ``latest``.
        nor: what else was looked for under that name, for the sentence that says that there is nothing.

    Raises:
        ConfigurationError: no run is meant, or more than one.
    """
    folders = {name.removeprefix(".").removesuffix(PARTIAL): name for name in (names(out) if out.is_dir() else ())}
    if wanted == LATEST:
        reported = (found for found in (entry(out, name) for name in folders.values()) if found.summary)
        latest = next(reported, None)
        if latest:
            return latest
        message = f"there is no run in {out} yet that has a report: dousell-cache report makes one"
        raise ConfigurationError(message)
    meant = [wanted] if wanted in folders else [run for run in folders if wanted and run.startswith(wanted)]
    if len(meant) != 1:
        raise ConfigurationError(_unclear(out, wanted, meant, list(folders), nor))
    return entry(out, folders[meant[0]])


def _unclear(out: Path, wanted: str, meant: list[str], there: list[str], nor: str) -> str:
    if meant:
        return f'"{wanted}" begins {len(meant)} runs in {out}: {meant[0]} and others; write a few letters more'
    return f'there is no run "{wanted}" in {out}{nor}: {suggestion(wanted, there[:5])}'


def _unfinished(out: Path, name: str) -> Entry:
    try:
        status = msgspec.json.decode((out / name / "status.json").read_bytes(), type=RunStatus)
    except (OSError, msgspec.MsgspecError):
        return Entry(name, "unwritten")
    if status.state != "running":
        return Entry(name, "failed", status.started, status.reason or "")
    if alive(status.pid):
        return Entry(name, "running", status.started)
    return Entry(name, "killed", status.started, "its process ended before the report was written")


def alive(pid: int) -> bool:
    """Tell whether a process of this machine has this number now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
