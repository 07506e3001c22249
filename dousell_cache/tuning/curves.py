"""What each time to live would have given on a trace: hits, loads, what was out of date, commands. Exact, and pure.

A curve is what :mod:`dousell_cache` itself would have done with these reads and invalidations, if they had reached one
process at the times of the trace: the entry is stored when its load is over, expires by whole milliseconds after that,
and is not prolonged by reads; who asks while it is being loaded waits for that load; an invalidation withdraws it,
and a load under way with it. The misses of a trace never grow with the TTL (without jitter and grace).

Left out: early refresh, eviction, a near cache, loads that fail, and the round trips to the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .playback import play
from .rules import Rules
from .streams import Integers, streamed
from .trace import READ, Trace

Figures = NDArray[np.float64]
Invalidations = Literal["sent", "ignored"]
"""Whether the invalidations of a trace reach the cache, or are changes that nobody tells it of."""

Boundary = Literal["hit", "miss"]
"""What a read is that comes in the millisecond in which an entry expires. Redis and Valkey still serve it."""

LONGEST_TTL = 10 * 365 * 86_400.0
"""Seconds: longer is a mistake in the unit, for the cache as well."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Figures for each TTL; every array has one value a TTL.

    Args:
        ttls: the TTLs, in seconds.
        reads: how many reads the trace has.
        changes: how many invalidations it has.
        seconds: how long it is.
        rate_seconds: over how many seconds loads are spread: of the whole trace, of which this may be one family.
        hits: reads that an entry answered within its TTL.
        misses: reads that loaded and stored.
        coalesced: reads that waited for another's load.
        stale: reads that were served an entry past its TTL, within its grace.
        refused: reads whose load was withdrawn meanwhile.
        origin_calls: loads.
        outdated: reads served what had changed before they asked; a load is taken to see the origin as it was when it
            began. 0 where invalidations are sent.
        mean_age: mean seconds, since its load began, of what was served from the cache.
        worst_age: the most of those seconds.
        mean_lag: mean seconds by which what was outdated had been so.
        commands: commands sent to the cache.
        blocks: reads, hits, loads and outdated of each part of the trace's time, loads' waiters counted with the load.
    """

    ttls: Figures
    reads: int
    changes: int
    seconds: float
    rate_seconds: float
    hits: Integers
    misses: Integers
    coalesced: Integers
    stale: Integers
    refused: Integers
    origin_calls: Integers
    outdated: Integers
    mean_age: Figures
    worst_age: Figures
    mean_lag: Figures
    commands: Integers
    blocks: dict[str, Figures]

    @property
    def hit_rate(self) -> Figures:
        """Return the share of reads that are hits."""
        return self.hits / self.reads

    @property
    def outdated_share(self) -> Figures:
        """Return the share of reads that were served what had changed; NaN if the trace tells of no change."""
        return self.outdated / self.reads if self.changes else np.full(len(self.ttls), np.nan)

    @property
    def origin_rate(self) -> Figures:
        """Return loads a second, on average."""
        return self.origin_calls / self.rate_seconds if self.rate_seconds else np.full(len(self.ttls), np.nan)

    def to_frame(self) -> pd.DataFrame:
        """Return the figures as a table, one row a TTL."""
        names = ("hits", "misses", "coalesced", "stale", "refused", "origin_calls", "outdated")
        rates = {"ttl": self.ttls, "hit_rate": self.hit_rate, "outdated_share": self.outdated_share}
        rates |= {"origin_rate": self.origin_rate}
        ages = {name: getattr(self, name) for name in ("mean_age", "worst_age", "mean_lag", "commands")}
        return pd.DataFrame(rates | {name: getattr(self, name) for name in names} | ages)


def curve(
    trace: Trace,
    ttls: Sequence[float] | Figures,
    *,
    fill: float | None = None,
    grace: float = 0.0,
    jitter: float = 0.0,
    background: bool = False,
    invalidations: Invalidations = "sent",
    boundary: Boundary = "hit",
    seed: int = 0,
    blocks: int = 1,
    rate_seconds: float | None = None,
) -> Curve:
    """Play a trace with each of several TTLs.

    Args:
        trace: what was asked.
        ttls: seconds; each is rounded to milliseconds, as the cache does.
        fill: seconds that a load takes. Default: the median of the loads that the trace tells of, for each key family;
            0 where it tells of none.
        grace: seconds for which an entry may be served past its TTL while one caller refreshes it. Default 0, as in
            the cache.
        jitter: the share of its TTL by which an entry may expire earlier, at random. Default 0, as in the cache.
        background: whether a refresh runs behind the back of the caller that found it due. Default no, as in the
            cache.
        invalidations: ``"sent"`` as the trace has them, or ``"ignored"``: what TTLs alone would have done.
        boundary: what a read is that comes in the millisecond of an entry's end; ``"hit"`` as Redis and Valkey have it.
        seed: of the jitter.
        blocks: into how many parts of equal length to divide the trace's time for ``Curve.blocks``.
        rate_seconds: over how many seconds loads are spread. Default: the length of the trace, times its share of all
            keys; of a part of a trace, such as a family that is read for an hour of a day, give the whole's, so that
            parts add up.

    Raises:
        ValueError: the trace has no reads, or an argument makes no sense; the message names it.
    """
    if not trace.reads:
        message = "the trace has no reads, so no TTL has a hit rate"
        raise ValueError(message)
    rules = Rules(
        ttls=_milliseconds("ttl", np.asarray(ttls, np.float64).ravel(), 0.001),
        grace=int(_milliseconds("grace", np.array([grace], np.float64), 0.0)[0]),
        jitter=_share("jitter", jitter),
        background=background,
        served_at_end=boundary == "hit",
        resets=invalidations == "sent",
    )
    fills = fill_times(trace, fill)
    farthest = (int(rules.ttls.max()) + rules.grace) * 1000 + 2 * int(fills.max())
    needed = seed if rules.jitter else None
    stream = streamed(trace, fills, resets=rules.resets, farthest=farthest, seed=needed, blocks=blocks)
    tallies = play(stream, rules)
    spread_over = trace.rate_seconds if rate_seconds is None else rate_seconds
    return _curve(trace, rules, tallies.columns, tallies.worst, spread_over)


def fill_times(trace: Trace, fill: float | None) -> Integers:
    """Return for each key how long a load takes, in microseconds; arguments as for :func:`curve`."""
    if fill is not None:
        return np.full(len(trace.key_names), _milliseconds("fill", np.array([fill * 1000]), 0.0)[0])
    medians = np.zeros(len(trace.family_names), np.int64)
    if trace.load_ms is not None:
        loaded = np.isfinite(trace.load_ms) & (trace.operations == READ)
        families = trace.family_codes[trace.key_codes[loaded]]
        for family in np.unique(families).tolist():
            medians[family] = round(float(np.median(trace.load_ms[loaded][families == family])) * 1000)
    return medians[trace.family_codes]


def _curve(trace: Trace, rules: Rules, columns: dict[str, Figures], worst: Figures, rate_seconds: float) -> Curve:
    totals = {name: column.sum(axis=1) for name, column in columns.items()}
    whole = {name: np.rint(total).astype(np.int64) for name, total in totals.items()}
    served, outdated = np.maximum(whole["hits"] + whole["stale"], 1), np.maximum(whole["outdated"], 1)
    changes = len(trace) - trace.reads
    answers = ("hits", "misses", "coalesced", "stale", "refused")
    blocks = {"reads": np.sum([columns[name] for name in answers], axis=0)}
    return Curve(
        ttls=rules.ttls / 1000,
        reads=trace.reads,
        changes=changes,
        seconds=trace.seconds,
        rate_seconds=rate_seconds,
        **{name: whole[name] for name in answers},
        origin_calls=whole["loads"],
        outdated=whole["outdated"],
        mean_age=totals["age"] / served / 1e6,
        worst_age=worst / 1e6,
        mean_lag=totals["lag"] / outdated / 1e6,
        commands=_commands(rules, whole, trace.withdrawals),
        blocks=blocks | {name: columns[name] for name in ("hits", "loads", "outdated")},
    )


def _commands(rules: Rules, whole: dict[str, Integers], withdrawals: int) -> Integers:
    """Return what the cache sends: a look a read, two more a load, one a withdrawal, whatever it withdraws.

    Who joins a load need not look first, unless there may be something stale to serve. Who waited for one that was
    withdrawn looks again, all of them together in one command, unless the time that an entry has left matters.
    """
    looks = whole["hits"] + whole["misses"] + whole["stale"] + whole["refused"]
    if rules.grace:
        looks = looks + whole["coalesced"] + whole["asked_again"]
    else:
        looks = looks - whole["led_again"] + whole["asked_together"]
    return looks + 2 * whole["loads"] + (withdrawals if rules.resets else 0)


def _milliseconds(name: str, seconds: Figures, least: float) -> Integers:
    if not len(seconds):
        message = f"give at least one {name}, in seconds"
        raise ValueError(message)
    wrong = ~((seconds >= least) & (seconds <= LONGEST_TTL))
    if wrong.any():
        message = f"a {name} must be between {least} and {LONGEST_TTL:.0f} seconds, not {seconds[wrong][0]}"
        raise ValueError(message)
    return np.rint(seconds * 1000).astype(np.int64)


def _share(name: str, share: float) -> float:
    if not 0 <= share <= 1:
        message = f"{name} must be a number from 0 to 1, not {share}"
        raise ValueError(message)
    return share
