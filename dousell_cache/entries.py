"""Entries: what is stored under a key, as plain JSON that any language can read. Pure.

A stored entry looks like ``{"value": …, "load_ms": 312.4, "ttl_ms": 300000, "tags": {"city:Dakar": "9f….41…"}, "id":
"c0ffee…"}``; parts that have nothing to say are left out, and the id, which tells an entry from the one before it,
comes last. What a loader returned is always seen through its stored form, also by the caller that loaded it: a hit and
a miss give equal values, and neither shares an object with anyone.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar

import msgspec

from .errors import ConfigurationError, EncodingError

T = TypeVar("T")

State = Literal["fresh", "stale", "old", "gone"]
"""What may be done with an entry: serve it; serve it while it is refreshed; keep it for a failing origin; nothing."""

_ENDING_BYTES = 40  # more than the id with what surrounds it


class Entry(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """A value and what is known about it.

    Args:
        value: what the loader returned.
        load_ms: how long it took to load, in milliseconds.
        ttl_ms: how long it was to be fresh, in milliseconds; 0 is not known.
        grace_ms: how long after that it may be served while somebody refreshes it; the server keeps it for both.
        tags: the versions of its tags, as they stood before it was loaded.
        id: a random word, another one for every entry.
    """

    value: T
    load_ms: float
    ttl_ms: int = 0
    grace_ms: int = 0
    tags: Mapping[str, str] | None = None
    id: str = ""


_PLACE = {"": ""}
_PLACE_TEXT = b'{"":""}'


def encode(entry: Entry[Any], key: str = "") -> bytes:
    """Return the stored form of an entry.

    Args:
        entry: the entry.
        key: its key, to be named when it has none.

    Raises:
        EncodingError: the value, or a part of it, has no JSON form.
    """
    try:
        return msgspec.json.encode(entry)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        message = f"the value of {key!r} of type {type(entry.value).__name__} cannot be stored as JSON: {error}"
        raise EncodingError(message) from None


def encode_around_tags(entry: Entry[Any]) -> tuple[bytes, bytes]:
    """Return the stored form in two parts, between which a script puts the object of the tags' versions."""
    before, _, after = encode(msgspec.structs.replace(entry, tags=_PLACE)).rpartition(_PLACE_TEXT)
    return before, after


def decode(stored: bytes, type_: Any = Any) -> Entry[Any] | None:
    """Return the entry, or None when the stored form is not one of ours or does not fit the type.

    Args:
        stored: what the server returned.
        type_: what the value should be: a dataclass, a msgspec Struct, ``list[date]``, …; default: JSON's own types.
    """
    decoder = _decoder(type_)
    try:
        return decoder.decode(stored)
    except Exception:  # noqa: BLE001 - a type's own checks may raise anything, and no stored text stops a read
        return None


def check_fits(stored: bytes, key: str, type_: Any) -> None:
    """Make sure that what was loaded can be read back.

    Raises:
        EncodingError: it cannot; the message says where in the value.
    """
    try:
        _decoder(type_).decode(stored)
    except Exception as error:  # noqa: BLE001 - a type's own checks may raise anything
        message = f"the value of {key!r} does not fit type={type_!r}, so every later read of it would miss: {error}"
        raise EncodingError(message) from None


def judge(entry: Entry[Any], left_ms: int | None, versions: Mapping[str, str | None], wanted: tuple[str, ...]) -> State:
    """Say what may be done with an entry.

    Args:
        entry: what was read.
        left_ms: how long the server will keep it, in milliseconds; None if it has no grace, so that it does not matter.
        versions: the versions of its tags now; a missing one is one that changed.
        wanted: the tags it must carry, else nobody could have withdrawn it by them.
    """
    tags = entry.tags or {}
    state: State = "stale" if entry.grace_ms and left_ms is not None and 0 <= left_ms <= entry.grace_ms else "fresh"
    for tag, then in tags.items():
        now = versions.get(tag)
        if now == then:
            continue
        if now is None or _hard(now) != _hard(then):
            return "gone"
        state = "old"
    return state if all(tag in tags for tag in wanted) else "gone"


def ending(stored: bytes) -> str:
    """Return the last bytes of what is stored, by which a script tells it from what comes after it."""
    last = stored[-_ENDING_BYTES:]
    while not last.isascii():
        last = last[1:]
    return last.decode() or "*"


def checked_type(type_: Any) -> Any:
    """Return the type if values can be read back as it.

    Raises:
        ConfigurationError: they cannot.
    """
    try:
        _decoder(type_)
    except (TypeError, NameError) as error:
        message = f"type={type_!r} is nothing that JSON can be read back as: {error}"
        raise ConfigurationError(message) from error
    return type_


def _hard(version: str) -> str:
    """Return the part of a tag's version that only a hard invalidation changes."""
    return version.partition(".")[0]


@lru_cache(maxsize=256)
def _decoder(type_: Any) -> msgspec.json.Decoder[Entry[Any]]:
    return msgspec.json.Decoder(Entry[type_])
