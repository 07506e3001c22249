"""The page over all runs: what each found, newest first; made anew from their folders after every run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .listing import Entry, EnvironmentSummary, State, entry, names
from .page import WORDS, templates
from .spec import write_atomically

_UNREPORTED: Mapping[State, tuple[str, str]] = {
    "running": ("running", "running"),
    "killed": ("error", "killed"),
    "failed": ("error", "failed to run"),
    "unreadable": ("error", "unreadable"),
    "another version": ("error", "another version"),
}
"""The look of the badge, and what it says, of a run whose verdict is not known."""


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
    environments: dict[str, EnvironmentSummary] = field(default_factory=dict)


def write(out: Path) -> None:
    """Write ``index.html`` over all runs in a folder.

    Runs that end at the same time each write it; whoever wrote last looks once more, so none is left out.

    Raises:
        OSError: it cannot be written.
    """
    listed: list[str] | None = None
    while listed != (listed := names(out)):
        found = (entry(out, name) for name in listed)
        rows = [_row(run) for run in found if run.state != "unwritten"]
        html = templates().get_template("index.html.j2").render(rows=rows)
        write_atomically(out / "index.html", html.encode())


def _row(run: Entry) -> Row:
    """Return the line of a run."""
    link = "" if run.state in {"running", "killed", "failed"} else f"{run.folder}/index.html"
    if run.summary is None:
        kind, word = _UNREPORTED[run.state]
        return Row(run.id, kind, word, run.started, link=link, reason=run.reason)
    return Row(
        run.id,
        run.summary.verdict,
        word_of(run),
        run.started,
        run.summary.run.profile,
        link,
        environments=run.summary.environments,
    )


def word_of(run: Entry) -> str:
    """Return what the badge of a run says: its verdict, or what became of it."""
    if run.summary is None:
        return _UNREPORTED[run.state][1]
    return "stopped" if run.state == "stopped" else WORDS[run.summary.verdict]
