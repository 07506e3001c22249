"""A lock server that is dead: how soon a caller knows that there is no lock, and that its body never ran.

A fault proxy stands before a server that is well. Each first call is a new client's, which got and gave back a lock
before the fault began; the calls after it are its own, so what its breaker saves shows.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import numpy as np

from dousell_cache import local
from dousell_cache.measure.stats import Interval, percentile
from dousell_cache.testing.faults import FaultProxy, HttpFaultProxy

from ..contenders import Contender
from ..harness import LOCKS, BenchmarkFailed, Process, Server
from ..tasks import Ready
from .contenders import DEAD, OVER_REST
from .tasks import Tried, Try

TIMED = ("refuse", "silence")
ON_THE_WAY = (*TIMED, "reset", "reset-mid-reply", "garbage", "drip", "lose-reply-and-close", "lose-reply-and-stall")
OTHERS = {
    FaultProxy: (*ON_THE_WAY, "LOADING", "READONLY", "NOAUTH", "OOM", "MISCONF"),
    HttpFaultProxy: (*ON_THE_WAY, "401", "429", "500", "html", "truncated-json"),
}
FIRST_CALLS = {"full": 20, "quick": 3}
PEERS_FIRST_CALLS = {"full": 2, "quick": 1}  # a silent server costs a peer seconds
LATER_CALLS = {"full": 300, "quick": 50}
TRIES = {"full": 100, "quick": 15}  # of each fault, to see that no body runs
_PAUSE = 0.001
_DRIP = 0.1  # seconds a byte: no reply is whole within patience


class Way(NamedTuple):
    """A way to a server that a fault proxy stands in: the proxy, the URL by which contenders go, the server behind."""

    proxy: FaultProxy
    url: str
    server: str


class DeadRow(msgspec.Struct, frozen=True):
    """One contender under one fault.

    Args:
        contender: as the tables call it.
        face: blocking or asyncio.
        fault: what its server suffers.
        first_ms: of a client's first call; the median.
        worst_ms: likewise, the longest.
        later_ms: the median of the calls after it; None where they were not made.
        later_p99_ms: likewise, the 99th percentile.
        ending: what most first calls ended with.
        tries: all calls under this fault.
        bodies: how many of them ran the body.
    """

    contender: str
    face: str
    fault: str
    first_ms: float
    worst_ms: float
    later_ms: Interval | None
    later_p99_ms: Interval | None
    ending: str
    tries: int
    bodies: int


class DeadReport(msgspec.Struct, frozen=True):
    """Every contender under the faults that are timed, and this package's tries under all of them.

    Args:
        rows: under a fault that is timed.
        tries: of this package's locks, by fault, all ways and faces together.
        bodies: how many of those ran the body.
    """

    rows: list[DeadRow]
    tries: dict[str, int]
    bodies: int


def measure_dead(where: Server, profile: str) -> DeadReport:
    """Let the server before each contender die."""
    rows, tries, bodies = list[DeadRow](), Counter[str](), 0
    with proxies(where) as ways:
        for contender in DEAD + OVER_REST:
            proxy, url, _ = ways["rest" if contender in OVER_REST else "tcp"]
            with Process(contender, url, LOCKS) as process:
                process.hear(Ready)
                rows += [suffer(process, proxy, fault, profile) for fault in TIMED]
                for fault in OTHERS[type(proxy)] if is_ours(contender) else ():
                    tried = _suffered(process, proxy, fault, TRIES[profile])
                    tries[fault] += len(tried.seconds)
                    bodies += tried.bodies
    return DeadReport(rows, dict(tries), bodies)


@contextmanager
def proxies(where: Server) -> Iterator[dict[str, Way]]:
    """Give a way over TCP to the server, and one over REST, through Upstash's emulator."""
    with (
        local.cloud(cache_latency=None, origin_latency=None) as cloud,
        FaultProxy(where.url) as tcp,
        HttpFaultProxy(cloud.upstash_url) as http,
    ):
        through = http.url.replace("http://", f"http://:{cloud.upstash_token}@")
        yield {"tcp": Way(tcp, tcp.url, where.url), "rest": Way(http, through, cloud.valkey_url)}


def suffer(process: Process, proxy: FaultProxy, fault: str, profile: str) -> DeadRow:
    """Let one contender meet one fault, again and again, each time as a new client."""
    ours = is_ours(process.contender)
    firsts = (FIRST_CALLS if ours else PEERS_FIRST_CALLS)[profile]
    first = [_suffered(process, proxy, fault, 1) for _ in range(firsts)]
    later = _suffered(process, proxy, fault, 1 + LATER_CALLS[profile]) if ours else Tried([], [], 0)
    first_ms = np.array([tried.seconds[0] for tried in first]) * 1000
    later_ms = np.array(later.seconds[1:]) * 1000
    return DeadRow(
        process.contender.how,
        process.contender.face,
        fault,
        first_ms=float(np.median(first_ms)),
        worst_ms=float(first_ms.max()),
        later_ms=percentile(later_ms, 50) if ours else None,
        later_p99_ms=percentile(later_ms, 99) if ours else None,
        ending=Counter(tried.endings[0] for tried in first).most_common(1)[0][0],
        tries=sum(len(tried.seconds) for tried in [*first, later]),
        bodies=sum(tried.bodies for tried in [*first, later]),
    )


def _suffered(process: Process, proxy: FaultProxy, fault: str, count: int) -> Tried:
    """Return what became of a new client's tries under a fault, after it had a lock."""
    name = f"dead:{process.contender.place}"
    proxy.heal()
    process.tell(Try(name, 1, anew=True))
    if process.hear(Tried).bodies != 1:
        message = f"{process.contender.place} got no lock of a server that is well"
        raise BenchmarkFailed(message)
    proxy.inject(fault, seconds=_DRIP)
    process.tell(Try(name, count, pause=_PAUSE))
    return process.hear(Tried)


def is_ours(contender: Contender) -> bool:
    """Whether a contender is this package's."""
    return contender.place.startswith("ours:")
