"""A load during which the cache is ill: what was done to it when, and what became of the reads meanwhile. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..events import Read
from .load_result import FAILED, LoadResult

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Phase:
    """A stretch of the load.

    Args:
        name: in words.
        fault: what the proxy does meanwhile, see :mod:`dousell_cache.testing.faults`; "" for nothing.
    """

    name: str
    fault: str = ""


PHASES = (
    Phase("healthy"),
    Phase("killed: it refuses connections", "refuse"),
    Phase("back after the kill"),
    Phase("paused: it hangs", "silence"),
    Phase("back after the pause"),
    Phase("slow: it answers too late", "delay"),
    Phase("back at its speed"),
)
"""What a load goes through: each fault once, and health before and after it."""


@dataclass(frozen=True)
class Moved:
    """The breaker moved, so many seconds after the load began, to ``open``, ``half-open`` or ``closed``."""

    at: float
    state: str


@dataclass(frozen=True)
class PhaseRow:
    """What became of the reads that were due in one phase.

    Args:
        name: the phase's.
        reads: how many.
        outcomes: how many ended in each way.
        unanswered: how many failed.
        p50_ms: response time, from when the read was due.
        p95_ms: of the slowest twentieth.
        slowest_ms: of the slowest.
    """

    name: str
    reads: int
    outcomes: dict[str, int]
    unanswered: int
    p50_ms: float
    p95_ms: float
    slowest_ms: float


def phase_rows(phases: Sequence[Phase], seconds: float, load: LoadResult) -> list[PhaseRow]:
    """Return a row for each phase of a load.

    Args:
        phases: in their order.
        seconds: how long each of them lasted.
        load: what became of the reads.
    """
    of = phase_of(load.times, seconds, len(phases))
    return [_row(phase.name, of == number, load) for number, phase in enumerate(phases)]


def phase_of(times: Array, seconds: float, phases: int) -> NDArray[np.int_]:
    """Return the number of the phase in which each read was due."""
    found: NDArray[np.int_] = np.minimum((times / seconds).astype(int), phases - 1)
    return found


def own_cost_ms(read: Read) -> float:
    """Return what the cache added to a read, in ms: not the origin's time, nor the wait for another caller's load.

    Returns:
        Not a number where nobody can tell: the read waited for another caller's load.
    """
    if read.outcome != "hit" and not read.load_seconds:
        return float("nan")
    return (read.seconds - read.load_seconds) * 1000


def open_during(times: Array, moves: Sequence[Moved]) -> NDArray[np.bool_]:
    """Tell for each time whether the breaker was open then, or let one caller try; it begins closed."""
    states = np.array([False, *(move.state != "closed" for move in moves)])
    found: NDArray[np.bool_] = states[np.searchsorted([move.at for move in moves], times, side="right")]
    return found


def openings(moves: Sequence[Moved], end: float) -> list[tuple[float, float]]:
    """Return from when to when the breaker was open, each time; a try that failed does not divide it.

    Args:
        moves: of the breaker, in their order.
        end: when the load had ended, for a breaker that was still open then.
    """
    spans: list[tuple[float, float]] = []
    since: float | None = None
    for move in moves:
        if move.state != "closed":
            since = move.at if since is None else since
        elif since is not None:
            spans.append((since, move.at))
            since = None
    return spans if since is None else [*spans, (since, end)]


def _row(name: str, chosen: NDArray[np.bool_], load: LoadResult) -> PhaseRow:
    outcomes = Counter(outcome for outcome, due in zip(load.outcomes, chosen, strict=True) if due)
    times = load.response_ms[chosen]
    p50, p95, slowest = (float(np.percentile(times, percent)) if len(times) else 0.0 for percent in (50, 95, 100))
    unanswered = sum(outcomes[outcome] for outcome in FAILED)
    return PhaseRow(name, len(times), dict(outcomes), unanswered, p50, p95, slowest)
