"""The flows: what a call does, step by step, written once for both faces.

A flow touches a server through its store and time through its clock; it imports no client, no clock and no asyncio. A
cache that cannot serve never stops a read: the loader answers, and the read counts as a bypass.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from .context import MISSING, Call
from .debts import Withdrawal
from .entries import Entry, decode, encode
from .errors import CacheError, CacheUnavailable, CommandRefused, EncodingError
from .events import Outcome, Write
from .flights import INTERRUPTED, Flight, Landing
from .loading import YIELDED, Asked, lead
from .looking import NOTHING, Seen, look, look_at_many
from .policy import Policy, early_due
from .withdrawing import withdraw

Answer = Literal["landed", "at hand", "again"]
"""Take what the landing brought, value or error; serve what was found before; or begin anew."""


async def get_or_set(call: Call, asked: Asked) -> Any:
    """Return the value under a key; load and store it when there is none, or let somebody's load serve for all."""
    key, policy, context = asked.key, asked.policy, call.context
    # Whoever would not take a stale value anyway need not ask the server whether there is one while it is being loaded.
    joins = not policy.timed and not context.debts.any and context.flights.leased(key)
    seen = NOTHING if joins else await look(call, key, asked.type_, asked.tags, policy.timed)
    while True:
        due = seen.state == "fresh" and policy.early > 0 and _early(call, policy, seen)
        if seen.state == "fresh" and not due:
            call.ended(key, "hit", tags=_tags(seen.entry, asked.tags), size=_size(seen.stored))
            return seen.value
        at_hand = due or seen.state == "stale"
        if at_hand and (policy.background or context.flights.under_way(key)):
            if policy.background:
                context.flights.start(key, partial(_refresh_behind, call, asked, seen))
            return _served(call, asked, seen, due=due)
        landing, joined = await context.flights.share(key, partial(lead, call, asked, seen, at_hand=at_hand))
        answer = _answer(asked, landing, joined, seen, at_hand=at_hand)
        if answer == "again":
            call.ask_anew()
            if seen.serving:  # else it costs patience once
                seen = await look(call, key, asked.type_, asked.tags, policy.timed)
            continue
        if answer == "at hand":
            return _served(call, asked, seen, due=due, landing=landing)
        return _landed(call, asked, landing, seen, led=joined is None)


async def refresh(call: Call, asked: Asked) -> Any:
    """Load a key whatever is there, store and return what came."""
    landing = await lead(call, asked, NOTHING, Flight(), at_hand=False, force=True)
    return _landed(call, asked, landing, NOTHING, led=True)


async def get(call: Call, key: str, type_: Any, *, timed: bool = False) -> Any:
    """Return the value under a key, or MISSING; a cache that cannot serve has nothing."""
    return _read(call, key, await look(call, key, type_, timed=timed))


async def get_many(call: Call, keys: tuple[str, ...], type_: Any) -> dict[str, Any]:
    """Return the values of those keys that have one."""
    if not keys:
        return {}
    values = {}
    for key, seen in zip(keys, await look_at_many(call, keys, type_), strict=True):
        value = _read(call, key, seen)
        call.store.commands = 0  # they counted for the first key
        if value is not MISSING:
            values[key] = value
    return values


async def put(call: Call, values: Mapping[str, object], policy: Policy, tags: tuple[str, ...]) -> bool:
    """Store values together and return whether the server took them; loads of them under way are withdrawn."""
    kept = {}
    for key, value in values.items():
        fresh_ms = policy.fresh_ms(call.context.chance())
        entry = Entry(value, 0.0, fresh_ms, policy.grace_ms, id=call.context.token())
        encode(entry, key)  # every value has a JSON form, or nothing is stored
        kept[key] = (entry, fresh_ms + policy.grace_ms)
    call.context.flights.withdraw(kept)
    near = call.context.near
    if near is not None:
        near.forget(kept)
    try:
        await call.store.put(kept, tags, call.context.token(), policy.versions_ms)
        stored = True
    except CacheError:
        stored = False
    if near is not None:
        near.forget(kept)
    for key in kept:
        call.context.emit(Write(key, stored, call.seconds(), call.store.commands))
        call.store.commands = 0
    return stored


