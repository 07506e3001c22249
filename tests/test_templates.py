"""Keys from arguments: what a template may say, and that two calls share a key only where it is documented."""

import itertools
import json
import string
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dousell_cache import ConfigurationError
from dousell_cache.templates import MOST_KEY_BYTES, Template, checked_secret

settings.register_profile("here", database=None, derandomize=True, deadline=None, max_examples=150)
settings.load_profile("here")

TYPES = "str, int, float, bool, None, UUID, date, datetime, Decimal, Enum, list, tuple and dict"
SECRET = b"0123456789abcdef"


class Kind(StrEnum):
    """An enumeration with text for values."""

    RENT = "rent"


class Rank(IntEnum):
    """An enumeration with numbers for values."""

    FIRST = 1


class Corner(Enum):
    """An enumeration with tuples for values."""

    ORIGIN = (0, 0)


def one(value: object, field: str = "{a}") -> str:
    """Return the part that a value makes."""
    return Template(f"k:{field}", ["a"]).render({"a": value}).removeprefix("k:")


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("Dakar", "Dakar"),
        ("", ""),
        ("Thiès:3", "Thi%C3%A8s%3A3"),
        ("{a}%", "%7Ba%7D%25"),
        ("a b\n\x00", "a%20b%0A%00"),
        ("=none", "%3Dnone"),
        (7, "7"),
        (-7, "-7"),
        (1.5, "1.5"),
        (1e16, "1e%2B16"),
        (float("nan"), "nan"),
        (None, "=none"),
        (True, "=true"),
        (False, "=false"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03%3A00%3A00%2B00%3A00"),
        (Decimal("1.50"), "1.50"),
        (Kind.RENT, "rent"),
        (Rank.FIRST, "1"),
    ],
)
def test_what_a_value_becomes(value: object, part: str) -> None:
    """Each type has one readable form, in which nothing could be taken for a separator."""
    assert one(value) == part


def test_text_is_written_as_javascript_writes_it() -> None:
    """As in ECMA-262's encodeURIComponent, so that the site's own code can name the same keys."""
    kept = string.ascii_letters + string.digits + "-_.!~*'()"
    for character in [*map(chr, range(0x180)), "–", "😀"]:
        escaped = "".join(f"%{byte:02X}" for byte in character.encode())
        assert one(character) == (character if character in kept else escaped)


# Short values that print alike, hold separators, escapes or marks, or are JSON of one another.
ALIKE: list[Any] = [
    *("", "a", "b", "a:b", ":", "%3A", "%", "{a}", "a b", "a\n", "é", "%C3%A9", "=", "=a", "%3Da"),
    *(None, "None", "=none", "%3Dnone", "null", True, "True", "=true", "true", False, "=false", 0, -1, "-1"),
    *(1, "1", 1.0, "1.0", 1.5, Decimal("1.5"), Decimal("1.50"), date(2026, 1, 2), "2026-01-02", Kind.RENT, Rank.FIRST),
    *(
        [],
        [[]],
        [1, 1],
        [11],
        {},
        "[]",
        "{}",
        [None],
        ["null"],
        [1],
        ["1"],
        [1.0],
        [True],
        ["a", "b"],
        ["a,b"],
        ['a","b'],
        [["a"], "b"],
    ),
    *({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": "1", "b": 2}, '{"a":1,"b":2}', "x" * 64, "x" * 65, ["x" * 65]),
]
ALIKE += [one(value) for value in ALIKE]  # what one value becomes is another's text

plain = st.text(alphabet=st.sampled_from("aN7:%{}=. -é\n,|/\"'[]~3DA")) | st.text()
scalars = plain | st.integers() | st.floats() | st.booleans() | st.none() | st.uuids() | st.dates() | st.decimals()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3), max_leaves=5
)


def meaning(value: object) -> object:
    """Say what the documentation distinguishes: two values may share a key only if this is equal."""
    if isinstance(value, Enum):
        return meaning(value.value)
    if value is None or isinstance(value, bool):
        return ("mark", value)
    if isinstance(value, (list, dict)):
        return ("json", nested(value))
    return ("text", value.isoformat() if isinstance(value, date) else str(value))


