"""What is stored: plain JSON, the same for a hit and a miss, and anything else is no entry of ours."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from dousell_cache import ConfigurationError, EncodingError
from dousell_cache.entries import Entry, State, checked_type, decode, encode, encode_around_tags, ending, judge


@dataclass
class Owner:
    """A dataclass within another."""

    name: str
    since: date


@dataclass
class Property:
    """A row as Dousell would type it."""

    id: UUID
    rent: Decimal
    owner: Owner
    seen: datetime | None = None


class City(Enum):
    """An enumeration."""

    DAKAR = "Dakar"


class Point(NamedTuple):
    """A tuple with names."""

    latitude: float
    longitude: float


class Tag(msgspec.Struct):
    """A msgspec Struct."""

    name: str


def stored(value: object) -> bytes:
    """Return the stored form of a value about which nothing else is known."""
    return encode(Entry(value, 0.0))


VILLA = Property(
    UUID(int=7), Decimal("350000.50"), Owner("Awa Ndiaye", date(2020, 2, 29)), datetime(2025, 1, 1, 12, tzinfo=UTC)
)


@pytest.mark.parametrize(
    "value", [None, 0, "", [], {}, False, "123", 123, 1.5, "null", "Thiès 🏠", "\x00", [None, [0]], {"a": {"b": None}}]
)
def test_json_values_come_back_as_they_were(value: object) -> None:
    """Every JSON value comes back equal and of the same type, the empty ones and the number-like text included."""
    entry = decode(stored(value))
    assert entry is not None
    assert entry.value == value
    assert type(entry.value) is type(value)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (date(2024, 2, 29), date),
        (datetime(2025, 1, 1, tzinfo=UTC), datetime),
        (timedelta(days=1, seconds=2), timedelta),
        (Decimal("0.10"), Decimal),
        (UUID(int=1), UUID),
        (b"\x00\xff", bytes),
        ((1, "a"), tuple[int, str]),
        ({1, 2}, set[int]),
        ({1: "a"}, dict[int, str]),
        (City.DAKAR, City),
        (Point(14.7, -17.4), Point),
        (Tag("villa"), Tag),
        (VILLA, Property),
        ([VILLA], list[Property]),
        (None, Property | None),
    ],
)
def test_typed_values_come_back_as_they_were(value: object, type_: Any) -> None:
    """With its type named, a value that JSON only approximates comes back equal and of the same type."""
    entry = decode(stored(value), type_)
    assert entry is not None
    assert entry.value == value
    assert type(entry.value) is type(value)


def test_the_stored_form_is_plain_json() -> None:
    """Any language can read an entry: a JSON object with the value and the milliseconds it took to load."""
    entry = Entry({"city": "Thiès", "at": date(2025, 1, 2)}, 312.4, 300_000, 0, {"city:Thiès": "9f.41"}, "c0ffee")
    assert json.loads(encode(entry)) == {
        "value": {"city": "Thiès", "at": "2025-01-02"},
        "load_ms": 312.4,
        "ttl_ms": 300_000,
        "tags": {"city:Thiès": "9f.41"},
        "id": "c0ffee",
    }
    assert encode(entry).endswith(b'"id":"c0ffee"}'), "the id comes last: scripts know an entry by its ending"
    assert json.loads(stored("x")) == {"value": "x", "load_ms": 0.0}, "what has nothing to say is left out"


@pytest.mark.parametrize(
    "value", [object(), 1j, lambda: None, iter([1]), {(1, 2): 3}, "\ud800", [object()], ..., range(3)]
)
def test_what_has_no_json_form_is_refused(value: object) -> None:
    """A value without a JSON form is an EncodingError that names its type."""
    with pytest.raises(EncodingError, match=f"type {type(value).__name__} cannot be stored as JSON"):
        stored(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_not_is_kept_as_none(number: float) -> None:
    """NaN and the infinities come back as None, as the reference says: to look for them costs every write."""
    kept = decode(encode(Entry({"rent": number, "rooms": [number]}, load_ms=0)))
    assert kept is not None
    assert kept.value == {"rent": None, "rooms": [None]}


def test_a_value_that_contains_itself_is_refused() -> None:
    """Endless nesting ends in an EncodingError, not in a crash."""
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(EncodingError):
        stored(endless)


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"{",
        b"{}",
        b"null",
        b"123",
        b"plain text",
        b"\xff\xfe",
        b"\x80\x04\x95pickle",
        b'{"value": 1}',
        b'{"load_ms": 1}',
        b'{"value": 1, "load_ms": 1, "tags": ["city:x"]}',
        b'{"value": 1, "load_ms": 1, "tags": {"city:x": null}}',
        b'{"value": 1, "load_ms": 1, "ttl_ms": 1.5}',
        b'{"value": 1, "load_ms": "soon"}',
        b'{"value": 1, "load_ms": 1} trailing',
        b'{"value": "\\ud800", "load_ms": 1}',
        b'{"value": ' + b"[" * 100_000,
        b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b', "load_ms": 1}',
    ],
)
def test_what_is_not_an_entry_decodes_to_nothing(found: bytes) -> None:
    """Broken, foreign or hostile bytes under a key are no entry, and never an exception."""
    assert decode(found) is None


@pytest.mark.parametrize(
    ("value", "type_"),
    [("x", int), (1, str), ({"id": 1}, Property), ([[]], set[Any]), ([1], tuple[int, int]), (None, int), ("x", Owner)],
)
def test_an_entry_of_another_type_decodes_to_nothing(value: object, type_: Any) -> None:
    """An entry that does not fit the type asked for is no entry: its reader loads anew."""
    assert decode(stored(value), type_) is None


class Choosy(msgspec.Struct):
    """A type whose own check may raise anything."""

    city: str

    def __post_init__(self) -> None:
        """Look the city up."""
        {"Dakar": 1}[self.city]


def test_a_type_that_refuses_an_entry_stops_no_read() -> None:
    """Whatever a type's own check raises over old data, the entry is no entry and its reader loads anew."""
    assert decode(stored({"city": "Dakar"}), Choosy) == Entry(Choosy("Dakar"), 0.0)
    assert decode(stored({"city": "Gotham"}), Choosy) is None


