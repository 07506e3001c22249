"""Loads of one key that follow from each other: each is made by the first read that the one before does not answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .streams import Integers
from .tallies import Which


@dataclass(frozen=True)
class Old:
    """The entries that loads are to replace: when they were loaded and are gone, and the change that outdated them."""

    begun: Integers
    gone: Integers
    changed: Integers
    change: Integers

    @classmethod
    def none(cls, count: int) -> Self:
        """Return that there is nothing."""
        return cls(*(np.full(count, -1) for _ in range(4)))

    def of(self, wanted: NDArray[np.bool_] | Integers) -> "Old":
        """Return some of them."""
        return Old(self.begun[wanted], self.gone[wanted], self.changed[wanted], self.change[wanted])

    def but(self, others: Mapping[int, "Old | None"]) -> "Old":
        """Return them with others, one each, in some places."""
        columns = {name: getattr(self, name).copy() for name in ("begun", "gone", "changed", "change")}
        for place, other in others.items():
            for name, column in columns.items():
                column[place : place + 1] = getattr(other, name)[:1]
        return Old(**columns)


@dataclass(frozen=True)
class Chains:
    """Loads that are to be made next: of which TTL, by which read, before which row, and what is there of old."""

    which: Which
    loads: Integers
    ends: Integers
    old: Old | None

    def of(self, wanted: NDArray[np.bool_] | Integers) -> "Chains":
        """Return some of them."""
        which = self.which if isinstance(self.which, int) else self.which[wanted]
        return Chains(which, self.loads[wanted], self.ends[wanted], self.old and self.old.of(wanted))

    def each(self) -> Integers:
        """Return of which TTL each is."""
        return np.broadcast_to(np.asarray(self.which, np.int64), self.loads.shape)


def together(chains: Sequence[Chains]) -> Chains:
    """Return the chains of all."""
    old = [one.old for one in chains if one.old]
    return Chains(
        np.concatenate([one.each() for one in chains]),
        np.concatenate([one.loads for one in chains]),
        np.concatenate([one.ends for one in chains]),
        Old(*(np.concatenate([getattr(one, name) for one in old]) for name in ("begun", "gone", "changed", "change")))
        if old
        else None,
    )
