"""A trace put in order once, key by key, so that a time to live is played on it by looking up, not by walking. Pure.

Times are whole microseconds, because sums of floats would move a read that comes exactly when an entry expires.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .trace import READ, Trace

Integers = NDArray[np.int64]

NEVER = 2**62
"""Microseconds after everything that happens."""

_BY_ROW = ("times", "at", "keys", "fills", "gaps", "before", "next_change", "chances", "blocks")
_SLACK = 2_000  # microseconds: servers expire in whole milliseconds


@dataclass(frozen=True, eq=False)
class Stream:
    """The reads of a trace by key, then by time; each row is one read.

    Args:
        times: microseconds.
        at: the same, except that keys follow each other and what is farther apart than any entry lives is moved
            together: ascending all through, so that one search finds a time within a key.
        keys: which key it was of.
        fills: microseconds that a load of its key takes.
        gaps: microseconds since the read before it, less two loads; ``NEVER`` where nothing can be in the cache any
            more, 0 where a change makes it hard to say.
        before: how many changes, of whatever key, stand before it in this order: the index of the next one.
        changes: microseconds of the changes, in the same order.
        change_ends: for each key, the index after its last change.
        next_change: microseconds of the next change of its key; ``NEVER`` if there is none.
        changed: the first row after that change.
        chances: a number from [0, 1) for each, which the jitter of a load that it leads goes by.
        blocks: which part of the trace's time it is in.
        sums: ``times`` added up before each row, modulo 2^64: only differences mean anything, and they are exact.
    """

    times: Integers
    at: Integers
    keys: Integers
    fills: Integers
    gaps: Integers
    before: Integers
    changes: Integers
    change_ends: Integers
    next_change: Integers
    changed: Integers
    chances: NDArray[np.float64]
    blocks: Integers
    sums: Integers

    def __len__(self) -> int:
        return len(self.times)

    def parts(self, size: int) -> Iterator["Stream"]:
        """Yield the stream in parts of whole keys, of about so many rows: what fits a processor's cache is faster.

        Args:
            size: rows; a key that has more is a part of its own.
        """
        firsts = np.flatnonzero(np.diff(self.keys, prepend=-1))
        start = 0
        while start < len(self):
            after = np.searchsorted(firsts, start + size)
            stop = int(firsts[after]) if after < len(firsts) else len(self)
            yield self._part(start, stop)
            start = stop

    def _part(self, start: int, stop: int) -> "Stream":
        if (start, stop) == (0, len(self)):
            return self
        rows = slice(start, stop)
        columns = {name: getattr(self, name)[rows] for name in _BY_ROW}
        return replace(self, **columns, changed=self.changed[rows] - start, sums=self.sums[start : stop + 1])

    @cached_property
    def landed(self) -> Integers:
        """Return the first row after each that comes when a load which it leads is over; it may be another key's."""
        return np.maximum(np.searchsorted(self.at, self.at + self.fills), np.arange(1, len(self) + 1))

    @cached_property
    def instant(self) -> bool:
        """Tell whether loads take no time."""
        return not self.fills.any()


def streamed(
    trace: Trace, fills: Integers, *, resets: bool, farthest: int, seed: int | None = None, blocks: int = 1
) -> Stream:
    """Put a trace in order.

    Args:
        trace: the trace; it has at least one read.
        fills: for each key, how long a load takes, in microseconds.
        resets: whether a change empties the cache of its key, as an invalidation does.
        farthest: the longest that an entry lives, in microseconds.
        seed: of the chances. Default: none are needed, and they are all 0.
        blocks: into how many parts of equal length the trace's time is divided.

    Raises:
        ValueError: the keys' times are too far apart to be told apart.
    """
    order = _by_key(trace)
    is_read = trace.operations[order] == READ
    every = np.rint(trace.times * 1e6).astype(np.int64)
    times, changes = every[order[is_read]], every[order[~is_read]]
    keys = trace.key_codes[order[is_read]]
    first = np.diff(keys, prepend=-1) != 0
    starts = np.flatnonzero(first)
    ends = np.repeat(np.append(starts[1:], len(keys)), np.diff(np.append(starts, len(keys))))
    before = np.cumsum(~is_read)[is_read]
    change_ends = np.cumsum(np.bincount(trace.key_codes[order[~is_read]], minlength=len(trace.key_names)))
    next_change, changed = _next_changes(before, changes, change_ends[keys], ends)
    since = np.diff(times, prepend=0)
    since[first] = 0
    at = _unfolded(since, farthest + _SLACK)
    gaps = since - 2 * fills[keys]
    if resets and len(changes):
        _reset(gaps, before, next_change, times + 2 * fills[keys])
    gaps[first] = NEVER
    chances = np.zeros(1) if seed is None else np.random.default_rng(seed).random(len(trace))[order[is_read]]
    sums = np.concatenate(([0], np.cumsum(times)))
    parts = _parts(times, every, blocks)
    return Stream(
        times=times,
        at=at,
        keys=keys,
        fills=fills[keys],
        gaps=gaps,
        before=before,
        changes=changes,
        change_ends=change_ends,
        next_change=next_change,
        changed=changed,
        chances=np.broadcast_to(chances, times.shape),
        blocks=parts,
        sums=sums,
    )


def _by_key(trace: Trace) -> Integers:
    """Return the order of events by key; those of a key stay in the order of their times."""
    narrow = trace.key_codes.astype(np.uint16) if len(trace.key_names) <= 2**16 else trace.key_codes  # sorts by radix
    return np.argsort(narrow, kind="stable")


def _next_changes(
    before: Integers, changes: Integers, change_ends: Integers, ends: Integers
) -> tuple[Integers, Integers]:
    """Return for each read when its key changes next, and which is the first read after that."""
    if not len(changes):
        return np.full(len(before), NEVER), ends
    has_one = before < change_ends
    next_change = np.where(has_one, changes[np.minimum(before, len(changes) - 1)], NEVER)
    changed = np.where(has_one, np.searchsorted(before, before, side="right"), ends)
    return next_change, np.minimum(changed, ends)


def _unfolded(since: Integers, farthest: int) -> Integers:
    steps = np.minimum(since, farthest)
    if float(steps.sum(dtype=np.float64)) > NEVER:
        message = "the trace is too long for so many keys and so long a TTL: cut it, or ask for shorter TTLs"
        raise ValueError(message)
    return np.cumsum(steps)


def _reset(gaps: Integers, before: Integers, next_change: Integers, settled: Integers) -> None:
    """Mark reads before which changes came: nothing is there if every load was over by the first of them."""
    after = np.flatnonzero(np.diff(before, prepend=before[0]) > 0)
    gaps[after] = np.where(next_change[after - 1] >= settled[after - 1], NEVER, 0)


def _parts(times: Integers, every: Integers, blocks: int) -> Integers:
    span = max(int(every[-1] - every[0]), 1)
    return np.minimum((times - every[0]) * blocks // span, blocks - 1) if blocks > 1 else np.zeros_like(times)
