"""Which keys to warm before a peak, and what that saves: from the same trace. Pure, but for :func:`run_plan`.

A key is worth warming if its first visitor in the peak would have waited for a load, and comes before the warmed entry
has expired or was withdrawn. Warming does not spare the origin that call: it is made before the peak and for nobody who
waits. So what is saved is counted in loads that the peak does not see, and in seconds that nobody waits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from ..async_cache import AsyncCache
from ..cache import Cache
from ..templates import checked_secret
from .curves import fill_times
from .pseudonyms import Pseudonyms
from .trace import READ, Trace


class Peak(NamedTuple):
    """A time in which much is read.

    Args:
        start: seconds, as in the trace.
        stop: where it ends.
        reads: how much is read in it.
    """

    start: float
    stop: float
    reads: int


@dataclass(frozen=True, slots=True)
class Worthwhile:
    """A key that is worth warming.

    Args:
        key: the key, as the trace has it.
        family: its family.
        chance: in what share of the peaks its first visitor would have waited for a load.
        reads: how often it is read while the warmed entry lives, on average over the peaks.
        load_seconds: how long its load takes.
    """

    key: str
    family: str
    chance: float
    reads: float
    load_seconds: float


@dataclass(frozen=True)
class WarmUp:
    """What to warm before each peak.

    Args:
        ttl: seconds that the warmed entries live.
        peaks: the peaks that it was learned from.
        keys: those worth warming, what saves most first.
        loads_at_peak: loads in the first ``ttl`` seconds of a peak without warming, on average.
    """

    ttl: float
    peaks: tuple[Peak, ...]
    keys: tuple[Worthwhile, ...]
    loads_at_peak: float

    @property
    def saved_loads(self) -> float:
        """Return how many loads a peak does not see, on average."""
        return sum(one.chance for one in self.keys)

    @property
    def saved_seconds(self) -> float:
        """Return how many seconds nobody waits for a load any more, on average."""
        return sum(one.chance * one.load_seconds for one in self.keys)

    @property
    def in_vain(self) -> float:
        """Return how many loads of the warming nobody would have needed, on average."""
        return len(self.keys) - self.saved_loads

    def named(self, keys: Iterable[str], secret: str | bytes) -> Self:
        """Return the plan with real keys in the place of a recording's pseudonyms, without those that are not given.

        Args:
            keys: candidates, such as every property's page.
            secret: what the recorder was given.
        """
        pseudonym = Pseudonyms(checked_secret(secret)).key
        real = {pseudonym(key): key for key in keys}
        return replace(self, keys=tuple(replace(one, key=real[one.key]) for one in self.keys if one.key in real))

    def to_frame(self) -> pd.DataFrame:
        """Return the keys as a table, one row each."""
        names = ("key", "family", "chance", "reads", "load_seconds")
        return pd.DataFrame([{name: getattr(one, name) for name in names} for one in self.keys], columns=list(names))

    def __str__(self) -> str:
        return (
            f"warming {len(self.keys):,} keys before each of {len(self.peaks)} peaks takes {self.saved_loads:,.1f} of "
            f"{self.loads_at_peak:,.1f} loads out of its first {self.ttl:g} s, {self.saved_seconds:,.1f} s that "
            f"visitors would wait; {self.in_vain:,.1f} loads would be in vain"
        )


def find_peaks(trace: Trace, *, window: float = 300.0, factor: float = 2.0) -> tuple[Peak, ...]:
    """Return the times in which so many times more is read than usual.

    Args:
        trace: what was asked.
        window: seconds of the parts that are compared; default 300.
        factor: how many times the median of the parts a peak's have at least; default 2.

    Raises:
        ValueError: the trace has no reads, the window is not above 0, or the factor not above 1.
    """
    if not window > 0 or not factor > 1:
        message = f"window must be seconds above 0 and factor above 1, not {window!r} and {factor!r}"
        raise ValueError(message)
    if not trace.reads:
        message = "the trace has no reads, so it has no peaks"
        raise ValueError(message)
    times = trace.times[trace.operations == READ]
    parts, counts = np.unique((times // window).astype(np.int64), return_counts=True)
    spans = int(parts[-1] - parts[0]) + 1
    usual = float(np.median(np.concatenate([counts, np.zeros(spans - len(counts))]))) if spans < 10**7 else 0.0
    high = parts[counts >= max(factor * usual, 1)] if usual else parts
    runs = np.split(high, np.flatnonzero(np.diff(high) > 1) + 1) if len(high) else []
    within = [((times >= run[0] * window) & (times < (run[-1] + 1) * window)).sum() for run in runs]
    return tuple(
        Peak(float(run[0] * window), float((run[-1] + 1) * window), int(reads))
        for run, reads in zip(runs, within, strict=True)
    )


def plan_warm_up(
    trace: Trace,
    ttl: float,
    *,
    peaks: Iterable[Peak] | None = None,
    chance: float = 0.5,
    most: int = 1000,
    fill: float | None = None,
) -> WarmUp:
    """Return which keys to warm at the start of each peak, and what it saves.

    Args:
        trace: what was asked.
        ttl: seconds that entries live, warmed or not.
        peaks: when; default :func:`find_peaks`.
        chance: in what share of the peaks a key must save a load to be worth one; default 0.5: then at least half of
            the warming is of use.
        most: of how many keys to warm at most; default 1,000.
        fill: seconds that a load takes; default as in :func:`.curves.curve`.

    Raises:
        ValueError: an argument makes no sense.
    """
    if not ttl > 0 or not 0 < chance <= 1 or most < 1:
        message = f"ttl must be above 0, chance a share above 0, most at least 1, not {ttl!r}, {chance!r} and {most!r}"
        raise ValueError(message)
    chosen = find_peaks(trace) if peaks is None else tuple(sorted(peaks))
    fills = fill_times(trace, fill) / 1e6
    saved, reads, loads = _learned(trace, chosen, ttl, fills.tolist())
    count = max(len(chosen), 1)
    worth = [
        Worthwhile(
            trace.key_names[key],
            trace.family_names[trace.family_codes[key]],
            saved[key] / count,
            reads[key] / count,
            float(fills[key]),
        )
        for key in np.flatnonzero(saved / count >= chance).tolist()
    ]
    worth.sort(key=lambda one: (-one.chance * one.load_seconds, -one.chance, -one.reads, one.key))
    return WarmUp(ttl, chosen, tuple(worth[:most]), loads / count)


def run_plan(cache: Cache | AsyncCache, plan: WarmUp, load: Callable[[str], Any], **options: Any) -> Any:
    """Warm a plan's keys through ``cache.warm`` and return what it returns, to be awaited on an :class:`AsyncCache`.

    Args:
        cache: either face.
        plan: what to warm; with real keys (:meth:`WarmUp.named`).
        load: from a key to its value, or to an awaitable of it.
        options: of ``cache.warm``, such as ``concurrency`` and ``tags``.
    """
    return cache.warm({one.key: partial(load, one.key) for one in plan.keys}, **{"ttl": plan.ttl, **options})


def _learned(
    trace: Trace, peaks: tuple[Peak, ...], ttl: float, fills: list[float]
) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]", int]:
    """Return for each key in how many peaks warming saves a load, how often it is read then; and the loads in all."""
    saved, reads = np.zeros(len(fills)), np.zeros(len(fills))
    loads, until, starts = 0, [-1.0] * len(fills), [peak.start for peak in peaks]
    met: set[int] = set()
    start, coming = -np.inf, 0
    is_read = (trace.operations == READ).tolist()
    for at, key, read in zip(trace.times.tolist(), trace.key_codes.tolist(), is_read, strict=True):
        while coming < len(starts) and starts[coming] <= at:
            start, coming, met = starts[coming], coming + 1, set()
        warmed = at <= start + ttl
        if not read:
            until[key] = -1.0
            met.add(key)
            continue
        missed = at > until[key]
        if warmed:
            saved[key] += missed and key not in met
            reads[key] += 1
            loads += missed
        met.add(key)
        if missed:
            until[key] = at + fills[key] + ttl
    return saved, reads, loads
