"""The flows, step by step over a real Valkey, with a clock that only the test moves."""

import copy
import pickle
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from dousell_cache.errors import CacheUnavailable, EncodingError
from dousell_cache.events import Event, Invalidation, Read, Write
from dousell_cache.flows import MISSING, Call, get, get_or_set, invalidate, ping, put
from dousell_cache.runner import run_blocking
from dousell_cache.store import Store
from dousell_cache.transport.nowhere import BlockingNowhere
from dousell_cache.transport.port import Port
from dousell_cache.transport.tcp import BlockingTcp

MINUTE = 60_000


class HandClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        """Return the time it was set to."""
        return self.seconds


class Bench:
    """Runs flows against one port and keeps what they told."""

    def __init__(self, port: Port, namespace: str = "") -> None:
        self.port = port
        self.namespace = namespace
        self.clock = HandClock()
        self.events: list[Event] = []

    def call(self) -> Call:
        """Return what a new call works with."""
        return Call(Store(self.port, self.namespace), self.clock, self.events.append)

    def loader(self, value: object, seconds: float = 0.25) -> Callable[[], Awaitable[object]]:
        """Return a loader that takes this long and then returns the value, or raises it if it is an exception."""

        async def load() -> object:
            self.clock.seconds += seconds
            if isinstance(value, BaseException):
                raise value
            return value

        return load


@pytest.fixture
def bench(valkey_url: str) -> Iterator[Bench]:
    """A bench on a real Valkey, under a namespace of its own."""
    transport = BlockingTcp(valkey_url, patience=5)
    yield Bench(transport, f"test-{uuid4().hex}:")
    transport.close()


@pytest.fixture
def nowhere() -> Bench:
    """A bench on a cache that never serves."""
    return Bench(BlockingNowhere())


@pytest.fixture
def read_only(valkey_url: str) -> Iterator[Bench]:
    """A bench as a user who may read the real Valkey and not write to it."""
    name = f"reader-{uuid4().hex}"
    admin = BlockingTcp(valkey_url, patience=5)
    run_blocking(admin.send("ACL", "SETUSER", name, "on", ">secret", "~*", "+get"))
    transport = BlockingTcp(valkey_url.replace("redis://", f"redis://{name}:secret@"), patience=5)
    yield Bench(transport, f"test-{uuid4().hex}:")
    transport.close()
    run_blocking(admin.send("ACL", "DELUSER", name))
    admin.close()


async def never() -> object:
    """Be a loader that must not be called."""
    raise AssertionError("the loader was called")


def test_a_miss_loads_and_stores(bench: Bench) -> None:
    """A miss costs a read and a write, and tells how long the load took."""
    assert run_blocking(get_or_set(bench.call(), "a", bench.loader("x"), MINUTE)) == "x"
    assert bench.events == [Read("a", "miss", 0.25, 0.25, 2)]


def test_a_hit_costs_one_command(bench: Bench) -> None:
    """A hit is one read, and the loader is not called."""
    run_blocking(put(bench.call(), "a", "x", MINUTE))
    assert run_blocking(get_or_set(bench.call(), "a", never, MINUTE)) == "x"
    assert bench.events[1:] == [Read("a", "hit", 0.0, 0.0, 1)]


def test_a_cache_that_cannot_serve_is_passed_by(nowhere: Bench) -> None:
    """Without a cache the loader answers; nothing more is sent than the read that found out."""
    assert run_blocking(get_or_set(nowhere.call(), "a", nowhere.loader("x"), MINUTE)) == "x"
    assert nowhere.events == [Read("a", "bypass", 0.25, 0.25, 1)]


def test_a_cache_that_takes_nothing_is_passed_by(read_only: Bench) -> None:
    """When the server answers the read and refuses the write, the value still reaches its caller, as a bypass."""
    assert run_blocking(get_or_set(read_only.call(), "a", read_only.loader("x"), MINUTE)) == "x"
    assert read_only.events == [Read("a", "bypass", 0.25, 0.25, 2)]


@pytest.mark.parametrize(
    "error", [ValueError("origin is down"), KeyboardInterrupt(), CacheUnavailable("another cache")]
)
def test_what_the_loader_raises_passes_through(bench: Bench, error: BaseException) -> None:
    """The loader's exception is the caller's, the very object; nothing is stored, and the read counts as an error."""
    with pytest.raises(type(error)) as caught:
        run_blocking(get_or_set(bench.call(), "a", bench.loader(error), MINUTE))
    assert caught.value is error
    assert bench.events == [Read("a", "error", 0.25, 0.25, 1)]
    assert run_blocking(get(bench.call(), "a")) is MISSING


