"""Each guard of the production flows, switched off: what the proofs must find out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from .. import entries, flows
from ..debts import Debts
from .production import ExploredFlights
from .scenario import Control, without
from .world import Command


def _less(word: str) -> Callable[[Command], Command]:
    """Return a mutation that lets DEL spare the names that end so."""

    def mutate(command: Command) -> Command:
        spared = command[0] == b"DEL"
        return tuple(argument for argument in command if not (spared and argument.endswith(word.encode())))

    return mutate


def _patched(target: Any, name: str, instead: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(target, name, instead)


def _judged_by_time(entry: Any, left_ms: int | None, versions: Any, wanted: Any) -> str:  # noqa: ARG001 - the guard's
    stale = entry.grace_ms and left_ms is not None and 0 <= left_ms <= entry.grace_ms
    return "stale" if stale else "fresh"


_judge, _answer = entries.judge, flows._answer  # noqa: SLF001 - a guard to switch off


def _missing_is_unchanged(entry: Any, left_ms: int | None, versions: Any, wanted: tuple[str, ...]) -> str:
    present = {tag: (entry.tags or {}).get(tag) if now is None else now for tag, now in versions.items()}
    return _judge(entry, left_ms, present, wanted)


def _takes_anything(asked: Any, landing: Any, joined: int | None, seen: Any, *, at_hand: bool) -> str:
    return _answer(asked, landing, None if joined is None else -1, seen, at_hand=at_hand)


_MINE = "local mine = redis.call('GET', KEYS[2]) == ARGV[1]"
WRITE_CHECK = Control("write", "a write looks whether the lease is still its own", without(_MINE, "local mine = true"))
LEASE_WITHDRAWN = Control("lease", "an invalidation withdraws leases too", _less(":lease"))
_GRANTS = "if holder and holder ~= 'failed' and holder ~= token then"
ONE_LEASE = Control("grant", "one lease at a time", without(_GRANTS, "if false then"))
LOOKS_AGAIN = Control("look", "a lease looks again for an entry", without("if unwanted ~= '*' then", "if false then"))
_MOVED = "unmoved and redis.call('GET', KEYS[i]) == ARGV[i - 1]"
COMPARES = Control("versions", "a read compares versions", patch=_patched(entries, "judge", _judged_by_time))
JOINING = Control("joining", "who joins too late begins anew", patch=_patched(flows, "_answer", _takes_anything))

_RENEWED = "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\nend\nreturn 0"
_MADE_ANEW = "end\nredis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\nreturn 1"
MISSING_MOVED = Control(
    "missing", "a missing version has changed", patch=_patched(entries, "judge", _missing_is_unchanged)
)
NEW_WORD = Control(
    "new word", "a missing version is made anew", without("versions(token .. '.' .. token)", "versions('1.1')")
)
SOFT_LEASE = Control(
    "soft lease", "a soft invalidation withdraws leases", without("redis.call('DEL', KEYS[i + 1])", "")
)
STAND_IN = Control("old", "a hard invalidation withdraws what stands in", _less(":old"))
SET_LEASE = Control("set", "a set withdraws loads", without("redis.call('DEL', KEYS[entry + 1], KEYS[entry + 2])", ""))
MOVED = Control("moved", "a write looks whether a tag moved", without(_MOVED, "unmoved"))
FLIGHTS = Control(
    "flights",
    "an invalidation lets nobody join older loads",
    patch=_patched(ExploredFlights, "withdraw", lambda *_: None),
)
DEBT = Control("debt", "what was not delivered is remembered", patch=_patched(Debts, "owe", lambda *_: None))
RENEWAL = Control(
    "renewal",
    "a renewal looks whether the lease is still its own",
    without(_RENEWED, _MADE_ANEW),
)
