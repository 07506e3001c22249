"""Take a lock, keep it, let go of it: the flows of locks, written once for both faces. Decision 0009 says why it is so.

A body runs only while its lock is confirmed: whatever cannot be confirmed is unavailable, never guessed. A reply that
was lost is asked for again with the same token; what was given up leaves a sign, for a command of it that comes late.
"""

import inspect
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from .errors import CacheError, CacheUnavailable, LockBusy, LockLost, LockUnavailable
from .events import LockAsked, LockEnded, LockEnding, family
from .hold import Hold, resolved
from .lock_store import Busy, Granted, LockStore
from .pacing import Pace
from .terms import (
    TURN_MS,
    jittered,
    listening,
    listens,
    polls,
    renewal_pause,
)

_ALL_ASKS = 0.8  # of patience: what is left gives back what they may have brought

logger = logging.getLogger("dousell_cache")


async def acquire(hold: Hold) -> None:
    """Take the lock, waiting for it as long as the terms say.

    Whatever it raises, :func:`leave` is to follow.

    Raises:
        LockBusy: somebody else has it.
        LockUnavailable: nobody could say who has it.
    """
    try:
        await _acquire(hold, hold.began + hold.terms.wait)
    except LockBusy:
        hold.asked = "busy"
        raise
    except LockUnavailable:
        hold.asked = "unavailable"
        raise
    hold.asked = "granted"
    _tell_asked(hold)


async def extend(hold: Hold, ttl_ms: int, fence_above: int | None = None) -> None:
    """Let the lock last so long from now on.

    Raises:
        LockLost: it is not ours any more; nothing was made again.
        LockUnavailable: nobody could say; its time is as it was.
    """
    clock, sent = hold.context.clock, 0.0

    async def word(store: LockStore) -> int | None:
        nonlocal sent
        sent = clock.now()
        return await store.extend(ttl_ms, fence_above)

    _still_ours(hold)
    fence = await resolved(hold, word, hold.patience)
    if fence is None:
        raise await _gone(hold)
    hold.confirmed(sent, ttl_ms, fence)


async def ensure(hold: Hold) -> None:
    """Make sure that the lock is still ours, by its time and by the server's word.

    Raises:
        LockLost: it is not.
        LockUnavailable: nobody could say.
    """
    _still_ours(hold)
    if hold.remaining() > 0 and await resolved(hold, LockStore.holds, hold.patience) and hold.remaining() > 0:
        return
    raise await _gone(hold)


async def release(hold: Hold) -> None:
    """Let go of the lock; may be repeated.

    Raises:
        LockLost: it was not ours any more, so that another may have been inside meanwhile.
        LockUnavailable: nobody could say; what is left ends by itself.
    """
    if hold.ending == "released":
        return
    hold.leaving = True
    hold.releasing.append(None)
    try:
        mine = await resolved(hold, lambda store: _let_go(hold, store), hold.patience)
    finally:
        hold.releasing.pop()
    if not (mine or hold.let_go):
        if hold.releasing:  # another thread's or task's is under way, and may be the one that was ours
            return
        await _lose(hold)
    if hold.ending == "lost":
        raise _loss(hold)
    hold.let_go = True
    _end(hold, "released", "released")


async def finish(hold: Hold, error: BaseException | None) -> None:
    """Let go of the lock when its body is over.

    That no server confirms it is no fault of a body that was over in time: the lock ends by itself.

    Args:
        hold: the lock.
        error: what the body raised: it goes on, with a note if the lock was lost besides.

    Raises:
        LockLost: another may have been inside, and the body did not fail.
    """
    in_time = hold.remaining() > 0
    try:
        await release(hold)
    except LockLost as loss:
        if error is None:
            raise
        error.add_note(str(loss))
    except LockUnavailable as unavailable:
        if in_time:
            told = unavailable.__cause__ or "refused"
            logger.warning("a lock of %r could not be given back, and ends by itself: %s", family(hold.name), told)
            _end(hold, "released", "unconfirmed")
            return
        await _lose(hold)
        if error is None:
            raise _loss(hold) from unavailable
        error.add_note(str(_loss(hold)))


async def leave(hold: Hold, *, briefly: bool = False) -> None:
    """Give back whatever an acquisition that came to nothing may have left on the server; else it ends by itself.

    Args:
        hold: the acquisition.
        briefly: whether most of its patience is used up.
    """
    if hold.behind:
        hold.late, hold.leaving = hold.late or hold.asking, True
        patience = hold.patience * (1 - _ALL_ASKS if briefly else 1)
        outcome: LockEnding = "unconfirmed"
        with suppress(LockUnavailable):
            await resolved(hold, lambda store: _let_go(hold, store), patience)
            outcome = "released"
        _end(hold, "released", outcome)
    _tell_asked(hold)


async def watch(hold: Hold) -> float | None:
    """Do what is due for a lock that is held: extend it, or tell that it is lost.

    Returns:
        The seconds until something is due again; None: never.
    """
    if hold.ending:
        return None
    left = hold.remaining()
    if left <= 0:
        await _lose(hold)
        return None
    if not hold.terms.renew:
        return left
    due = hold.since + renewal_pause(hold.ttl_ms) - hold.context.clock.now()
    if due > 0:
        return min(due, left)
    try:
        await extend(hold, hold.ttl_ms)
    except LockLost:
        return None
    except LockUnavailable:
        return min(renewal_pause(hold.ttl_ms) / 4, hold.remaining())
    return renewal_pause(hold.ttl_ms)


