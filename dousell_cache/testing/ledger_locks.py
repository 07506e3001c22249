"""What a chaos ledger knows of a lock, and the lock of this package seen that way."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from ..connecting import connect, connect_async
from ..locks import AsyncHeld
from ..transport.tcp import AsyncTcp, BlockingTcp

NAMESPACE = "chaos:"


@dataclass(frozen=True)
class Bench:
    """What a lock under trial works with.

    Args:
        url: the lock server, by way of a proxy that loses replies.
        ttl: seconds that a lock lasts.
        step: called wherever a process may be killed or stopped, with the name of the step.
        wall: the wall clock of this process, which somebody may have set back.
        process: the number of this process.
    """

    url: str
    ttl: float
    step: Callable[[str], None]
    wall: Callable[[], float]
    process: int


class Hold(Protocol):
    """A lock that is held, or believed to be."""

    @property
    def token(self) -> str:
        """The beginning of the hash of its token, "" if it does not tell."""
        ...

    @property
    def fence(self) -> int | None:
        """The fence that came with the grant, None if none did."""
        ...

    @property
    def confirmed(self) -> bool:
        """Whether the server granted it."""
        ...

    def left(self) -> float:
        """Return the seconds for which it believes to be alone."""
        ...

    def ensure(self) -> None:
        """Raise LockLost or LockUnavailable if it is not certain to be alone."""
        ...

    def mint(self) -> int | None:
        """Return the fence to write with, None for a lock that has none."""
        ...

    def release(self) -> None:
        """Let go of it; raises LockLost if another may have been inside meanwhile."""
        ...


class Locks(Protocol):
    """The locks of one process."""

    def acquire(self, name: str, wait: float, *, renew: bool) -> Hold:
        """Return a lock.

        Args:
            name: what is locked.
            wait: seconds to wait for somebody else.
            renew: whether to keep it for as long as the body takes, if the lock knows how.

        Raises:
            LockBusy: somebody else has it.
            LockUnavailable: the server cannot be asked.
        """
        ...


def fingerprint(token: str) -> str:
    """Return what a log may show of a token."""
    return sha256(token.encode()).hexdigest()[:8]


class Ours:
    """The lock of this package, blocking, with a step before and after every command of its own."""

    def __init__(self, bench: Bench) -> None:
        self._ttl = bench.ttl
        self._cache = connect(bench.url, namespace=NAMESPACE)
        _step_around_commands(bench.step)

    def acquire(self, name: str, wait: float, *, renew: bool) -> Hold:
        """Return a lock; see :class:`Locks`."""
        return _OurHold(self._cache.lock(name, self._ttl, wait=wait, renew=renew).acquire())


class OursAwaited:
    """The lock of this package, awaited in a loop that runs while it is asked something."""

    def __init__(self, bench: Bench) -> None:
        self._ttl = bench.ttl
        self._runner = asyncio.Runner()
        self._cache = self._runner.run(connect_async(bench.url, namespace=NAMESPACE))
        _step_around_awaited_commands(bench.step)

    def acquire(self, name: str, wait: float, *, renew: bool) -> Hold:  # noqa: ARG002 - no loop runs beside the body
        """Return a lock; see :class:`Locks`."""

        async def acquired() -> AsyncHeld:
            return await self._cache.lock(name, self._ttl, wait=wait).acquire()

        return _OurHold(self._runner.run(acquired()), lambda awaitable: self._runner.run(_awaited(awaitable)))


def ours(bench: Bench) -> Locks:
    """Return the lock of this package: awaited in every other process."""
    return OursAwaited(bench) if bench.process % 2 else Ours(bench)


@dataclass(frozen=True)
class _OurHold:
    held: Any
    finished: Callable[[Any], Any] = lambda answer: answer
    confirmed: bool = True

    @property
    def token(self) -> str:
        return fingerprint(str(self.held._hold.token))  # noqa: SLF001 - nobody else shows it, on purpose

    @property
    def fence(self) -> int | None:
        return int(self.held.fence)

    def left(self) -> float:
        return float(self.held.remaining())

    def ensure(self) -> None:
        self.finished(self.held.ensure())

    def mint(self) -> int | None:
        return self.fence

    def release(self) -> None:
        self.finished(self.held.release())


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _step_around_commands(step: Callable[[str], None]) -> None:
    """Change the transport for the rest of this process's life, which is a trial's."""
    ask: Any = BlockingTcp._ask  # noqa: SLF001 - every command goes through it

    def stepping(self: BlockingTcp, *arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return ask(self, *arguments)  # a renewal's: steps are counted along the body's own way
        step("sending")
        try:
            return ask(self, *arguments)
        finally:
            step("answered")

    setattr(BlockingTcp, "_ask", stepping)  # noqa: B010 - said so that the type checker lets it pass


def _step_around_awaited_commands(step: Callable[[str], None]) -> None:
    ask: Any = AsyncTcp._ask  # noqa: SLF001 - as above

    async def stepping(self: AsyncTcp, *arguments: Any) -> Any:
        step("sending")
        try:
            return await ask(self, *arguments)
        finally:
            step("answered")

    setattr(AsyncTcp, "_ask", stepping)  # noqa: B010 - as above
