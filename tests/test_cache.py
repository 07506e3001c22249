"""Cache and AsyncCache as their users meet them: over TCP, over REST and embedded, blocking and asyncio."""

import asyncio
import gc
import inspect
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dousell_cache import (
    MISSING,
    AsyncCache,
    Cache,
    CacheUnavailable,
    ConfigurationError,
    EncodingError,
    connect,
    connect_async,
)
from dousell_cache.entries import encode
from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.events import Counters, Event, Invalidation, Read, Write
from dousell_cache.local import Cloud
from dousell_cache.transport.connect import Place
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .servers import listening, self_signed

if TYPE_CHECKING:
    from .conftest import FreeValkey

FACES = ["blocking", "asyncio"]
WAYS = ["tcp", "rest", "embedded"]


class Face:
    """Either face, awaited: so that one test speaks to both."""

    def __init__(self, cache: Cache | AsyncCache) -> None:
        self.cache = cache

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.cache, name)

        async def call(*args: Any, **options: Any) -> Any:
            answer = method(*args, **options)
            return await answer if inspect.isawaitable(answer) else answer

        return call

    def counters(self) -> Counters:
        """Return the cache's counters."""
        return self.cache.counters()

    def record(self) -> list[Event]:
        """Return a list that events are added to from now on."""
        events = list[Event]()
        self.cache.subscribe(events.append)
        return events

    async def send(self, *command: Any) -> Any:
        """Send a command past the cache, as another program would."""
        return await self.cache._port.send(*command)


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


async def open_face(face: str, target: str | Environment, patience: float = 5) -> Face:
    """Connect one face, under a namespace of its own."""
    namespace = f"test-{uuid4().hex}:"
    if face == "blocking":
        return Face(await asyncio.to_thread(connect, target, namespace=namespace, patience=patience))
    return Face(await connect_async(target, namespace=namespace, patience=patience))


@pytest.fixture(params=FACES)
async def nowhere(request: pytest.FixtureRequest) -> Face:
    """Both faces in degraded mode: no cache at all."""
    place = Place(Environment("local", "none"))
    return Face(Cache(BlockingNowhere(), place) if request.param == "blocking" else AsyncCache(AsyncNowhere(), place))


@pytest.fixture(params=[(way, face) for way in WAYS for face in FACES], ids="-".join)
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Face]:
    """Both faces over each way to a real server."""
    way, face = request.param
    target: str | Environment = "embedded"
    if way == "tcp":
        target = request.getfixturevalue("valkey_url")
    if way == "rest":
        cloud: Cloud = request.getfixturevalue("cloud")
        target = rest(cloud.upstash_url, cloud.upstash_token)
    opened = await open_face(face, target)
    yield opened
    await opened.close()


@pytest.fixture(params=FACES)
async def mortal(request: pytest.FixtureRequest, free_valkey: "FreeValkey") -> AsyncIterator[Face]:
    """Both faces on a Valkey that the test may kill."""
    opened = await open_face(request.param, free_valkey.url, patience=0.2)
    yield opened
    await opened.close()


@pytest.fixture(params=FACES)
async def tcp(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Face]:
    """Both faces over TCP alone."""
    opened = await open_face(request.param, valkey_url)
    yield opened
    await opened.close()


