"""Where alerts are kept between two looks: a file, since a cron job has no other memory; or the process itself."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from ..errors import CacheError, ConfigurationError
from .alerts import Notice, State
from .figures import ServerFigures

SCHEMA, VERSION = "dousell-cache/alerts", 1


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one cache.

    Args:
        seen: the last sample's moment, UTC, ISO 8601; "" before the first.
        rules: the state of each rule.
        server_seen: when the server was last seen; "" if it never was.
        server: what its nodes had counted then.
    """

    seen: str = ""
    rules: dict[str, State] = {}
    server_seen: str = ""
    server: ServerFigures | None = None


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
    places: dict[str, Watched] = {}
    owed: tuple[Notice, ...] = ()
    not_before: str = ""
    dropped: int = 0


Opened = tuple[Book, Callable[[Book], None]]
"""What is known, and what keeps something else in its place."""


class Keeping(Protocol):
    """Where a book is kept."""

    def opened(self) -> AbstractContextManager[Opened]:
        """Return the book for the length of a block, in which nobody else has it."""


class BookNotKept(CacheError):
    """The machine's: the file cannot be written or locked, or another job has it; the message says which."""


TURN_SECONDS = 90.0
"""Seconds to wait for a book that another job has: a minute of delivery, and the last attempt's own timeouts."""

_PAUSE = 0.05  # seconds: flock itself waits for ever


class InMemory:
    """A book that lasts as long as the process."""

    def __init__(self) -> None:
        self._book = Book()

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Return the book for the length of a block."""
        yield self._book, self._keep

    def _keep(self, book: Book) -> None:
        self._book = book


class InFile:
    """A book in a file; jobs that overlap take turns.

    Args:
        path: the file; made if need be, its folder must be there. Beside it ``<name>.lock`` is left.
        patience: seconds to wait for one's turn; default :data:`TURN_SECONDS`.
    """

    def __init__(self, path: Path, patience: float = TURN_SECONDS) -> None:
        self._path, self._patience = path, patience

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Return the book for the length of a block, in which no other process has it.

        Raises:
            ConfigurationError: the file is none of ours.
            BookNotKept: it cannot be written or locked, or another job has it for too long.
        """
        with _alone(self._path, self._patience):
            yield read(self._path), lambda book: replace(self._path, document(book))


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


def document(content: object) -> bytes:
    """Return something as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"


def replace(path: Path, content: bytes) -> None:
    """Replace a file whole: a reader sees the old one or the new one, never a part.

    Raises:
        BookNotKept: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        message = f"{path} cannot be written: {error.strerror}"
        raise BookNotKept(message) from error


@contextmanager
def _alone(path: Path, patience: float) -> Iterator[None]:
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise BookNotKept(message) from error
    try:
        until = time.monotonic() + patience
        while not _got(handle, path):
            if time.monotonic() >= until:
                message = f"{path} has been in use by another job for {patience:.0f} s: is one hanging?"
                raise BookNotKept(message)
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(handle)


def _got(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # ENOLCK, for one: a network file system without locks
        message = f"{path} cannot be locked: {error.strerror}; keep it on a file system of this machine"
        raise BookNotKept(message) from error
    return True
