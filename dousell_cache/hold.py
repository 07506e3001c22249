"""One acquisition of a lock: what is known of it, and how one word about it is sent until it is answered."""

import math
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from .context import Context
from .errors import CacheUnavailable, CommandRefused, LockUnavailable
from .events import LockAnswer
from .lock_store import LockStore
from .terms import ASKS, Terms, retry_pause, validity

T = TypeVar("T")


class Hold:
    """One acquisition, from its first command to its last.

    Args:
        context: what the cache's calls share.
        name: the lock's.
        terms: what is asked for.
        patience: seconds that a dead server may cost one word, in all.
        on_lost: told, once, when the lock is lost.
    """

    __slots__ = (
        "answered",
        "asked",
        "asking",
        "began",
        "commands",
        "context",
        "ending",
        "fence",
        "granted",
        "late",
        "leaving",
        "let_go",
        "name",
        "names",
        "patience",
        "queued",
        "releasing",
        "since",
        "telling",
        "terms",
        "token",
        "told",
        "ttl_ms",
        "until",
        "untold",
    )

    def __init__(
        self,
        context: Context,
        name: str,
        terms: Terms,
        patience: float,
        on_lost: Callable[[], object] | None = None,
    ) -> None:
        self.context, self.name, self.terms, self.patience = context, name, terms, patience
        self.untold = [on_lost]  # taken out by whoever finds out first, in whichever thread
        self.token = context.token() + context.token()
        self.names = context.server.names.lock(name, self.token)
        self.ttl_ms = terms.ttl_ms
        self.fence = 0
        self.commands = 0
        self.asked: LockAnswer = "abandoned"
        self.answered = False  # observers know how the asking ended
        self.told = 0  # commands that they know of
        self.began = self.granted = context.clock.now()
        self.since = self.until = -math.inf  # when the ttl began to count, and when belief ends; never yet
        self.ending: Literal["", "released", "lost"] = ""
        self.asking = False  # a command is on its way that may take the lock
        self.late = False  # one got no answer, and may yet arrive
        self.queued = False
        self.telling = False  # on_lost is under way
        self.releasing: list[None] = []  # one for each release under way; appending and popping are one step each
        self.leaving = False  # a release is under way, which alone may find out now whether it was lost
        self.let_go = False  # a release was sent in time, and its reply lost

    def remaining(self) -> float:
        """Return the seconds for which the lock may be believed in."""
        return 0.0 if self.ending else max(0.0, self.until - self.context.clock.now())

    def confirmed(self, sent: float, ttl_ms: int, fence: int) -> None:
        """Believe in a grant or an extension; the server, too, only ever moves an end outwards."""
        self.fence = max(self.fence, fence)
        until = sent + validity(ttl_ms)
        if until > self.until:
            self.until, self.since, self.ttl_ms = until, sent, ttl_ms

    @property
    def behind(self) -> bool:
        """Whether anything of it may be on the server."""
        return not self.ending and (self.asking or self.late or self.queued or self.since > -math.inf)

    def store(self, seconds: float) -> LockStore:
        """Return a new conversation about it, for so many seconds."""
        return LockStore(self.context.server, self.names, self.token, self.context.clock.now() + seconds)


async def resolved(hold: Hold, word: Callable[[LockStore], Awaitable[T]], seconds: float) -> T:
    """Send a word until it is answered.

    Raises:
        LockUnavailable: it was not, in so many seconds.
    """
    clock, asked = hold.context.clock, 0
    until = clock.now() + seconds
    while True:
        store = hold.store(until - clock.now() if asked else seconds)
        asked += 1
        try:
            return await word(store)
        except CacheUnavailable as error:
            pause = retry_pause(asked, hold.context.chance())
            if not error.ambiguous or asked == ASKS or clock.now() + pause >= until:
                raise LockUnavailable(f"nobody can say whose the lock {hold.name!r} is: {error}") from error
        except CommandRefused as error:
            raise LockUnavailable(f"the server will not serve the lock {hold.name!r}: {error}") from error
        finally:
            hold.commands += store.store.commands
        await clock.sleep(pause)