def _tell_asked(hold: Hold) -> None:
    if hold.answered:
        return
    hold.answered = True
    seconds = hold.context.clock.now() - hold.began
    fence = hold.fence if hold.asked == "granted" else 0
    hold.context.emit(LockAsked(hold.name, hold.asked, seconds, hold.commands, fence))
    hold.granted, hold.told = hold.context.clock.now(), hold.commands


async def _acquire(hold: Hold, until: float) -> None:
    clock, waiting = hold.context.clock, None
    while True:
        answer = await _ask(hold, until)
        if isinstance(answer, Granted):
            if hold.remaining() > 0:
                return
            hold.late, hold.since = True, -math.inf  # never held, but to be given back
            raise LockUnavailable(f"the lock {hold.name!r} was granted too late to be of use")
        left = until - clock.now()
        if left <= 0:
            message = f"the lock {hold.name!r} is another's"
            raise LockBusy(message, seconds_left=answer.seconds_left)
        waiting = waiting or _Waiting(hold)
        await waiting.wait(answer, left)


async def _ask(hold: Hold, until: float) -> Granted | Busy:
    clock = hold.context.clock
    began = clock.now()
    wakes = hold.context.server.port.can_block
    queue_ms = math.ceil((until - began) * 1000) + TURN_MS if until > began and (wakes or hold.terms.fair) else 0

    async def word(store: LockStore) -> Granted | Busy:
        queued = hold.queued
        hold.asking, hold.queued = True, queued or queue_ms > 0
        try:
            answer = await store.acquire(hold.terms, queue_ms, late=hold.late)
        except CacheUnavailable as error:
            hold.late, hold.asking = hold.late or error.ambiguous, False
            hold.queued = hold.queued if error.ambiguous else queued
            raise
        if isinstance(answer, Granted):
            hold.confirmed(began, hold.ttl_ms, answer.fence)  # from the first send: that one may have been the one
            hold.queued = hold.queued and not queue_ms  # else the grant has cleared it up
        hold.asking = False
        return answer

    return await resolved(hold, word, hold.patience * _ALL_ASKS)


class _Waiting:
    """One caller's wait for a lock: it listens to its bell, or polls, never more often than the price allows."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._wakes = hold.context.server.port.can_block
        self._pauses = listens() if self._wakes else polls()
        self._pace = Pace(hold.context.clock, hold.commands)

    async def wait(self, busy: Busy, left: float) -> None:
        """Wait until it is worth asking again: woken, at the holder's end, or after a while."""
        clock, due = self._hold.context.clock, min(busy.seconds_left + 0.001, left)
        pause, end = next(self._pauses), clock.now() + due
        if not self._wakes:
            await clock.sleep(min(jittered(pause, self._hold.context.chance()), due))
        elif not await self._listen(min(pause, listening(due))) and pause > listening(due):
            await clock.sleep(max(0.0, end - clock.now()))
        await self._pace.may_send()

    async def _listen(self, seconds: float) -> bool:
        if seconds <= 0:
            return False
        await self._pace.may_send()
        store = self._hold.store(math.inf)
        try:
            return await store.listen(seconds)
        except CacheError:  # asking tells whether the server is well
            await self._hold.context.clock.sleep(min(seconds, jittered(0.05, self._hold.context.chance())))
            return True
        finally:
            self._hold.commands += store.store.commands


async def _let_go(hold: Hold, store: LockStore) -> bool:
    in_time = hold.remaining() > 0
    try:
        return await store.release(late=hold.late, queued=hold.queued)
    except CacheUnavailable as error:
        hold.let_go = hold.let_go or (in_time and error.ambiguous)
        raise


def _still_ours(hold: Hold) -> None:
    if hold.ending == "lost":
        raise _loss(hold)
    if hold.ending or hold.since == -math.inf:
        raise LockLost(f"the lock {hold.name!r} is not held: it was given back")


def _loss(hold: Hold) -> LockLost:
    return LockLost(f"the lock {hold.name!r} was lost: another may have had it since")


async def _gone(hold: Hold) -> LockLost:
    """Return what to raise when the lock is not ours any more: lost, unless it is being given back just now."""
    if not hold.leaving:
        await _lose(hold)
    return _loss(hold)


async def _lose(hold: Hold) -> None:
    if hold.ending or not hold.untold:
        return
    with suppress(IndexError):  # another thread was quicker
        on_lost = hold.untold.pop()
        _end(hold, "lost", "lost")
        await _tell(hold, on_lost)


async def _tell(hold: Hold, on_lost: Callable[[], object] | None) -> None:
    if on_lost:
        hold.telling = True
        try:
            told: Any = on_lost()
            if inspect.isawaitable(told):
                await told
        except Exception:
            logger.exception("on_lost raised; the lock of %r is lost all the same", family(hold.name))
        finally:
            hold.telling = False


def _end(hold: Hold, ending: Literal["released", "lost"], outcome: LockEnding) -> None:
    if hold.ending:
        return
    hold.ending = ending
    if hold.since > -math.inf:
        held = hold.context.clock.now() - hold.granted
        hold.context.emit(LockEnded(hold.name, outcome, held, hold.commands - hold.told, hold.fence))
