"""The event log of a chaos ledger: JSON Lines of what was run, what happened, and which rows there were in the end.

One file for all processes of a run. Times are nanoseconds of the monotonic clock, which the processes of one machine
share; each is taken before what is asked, and after what was answered.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from ..errors import ConfigurationError

What = Literal[
    "asked",
    "granted",
    "busy",
    "unavailable",
    "entered",
    "claimed",
    "charged",
    "paying",
    "paid",
    "refused",
    "lost",
    "releasing",
    "released",
    "killed",
    "stopped",
    "continued",
    "reply lost",
    "wiping",
    "wiped",
    "sweeping",
    "swept",
]


class Began(msgspec.Struct, frozen=True, tag="began"):
    """What was run: the first line.

    Args:
        subject: whose lock it is.
        seed: what the run was drawn from.
        processes: how many took part.
        names: the locks, each of which guards one rent or one property's visits.
        ttl: seconds that a lock lasts.
        linger: seconds for which an attempt that ended badly may still keep others out.
    """

    subject: str
    seed: int
    processes: int
    names: tuple[str, ...]
    ttl: float
    linger: float


class Event(msgspec.Struct, frozen=True, tag="event", omit_defaults=True):
    """Something that happened.

    Args:
        at: when, in nanoseconds of the monotonic clock.
        what: what it was.
        process: whose; -1 for what was done to the servers.
        attempt: which of its attempts; no number is used twice in one process.
        name: the lock.
        period: the month or slot that was to be paid or booked.
        token: the beginning of the hash of the holder's token, if it is known.
        fence: the number of the grant; 0 for a lock that gives none.
        left: seconds for which the holder believed itself to be alone.
        detail: the step of a signal, the ledgers that took a row, how a server was wiped.
    """

    at: int
    what: What
    process: int = -1
    attempt: int = 0
    name: str = ""
    period: int = 0
    token: str = ""
    fence: int = 0
    left: float = 0.0
    detail: str = ""


class Row(msgspec.Struct, frozen=True, tag="row"):
    """One row of a ledger at the end.

    Args:
        ledger: who had the last word: ``guarded`` (the functions that Dousell ships), ``fenced`` (the fence alone),
            ``unguarded`` (the lock alone); or ``charged``, the payment service's own books.
        id: grows with every row written.
        name: the lock under which it was written.
        period: what was paid or booked.
        fence: the fence that it was written with; 0 for none.
        process: who wrote it.
        attempt: in which attempt.
    """

    ledger: Literal["guarded", "fenced", "unguarded", "charged"]
    id: int
    name: str
    period: int
    fence: int
    process: int
    attempt: int


class Log(msgspec.Struct, frozen=True):
    """A whole log.

    Args:
        began: what was run.
        events: what happened, in order of time.
        rows: what the ledgers held at the end, in the order in which they were written.
    """

    began: Began
    events: tuple[Event, ...]
    rows: tuple[Row, ...]


class LogWriter:
    """Appends to a log; safe to use from several processes and after a fork, for every line is one write.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def put(self, line: Began | Event | Row) -> None:
        """Append one line."""
        os.write(self._file, msgspec.json.encode(line) + b"\n")

    def note(self, what: What, **more: Any) -> None:
        """Append an event that happens now; ``more`` are fields of it."""
        self.put(Event(time.monotonic_ns(), what, **more))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def read_log(path: Path) -> Log:
    """Read a whole log.

    Raises:
        ConfigurationError: there is no such file, or it is no log of a chaos ledger.
    """
    try:
        with path.open("rb") as lines:
            return assembled(_DECODER.decode(line) for line in lines)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{path} is no event log of a chaos ledger: {error}") from error


def assembled(lines: Iterable[Began | Event | Row]) -> Log:
    """Return the log that these lines make.

    Raises:
        ConfigurationError: they do not say what was run.
    """
    found = list(lines)
    began = next((line for line in found if isinstance(line, Began)), None)
    if began is None:
        raise ConfigurationError("an event log of a chaos ledger begins by saying what was run, and this one does not")
    events = sorted((line for line in found if isinstance(line, Event)), key=lambda event: event.at)
    rows = sorted((line for line in found if isinstance(line, Row)), key=lambda row: row.id)
    return Log(began, tuple(events), tuple(rows))


_DECODER = msgspec.json.Decoder(Began | Event | Row)
