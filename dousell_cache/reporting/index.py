"""The page over all runs: trends, verdicts, and what each run found, newest first; made anew after every run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ..languages import Language
from .listing import Entry, EnvironmentSummary, State, entry, names
from .overview import Card, Regressions, cards, regressions
from .series import series
from .spec import write_atomically
from .templating import WORDS, templates
from .wording import ENGLISH, Wording

_UNREPORTED: Mapping[State, tuple[str, str]] = {
    "running": ("running", "running"),
    "killed": ("error", "killed"),
    "failed": ("error", "error"),
    "unreadable": ("error", "unreadable"),
    "another version": ("error", "version"),
}
"""The look of the badge of a run whose verdict is not known, and the key of what it says."""

_STRIP = 60  # verdicts in the strip: as many as fit two lines


@dataclass(frozen=True)
class Row:
    """One run in the list.

    Args:
        id: its folder's name.
        kind: its verdict, which gives the badge its look.
        word: what the badge says.
        started: UTC, ISO 8601; empty when nothing could be read.
        profile: ``quick`` or ``full``; empty likewise.
        host: what tells its machine from others; empty likewise.
        link: its page; empty when it has none.
        reason: why there is none.
        environments: what was found in each.
    """

    id: str
    kind: str
    word: str
    started: str = ""
    profile: str = ""
    host: str = ""
    link: str = ""
    reason: str = ""
    environments: dict[str, EnvironmentSummary] = field(default_factory=dict)


@dataclass(frozen=True)
class Choices:
    """What the list can be narrowed to: each value that occurs, in the order of first sight.

    Args:
        environments: their names.
        verdicts: the looks of the badges.
        profiles: ``quick`` or ``full``.
        hosts: machines.
    """

    environments: list[str]
    verdicts: list[str]
    profiles: list[str]
    hosts: list[str]


def write(out: Path, language: Language = "en") -> None:
    """Write ``index.html`` over all runs in a folder.

    Runs that end at the same time each write it; whoever wrote last looks once more, so none is left out.

    Args:
        out: the folder of all runs.
        language: of the page; default English.

    Raises:
        OSError: it cannot be written.
    """
    wording = Wording(language)
    listed: list[str] | None = None
    while listed != (listed := names(out)):
        found = (entry(out, name) for name in listed)
        rows = [_row(run, wording) for run in found if run.state != "unwritten"]
        alike = series(out)
        html = _render(rows, cards(alike, wording), regressions(alike), wording)
        write_atomically(out / "index.html", html.encode())


def word_of(run: Entry, wording: Wording = ENGLISH) -> str:
    """Return what the badge of a run says: its verdict, or what became of it."""
    if run.summary is None:
        return wording.plain(f"word.{_UNREPORTED[run.state][1]}")
    return wording.plain(f"word.{'stopped' if run.state == 'stopped' else run.summary.verdict}")


def _render(rows: list[Row], drawn: list[Card], worse: Regressions, wording: Wording) -> str:
    months = [(month, list(those)) for month, those in groupby(rows, key=lambda row: wording.month(row.started))]
    return (
        templates(wording.language)
        .get_template("index.html.j2")
        .render(rows=rows, months=months, cards=drawn, worse=worse, choices=_choices(rows), strip=rows[:_STRIP][::-1])
    )


def _choices(rows: list[Row]) -> Choices:
    return Choices(
        environments=_seen(name for row in rows for name in row.environments),
        verdicts=[word for word in (*WORDS, "running") if any(row.kind == word for row in rows)],
        profiles=_seen(row.profile for row in rows if row.profile),
        hosts=_seen(row.host for row in rows if row.environments),
    )


def _seen(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _row(run: Entry, wording: Wording) -> Row:
    """Return the line of a run."""
    link = f"{run.folder}/index.html" if run.reported else ""
    if run.summary is None:
        reason = wording.plain(f"index.{run.state}") if run.state in {"killed", "unreadable"} else run.reason
        return Row(run.id, _UNREPORTED[run.state][0], word_of(run, wording), run.started, link=link, reason=reason)
    facts, found = run.summary.run, run.summary.parts
    return Row(
        run.id,
        run.summary.verdict,
        word_of(run, wording),
        run.started,
        facts.profile,
        facts.host.id,
        link,
        environments=found,
    )