class Loader:
    """A loader that counts its calls and returns a value, or raises it."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> object:
        """Load once more."""
        self.calls += 1
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


@dataclass
class Visit:
    """A row with a date."""

    id: int
    day: date


# --- reads


async def test_a_miss_then_a_hit(cache: Face) -> None:
    """The first read calls the loader and stores, the second does not call it, and both give the value."""
    loader = Loader([{"id": 7, "city": "Thiès"}])
    events = cache.record()
    for _ in range(2):
        assert await cache.get_or_set("list:all", loader, ttl=60) == [{"id": 7, "city": "Thiès"}]
    assert loader.calls == 1
    assert [(e.key, e.outcome, e.commands) for e in events if isinstance(e, Read)] == [
        ("list:all", "miss", 2),
        ("list:all", "hit", 1),
    ]
    assert cache.counters() == Counters(
        hits=1, misses=1, commands=3, families={"list": Counters(hits=1, misses=1, commands=3)}
    )


async def test_every_value_is_a_value(cache: Face) -> None:
    """None and the other empty values are stored, found again as they were, and differ from MISSING."""
    values: list[object] = [None, 0, "", [], {}, False, "123", "OK", "null", "à\x00\n🏠"]
    for value in values:
        loader, key = Loader(value), f"v:{value!r}"
        assert await cache.get(key) is MISSING
        for read in (
            await cache.get_or_set(key, loader, ttl=60),
            await cache.get_or_set(key, loader, ttl=60),
            await cache.get(key),
        ):
            assert (read, type(read)) == (value, type(value))
            assert read is not MISSING
        assert loader.calls == 1
        assert await cache.delete(key) is True
        assert await cache.set(key, value, ttl=60) is True
        assert await cache.get(key) == value


async def test_a_miss_returns_what_a_hit_returns(cache: Face) -> None:
    """Code that works on a miss works on a hit: the loader's own caller sees the value as it is stored, too."""
    for number, (value, seen) in enumerate(
        [
            ((1, 2), [1, 2]),
            (date(2025, 1, 2), "2025-01-02"),
            (Visit(1, date(2025, 1, 2)), {"id": 1, "day": "2025-01-02"}),
            ({1: {2, 3}}, {"1": [2, 3]}),
            (b"x", "eA=="),
        ]
    ):
        for _ in range(2):
            assert await cache.get_or_set(f"v{number}", Loader(value), ttl=60) == seen
        assert await cache.get(f"v{number}") == seen
    assert (cache.counters().misses, cache.counters().hits) == (5, 10)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ((1, 2), tuple[int, int]),
        (date(2025, 1, 2), date),
        ([Visit(1, date(2025, 1, 2))], list[Visit]),
        (None, Visit | None),
    ],
)
async def test_a_type_brings_the_value_back(tcp: Face, value: object, type_: Any) -> None:
    """With type=, a miss and a hit both give the very type."""
    loader = Loader(value)
    for _ in range(2):
        assert await tcp.get_or_set("a", loader, ttl=60, type=type_) == value
    assert await tcp.get("a", type=type_) == value
    assert loader.calls == 1


async def test_the_loaders_object_is_not_shared(tcp: Face) -> None:
    """Changing what a read returned changes nobody else's value, neither the loader's nor the cache's."""
    rows = [1, 2]
    (await tcp.get_or_set("a", lambda: rows, ttl=60)).append(3)
    assert rows == [1, 2]
    assert await tcp.get("a") == [1, 2]


async def test_a_foreign_entry_is_one_miss(cache: Face) -> None:
    """What another program left under a key counts as one miss, is replaced, and then read as a hit."""
    for name, content in [("SET", "plain text"), ("SET", '{"value": 1}'), ("SET", "été 🏠"), ("LPUSH", "a list")]:
        before = cache.counters()
        await cache.delete("a")
        await cache.send(name, f"{cache.cache.namespace}a", content)
        assert await cache.get("a") is MISSING
        for _ in range(2):
            assert await cache.get_or_set("a", Loader("x"), ttl=60) == "x"
        after = cache.counters()
        assert (after.misses - before.misses, after.hits - before.hits, after.bypasses) == (2, 1, 0)


async def test_binary_rubbish_is_one_miss_over_every_way(cache: Face, valkey_url: str, cloud: Cloud) -> None:
    """Bytes that are no text, which HTTP cannot even carry, are a miss like any other foreign entry."""
    url = cloud.valkey_url if cache.cache.environment.kind == "rest" else valkey_url
    if cache.cache.environment.kind == "embedded":
        url = cache.cache.environment.url
    raw = AsyncTcp(url, patience=5)
    await raw.send("SET", f"{cache.cache.namespace}a", b"\xff\xfe\x80pickle", "PX", 60_000)
    await raw.close()
    for _ in range(2):
        assert await cache.get_or_set("a", Loader("x"), ttl=60) == "x"
    assert (cache.counters().misses, cache.counters().hits, cache.counters().bypasses) == (1, 1, 0)


