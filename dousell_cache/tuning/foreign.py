"""Foreign traces: ``time,key[,op]`` in a CSV file. What could be meant in two ways is asked for, never guessed."""

import csv
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .recordings import Reading
from .trace import INVALIDATE, READ, Trace
from .writes import Writes, notes_on_writes

Unit = Literal["s", "ms"]

READS = frozenset({"read", "get", "gets", "mget", "hit", "miss", "r"})
WITHDRAWALS = frozenset({"invalidate", "delete", "del", "unlink", "update", "replace"})
WRITES = frozenset({"write", "set", "put", "w"})
"""What may be the fill that follows a miss, or a change of the data: whoever has the file must say."""
FILLS = frozenset({"add"})
"""What is stored only where nothing is."""
NO_CHANGES = frozenset({"expire"})
"""What is left out: it says until when, and nothing new."""

_UNIT_OF: dict[str, Unit] = {
    "time_s": "s",
    "timestamp_s": "s",
    "seconds": "s",
    "time_ms": "ms",
    "timestamp_ms": "ms",
    "ms": "ms",
}
_TIMES = {"time", "timestamp", *_UNIT_OF}
_KEYS = {"key"}
_OPS = {"op", "operation", "command", "cmd"}
_EPOCH = (0.9e9, 4e9)  # seconds since 1970: from 1998 to 2096
_SHOWN = 40


def read_foreign(path: Path, unit: Unit | None, writes: Writes | None, *, sort: bool) -> Reading:
    """Return a foreign CSV file as a trace.

    Args:
        path: the file; a head line is optional, further columns are ignored, and noted.
        unit: of the times; None: as the head line says, else what they can only be.
        writes: what :data:`WRITES` are; None: there are none, or the file is refused.
        sort: whether to put lines that are out of order in order.

    Raises:
        ValueError: a line makes no sense, or the unit, or what writes are, cannot be told; the message names the file,
            and the line if it is one's.
    """
    head = _head(path)
    rows = _rows(path, head)
    above = head.lines + 1
    times = _times(path, rows["time"], above)
    if not len(times):
        message = f"{path} has no event in it"
        raise ValueError(message)
    told, note = _unit(path, _said(path, unit, head.unit), times)
    seconds = _checked(path, times, told, above, sort=sort)
    ops = _ops(path, rows, above)
    changed = ops.isin(WITHDRAWALS | WRITES if writes == "changes" else WITHDRAWALS).to_numpy()
    stays = changed | ops.isin(READS).to_numpy()
    operations = np.where(changed, INVALIDATE, READ)[stays]
    notes = (*filter(None, (head.note, note)), *_notes(path, ops, writes))
    return Reading(Trace.of(seconds[stays], rows["key"].to_numpy()[stays], operations, sort=sort), notes)


class _Head(NamedTuple):
    """What a file's first line says.

    Args:
        columns: the places of ``time``, ``key`` and, if there is one, ``op``.
        width: how many columns there are.
        lines: how many lines of names: 1 or 0.
        unit: of the times, where the name of their column has it.
        note: which columns are ignored; "" without.
    """

    columns: dict[str, int]
    width: int
    lines: int
    unit: Unit | None
    note: str


def _head(path: Path) -> _Head:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        cells = [cell.strip() for cell in next(csv.reader([file.readline()]), [])]
    lines = 0 if cells and _is_number(cells[0]) else 1
    names = cells if lines else ["time", "key", "op", *(f"number {place}" for place in range(4, len(cells) + 1))]
    names = names[: len(cells)]
    found = {"time": _place(path, names, _TIMES), "key": _place(path, names, _KEYS), "op": _place(path, names, _OPS)}
    columns = {name: place for name, place in found.items() if place is not None}
    if not {"time", "key"} <= columns.keys():
        message = (
            f"{path} must have the columns time,key or time,key,op, with commas between; its first line is "
            f"{','.join(cells)[:_SHOWN]!r}"
        )
        raise ValueError(message)
    ignored = [name for place, name in enumerate(names) if place not in columns.values()]
    note = f"columns that were ignored: {', '.join(ignored)}" if ignored else ""
    return _Head(columns, len(cells), lines, _UNIT_OF.get(names[columns["time"]].lower()), note)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _place(path: Path, names: list[str], known: Collection[str]) -> int | None:
    """Return which column has one of the known names."""
    places = [place for place, name in enumerate(names) if name.lower() in known]
    if len(places) > 1:
        message = (
            f"{path} has columns that mean the same, {', '.join(names[place] for place in places)}: rename all but one"
        )
        raise ValueError(message)
    return places[0] if places else None


