"""Entries: what is stored under a key, as plain JSON that any language can read. Pure.

A stored entry looks like ``{"value": …, "load_ms": 312.4}``. What a loader returned is always seen through its stored
form, also by the caller that loaded it: a hit and a miss give equal values, and neither shares an object with anyone.
"""

from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from .errors import ConfigurationError, EncodingError

T = TypeVar("T")


class Entry(msgspec.Struct, Generic[T], frozen=True):
    """A value and what is known about it.

    Args:
        value: what the loader returned.
        load_ms: how long it took to load, in milliseconds.
    """

    value: T
    load_ms: float


def encode(value: object, load_ms: float = 0.0) -> bytes:
    """Return the stored form of a value.

    Raises:
        EncodingError: the value, or a part of it, has no JSON form.
    """
    try:
        return msgspec.json.encode(Entry(value, round(load_ms, 3)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        message = f"a value of type {type(value).__name__} cannot be stored as JSON: {error}"
        raise EncodingError(message) from error


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


@lru_cache(maxsize=256)
def _decoder(type_: Any) -> msgspec.json.Decoder[Entry[Any]]:
    return msgspec.json.Decoder(Entry[type_])
