"""Confirm a curve: replay a trace against a real cache, TTL by TTL, and show what was measured beside it.

Time may be compressed: gaps, TTLs and loads are divided by the same number, so that an hour takes minutes. What is not
compressed is the machine: how late it is, how long a command takes, and the millisecond by which servers expire. How
much these could move the hit rate is computed from the curve itself, and a replay that cannot be trusted is refused.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..async_cache import AsyncCache
from ..errors import CacheUnavailable, MeasurementFailed
from ..events import Event, Outcome, Read
from ..measure.load import LoadResult, run_open_loop
from ..measure.progress import Watcher
from ..measure.stats import Interval, share
from ..measure.workload import Schedule
from .curves import curve, fill_times
from .trace import READ, Trace

SHORTEST_TTL = 0.02
"""Seconds of a compressed TTL: below, an expiry by whole milliseconds is too coarse for it."""

MOST_DOUBT = 1.0
"""Points by which a machine's lateness may move the hit rate: as much as a prediction may be off."""

_UNSERVED = 0.001  # share of reads that the cache may fail to serve before a replay says nothing
_BATCH = 500  # keys deleted in one command
_RESOLUTION_MS = 1.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Confirmed:
    """One TTL, predicted and measured.

    Args:
        ttl: seconds, before compression.
        predicted: the hit rate that the curve has, as a share.
        measured: the hit rate of the replay, with its 95 % interval.
        counts: how many reads had each outcome.
        predicted_loads: the loads that the curve has.
        loads: the loads that there were.
        late_ms: how late a read was on average, in milliseconds of the compressed time.
        doubt: by how many points such lateness could move the hit rate.
    """

    ttl: float
    predicted: float
    measured: Interval
    counts: dict[str, int]
    predicted_loads: int
    loads: int
    late_ms: float
    doubt: float

    @property
    def points(self) -> float:
        """Return measured less predicted, in points of 100."""
        return (self.measured.value - self.predicted) * 100


@dataclass(frozen=True)
class Confirmation:
    """A trace's replay.

    Args:
        rows: one a TTL.
        requests: how many events were replayed for each.
        compress: by what time was divided.
    """

    rows: tuple[Confirmed, ...]
    requests: int
    compress: float

    @property
    def worst(self) -> float:
        """Return the largest distance of a measurement from its prediction, in points."""
        return max(abs(row.points) for row in self.rows)

    def to_frame(self) -> pd.DataFrame:
        """Return predicted beside measured as a table, one row a TTL."""
        return pd.DataFrame(
            {
                "ttl": row.ttl,
                "predicted": row.predicted,
                "measured": row.measured.value,
                "low": row.measured.low,
                "high": row.measured.high,
                "points": row.points,
                "predicted_loads": row.predicted_loads,
                "loads": row.loads,
                "late_ms": row.late_ms,
                "doubt": row.doubt,
            }
            for row in self.rows
        )


async def replay(
    trace: Trace,
    cache: AsyncCache,
    ttls: Sequence[float],
    *,
    compress: float = 1.0,
    fill: float | None = None,
    progress: Progress | None = None,
) -> Confirmation:
    """Replay a trace for each TTL, on an empty cache, and compare its hit rate with the curve's.

    Args:
        trace: what was asked.
        cache: a real cache, without a near cache. Keys get a name of their own, and are deleted in the end.
        ttls: seconds, before compression.
        compress: what gaps, TTLs and loads are divided by; default 1, as it was.
        fill: seconds that a load takes, before compression; default: as :func:`.curves.curve` has it.
        progress: called ten times a second with (requests answered, requests in all).

    Raises:
        ValueError: the trace has no reads, or a TTL or the compression makes no sense.
        MeasurementFailed: the machine was too late for this compression, or the cache did not serve.
    """
    if not compress > 0:
        message = f"compress must be above 0, such as 10 for a tenth of the time, not {compress!r}"
        raise ValueError(message)
    if len(ttls) and min(ttls) / compress < SHORTEST_TTL:
        message = (
            f"compressed {compress:g} times, a TTL of {min(ttls):g} s is {min(ttls) / compress * 1000:.3g} ms, but "
            f"{SHORTEST_TTL * 1000:g} ms are needed: compress {min(ttls) / SHORTEST_TTL:.3g} times at most"
        )
        raise ValueError(message)
    predicted = curve(trace, ttls, fill=fill)
    replayer = _Replayer(trace, cache, fill_times(trace, fill) / 1e6 / compress, compress)
    rows = []
    for number, ttl in enumerate(ttls):
        done = number * len(trace)
        told = _told(progress, done, len(ttls) * len(trace))
        result = await replayer.run(ttl / compress, told)
        late_ms = _late_ms(result)
        doubt = _doubt(trace, ttl, late_ms / 1000 * compress, replayer.slower(result) * compress, fill)
        hits = np.array([outcome == "hit" for outcome in result.outcomes])[replayer.is_read]
        rows.append(
            Confirmed(
                ttl=float(predicted.ttls[number]),
                predicted=float(predicted.hit_rate[number]),
                measured=share(hits),
                counts={outcome: count for outcome, count in result.counts.items() if outcome != _INVALIDATED},
                predicted_loads=int(predicted.origin_calls[number]),
                loads=replayer.loads,
                late_ms=late_ms,
                doubt=doubt,
            )
        )
        _check(rows[-1], result, compress)
    return Confirmation(tuple(rows), len(trace), compress)


