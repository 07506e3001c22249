"""Frozen values: the same to read, and nobody can change them."""

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from dousell_cache.frozen import NotFrozenError, frozen


class Mood(enum.Enum):
    """A choice."""

    CALM = "calm"


class Point(NamedTuple):
    """A named tuple."""

    x: int
    inside: Any


@dataclass(frozen=True)
class Firm:
    """A frozen dataclass, of whatever is inside."""

    inside: Any


@dataclass
class Loose:
    """A dataclass that can be changed."""

    inside: Any


class Stiff(msgspec.Struct, frozen=True):
    """A frozen Struct."""

    inside: Any


class Slack(msgspec.Struct):
    """A Struct that can be changed."""

    inside: Any


SCALARS = [
    *(None, True, 1, 1.5, "é", b"b", Decimal("1.10"), UUID(int=7), Mood.CALM),
    *(date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), timedelta(3)),
]


@pytest.mark.parametrize("value", [*SCALARS, Firm((1, "a")), Stiff(Firm(date(2026, 1, 2))), Point(1, (2, 3))], ids=repr)
def test_what_cannot_change_is_kept_itself(value: object) -> None:
    """Immutable scalars, and objects frozen all the way down, are not copied."""
    assert frozen(value) is value


def test_containers_are_copied_into_what_cannot_change() -> None:
    """Lists become tuples, dicts read-only mappings over a copy, sets frozensets, at every depth."""
    original: dict[str, Any] = {"rows": [{"id": 1, "tags": {"a"}}, (2, [3])], "firm": [Firm(1)]}
    copy = frozen(original)
    original["rows"][0]["id"] = original["new"] = 9
    assert copy == {"rows": ({"id": 1, "tags": frozenset({"a"})}, (2, (3,))), "firm": (Firm(1),)}
    assert [type(part) for part in (copy, copy["rows"][0])] == [MappingProxyType] * 2
    with pytest.raises(TypeError):
        copy["rows"][0]["id"] = 2


@pytest.mark.parametrize(
    "value",
    [Loose(1), Slack(1), Firm([1]), Stiff({}), Point(1, []), Firm(Loose(1)), bytearray(b"a"), object()],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_what_can_change_is_refused(value: object) -> None:
    """A changeable object is refused, at the top, in a container, or inside an object that is itself frozen."""
    for wrapped in (value, [value], {"a": (value,)}):
        with pytest.raises(NotFrozenError, match="can be changed"):
            frozen(wrapped)
