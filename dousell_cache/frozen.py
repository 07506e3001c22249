"""Frozen values: what many callers may hold at once, since none of them can change it. Pure.

Containers are copied into their unchangeable kind. Objects of the caller's own types are kept if they are frozen all
the way down, and refused else: they cannot be rebuilt from here without breaking what their type promises.
"""

from collections.abc import Iterable
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

_IMMUTABLE = (type(None), bool, int, float, str, bytes, date, time, timedelta, tzinfo, Decimal, UUID, Enum)


class NotFrozenError(TypeError):
    """A part of the value can be changed, and cannot be copied into something that cannot."""


def frozen(value: Any) -> Any:
    """Return a value like this one that nobody can change.

    Lists become tuples, dicts read-only mappings over a private copy, sets frozensets; immutable scalars, frozen
    dataclasses and frozen msgspec Structs stay what they are.

    Raises:
        NotFrozenError: a part is neither, such as an object with attributes that can be set.
    """
    if isinstance(value, _IMMUTABLE):
        return value
    if type(value) in (list, tuple):
        return tuple([frozen(item) for item in value])
    if type(value) is dict:
        return MappingProxyType({key: frozen(item) for key, item in value.items()})
    if type(value) in (set, frozenset):
        return frozenset([frozen(item) for item in value])
    _check_frozen(value)
    return value


def _check_frozen(value: Any) -> None:
    if isinstance(value, _IMMUTABLE):
        return
    for part in _parts(value):
        _check_frozen(part)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, (tuple, frozenset)):  # named tuples too
        return value
    dataclass_options = getattr(value, "__dataclass_params__", None)
    if dataclass_options and dataclass_options.frozen:
        return [getattr(value, name) for name in value.__dataclass_fields__]
    struct_options = getattr(value, "__struct_config__", None)
    if struct_options and struct_options.frozen:
        return [getattr(value, name) for name in value.__struct_fields__]
    message = f"a {type(value).__name__} can be changed"
    raise NotFrozenError(message)
