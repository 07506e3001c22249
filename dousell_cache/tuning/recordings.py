"""Recordings as a trace: the files of all processes put together, and what was withdrawn resolved to keys.

Who withdraws a tag or a family need not have read its keys: only here, with everybody's reads at hand, can it be told
which keys that was. A key has the tags that its last tagged read told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from .files import PART, finished_as, is_ours
from .rows import NO_FAMILY, Head
from .tables import read_table
from .trace import INVALIDATE, OUTCOMES, READ, Trace

FEWEST_KEYS_TO_SAMPLE = 100_000
"""Fewer keys, and a few popular ones decide the hit rate: whether a sample has them is luck."""


class Reading(NamedTuple):
    """What was read, and what there is to know about it.

    Args:
        trace: what was asked, and when.
        notes: one sentence for each thing that was left out, or taken for something.
    """

    trace: Trace
    notes: tuple[str, ...]


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings in a folder, finished or not.

    Raises:
        ValueError: there is none.
    """
    found = sorted(path for path in folder.iterdir() if is_ours(path))
    half_renamed = {path for path in found if path.name.endswith(PART) and finished_as(path, ".parquet") in found}
    if not found:
        message = f"there is no recording in {folder}: a recorder names them trace-<time>-<process>.csv or .parquet"
        raise ValueError(message)
    return [path for path in found if path not in half_renamed]


def read_recordings(paths: Sequence[Path], *, allow_sample: bool) -> Reading:
    """Return recordings, put together in the order of their times, as a trace.

    Args:
        paths: the files.
        allow_sample: whether to take a sample of few keys all the same.

    Raises:
        ValueError: one is no recording, two were made with different secrets or samples, or few keys were sampled.
    """
    read = {path: read_table(path) for path in paths}
    head = _one_head({path: head for path, (head, _) in read.items()})
    rows = pa.concat_tables(table for _, table in read.values()).sort_by("time_ms").to_pandas()
    trace = replace(_trace(rows), share=head.sample)
    keys = round(len(trace.key_names) / head.sample)
    if head.sample < 1 and keys < FEWEST_KEYS_TO_SAMPLE and not allow_sample:
        message = (
            f"a sample of {head.sample:g} of about {keys:,} keys says little: below {FEWEST_KEYS_TO_SAMPLE:,} keys its "
            "hit rates may be wrong by tens of points; record every key, or allow it once a full run agrees"
        )
        raise ValueError(message)
    return Reading(trace, tuple(_notes(rows, head, keys)))


def _one_head(heads: dict[Path, Head]) -> Head:
    first, head = next(iter(heads.items()))
    for path, other in heads.items():
        if other.secret != head.secret:
            message = (
                f"{first.name} and {path.name} were recorded with different secrets, so that one key has two names: "
                "give every process the same secret"
            )
            raise ValueError(message)
        if other.sample != head.sample:
            message = f"{first.name} has a sample of {head.sample:g} of the keys, {path.name} one of {other.sample:g}"
            raise ValueError(message)
    return head


def _notes(rows: pd.DataFrame, head: Head, keys: int) -> Iterator[str]:
    writes, lost = int((rows["op"] == "write").sum()), int(rows.loc[rows["op"] == "lost", "size"].sum())
    if writes:
        yield f"{writes:,} writes by set were left out: curves take entries to be loaded when a read misses"
    if lost:
        yield f"{lost:,} events are missing: the disk failed or was too slow, or they could not be named"
    if head.sample < 1:
        yield f"a sample of {head.sample:g} of about {keys:,} keys: loads a second and cost are those of all of them"


