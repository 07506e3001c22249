"""The page over all runs: what each found, newest first; made anew from their folders after every run."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..measure.stats import Interval
from .folder import PARTIAL
from .page import WORDS, templates
from .record import SCHEMA, VERSION, RunStatus, RunVerdict, Status
from .spec import write_atomically


class _Environment(msgspec.Struct, frozen=True):
    """What the list shows of an environment in ``results.json``."""

    status: Status
    emulated: list[str]
    figures: dict[str, Interval]


class _Run(msgspec.Struct, frozen=True):
    """What the list shows of a run."""

    id: str
    started: str
    profile: str


class _Results(msgspec.Struct, frozen=True):
    """The part of ``results.json`` that the list needs, so that a thousand of them are read in a moment."""

    schema: str
    version: int
    run: _Run
    verdict: RunVerdict
    exit_code: int
    environments: dict[str, _Environment]


@dataclass(frozen=True)
class Row:
    """One run in the list.

    Args:
        id: its folder's name.
        kind: its verdict, which gives the badge its look.
        word: what the badge says.
        started: UTC, ISO 8601; empty when nothing could be read.
        profile: ``quick`` or ``full``; empty likewise.
        link: its page; empty when it has none.
        reason: why there is none.
        environments: what was found in each.
    """

    id: str
    kind: str
    word: str
    started: str = ""
    profile: str = ""
    link: str = ""
    reason: str = ""
    environments: dict[str, _Environment] = field(default_factory=dict)


def write(out: Path) -> None:
    """Write ``index.html`` over all runs in a folder.

    Runs that end at the same time each write it; whoever wrote last looks once more, so none is left out.

    Raises:
        OSError: it cannot be written.
    """
    listed: list[str] | None = None
    while listed != (listed := _ids(out)):
        rows = [row for run_id in listed for row in _row(out, run_id)]
        html = templates().get_template("index.html.j2").render(rows=rows)
        write_atomically(out / "index.html", html.encode())


def _ids(out: Path) -> list[str]:
    """Return the folders that are runs, newest first; unfinished ones begin with a dot and end in ``.partial``."""
    names = (entry.name for entry in os.scandir(out) if entry.is_dir())
    runs = (name for name in names if name.endswith(PARTIAL) or (out / name / "results.json").is_file())
    return sorted(runs, key=lambda name: name.lstrip("."), reverse=True)


def _row(out: Path, name: str) -> Iterator[Row]:
    if name.endswith(PARTIAL):
        yield from _unfinished(out / name)
        return
    try:
        results = msgspec.json.decode((out / name / "results.json").read_bytes(), type=_Results)
    except (OSError, msgspec.MsgspecError):
        yield Row(name, "error", "unreadable", link=f"{name}/index.html", reason="results.json cannot be read")
        return
    if (results.schema, results.version) != (SCHEMA, VERSION):
        yield Row(name, "error", "another version", link=f"{name}/index.html")
        return
    stopped = results.exit_code > 128
    yield Row(
        name,
        results.verdict,
        "stopped" if stopped else WORDS[results.verdict],
        results.run.started,
        results.run.profile,
        f"{name}/index.html",
        environments=results.environments,
    )


def _unfinished(folder: Path) -> Iterator[Row]:
    try:
        status = msgspec.json.decode((folder / "status.json").read_bytes(), type=RunStatus)
    except (OSError, msgspec.MsgspecError):
        return
    if status.state == "running" and _alive(status.pid):
        yield Row(status.id, "running", "running", status.started)
    elif status.state == "running":
        yield Row(
            status.id, "error", "killed", status.started, reason="its process ended before the report was written"
        )
    else:
        yield Row(status.id, "error", "failed to run", status.started, reason=status.reason or "")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
