"""What ``MONITOR`` printed, as a trace: the only record that needs nothing installed where the cache is used.

Reads are ``GET``, ``GETEX`` and ``MGET``, and this package's own scripts that read. Withdrawals are ``DEL``,
``UNLINK``, ``FLUSHDB`` and ``FLUSHALL``, and this package's own, those of tags included. ``GETDEL`` is both. What the
``SET`` of another client is, or this package's ``set``, a fill or a change, has to be said (see :mod:`.writes`). What
else there was is counted and named.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from .. import scripts
from .recordings import Reading
from .trace import INVALIDATE, READ, Trace
from .writes import Writes, named, notes_on_writes

_LINE = re.compile(r'^\+?(?P<time>\d+\.\d+) \[(?P<db>\d+) (?P<source>.*?)\] (?P<words>"(?:.*)")$')
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
# What this package keeps beside an entry, in the entry's hash slot.
_BESIDE = re.compile(r"\}.*:(version|lease|old|waiting|wake:[^:]*|lock|fence|queue|turn|bell:[^:]*|gone:[^:]*)$")
_VERSION = re.compile(r"\}.*:version$")
_OUR_OWN_WORK = {scripts.SETTLE.sha, scripts.RENEW.sha, scripts.VERSIONS.sha}
_WRITTEN = {"SET", "SETEX", "PSETEX", "GETSET", "MSET", "SETNX", "MSETNX"}
_OUR_SET = "set of this package"
_FIRST_LINES = 5

_NOT_IN_IT = "reads that a process answered itself are not in it"

Event = tuple[int, str]
"""An operation and a key's name on the server."""


