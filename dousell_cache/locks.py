"""Locks as callers see them: what is asked for, what is held, and how a body under a lock came out.

A lock over one server keeps contention away; it cannot stop a holder that was paused past its time. Whatever must
never happen twice is for the database to refuse, by ``held.fence``.
"""

import asyncio
import inspect
import os
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from . import locking
from .context import Context
from .errors import ConfigurationError, LockLost, LockUnavailable
from .hold import Hold
from .policy import Ttl
from .runner import run_blocking
from .terms import Terms, checked_fence, extension_ms
from .watches import TaskWatch, ThreadWatch

T = TypeVar("T")


class Asking(NamedTuple):
    """What a lock is asked for, and by whom.

    Args:
        context: gives what the cache's calls share, as it is now: a forked child has its own.
        name: the lock's.
        terms: how long, how patiently.
        patience: seconds that a dead server may cost one word, in all.
        bounds: what a ttl must be between, in seconds.
        on_lost: told when the lock is lost.
    """

    context: Callable[[], Context]
    name: str
    terms: Terms
    patience: float
    bounds: tuple[float, float]
    on_lost: Callable[[Any], object] | None


class _Held:
    """What the two faces of a held lock share."""

    def __init__(self, asking: Asking) -> None:
        on_lost = None if asking.on_lost is None else self._tell
        self._on_lost = asking.on_lost
        self._hold = Hold(asking.context(), asking.name, asking.terms, asking.patience, on_lost)
        self._bounds = asking.bounds
        self._process = os.getpid()

    @property
    def name(self) -> str:
        """The lock's name."""
        return self._hold.name

    @property
    def fence(self) -> int:
        """A number that grows with every grant of this name: hand it to the database, which refuses a smaller one."""
        return self._hold.fence

    @property
    def lost(self) -> bool:
        """Whether the lock is known to be lost; ``remaining`` and ``ensure`` find out."""
        return self._hold.ending == "lost" or not self._is_ours()

    def remaining(self) -> float:
        """Return the seconds for which the lock may be believed in: its ttl from the first send, less 1 % and 2 ms."""
        return self._hold.remaining() if self._is_ours() else 0.0

    def _tell(self) -> object:
        return self._on_lost(self) if self._on_lost else None

    def _is_ours(self) -> bool:
        return os.getpid() == self._process

    def _checked(self) -> Hold:
        if not self._is_ours():
            message = f"the lock {self.name!r} belongs to the process that took it, not to its forked child"
            raise LockLost(message)
        return self._hold

    def _was_forked(self, error: BaseException | None) -> bool:
        """Tell whether this is a forked child at the end of its parent's body, where there is nothing to let go of."""
        if error is None:
            self._checked()
        return not self._is_ours()

    def _ttl_ms(self, ttl: Ttl | None) -> int:
        return self._hold.terms.ttl_ms if ttl is None else extension_ms(ttl, *self._bounds)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, fence={self.fence}, remaining={self.remaining():.3f})"


class Held(_Held):
    """A lock that this process holds. Made by :meth:`Lock.acquire`, or by entering a :class:`Lock`."""

    def __init__(self, asking: Asking) -> None:
        super().__init__(asking)
        self._watch = ThreadWatch(self._hold)

    def _tell(self) -> None:
        told = super()._tell()
        if inspect.iscoroutine(told):
            told.close()
            message = "on_lost is asynchronous: use AsyncCache, from connect_async()"
            raise ConfigurationError(message)

    def ensure(self) -> None:
        """Make sure that the lock is still ours: its time is not over, and the server says so too, in one command.

        Raises:
            LockLost: it is not.
            LockUnavailable: nobody could say.
        """
        run_blocking(locking.ensure(self._checked()))

    def extend(self, ttl: Ttl | None = None, *, fence_above: int | None = None) -> None:
        """Let the lock last so long from now on.

        Args:
            ttl: seconds or a timedelta; default: what the lock was asked for with. Less than there is left changes
                nothing: an end only ever moves outwards, lest a late command take back what a later one gave.
            fence_above: mint a new fence above this number: for a ledger that knows of a higher one, because the
                server's counter was lost and its clock went back.

        Raises:
            ValueError: the ttl or the fence makes no sense.
            LockLost: it is not ours any more; a lost lock is never made again.
            LockUnavailable: nobody could say; its time is as it was.
        """
        above = None if fence_above is None else checked_fence(fence_above)
        run_blocking(locking.extend(self._checked(), self._ttl_ms(ttl), above))

    def release(self) -> None:
        """Let go of the lock; may be repeated.

        Raises:
            LockLost: it was not ours any more, so that another may have been inside meanwhile.
            LockUnavailable: nobody could say; what is left ends by itself.
        """
        hold = self._checked()
        self._watch.stop()
        run_blocking(locking.release(hold))

    def take(self) -> Self:
        """Take the lock: what made this does it."""
        try:
            run_blocking(locking.acquire(self._hold))
            self._watch.start()
            return self  # inside, so that an interruption here gives the lock back too
        except BaseException as error:
            self.abandon(briefly=isinstance(error, LockUnavailable))
            raise

    def abandon(self, *, briefly: bool = False) -> None:
        """Give back whatever there is, without a word: the body will not run, or was interrupted in letting go."""
        if self._is_ours():
            self._watch.stop()
            run_blocking(locking.leave(self._hold, briefly=briefly))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._was_forked(error):
                self._watch.stop()
                run_blocking(locking.finish(self._hold, error))
        except LockLost:
            raise
        except BaseException:
            self.abandon()
            raise


