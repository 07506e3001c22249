"""Promise 6, by the server's own count: what each operation costs, over TCP and over REST, from either face."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest

from dousell_cache import connect
from dousell_cache.entries import Entry, encode
from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.events import Invalidation, Read
from dousell_cache.keys import Names
from dousell_cache.local import Cloud
from dousell_cache.reads import DirectReads
from dousell_cache.runner import run_blocking
from dousell_cache.store import Lease, Server, Store
from dousell_cache.transport.tcp import BlockingTcp

from .faces import FACES, Face, Loader, open_face
from .monitors import Monitor, Received, most_in_a_second, watching
from .servers import self_signed

if TYPE_CHECKING:
    from .conftest import FreeValkey

EIGHT = [f"t{number}" for number in range(8)]


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


class Way(NamedTuple):
    """A way to a server, and the server's own address."""

    target: Environment
    url: str


@pytest.fixture(params=["tcp", "rest"])
def way(request: pytest.FixtureRequest) -> Way:
    """Both ways; TCP leads to a server that has never seen anything."""
    if request.param == "tcp":
        server: FreeValkey = request.getfixturevalue("free_valkey")
        return Way(from_url(server.url), server.url)
    cloud: Cloud = request.getfixturevalue("cloud")
    return Way(rest(cloud.upstash_url, cloud.upstash_token), cloud.valkey_url)


@pytest.fixture
def monitor(way: Way) -> Iterator[Monitor]:
    """What the server receives."""
    with watching(way.url) as watched:
        yield watched


@pytest.fixture(params=FACES)
async def face(request: pytest.FixtureRequest, way: Way) -> AsyncIterator[Face]:
    """Either face."""
    opened = await open_face(request.param, way.target)
    yield opened
    await opened.close()


Cost = Callable[[Awaitable[Any]], Awaitable[int]]


@pytest.fixture
def cost(face: Face, monitor: Monitor) -> Cost:
    """A function that counts what the server received during a call, and holds the call's own count against it."""
    events = face.record()

    async def count(call: Awaitable[Any]) -> int:
        await call
        names = await asyncio.to_thread(monitor.names, face.cache.namespace)
        assert sum(event.commands for event in events if hasattr(event, "commands")) == len(names), names
        assert not {"SCAN", "KEYS"} & set(names)
        events.clear()
        return len(names)

    return count


async def test_the_published_prices(face: Face, cost: Cost) -> None:
    """A miss costs 3 at most, on a server that knows no script and no tag; a hit, a write, a withdrawal 1 each."""
    load = Loader("x")
    assert await cost(face.get_or_set("first", load, ttl=60)) == 3
    assert await cost(face.get_or_set("first", load, ttl=60)) == 1
    assert await cost(face.get_or_set("tagged", load, ttl=60, tags=EIGHT)) == 3, "tags that nobody has seen"
    assert await cost(face.get_or_set("tagged", load, ttl=60, tags=EIGHT)) == 1
    assert await cost(face.get_or_set("kept", load, ttl=60, grace=60, early=1.0)) == 3
    assert await cost(face.get_or_set("kept", load, ttl=60, grace=60, early=1.0)) == 1
    assert await cost(face.get("first")) == 1
    assert await cost(face.get("absent")) == 1
    assert await cost(face.get("tagged")) == 2, "who does not name its tags learns them"
    assert await cost(face.get("tagged")) == 1
    assert await cost(face.set("a", 1, ttl=60)) == 1
    assert await cost(face.set("a", 1, ttl=60, tags=[*EIGHT, "never seen"])) == 1
    assert await cost(face.set_many(dict.fromkeys("abcdefgh", 1), ttl=60)) == 1
    assert await cost(face.set_many(dict.fromkeys("abcdefgh", 1), ttl=60, tags=["new"])) == 1
    assert await cost(face.get_many(["first", "absent", "kept too"])) == 1
    assert await cost(face.get_many(list("abcdefgh"))) == 2, "they have tags"
    assert await cost(face.refresh("first", load, ttl=60)) == 2
    assert await cost(face.invalidate(*(f"k{number}" for number in range(100)))) == 1
    assert await cost(face.invalidate("first", "kept", soft=True)) == 1
    assert await cost(face.delete("a")) == 1
    assert load.calls == 4


async def test_a_tag_costs_one_command_whatever_its_size(face: Face, cost: Cost) -> None:
    """A tag that two thousand entries carry is withdrawn by one command, and so are eight."""
    values = {f"k{number}": number for number in range(2000)}
    assert await cost(face.set_many(values, ttl=60, tags=EIGHT)) == 1
    assert await cost(face.invalidate_tags(EIGHT[0], soft=True)) == 1
    assert await cost(face.invalidate_tags(*EIGHT)) == 1
    assert await face.get_many(values) == {}


