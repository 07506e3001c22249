"""Each guard of locks, and of the ledger behind them, switched off: what the proofs must find out."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any
from unittest import mock

from .. import locking
from ..errors import LockUnavailable
from ..hold import Hold
from ..lock_store import Busy, Granted, LockStore
from ..terms import Terms, validity
from . import lock_production
from .scenario import Control, without

_acquire, _ask = locking.acquire, LockStore.acquire


def _patched(target: Any, name: str, instead: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(target, name, instead)


async def _fails_open(hold: Hold) -> None:
    with suppress(LockUnavailable):
        await _acquire(hold)


async def _mints_apart(store: LockStore, terms: Terms, queue_ms: int, *, late: bool) -> Granted | Busy:
    answer = await _ask(store, terms, queue_ms, late=late)
    if isinstance(answer, Busy):
        return answer
    return Granted(int(await store.store.send("INCR", f"{{{lock_production.NAME}}}:fence")))  # type: ignore[arg-type]  # a number


async def _forgets_that_it_asked(hold: Hold, store: LockStore) -> bool:
    return await store.release(late=hold.late, queued=hold.queued)


def _believed(hold: Hold, sent: float, ttl_ms: int, fence: int) -> None:
    hold.since, hold.until, hold.ttl_ms, hold.fence = sent, sent + validity(ttl_ms), ttl_ms, fence or hold.fence


async def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


async def _yes(*_: object) -> bool:
    return True


async def _tells_again(hold: Hold) -> None:
    hold.ending = "lost"
    await locking._tell(hold, hold.untold[0])  # noqa: SLF001 - a guard to switch off


def _forgotten() -> property:
    return property(lambda _: False, lambda *_: None)


# What grants.
_MINE = "if holder == token then\n    if redis.call('PTTL', KEYS[1])"
_TIMED = "redis.call('SET', KEYS[1], token, 'PX', ARGV[2])"
_FREE = "if not holder then\n    local first"
_FIRST = "local first = turn or ARGV[6] == '1' and redis.call('LINDEX', KEYS[3], 0)"
_PASSED_BY = "if not turn then -- the lock ended by itself, so nobody has passed it on"
NX = Control("free", "only a free lock is granted", without(_FREE, _FREE.replace("not holder", "true")))
MINE = Control(
    "mine", "a lock that is ours is granted again", without(_MINE, _MINE.replace("holder == token", "false"))
)
ENDS = Control("ends", "a lock ends by itself", without(_TIMED, "redis.call('SET', KEYS[1], token)"))
GONE = Control("gone", "a token that was given up is granted nothing", without("if found[4] then", "if false then"))
ONCE = Control("once", "a late command makes no lost lock again", without("if ARGV[7] ~= '0' then", "if false then"))
TURNS = Control("turns", "nobody takes another's turn", without(_FIRST, _FIRST.replace("turn or ", "")))
FAIR = Control("fair", "who is fair lets those pass who wait", without(_FIRST, "local first = turn"))
PASSED_BY = Control("ended", "a lock that ended by itself is passed on", without(_PASSED_BY, "if false then"))
FAIL_OPEN = Control("fail open", "no body runs if nobody grants", patch=_patched(locking, "acquire", _fails_open))

# What mints.
_MINTS = "math.max((tonumber(last) or 0) + 1, time[1] * 1000000 + time[2])"
_ABOVE = "math.max(tonumber(redis.call('GET', KEYS[2])) or 0, tonumber(ARGV[4]))"
COUNTER = Control("counter", "a fence is never below the time", without(_MINTS, "(tonumber(last) or 0) + 1"))
CLOCK = Control("clock", "a fence is above the last one", without(_MINTS, "time[1] * 1000000 + time[2]"))
ABOVE = Control("above", "a fence is above what the ledger knows", without(_ABOVE, "redis.call('GET', KEYS[2])"))
APART = Control("apart", "a fence is minted by the grant itself", patch=_patched(LockStore, "acquire", _mints_apart))

# What keeps.
_OURS = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then\n    return false\nend"
_REMADE = "if redis.call('EXISTS', KEYS[1]) == 0 then\n    redis.call('SET', KEYS[1], ARGV[1], 'PX', 1)\nend"
_OUTWARDS = "if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then"
EXTENDS = Control("extend", "only a lock that is ours is extended", without(_OURS, ""))
REMAKES = Control("remade", "a lock that was lost is never made again", without(_OURS, f"{_REMADE}\n{_OURS}"))
OUTWARDS = Control("outwards", "an extension takes nothing back", without(_OUTWARDS, "if true then"))
HOLDS = Control("ensure", "the server is asked whose it is", patch=_patched(LockStore, "holds", _yes))
OUTRUN = Control(
    "outrun", "an extension that is outrun takes nothing back", patch=_patched(Hold, "confirmed", _believed)
)

# What gives back.
_RELEASES = "if holder == token then\n    redis.call('DEL', KEYS[1])"
_NEXT = "held\n    pass_on(KEYS[2], KEYS[3], KEYS[4], ARGV[2])"
_LEFT_TURN = "if not holder and redis.call('EXISTS', KEYS[3]) == 0 then"
_LEAVES_TURN = "if redis.call('GET', KEYS[3]) == token then"
RELEASES = Control(
    "release", "only a lock that is ours is released", without(_RELEASES, _RELEASES.replace("== token", ""))
)
NEXT = Control("next", "a release passes the lock on", without(_NEXT, "held"))
LEFT_TURN = Control("left turn", "a turn that is given up is passed on", without(_LEFT_TURN, "if false then"))
LEAVES_TURN = Control("leaves turn", "who gives up leaves its turn", without(_LEAVES_TURN, "if false then"))
LEAVES_QUEUE = Control(
    "leaves queue",
    "who gives up leaves the queue",
    without("if ARGV[4] == '1' then\n    redis.call('LREM', KEYS[2], 0, token)", "if ARGV[4] == '1' then"),
)
QUEUED = Control("queued", "who asks may be in the queue", patch=_patched(Hold, "queued", _forgotten()))
LEAVES = Control("leave", "what came to nothing is given back", patch=_patched(locking, "leave", _nothing))
ASKED = Control(
    "asked", "a release that had no reply may be over", patch=_patched(locking, "_let_go", _forgets_that_it_asked)
)
TOLD = Control("told", "who lost it is told once", patch=_patched(locking, "_lose", _tells_again))
LEAVING = Control("leaving", "what is given back is not lost", patch=_patched(Hold, "leaving", _forgotten()))

# What decides.
COMPARES = Control(
    "compare", "the ledger compares fences", patch=_patched(lock_production, "is_stale", lambda *_: False)
)
