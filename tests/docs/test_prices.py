"""The price of each operation on the reference page is what the server counts, and what the events tell."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event as Signal
from typing import TYPE_CHECKING
from uuid import uuid4

from dousell_cache import connect, connect_async
from dousell_cache.events import BreakerMoved, Event, Read, Write
from dousell_cache.explaining import Explanation
from dousell_cache.runner import run_blocking

from ..faces import Loader
from ..monitors import Monitor, watching
from .pages import REFERENCE, table

if TYPE_CHECKING:
    from ..conftest import FreeValkey, WaitUntil

LOAD = Loader(1)
FAILS = Loader(OSError("the origin is down"))


class Till:
    """Two caches, each as a process of its own would have it, and what the calls of the first cost.

    Args:
        url: the server.
        monitor: what it receives.
        until: waits for a condition.
    """

    def __init__(self, url: str, monitor: Monitor, until: "WaitUntil") -> None:
        self.url, self.until, self._monitor = url, until, monitor
        self.namespace = f"till-{uuid4().hex}:"
        self.cache = connect(url, namespace=self.namespace, patience=5, ttl=60)
        self.other = connect(url, namespace=self.namespace, patience=5, ttl=60)
        monitor.received("PING")
        self.other.ping()
        self._others = {command.client for command in monitor.received("PING")}
        self.events = list[Event]()
        self.cache.subscribe(self.events.append)

    def count(self, call: Callable[[], object]) -> int:
        """Return how many commands a call of the first cache sent: as the server says, and as the events do."""
        self._monitor.received(self.namespace)
        self.events.clear()
        answer = call()
        sent = [one.name for one in self._monitor.received(self.namespace) if one.client not in self._others]
        told = sum(event.commands for event in self.events if not isinstance(event, BreakerMoved))
        told += answer.commands if isinstance(answer, Explanation) else 0
        assert told == len(sent), sent
        return told

    def received(self, part: str) -> int:
        """Return how many commands with this part the server received since the last time."""
        return len(self._monitor.received(part))

    def stands(self, key: str) -> bool:
        """Tell whether a name is on the server; asked past both caches' namespaces."""
        return run_blocking(self.other._port.send("EXISTS", key)) == 1

    @contextmanager
    def loading(self, cache: str, key: str, **options: float) -> Iterator[Signal]:
        """Have one of the caches load a key until the signal is set, or the block ends."""
        begun, may_end = Signal(), Signal()

        def load() -> int:
            begun.set()
            assert may_end.wait(20)
            return 2

        with ThreadPoolExecutor(1) as threads:
            loaded = threads.submit(getattr(self, cache).get_or_set, key, load, **options)
            try:
                assert begun.wait(20)
                yield may_end
            finally:
                may_end.set()
                loaded.result(20)

    def outlive(self) -> None:
        """Store an entry that is past its time and within its grace."""
        self.cache.set("a", 1, ttl=0.001, grace=60)
        self.cache.get("a")  # so that this process knows of its grace
        self.until(lambda: self.cache.get("a") == 1 and self.cache.explain("a").outcome == "stale")


def stored(call: Callable[[Till], object], **options: object) -> Callable[[Till], int]:
    """Return what a call costs once there is an entry that another process stored."""

    def price(till: Till) -> int:
        till.other.set("a", 1, **options)  # type: ignore[arg-type]  # tags and options alike
        till.other.set("b", 1)
        return till.count(lambda: call(till))

    return price


def practised(call: Callable[[Till, str], object]) -> Callable[[Till], int]:
    """Return what a call costs the second time, with another key: the server knows the scripts by then."""

    def price(till: Till) -> int:
        call(till, "first")
        return till.count(lambda: call(till, "second"))

    return price


def stale(call: Callable[[Till], object]) -> Callable[[Till], int]:
    """Return what a call costs on an entry within its grace."""

    def price(till: Till) -> int:
        till.outlive()
        return till.count(lambda: call(till))

    return price


