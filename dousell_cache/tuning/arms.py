"""Which arm of an experiment a key is in, and the sums that are kept of it. Pure; sums of processes add up."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Literal, NamedTuple

from ..events import Event, Read, Write

CLUSTERS = 64
"""Into how many groups the keys of an arm are hashed: what differs between them is what an interval is made of."""

Phase = Literal["before", "during"]
"""In the lead-in, or after it."""


class Place(NamedTuple):
    """Where a key belongs: the number of its arm, and of its group within the arm."""

    arm: int
    cluster: int


def place(key: str, name: str, arms: int) -> Place:
    """Return where a key belongs: the same in every process, and unrelated from one experiment to another.

    Args:
        key: the key.
        name: the experiment's name.
        arms: how many arms it has.
    """
    hashed = blake2b(key.encode(), digest_size=8, key=name.encode()[:64], person=b"experiment").digest()
    return Place(int.from_bytes(hashed[:4]) % arms, int.from_bytes(hashed[4:]) % CLUSTERS)


class Sums(NamedTuple):
    """What happened to some keys.

    Args:
        reads: how often they were read.
        hits: how many of these a fresh entry answered.
        stale: how many one past its time did.
        loads: how often their origin was asked, in the background included.
        errors: how many of these failed.
    """

    reads: int = 0
    hits: int = 0
    stale: int = 0
    loads: int = 0
    errors: int = 0

    def __add__(self, other: tuple[object, ...]) -> "Sums":
        return Sums(*(mine + its for mine, its in zip(self, other, strict=True)))  # type: ignore[operator]  # Sums


NOTHING = Sums()


def sums_of(event: Event) -> Sums:
    """Return what one event adds."""
    if isinstance(event, Write) and event.refresh:
        return Sums(loads=1)
    if not isinstance(event, Read):
        return NOTHING
    failed = bool(event.failure)
    loaded = event.load_seconds > 0  # a read without a loader misses too, and asks no origin
    return Sums(1, event.outcome == "hit", event.outcome == "stale", loaded, failed)


Table = dict[tuple[Phase, int, int], Sums]
"""Sums by phase, arm and cluster."""


def added(tables: Iterable[Mapping[tuple[Phase, int, int], Sums]]) -> Table:
    """Add up the tables of several processes."""
    total: Table = {}
    for table in tables:
        for key, sums in table.items():
            total[key] = total.get(key, NOTHING) + sums
    return total
