"""What a server says about keys that changed, and how long its silence is believed. No I/O and no clock.

Tracking in broadcast mode, redirected to the very connection that then subscribes: RESP2, Redis from 6 and Valkey. As
one connection carries the tracking, the messages and the pings, it is lost as a whole or not at all, and the answer to
a ping proves that every message sent before it was received. Such an answer is trusted for no longer than the next
one may take to come, so the bound holds even where the listener, its thread or the whole process stands still.
"""

from collections.abc import Iterable
from typing import Final, Protocol

PING_SECONDS: Final = 1.0
CHANNEL: Final = b"__redis__:invalidate"


class Follower(Protocol):
    """What follows the server's invalidations: a near cache."""

    def drop(self, names: Iterable[bytes]) -> None:
        """Let go of what changed on the server."""

    def flush(self) -> None:
        """Let go of everything."""

    def trust(self, until: float) -> None:
        """Answer until then, in seconds of ``time.monotonic``."""

    def distrust(self) -> None:
        """Let go of everything and answer nothing until trusted again."""


class LostError(Exception):
    """The connection is silent, or speaks of something else."""


class Subscription:
    """One connection's life, as replies and times: no I/O. Begins when the server confirmed the subscription.

    Args:
        follower: who is told.
        patience: seconds that an answer to a ping may take.
        asked: when the subscription was asked for, in monotonic seconds.
    """

    def __init__(self, follower: Follower, patience: float, asked: float) -> None:
        self._follower = follower
        self._patience = patience
        self._pinged = asked
        self._answered = True
        follower.flush()
        self._vouch()

    def ping(self, now: float) -> bool:
        """Return whether to send a ping now, and count it as sent."""
        due = self._answered and now >= self._pinged + PING_SECONDS
        if due:
            self._pinged, self._answered = now, False
        return due

    def wait(self, now: float) -> float:
        """Return the seconds to wait for the next reply."""
        return max(0.0, self._pinged + (PING_SECONDS if self._answered else self._patience) - now)

    def received(self, reply: object) -> None:
        """Take in a message, or the answer to a ping.

        Raises:
            LostError: it is neither.
        """
        match reply:
            case [b"message", _, None]:  # FLUSHALL, FLUSHDB
                self._follower.flush()
            case [b"message", _, list(names)]:
                self._follower.drop(names)
            case [b"pong", _]:
                self._answered = True
                self._vouch()
            case _:
                raise LostError

    def silent(self, asked: float) -> None:
        """Take in that nothing came to a read begun at this time.

        Raises:
            LostError: a ping is unanswered. A read that began in time gets another chance, without waiting: it may
                be this listener that is late.
        """
        if not self._answered and asked >= self._pinged + self._patience:
            raise LostError

    def _vouch(self) -> None:
        self._follower.trust(self._pinged + PING_SECONDS + self._patience)


def prefixes(namespace: str) -> list[str]:
    """Return the beginnings of the names to follow: none for everything, and none that begins another."""
    tags = f"{{{namespace}tag:"
    if not namespace:
        return []
    return [namespace] if tags.startswith(namespace) else [namespace, tags]


def tracking(client_id: int, namespace: str) -> list[str | int]:
    """Return the command that has names under a namespace told to this client."""
    told = [word for prefix in prefixes(namespace) for word in ("PREFIX", prefix)]
    return ["CLIENT", "TRACKING", "ON", "REDIRECT", client_id, "BCAST", *told]
