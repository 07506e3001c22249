"""Keys and tags made from a function's arguments: parsed once, checked when a function is decorated. Pure.

A part made from an argument is written as JavaScript's ``encodeURIComponent`` writes it, so that a site's own code can
name the same keys: ``Thiès:3`` becomes ``Thi%C3%A8s%3A3``. What text cannot be begins with ``=``: ``=none``, ``=true``,
``=false``, and ``=`` with 32 hexadecimal digits for a hash.

Two calls share a key only if each of its parts has the same text (or two hashes of 128 bits are the same):

- ``str``, ``int``, ``float``, ``Decimal``, ``UUID``, ``date`` and ``datetime`` are written as their text. Within one of
  these types different text means different keys; across them ``7`` and ``"7"`` share one, and so do
  ``date(2026, 1, 1)`` and ``"2026-01-01"``: a number from a path and one from the database name the same row.
- An ``Enum`` member is written as its value.
- ``None``, ``True`` and ``False`` share a key with nothing else, ``"None"`` and ``1`` included.
- ``list`` (a ``tuple`` is one) and ``dict`` with text for keys (in any order) are hashed as JSON, in which ``7`` and
  ``"7"`` differ.

Equal values with different texts (``1`` and ``1.0``, one instant in two time zones) have different keys: that costs a
load and is never wrong.
"""

import json
import string
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from .errors import ConfigurationError

MOST_PART_BYTES = 64
"""A longer part is hashed."""
MOST_KEY_BYTES = 255
"""A longer key keeps its beginning and ends in a hash of the whole; the namespace comes on top."""

_UNESCAPED = "!'()*"  # besides letters, digits and -_.~: what encodeURIComponent leaves alone
_PART_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_.~%=" + _UNESCAPED)
_HASH_BYTES = 16
_HASH_TEXT_BYTES = 1 + 2 * _HASH_BYTES
_MARKS = {None: "=none", True: "=true", False: "=false"}


class _Field(NamedTuple):
    """A template's literal text and the argument that follows it."""

    before: str
    name: str
    hashed: bool


class Template:
    """A text with arguments' names in braces, such as ``"detail:{property_id}"`` or ``"mail:{email:hashed}"``.

    ``{{`` and ``}}`` stand for braces, for a Cluster's hash tag: ``"{{{city}}}:{page}"``.

    Args:
        text: the template; between two fields stands a character that no part can contain, such as ``:``.
        names: the arguments that a field may name.
        secret: the key of every hash. Without one, a hash keeps personal data out of sight but not from somebody who
            guesses: whoever reads the key can hash each likely address and compare.

    Raises:
        ConfigurationError: the template makes no sense; the message names it and the field.
    """

    __slots__ = ("_end", "_fields", "_secret", "text")

    def __init__(self, text: str, names: Collection[str], secret: bytes = b"") -> None:
        self.text = text
        self._secret = secret
        self._fields, self._end = _parse(text, names)

    def render(self, arguments: Mapping[str, object]) -> str:
        """Return the key or tag that these arguments make.

        Raises:
            ConfigurationError: an argument can be no part of a key; the message names it and never quotes its value.
        """
        parts = (field.before + self._part(field, arguments[field.name]) for field in self._fields)
        return self._capped("".join(parts) + self._end)

    def _part(self, field: _Field, value: object) -> str:
        try:
            text = _part(value)
        except (TypeError, ValueError, RecursionError) as error:
            message = f"template {self.text!r}: field {{{field.name}}} cannot be part of a key: {_reason(error)}"
            raise ConfigurationError(message) from None  # the cause would quote the value
        is_json = text[:1] in ("[", "{")  # which text begins with only there: it is escaped
        if is_json or field.hashed or len(text) > MOST_PART_BYTES:
            return self._hash(text, b"part")
        return text

    def _capped(self, key: str) -> str:
        encoded = key.encode()
        if len(encoded) <= MOST_KEY_BYTES:
            return key
        beginning = encoded[: MOST_KEY_BYTES - _HASH_TEXT_BYTES].decode(errors="ignore")
        return beginning + self._hash(key, b"key")

    def _hash(self, text: str, person: bytes) -> str:
        return "=" + blake2b(text.encode(), digest_size=_HASH_BYTES, key=self._secret, person=person).hexdigest()

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def checked_secret(secret: str | bytes | None) -> bytes:
    """Return a secret as the key of a hash, or nothing for None.

    Raises:
        ConfigurationError: it is not 16 to 64 bytes of text or bytes; the message does not quote it.
    """
    if secret is None:
        return b""
    encoded = secret.encode(errors="replace") if isinstance(secret, str) else secret
    if not isinstance(encoded, bytes) or not 16 <= len(encoded) <= 64:
        message = "secret must be 16 to 64 bytes, as text or bytes: secrets.token_hex(16) makes one"
        raise ConfigurationError(message)
    return encoded