@pytest.mark.parametrize(("value", "type_"), [(object(), Any), ("text", int)])
def test_a_value_that_cannot_be_stored_is_an_error(bench: Bench, value: object, type_: Any) -> None:
    """A loader's value without a JSON form, or of another type than asked for, is refused, not stored."""
    with pytest.raises(EncodingError):
        run_blocking(get_or_set(bench.call(), "a", bench.loader(value), MINUTE, type_))
    assert bench.events == [Read("a", "error", 0.25, 0.25, 1)]
    assert run_blocking(get(bench.call(), "a")) is MISSING


def test_the_load_time_is_stored(bench: Bench) -> None:
    """An entry knows how long its value took to load: early refresh will need it."""
    run_blocking(get_or_set(bench.call(), "a", bench.loader("x", 0.3125), MINUTE))
    entry = run_blocking(bench.call().store.read("a", Any))
    assert entry is not None
    assert entry.load_ms == 312.5


def test_get_tells_a_value_from_none(bench: Bench) -> None:
    """A read without a loader is a hit with a value, None included, or a miss with MISSING."""
    run_blocking(put(bench.call(), "a", None, MINUTE))
    assert run_blocking(get(bench.call(), "a")) is None
    assert run_blocking(get(bench.call(), "b")) is MISSING
    assert bench.events[1:] == [Read("a", "hit", 0.0, 0.0, 1), Read("b", "miss", 0.0, 0.0, 1)]


def test_get_without_a_cache(nowhere: Bench) -> None:
    """A cache that cannot serve has nothing, and says that it was a bypass."""
    assert run_blocking(get(nowhere.call(), "a")) is MISSING
    assert nowhere.events == [Read("a", "bypass", 0.0, 0.0, 1)]


def test_put_says_whether_it_was_stored(bench: Bench, nowhere: Bench) -> None:
    """A write returns, and tells, whether the server took it."""
    assert run_blocking(put(bench.call(), "a", "x", MINUTE)) is True
    assert run_blocking(put(nowhere.call(), "a", "x", MINUTE)) is False
    assert bench.events == [Write("a", True, 0.0, 1)]
    assert nowhere.events == [Write("a", False, 0.0, 1)]


def test_put_refuses_what_has_no_json_form(bench: Bench) -> None:
    """A value without a JSON form is refused before anything is sent or told."""
    call = bench.call()
    with pytest.raises(EncodingError):
        run_blocking(put(call, "a", object(), MINUTE))
    assert (bench.events, call.store.commands) == ([], 0)


def test_invalidate_is_one_command_whatever_the_number(bench: Bench) -> None:
    """Keys are withdrawn together; the answer is how many were there."""
    for key in ("a", "b"):
        run_blocking(put(bench.call(), key, "x", MINUTE))
    keys = ("a", "b", *(f"absent{number}" for number in range(50)))
    assert run_blocking(invalidate(bench.call(), keys)) == 2
    assert bench.events[2:] == [Invalidation(keys, True, 0.0, 1)]
    assert run_blocking(get(bench.call(), "a")) is MISSING


def test_invalidating_nothing_sends_nothing(nowhere: Bench) -> None:
    """No keys, no command and no event."""
    assert run_blocking(invalidate(nowhere.call(), ())) == 0
    assert nowhere.events == []


def test_an_undelivered_invalidation_is_raised_and_told(read_only: Bench) -> None:
    """Who withdraws must know that it did not happen: the old value may still be served."""
    with pytest.raises(CacheUnavailable):
        run_blocking(invalidate(read_only.call(), ("a",)))
    assert read_only.events == [Invalidation(("a",), False, 0.0, 1)]


def test_degraded_mode_has_nothing_to_withdraw(nowhere: Bench) -> None:
    """Without any cache there is no old value to be served, so an invalidation is delivered."""
    assert run_blocking(invalidate(nowhere.call(), ("a",))) == 0
    assert nowhere.events == [Invalidation(("a",), True, 0.0, 1)]


def test_ping_measures_and_tells_nothing(bench: Bench, nowhere: Bench) -> None:
    """A ping is no read: it returns its seconds or raises, and no event is told."""
    assert run_blocking(ping(bench.call())) == 0.0
    with pytest.raises(CacheUnavailable):
        run_blocking(ping(nowhere.call()))
    assert bench.events == nowhere.events == []


def test_missing_is_falsy_and_says_its_name() -> None:
    """MISSING reads well in a condition and in a log."""
    assert not MISSING
    assert repr(MISSING) == "MISSING"
    assert MISSING != None  # noqa: E711 - whether it equals None is the question


def test_missing_stays_itself_when_copied() -> None:
    """`is MISSING` also holds for a copy, as in a result that was deep-copied or came from another process."""
    assert copy.copy(MISSING) is MISSING
    assert copy.deepcopy([MISSING])[0] is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING  # noqa: S301 - our own bytes
