"""The connections that are open: which are free, who waits for one, how many there may be. Bookkeeping, no I/O.

The one given back last is taken first, so that those a burst needed stay idle and are few. Taking and giving back is
one step on a deque, which threads may share; everything else happens under a lock. A child after a fork finds every
shelf empty: what its parent connected is its parent's.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakSet

from ..errors import CacheUnavailable


class Link(Protocol):
    """One open connection."""

    def usable(self) -> bool:
        """Tell whether a command may be sent on it."""
        ...

    def drop(self) -> None:
        """Close it, whatever is under way."""
        ...


L = TypeVar("L", bound=Link)
Outcome: TypeAlias = L | Exception


class Shelf(Generic[L]):
    """Keep open connections for whoever needs one next; safe to share between threads.

    Args:
        start: begins to open one connection, and calls :meth:`opened` with it or with what went wrong, now or later.
        most: connections that may be open or opening at a time.
    """

    def __init__(self, start: Callable[["Shelf[L]"], None], most: int) -> None:
        self._start = start
        self._most = most
        self.closed = False
        self.forget()
        _SHELVES.add(self)

    def forget(self) -> None:
        """Begin anew, without touching the connections there were."""
        self.free = deque[L]()
        self.owner: object = None  # the event loop that the connections belong to, where they do
        self._waiting = deque[Callable[[Outcome[L]], None]]()
        self._open = self._opening = 0
        self._lock = threading.RLock()

    @property
    def crowded(self) -> bool:
        """Whether as many connections are open as may be: none is being opened for whoever waits."""
        return self._open >= self._most and not self._opening

    def take(self) -> L | None:
        """Return a free connection, the caller's alone until it gives it back; None if there is none."""
        try:
            while not (link := self.free.pop()).usable():
                self.discard(link)
        except IndexError:
            return None
        return link

    def give(self, link: L) -> None:
        """Put a connection back that has nothing under way."""
        self.free.append(link)
        if self._waiting or self.closed:  # looked at after appending: whoever waits looks the other way round
            self._settle()

    def discard(self, link: L, error: BaseException | None = None) -> None:
        """Drop a connection instead of putting it back.

        Args:
            link: the connection.
            error: why. One that broke (a timeout is none) takes the free ones with it: they led to the same server.
        """
        link.drop()
        with self._lock:
            self._open -= 1
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            self.clear()
        self._settle()

    def clear(self) -> None:
        """Drop every free connection."""
        while self.free:
            try:
                self.discard(self.free.pop())
            except IndexError:  # another thread took the last one meanwhile
                return

    def wait(self, deliver: Callable[[Outcome[L]], None]) -> None:
        """Ask for the next connection to come free, opening one if there may be more.

        Args:
            deliver: called once, by any thread, with a connection or with what went wrong, until :meth:`leave`.
        """
        self._waiting.append(deliver)
        self._settle()

    def leave(self, deliver: Callable[[Outcome[L]], None]) -> bool:
        """Stop waiting; False if something was delivered already."""
        with self._lock:
            try:
                self._waiting.remove(deliver)
            except ValueError:
                return False
            return True

    def opened(self, outcome: Outcome[L]) -> None:
        """Take in a connection that was opened, or what went wrong; also when nobody waits for it any more."""
        with self._lock:
            self._opening -= 1
            if not isinstance(outcome, Exception):
                self.free.append(outcome)
            else:
                self._open -= 1
                if self._waiting:
                    self._waiting.popleft()(outcome)
            self._settle()

    def close(self) -> None:
        """Drop what is free now and what comes back later, and refuse whoever asks."""
        self.closed = True
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            if self.closed:
                return self._refuse()
            self._serve()
            while self._opening < len(self._waiting) and self._open < self._most:
                self._opening += 1
                self._open += 1
                self._start(self)
            return None

    def _serve(self) -> None:
        while self._waiting:
            try:
                link = self.free.pop()
            except IndexError:
                return
            self._waiting.popleft()(link)

    def _refuse(self) -> None:
        while self._waiting:
            self._waiting.popleft()(CacheUnavailable("the client cannot send: it was closed"))
        while self.free:
            self.free.pop().drop()


_SHELVES = WeakSet[Shelf[Any]]()


def _forget_the_parents() -> None:
    for shelf in list(_SHELVES):
        shelf.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_the_parents)
