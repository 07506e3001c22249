"""Invalidations that no server confirmed: until they are replayed, this process trusts nothing the cache says."""

import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What an invalidation withdraws: keys, tags and whatever begins with a prefix; softly or for good."""

    keys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    prefix: str | None = None
    soft: bool = False


class Debts:
    """Remember what could not be withdrawn; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._owed: dict[Withdrawal, int] = {}
        self.any = False
        """Whether anything is owed: what every read asks first."""

    def begin_anew(self) -> None:
        """Let go of a lock that a thread of the parent may hold, in a forked child."""
        self._lock = threading.Lock()

    def owe(self, withdrawal: Withdrawal) -> None:
        """Remember one; one that was remembered already is owed anew."""
        with self._lock:
            self._owed[withdrawal] = next(self._numbers)
            self.any = True

    def owed(self) -> dict[Withdrawal, int]:
        """Return what is owed now."""
        with self._lock:
            return dict(self._owed)

    def paid(self, owed: dict[Withdrawal, int]) -> None:
        """Forget what :meth:`owed` returned, but for what was owed anew since."""
        with self._lock:
            for withdrawal, number in owed.items():
                if self._owed.get(withdrawal) == number:
                    del self._owed[withdrawal]
            self.any = bool(self._owed)


def together(owed: Iterable[Withdrawal]) -> Iterator[Withdrawal]:
    """Put keys together, and tags, so that few commands withdraw many."""
    for soft in (False, True):
        alike = [withdrawal for withdrawal in owed if withdrawal.soft is soft]
        if keys := dict.fromkeys(key for withdrawal in alike for key in withdrawal.keys):
            yield Withdrawal(keys=tuple(keys), soft=soft)
        if tags := dict.fromkeys(tag for withdrawal in alike for tag in withdrawal.tags):
            yield Withdrawal(tags=tuple(tags), soft=soft)
        yield from (withdrawal for withdrawal in alike if withdrawal.prefix is not None)
