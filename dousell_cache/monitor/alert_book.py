"""The file that keeps alerts between two looks, and what was not delivered yet: a cron job has no other memory.

A notice is written down before it is sent and crossed out after, so it is sent at least once, whatever dies in between;
its id lets a receiver drop what it has.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from ..errors import CacheError, ConfigurationError
from .alert_rules import Rule
from .alerts import REMINDER_SECONDS, Notice, State, alerts, moment, step
from .delivery import Delivery
from .figures import Alert, Sample

SCHEMA, VERSION = "dousell-cache/alerts", 1

MOST_OWED = 200
"""How many notices wait for a receiver at most; the oldest are dropped first, and the loss is told."""

OLDEST_OWED = timedelta(days=1)
"""How long a notice waits for its receiver: after a day it is no news."""


class Place(msgspec.Struct, frozen=True):
    """What is known of one cache.

    Args:
        seen: the last sample's moment.
        rules: the state of each rule.
    """

    seen: str
    rules: dict[str, State] = {}


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of the file.

    Args:
        places: by environment, address and namespace.
        owed: notices that the webhook has not taken yet, oldest first.
        not_before: when it may be tried again, UTC, ISO 8601; "" for at once.
        dropped: how many notices were given up for good, since the file was made.
    """

    schema: str = SCHEMA
    version: int = VERSION
    places: dict[str, Place] = {}
    owed: tuple[Notice, ...] = ()
    not_before: str = ""
    dropped: int = 0


class BookNotKept(CacheError):
    """The machine's: the file cannot be written; the message says which."""


@dataclass(frozen=True)
class Told:
    """What came of one look.

    Args:
        alerts: what fires, and what did.
        notices: what is to be said of it.
        complaint: why the webhook did not take something, in a sentence; "" if it took all.
    """

    alerts: list[Alert]
    notices: list[Notice]
    complaint: str = ""

    @property
    def firing(self) -> bool:
        """Whether anything does."""
        return any(alert.firing for alert in self.alerts)


def take(
    sample: Sample,
    path: Path | None,
    rules: Sequence[Rule],
    *,
    send: Callable[[Notice], Delivery] | None = None,
    reminder: float = REMINDER_SECONDS,
) -> Told:
    """Judge a sample by what the file knows, write down what is new, and deliver what is owed.

    Args:
        sample: the look. One that is older than the last is told by what is known, and changes nothing.
        path: the file; None keeps nothing, so that every alert that fires is news.
        rules: the table.
        send: hands a notice to the webhook; None if there is none.
        reminder: seconds after which an alert that lasts is spoken of again.

    Raises:
        ConfigurationError: the file is none of ours.
        BookNotKept: it cannot be written.
    """
    if path is None:
        return _taken(sample, Book(), rules, send, reminder, lambda _: None)
    with _alone(path):
        return _taken(sample, read(path), rules, send, reminder, lambda book: _write(path, book))


def _taken(
    sample: Sample,
    book: Book,
    rules: Sequence[Rule],
    send: Callable[[Notice], Delivery] | None,
    reminder: float,
    keep: Callable[[Book], None],
) -> Told:
    name = " ".join((sample.environment, sample.cache, sample.namespace)).rstrip()
    place = book.places.get(name, Place(""))
    states, notices = place.rules, list[Notice]()
    if not place.seen or moment(sample.at) > moment(place.seen):
        states, notices = step(place.rules, sample, rules, reminder=reminder)
        book = msgspec.structs.replace(book, places={**book.places, name: Place(sample.at, states)})
    if send:
        book = _owing(book, notices, sample.at)
    keep(book)
    complaint = ""
    if send and book.owed:
        book, complaint = _deliver(book, send, sample.at, keep)
    return Told(alerts(states, sample, rules), notices, complaint)


def _owing(book: Book, notices: Sequence[Notice], at: str) -> Book:
    """Add what is new to what is owed; what is a day old, or too much, is dropped and counted."""
    oldest = moment(at) - OLDEST_OWED
    owed = [notice for notice in (*book.owed, *notices) if moment(notice.at) >= oldest][-MOST_OWED:]
    dropped = len(book.owed) + len(notices) - len(owed)
    return msgspec.structs.replace(book, owed=tuple(owed), dropped=book.dropped + dropped)


def _deliver(book: Book, send: Callable[[Notice], Delivery], at: str, keep: Callable[[Book], None]) -> tuple[Book, str]:
    """Send what is owed in its order, until one is not taken; cross each out as soon as it is."""
    if book.not_before and moment(at) < moment(book.not_before):
        return book, f"{len(book.owed)} notices wait for the webhook until {book.not_before}"
    complaint = ""
    for notice in book.owed:
        done = send(notice)
        if not done.delivered and not done.given_up:
            later = moment(at) + timedelta(seconds=done.after)
            book = msgspec.structs.replace(book, not_before=later.isoformat())
            keep(book)
            return (
                book,
                f"{len(book.owed)} notices are not delivered yet: {done.reason}; they are tried again next time",
            )
        dropped = book.dropped + done.given_up
        book = msgspec.structs.replace(book, owed=book.owed[1:], not_before="", dropped=dropped)
        keep(book)
        complaint = f"a notice was not delivered, and will not be: {done.reason}" if done.given_up else complaint
    return book, complaint


def read(path: Path) -> Book:
    """Return what a file knows; nothing when there is none.

    Raises:
        ConfigurationError: it is none of ours, or another version wrote it.
    """
    try:
        book = msgspec.json.decode(path.read_bytes(), type=Book)
    except FileNotFoundError:
        return Book()
    except (OSError, msgspec.MsgspecError) as error:
        message = f"{path} does not hold the state of alerts: {error}; name another file, or take it away to begin anew"
        raise ConfigurationError(message) from error
    if (book.schema, book.version) != (SCHEMA, VERSION):
        message = (
            f"{path} holds {book.schema} version {book.version}, not {SCHEMA} version {VERSION}: name another file"
        )
        raise ConfigurationError(message)
    return book


def document(sample: Sample, told: Told) -> bytes:
    """Return what fires now as the JSON document of ``--alerts-json``."""
    head: Mapping[str, object] = {
        "schema": "dousell-cache/alerts-now",
        "version": 1,
        "at": sample.at,
        "environment": sample.environment,
        "cache": sample.cache,
        "firing": told.firing,
    }
    return msgspec.json.format(msgspec.json.encode({**head, "alerts": told.alerts, "notices": told.notices})) + b"\n"


def write_document(path: Path, content: bytes) -> None:
    """Replace a file whole.

    Raises:
        BookNotKept: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        message = f"{path} cannot be written: {error.strerror}"
        raise BookNotKept(message) from error


def _write(path: Path, book: Book) -> None:
    write_document(path, msgspec.json.format(msgspec.json.encode(book)) + b"\n")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other looks away from the file: two cron jobs that overlap take turns."""
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise BookNotKept(message) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
