"""Naive locks, each wrong in one way that is met in the field: what a chaos ledger must find out.

``Plain`` is not naive: it grants, mints, checks and releases as it should, in as few lines as will do, and a ledger
finds nothing against it. Every control changes one thing of it, and is pressed where that hurts.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis

from ..errors import LockBusy, LockLost, LockUnavailable
from .ledger_locks import NAMESPACE, Bench, Hold, fingerprint

T = TypeVar("T")

_PATIENCE = 0.1
_POLL = 0.01
_DRIFT = 0.99, 0.002
_ACQUIRE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
if not holder then
    if redis.call('EXISTS', KEYS[2]) == 0 and ARGV[3] == 'seeded' then
        local now = redis.call('TIME')
        redis.call('SET', KEYS[2], now[1] * 1000000 + now[2])
    end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    redis.call('INCR', KEYS[2])
end
return redis.call('GET', KEYS[2])
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_ENSURE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end return 0"


class Plain:
    """A lock as it should be, without waiting queues, renewal and the like."""

    seeded = "seeded"
    retries = 1

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.server = redis.Redis.from_url(bench.url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE)

    def acquire(self, name: str, wait: float, *, renew: bool) -> Hold:  # noqa: ARG002 - it does not know how
        """Return a lock; see :class:`.ledger_locks.Locks`."""
        token, deadline = self.token(), time.monotonic() + wait
        while True:
            asked = self.now()
            fence = self.ask(name, token)
            if fence is not None:
                return self._valid(PlainHold(self, name, token, fence or None, asked + self._validity()))
            if time.monotonic() >= deadline:
                raise LockBusy(name)
            time.sleep(_POLL)

    def _validity(self) -> float:
        share, margin = _DRIFT
        return self.bench.ttl * share - margin

    def _valid(self, hold: "PlainHold") -> Hold:
        if hold.left() <= 0:
            self.release(hold.name, hold.secret)
            raise LockUnavailable(f"{hold.name} was granted too late")
        return hold

    def token(self) -> str:
        """Return a new token for each acquisition."""
        return secrets.token_hex(16)

    def now(self) -> float:
        """Return the time by which validity is counted."""
        return time.monotonic()

    def ask(self, name: str, token: str) -> int | None:
        """Ask for a lock, again if nobody answered; return its fence, 0 for none, and None if it is somebody else's."""
        ttl_ms = round(self.bench.ttl * 1e3)
        reply = self.sent(lambda: self.eval(_ACQUIRE, _keys(name), token, ttl_ms, self.seeded))
        return int(reply) if reply else None

    def mint(self, hold: "PlainHold") -> int | None:
        """Return the fence to write with."""
        return hold.fence

    def holds(self, name: str, token: str) -> bool:
        """Tell whether a lock is still there."""
        return bool(self.sent(lambda: self.eval(_ENSURE, _keys(name)[:1], token)))

    def release(self, name: str, token: str) -> bool:
        """Let go of a lock, and tell whether it was still there."""
        return bool(self.sent(lambda: self.eval(_RELEASE, _keys(name)[:1], token)))

    def sent(self, command: Callable[[], T]) -> T:
        """Send a command, and again if nobody answered.

        Raises:
            LockUnavailable: nobody answered.
        """
        for tries_left in reversed(range(self.retries + 1)):
            self.bench.step("sending")
            try:
                return command()
            except redis.RedisError as error:
                if not tries_left:
                    raise LockUnavailable(str(error)) from error
            finally:
                self.bench.step("answered")
        raise AssertionError  # the last try returns or raises

    def eval(self, script: str, keys: list[str], *arguments: str | int) -> Any:
        """Run a script."""
        return self.server.eval(script, len(keys), *keys, *map(str, arguments))