def _parse(text: str, names: Collection[str]) -> tuple[tuple[_Field, ...], str]:
    if not isinstance(text, str) or not text:
        message = f"a template must be a non-empty string, not {text!r}"
        raise ConfigurationError(message)
    fields, before = list[_Field](), ""
    for literal, name, spec, conversion in _pieces(text):
        before += literal
        if name is None:
            continue  # an escaped brace: its literal goes on
        _check_field(text, name, spec or "", conversion, names)
        if fields and _PART_CHARACTERS.issuperset(before):
            problem = f"between {{{fields[-1].name}}} and {{{name}}} belongs a character that no part can contain"
            raise _refused(text, problem + ", such as ':'")
        fields.append(_Field(before, name, spec == "hashed"))
        before = ""
    return tuple(fields), before


def _pieces(text: str) -> Iterator[tuple[str, str | None, str | None, str | None]]:
    try:
        yield from string.Formatter().parse(text)
    except ValueError as error:
        raise _refused(text, f"{error}; a brace of its own is written twice") from None


def _check_field(text: str, name: str, spec: str, conversion: str | None, names: Collection[str]) -> None:
    field = f"field {{{name}}}"
    if not name or name.isdecimal():
        raise _refused(text, f"{field} is positional: name an argument")
    if "." in name or "[" in name:
        raise _refused(text, f"{field} reaches into an argument: make what it names an argument of its own")
    if name not in names:
        raise _refused(text, f"{field} is no argument; there are: {', '.join(names) or 'none'}")
    if conversion:
        raise _refused(text, f"{field} has the conversion !{conversion}: a key takes arguments as they are")
    if spec not in ("", "hashed"):
        raise _refused(text, f"{field} has the format {spec!r}: there is only 'hashed'")


def _refused(text: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"template {text!r}: {problem}")


def _part(value: object) -> str:
    """Return a value's part of a key, with the JSON of a list or dict as it is."""
    if isinstance(value, Enum):
        return _part(value.value)
    if value is None or isinstance(value, bool):
        return _MARKS[value]
    if isinstance(value, (list, tuple, dict)):
        text = json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        text.encode()  # refuses what UTF-8 cannot hold, rather than write two texts alike
        return text
    text = _text(value)
    return text if text.isascii() and text.isalnum() else quote(text, safe=_UNESCAPED)  # the check is quicker


def _plain(value: object) -> Any:
    """Return what a value is in JSON: containers and numbers as they are, the rest as text."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {_name(name): _plain(each) for name, each in value.items()}
    return _text(value)


def _name(name: object) -> str:
    if isinstance(name, str):
        return str.__str__(name)
    message = f"a dict in it has a {type(name).__name__} for a key, which should be text"
    raise TypeError(message)


def _text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return (int if isinstance(value, int) else float).__repr__(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    message = (
        f"{type(value).__name__} is none of str, int, float, bool, None, UUID, date, datetime, Decimal, Enum, "
        "list, tuple and dict"
    )
    raise TypeError(message)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it is no text that UTF-8 can hold"
    return "it contains itself" if isinstance(error, RecursionError) else str(error)
