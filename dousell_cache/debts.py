"""Invalidations that no server confirmed: until they are replayed, this process trusts nothing the cache says."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

_PAID_AT_ONCE = 1000  # names in a command: many, and still well within patience


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What an invalidation withdraws: keys, tags and whatever begins with a prefix; softly or for good."""

    keys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    prefix: str | None = None
    soft: bool = False


Kind: TypeAlias = tuple[Literal["key", "tag", "prefix"], bool]
"""What a name withdraws, and whether softly."""
Debt: TypeAlias = tuple[Kind, str]


class Due(NamedTuple):
    """A part of what is owed, alike, and when each of it was."""

    debts: dict[Debt, int]

    @property
    def withdrawal(self) -> Withdrawal:
        """Return what pays all of it, in a command."""
        ((kind, soft), _), *_ = self.debts
        names = tuple(name for _, name in self.debts)
        if kind == "key":
            return Withdrawal(keys=names, soft=soft)
        return Withdrawal(tags=names, soft=soft) if kind == "tag" else Withdrawal(prefix=names[0], soft=soft)

    def each(self) -> "Iterator[Due]":
        """Yield it debt by debt."""
        return (Due({debt: number}) for debt, number in self.debts.items())


class Debts:
    """Remember what could not be withdrawn; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._owed: dict[Debt, int] = {}
        self.any = False
        """Whether anything is owed: what every read asks first."""

    def begin_anew(self) -> None:
        """Let go of a lock that a thread of the parent may hold, in a forked child."""
        self._lock = threading.Lock()

    def owe(self, withdrawal: Withdrawal) -> None:
        """Remember what one withdraws; what was remembered already is owed anew."""
        with self._lock:
            for debt in _debts(withdrawal):
                self._owed[debt] = next(self._numbers)
            self.any = True

    def due(self) -> Due | None:
        """Return a part of what is owed that goes together, so that few commands pay for much; None if nothing is."""
        with self._lock:
            if not self._owed:
                return None
            kind = next(iter(self._owed))[0]
            alike = (item for item in self._owed.items() if item[0][0] == kind)
            return Due(dict(itertools.islice(alike, 1 if kind[0] == "prefix" else _PAID_AT_ONCE)))

    def paid(self, due: Due) -> None:
        """Forget what :meth:`due` returned, but for what was owed anew since."""
        with self._lock:
            for debt, number in due.debts.items():
                if self._owed.get(debt) == number:
                    del self._owed[debt]
            self.any = bool(self._owed)


def _debts(withdrawal: Withdrawal) -> Iterator[Debt]:
    for key in withdrawal.keys:
        yield ("key", withdrawal.soft), key
    for tag in withdrawal.tags:
        yield ("tag", withdrawal.soft), tag
    if withdrawal.prefix is not None:
        yield ("prefix", withdrawal.soft), withdrawal.prefix
