"""Record what is asked of a cache: an observer that costs its callers next to nothing, and never fails them.

A call appends its event to a queue; a thread of the recorder's own makes rows of them once a second. Files are CSV, and
Parquet once finished if that is wanted. Keys and tags are written as keyed hashes; families, what stands before a key's
first colon, are written in plain.
"""

import atexit
import csv
import io
import logging
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ..errors import ConfigurationError
from ..events import Event, family
from ..templates import checked_secret
from .files import FORMATS, Files, Format, check_parquet
from .pseudonyms import Pseudonyms
from .rows import COLUMNS, RECORDED, Head, Row, Rows

SECRET_VARIABLE = "DOUSELL_CACHE_TRACE_SECRET"  # noqa: S105 - the variable's name, not the secret
_MOST_WAITING = 100_000  # events, about 50 MB: more wait only when the disk has stopped
_LIVE_SECONDS = 1.0

logger = logging.getLogger("dousell_cache")


class Recorded(NamedTuple):
    """What became of the events so far, in this process.

    Args:
        events: those that were written.
        lost: those that were not, because the disk failed or was too slow, or ``family`` raised; the recording says so.
        failures: how often the disk failed; the first time in a row is logged.
    """

    events: int
    lost: int
    failures: int


class Recorder:
    """Write a trace of real traffic: ``cache.subscribe(recorder)``; several caches may share one.

    Args:
        folder: where files go. Several processes may share it, each writes its own.
        secret: 16 to 64 bytes that key the hashes of keys and tags; default the variable
            ``DOUSELL_CACHE_TRACE_SECRET``, else a random one, whose recordings match no other process's.
        sample: the share of keys that are recorded, each with all its events; default 1, all: below 100,000 keys a
            sample says little, and is refused by whoever reads it.
        format: ``csv``, which needs nothing, or ``parquet``, a fifth of the size, which needs pyarrow.
        rotate_mb: a file is finished when it has so many megabytes of CSV; default 64, half a million requests.
        rotate_seconds: and when it is so old; default 3600.
        keep: how many finished files stay in the folder; default 168, a week of quiet hours.
        family: from a key to what is written in plain; default what stands before its first colon, the whole key
            where there is none. What it raises for is not recorded, and counted as lost.

    Raises:
        ConfigurationError: an argument makes no sense; no message quotes the secret.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        secret: str | bytes | None = None,
        sample: float = 1.0,
        format: Format = "csv",
        rotate_mb: float = 64.0,
        rotate_seconds: float = 3600.0,
        keep: int = 168,
        family: Callable[[str], str] = family,
    ) -> None:
        _check(sample, format, rotate_mb, rotate_seconds, keep)
        pseudonyms = Pseudonyms(_secret(secret))
        head = f"{Head(pseudonyms.fingerprint, sample)}\n{','.join(COLUMNS)}\n"
        self._rows = Rows(pseudonyms, sample, family)
        self._files = Files(Path(folder), head.encode(), format, rotate_mb * 1e6, rotate_seconds, keep)
        self._closed = False
        self._begin_anew()
        _in_this_process.add(self)
        atexit.register(self.close)

    def __call__(self, event: Event) -> None:
        """Take note of an event; what no trace needs is ignored, and so is all after :meth:`close`."""
        if type(event) not in RECORDED or self._closed:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._lose(1)
            return
        self._waiting.append((time.monotonic(), event))
        if self._thread is None:
            self._start()

    @property
    def recorded(self) -> Recorded:
        """Return what became of the events so far."""
        return Recorded(self._events, self._lost, self._failures)

    def flush(self) -> None:
        """Write what waits now, in the caller's thread: before a serverless function is frozen, for instance."""
        with self._writing:
            self._write(len(self._waiting))

    def close(self) -> None:
        """Write what waits, finish the file, and record nothing more; a second call does nothing."""
        self._closed = True
        self._stop.set()
        thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join()
        with self._writing:
            self._write(len(self._waiting))
            self._write(0)  # that something is missing, if that failed
            self._guarded(self._files.finish)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Recorder({str(self._files.folder)!r}, {self.recorded})"

    def _begin_anew(self) -> None:
        """Have a queue and locks of this process's own; in a forked child the parent writes what waited."""
        self._waiting = deque[tuple[float, Event]]()
        self._events = self._lost = self._failures = self._unsaid = 0
        self._is_failing = self._is_unnamed = False
        self._writing, self._counting, self._stop = threading.Lock(), threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._files.forget()

    def _start(self) -> None:
        with self._counting:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name="dousell-cache recorder", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread to be had: the next event tries again
                    return
                self._thread = thread

    def _run(self) -> None:
        while not self._stop.wait(_LIVE_SECONDS):
            with self._writing:
                self._write(len(self._waiting))
                self._guarded(self._files.finish_if_due)

    def _write(self, count: int) -> None:
        """Write so many of the events that wait."""
        since = time.time() - time.monotonic()  # the wall clock may be set, between two events it may not
        waited = (self._waiting.popleft() for _ in range(count))
        told = [rows for at, event in waited if (rows := self._rows_of(since + at, event)) is not None]
        unsaid = self._unsaid
        if not told and not unsaid:
            return
        if self._guarded(lambda: self._files.append(self._text(told, unsaid))):
            self._events += len(told)
            with self._counting:
                self._unsaid -= unsaid
        else:
            self._lose(len(told))

    def _rows_of(self, ended: float, event: Event) -> list[Row] | None:
        """Return the rows of an event; None if it cannot be named, which is said once, without the key."""
        try:
            return list(self._rows.of(ended, event))
        except Exception as error:  # noqa: BLE001 - the caller's own function may raise anything, and concerns one event
            self._lose(1)
            if not self._is_unnamed:
                kind = type(error).__name__
                logger.warning("recording in %s leaves out events that cannot be named: %s", self._files.folder, kind)
            self._is_unnamed = True
            return None

    def _lose(self, count: int) -> None:
        with self._counting:
            self._lost += count
            self._unsaid += count

    def _text(self, told: list[list[Row]], unsaid: int) -> bytes:
        rows = [row for rows in told for row in rows]
        if unsaid:
            rows.append(self._rows.lost(time.time(), unsaid))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode(errors="backslashreplace")

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Do something with the disk and return whether it went well; the first failure in a row is logged."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever happens here must not end the thread, or a caller's call
            self._failures += 1
            if not self._is_failing:
                logger.warning("recording in %s fails, and is tried again: %s", self._files.folder, error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True


def _secret(given: str | bytes | None) -> bytes:
    if given is None:
        given = os.environ.get(SECRET_VARIABLE) or None
    return checked_secret(given) or secrets.token_bytes(32)


def _check(sample: float, format: str, rotate_mb: float, rotate_seconds: float, keep: int) -> None:
    if not 0 < sample <= 1:
        raise ConfigurationError(f"sample must be a share of the keys above 0 and up to 1, not {sample!r}")
    if format not in FORMATS:
        raise ConfigurationError(f"format must be {' or '.join(map(repr, FORMATS))}, not {format!r}")
    for name, number in (("rotate_mb", rotate_mb), ("rotate_seconds", rotate_seconds)):
        if not number > 0:
            raise ConfigurationError(f"{name} must be above 0, not {number!r}")
    if type(keep) is not int or keep < 1:
        raise ConfigurationError(f"keep must be a whole number of files from 1, not {keep!r}")
    if format == "parquet":
        check_parquet()


_in_this_process = weakref.WeakSet[Recorder]()


def _after_fork() -> None:
    for recorder in _in_this_process:
        recorder._begin_anew()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_after_fork)
