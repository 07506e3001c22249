"""Changes and reads of the same rows: which reads were stale, and how long a change took to be seen. Pure.

A change moves a row to its next version. It is *told* when the writer has finished withdrawing the old one from the
cache: from then on a read that begins and still returns an older version is **stale**. Before that the writer has not
promised anything yet.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Change:
    """A row that was changed, times in seconds.

    Args:
        row: which.
        version: what it is since.
        made: when the origin had it.
        told: when the writer had withdrawn the old one.
    """

    row: int
    version: int
    made: float
    told: float


@dataclass(frozen=True)
class Seen:
    """A read that was answered, times in seconds.

    Args:
        row: which.
        version: what it showed.
        began: when it was asked.
        ended: when it was answered.
    """

    row: int
    version: int
    began: float
    ended: float


def promised(reads: Sequence[Seen], changes: Sequence[Change]) -> NDArray[np.int_]:
    """Return for each read the newest version that was told before it began; 0, of none, and it cannot be stale."""
    told: dict[int, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda each: each.told):
        told[change.row].append(change)
    newest = {row: np.maximum.accumulate([each.version for each in made]).tolist() for row, made in told.items()}
    moments = {row: [each.told for each in made] for row, made in told.items()}

    def of(read: Seen) -> int:
        known = bisect_right(moments.get(read.row, ()), read.began)
        return newest[read.row][known - 1] if known else 0

    return np.array([of(read) for read in reads], dtype=int)


def stale(reads: Sequence[Seen], changes: Sequence[Change]) -> NDArray[np.bool_]:
    """Tell for each read whether it showed a version older than one that was told before it began."""
    older: NDArray[np.bool_] = np.array([read.version for read in reads], dtype=int) < promised(reads, changes)
    return older


def seconds_until_correct(reads: Sequence[Seen], changes: Sequence[Change]) -> NDArray[np.float64]:
    """Return how long after each change the first visitor had an answer that shows it; not a number if none had."""
    by_row: dict[int, list[Seen]] = defaultdict(list)
    for read in sorted(reads, key=lambda each: each.ended):
        by_row[read.row].append(read)

    def first(change: Change) -> float:
        seen = (read.ended for read in by_row[change.row] if read.version >= change.version)
        return next(seen, float("nan")) - change.made

    return np.array([first(change) for change in changes], dtype=np.float64)


def seconds_stale(reads: Sequence[Seen], changes: Sequence[Change]) -> NDArray[np.float64]:
    """Return for each stale read how long ago the change that it does not show was told."""
    flags = stale(reads, changes)
    missed = (
        min(each.told for each in changes if each.row == read.row and each.version > read.version)
        for read, flag in zip(reads, flags, strict=True)
        if flag
    )
    began = (read.began for read, flag in zip(reads, flags, strict=True) if flag)
    return np.array([start - told for start, told in zip(began, missed, strict=True)], dtype=np.float64)