class Lock:
    """A lock to be taken, by ``with`` or :meth:`acquire`. Made by :meth:`Cache.lock`; may be shared and used again.

    Every acquisition has a token of its own. It is not reentrant: whoever has it and asks again finds it busy.

    Args:
        asking: what is asked for.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._entered: dict[object, list[Held]] = {}

    def acquire(self) -> Held:
        """Take the lock, for whoever lets go of it by hand; with ``renew=True`` it is kept until then.

        Raises:
            LockBusy: somebody else has it, and did for all of ``wait``.
            LockUnavailable: nobody could say who has it.
        """
        return Held(self._asking).take()

    def __enter__(self) -> Held:
        held = Held(self._asking)
        try:
            held.take()
            self._entered.setdefault(_whoever(), []).append(held)
            return held  # inside, as in take()
        except BaseException:
            held.abandon()
            _forget(self._entered, held)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._leave(kind, error, trace)
        except BaseException:
            for held in self._entered.pop(_whoever(), []):  # it was interrupted before it began
                held.abandon()
            raise

    def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held = _newest(self._entered)
        try:
            held.__exit__(kind, error, trace)
        except BaseException:
            held.abandon()  # nothing, unless it was interrupted
            raise
        finally:
            _forget(self._entered, held)

    def __repr__(self) -> str:
        return f"Lock({self._asking.name!r})"


class AsyncHeld(_Held):
    """A lock that this process holds: :class:`Held`, awaited."""

    def __init__(self, asking: Asking) -> None:
        super().__init__(asking)
        self._watch = TaskWatch(self._hold)

    async def ensure(self) -> None:
        """Make sure that the lock is still ours; see :meth:`Held.ensure`."""
        await locking.ensure(self._checked())

    async def extend(self, ttl: Ttl | None = None, *, fence_above: int | None = None) -> None:
        """Let the lock last so long from now on; see :meth:`Held.extend`."""
        above = None if fence_above is None else checked_fence(fence_above)
        await locking.extend(self._checked(), self._ttl_ms(ttl), above)

    async def release(self) -> None:
        """Let go of the lock; see :meth:`Held.release`. Cancelled, it lets go first."""
        hold = self._checked()
        await _shielded(lambda: self._let_go(locking.release, hold))

    async def take(self) -> Self:
        """Take the lock: what made this does it."""
        try:
            await locking.acquire(self._hold)
            self._watch.start()
        except BaseException as error:
            briefly = isinstance(error, LockUnavailable)
            await _shielded(lambda: self.abandon(briefly=briefly))
            raise
        return self

    async def abandon(self, *, briefly: bool = False) -> None:
        """Give back whatever there is, without a word; see :meth:`Held.abandon`."""
        if self._is_ours():
            await self._watch.stop()
            await locking.leave(self._hold, briefly=briefly)

    async def _let_go(self, flow: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        await self._watch.stop()
        await flow(*arguments)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._was_forked(error):
            await _shielded(lambda: self._let_go(locking.finish, self._hold, error))


class AsyncLock:
    """A lock to be taken, by ``async with`` or :meth:`acquire`: :class:`Lock`, awaited.

    Args:
        asking: what is asked for.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._entered: dict[object, list[AsyncHeld]] = {}

    async def acquire(self) -> AsyncHeld:
        """Take the lock, for whoever lets go of it by hand; see :meth:`Lock.acquire`."""
        return await AsyncHeld(self._asking).take()

    async def __aenter__(self) -> AsyncHeld:
        held = await AsyncHeld(self._asking).take()
        self._entered.setdefault(_whoever(), []).append(held)
        return held

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held = _newest(self._entered)
        try:
            await held.__aexit__(kind, error, trace)
        finally:
            _forget(self._entered, held)

    def __repr__(self) -> str:
        return f"AsyncLock({self._asking.name!r})"


async def _shielded(flow: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Finish a flow whatever becomes of its caller, who learns of its own cancellation afterwards.

    Where every task there is gets cancelled, the flow's does too, and it is begun anew, once.
    """
    cancelled: asyncio.CancelledError | None = None
    for _ in range(2):
        task = asyncio.ensure_future(flow())
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
        if not task.cancelled():
            break
    if cancelled or task.cancelled():
        raise cancelled or asyncio.CancelledError
    task.result()


def _whoever() -> tuple[int, int]:
    """Tell callers apart that share a lock: threads, and the tasks of one thread."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the public one raises, which costs a microsecond
    return threading.get_ident(), id(asyncio.current_task(loop)) if loop else 0


def _newest(entered: dict[object, list[T]]) -> T:
    return entered[_enterer(entered)][-1]


def _forget(entered: dict[object, list[T]], held: T) -> None:
    for enterer, theirs in list(entered.items()):
        if held in theirs:
            theirs.remove(held)
            if not theirs:
                del entered[enterer]


def _enterer(entered: dict[object, list[T]]) -> object:
    """Return who entered what is being left: the caller; else the only one, since frameworks may leave it elsewhere."""
    whoever = _whoever()
    if whoever in entered:
        return whoever
    if len(entered) != 1:
        message = "a lock is left by somebody who did not enter it, and more than one did: let each make its own"
        raise RuntimeError(message)
    return next(iter(entered))