@dataclass
class PlainHold:
    """A lock that is held.

    Args:
        locks: whose it is.
        name: what is locked.
        secret: its token.
        fence: what was minted with the grant.
        until: when validity ends, by the lock's own clock.
        confirmed: whether the server granted it.
    """

    locks: Plain
    name: str
    secret: str = field(repr=False)
    fence: int | None
    until: float
    confirmed: bool = True

    @property
    def token(self) -> str:
        """The beginning of the hash of its token."""
        return fingerprint(self.secret)

    def left(self) -> float:
        """Return the seconds of validity."""
        return max(0.0, self.until - self.locks.now())

    def ensure(self) -> None:
        """Raise LockLost when validity is over or the server knows another holder."""
        if not self.left() or not self.locks.holds(self.name, self.secret):
            raise LockLost(self.name)

    def mint(self) -> int | None:
        """Return the fence to write with."""
        return self.locks.mint(self)

    def release(self) -> None:
        """Let go; raises LockLost if it was not there any more."""
        if not self.locks.release(self.name, self.secret) and not self.left():
            raise LockLost(self.name)


class DeletesWithoutToken(Plain):
    """Releases whatever is there."""

    def release(self, name: str, token: str) -> bool:  # noqa: ARG002 - that is what is wrong
        """Delete the lock, whose it may be."""
        return bool(self.sent(lambda: self.server.delete(_keys(name)[0])))


class ExpiresApart(Plain):
    """Sets the lock, then its end: whoever is killed in between leaves a lock for ever."""

    def ask(self, name: str, token: str) -> int | None:
        """Ask in two commands."""
        lock, fence = _keys(name)
        if not self.sent(lambda: self.server.set(lock, token, nx=True) or self.server.get(lock) == token.encode()):
            return None
        self.bench.step("apart")
        self.sent(lambda: self.server.pexpire(lock, round(self.bench.ttl * 1e3)))
        return int(self.sent(lambda: self.server.incr(fence)))


class FailsOpen(Plain):
    """Runs the body when the server cannot be asked."""

    retries = 0

    def acquire(self, name: str, wait: float, *, renew: bool) -> Hold:
        """Return a lock, come what may."""
        try:
            return super().acquire(name, wait, renew=renew)
        except LockUnavailable:
            return PlainHold(self, name, "", None, self.now() + self._validity(), confirmed=False)


class MintsNoFence(Plain):
    """A correct lock without a fence, before a ledger that has nothing to compare."""

    def ask(self, name: str, token: str) -> int | None:
        """Ask, and forget the fence."""
        return None if super().ask(name, token) is None else 0


class MintsApart(MintsNoFence):
    """Draws the fence when it writes: whoever was paused draws the higher number."""

    def mint(self, hold: PlainHold) -> int | None:
        """Draw a number now."""
        self.bench.step("apart")
        return int(self.sent(lambda: self.server.incr(f"{_keys(hold.name)[1]}:apart")))


class IgnoresOwnToken(Plain):
    """Takes its own lock for another's when it asks again after a reply was lost."""

    def ask(self, name: str, token: str) -> int | None:
        """Set if absent, and look no further."""
        lock, fence = _keys(name)
        ttl_ms = round(self.bench.ttl * 1e3)
        if not self.sent(lambda: self.server.set(lock, token, nx=True, px=ttl_ms)):
            return None
        return int(self.sent(lambda: self.server.incr(fence)))


class BelievesTheWall(Plain):
    """Counts validity by the wall clock, which may be set back."""

    def now(self) -> float:
        """Return the wall clock's time."""
        return self.bench.wall()

    def holds(self, name: str, token: str) -> bool:  # noqa: ARG002 - that is what is wrong
        """Take the clock's word for it."""
        return True


_SHARED = secrets.token_hex(16)


class TokenPerInstance(Plain):
    """One token for the object, made once, before the workers were forked."""

    def token(self) -> str:
        """Return the same token every time."""
        return _SHARED


class CountsFromOne(Plain):
    """Begins to count at one when the server has forgotten: whoever comes later is refused by the ledger for ever."""

    seeded = "from one"


def _keys(name: str) -> list[str]:
    return [f"{{{NAMESPACE}{name}}}:lock", f"{{{NAMESPACE}{name}}}:fence"]
