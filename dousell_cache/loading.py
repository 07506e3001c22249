"""Load a key: get the right to, or wait for who has it; store what came if it is still wanted. One caller leads it.

Decision 0006 says why it is so. What a load may be given away to is told by its landing's proof: a command that found
the load, or the entry, in force.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from . import entries
from .context import Call, Context
from .entries import Entry
from .errors import CacheError, EncodingError
from .events import Outcome
from .flights import EVERYBODY, Flight, Landing
from .looking import Seen, examine
from .pacing import MOST_COMMANDS_A_SECOND, Pace
from .policy import LONGEST_WAIT_SECONDS, Policy, pauses, waits
from .store import Failed, Found, Lease, Store, Versions, Wait

YIELDED = Landing("stale")
"""Somebody else refreshes the key, or nobody should for a while: serve what is at hand."""


@dataclass(frozen=True, slots=True)
class skip:  # noqa: N801 - a verb: `return skip(value)`
    """Return this from a loader to hand a value to the caller without storing it.

    Args:
        value: the value.
    """

    value: Any = None


class Asked(msgspec.Struct, frozen=True, eq=False):
    """A key, how to load it, and how to keep it.

    Args:
        key: the key.
        load: reads the origin.
        policy: how long the entry is served.
        tags: what it is tagged with.
        type_: what the value should be.
        cache_if: decides by the value whether it is stored; None stores every one.
    """

    key: str
    load: Callable[[], Awaitable[Any]]
    policy: Policy
    tags: tuple[str, ...] = ()
    type_: Any = Any
    cache_if: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What a loader returned: as stored, whether and how long to keep it, and how long it took."""

    stored: bytes
    keep: bool
    kept_ms: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a loader raised, and how long that took."""

    error: BaseException
    seconds: float


async def lead(call: Call, asked: Asked, seen: Seen, flight: Flight, *, at_hand: bool, force: bool = False) -> Landing:
    """Load a key on behalf of whoever joins, unless the value comes from elsewhere meanwhile.

    Args:
        call: the call this is part of.
        asked: what to load.
        seen: what was found under the key.
        flight: what others have joined, or may.
        at_hand: whether what was found can be served at once, so that nobody need wait.
        force: whether to load whatever is there.
    """
    if not seen.serving:
        return await _unleased(call, asked, "bypass", EVERYBODY)
    token = call.context.token()
    unwanted = "*" if force else _ending(seen)
    falls_back = at_hand or seen.state == "old"
    waiting = _Waiting(call, asked.key)
    while True:
        await waiting.may_ask()
        flight.sent += 1
        try:
            answer = await call.store.lease(
                asked.key, token, call.context.lease_ms, asked.tags, asked.policy.versions_ms, unwanted, falls_back
            )
            if isinstance(answer, Found):
                now = await examine(call, asked.key, asked.type_, asked.tags, answer)
                if now.state in ("fresh", "stale"):
                    return Landing("coalesced", now.stored, proof=flight.sent)
                unwanted = _ending(now)
                continue
            if isinstance(answer, Lease):
                return await _load(call, asked, answer, flight, falls_back=falls_back)
            if isinstance(answer, Failed):
                landing = _stand_in(asked, answer, falls_back=falls_back)
                if landing:
                    return landing
                unwanted = "*"  # what could have stood in may not any more: the back-off has no purpose
                continue
            if at_hand:
                return YIELDED
            if waiting.too_long():
                return await _unleased(call, asked, "refused")
            await waiting.wait(answer)
            call.ask_anew()
        except CacheError:
            return await _unleased(call, asked, "bypass", EVERYBODY)


class _Waiting:
    """One caller's wait for another process's load: never more than five commands in a second, all told."""

    def __init__(self, call: Call, key: str) -> None:
        self._call = call
        self._key = key
        self._pauses = pauses(call.store.wakes)
        self._since = call.context.clock.now()
        # A look over many slots of a Cluster may be as many commands: it must not hold up who may be granted the load.
        self._pace = Pace(call.context.clock, min(call.store.commands, MOST_COMMANDS_A_SECOND - 1))

    def too_long(self) -> bool:
        return self._call.context.clock.now() - self._since >= LONGEST_WAIT_SECONDS

    async def may_ask(self) -> None:
        """Wait until another command keeps within the price."""
        if await self._pace.may_send():
            self._call.ask_anew()

    async def wait(self, load: Wait) -> None:
        seconds = waits(next(self._pauses), load.seconds, self._call.context.lease_ms / 1000)
        if self._call.store.wakes:
            await self.may_ask()
            with suppress(CacheError):  # a wait that failed was only shorter: asking tells whether the server is well
                await self._call.store.wait(self._key, load, seconds)
                return
        await self._call.context.clock.sleep(seconds)


async def _load(call: Call, asked: Asked, lease: Lease, flight: Flight, *, falls_back: bool) -> Landing:
    seconds = call.context.lease_ms / 3000
    call.take_time()
    end_renewing = call.context.renewals.keep(lambda: _renew(call.context, lease), seconds)
    try:
        loaded = await _run(call, asked, lease.versions)
    finally:
        end_renewing()
    if isinstance(loaded, _Failure):
        return await _fail(call, asked, lease, loaded, falls_back=falls_back)
    flight.sent += 1
    try:
        in_force = await call.store.settle(lease, "store" if loaded.keep else "release", loaded.kept_ms, loaded.stored)
    except CacheError:
        return Landing("bypass", loaded.stored, load_seconds=loaded.seconds)
    finally:
        if call.context.near is not None:
            call.context.near.forget((asked.key,))  # also without an answer: the value may have been stored
    if in_force:
        return Landing("miss", loaded.stored, proof=flight.sent, load_seconds=loaded.seconds)
    return Landing("refused", loaded.stored, load_seconds=loaded.seconds)


async def _fail(call: Call, asked: Asked, lease: Lease, failure: _Failure, *, falls_back: bool) -> Landing:
    """Let go of the lease, or keep it as a sign for a while that nobody need try, if something stands in."""
    stands_in = not falls_back and _usable(asked, lease.old, lease.versions)
    origins = isinstance(failure.error, Exception) and not isinstance(failure.error, EncodingError)
    spared = origins and (stands_in or falls_back)
    with suppress(CacheError):  # then the lease runs out
        await call.store.settle(lease, "fail" if spared else "release", call.context.back_off_ms)
    if not isinstance(failure.error, Exception):
        raise _interrupted(call, asked, failure)
    stored = lease.old if spared and stands_in else None
    outcome: Outcome = "stale" if stored else "error"
    return Landing(
        outcome, stored, failure.error, stand_in=spared, load_seconds=failure.seconds, trace=failure.error.__traceback__
    )


def _stand_in(asked: Asked, failed: Failed, *, falls_back: bool) -> Landing | None:
    """Spare an origin that failed a moment ago, if something stands in for it."""
    if falls_back:
        return YIELDED
    usable = _usable(asked, failed.old, failed.versions)
    return Landing("stale", failed.old, stand_in=True) if usable else None


async def _unleased(call: Call, asked: Asked, outcome: Outcome, proof: int = 0) -> Landing:
    """Load without the right to store: because the cache cannot serve, or who has the right takes too long."""
    loaded = await _run(call, asked, {})
    if isinstance(loaded, _Loaded):
        return Landing(outcome, loaded.stored, proof=proof, load_seconds=loaded.seconds)
    if not isinstance(loaded.error, Exception):
        raise _interrupted(call, asked, loaded)
    return Landing("error", None, loaded.error, load_seconds=loaded.seconds, trace=loaded.error.__traceback__)


async def _run(call: Call, asked: Asked, versions: Versions) -> _Loaded | _Failure:
    clock, policy = call.context.clock, asked.policy
    started = clock.now()
    try:
        value = await asked.load()
        seconds = clock.now() - started
        keep = not isinstance(value, skip) and (asked.cache_if is None or bool(asked.cache_if(value)))
        fresh_ms = policy.fresh_ms(call.context.chance())
        stored = entries.encode(
            Entry(
                value.value if isinstance(value, skip) else value,
                round(seconds * 1000, 3),
                fresh_ms,
                policy.grace_ms,
                {tag: version for tag, version in versions.items() if version is not None} or None,
                call.context.token(),
            ),
            asked.key,
        )
        entries.check_fits(stored, asked.key, asked.type_)
    except GeneratorExit:
        raise  # the flow is being thrown away: it may not send anything any more
    except BaseException as error:  # noqa: BLE001 - the lease is let go of first; nothing is swallowed
        return _Failure(error, clock.now() - started)
    return _Loaded(stored, keep, fresh_ms + policy.grace_ms, seconds)


def _interrupted(call: Call, asked: Asked, failure: _Failure) -> BaseException:
    """Return what ends the flight without an answer for anybody: Ctrl-C, or a cancellation."""
    call.ended(asked.key, "error", failure.seconds, failure=failure.error)
    return failure.error


async def _renew(context: Context, lease: Lease) -> bool:
    """Renew once; whether to go on: not with a lease that was withdrawn, but after a failure, yes."""
    try:
        return await Store(context.server).renew(lease, context.lease_ms)
    except CacheError:
        return True


def _usable(asked: Asked, old: bytes | None, versions: Versions) -> bool:
    """Tell whether a softly withdrawn entry may stand in: its tags were not withdrawn for good since."""
    entry = entries.decode(old, asked.type_) if old else None
    return entry is not None and entries.judge(entry, None, versions, asked.tags) != "gone"


def _ending(seen: Seen) -> str:
    return entries.ending(seen.stored) if seen.stored else ""
