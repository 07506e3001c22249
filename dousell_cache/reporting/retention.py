"""Which runs may go: decided by age and number alone, and never the last good one, nor one that is being written."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from ..errors import CacheError
from . import index
from .folder import PARTIAL
from .listing import REMOVED, Entry, entry, known

UNTOUCHED = timedelta(days=8)
"""How long nothing was written into the rest of a dead run before it goes. A run writes at each change of environment,
and one environment may take a week: whatever is older is being written by nobody, not on another machine either."""

Why = Literal[
    "kept: within both limits",
    "kept: the latest good run of its environments",
    "kept: it is being written",
    "kept: its remains are less than eight days old",
    "kept: another version wrote it",
    "kept: no run has such a name",
    "removed: newer ones fill the number to keep",
    "removed: too old",
    "removed: the remains of a run whose process is gone",
]


class NotRemoved(CacheError):
    """The machine's: a run's folder could not be deleted; the message says which, and what is already gone."""


@dataclass(frozen=True)
class Rules:
    """What to keep; a run has to satisfy both.

    Args:
        keep: so many of the newest runs; None: any number.
        max_age: those that began no longer ago; None: of any age.
    """

    keep: int | None = None
    max_age: timedelta | None = None


@dataclass(frozen=True)
class Found:
    """A run, and when its folder was last written to."""

    run: Entry
    touched: datetime


@dataclass(frozen=True)
class Judged:
    """A run and what becomes of it."""

    run: Entry
    why: Why

    @property
    def removed(self) -> bool:
        """Whether it goes."""
        return self.why.startswith("removed")


def judge(found: Sequence[Found], rules: Rules, now: datetime) -> list[Judged]:
    """Say of each run whether it stays, and why. Pure.

    The latest good run of each set of environments stays, whatever the rules say: it is what the next one will be
    compared with. Only a folder with a run's own name may go. Remains of a dead run are no runs: they count towards no
    number, and go when nothing was written into them for :data:`UNTOUCHED`.

    Args:
        found: newest first.
        rules: what to keep.
        now: the moment, in UTC.
    """
    good = _latest_good(one.run for one in found)
    judged, number = [], 0
    for one in found:
        number += one.run.born is not None and not one.run.folder.endswith(PARTIAL)
        judged.append(Judged(one.run, _remains(one, now) or _report(one.run, number, good, rules, now)))
    return judged


def _latest_good(runs: Iterator[Entry]) -> set[str]:
    """Return the newest good run of each set of environments."""
    latest: dict[frozenset[str], str] = {}
    for run in runs:
        if run.good and run.born and run.summary:
            latest.setdefault(frozenset(run.summary.environments), run.folder)
    return set(latest.values())


def _remains(found: Found, now: datetime) -> Why | None:
    if not found.run.folder.endswith(PARTIAL):
        return None
    if found.run.born is None:
        return "kept: no run has such a name"
    if found.run.state == "running":
        return "kept: it is being written"
    if now - found.touched < UNTOUCHED:
        return "kept: its remains are less than eight days old"
    return "removed: the remains of a run whose process is gone"


def _report(run: Entry, number: int, good: set[str], rules: Rules, now: datetime) -> Why:
    if run.born is None:
        return "kept: no run has such a name"
    if run.state == "another version":
        return "kept: another version wrote it"
    if run.folder in good:
        return "kept: the latest good run of its environments"
    if rules.max_age is not None and now - run.born > rules.max_age:
        return "removed: too old"
    if rules.keep is not None and number > rules.keep:
        return "removed: newer ones fill the number to keep"
    return "kept: within both limits"


def look(out: Path) -> list[Found]:
    """Return every run in a folder, newest first, with the moment at which it was last written to.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be read.
    """
    return [Found(entry(out, name), _touched(out / name)) for name in known(out)]


def _touched(folder: Path) -> datetime:
    try:
        newest = max(inner.stat().st_mtime for inner in (folder, folder / "status.json") if inner.exists())
    except (OSError, ValueError):
        return datetime.max.replace(tzinfo=UTC)  # it was given its final name this moment: somebody writes
    return datetime.fromtimestamp(newest, UTC)


def remove(out: Path, judged: Sequence[Judged]) -> None:
    """Delete what was judged to go, and write the list of all runs anew.

    Each folder is first renamed, in one step, to a name that no list shows: a reader sees a run whole or not at all.
    What an earlier call left behind half deleted is deleted, too.

    Raises:
        NotRemoved: something could not be deleted.
    """
    try:
        for one in judged:
            if one.removed:
                _take_off(out, one.run.folder)
    finally:
        index.write(out)
    for folder in out.glob(f".*{REMOVED}"):
        _delete(folder)


def _take_off(out: Path, folder: str) -> None:
    """Give a run a name that no list shows, unless somebody else just did."""
    try:
        with suppress(FileNotFoundError):
            (out / folder).rename(out / f".{folder.lstrip('.')}{REMOVED}")
    except OSError as error:
        message = f"{out / folder} cannot be removed: {error.strerror}"
        raise NotRemoved(message) from error


def _delete(folder: Path) -> None:
    try:
        with suppress(FileNotFoundError):  # another call deletes it, too
            shutil.rmtree(folder)
    except OSError as error:
        message = f"{folder} is on no list any more, but cannot be deleted: {error.strerror}"
        raise NotRemoved(message) from error