async def invalidate(call: Call, withdrawal: Withdrawal) -> int:
    """Withdraw keys, tags or a prefix, and return how many keys there were.

    Raises:
        CacheUnavailable: the server did not confirm: other processes may still be served the old values. It is
            remembered, and replayed before this process trusts the cache again.
    """
    flights, debts = call.context.flights, call.context.debts
    keys = None if withdrawal.tags or withdrawal.prefix is not None else withdrawal.keys
    flights.withdraw(keys)
    call.take_time()  # nobody's origin is kept waiting
    owed = True
    try:
        withdrawn = await withdraw(call, withdrawal)
        owed = False
    except CacheUnavailable as error:
        error.add_note("It is remembered, and replayed before this process trusts the cache again; tell the others.")
        raise
    except CommandRefused:
        owed = False  # a server that is well said no, and would say it again
        raise
    finally:
        if owed:
            debts.owe(withdrawal)
            flights.withdraw(keys)  # again: those that began meanwhile may wait for a load that was not stopped
    return withdrawn


async def ping(call: Call) -> float:
    """Return the seconds of one round trip.

    Raises:
        CacheUnavailable: no server answered.
    """
    await call.store.ping()
    return call.seconds()


def _early(call: Call, policy: Policy, seen: Seen) -> bool:
    if seen.entry is None or seen.left_ms is None or seen.left_ms < 0:
        return False
    fresh_ms = seen.left_ms - seen.entry.grace_ms
    return early_due(seen.entry.load_ms, fresh_ms, policy.early, call.context.chance())


async def _refresh_behind(call: Call, asked: Asked, seen: Seen, flight: Flight) -> Landing:
    """Refresh in a call of its own: the one that found it due is over by then."""
    own = Call(call.context)
    landing = await lead(own, asked, seen, flight, at_hand=True)
    if landing is not YIELDED:
        stored, load_seconds = landing.outcome == "miss", landing.load_seconds
        own.context.emit(Write(asked.key, stored, own.seconds(), own.store.commands, True, load_seconds))
    return landing


def _answer(asked: Asked, landing: Landing, joined: int | None, seen: Seen, *, at_hand: bool) -> Answer:
    """Decide what a landing means for one caller."""
    led = joined is None
    if landing is INTERRUPTED and not led:
        return "again"
    if landing.stored is not None and (led or _may_share(asked, landing, joined or 0, seen)):
        return "landed"
    if at_hand or (seen.state == "old" and landing.error is not None):
        return "landed" if isinstance(landing.error, EncodingError) else "at hand"
    if landing is YIELDED:
        return "at hand" if led else "again"
    if landing.error is not None and (led or not landing.stand_in):
        return "landed"
    return "again"


def _may_share(asked: Asked, landing: Landing, joined: int, seen: Seen) -> bool:
    """Tell whether who joined when so many commands were sent may take what the leader brought."""
    if landing.stand_in or landing.proof <= joined:
        return False
    entry = decode(landing.stored or b"", asked.type_)
    if entry is None:  # of another type
        return False
    if landing.outcome == "bypass":
        return not seen.serving  # nothing proves it: only for those whom the cache does not serve either
    return set(asked.tags) <= set(entry.tags or ())  # the proof says nothing of other tags


def _served(call: Call, asked: Asked, seen: Seen, *, due: bool, landing: Landing = YIELDED) -> Any:
    outcome: Outcome = "hit" if due else "stale"
    tags, size = _tags(seen.entry, asked.tags), _size(seen.stored)
    call.ended(asked.key, outcome, landing.load_seconds, failure=landing.error, tags=tags, size=size)
    return seen.value


def _landed(call: Call, asked: Asked, landing: Landing, seen: Seen, *, led: bool) -> Any:
    if landing.stored is None:
        call.ended(asked.key, "error", landing.load_seconds if led else 0.0, failure=landing.error, tags=asked.tags)
        if landing.error is None:
            message = "a load ended with neither a value nor an error"
            raise AssertionError(message)
        raise landing.error.with_traceback(landing.trace)  # not longer with every caller that shares it
    entry = decode(landing.stored, asked.type_)
    if entry is None:
        message = f"what was loaded does not fit type={asked.type_!r}"
        raise EncodingError(message)
    outcome: Outcome = landing.outcome if led or landing.outcome == "bypass" else "coalesced"
    seconds = landing.load_seconds if led else 0.0
    tags, size = _tags(entry, asked.tags), _size(landing.stored)
    call.ended(asked.key, outcome, seconds, seen.undecodable, landing.error, tags, size)
    return entry.value


def _read(call: Call, key: str, seen: Seen) -> Any:
    if seen.state in ("fresh", "stale"):
        outcome: Outcome = "hit" if seen.state == "fresh" else "stale"
        call.ended(key, outcome, tags=_tags(seen.entry), size=_size(seen.stored))
        return seen.value
    call.ended(key, "miss" if seen.serving else "bypass", undecodable=seen.undecodable)
    return MISSING


def _tags(entry: Entry[Any] | None, asked: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(entry.tags) if entry and entry.tags else asked


def _size(stored: bytes | None) -> int:
    return len(stored) if stored else 0