def test_fields_of_a_later_version_are_ignored() -> None:
    """A process of an older version reads the entries of a newer one."""
    found = b'{"value": 1, "load_ms": 2.5, "colour": {"city": "x"}, "tags": {"city": "x"}, "id": "y"}'
    assert decode(found) == Entry(1, 2.5, tags={"city": "x"}, id="y")


@pytest.mark.parametrize("type_", [int, Property, list[Property], dict[str, Any], Any, object, int | None])
def test_a_usable_type_is_accepted(type_: Any) -> None:
    """What JSON can be read back as is returned unchanged."""
    assert checked_type(type_) is type_


@pytest.mark.parametrize("type_", [123, "Property", [int], VILLA, list[int] | list[str], ...])
def test_a_type_that_is_none_is_refused(type_: Any) -> None:
    """What is no type, or an ambiguous one, is refused by name, as a ValueError."""
    with pytest.raises(ConfigurationError, match=r"^type=.* is nothing that JSON can be read back as: "):
        checked_type(type_)


@pytest.mark.parametrize("make", [lambda: [1, [2]], lambda: {"a": [1]}])
def test_a_decoded_value_is_nobody_elses(make: Callable[[], Any]) -> None:
    """Two readers of one entry share no object: what one changes, the other does not see."""
    entry = stored(make())
    first, second = decode(entry), decode(entry)
    assert first is not None
    assert second is not None
    first.value.clear()
    assert second.value == make()


TAGGED = Entry("x", 0.0, tags={"city:Dakar": "h1.s1", "all": "h2.s2"})
NOW: dict[str, str | None] = {"city:Dakar": "h1.s1", "all": "h2.s2"}


@pytest.mark.parametrize(
    ("moved", "state"),
    [
        ({}, "fresh"),
        ({"all": None}, "gone"),
        ({"all": "h3.s3"}, "gone"),
        ({"all": "h3.s2"}, "gone"),
        ({"all": "h2.s3"}, "old"),
        ({"city:Dakar": "h1.s9", "all": "h2.s9"}, "old"),
        ({"city:Dakar": "h1.s9", "all": "h9.s9"}, "gone"),
        ({"city:Dakar": "h9.s9", "all": "h2.s9"}, "gone"),
    ],
)
def test_versions_decide_what_a_tagged_entry_is_good_for(moved: dict[str, str | None], state: State) -> None:
    """A version that moved or is missing withdraws the entry; one that moved softly keeps it for a failing origin."""
    assert judge(TAGGED, None, NOW | moved, ()) == state


def test_a_version_nobody_read_counts_as_changed() -> None:
    """An entry whose tag was not asked for is not served on trust."""
    assert judge(TAGGED, None, {"all": "h2.s2"}, ()) == "gone"


@pytest.mark.parametrize("entry", [Entry("x", 0.0), Entry("x", 0.0, tags={"all": "h2.s2"})])
def test_an_entry_without_a_wanted_tag_is_gone(entry: Entry[str]) -> None:
    """A reader that names a tag is not served an entry that nobody could have withdrawn by it."""
    assert judge(entry, None, NOW, ("city:Dakar",)) == "gone"


@pytest.mark.parametrize(
    ("grace_ms", "left_ms", "state"),
    [
        (0, 5, "fresh"),
        (0, None, "fresh"),
        (100, 101, "fresh"),
        (100, 100, "stale"),
        (100, 0, "stale"),
        (100, -1, "fresh"),
    ],
)
def test_the_servers_remaining_time_tells_stale_from_fresh(grace_ms: int, left_ms: int | None, state: State) -> None:
    """An entry with no more than its grace left is stale; one that never expires is not."""
    assert judge(Entry("x", 0.0, grace_ms=grace_ms), left_ms, {}, ()) == state


def test_a_script_puts_the_tags_between_the_two_parts() -> None:
    """Around the object of the tags' versions the parts are the entry, whatever the value looks like."""
    for value in ("x", {"": ""}, '{"":""}', [{"": {"": ""}}]):
        before, after = encode_around_tags(Entry(value, 1.5, 60_000, id="c0ffee"))
        whole = before + b'{"all":"h2.s2"}' + after
        assert decode(whole) == Entry(value, 1.5, 60_000, tags={"all": "h2.s2"}, id="c0ffee")


@pytest.mark.parametrize(
    ("found", "last"),
    [
        (b"x" * 50, "x" * 40),
        (b"ab", "ab"),
        ("été".encode(), "*"),
        ("été!".encode(), "!"),
        (b"\xff\xfepickle", "pickle"),
    ],
)
def test_an_ending_is_what_a_script_can_compare(found: bytes, last: str) -> None:
    """An entry is known by its last bytes, as far as HTTP can carry them; else anything there is unwanted."""
    assert ending(found) == last