class _Keys(NamedTuple):
    """The keys of a recording, by number.

    Args:
        codes: for each row, the number of its key; -1 without.
        names: the keys.
        families: for each key, the number of its family.
        family_names: the families.
        first: for each key, the row where it is met first.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]
    families: NDArray[np.int64]
    family_names: tuple[str, ...]
    first: NDArray[np.int64]


def _trace(rows: pd.DataFrame) -> Trace:
    """Return reads and withdrawals as a trace; what follows from a tag or a family comes in where it happened."""
    keys = _keys(rows)
    families, family_names = _shown(keys)
    plain = np.flatnonzero(rows["op"].isin(("read", "invalidate")).to_numpy())
    resolved = [*_by_tag(rows, keys), *_by_family(rows, keys)]
    extra = np.array(resolved, np.int64).reshape(-1, 2)
    at = np.concatenate([plain, extra[:, 0]])
    order = np.argsort(at, kind="stable")
    at = at[order]
    is_read = (rows["op"] == "read").to_numpy()[at]
    outcomes = pd.Index(OUTCOMES).get_indexer(pd.Index(rows["outcome"].to_numpy()[at]))
    sizes = rows["size"].fillna(0).to_numpy(np.int64)[at]
    return Trace(
        times=rows["time_ms"].to_numpy(np.float64)[at] / 1000,
        key_codes=np.concatenate([keys.codes[plain], extra[:, 1]])[order],
        key_names=keys.names,
        family_codes=families,
        family_names=family_names,
        operations=np.where(is_read, READ, INVALIDATE).astype(np.uint8),
        load_ms=np.where(is_read, rows["load_ms"].to_numpy(np.float64)[at], np.nan),
        outcomes=np.where(is_read & (outcomes > 0), outcomes, 0).astype(np.uint8),
        sizes=np.where(is_read, sizes, 0),
        together=True,
    )


def _keys(rows: pd.DataFrame) -> _Keys:
    named = rows["op"].isin(("read", "invalidate")).to_numpy()
    codes = np.full(len(rows), -1, np.int64)
    codes[named], names = pd.factorize(rows["key"].to_numpy()[named])
    _, first = np.unique(codes[named], return_index=True)
    first = np.flatnonzero(named)[first]
    families, family_names = pd.factorize(rows["family"].to_numpy()[first])
    return _Keys(codes, tuple(names), families.astype(np.int64), tuple(family_names), first)


def _shown(keys: _Keys) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return for each key its family, and their names; those that had no room share one."""
    names = [NO_FAMILY if name.startswith(NO_FAMILY) else name for name in keys.family_names]
    codes, shown = pd.factorize(np.array(names, object))
    return codes.astype(np.int64)[keys.families], tuple(shown)


def _by_tag(rows: pd.DataFrame, keys: _Keys) -> Iterator[tuple[int, int]]:
    """Yield (row, key) for each key that a withdrawn tag had."""
    withdrawn = rows["op"].to_numpy() == "invalidate_tag"
    if not withdrawn.any():
        return
    tags, named = rows["tags"].to_numpy(), rows["key"].to_numpy()
    members: dict[str, dict[int, None]] = {}
    current: dict[int, str] = {}
    for row in np.flatnonzero(withdrawn | _changes(rows, keys)).tolist():
        if withdrawn[row]:
            yield from ((row, key) for key in members.get(named[row], ()))
            continue
        key = int(keys.codes[row])
        for tag in current.get(key, "").split():
            members[tag].pop(key, None)
        current[key] = tags[row]
        for tag in tags[row].split():
            members.setdefault(tag, {})[key] = None


def _changes(rows: pd.DataFrame, keys: _Keys) -> NDArray[np.bool_]:
    """Tell which rows tell other tags of a key than its last tagged row."""
    tagged = np.flatnonzero((rows["tags"].to_numpy() != "") & (rows["op"].to_numpy() == "read"))
    codes = pd.factorize(rows["tags"].to_numpy()[tagged])[0]
    order = np.argsort(keys.codes[tagged], kind="stable")
    key, tags = keys.codes[tagged][order], codes[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(key) != 0) | (np.diff(tags) != 0)
    changes = np.zeros(len(rows), np.bool_)
    changes[tagged[order[first]]] = True
    return changes


def _by_family(rows: pd.DataFrame, keys: _Keys) -> Iterator[tuple[int, int]]:
    """Yield (row, key) for each key of a withdrawn family that was met before, also where it had no room."""
    families, pseudonyms = rows["family"].tolist(), rows["key"].tolist()
    numbers: dict[Any, int] = {name: number for number, name in enumerate(keys.family_names)}
    for row in np.flatnonzero(rows["op"].to_numpy() == "invalidate_family").tolist():
        names = (families[row], f"{NO_FAMILY} {pseudonyms[row]}")
        known = np.isin(keys.families, [numbers.get(name, -1) for name in names]) & (keys.first < row)
        yield from ((row, key) for key in np.flatnonzero(known).tolist())