def near(till: Till) -> int:
    """Count a hit in the near cache."""
    with connect(till.url, namespace=till.namespace, patience=5, near=(10, 60.0), ttl=60) as cache:
        reads = list[Event]()
        cache.subscribe(reads.append)
        cache.set("a", 1)

        def answered_here() -> bool:
            cache.get("a")
            return isinstance(reads[-1], Read) and reads[-1].near

        till.until(answered_here)
        till.received(till.namespace)
        cache.get("a")
        assert reads[-1] == Read("a", "hit", reads[-1].seconds, 0.0, 0, near=True)  # type: ignore[union-attr]  # a Read
    return till.received(till.namespace)


def tagged_later(till: Till) -> int:
    """Count the second get of a tagged entry."""
    till.other.set("a", 1, tags=["x", "y"])
    till.cache.get("a")
    return till.count(lambda: till.cache.get("a"))


def without_scripts(till: Till) -> int:
    """Count a miss after SCRIPT FLUSH."""
    till.cache.get_or_set("first", LOAD)
    run_blocking(till.other._port.send("SCRIPT", "FLUSH"))
    return till.count(lambda: till.cache.get_or_set("second", LOAD))


def joined(till: Till) -> int:
    """Count a read that joins a load of the same process."""
    read = asyncio.run(_joined(till))
    assert till.received(till.namespace) == 3, "the load's own"
    return read.commands


async def _joined(till: Till) -> Read:
    events = list[Event]()
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def load() -> int:
        begun.set()
        await may_end.wait()
        return 2

    async with await connect_async(till.url, namespace=till.namespace, patience=5, ttl=60) as cache:
        cache.subscribe(events.append)
        leading = asyncio.create_task(cache.get_or_set("a", load))
        await begun.wait()
        joining = asyncio.create_task(cache.get_or_set("a", load))
        await asyncio.sleep(0)  # it joins in its first turn
        may_end.set()
        assert await leading == await joining == 2
    (coalesced,) = [event for event in events if isinstance(event, Read) and event.outcome == "coalesced"]
    return coalesced


def woken(till: Till) -> int:
    """Count a read that waits for another process's load."""
    with till.loading("other", "a") as may_end, ThreadPoolExecutor(1) as threads:

        def wait() -> None:
            waiting = threads.submit(till.cache.get_or_set, "a", LOAD)
            till.until(lambda: till.stands(f"{{{till.namespace}a}}:waiting"))
            may_end.set()
            assert waiting.result(20) == 2

        return till.count(wait)


def refreshed_by_another(till: Till) -> int:
    """Count a read of what another process refreshes."""
    till.outlive()
    with till.loading("other", "a", grace=60):
        return till.count(lambda: till.cache.get_or_set("a", LOAD, grace=60))


def behind(till: Till) -> None:
    """Read what is then refreshed in the background, and wait for that."""
    till.cache.get_or_set("a", LOAD, grace=60, background=True)
    till.until(lambda: any(isinstance(event, Write) for event in till.events))


def backing_off(till: Till) -> int:
    """Count a read after a refresh that failed."""
    till.outlive()
    till.cache.get_or_set("a", FAILS, grace=60)
    return till.count(lambda: till.cache.get_or_set("a", FAILS, grace=60))


def taken_and_left(till: Till, name: str) -> None:
    """Take a lock and leave it."""
    with till.cache.lock(name):
        pass


def kept(till: Till, name: str) -> None:
    """Take a lock, make sure of it, extend and leave it."""
    with till.cache.lock(name) as held:
        held.ensure()
        held.extend()


def refused(till: Till) -> int:
    """Count the asking for a lock that another process has."""
    with till.other.lock("a"):
        return till.count(lambda: till.cache.with_lock("a", lambda: None, retries=0))


def pinged(till: Till) -> int:
    """Count a ping."""
    till.received("PING")
    till.cache.ping()
    return till.received("PING")


