"""What a recording holds of each event, and what it never holds."""

import itertools

import pytest

from dousell_cache.events import BreakerMoved, Event, Invalidation, Read, Write, family
from dousell_cache.tuning.pseudonyms import Pseudonyms, kept
from dousell_cache.tuning.rows import COLUMNS, NO_FAMILY, Head, Rows

SECRET = b"a secret of test"
NAMES = Pseudonyms(SECRET)


def rows_of(*events: Event, sample: float = 1.0) -> list[dict[str, str]]:
    """Return the rows of events that were told at second 10, each without what it leaves empty."""
    rows = Rows(NAMES, sample, family)
    made = itertools.chain.from_iterable(rows.of(10.0, event) for event in events)
    return [{name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell} for row in made]


def test_a_read_has_the_time_when_it_began() -> None:
    """A read's row has its beginning, family, pseudonym, outcome, load time, size, and the pseudonyms of its tags."""
    read = Read("detail:7", "miss", 0.5, 0.25, 3, tags=("city:Dakar",), size=120)
    assert rows_of(read) == [
        {
            "time_ms": "9500.000",
            "op": "read",
            "family": "detail",
            "key": NAMES.key("detail:7"),
            "outcome": "miss",
            "load_ms": "250.000",
            "size": "120",
            "tags": NAMES.tag("city:Dakar"),
        }
    ]


def test_only_what_happened_has_rows() -> None:
    """A withdrawal that was not delivered, a write that was not stored and a breaker have none."""
    assert rows_of(Invalidation(("a",), False, 0.1, 1), Write("a", False, 0.1, 1), BreakerMoved("open")) == []


def test_withdrawals_name_keys_tags_and_families() -> None:
    """Keys are withdrawn by pseudonym, tags and whole families as such, any other prefix among the keys met so far."""
    met = (Read("detail:7", "hit", 0, 0, 1), Read("detail:8", "hit", 0, 0, 1), Read("search:7", "hit", 0, 0, 1))
    withdrawn = rows_of(
        *met,
        Invalidation(("home",), True, 0, 1),
        Invalidation((), True, 0, 1, tags=("city:Dakar",)),
        Invalidation((), True, 0, 1, prefix="detail:"),
        Invalidation((), True, 0, 1, prefix="detail:7"),
    )[len(met) :]
    assert [(row["op"], row.get("family"), row.get("key")) for row in withdrawn] == [
        ("invalidate", "home", NAMES.key("home")),
        ("invalidate_tag", None, NAMES.tag("city:Dakar")),
        ("invalidate_family", "detail", NAMES.family("detail")),
        ("invalidate", "detail", NAMES.key("detail:7")),
    ]


def test_a_refresh_is_told_from_a_write() -> None:
    """What a refresh stored behind a caller's back has its load time and another op than what a caller set."""
    told = rows_of(Write("a", True, 0.5, 2, refresh=True, load_seconds=0.25), Write("a", True, 0.5, 1))
    assert [(row["op"], row.get("load_ms")) for row in told] == [("refresh", "250.000"), ("write", None)]


def test_a_sample_keeps_whole_keys() -> None:
    """Of each key either every event is kept or none, about the share asked for, and withdrawn tags always."""
    reads = [Read(f"detail:{number % 1000}", "hit", 0, 0, 1) for number in range(3000)]
    told = rows_of(*reads, Invalidation((), True, 0, 1, tags=("t",)), sample=0.3)
    times = {key: sum(row.get("key") == key for row in told) for key in {row["key"] for row in told[:-1]}}
    assert set(times.values()) == {3}
    assert 250 < len(times) < 350
    assert told[-1]["op"] == "invalidate_tag"
    assert set(times) == {NAMES.key(f"detail:{number}") for number in range(1000)} & {
        key for key in times if kept(key, 0.3)
    }


def test_pseudonyms_need_the_secret() -> None:
    """Another secret gives other pseudonyms; a key, a tag and a family of one name have different ones; none shows."""
    other = Pseudonyms(SECRET + b"!")
    told = [pseudonym for names in (NAMES, other) for pseudonym in (names.key("a"), names.tag("a"), names.family("a"))]
    assert len(set(told)) == 6
    assert NAMES.fingerprint != other.fingerprint
    assert SECRET.decode() not in repr(NAMES) + NAMES.fingerprint


def test_families_of_one_are_not_all_named() -> None:
    """Keys without a colon beyond the first thousand families are not written in plain."""
    told = rows_of(*(Read(f"visitor{number}", "hit", 0, 0, 1) for number in range(1001)))
    assert [told[0]["family"], told[-1]["family"]] == ["visitor0", NO_FAMILY]


def test_families_beyond_the_first_thousand_have_pseudonyms() -> None:
    """A family that there is no room for is named by its pseudonym; who withdraws a family tells both its names."""
    many = [Read(f"visitor{number}:1", "hit", 0, 0, 1) for number in range(1001)]
    told = rows_of(*many, *(Invalidation((), True, 0, 1, prefix=f"visitor{number}:") for number in (0, 1000)))
    late = f"{NO_FAMILY} {NAMES.family('visitor1000')}"
    assert [row["family"] for row in told[-4:]] == ["visitor999", late, "visitor0", "visitor1000"]
    assert [row["key"] for row in told[-2:]] == [NAMES.family("visitor0"), NAMES.family("visitor1000")]


def test_a_head_comes_back() -> None:
    """The first line of a recording says its version, secret's fingerprint and sample, and is made out again."""
    head = Head(NAMES.fingerprint, 0.25)
    assert Head.of(str(head) + "\n") == head
    with pytest.raises(ValueError, match="begins with #dousell-cache-trace,version=1"):
        Head.of("time,key\n")
