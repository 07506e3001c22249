"""What the processes of a history run share: the origin, which is the truth, and what each history is about."""

import multiprocessing
import random
from typing import Any

from ..keys import Names

KEYS = 3
"""How many keys a history is about."""


class Origin:
    """The truth, shared by all processes: a version for each key, which grows with every change.

    Args:
        histories: how many histories there will be.
    """

    def __init__(self, histories: int) -> None:
        self._versions: Any = multiprocessing.get_context("spawn").Array("Q", histories * KEYS)

    def version(self, place: int) -> int:
        """Return the version now; it is one aligned word, so nobody waits for a process that was paused."""
        version: int = self._versions.get_obj()[place]
        return version

    def change(self, place: int) -> int:
        """Move to the next version and return it."""
        with self._versions.get_lock():
            self._versions[place] += 1
            return self.version(place)


class Episode:
    """What the actors of one history have in common: its keys, their tags, and whether the origin may fail.

    Args:
        seed: the run's.
        number: the history's.
    """

    def __init__(self, seed: int, number: int) -> None:
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - nothing secret
        self.prefix = f"{number}:"
        self.places = {f"{number}:k{key}": number * KEYS + key for key in range(KEYS)}
        self.all_tags = (f"{number}:t0", f"{number}:t1")
        self.tags = {key: self.all_tags[: chance.choice((0, 1, 1, 2))] for key in self.places}
        self.mixed = chance.random() < 0.2  # some callers leave the tags out
        self.seconds = chance.choice((0.005, 0.02, 0.08))  # what a load takes: others meet it only if it is slow
        self.failing = chance.choice((0.0, 0.0, 0.0, 0.3))

    def names(self, names: Names) -> list[str]:
        """Return what the server may hold of this history."""
        makers = (names.value, names.lease, names.old, names.waiting)
        beside = [make(key) for key in self.places for make in makers]
        return [*beside, *map(names.version, self.all_tags)]