def looks_like_monitor(path: Path) -> bool:
    """Tell whether a file begins as what MONITOR prints."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return any(_LINE.match(line.rstrip("\r\n")) for line, _ in zip(file, range(_FIRST_LINES), strict=False))


def read_monitor(path: Path, writes: Writes | None, *, sort: bool) -> Reading:
    """Return what MONITOR printed as a trace.

    Args:
        path: the file.
        writes: what ``SET`` and its like are; None: there are none, or the file is refused.
        sort: whether to put lines that are out of order in order.

    Raises:
        ValueError: a line is none of MONITOR's, or nothing in it reads, or it has writes that may be fills or changes;
            the message names the file, and the line if it is one's.
    """
    times: list[float] = []
    keys: list[str] = []
    operations: list[int] = []
    log = _Log(writes == "changes")
    for number, line in _lines(path):
        told = _LINE.match(line)
        words = _words(told["words"]) if told else []
        if told is None or not words:
            message = f"{path}, line {number}, is none that MONITOR prints: {line[:40]!r}"
            raise ValueError(message)
        at = float(told["time"])
        if times and at < times[-1] and not sort:
            message = f"{path}, line {number}, is earlier than the one above it: have it sorted (--sort)"
            raise ValueError(message)
        for operation, key in log.events(told["db"], told["source"], words):
            times.append(at)
            keys.append(key)
            operations.append(operation)
    if READ not in operations:
        message = f"{path} has no GET, GETEX or MGET in it, so there is nothing that a cache could answer"
        raise ValueError(message)
    notes = (*log.notes(), *notes_on_writes(str(path), writes, log.unclear, log.fills), _NOT_IN_IT)
    return Reading(replace(Trace.of(times, keys, operations, sort=sort), together=True), notes)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, without OK, empty ones, and a last one that was cut off."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            text = line.rstrip("\r\n")
            if text in ("", "OK", "+OK") or (not line.endswith("\n") and not _LINE.match(text)):
                continue
            yield number, text


def _words(text: str) -> list[str]:
    return [_unescaped(word) for word in _WORD.findall(text)]


def _unescaped(word: str) -> str:
    if "\\" not in word:
        return word

    def plain(escape: re.Match[bytes]) -> bytes:
        code = escape[1]
        return bytes([int(code[1:], 16)]) if len(code) == 3 else _ESCAPED.get(code, code)

    return _ESCAPE.sub(plain, word.encode(errors="surrogateescape")).decode(errors="replace")


class _Log:
    """What commands meant so far: which keys were met, which tags they had, what was written and what was left out.

    Args:
        changed: whether a write that may be a fill or a change is a change.
    """

    def __init__(self, changed: bool) -> None:
        self.unclear, self.fills = Counter[str](), Counter[str]()
        self._changed = changed
        self._left_out = Counter[str]()
        self._met: dict[str, str] = {}  # and in which database
        self._tagged: dict[str, dict[str, None]] = {}
        self._meanings: dict[str, Callable[[list[str]], Iterable[Event]]] = {
            "GET": lambda names: self._reads(names[:1]),
            "GETEX": lambda names: self._reads(names[:1]),
            "GETDEL": lambda names: [*self._reads(names[:1]), *self._withdrawn(names[:1])],
            "MGET": self._reads,
            "DEL": self._withdrawn,
            "UNLINK": self._withdrawn,
            "FLUSHALL": lambda _: self._withdrawn(list(self._met)),
        }

    def events(self, db: str, source: str, words: list[str]) -> Iterable[Event]:
        """Return what a command read or withdrew; keys of databases other than the first begin with its number."""
        found = list(self._meant(db, source, words))
        self._met.update((key, db) for operation, key in found if operation == READ)
        return found

    def _meant(self, db: str, source: str, words: list[str]) -> Iterable[Event]:
        command, names = words[0].upper(), words[1:]
        if source == "lua":  # the script that sent it has a line of its own
            return ()
        start = "" if db == "0" else f"{db}/"
        if command in ("EVAL", "EVALSHA"):
            return self._script(command, names, start)
        if command == "FLUSHDB":
            return self._withdrawn([key for key, where in self._met.items() if where == db])
        if command in _WRITTEN:
            return self._written(command, [word.upper() for word in names[2:]], [start + name for name in names])
        meaning = self._meanings.get(command)
        if meaning is None:
            self._left_out[command] += 1
            return ()
        return meaning([start + name for name in names])

    def notes(self) -> Iterator[str]:
        """Yield what was left out, writes apart."""
        if self._left_out:
            yield f"commands that are neither reads nor withdrawals were left out: {named(self._left_out)}"

    def _reads(self, names: list[str]) -> Iterable[Event]:
        return [(READ, key) for key in _entries(names)]

    def _withdrawn(self, names: list[str]) -> Iterable[Event]:
        return [(INVALIDATE, key) for key in _entries(names)]

    def _written(self, command: str, options: list[str], names: list[str]) -> Iterable[Event]:
        keys = names[::2] if command.startswith("M") else names[:1]
        if command == "SET" and "NX" in options:
            command = "SET NX"
        if command.endswith("NX"):  # it stores only where nothing is
            self.fills[command] += len(keys)
            return ()
        return self._fill_or_change(command, keys)

    def _fill_or_change(self, command: str, keys: list[str]) -> Iterable[Event]:
        self.unclear[command] += len(keys)
        return self._withdrawn(keys) if self._changed else ()

    def _script(self, command: str, words: list[str], start: str) -> Iterable[Event]:
        count = int(words[1]) if words[1:] and words[1].isdecimal() else len(words)
        if count > len(words) - 2:  # the server refuses it, and MONITOR prints it all the same
            self._left_out[command] += 1
            return ()
        sha = words[0] if command == "EVALSHA" else _SHA_OF.get(words[0], "")
        names = [start + name for name in words[2 : 2 + count]]
        if sha == scripts.READ.sha:
            return self._reads(names)
        if sha == scripts.LEASE.sha:  # its read has a line of its own, and its tags are told here
            for version in filter(_VERSION.search, names):
                self._tagged.setdefault(version, {})[names[0]] = None
        elif sha == scripts.SET.sha:
            return self._fill_or_change(_OUR_SET, _entries(names))
        elif sha == scripts.SOFTEN.sha:
            return self._withdrawn(names)
        elif sha == scripts.INVALIDATE_TAGS.sha:
            return self._withdrawn([key for version in names for key in self._tagged.get(version, ())])
        elif sha not in _OUR_OWN_WORK:
            self._left_out[command] += 1
        return ()


def _entries(names: list[str]) -> list[str]:
    """Return the keys among names, without what this package keeps beside them."""
    return [name for name in names if not _BESIDE.search(name)]


_SHA_OF = {script.text: script.sha for script in vars(scripts).values() if isinstance(script, scripts.Script)}