async def test_an_entry_of_another_type_is_one_miss(tcp: Face) -> None:
    """After a deployment that changed a type, an old entry is loaded anew once."""
    await tcp.set("a", {"id": 1}, ttl=60)
    loader = Loader(Visit(1, date(2025, 1, 2)))
    for _ in range(2):
        assert await tcp.get_or_set("a", loader, ttl=60, type=Visit) == loader.value
    assert (loader.calls, tcp.counters().misses, tcp.counters().hits) == (1, 1, 1)


@pytest.mark.parametrize("error", [ZeroDivisionError("origin"), KeyError("x"), KeyboardInterrupt()])
async def test_the_loaders_exception_is_the_callers(tcp: Face, error: BaseException) -> None:
    """What the loader raises passes through unchanged, the very object; nothing is stored."""
    for number in (1, 2):
        with pytest.raises(type(error)) as caught:
            await tcp.get_or_set("a", Loader(error), ttl=60)
        assert caught.value is error
        assert tcp.counters().errors == number
    assert await tcp.get("a") is MISSING


@pytest.mark.parametrize(("value", "type_"), [(object(), Any), ("text", int)])
async def test_a_value_that_cannot_be_stored_is_the_callers_error(tcp: Face, value: object, type_: Any) -> None:
    """A value without a JSON form, or not of its type, is an EncodingError on the first read, not on a later one."""
    with pytest.raises(EncodingError):
        await tcp.get_or_set("a", Loader(value), ttl=60, type=type_)
    assert (tcp.counters().errors, await tcp.get("a")) == (1, MISSING)


# --- arguments


