"""Replies that are lost on the way back: does a lock know what it has, and does it leave anything behind?

A fault proxy lets a command reach the server and loses its reply; the connection is closed then, or stays silent. Drawn
for each pair of getting a lock and giving it back: whether the reply to the first command of each half is lost, and now
and then that to a second one as well. What the client says is then compared with what the server holds.
"""

import re
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import msgspec
import redis

from dousell_cache.testing.faults import FaultProxy

from ..harness import LOCKS, Process, Server
from ..tasks import Ready
from .contenders import LOST, OVER_REST
from .dead import is_ours, proxies
from .tasks import Ended, Enter, Leave

PAIRS = {"full": 1000, "quick": 60}
PEERS_PAIRS = {"full": 200, "quick": 20}
TTL = 60.0  # whatever is left behind is still there when all is done
_CLOSED, _SILENT = "lose-reply-and-close", "lose-reply-and-stall"
FAULTS = (_CLOSED, _CLOSED, _CLOSED, _SILENT)  # drawn from
PEERS_FAULTS = (_CLOSED,)  # silence costs a peer seconds each time
_LOSS, _TWICE = 0.2, 0.05
_BREAKER_SECONDS = 1.5  # for which a breaker stays open at most, and nothing can be lost


class LostRow(msgspec.Struct, frozen=True):
    """One contender.

    Args:
        contender: as the tables call it.
        face: blocking or asyncio.
        silent: whether a connection may stay open and silent, besides being closed.
        pairs: of getting a lock and giving it back.
        lost: replies that were lost.
        granted: pairs whose lock was got, or said by an exception not to be got.
        right: pairs in which the client said what is so: granted and the server has its key, released and it has not;
            or not granted and the server has none.
        wrong: what else was said, by name, with its count.
        orphans: keys left behind that keep others from a lock.
    """

    contender: str
    face: str
    silent: bool
    pairs: int
    lost: int
    granted: int
    right: int
    wrong: dict[str, int]
    orphans: int


class LostReport(msgspec.Struct, frozen=True):
    """All contenders."""

    rows: list[LostRow]


class Pair(msgspec.Struct, frozen=True):
    """What became of one pair, and how many replies it lost.

    Args:
        entered: "" or why not, as the client tells.
        left: likewise; "" if nothing was entered.
        held: whether the server had a key after entering.
        kept: whether it had one after leaving.
        lost: replies.
    """

    entered: str
    left: str
    held: bool
    kept: bool
    lost: int

    @property
    def wrong(self) -> str:
        """What the client said that is not so; "" if nothing."""
        if self.entered:
            return f"{self.entered}, key left" if self.held else ""
        if not self.held:
            return "granted, no key"
        return f"{self.left or 'released'}, {'key left' if self.kept else 'yet gone'}" if self.left or self.kept else ""


def measure_lost(where: Server, profile: str) -> LostReport:
    """Lose replies of every contender."""
    rows = []
    with proxies(where) as ways:
        for contender in LOST + OVER_REST:
            way = ways["rest" if contender in OVER_REST else "tcp"]
            faults, pairs = (FAULTS, PAIRS) if is_ours(contender) else (PEERS_FAULTS, PEERS_PAIRS)
            with Process(contender, way.url, LOCKS) as process, redis.Redis.from_url(way.server) as server:
                process.hear(Ready)
                rows.append(lose(process, way.proxy, server, faults, pairs[profile]))
    return LostReport(rows)


def lose(process: Process, proxy: FaultProxy, server: redis.Redis, faults: Sequence[str], count: int) -> LostRow:
    """Lose some of the replies to one contender's pairs, and clear away what is left on the server."""
    name, drawn = f"lost:{process.contender.place}", Random(count)  # noqa: S311 - drawn, not secret
    lossy = _Lossy(process, proxy, faults, drawn)
    pairs = [_pair(lossy, server, f"{name}:{number}.") for number in range(count)]
    orphans = _keys(server, name)
    server.delete(*orphans, *server.scan_iter(f"*{name}*"), name)  # the emulator's server is not ours alone
    return LostRow(
        process.contender.how,
        process.contender.face,
        _SILENT in faults,
        len(pairs),
        lost=sum(pair.lost for pair in pairs),
        granted=sum(not pair.entered for pair in pairs),
        right=sum(not pair.wrong for pair in pairs),
        wrong=dict(Counter(pair.wrong for pair in pairs if pair.wrong)),
        orphans=len(orphans),
    )


class _Lossy(NamedTuple):
    """A contender's process, and what loses its replies."""

    process: Process
    proxy: FaultProxy
    faults: Sequence[str]
    drawn: Random

    def half(self, step: Enter | Leave) -> tuple[str, int]:
        """Do half of a pair; return how it ended, and how many replies it lost."""
        losing = (self.drawn.random() < _LOSS) + (self.drawn.random() < _TWICE)
        before = self.proxy.commands
        if losing:
            self.proxy.inject(self.drawn.choice(self.faults), commands=losing)
        self.process.tell(step)
        ended = self.process.hear(Ended)
        self.proxy.heal()
        if self.proxy.commands == before:
            time.sleep(_BREAKER_SECONDS)
        return ended.reason, min(losing, self.proxy.commands - before)


def _pair(lossy: _Lossy, server: redis.Redis, name: str) -> Pair:
    entered, lost = lossy.half(Enter(name, TTL))
    held = bool(_keys(server, name))
    if entered:
        return Pair(entered, "", held, held, lost)
    left, also = lossy.half(Leave())
    return Pair(entered, left, held, bool(_keys(server, name)), lost + also)


def _keys(server: redis.Redis, name: str) -> list[bytes]:
    """Return the keys that keep others from a lock: not counters of fences, signs of what was given up, nor signals."""
    found = [key for key in server.scan_iter(f"*{name}*", 1000) if not re.search(rb":fence$|:gone:", key)]
    return [key for key in found if server.type(key) == b"string"]