def nested(value: object) -> object:
    """Say what is distinguished inside lists and dicts, where numbers are not their text."""
    if isinstance(value, list):
        return ("list", tuple(nested(each) for each in value))
    if isinstance(value, dict):
        return ("dict", tuple((name, nested(value[name])) for name in sorted(value)))
    if isinstance(value, Enum):
        return nested(value.value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ("number", repr(value))
    return meaning(value)


@pytest.mark.parametrize("text", ["{a}:{b}", "k:{a}|{b}x", "{{{a}}}3D:{b}", "é{a}é{b}", "q={a}-=%3A&r={b}"])
def test_two_calls_share_a_key_only_where_it_is_documented(text: str) -> None:
    """Of all pairs of values that could be taken for others, those have one key that mean the same, and no others."""
    template = Template(text, ["a", "b"])
    meanings: dict[str, object] = {}
    keys: dict[object, str] = {}
    for a, b in itertools.product(ALIKE, repeat=2):
        key, meant = template.render({"a": a, "b": b}), (meaning(a), meaning(b))
        assert meanings.setdefault(key, meant) == meant
        assert keys.setdefault(meant, key) == key


@given(st.tuples(scalars, scalars))
def test_arguments_can_be_read_back_from_a_key(arguments: tuple[object, object]) -> None:
    """Cut at its separator and unescaped, a key gives back the text of each argument: nothing runs into anything."""
    parts = Template("{a}:{b}", ["a", "b"]).render(dict(zip("ab", arguments, strict=True))).split(":")
    marks = {"=none": None, "=true": True, "=false": False}
    assert len(parts) == len(arguments)
    for part, argument in zip(parts, arguments, strict=True):
        read = ("mark", marks[part]) if part in marks else ("text", unquote(part))
        assert (len(part) == 33 and part[0] == "=") or read == meaning(argument)


@given(st.tuples(values, values, values), st.booleans())
def test_a_key_is_short_plain_text(arguments: tuple[object, ...], long: bool) -> None:
    """A key is at most 255 bytes of printable ASCII without spaces, when the template's own text is."""
    template = Template("detail:{a}:{b}:{c}:{a}" + ":x" * (100 if long else 1), ["a", "b", "c"])
    key = template.render(dict(zip("abc", arguments, strict=True)))
    assert len(key.encode()) <= MOST_KEY_BYTES
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert key.startswith("detail:")


@pytest.mark.parametrize(
    ("one_value", "other"),
    [
        (7, "7"),
        (1.5, "1.5"),
        (1.5, Decimal("1.5")),
        (date(2026, 1, 2), "2026-01-02"),
        (UUID(int=7), str(UUID(int=7))),
        (Kind.RENT, "rent"),
        (Rank.FIRST, 1),
        ((1, "a"), [1, "a"]),
        (Corner.ORIGIN, [0, 0]),
        ({"a": 1, "b": [Kind.RENT]}, {"b": ["rent"], "a": Rank.FIRST}),
        ([date(2026, 1, 2)], ["2026-01-02"]),
    ],
)
def test_what_shares_a_key(one_value: object, other: object) -> None:
    """What is written the same is the same: a number and its text, a tuple and a list, a dict in any order."""
    assert one(one_value) == one(other)


@pytest.mark.parametrize(
    ("one_value", "other"),
    [
        (None, "None"),
        (None, ""),
        (None, "=none"),
        (True, "True"),
        (True, 1),
        (False, 0),
        (1, 1.0),
        (0.0, -0.0),
        (date(2026, 1, 2), datetime(2026, 1, 2)),  # noqa: DTZ001 - one without a zone is a value too
        (datetime(2026, 1, 2, 1, tzinfo=UTC), datetime(2026, 1, 2, 2, tzinfo=timezone(timedelta(hours=1)))),
        ([7], ["7"]),
        ([None], ["null"]),
        ([float("nan")], [None]),
        ([], {}),
        ([], "[]"),
        ([["a"], "b"], ["a", ["b"]]),
        (["a" * 80], json.dumps(["a" * 80], separators=(",", ":"))),
        ("x" * 65, "x" * 66),
        ("é", "e\u0301"),
    ],
)
def test_what_does_not_share_a_key(one_value: object, other: object) -> None:
    """Nothing else does, however alike it prints."""
    assert one(one_value) != one(other)


def test_long_parts_are_hashed() -> None:
    """Up to 64 bytes a part is readable, beyond it is a hash of 128 bits, which no text can look like."""
    assert one("x" * 64) == "x" * 64
    assert one("x" * 65) == "=" + one("x" * 65, "{a:hashed}")[1:]
    assert len(one("x" * 65)) == 33
    assert one("é" * 11)[0] == "="  # 66 bytes once escaped
    assert one(one("x" * 65)) == "%3D" + one("x" * 65)[1:]


def test_personal_parts_are_hashed_on_request() -> None:
    """``hashed`` keeps an argument out of the key; a secret changes the hash, so that guessing needs it."""
    plain = Template("mail:{email:hashed}", ["email"])
    keyed = Template("mail:{email:hashed}", ["email"], SECRET)
    other = Template("mail:{email:hashed}", ["email"], SECRET[::-1])
    keys = {template.render({"email": "awa@example.com"}) for template in (plain, keyed, other)}
    assert len(keys) == 3
    assert all(key.startswith("mail:=") and "awa" not in key and len(key) == 38 for key in keys)
    assert plain.render({"email": None}) != plain.render({"email": "None"})


def test_a_secret_keys_every_hash() -> None:
    """Long parts, lists and whole long keys are as hard to guess as personal parts."""
    for value in ("x" * 65, [1]):
        keyed = Template("k:{a}", ["a"], SECRET).render({"a": value})
        assert keyed != Template("k:{a}", ["a"]).render({"a": value})
    long = "x" * 300
    assert Template(long, [], SECRET).render({})[:222] == long[:222]
    assert Template(long, [], SECRET).render({}) != Template(long, []).render({})


@pytest.mark.parametrize("secret", ["short", b"x" * 65, "", 7])
def test_a_secret_that_is_none_is_refused_unquoted(secret: Any) -> None:
    """A secret is 16 to 64 bytes, and no message repeats it."""
    with pytest.raises(ConfigurationError, match=r"^secret must be 16 to 64 bytes, as text or bytes: ") as refused:
        checked_secret(secret)
    assert not secret or str(secret) not in str(refused.value)
    assert checked_secret("0123456789abcdef") == checked_secret(SECRET) == SECRET
    assert checked_secret(None) == b""
    assert SECRET.decode() not in repr(Template("k:{a}", ["a"], SECRET))


def test_long_keys_keep_their_beginning() -> None:
    """Over 255 bytes a key is its first bytes and a hash of the whole: its family stays, no character is cut."""
    template = Template("detail:{{D}}:" + "{a}:" * 5, ["a"])
    key = template.render({"a": "x" * 60})
    assert len(key) == MOST_KEY_BYTES
    assert key.startswith("detail:{D}:xxx")
    assert key != template.render({"a": "x" * 59 + "y"})
    accents = Template("é" * 200, []).render({})
    assert len(accents.encode()) == MOST_KEY_BYTES
    assert accents.startswith("é" * 111 + "=")
    assert Template("x" * 255, []).render({}) == "x" * 255


def test_braces_of_ones_own() -> None:
    """Doubled braces are braces: a Cluster's hash tag may be made from an argument, which cannot close it early."""
    template = Template("{{{city}}}:{page}", ["city", "page"])
    assert template.render({"city": "a}b", "page": 2}) == "{a%7Db}:2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("detail:{id}", "field {id} is no argument; there are: a, b"),
        ("detail:{}", "field {} is positional: name an argument"),
        ("detail:{0}", "field {0} is positional: name an argument"),
        ("detail:{a.id}", "field {a.id} reaches into an argument: make what it names an argument of its own"),
        ("detail:{a[0]}", "field {a[0]} reaches into an argument: make what it names an argument of its own"),
        ("detail:{a!r}", "field {a} has the conversion !r: a key takes arguments as they are"),
        ("detail:{a:>8}", "field {a} has the format '>8': there is only 'hashed'"),
        ("detail:{a:{b}}", "field {a} has the format '{b}': there is only 'hashed'"),
        ("detail:{a }", "field {a } is no argument; there are: a, b"),
        ("{a}{b}", "between {a} and {b} belongs a character that no part can contain, such as ':'"),
        ("{a}-{b}", "between {a} and {b} belongs a character that no part can contain, such as ':'"),
        ("{a}%=x~{b}", "between {a} and {b} belongs a character that no part can contain, such as ':'"),
        ("detail:{a", "expected '}' before end of string; a brace of its own is written twice"),
        ("detail:a}", "Single '}' encountered in format string; a brace of its own is written twice"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    """One sentence names the template and the field, before any call."""
    with pytest.raises(ConfigurationError) as refused:
        Template(text, ["a", "b"])
    assert str(refused.value) == f"template {text!r}: {problem}"


@pytest.mark.parametrize("text", ["", None, 7, b"k"])
def test_a_template_is_text(text: Any) -> None:
    """What is no template at all is refused too."""
    with pytest.raises(ConfigurationError, match=r"^a template must be a non-empty string, not "):
        Template(text, ["a"])


def loop() -> list[object]:
    """Return a list that contains itself."""
    circle: list[object] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (object, f"object is none of {TYPES}"),
        (lambda: {1, 2}, f"set is none of {TYPES}"),
        (lambda: b"awa", f"bytes is none of {TYPES}"),
        (lambda: [object()], f"object is none of {TYPES}"),
        (lambda: {7: "awa"}, "a dict in it has a int for a key, which should be text"),
        (lambda: "awa\ud800", "it is no text that UTF-8 can hold"),
        (lambda: ["awa\ud83d\ude00"], "it is no text that UTF-8 can hold"),
        (loop, "it contains itself"),
    ],
)
def test_an_argument_that_can_be_no_part_is_refused_unquoted(make: Callable[[], object], problem: str) -> None:
    """One sentence names the template, the field and the type; the value, perhaps personal, is not in it."""
    with pytest.raises(ConfigurationError) as refused:
        one(make())
    assert str(refused.value) == f"template 'k:{{a}}': field {{a}} cannot be part of a key: {problem}"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