def flushed(till: Till) -> int:
    """Count a flush of what a read left."""
    with connect(till.url, namespace=till.namespace, patience=5, ttl=60, figures=True) as recording:
        recording.get_or_set("a", LOAD)
        till.received(till.namespace)
        recording.flush()
        return till.received(till.namespace)


TAGS = ["x", "y"]
PRICES: dict[str, Callable[[Till], int]] = {
    "hit": stored(lambda till: till.cache.get_or_set("a", LOAD)),
    "hit, tags named": stored(lambda till: till.cache.get_or_set("a", LOAD, tags=TAGS), tags=TAGS),
    "hit, with grace or early refresh": stored(
        lambda till: till.cache.get_or_set("a", LOAD, grace=60, early=1, tags=TAGS), grace=60, tags=TAGS
    ),
    "hit, near": near,
    "`get` of a tagged entry, the first time": stored(lambda till: till.cache.get("a"), tags=TAGS),
    "`get` of a tagged entry, later": tagged_later,
    "`get_many`": stored(lambda till: till.cache.get_many(["a", "b", "absent"])),
    "`get_many`, when some have tags or grace": stored(lambda till: till.cache.get_many(["a", "b"]), tags=TAGS),
    "miss": practised(lambda till, key: till.cache.get_or_set(key, LOAD)),
    "miss, with tags": practised(lambda till, key: till.cache.get_or_set(key, LOAD, tags=[*TAGS, key])),
    "miss, the first in a process": lambda till: till.count(lambda: till.cache.get_or_set("a", LOAD)),
    "miss, after the server lost its scripts": without_scripts,
    "joined a load in this process": joined,
    "waited for another process, woken within 1 s": woken,
    "stale, another refreshes": refreshed_by_another,
    "stale, refreshed in the background": stale(behind),
    "stale, the origin fails": stale(lambda till: till.cache.get_or_set("a", FAILS, grace=60)),
    "stale, in the back-off": backing_off,
    "`refresh`": stored(lambda till: till.cache.refresh("a", LOAD)),
    "`set`": stored(lambda till: till.cache.set("a", 2, tags=TAGS)),
    "`set_many`": stored(lambda till: till.cache.set_many(dict.fromkeys("abcdefgh", 2), tags=TAGS)),
    "`warm`, 2 of 4 missing": practised(lambda till, key: till.cache.warm(_warmed(till, key))),
    "`invalidate`, keys": stored(lambda till: till.cache.invalidate("a", "b", "absent")),
    "`invalidate`, softly": stored(lambda till: till.cache.invalidate("a", "b", soft=True)),
    "`invalidate_tags`": stored(lambda till: till.cache.invalidate_tags(*TAGS), tags=TAGS),
    "`invalidate_prefix`, of up to 1,000 names on the server": stored(lambda till: till.cache.invalidate_prefix("a")),
    "`explain` of an entry without tags": stored(lambda till: till.cache.explain("a")),
    "`ping`": pinged,
    "`flush`, once in 10 s by itself": flushed,
    "a lock, taken and left": practised(taken_and_left),
    "a lock, taken, made sure of, extended and left": practised(kept),
    "a lock that is another's": refused,
}


def _warmed(till: Till, key: str) -> dict[str, Callable[[], object]]:
    till.other.set_many({f"{key} a": 1, f"{key} b": 1})
    return dict.fromkeys([f"{key} {letter}" for letter in "abcd"], LOAD)


def test_every_price_is_what_the_server_counts(free_valkey: "FreeValkey", wait_until: "WaitUntil") -> None:
    """Each row of the price table costs the commands it says, by the server's own count, and no row is missing."""
    counted = {}
    with watching(free_valkey.url) as monitor:
        for operation, price in PRICES.items():
            till = Till(free_valkey.url, monitor, wait_until)
            counted[operation] = price(till)
            till.cache.close()
            till.other.close()
    rows = table(REFERENCE, "What each operation costs in commands")
    assert counted == {operation: int(commands) for operation, commands, _ in rows}