@pytest.mark.parametrize(
    ("method", "args", "options"),
    [
        ("get_or_set", ("", Loader(1)), {"ttl": 60}),
        ("get_or_set", (None, Loader(1)), {"ttl": 60}),
        ("get_or_set", ("a\ud800", Loader(1)), {"ttl": 60}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 0}),
        ("get_or_set", ("a", Loader(1)), {"ttl": "60"}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "type": 123}),
        ("get", ("",), {}),
        ("get", ("a",), {"type": "Visit"}),
        ("set", ("", 1), {"ttl": 60}),
        ("set", ("a", 1), {"ttl": -1}),
        ("set", ("a", 1), {"ttl": timedelta(0)}),
        ("delete", ("",), {}),
        ("invalidate", ("a", ""), {}),
        ("invalidate", (["a", "b"],), {}),
    ],
)
async def test_arguments_that_make_no_sense(
    tcp: Face, method: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """A wrong key, ttl or type is a ValueError before anything is sent, loaded or counted."""
    events = tcp.record()
    with pytest.raises(ValueError, match=r"key|ttl|type"):
        await getattr(tcp, method)(*args, **options)
    assert (tcp.counters(), events) == (Counters(), [])
    assert [arg.calls for arg in args if isinstance(arg, Loader)] in ([], [0])


async def test_the_server_expires_entries(cache: Face) -> None:
    """Seconds and timedeltas become the server's own expiry, for a set as for a miss."""
    for ttl, most in [(60, 60_000), (timedelta(hours=1), 3_600_000), (7.5, 7_500)]:
        await cache.delete("a")
        await cache.get_or_set("a", Loader(1), ttl=ttl)
        await cache.set("b", 1, ttl=ttl)
        for key in ("a", "b"):
            remaining = await cache.send("PTTL", f"{cache.cache.namespace}{key}")
            assert most - 5_000 < remaining <= most


async def test_the_namespace_stands_before_every_key(cache: Face) -> None:
    """A key on the server is the namespace and the key, plain, so that other programs can read it."""
    await cache.set("a", 1, ttl=60)
    assert await cache.send("EXISTS", f"{cache.cache.namespace}a", "a") == 1


# --- withdrawals


async def test_invalidate_withdraws_all_keys_at_once(cache: Face) -> None:
    """Any number of keys go in one command; the answer is how many were there."""
    for key in ("a", "b", "c"):
        await cache.set(key, 1, ttl=60)
    events = cache.record()
    assert await cache.invalidate("a", "b", "absent") == 2
    (event,) = events
    assert isinstance(event, Invalidation)
    assert (event.keys, event.delivered, event.commands) == (("a", "b", "absent"), True, 1)
    assert [await cache.get(key) for key in ("a", "b", "c")] == [MISSING, MISSING, 1]


async def test_delete_says_whether_it_was_there(cache: Face) -> None:
    """Deleting a key says whether there was one."""
    await cache.set("a", None, ttl=60)
    assert (await cache.delete("a"), await cache.delete("a")) == (True, False)


async def test_invalidating_nothing_sends_nothing(tcp: Face) -> None:
    """Without keys nothing is sent: a DEL without keys would be an error."""
    assert await tcp.invalidate() == 0
    assert tcp.counters() == Counters()


# --- what is seen from outside


async def test_one_event_for_each_call(cache: Face) -> None:
    """Each call tells one event, frozen, of its own kind, with the commands it cost."""
    events = cache.record()
    await cache.get("a")
    await cache.get_or_set("a", Loader(1), ttl=60)
    await cache.get("a")
    with pytest.raises(ZeroDivisionError):
        await cache.get_or_set("b", Loader(ZeroDivisionError()), ttl=60)
    await cache.set("b", 1, ttl=60)
    await cache.invalidate("a", "b")
    await cache.ping()
    told = [(type(event), getattr(event, "outcome", None), event.commands) for event in events]
    assert told == [
        (Read, "miss", 1),
        (Read, "miss", 2),
        (Read, "hit", 1),
        (Read, "error", 1),
        (Write, None, 1),
        (Invalidation, None, 1),
    ]
    assert all(event.seconds >= 0 for event in events)


async def test_an_observer_that_raises_harms_nothing(tcp: Face, caplog: pytest.LogCaptureFixture) -> None:
    """A broken observer costs a log line, not a read; once unsubscribed it is not called again."""

    def broken(event: Event) -> None:
        raise ValueError(event)

    unsubscribe = tcp.cache.subscribe(broken)
    assert await tcp.get_or_set("a", Loader(1), ttl=60) == 1
    assert len(caplog.records) == 1
    unsubscribe()
    assert await tcp.get_or_set("a", Loader(1), ttl=60) == 1
    assert len(caplog.records) == 1
    assert (tcp.counters().misses, tcp.counters().hits) == (1, 1)


async def test_families_have_counters_of_their_own(tcp: Face) -> None:
    """What stands before the first colon is counted apart."""
    for key in ("detail:1", "detail:1", "search:Dakar:3", "all"):
        await tcp.get_or_set(key, Loader(1), ttl=60)
    assert tcp.counters().families == {
        "detail": Counters(hits=1, misses=1, commands=3),
        "search": Counters(misses=1, commands=2),
        "all": Counters(misses=1, commands=2),
    }


@pytest.mark.parametrize("face", FACES)
async def test_the_server_counts_the_same_commands(face: str, free_valkey: "FreeValkey") -> None:
    """The published price is the true one: what each operation reports is what the server itself received."""
    opened = await open_face(face, free_valkey.url)
    await opened.ping()
    events = opened.record()

    async def cost(call: Callable[[], Awaitable[Any]]) -> dict[str, int]:
        await opened.send("CONFIG", "RESETSTAT")
        await call()
        lines = (await opened.send("INFO", "commandstats")).decode().split("\r\n")
        counts = {
            line.split(":")[0][8:]: int(line.split("calls=")[1].split(",")[0]) for line in lines if "calls=" in line
        }
        del counts["config|resetstat"]
        assert events.pop().commands == sum(counts.values())
        return counts

    load = Loader("x")
    assert await cost(lambda: opened.get("a")) == {"get": 1}
    assert await cost(lambda: opened.get_or_set("a", load, ttl=60)) == {"get": 1, "set": 1}
    assert await cost(lambda: opened.get_or_set("a", load, ttl=60)) == {"get": 1}
    assert await cost(lambda: opened.set("b", 1, ttl=60)) == {"set": 1}
    assert await cost(lambda: opened.invalidate("a", "b", "c")) == {"del": 1}
    assert await cost(lambda: opened.delete("a")) == {"del": 1}
    await opened.close()


async def test_connecting_costs_no_extra_command(free_valkey: "FreeValkey") -> None:
    """A new connection sends the call's own command and nothing before it: no HELLO, no CLIENT SETINFO."""
    admin = await open_face("blocking", free_valkey.url)
    await admin.send("CONFIG", "RESETSTAT")
    for face in FACES:
        opened = await open_face(face, free_valkey.url)
        await opened.get("a")
        await opened.close()
    stats = await admin.send("INFO", "commandstats")
    assert sorted(line.split(b":")[0] for line in stats.split(b"\r\n") if b"calls=" in line) == [
        b"cmdstat_config|resetstat",
        b"cmdstat_get",
    ]
    assert b"cmdstat_get:calls=2," in stats
    await admin.close()


# --- when the cache is not well


@pytest.mark.parametrize("ailment", ["kill", "pause"])
async def test_a_dead_server_never_stops_a_read(mortal: Face, free_valkey: "FreeValkey", ailment: str) -> None:
    """Killed or frozen: reads go to the loader, a set is not taken, an invalidation is refused, all of it is told."""
    await mortal.set("a", "old", ttl=60)
    getattr(free_valkey, ailment)()
    events, loader = mortal.record(), Loader("new")
    assert await mortal.get_or_set("a", loader, ttl=60) == "new"
    assert await mortal.get("a") is MISSING
    assert await mortal.set("a", "x", ttl=60) is False
    for withdraw in (mortal.invalidate, mortal.delete):
        with pytest.raises(CacheUnavailable):
            await withdraw("a")
    with pytest.raises(CacheUnavailable):
        await mortal.ping()
    told = [getattr(e, "outcome", getattr(e, "stored", getattr(e, "delivered", None))) for e in events]
    assert told == ["bypass", "bypass", False, False, False]
    assert [event.commands for event in events] == [1, 1, 1, 1, 1], "nothing is sent twice"
    assert loader.calls == 1
    if ailment == "pause":
        free_valkey.resume()


async def test_a_dead_server_does_not_hide_the_loaders_exception(mortal: Face, free_valkey: "FreeValkey") -> None:
    """With the cache down, the origin's own failure is what the caller sees."""
    free_valkey.kill()
    error = ZeroDivisionError("origin")
    with pytest.raises(ZeroDivisionError) as caught:
        await mortal.get_or_set("a", Loader(error), ttl=60)
    assert caught.value is error
    assert mortal.counters().errors == 1


async def test_a_restarted_server_serves_again(mortal: Face, free_valkey: "FreeValkey") -> None:
    """Connections to the former server are replaced without an error after the first."""
    await mortal.set("a", 1, ttl=60)
    free_valkey.kill()
    assert await mortal.get("a") is MISSING
    free_valkey.restart()
    assert await mortal.get_or_set("a", Loader(2), ttl=60) == 2
    assert await mortal.get("a") == 2


async def test_a_late_reply_is_nobody_elses(mortal: Face, free_valkey: "FreeValkey") -> None:
    """A reply that came after its reader had given up is not taken for the answer to the next command."""
    for key in ("a", "b"):
        await mortal.set(key, key, ttl=60)
    free_valkey.pause()
    assert await mortal.get("a") is MISSING
    free_valkey.resume()
    assert await mortal.get("b") == "b"
    assert await mortal.get("a") == "a"


async def test_a_cancelled_read_leaves_no_reply_behind() -> None:
    """A task cancelled while it waits for the server does not leave its reply to the next reader."""
    asked, may_answer = threading.Event(), threading.Event()

    def answer(received: bytes) -> bytes:
        if received.endswith(b"slow\r\n"):
            asked.set()
            may_answer.wait(10)
        entry = encode(received.decode().split("\r\n")[-2])
        return b"$%d\r\n%s\r\n" % (len(entry), entry)

    with listening(answer) as server:
        async with await connect_async(f"redis://{server.address}", patience=5) as cache:
            assert await cache.get("first") == "first"
            reading = asyncio.ensure_future(cache.get("slow"))
            assert await asyncio.to_thread(asked.wait, 10)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            may_answer.set()
            assert await cache.get("next") == "next"


async def test_degraded_mode(nowhere: Face) -> None:
    """Without any cache every read is the loader's, a set is not taken, and there is nothing to withdraw."""
    loader = Loader((1, 2))
    for _ in range(2):
        assert await nowhere.get_or_set("a", loader, ttl=60) == [1, 2]
    assert loader.calls == 2
    assert await nowhere.get("a") is MISSING
    assert await nowhere.set("a", 1, ttl=60) is False
    assert await nowhere.invalidate("a", "b") == 0
    assert await nowhere.delete("a") is False
    assert nowhere.counters().bypasses == nowhere.counters().reads == 3
    with pytest.raises(CacheUnavailable, match=r"degraded mode"):
        await nowhere.ping()


# --- the two faces


def test_an_async_loader_is_refused_by_the_blocking_face(valkey_url: str) -> None:
    """One sentence says where async loaders go; no coroutine is left behind un-awaited, and nothing is stored."""
    started = []

    async def load() -> int:
        started.append(True)
        return 1

    with connect(valkey_url, namespace=f"test-{uuid4().hex}:") as cache, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ConfigurationError, match=r"^the loader is asynchronous: use AsyncCache, from connect_async"
        ):
            cache.get_or_set("a", load, ttl=60)  # type: ignore[unused-coroutine]  # no coroutine comes back: refused
        gc.collect()
        assert cache.get("a") is MISSING
    assert started == []


