"""What was asked of a cache, and when: one row an event, in NumPy columns, so that ten million of them are cheap. Pure.

A trace is checked once, here; whoever computes on one may rely on it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

READ, INVALIDATE = 0, 1
OPERATION_NAMES = ("read", "invalidate")
"""What an operation's code means."""

OUTCOMES = ("", "hit", "miss", "coalesced", "stale", "refused", "bypass", "error")
"""What an outcome's code means: those of :data:`dousell_cache.events.Outcome`, after "" for not known."""

LATEST_SECONDS = 2**53 / 1e6
"""Microseconds up to here are exact in a float: the year 2255, counted from 1970."""

NO_FAMILY = "(no family)"
"""What keys without a colon share when there are too many for each to be a family of its own."""

_MOST_FAMILIES = 1000  # as the cache's own counters have it


@dataclass(frozen=True, eq=False)
class Trace:
    """Reads and invalidations in the order of their times; compare two by their digests.

    Args:
        times: seconds, ascending; from any origin, microseconds are kept.
        key_codes: for each event, which of ``key_names`` it was about.
        key_names: the keys, each once.
        family_codes: for each key, which of ``family_names`` it belongs to.
        family_names: the key families, each once.
        operations: for each event, :data:`READ` or :data:`INVALIDATE`.
        load_ms: for each event, how long its loader took, in milliseconds; NaN where none ran. Default: not known.
        outcomes: for each event, which of :data:`OUTCOMES` it had. Default: not known.
        sizes: for each event, the bytes of its value. Default: not known.
        together: whether invalidations of one time are one command, as of a tag that many keys carry; so it is where
            times are exact enough to tell commands apart. Default: each is a command of its own.
        share: how much of all keys is in it, if it is a sample of them: loads, commands and cost of all are so many
            times more. Default: all.

    Raises:
        ValueError: columns differ in length, a time is missing, negative, huge or before the one above it, or a code
            or a load time makes no sense; the message names the first row, counted from 0.
    """

    times: NDArray[np.float64]
    key_codes: NDArray[np.int64]
    key_names: tuple[str, ...]
    family_codes: NDArray[np.int64]
    family_names: tuple[str, ...]
    operations: NDArray[np.uint8]
    load_ms: NDArray[np.float64] | None = None
    outcomes: NDArray[np.uint8] | None = None
    sizes: NDArray[np.int64] | None = None
    together: bool = False
    share: float = 1.0

    def __post_init__(self) -> None:
        _check_lengths(self)
        _check_times(self.times)
        _check_codes("key_codes", self.key_codes, len(self.key_names))
        _check_codes("family_codes", self.family_codes, len(self.family_names))
        _check_codes("operations", self.operations, len(OPERATION_NAMES))
        if self.outcomes is not None:
            _check_codes("outcomes", self.outcomes, len(OUTCOMES))
        if self.load_ms is not None:
            _refuse(self.load_ms, (self.load_ms < 0) | np.isinf(self.load_ms), "load_ms", "0 or more, or NaN")

    @classmethod
    def of(
        cls,
        times: Sequence[float] | NDArray[Any],
        keys: Iterable[str],
        operations: Sequence[int] | NDArray[Any] | None = None,
        *,
        families: Mapping[str, str] | None = None,
        load_ms: Sequence[float] | NDArray[Any] | None = None,
        outcomes: Sequence[int] | NDArray[Any] | None = None,
        sizes: Sequence[int] | NDArray[Any] | None = None,
        sort: bool = False,
    ) -> Self:
        """Make a trace of plain columns.

        Args:
            times: seconds of each event.
            keys: the key of each event.
            operations: :data:`READ` or :data:`INVALIDATE` for each event; default: all are reads.
            families: the family of each key; default: what stands before its first colon, as in the counters.
            load_ms: as in :class:`Trace`.
            outcomes: as in :class:`Trace`.
            sizes: as in :class:`Trace`.
            sort: whether to put events in the order of their times; those of one time keep theirs. Default no: a
                trace that is out of order usually has a fault of its own, two clocks or a wrong column.

        Raises:
            ValueError: as for :class:`Trace`.
        """
        codes: dict[str, int] = {}
        key_codes = np.fromiter((codes.setdefault(key, len(codes)) for key in keys), np.int64)
        family_codes, family_names = _families(tuple(codes), families)
        columns = {
            "times": np.asarray(times, np.float64),
            "key_codes": key_codes,
            "operations": _whole("operations", operations, np.uint8, len(key_codes)),
            "load_ms": None if load_ms is None else np.asarray(load_ms, np.float64),
            "outcomes": None if outcomes is None else _whole("outcomes", outcomes, np.uint8, len(key_codes)),
            "sizes": None if sizes is None else _whole("sizes", sizes, np.int64, len(key_codes)),
        }
        if sort:
            columns = _in_order(columns)
        return cls(key_names=tuple(codes), family_codes=family_codes, family_names=family_names, **columns)  # type: ignore[arg-type]  # columns by name

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def keys(self) -> Sequence[str]:
        """Return the key of each event."""
        return [self.key_names[code] for code in self.key_codes.tolist()]

    @cached_property
    def operation_names(self) -> Sequence[str]:
        """Return the operation of each event: ``"read"`` or ``"invalidate"``."""
        return [OPERATION_NAMES[code] for code in self.operations.tolist()]

    @cached_property
    def reads(self) -> int:
        """Return how many events are reads."""
        return int(np.count_nonzero(self.operations == READ))

    @cached_property
    def withdrawals(self) -> int:
        """Return how many commands the invalidations are."""
        times = self.times[self.operations == INVALIDATE]
        return len(np.unique(times)) if self.together else len(times)

    @property
    def seconds(self) -> float:
        """Return the time from the first event to the last; 0 for fewer than two."""
        return float(self.times[-1] - self.times[0]) if len(self) else 0.0

    @property
    def rate_seconds(self) -> float:
        """Return over how many seconds to spread loads, commands and cost, so that a sample stands for all keys."""
        return self.seconds * self.share

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of times, keys and operations: equal digests mean equal questions."""
        used, first, codes = np.unique(self.key_codes, return_index=True, return_inverse=True)
        order = np.argsort(first)  # whichever code a key has: it is known by when it first came
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        hashed = hashlib.sha256(self.times.astype("<f8").tobytes())
        hashed.update(ranks[codes].astype("<i8").tobytes() + self.operations.tobytes())
        hashed.update("\n".join(repr(self.key_names[key]) for key in used[order].tolist()).encode())
        return hashed.hexdigest()

    def of_family(self, name: str) -> Self:
        """Return the events of one key family.

        Raises:
            ValueError: there is no such family.
        """
        if name not in self.family_names:
            message = f"there is no key family {name!r} in this trace; it has {', '.join(self.family_names[:10])}"
            raise ValueError(message)
        return self._where(self.family_codes[self.key_codes] == self.family_names.index(name))

    def of_namespace(self, prefix: str) -> Self:
        """Return the events of keys with a prefix, which goes, so that families are what comes after it.

        Args:
            prefix: what stands before the keys, such as ``prod:v3:``; its last colon may be left out, and is what
                tells it from ``product:`` where there are keys with it.

        Raises:
            ValueError: it is empty, or no key begins with it.
        """
        whole = prefix if prefix.endswith(":") else f"{prefix}:"
        if prefix and any(key.startswith(whole) for key in self.key_names):
            prefix = whole
        inside = np.array([key.startswith(prefix) for key in self.key_names], bool)
        if not prefix or not inside.any():
            first = f"; the first is {self.key_names[0]!r}" if self.key_names else ""
            message = f"no key of this trace has the namespace {prefix!r}{first}"
            raise ValueError(message)
        found = self._where(inside[self.key_codes])
        keys = tuple(key.removeprefix(prefix) for key in found.key_names)
        family_codes, family_names = _families(keys, None)
        return replace(found, key_names=keys, family_codes=family_codes, family_names=family_names)

    def between(self, start: float, stop: float) -> Self:
        """Return the events from ``start`` on and before ``stop``, in the seconds of ``times``."""
        return self._where((self.times >= start) & (self.times < stop))

    def _where(self, wanted: NDArray[np.bool_]) -> Self:
        """Return some of the events, with only the keys and families that they have."""
        keys, key_codes = np.unique(self.key_codes[wanted], return_inverse=True)
        families, family_codes = np.unique(self.family_codes[keys], return_inverse=True)
        return replace(
            self,
            times=self.times[wanted],
            key_codes=key_codes.astype(np.int64),
            key_names=tuple(self.key_names[key] for key in keys.tolist()),
            family_codes=family_codes.astype(np.int64),
            family_names=tuple(self.family_names[family] for family in families.tolist()),
            operations=self.operations[wanted],
            load_ms=None if self.load_ms is None else self.load_ms[wanted],
            outcomes=None if self.outcomes is None else self.outcomes[wanted],
            sizes=None if self.sizes is None else self.sizes[wanted],
        )


def _families(keys: tuple[str, ...], given: Mapping[str, str] | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    names = [key.partition(":")[0] if given is None else given[key] for key in keys]
    if given is None and len(set(names)) > _MOST_FAMILIES:
        names = [name if ":" in key else NO_FAMILY for key, name in zip(keys, names, strict=True)]
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(name, len(codes)) for name in names], np.int64), tuple(codes)


def _whole(name: str, column: Any, type_: type[np.integer[Any]], length: int) -> NDArray[Any]:
    """Return a column of codes in their type, without wrapping one that does not fit into it."""
    if column is None:
        return np.zeros(length, type_)
    given = np.asarray(column)
    fitting = given.astype(type_)
    if given.size:
        _refuse(given, fitting != given, name, "a whole number in its range")
    return fitting


def _in_order(columns: Mapping[str, Any]) -> dict[str, Any]:
    order = np.argsort(columns["times"], kind="stable")
    return {name: None if column is None else column[order] for name, column in columns.items()}


def _check_lengths(trace: Trace) -> None:
    columns = ("times", "key_codes", "operations", "load_ms", "outcomes", "sizes")
    lengths = {name: len(getattr(trace, name)) for name in columns if getattr(trace, name) is not None}
    if len(set(lengths.values())) > 1:
        message = f"every column of a trace must have one value an event, not {lengths}"
        raise ValueError(message)
    if len(trace.family_codes) != len(trace.key_names):
        message = f"each of the {len(trace.key_names)} keys must have a family, not {len(trace.family_codes)} of them"
        raise ValueError(message)


def _check_times(times: NDArray[np.float64]) -> None:
    _refuse(times, ~np.isfinite(times), "times", "seconds; one is missing or not finite")
    _refuse(times, times < 0, "times", "0 or later")
    _refuse(times, times > LATEST_SECONDS, "times", f"at most {LATEST_SECONDS:.0f} s; are they in milliseconds?")
    earlier = np.flatnonzero(np.diff(times) < 0)
    if len(earlier):
        row = int(earlier[0]) + 1
        message = (
            f"times must ascend, but row {row} is at {times[row]:.6f} s, after {times[row - 1]:.6f} s; "
            "sort=True puts the events in order"
        )
        raise ValueError(message)


def _check_codes(name: str, codes: NDArray[Any], count: int) -> None:
    _refuse(codes, (codes < 0) | (codes >= count), name, f"whole numbers from 0 to {count - 1}")


def _refuse(column: NDArray[Any], wrong: NDArray[np.bool_], name: str, right: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        message = f"{name} must be {right}, not {column[rows[0]]} in row {rows[0]}"
        raise ValueError(message)
