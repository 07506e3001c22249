"""The flows, step by step over a real Valkey, with a clock that only the test moves."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from dousell_cache.context import MISSING
from dousell_cache.debts import Withdrawal
from dousell_cache.entries import decode
from dousell_cache.errors import CacheUnavailable, EncodingError
from dousell_cache.events import Invalidation, Read, Write
from dousell_cache.flows import get, get_many, get_or_set, invalidate, ping, put, refresh
from dousell_cache.runner import run_blocking
from dousell_cache.transport.nowhere import BlockingNowhere
from dousell_cache.transport.tcp import BlockingTcp

from .bench import MINUTE, Bench


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


def never() -> object:
    """Be a loader that must not be called."""
    raise AssertionError("the loader was called")


def set_(bench: Bench, key: str, value: object, tags: tuple[str, ...] = ()) -> bool:
    """Store a value for a minute."""
    return run_blocking(put(bench.call(), {key: value}, MINUTE, tags))


def withdraw(bench: Bench, *keys: str, tags: tuple[str, ...] = (), soft: bool = False) -> int:
    """Invalidate keys or tags."""
    return run_blocking(invalidate(bench.call(), Withdrawal(keys, tags, soft=soft)))


def read(bench: Bench, key: str) -> Any:
    """Read a key without a loader."""
    return run_blocking(get(bench.call(), key, Any))


def test_a_miss_reads_leases_and_stores(bench: Bench) -> None:
    """A miss costs three commands, and tells how long the load took."""
    assert run_blocking(get_or_set(bench.call(), bench.asked("a", "x"))) == "x"
    assert bench.events == [Read("a", "miss", 0.25, 0.25, 3)]
    assert bench.port.words == ["GET", "lease", "settle"]


def test_a_tagged_miss_costs_no_more(bench: Bench) -> None:
    """With tags the same three commands do, whether their versions were ever seen or not."""
    tags = tuple(f"t{number}" for number in range(8))
    assert run_blocking(get_or_set(bench.call(), bench.asked("a", "x", tags=tags))) == "x"
    assert run_blocking(get_or_set(bench.call(), bench.asked("a", never, tags=tags))) == "x"
    assert bench.port.words == ["MGET", "lease", "settle", "MGET"]


def test_a_hit_costs_one_command(bench: Bench) -> None:
    """A hit is one read, and the loader is not called."""
    set_(bench, "a", "x")
    assert run_blocking(get_or_set(bench.call(), bench.asked("a", never))) == "x"
    assert bench.events[1:] == [Read("a", "hit", 0.0, 0.0, 1)]


def test_a_reader_that_did_not_know_the_tags_learns_them(bench: Bench) -> None:
    """Reading a tagged entry costs one command more the first time, and then one."""
    set_(bench, "a", "x", ("t",))
    assert [read(bench, "a") for _ in range(3)] == ["x"] * 3
    assert [event.commands for event in bench.events[1:] if isinstance(event, Read)] == [2, 1, 1]
    withdraw(bench, tags=("t",))
    assert read(bench, "a") is MISSING


def test_a_cache_that_cannot_serve_is_passed_by(nowhere: Bench) -> None:
    """Without a cache the loader answers; nothing more is sent than the read that found out."""
    assert run_blocking(get_or_set(nowhere.call(), nowhere.asked("a", "x"))) == "x"
    assert nowhere.events == [Read("a", "bypass", 0.25, 0.25, 1)]


def test_a_cache_that_takes_nothing_is_passed_by(read_only: Bench) -> None:
    """When the server answers the read and refuses the lease, the value still reaches its caller, as a bypass."""
    assert run_blocking(get_or_set(read_only.call(), read_only.asked("a", "x"))) == "x"
    assert read_only.events == [Read("a", "bypass", 0.25, 0.25, 2)]


def test_a_cache_lost_during_a_load_is_passed_by(bench: Bench) -> None:
    """When the value cannot be stored any more, it still reaches its caller, as a bypass."""

    def lose() -> None:
        raise CacheUnavailable("gone")

    bench.port.before["settle"] = lose
    assert run_blocking(get_or_set(bench.call(), bench.asked("a", "x"))) == "x"
    assert bench.events == [Read("a", "bypass", 0.25, 0.25, 3)]
    assert read(bench, "a") is MISSING


@pytest.mark.parametrize(
    "error", [ValueError("origin is down"), KeyboardInterrupt(), CacheUnavailable("another cache")]
)
def test_what_the_loader_raises_passes_through(bench: Bench, error: BaseException) -> None:
    """The loader's exception is the caller's, the very object; nothing is stored, and the lease is let go of."""
    with pytest.raises(type(error)) as caught:
        run_blocking(get_or_set(bench.call(), bench.asked("a", error)))
    assert caught.value is error
    assert bench.port.words == ["GET", "lease", "settle"]
    assert bench.events == [Read("a", "error", 0.25, 0.25, 3, failure=type(error).__name__)]
    assert read(bench, "a") is MISSING
    assert run_blocking(get_or_set(bench.call(), bench.asked("a", "x"))) == "x", "nobody waits for the failed load"


@pytest.mark.parametrize(("value", "type_"), [(object(), Any), ("text", int)])
def test_a_value_that_cannot_be_stored_is_an_error(bench: Bench, value: object, type_: Any) -> None:
    """A loader's value without a JSON form, or of another type than asked for, is refused, not stored."""
    with pytest.raises(EncodingError):
        run_blocking(get_or_set(bench.call(), bench.asked("a", value, type_=type_)))
    assert bench.events == [Read("a", "error", 0.25, 0.25, 3, failure="EncodingError")]
    assert read(bench, "a") is MISSING


