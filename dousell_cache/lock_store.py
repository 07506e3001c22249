"""The words of locks: acquire, extend, release, holds, listen. Each is one command, of one acquisition.

What concerns a lock that is held is sent even to a server that is taken for dead: it cannot wait for the next try.
"""

import math
from typing import NamedTuple

from . import scripts
from .errors import CacheUnavailable
from .keys import LockNames
from .store import Server, Store
from .terms import FENCES_LIVE_MS, GONE_MS, TURN_MS, Terms
from .transport.replies import array, bulk, integer


class Granted(NamedTuple):
    """The lock is this token's; its fence."""

    fence: int


class Busy(NamedTuple):
    """The lock is another's, or another's turn; the seconds that has left."""

    seconds_left: float


class LockStore:
    """Hold one conversation about one acquisition.

    Args:
        server: the server.
        names: what the lock is called, for this acquisition.
        token: the acquisition's.
        deadline: when its patience is over, in monotonic seconds.
    """

    __slots__ = ("_names", "_token", "store")

    def __init__(self, server: Server, names: LockNames, token: str, deadline: float) -> None:
        self.store = Store(server, deadline, hurried=True)
        self._names = names
        self._token = token

    async def acquire(self, terms: Terms, queue_ms: int, *, late: bool) -> Granted | Busy:
        """Ask for the lock; asked again after a reply that was lost, it is granted again, with a higher fence.

        Args:
            terms: what is asked for.
            queue_ms: how long the caller may wait in the queue; 0: it does not queue.
            late: whether an earlier command that asked for it may yet arrive.
        """
        names = self._names
        reply = await self.store.run(
            scripts.ACQUIRE,
            (names.lock, names.fence, names.queue, names.turn, names.bells, names.gone),
            *(self._token, terms.ttl_ms, FENCES_LIVE_MS, TURN_MS, queue_ms, int(terms.fair), GONE_MS if late else 0),
        )
        word, number = array(reply, 2)
        if word == b"granted":
            return Granted(integer(number))
        if word == b"gone":
            raise CacheUnavailable("it was granted, and lost before that was known", answered=True)
        left = integer(number)
        return Busy(left / 1000 if left >= 0 else math.inf)

    async def extend(self, ttl_ms: int, fence_above: int | None) -> int | None:
        """Move the end of the lock; return its new fence, 0 if it keeps the one it has, None if it is lost."""
        names = self._names
        above = "" if fence_above is None else fence_above
        reply = await self.store.run(
            scripts.EXTEND, (names.lock, names.fence), self._token, ttl_ms, FENCES_LIVE_MS, above, insist=True
        )
        return None if reply is None else integer(reply)

    async def release(self, *, late: bool, queued: bool) -> bool:
        """Let go of all that is this token's, and return whether the lock was.

        Args:
            late: whether a command that asked for it may yet arrive, and is then to find that it was given up.
            queued: whether it may have a place in the queue, or the turn.
        """
        names = self._names
        reply = await self.store.run(
            scripts.RELEASE,
            (names.lock, names.queue, names.turn, names.bells, names.gone),
            *(self._token, TURN_MS, GONE_MS if late else 0, int(queued)),
            insist=True,
        )
        return integer(reply) == 1

    async def holds(self) -> bool:
        """Ask whether the lock is still this token's."""
        return bulk(await self.store.send("GET", self._names.lock, insist=True)) == self._token.encode()

    async def listen(self, seconds: float) -> bool:
        """Wait so many seconds to be woken, and return whether that happened."""
        return await self.store.block(seconds, "BLPOP", self._names.bells + self._token, seconds) is not None
