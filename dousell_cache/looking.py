"""Look at a key: read what is there and judge what may be done with it. Every read path goes through here."""

import math
from typing import Any

import msgspec

from . import entries
from .context import Call, Hint
from .entries import Entry, State
from .errors import CacheError, CommandRefused
from .near import NearCache, Ticket
from .store import Found
from .withdrawing import pay


class Seen(msgspec.Struct, frozen=True):
    """What a look at a key found.

    Args:
        state: what may be done with it; ``gone`` also when there is nothing.
        entry: the entry, if there is one that decodes.
        stored: what is stored, whatever it is.
        left_ms: how long the server will keep it, if that was asked for.
        moved: those of its tags that were withdrawn since it was loaded.
        serving: whether the cache can serve at all.
    """

    state: State
    entry: Entry[Any] | None = None
    stored: bytes | None = None
    left_ms: int | None = None
    moved: tuple[str, ...] = ()
    serving: bool = True

    @property
    def undecodable(self) -> bool:
        """Tell whether something is there that is no entry, or none of this type."""
        return self.stored is not None and self.entry is None

    @property
    def value(self) -> Any:
        """Return the entry's value; only what has a state other than ``gone`` has one."""
        if self.entry is None:
            message = "nothing was found, so there is no value"
            raise LookupError(message)
        return self.entry.value


NOTHING = Seen("gone")
NOT_SERVING = Seen("gone", serving=False)


async def look(call: Call, key: str, type_: Any, tags: tuple[str, ...] = (), timed: bool = False) -> Seen:
    """Read a key and judge what is there; a cache that cannot serve has nothing, and says so.

    Args:
        call: the call this is part of.
        key: the key.
        type_: what its value should be.
        tags: the tags its entry must carry.
        timed: whether the time it has left matters even if the entry has no grace.
    """
    if call.context.debts.any and not await pay(call):
        return NOT_SERVING
    context, asked = call.context, tags
    near = context.near
    ticket = near.ticket(context.clock.now()) if near is not None else None
    hint = context.hints.get(key)
    timed = timed or (near is not None and not near.followed)  # nobody would tell that the entry has expired
    if hint:
        asked, timed = tuple(dict.fromkeys((*tags, *hint.tags))), timed or hint.timed
    try:
        found = await call.store.read(key, asked, timed)
        seen = _judged(type_, tags, found) or await examine(call, key, type_, tags, found)
    except CacheError as error:
        return _unreadable(error)
    if near is not None and ticket:
        _keep_near(near, ticket, key, seen)
    return seen


async def examine(call: Call, key: str, type_: Any, tags: tuple[str, ...], found: Found) -> Seen:
    """Judge what was found, reading once more if the entry tells of tags or grace that were not asked for."""
    seen = _judged(type_, tags, found)
    if seen:
        return seen
    entry = entries.decode(found.stored or b"")
    hint = Hint(tuple(entry.tags or ()), entry.grace_ms > 0) if entry else Hint()
    call.context.hints.learn(key, hint)
    timed = found.left_ms is not None  # as it was asked for
    found = await call.store.read(key, tuple(dict.fromkeys((*tags, *hint.tags))), timed or hint.timed)
    return _judged(type_, tags, found) or Seen("gone", None, found.stored)  # changed between the two: not worth a third


async def look_at_many(call: Call, keys: tuple[str, ...], type_: Any) -> list[Seen]:
    """Read keys together, in one command, and judge what is there; one more if any has tags or grace."""
    if call.context.debts.any and not await pay(call):
        return [NOT_SERVING] * len(keys)
    near = call.context.near
    ticket = near.ticket(call.context.clock.now()) if near is not None else None
    try:
        if near is not None and not near.followed:
            found = await call.store.read_timed(keys, ())
        else:
            found = [Found(one, None, {}) for one in await call.store.read_many(keys)]
        seen = {key: _judged(type_, (), one) for key, one in zip(keys, found, strict=True)}
        unsure = {key: one.stored for key, one in zip(keys, found, strict=True) if seen[key] is None}
        if unsure:
            tags = {tag for one in unsure.values() for tag in _tags(one)}
            found = await call.store.read_timed(tuple(unsure), tuple(sorted(tags)))
            seen |= {key: _judged(type_, (), one) for key, one in zip(unsure, found, strict=True)}
    except CacheError as error:
        return [_unreadable(error)] * len(keys)
    found_at = [seen[key] or NOTHING for key in keys]
    if near is not None and ticket:
        for key, one in zip(keys, found_at, strict=True):
            _keep_near(near, ticket, key, one)
    return found_at


def _judged(type_: Any, tags: tuple[str, ...], found: Found) -> Seen | None:
    """Judge what was found; None if it was not asked enough for that."""
    if found.stored is None:
        return NOTHING
    entry = entries.decode(found.stored, type_)
    if entry is None:
        return Seen("gone", None, found.stored)
    if (entry.grace_ms and found.left_ms is None) or (entry.tags and not entry.tags.keys() <= found.versions.keys()):
        return None
    if not entry.tags and not entry.grace_ms and not tags:
        return Seen("fresh", entry, found.stored, found.left_ms)
    state = entries.judge(entry, found.left_ms, found.versions, tags)
    moved = tuple(tag for tag, then in (entry.tags or {}).items() if found.versions[tag] != then)
    return Seen(state, entry, found.stored, found.left_ms, moved)


def _keep_near(near: NearCache, ticket: Ticket, key: str, seen: Seen) -> None:
    if seen.state == "fresh" and seen.entry and seen.stored:
        left_ms = math.inf if seen.left_ms is None or seen.left_ms < 0 else seen.left_ms - seen.entry.grace_ms
        near.put(ticket, key, seen.stored, tuple(seen.entry.tags or ()), left_ms / 1000)


def _tags(stored: bytes | None) -> tuple[str, ...]:
    entry = entries.decode(stored or b"")
    return tuple(entry.tags or ()) if entry else ()


def _unreadable(error: CacheError) -> Seen:
    # WRONGTYPE: the server is well, but what lies there is none of ours.
    foreign = isinstance(error, CommandRefused) and error.code == "WRONGTYPE"
    return Seen("gone", None, b"*") if foreign else NOT_SERVING