def test_an_entry_tells_how_it_came(bench: Bench) -> None:
    """An entry knows how long its value took to load and how long it was to be fresh: early refresh needs both."""
    run_blocking(get_or_set(bench.call(), bench.asked("a", "x")))
    stored = run_blocking(bench.store.read("a")).stored
    entry = decode(stored or b"")
    assert entry is not None
    assert (entry.load_ms, entry.ttl_ms, entry.grace_ms, entry.tags) == (250.0, 60_000, 0, None)
    assert entry.id


def test_get_tells_a_value_from_none(bench: Bench) -> None:
    """A read without a loader is a hit with a value, None included, or a miss with MISSING."""
    set_(bench, "a", None)
    assert read(bench, "a") is None
    assert read(bench, "b") is MISSING
    assert bench.events[1:] == [Read("a", "hit", 0.0, 0.0, 1), Read("b", "miss", 0.0, 0.0, 1)]


def test_get_without_a_cache(nowhere: Bench) -> None:
    """A cache that cannot serve has nothing, and says that it was a bypass."""
    assert read(nowhere, "a") is MISSING
    assert nowhere.events == [Read("a", "bypass", 0.0, 0.0, 1)]


def test_many_are_read_together(bench: Bench) -> None:
    """Any number of keys is one command, told as one read each; a tagged one among them makes it two."""
    run_blocking(put(bench.call(), {"a": 1, "b": None}, MINUTE, ()))
    del bench.events[:], bench.port.sent[:]
    assert run_blocking(get_many(bench.call(), ("a", "b", "c"), Any)) == {"a": 1, "b": None}
    assert bench.port.words == ["MGET"]
    assert bench.events == [
        Read("a", "hit", 0.0, 0.0, 1),
        Read("b", "hit", 0.0, 0.0, 0),
        Read("c", "miss", 0.0, 0.0, 0),
    ]
    set_(bench, "b", 2, ("t",))
    del bench.port.sent[:]
    assert run_blocking(get_many(bench.call(), ("a", "b"), Any)) == {"a": 1, "b": 2}
    assert bench.port.words == ["MGET", "read"]
    withdraw(bench, tags=("t",))
    assert run_blocking(get_many(bench.call(), ("a", "b"), Any)) == {"a": 1}
    assert run_blocking(get_many(bench.call(), (), Any)) == {}