async def test_the_blocking_face_works_inside_a_running_loop(valkey_url: str) -> None:
    """In a notebook a loop runs already: the blocking face starts none and needs none."""
    assert asyncio.get_running_loop()
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:") as cache:
        assert cache.get_or_set("a", lambda: 1, ttl=60) == 1
        assert (cache.get("a"), cache.set("b", 2, ttl=60), cache.invalidate("a", "b")) == (1, True, 2)
        assert cache.ping() > 0


def test_one_cache_serves_many_threads(valkey_url: str) -> None:
    """Threads share one Cache: each gets its own values, and more threads than connections wait their turn."""
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as cache:

        def work(number: int) -> list[object]:
            return [cache.get_or_set(f"k:{number}", lambda: number, ttl=60) for _ in range(3)]

        ready = threading.Barrier(8)
        with ThreadPoolExecutor(8, initializer=ready.wait) as threads:
            answers = list(threads.map(work, range(64)))
        counters = cache.counters()
    assert answers == [[number] * 3 for number in range(64)]
    assert (counters.misses, counters.hits, counters.bypasses) == (64, 128, 0)


@pytest.mark.parametrize("way", ["tcp", "rest"])
async def test_a_burst_of_tasks_waits_its_turn(way: str, valkey_url: str, cloud: Cloud) -> None:
    """More reads at once than the client has connections: each waits for one, none is sent to the origin for it."""
    target = valkey_url if way == "tcp" else rest(cloud.upstash_url, cloud.upstash_token)
    opened = await open_face("asyncio", target, patience=20)
    await opened.set("a", "x", ttl=60)
    answers = await asyncio.gather(*(opened.get_or_set("a", Loader("y"), ttl=60) for _ in range(150)))
    assert set(answers) == {"x"}
    assert (opened.counters().hits, opened.counters().bypasses) == (150, 0)
    await opened.close()


