"""One key at a time, one event after the other: what the cache does with a trace, written down as plainly as can be."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dousell_cache.tuning.trace import READ, Trace


@dataclass
class Load:
    """A load: which event led it, when it began, who waits for it, whether a change withdrew it."""

    leader: int
    begun: int
    answers: bool
    changed: int | None = None  # when its key first changed after it began
    joined: list[int] = field(default_factory=list)
    withdrawn: bool = False
    stored: int = 0


@dataclass
class Key:
    """The state of one key, and what was counted. Times are microseconds, lives are milliseconds."""

    fill: int
    lives: list[int]  # the fresh milliseconds of an entry that this event leads the load of
    grace: int
    background: bool
    served_at_end: bool
    sent: bool
    entry: Load | None = None
    flight: Load | None = None
    flying: deque[Load] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)
    worst: int = 0

    def left(self, now: int) -> int | None:
        """Return the milliseconds that the server keeps the entry for, or None if it is gone."""
        if self.entry is None:
            return None
        left = self.entry.stored // 1000 + self.lives[self.entry.leader] + self.grace - now // 1000
        return left if left > 0 or (left == 0 and self.served_at_end) else None

    def read(self, event: int, now: int) -> None:
        """Ask for the key."""
        left = self.left(now)
        if left is not None and (not self.grace or left > self.grace):
            self.serve("hits", now)
        elif left is not None and (self.background or self.flight):
            self.serve("stale", now)
            if not self.flight:
                self.begin(Load(event, now, answers=False))
        elif left is None and self.flight:
            self.flight.joined.append(event)
            self.outdate(self.flight, now)
            self.counts["looks"] += self.grace > 0
        else:
            self.counts["looks"] += 1
            self.begin(Load(event, now, answers=True))

    def serve(self, outcome: str, now: int) -> None:
        """Answer from the cache."""
        assert self.entry
        self.counts[outcome] += 1
        self.counts["looks"] += 1
        self.counts["age"] += now - self.entry.begun
        self.worst = max(self.worst, now - self.entry.begun)
        self.outdate(self.entry, now)

    def outdate(self, served: Load, now: int) -> None:
        """Count what is served although its key had changed, unless invalidations see to that."""
        if served.changed is not None and not self.sent:
            self.counts["outdated"] += 1
            self.counts["lag"] += now - served.changed

    def begin(self, load: Load) -> None:
        """Begin a load, which those who come may join."""
        self.counts["loads"] += 1
        self.flight = load
        self.flying.append(load)

    def change(self, now: int) -> None:
        """Change what the origin holds, and invalidate it if that is sent."""
        for load in (self.entry, *self.flying):
            if load and load.changed is None:
                load.changed = now
        if self.sent:
            self.entry = None
            if self.flight:
                self.flight.withdrawn = True
            self.flight = None

    def land(self, until: int) -> None:
        """End the loads that are over by then."""
        while self.flying and self.flying[0].begun + self.fill <= until:
            load = self.flying.popleft()
            now = load.begun + self.fill
            if self.flight is load:
                self.flight = None
            if load.withdrawn:
                self.counts["refused"] += load.answers
                self.counts["looks"] += len(load.joined) if self.grace else bool(load.joined)  # together in one
                for event in load.joined:
                    self.ask_again(event, now)
                continue
            load.stored = now
            self.entry = load
            self.counts["misses"] += load.answers
            self.counts["coalesced"] += len(load.joined)

    def ask_again(self, event: int, now: int) -> None:
        """Ask anew, after a load that was withdrawn: a look that is counted already, then as ever."""
        assert self.left(now) is None
        if self.flight:
            self.flight.joined.append(event)
        else:
            self.begin(Load(event, now, answers=True))


def oracle(
    trace: Trace, ttl: float, *, fill: float = 0.0, chances: Any = None, **rules: Any
) -> tuple[Counter[str], int]:
    """Return what a trace gives with one TTL: counts and sums of microseconds, and the worst age in microseconds."""
    jitter, grace = rules.get("jitter", 0.0), round(rules.get("grace", 0.0) * 1000)
    sent = rules.get("invalidations", "sent") == "sent"
    ms = round(ttl * 1000)
    chances = np.zeros(len(trace)) if chances is None else chances
    lives = [max(1, round(ms * (1 - jitter * chance))) for chance in chances.tolist()]
    keys: dict[str, Key] = {}
    for event, (time, name, operation) in enumerate(zip(trace.times, trace.keys, trace.operations, strict=True)):
        key = keys.setdefault(
            name,
            Key(
                round(fill * 1e6),
                lives,
                grace,
                rules.get("background", False),
                rules.get("boundary", "hit") == "hit",
                sent,
            ),
        )
        now = round(time * 1e6)
        key.land(now)
        if operation == READ:
            key.read(event, now)
        else:
            key.change(now)
            key.counts["invalidations"] += sent
    for key in keys.values():
        key.land(2**62)
    total = sum((key.counts for key in keys.values()), Counter[str]())
    total["commands"] = total["looks"] + 2 * total["loads"] + total["invalidations"]
    return total, max((key.worst for key in keys.values()), default=0)