def _rows(path: Path, head: _Head) -> pd.DataFrame:
    """Return the columns that count, as text."""
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "index_col": False}
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            rows: pd.DataFrame = pd.read_csv(
                path, names=range(head.width), skiprows=head.lines, header=None, skip_blank_lines=False, **options
            )
    except pd.errors.ParserWarning:  # an error only further down
        message = f"{path} cannot be read as CSV: line {head.lines + 1} has more columns than the first, {head.width}"
        raise ValueError(message) from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read as CSV: {str(error).strip()}"
        raise ValueError(message) from None
    filled = np.flatnonzero((rows.fillna("") != "").any(axis=1).to_numpy())
    rows = rows[: filled[-1] + 1 if len(filled) else 0]  # without empty lines at the end
    rows = pd.DataFrame({name: rows[place] for name, place in head.columns.items()})
    _refuse(path, rows["key"].fillna("") == "", rows["key"], head.lines + 1, "has no key")
    return rows


def _times(path: Path, text: "pd.Series[str]", above: int) -> NDArray[np.float64]:
    times: NDArray[np.float64] = pd.to_numeric(text, errors="coerce").to_numpy(np.float64)
    if len(times) and np.isnan(times).all():
        times = _since_1970(text)
    _refuse(path, ~np.isfinite(times), text, above, "has no time that is a number, nor one like 2026-11-28T10:00:00Z")
    _refuse(path, times < 0, text, above, "has a negative time")
    _refuse(path, times > _EPOCH[1] * 1000, text, above, "has a time that is too late, also in milliseconds")
    return times


def _said(path: Path, given: Unit | None, named: Unit | None) -> Unit | None:
    """Return the unit that the caller gave or the head line has, if they agree."""
    if given and named and given != named:
        message = f"{path} names its times as {named}, but the unit that was given is {given}: leave it out (--unit)"
        raise ValueError(message)
    return given or named


def _since_1970(text: "pd.Series[str]") -> NDArray[np.float64]:
    """Return dates with times, ISO 8601, as seconds; without an offset they are UTC, and what is none is no number."""
    dates = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")
    return np.asarray((dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds(), np.float64)


def _unit(path: Path, said: Unit | None, times: NDArray[np.float64]) -> tuple[Unit, str]:
    """Return the unit that was said or can only be, and how that is known; a decimal point says nothing of it."""
    if said:
        return said, ""
    low, high = times.min(), times.max()
    if _EPOCH[0] <= low and high <= _EPOCH[1]:
        return "s", "times were taken for seconds since 1970"
    if _EPOCH[0] * 1000 <= low and high <= _EPOCH[1] * 1000:
        return "ms", "times were taken for milliseconds since 1970"
    if low == high:
        return "s", ""  # whatever it is, nothing happened before or after
    if _EPOCH[0] <= low <= _EPOCH[1] and high >= _EPOCH[0] * 1000:
        message = f"{path} has times in seconds and in milliseconds, {low:.0f} and {high:.0f}: give all in one unit"
        raise ValueError(message)
    message = (
        f"the times of {path}, {low:.15g} to {high:.15g}, may be seconds or milliseconds: give the unit (--unit), or "
        "name the column time_s or time_ms"
    )
    raise ValueError(message)


def _checked(path: Path, times: NDArray[np.float64], unit: Unit, above: int, *, sort: bool) -> NDArray[np.float64]:
    """Return times in seconds if they can be those of one trace."""
    seconds = times / 1000 if unit == "ms" else times
    _refuse(path, seconds > _EPOCH[1], times, above, f"has a time that is no number of {unit} since 1970")
    mixed = (seconds > _EPOCH[0]) != (seconds[0] > _EPOCH[0])
    _refuse(path, mixed, times, above, "counts its time from elsewhere, or in another unit, than the first")
    if not sort:
        message = "is earlier than the one above it: sort the file, or have it sorted (--sort)"
        _refuse(path, np.diff(seconds, prepend=seconds[0]) < 0, times, above, message)
    return seconds


def _ops(path: Path, rows: pd.DataFrame, above: int) -> "pd.Series[str]":
    """Return what was done, in words that are known; an empty one, or none at all, is a read."""
    if "op" not in rows:
        return pd.Series("read", rows.index)
    ops = rows["op"].fillna("").str.strip().str.lower().replace("", "read")
    known = ops.isin(READS | WITHDRAWALS | WRITES | FILLS | NO_CHANGES)
    _refuse(path, ~known, rows["op"], above, "has an op that is neither read nor invalidate")
    return ops


def _notes(path: Path, ops: "pd.Series[str]", writes: Writes | None) -> Iterator[str]:
    """Yield what was made of what says neither read nor invalidation."""
    counts = {str(op): int(count) for op, count in ops.value_counts().items()}
    unclear, fills, kept = (
        Counter({op: count for op, count in counts.items() if op in some}) for some in (WRITES, FILLS, NO_CHANGES)
    )
    yield from notes_on_writes(str(path), writes, unclear, fills)
    if kept:
        yield f"{kept.total():,} expire were left out: until when an entry is kept is no change of the data"


def _refuse(path: Path, wrong: Any, told: Any, above: int, why: str) -> None:
    """Name the first line that is wrong, if there is one."""
    rows = np.flatnonzero(np.asarray(wrong))
    if len(rows):
        row = int(rows[0])
        message = f"{path}, line {row + above}, {why}: {str(np.asarray(told)[row])[:_SHOWN]!r}"
        raise ValueError(message)