def test_put_says_whether_it_was_stored(bench: Bench, nowhere: Bench) -> None:
    """A write returns, and tells, whether the server took it."""
    assert (set_(bench, "a", "x"), set_(nowhere, "a", "x")) == (True, False)
    assert bench.events == [Write("a", True, 0.0, 1)]
    assert nowhere.events == [Write("a", False, 0.0, 1)]


def test_put_refuses_what_has_no_json_form(bench: Bench) -> None:
    """One value without a JSON form, and none of them is sent or told."""
    with pytest.raises(EncodingError):
        run_blocking(put(bench.call(), {"a": 1, "b": object()}, MINUTE, ()))
    assert (bench.events, bench.port.sent) == ([], [])


def test_refresh_loads_whatever_is_there(bench: Bench) -> None:
    """A refresh costs two commands, replaces the entry, and counts as a miss."""
    set_(bench, "a", "old")
    assert run_blocking(refresh(bench.call(), bench.asked("a", "new"))) == "new"
    assert bench.events[1:] == [Read("a", "miss", 0.25, 0.25, 2)]
    assert read(bench, "a") == "new"


def test_invalidate_is_one_command_whatever_the_number(bench: Bench) -> None:
    """Keys are withdrawn together; the answer is how many values and loads were there."""
    run_blocking(put(bench.call(), {"a": 1, "b": 2}, MINUTE, ()))
    del bench.events[:]
    keys = ("a", "b", *(f"absent{number}" for number in range(50)))
    assert withdraw(bench, *keys) == 2
    assert bench.events == [Invalidation(keys, True, 0.0, 1)]
    assert read(bench, "a") is MISSING


def test_invalidate_counts_loads_under_way(bench: Bench) -> None:
    """A load that an invalidation withdrew counts like a value."""
    withdrawn = []
    asked = bench.asked("a", lambda: withdrawn.append(withdraw(bench, "a")))
    run_blocking(get_or_set(bench.call(), asked))
    assert withdrawn == [1]


def test_tags_are_one_command_whatever_their_size(bench: Bench) -> None:
    """Two tags of fifty entries are withdrawn by one command, and told as tags."""
    run_blocking(put(bench.call(), {f"k{number}": number for number in range(50)}, MINUTE, ("t", "u")))
    del bench.events[:]
    withdraw(bench, tags=("t", "u"))
    assert bench.events == [Invalidation((), True, 0.0, 1, ("t", "u"))]
    assert run_blocking(get_many(bench.call(), tuple(f"k{number}" for number in range(50)), Any)) == {}


def test_a_prefix_withdraws_what_was_stored_while_it_scanned(bench: Bench) -> None:
    """A load that ended where the scan had been already is found by a second one."""
    set_(bench, "search:1", "x")
    late = bench.asked("search:2", "old")
    bench.port.after["SCAN"] = lambda: run_blocking(get_or_set(bench.call(), late))
    run_blocking(invalidate(bench.call(), Withdrawal(prefix="search:")))
    assert [read(bench, key) for key in ("search:1", "search:2")] == [MISSING, MISSING]


def test_an_undelivered_invalidation_is_raised_and_told(read_only: Bench) -> None:
    """When the server does not confirm, the caller hears of it, observers hear of it, and it is owed."""
    for soft in (False, True):
        with pytest.raises(CacheUnavailable):
            withdraw(read_only, "a", soft=soft)
    assert read_only.events == [Invalidation(("a",), False, 0.0, 1), Invalidation(("a",), False, 0.0, 1, soft=True)]
    debts = read_only.context.debts
    for expected in (Withdrawal(("a",)), Withdrawal(("a",), soft=True)):
        due = debts.due()
        assert due
        assert due.withdrawal == expected
        debts.paid(due)


def test_degraded_mode_has_nothing_to_withdraw(nowhere: Bench) -> None:
    """Without any cache there is no old value to be served, so an invalidation is delivered."""
    assert withdraw(nowhere, "a") == 0
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