async def test_the_asyncio_face_takes_both_kinds_of_loaders(tcp: Face) -> None:
    """What a loader returns is awaited if it can be: coroutines, futures and plain values alike."""
    if isinstance(tcp.cache, Cache):
        return

    async def coroutine() -> str:
        await asyncio.sleep(0)
        return "a"

    future = asyncio.get_running_loop().create_future()
    future.set_result("b")
    assert await tcp.cache.get_or_set("a", coroutine, ttl=60) == "a"
    assert await tcp.cache.get_or_set("b", lambda: future, ttl=60) == "b"
    assert await tcp.cache.get_or_set("c", lambda: "c", ttl=60) == "c"
    assert [await tcp.get(key) for key in "abc"] == ["a", "b", "c"]


async def test_the_loop_goes_on_while_the_asyncio_face_waits(free_valkey: "FreeValkey") -> None:
    """A server that does not answer stalls the task that asked, and no other."""
    opened = await open_face("asyncio", free_valkey.url)
    await opened.ping()
    free_valkey.pause()
    reading = asyncio.ensure_future(opened.get("a"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not reading.done()
    free_valkey.resume()
    assert await reading is MISSING
    assert opened.counters().misses == 1
    await opened.close()


async def test_each_face_refuses_the_other_ones_transport(valkey_url: str) -> None:
    """A blocking transport would stall the loop and an asyncio one never finish: both are refused at once."""
    place = Place(from_url(valkey_url))
    blocking, asynchronous = BlockingTcp(valkey_url, patience=1), AsyncTcp(valkey_url, patience=1)
    with pytest.raises(ConfigurationError, match=r"^AsyncCache needs an asyncio transport"):
        AsyncCache(blocking, place)  # type: ignore[arg-type]  # refused by type, and at run time
    with pytest.raises(ConfigurationError, match=r"^Cache needs a blocking transport"):
        Cache(asynchronous, place)  # type: ignore[arg-type]  # refused by type, and at run time
    blocking.close()
    await asynchronous.close()


def public_names(face: type) -> set[str]:
    """Return the names that users may call."""
    return {name for name in vars(face) | vars(face.__mro__[1]) if not name.startswith("_")}


def test_both_faces_have_the_same_names() -> None:
    """What one face offers, the other offers, with the same parameters."""
    assert public_names(Cache) == public_names(AsyncCache)
    for name in public_names(Cache):
        one, other = getattr(Cache, name), getattr(AsyncCache, name)
        if callable(one):
            assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters), name


# --- connecting


async def test_connect_asks_the_environment_variables(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument both faces go where the variables say."""
    for variable in ("VERCEL", "VALKEY_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("REDIS_URL", valkey_url)
    with connect() as cache:
        assert (cache.environment.source, cache.namespace, cache.ping() > 0) == ("REDIS_URL", "", True)
    async with await connect_async() as other:
        assert other.environment == cache.environment
        assert await other.ping() > 0


@pytest.mark.parametrize("target", ["localhost:6379", "redis://h:port", "https://h", ""])
async def test_connect_refuses_a_wrong_target(target: str) -> None:
    """A target that is no cache URL is one sentence, from both faces."""
    with pytest.raises(ConfigurationError):
        connect(target)
    with pytest.raises(ConfigurationError):
        await connect_async(target)


def test_nothing_is_sent_before_the_first_call() -> None:
    """Connecting to a URL cannot fail for want of a server: a site starts with its cache down."""
    with connect("redis://127.0.0.1:1") as cache:
        assert cache.get_or_set("a", lambda: 1, ttl=60) == 1


def test_a_cache_says_where_it_is(valkey_url: str) -> None:
    """The repr names the face, the environment and the namespace."""
    with connect(valkey_url, namespace="dousell:") as cache:
        assert repr(cache) == f"Cache({cache.environment!r}, namespace='dousell:')"