async def test_only_a_prefix_scans(face: Face, monitor: Monitor) -> None:
    """invalidate_prefix SCANs, and says what that cost; KEYS is sent by nobody."""
    await face.set_many({f"search:{number}": 1 for number in range(30)}, ttl=60)
    events = face.record()
    monitor.names(face.cache.namespace)
    assert await face.invalidate_prefix("search:") == 30
    names = monitor.names(face.cache.namespace)
    assert set(names) == {"SCAN", "DEL"}
    (event,) = events
    assert isinstance(event, Invalidation)
    assert event.commands == len(names)


async def test_the_reads_of_one_turn_are_one_command(way: Way, monitor: Monitor) -> None:
    """Thirty tasks that read ten keys in one turn of the loop cost one command, over REST one billed request."""
    face = await open_face("asyncio", way.target)
    await face.set_many({f"k{number}": number for number in range(10)}, ttl=60)
    monitor.names(face.cache.namespace)
    values = await asyncio.gather(*(face.get(f"k{number % 10}") for number in range(30)))
    assert values == [number % 10 for number in range(30)]
    assert monitor.names(face.cache.namespace) == ["MGET"]
    await face.close()


def wait_for(way: Way, seconds: float) -> tuple[list[float], Read]:
    """Let one process load for so long and another wait for it; return when the other sent what, and what it says."""
    namespace = f"test-{uuid4().hex}:"
    loading, may_end = threading.Event(), threading.Event()

    def load() -> str:
        loading.set()
        assert may_end.wait(20)
        return "loaded"

    with (
        watching(way.url) as monitor,
        connect(way.url, namespace=namespace, patience=5, ttl=60) as leader,
        connect(way.target, namespace=namespace, patience=5, ttl=60) as waiter,
        ThreadPoolExecutor(2) as threads,
    ):
        events = list[Read]()
        waiter.subscribe(events.append)  # type: ignore[arg-type]  # it only reads
        leading = threads.submit(leader.get_or_set, "a", load)
        assert loading.wait(20)
        leaders = {command.client for command in monitor.received(namespace)}
        began = time.monotonic()
        waiting = threads.submit(waiter.get_or_set, "a", lambda: "own")
        threading.Event().wait(max(0, seconds - (time.monotonic() - began)))
        may_end.set()
        assert leading.result(20) == waiting.result(20) == "loaded"
        sent = [command.at for command in monitor.received(namespace) if command.client not in leaders]
    (event,) = events
    return sent, event


def test_a_waiter_sends_five_commands_a_second_at_most(way: Way) -> None:
    """Who waits for another process's load sends five commands in any second at most, first and last included."""
    with ThreadPoolExecutor(3) as threads:
        for sent, event in threads.map(lambda seconds: wait_for(way, seconds), (0.05, 0.9, 1.7)):
            assert most_in_a_second(sent) <= 5
            assert (event.outcome, event.commands) == ("coalesced", len(sent))


def wait_for_a_dead_one(way: Way) -> list[float]:
    """Let a process wait for a load whose holder died, and then for one that took it over; return when it sent what."""
    namespace = f"test-{uuid4().hex}:"
    of = Names(namespace)
    server = BlockingTcp(way.url, patience=5)
    store = Store(Server(server, of, DirectReads(server), server.send_within, server.send_within))
    with (
        watching(way.url) as monitor,
        connect(way.target, namespace=namespace, patience=5, ttl=60) as waiter,
        ThreadPoolExecutor(1) as threads,
    ):
        waiter.ping()
        run_blocking(server.send("SET", of.lease("a"), "dead", "PX", 450))
        began = time.monotonic()
        waiting = threads.submit(waiter.get_or_set, "a", lambda: "own")
        first = list[Received]()
        while not any(command.name.upper().startswith("EVAL") for command in first):
            first += monitor.received(namespace)
        run_blocking(server.send("SET", of.lease("a"), "next", "PX", 3000))  # as if it had expired and been taken over
        threading.Event().wait(max(0, 0.9 - (time.monotonic() - began)))
        stored = encode(Entry("loaded", 1.0, id=uuid4().hex))
        assert run_blocking(store.settle(Lease("a", "next", {}, None), "store", 60_000, stored))
        assert waiting.result(20) == "loaded"
        ours = {command.client for command in first if command.name.upper() == "SET"}
        sent = [command.at for command in (*first, *monitor.received(namespace)) if command.client not in ours]
    server.close()
    return sent


def test_a_waiter_of_a_killed_load_sends_no_more(way: Way) -> None:
    """Nor does one that waits for a load that died, and then for the one that took its place."""
    assert most_in_a_second(wait_for_a_dead_one(way)) <= 5
