"""How far a load is: snapshots that cost the same however many requests there are."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RECENT = 1_000  # responses that the P95 so far is taken from: enough for one, and quickly sorted
_SECONDS = 0.1  # from one snapshot to the next: more often nobody could read them


@dataclass(frozen=True)
class Progress:
    """How far a load is.

    Args:
        done: how many requests have ended.
        scheduled: how many there are.
        hit_rate: the share of hits among those that have ended; None while there are none.
        p95_ms: the P95 of the response times of the last thousand that have ended; None while there are none.
        outcomes: how many have ended in which outcome. After a load that was cancelled, ``cancelled`` and ``dropped``
            are among them, for those under way and those not begun, and they add up to all.
    """

    done: int
    scheduled: int
    hit_rate: float | None
    p95_ms: float | None
    outcomes: Mapping[str, int]


Watcher = Callable[[Progress], object]
"""What is shown snapshots: ten a second at most, and the last one when the load has ended, however it ended."""


class Tally:
    """Count what has ended, and take snapshots.

    Args:
        scheduled: how many requests there are; None: as many as have ended.
    """

    def __init__(self, scheduled: int | None) -> None:
        self.scheduled = scheduled
        self.outcomes: Counter[str] = Counter()
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def note(self, outcome: str, response_ms: float) -> None:
        """Count a request that has ended."""
        self.outcomes[outcome] += 1
        self._recent.append(response_ms)

    def add(self, outcomes: Iterable[str], response_ms: NDArray[np.float64]) -> None:
        """Count many that have ended, in their order."""
        self.outcomes.update(outcomes)
        self._recent.extend(response_ms[-_RECENT:].tolist())

    def drop_the_rest(self) -> None:
        """Count those that were never begun, when nothing more is to come."""
        if self.scheduled is not None:
            self.outcomes["dropped"] += self.scheduled - self.outcomes.total()

    def snapshot(self) -> Progress:
        """Return how far it is."""
        ended = self.outcomes.total()
        p95 = float(np.percentile(self._recent, 95)) if self._recent else None
        hit_rate = self.outcomes["hit"] / ended if ended else None
        scheduled = ended if self.scheduled is None else self.scheduled
        return Progress(ended, scheduled, hit_rate, p95, dict(+self.outcomes))


async def show(tally: Tally, watcher: Watcher) -> None:
    """Show snapshots until cancelled."""
    while True:
        await asyncio.sleep(_SECONDS)
        watcher(tally.snapshot())


class Altogether:
    """Show several loads, one after the other, as one.

    Args:
        watcher: shown snapshots of all of them together; None: nobody is.
        scheduled: how many requests they may be in all.
    """

    def __init__(self, watcher: Watcher | None, scheduled: int) -> None:
        self._watcher = watcher
        self._scheduled = scheduled
        self._ended: Counter[str] = Counter()
        self._last = Progress(0, 0, None, None, {})

    def part(self) -> Watcher | None:
        """Return the watcher of the next load."""
        self._ended.update(self._last.outcomes)
        self._last = Progress(0, 0, None, None, {})
        return self._watcher and self._show

    def end(self) -> None:
        """Show that nothing more is to come, though fewer requests were made than might have been."""
        self._ended.update(self._last.outcomes)
        self._last = Progress(0, 0, None, self._last.p95_ms, {})
        self._scheduled = self._ended.total()
        self._show(self._last)

    def _show(self, part: Progress) -> None:
        self._last = part
        outcomes = self._ended + Counter(part.outcomes)
        done = outcomes.total()
        hit_rate = outcomes["hit"] / done if done else None
        if self._watcher:
            self._watcher(Progress(done, max(done, self._scheduled), hit_rate, part.p95_ms, dict(outcomes)))
