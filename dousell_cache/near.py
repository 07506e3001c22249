"""The near cache: entries kept in this process, in front of the server. No I/O and no clock: times come in.

It answers only while somebody vouches that no invalidation was missed (:meth:`NearCache.trust`), and keeps an entry
only if nothing about it was invalidated since its read was sent (:meth:`NearCache.ticket`).
"""

import math
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from .entries import decode
from .errors import ConfigurationError
from .frozen import NotFrozenError, frozen
from .keys import Names


class Absent(Enum):
    """The type of ``ABSENT``: not in the near cache; unlike None, never a value."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

_MOVES_REMEMBERED = 1024  # beyond, the reads that were under way meanwhile store nothing
_Name: TypeAlias = str | tuple[str]  # a key, or (tag,), which no key equals


@dataclass(frozen=True, slots=True)
class NearOptions:
    """How much a process keeps near, and for how long at most.

    Over TCP to one server its invalidation messages empty the near cache. Once an invalidation made by another
    process has returned there, this one may give the old value until it has read the server's message: a round trip,
    plus what busy threads or a busy event loop keep the listener waiting. If the connection died in silence, or the
    listener stands still: the ping interval (1 s) plus the patience at most. Never longer than ``age``.
    What this process invalidates itself is gone from here when the invalidation returns.

    Over REST and in a Cluster no messages come: ``age`` alone bounds how long another process's invalidation may go
    unseen. Choose what a visitor may be shown wrong: a second or two.

    Args:
        size: the most entries kept (entries, not bytes); the least recently used goes first.
        age: the most seconds between the read of an entry and its last answer from here.
        shared: False decodes afresh at every hit: what one caller changes is nobody else's. True gives everybody
            one object, in the same time whatever its size: lists become tuples and dicts read-only mappings, which
            ``json.dumps`` refuses; frozen dataclasses and frozen Structs stay as they are; a value with anything else
            inside is decoded afresh.

    Raises:
        ConfigurationError: size is no whole number from 1, or age no number of seconds above 0.
    """

    size: int
    age: float
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if type(self.size) is not int or self.size < 1:
            raise ConfigurationError(f"near size={self.size!r} must be a whole number of entries, at least 1")
        if type(self.age) not in (int, float) or not 0 < self.age < math.inf:
            raise ConfigurationError(f"near age={self.age!r} must be a number of seconds above 0, such as 5")
        if type(self.shared) is not bool:
            raise ConfigurationError(f"near shared={self.shared!r} must be True or False")


class Ticket(NamedTuple):
    """When a read was sent, in seconds and in invalidations."""

    epoch: int
    at: float


@dataclass(slots=True)
class _Held:
    stored: bytes
    tags: tuple[str, ...]
    until: float
    shared: tuple[Any, Any] = (ABSENT, None)  # a type and the frozen value: one reference, replaced whole


class NearCache:
    """Keep the entries last read while nothing says they changed. Safe between threads; empty after a fork.

    Args:
        options: how many entries, for how long, shared or not.
        namespace: what stands before every key on the server.
        followed: whether a listener follows the server's invalidations: the near cache is then off until the
            listener trusts it. False: ``age`` alone bounds what it answers (REST, Cluster).
    """

    def __init__(self, options: NearOptions, namespace: str, *, followed: bool) -> None:
        self._options = options
        self.followed = followed
        self._key_prefix = namespace
        self._names = Names(namespace)
        self._untrusted = -math.inf if followed else math.inf
        self._epoch = 0
        self.after_fork()
        _in_this_process.add(self)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, type_: Any, now: float, tags: Collection[str] = ()) -> Any:
        """Return the value under a key, or ABSENT.

        Args:
            key: as it is after the namespace.
            type_: what the value should be read back as, as in ``entries.decode``.
            now: monotonic seconds, of the clock whose times tickets carry.
            tags: the tags it must carry, else nobody could have withdrawn it by them.
        """
        held = self._entries.get(key)
        if held is None or now >= held.until or now >= self._trusted_until:
            return ABSENT
        if tags and not set(tags) <= set(held.tags):
            return ABSENT
        try:
            self._entries.move_to_end(key)
        except KeyError:  # dropped by another thread since; the lock is not for this path
            return ABSENT
        shared = held.shared
        return shared[1] if shared[0] is type_ else self._decoded(held, type_)

    def ticket(self, now: float) -> Ticket:
        """Return what ``put`` needs: take it before the read is sent."""
        return Ticket(self._epoch, now)

    def put(
        self, ticket: Ticket, key: str, stored: bytes, tags: Collection[str] = (), fresh_for: float = math.inf
    ) -> bool:
        """Keep what a read found, unless it or a tag of it was invalidated since the ticket was taken.

        Args:
            ticket: taken before that read was sent.
            key: as it is after the namespace.
            stored: what the server returned; never what this process just wrote, whose message is still to come.
            tags: the entry's tags.
            fresh_for: seconds of freshness left, as the server told with that read; default: unknown, the age decides.

        Returns:
            Whether it was kept.
        """
        until = ticket.at + min(fresh_for, self._options.age)
        with self._lock:
            if self._trusted_until == -math.inf or self._moved_since(ticket, key, tags):
                return False
            self._remove(key)
            self._entries[key] = _Held(stored, tuple(tags), until)
            for tag in tags:
                self._tagged.setdefault(tag, set()).add(key)
            if len(self._entries) > self._options.size:
                self._remove(next(iter(self._entries)))
        return True

    def forget(self, keys: Iterable[str] = (), tags: Iterable[str] = ()) -> None:
        """Let go of keys, and of every entry that carries one of these tags; reads under way keep none of them.

        For what this process changes itself: before the command is sent, and again after it returned or failed.
        """
        with self._lock:
            self._epoch += 1
            for key in keys:
                self._remember(key)
                self._remove(key)
            for tag in tags:
                self._remember((tag,))
                for key in list(self._tagged.get(tag, ())):
                    self._remove(key)

    def drop(self, names: Iterable[bytes]) -> None:
        """Let go of what changed on the server: values by their key's name there, tags by their version's."""
        # A name that is no UTF-8 is none of ours: at worst it drops one entry too many.
        texts = [name.decode("utf-8", "replace") for name in names]
        prefix = self._key_prefix
        tags = {tag for text in texts for tag in self._names.tags(text)}
        self.forget([text[len(prefix) :] for text in texts if text.startswith(prefix)], tags)

    def flush(self) -> None:
        """Let go of everything; reads under way keep nothing."""
        with self._lock:
            self._epoch += 1
            self._empty()

    def trust(self, until: float) -> None:
        """Answer until then, in monotonic seconds: no invalidation was missed so far. Does nothing unless followed."""
        if self._untrusted < 0:
            self._trusted_until = until

    def distrust(self) -> None:
        """Let go of everything and keep nothing until trusted again: an invalidation may have been missed."""
        self.trust(self._untrusted)
        self.flush()

    def after_fork(self) -> None:
        """Begin anew: in a child a thread that is not there may hold the lock, and nobody listens."""
        self._lock = threading.Lock()
        self._trusted_until = self._untrusted
        self.flush()

    def _decoded(self, held: _Held, type_: Any) -> Any:
        if held.shared[0] == type_:  # list[int] is made anew wherever it is written
            return held.shared[1]
        entry = decode(held.stored, type_)
        if entry is None or not self._options.shared:
            return ABSENT if entry is None else entry.value
        try:
            value = frozen(entry.value)
        except (NotFrozenError, RecursionError):
            return entry.value
        held.shared = (type_, value)
        return value

    def _moved_since(self, ticket: Ticket, key: str, tags: Iterable[str]) -> bool:
        names: list[_Name] = [key, *((tag,) for tag in tags)]
        return ticket.epoch < self._floor or any(self._moves.get(name, 0) > ticket.epoch for name in names)

    def _remember(self, name: _Name) -> None:
        self._moves[name] = self._epoch
        self._moves.move_to_end(name)
        if len(self._moves) > _MOVES_REMEMBERED:
            self._floor = self._moves.popitem(last=False)[1]

    def _remove(self, key: str) -> None:
        held = self._entries.pop(key, None)
        for tag in held.tags if held else ():
            keys = self._tagged.get(tag, set())
            keys.discard(key)
            if not keys:
                self._tagged.pop(tag, None)

    def _empty(self) -> None:
        self._entries = OrderedDict[str, _Held]()
        self._tagged: dict[str, set[str]] = {}
        self._moves = OrderedDict[_Name, int]()  # what moved, and at which epoch; the oldest first
        self._floor = self._epoch  # what moved up to then is remembered as: everything


_in_this_process = weakref.WeakSet[NearCache]()


def _begin_anew() -> None:
    for near in _in_this_process:
        near.after_fork()


os.register_at_fork(after_in_child=_begin_anew)
