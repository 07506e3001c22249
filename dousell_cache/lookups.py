"""What a command looks up on a server: the names that move ``keyspace_hits`` and ``keyspace_misses``. Pure.

Servers count every lookup for reading, inside scripts too: GET, MGET (each name), GETRANGE, EXISTS, PTTL, LINDEX, LPOS,
HGETALL; none for writing: SET, DEL, PEXPIRE, RENAME, INCRBY, RPUSH, LPOP, LREM, BLMOVE (``lookupKey`` in ``db.c`` of
Redis 7.0 and Valkey 9.1; the tests hold this table against both).

A few scripts do not say what they found. Then it is what nearly always is, and the line says so: "taken".
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from . import scripts
from .transport.port import Argument, Reply

Cause = Literal["reads", "loads", "locks", "others"]


Lookups = tuple[Cause, int, int]
"""What a command looked names up for, and how many it found and did not. A plain tuple: every hit makes one."""

Words = Sequence[Argument]
Look = Callable[[Words, Words, Any], tuple[int, int]]
"""From a script's names, its arguments and its reply: how many names were found, how many absent."""


def looked_up(command: Words, reply: Reply) -> Lookups | None:
    """Return what a command looked up, given its reply; None if it moves no counter."""
    name = command[0]
    if name == "GET":
        cause: Cause = "locks" if str(command[1]).endswith(":lock") else "reads"
        return (cause, 0, 1) if reply is None else (cause, 1, 0)
    if name == "MGET" and isinstance(reply, list):
        return ("reads", *_told(reply))
    if name in ("HGETALL", "OBJECT"):
        return "others", int(bool(reply)), int(not reply)
    if name in ("EVALSHA", "EVAL"):
        return _script(command, reply)
    return None


def _script(command: Words, reply: Reply) -> Lookups | None:
    known = _SCRIPTS.get(str(command[1]))
    if known is None:
        return None
    cause, look = known
    count = 3 + int(command[2])
    return (cause, *look(command[3:count], command[count:], reply))


def _told(values: Sequence[Reply]) -> tuple[int, int]:
    absent = sum(value is None for value in values)
    return len(values) - absent, absent


def _read(_names: Words, _arguments: Words, reply: Any) -> tuple[int, int]:
    entries, _, versions = reply
    found, absent = _told(entries)
    more, less = _told(versions)
    return 2 * found + more, 2 * absent + less  # an entry's time is a lookup of its own


def _lease(_names: Words, arguments: Words, reply: Any) -> tuple[int, int]:
    token, unwanted, word = arguments[0], arguments[2], reply[0]
    if word == b"entry":
        found, absent = _told(reply[3])
        return 3 + found, absent
    # Taken: the entry that the caller will not have is still there, or still none.
    found, absent = (0, 0) if unwanted == "*" else (int(unwanted != ""), int(unwanted == ""))
    if word == b"wait":
        return found + 2, absent + 1  # taken: nothing was withdrawn softly
    old, none = _told(reply[1:2])
    if word == b"failed":
        more, less = _told(reply[2])
        return found + 1 + old + more, absent + none + less
    more, less = _minted(reply[2], str(token))
    return found + old + more, absent + 1 + none + less


def _settle(names: Words, _arguments: Words, reply: Any) -> tuple[int, int]:
    tags = len(names) - 5
    return (1 + tags, 1) if reply else (0, 2)  # taken: nobody waits; and who lost the lease finds none


def _renew(_names: Words, _arguments: Words, reply: Any) -> tuple[int, int]:
    return (1, 0) if reply else (0, 1)


def _set(names: Words, arguments: Words, _reply: Any) -> tuple[int, int]:
    return 2 * (len(names) - 3 * int(arguments[0])), 0  # taken: the tags have versions


def _versions(_names: Words, arguments: Words, reply: Any) -> tuple[int, int]:
    return _minted(reply, str(arguments[0]))


def _minted(versions: Sequence[Any], word: str) -> tuple[int, int]:
    """Tell versions that were there, each looked up twice, from those that the script has just made."""
    made = sum(version == f"{word}.{word}".encode() for version in versions)
    return 2 * (len(versions) - made), made


def _invalidate_tags(names: Words, arguments: Words, _reply: Any) -> tuple[int, int]:
    return len(names) * (2 if str(arguments[2]) == "1" else 1), 0  # taken: the tags have versions


def _soften(names: Words, _arguments: Words, reply: Any) -> tuple[int, int]:
    return reply, len(names) // 3 - reply


def _acquire(_names: Words, arguments: Words, reply: Any) -> tuple[int, int]:
    queues, fair, word = str(arguments[4]) != "0", str(arguments[5]) == "1", reply[0]
    if word == b"granted":
        return 1, 3 + fair  # taken: it was granted before, so it has a fence, and nobody waits
    if word == b"gone":
        return 2, 2
    return 3 + queues, 2 + queues  # taken: a holder, a fence, no turn; a caller that is not yet in the queue


def _release(_names: Words, arguments: Words, reply: Any) -> tuple[int, int]:
    queued = int(str(arguments[3]) == "1")
    return (1, queued) if reply else (0, 2 + queued)  # taken: nobody has the turn


def _extend(_names: Words, arguments: Words, reply: Any) -> tuple[int, int]:
    return (2 + (str(arguments[3]) != ""), 0) if reply is not None else (0, 1)


_LOOKS: tuple[tuple[scripts.Script, Cause, Look], ...] = (
    (scripts.READ, "reads", _read),
    (scripts.LEASE, "loads", _lease),
    (scripts.SETTLE, "loads", _settle),
    (scripts.RENEW, "loads", _renew),
    (scripts.VERSIONS, "loads", _versions),
    (scripts.SET, "others", _set),
    (scripts.INVALIDATE_TAGS, "others", _invalidate_tags),
    (scripts.SOFTEN, "others", _soften),
    (scripts.ACQUIRE, "locks", _acquire),
    (scripts.EXTEND, "locks", _extend),
    (scripts.RELEASE, "locks", _release),
)
_SCRIPTS = {name: (cause, look) for script, cause, look in _LOOKS for name in (script.sha, script.text)}
