"""What a recording holds: a row for every read, write and withdrawal. Pure: events and their times come in.

What is withdrawn by a tag is written as such and resolved where the recordings of all processes are read together: the
process that withdraws a city need not be the one that read its pages. A prefix that is a whole family likewise; any
other prefix is resolved here, among the keys that this process has met.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

from ..events import Event, Invalidation, Read, Write
from .pseudonyms import Pseudonyms, kept

COLUMNS = ("time_ms", "op", "family", "key", "outcome", "load_ms", "size", "tags")
"""What each row has; a table in docs/reference/traces.md says what it means."""

OPERATIONS = ("read", "invalidate", "write", "refresh", "invalidate_tag", "invalidate_family", "lost")
"""What ``op`` may be; ``lost``: so many events, told by ``size``, could not be written."""

MARK = "#dousell-cache-trace"
"""What the first line of a recording begins with."""

Row = tuple[str, ...]
RECORDED = frozenset({Read, Invalidation, Write})
"""The events that make rows."""

NO_FAMILY = "(no family)"
"""What families are called for which there is no room, with their pseudonym; a trace has the same word for them all."""

_MOST_KNOWN = 200_000
_MOST_FAMILIES = 1000  # as the cache's own counters have it


class Head(NamedTuple):
    """What the first line of a recording says.

    Args:
        secret: the fingerprint of the secret that its pseudonyms come from.
        sample: the share of keys that it has.
    """

    secret: str
    sample: float

    def __str__(self) -> str:
        return f"{MARK},version=1,secret={self.secret},sample={self.sample:g}"

    @classmethod
    def of(cls, line: str) -> Self:
        """Make out a first line.

        Raises:
            ValueError: it is none, or of another version.
        """
        told = dict(part.partition("=")[::2] for part in line.strip().split(",")[1:])
        if not line.startswith(f"{MARK},") or told.get("version") != "1" or not {"secret", "sample"} <= told.keys():
            message = f"a recording begins with {MARK},version=1,…, not with {line[:60]!r}"
            raise ValueError(message)
        return cls(told["secret"], float(told["sample"]))


class Rows:
    """Turn events into rows.

    Args:
        pseudonyms: name keys and tags.
        sample: the share of keys that have rows.
        family: from a key to its family.
    """

    def __init__(self, pseudonyms: Pseudonyms, sample: float, family: Callable[[str], str]) -> None:
        self._pseudonyms = pseudonyms
        self._sample = sample
        self._family = family
        self._known: dict[str, tuple[str, str]] = {}  # a key's family and pseudonym; of too many, the oldest goes
        self._tags: dict[tuple[str, ...], str] = {}
        self._families: dict[str, str] = {}

    def of(self, ended: float, event: Event) -> Iterator[Row]:
        """Yield the rows of an event.

        Args:
            ended: when it was told, in seconds since 1970: its row has the time when the call began.
            event: the event.
        """
        if isinstance(event, Read):
            yield from self._of_key(event.key, _ms(ended - event.seconds), "read", *self._answered(event))
        elif isinstance(event, Write):
            if event.stored:
                op, load = ("refresh", _load(event.load_seconds)) if event.refresh else ("write", "")
                yield from self._of_key(event.key, _ms(ended - event.seconds), op, "", load, "", "")
        elif isinstance(event, Invalidation) and event.delivered:
            yield from self._withdrawn(_ms(ended - event.seconds), event)

    def lost(self, now: float, count: int) -> Row:
        """Return the row that says that events are missing."""
        return (_ms(now), "lost", "", "", "", "", str(count), "")

    def _answered(self, event: Read) -> tuple[str, str, str, str]:
        load = _load(event.load_seconds) if event.load_seconds else ""
        return event.outcome, load, str(event.size) if event.size else "", self._tagged(event.tags)

    def _tagged(self, tags: tuple[str, ...]) -> str:
        if not tags:
            return ""
        named = self._tags.get(tags)
        if named is None:
            if len(self._tags) >= _MOST_KNOWN:
                self._tags.clear()
            named = self._tags[tags] = " ".join(sorted(map(self._pseudonyms.tag, tags)))
        return named

    def _withdrawn(self, time_ms: str, event: Invalidation) -> Iterator[Row]:
        for key in event.keys:
            yield from self._of_key(key, time_ms, "invalidate", "", "", "", "")
        for tag in event.tags:
            yield (time_ms, "invalidate_tag", "", self._pseudonyms.tag(tag), "", "", "", "")
        prefix = event.prefix
        if prefix is None:
            return
        family = self._family(prefix)
        if prefix == f"{family}:":
            pseudonym = self._pseudonyms.family(family)  # its name where a process had no room for it
            yield (time_ms, "invalidate_family", _one_line(family), pseudonym, "", "", "", "")
            return
        for key in [key for key in self._known if key.startswith(prefix)]:
            yield from self._of_key(key, time_ms, "invalidate", "", "", "", "")

    def _of_key(self, key: str, time_ms: str, op: str, *told: str) -> Iterator[Row]:
        known = self._known.get(key)
        if known is None:
            known = self._met(key)
        family, pseudonym = known
        if self._sample >= 1 or kept(pseudonym, self._sample):
            yield (time_ms, op, family, pseudonym, *told)

    def _met(self, key: str) -> tuple[str, str]:
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        known = self._known[key] = (self._named(self._family(key), key), self._pseudonyms.key(key))
        return known

    def _named(self, family: str, key: str) -> str:
        if family in self._families or len(self._families) < _MOST_FAMILIES:
            return self._families.setdefault(family, _one_line(family))
        # Keys without a colon are families of one, which would show each of them; nobody withdraws such a family.
        return NO_FAMILY if family == key else f"{NO_FAMILY} {self._pseudonyms.family(family)}"


def _one_line(family: str) -> str:
    return " ".join(family.splitlines())


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3f}"


def _load(seconds: float) -> str:
    return f"{seconds * 1000:.3f}"