_INVALIDATED = "invalidated"
_outcome: ContextVar[list[Outcome]] = ContextVar("how the read of this task ended")


def _observe(event: Event) -> None:
    if isinstance(event, Read) and (told := _outcome.get(None)) is not None:
        told.append(event.outcome)


class _Replayer:
    """Replay a trace on a cache, each time under other keys."""

    def __init__(self, trace: Trace, cache: AsyncCache, fills: NDArray[np.float64], compress: float) -> None:
        self._cache = cache
        self._names = trace.key_names
        self._codes = trace.key_codes.tolist()
        self._fills = fills.tolist()
        self._schedule = Schedule.replay((trace.times - trace.times[0]) / compress)
        self.is_read = trace.operations == READ
        self._reads = self.is_read.tolist()
        self.loads = 0

    async def run(self, ttl: float, progress: Watcher | None) -> LoadResult:
        """Replay once with a TTL in compressed seconds."""
        start = f"replay:{secrets.token_hex(4)}:"
        names = [start + name for name in self._names]
        self.loads = 0
        unsubscribe = self._cache.subscribe(_observe)
        try:
            return await run_open_loop(self._schedule, self._operation(names, ttl), progress=progress)
        finally:
            unsubscribe()
            with suppress(CacheUnavailable):  # then they expire by themselves
                for first in range(0, len(names), _BATCH):
                    await self._cache.invalidate(*names[first : first + _BATCH])

    def slower(self, result: LoadResult) -> float:
        """Return by how many compressed seconds loads took longer than they should, on average: by their commands."""
        loaded = np.array([outcome == "miss" for outcome in result.outcomes])
        if not loaded.any():
            return 0.0
        meant = np.array(self._fills)[np.array(self._codes)[loaded]]
        return max(0.0, float((result.service_ms[loaded] / 1000 - meant).mean()))

    def _operation(self, names: list[str], ttl: float) -> Callable[[int], "asyncio.Future[str]"]:
        async def request(index: int) -> str:
            code = self._codes[index]
            if not self._reads[index]:
                await self._cache.invalidate(names[code])
                return _INVALIDATED
            told: list[Outcome] = []
            _outcome.set(told)
            await self._cache.get_or_set(names[code], lambda: self._load(code), ttl=ttl, grace=0, jitter=0, early=0)
            return told[-1]

        return request  # type: ignore[return-value]  # a coroutine is what it awaits

    async def _load(self, code: int) -> int:
        self.loads += 1
        await asyncio.sleep(self._fills[code])
        return code


def _told(progress: Progress | None, done: int, total: int) -> Watcher | None:
    return None if progress is None else lambda snapshot: progress(done + snapshot.done, total)


def _late_ms(result: LoadResult) -> float:
    """Return by how much a read met the server later than it should, on average: lateness, a command, a millisecond.

    On average, because that is what moves a hit rate: a read is taken for a hit, or for a miss, by mistake if its key
    was stored about one TTL before, and the later it is the more often that is so.
    """
    quick = np.array([outcome == "hit" for outcome in result.outcomes])
    command = float(np.median(result.service_ms[quick])) if quick.any() else 0.0
    return float(result.lag_ms.mean()) + command + _RESOLUTION_MS


def _doubt(trace: Trace, ttl: float, late: float, slower: float, fill: float | None) -> float:
    """Return by how many points the hit rate may be moved: by TTLs that are off, and loads that take longer.

    Args:
        trace: what was asked.
        ttl: seconds.
        late: seconds by which a read may be off.
        slower: seconds by which loads took longer than they should: who asks meanwhile waits, and is no hit.
        fill: as for :func:`replay`.
    """
    low, high = curve(trace, [max(ttl - late, 0.001), ttl + late], fill=fill).hit_rate
    usual = float(np.median(fill_times(trace, fill))) / 1e6
    as_told, as_was = (float(curve(trace, [ttl], fill=one).hit_rate[0]) for one in (usual, usual + slower))
    return float(high - low) * 50 + abs(as_told - as_was) * 100


def _check(row: Confirmed, result: LoadResult, compress: float) -> None:
    unserved = sum(result.counts.get(outcome, 0) for outcome in ("bypass", "error"))
    if unserved > _UNSERVED * len(result.outcomes):
        what = f": {result.errors[0]}" if result.errors else ""
        message = f"the cache did not serve {unserved} of {len(result.outcomes)} requests{what}"
        raise MeasurementFailed(message)
    if row.doubt > MOST_DOUBT:
        message = (
            f"this machine was {row.late_ms:.1f} ms late, which is {row.late_ms * compress / 1000:.2g} s of the "
            f"trace: at a TTL of {row.ttl:g} s that may move the hit rate by {row.doubt:.1f} points; compress less"
        )
        raise MeasurementFailed(message)
