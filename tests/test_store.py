"""The words flows speak: one command each, under the namespace, counted; what must be atomic is a script's."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from dousell_cache.entries import Entry, decode, encode, ending
from dousell_cache.errors import CacheUnavailable, CommandRefused
from dousell_cache.keys import Names
from dousell_cache.reads import DirectReads
from dousell_cache.runner import run_blocking
from dousell_cache.scanning import with_prefix
from dousell_cache.store import Failed, Found, Lease, Server, Store, Wait
from dousell_cache.transport.nowhere import BlockingNowhere
from dousell_cache.transport.patience import Breaker, Guarded
from dousell_cache.transport.tcp import BlockingTcp

from .bench import Bench, HandClock

DAY = 86_400_000


@pytest.fixture
def bench(valkey_url: str) -> Iterator[Bench]:
    """A recorded way to a real Valkey, under a namespace of its own."""
    transport = BlockingTcp(valkey_url, patience=5)
    yield Bench(transport, f"test-{uuid4().hex}:")
    transport.close()


def put(bench: Bench, key: str, value: object, tags: tuple[str, ...] = (), milliseconds: int = 60_000) -> bytes:
    """Store a value and return what is under its key now."""
    entry = Entry(value, 0.0, milliseconds, id=uuid4().hex[:16])
    run_blocking(bench.store.put({key: (entry, milliseconds)}, tags, "word", DAY))
    found = bench.send("GET", f"{bench.namespace}{key}")
    assert isinstance(found, bytes)
    return found


def ask(bench: Bench, key: str, token: str, **options: Any) -> Found | Lease | Failed | Wait:
    """Ask for a lease of three seconds."""
    settings: dict[str, Any] = {"tags": (), "unwanted": "", "falls_back": False} | options
    return run_blocking(bench.store.lease(key, token, 3000, versions_ms=DAY, **settings))


def lease(bench: Bench, key: str, token: str, **options: Any) -> Lease:
    """Get the lease of a key that nobody loads."""
    granted = ask(bench, key, token, **options)
    assert isinstance(granted, Lease)
    return granted


def settle(bench: Bench, granted: Lease, value: object = "x") -> bool:
    """Store what a load brought."""
    tags = {tag: version for tag, version in granted.versions.items() if version}
    stored = encode(Entry(value, 1.0, 60_000, tags=tags or None, id=granted.token))
    return run_blocking(bench.store.settle(granted, "store", 60_000, stored))


def test_each_word_is_one_command(bench: Bench) -> None:
    """Every word sends one command, counted, with the names that it touches under the namespace."""
    store, of = bench.store, Names(bench.namespace)
    granted = run_blocking(store.lease("a", "token", 3000, ("t",), DAY, "", False))
    assert isinstance(granted, Lease)
    run_blocking(store.renew(granted, 3000))
    run_blocking(store.settle(granted, "release"))
    run_blocking(store.read("a"))
    run_blocking(store.read("a", ("t",)))
    run_blocking(store.read("a", ("t",), timed=True))
    run_blocking(store.read_many(("a", "b")))
    run_blocking(store.put({"a": (Entry("x", 0.0), 1000), "b": (Entry("y", 0.0), 1000)}, ("t", "u"), "word", DAY))
    run_blocking(store.delete(("a", "b")))
    run_blocking(store.soften(("a", "b")))
    run_blocking(store.move(("t", "u"), "word", soft=False))
    run_blocking(store.ping())
    assert bench.port.words == [
        *("lease", "renew", "settle", "GET", "MGET", "read", "MGET", "set", "DEL", "soften", "invalidate_tags", "PING")
    ]
    assert store.commands == 12
    assert bench.port.sent[3:5] == [("GET", of.value("a")), ("MGET", of.value("a"), of.version("t"))]
    assert bench.port.sent[8] == ("DEL", *(name(key) for key in "ab" for name in (of.value, of.lease, of.old)))


def test_what_was_put_is_read_until_it_is_deleted(bench: Bench) -> None:
    """What is stored is there with its tags' versions until it is deleted; deleting says how many were there."""
    assert run_blocking(bench.store.read("a")) == Found(None, None, {})
    put(bench, "a", "x", ("t",))
    found = run_blocking(bench.store.read("a", ("t", "u")))
    entry = decode(found.stored or b"")
    assert entry is not None
    assert (entry.value, entry.tags) == ("x", {"t": "word.word"})
    assert (found.left_ms, found.versions) == (None, {"t": "word.word", "u": None})
    assert [run_blocking(bench.store.delete(("a", "b"))) for _ in range(2)] == [1, 0]
    assert run_blocking(bench.store.read("a")).stored is None


def test_the_server_expires_what_was_put(bench: Bench) -> None:
    """The time to live is the server's, in milliseconds, and a timed read tells what is left of it."""
    put(bench, "a", "x")
    (there, absent) = run_blocking(bench.store.read_timed(("a", "b"), ()))
    assert there.left_ms is not None
    assert 0 < there.left_ms <= 60_000
    assert absent == Found(None, -2, {})


def test_names_stand_beside_the_value(bench: Bench) -> None:
    """Values are plain under the namespace; what stands beside them shares their hash slot."""
    settle(bench, lease(bench, "a", "token", tags=("t",)))
    lease(bench, "b", "token")
    names = bench.send("KEYS", f"*{bench.namespace}*")
    assert isinstance(names, list)
    bare = {name.decode().replace(bench.namespace, "") for name in names if isinstance(name, bytes)}
    assert bare == {"a", "{tag:t}:version", "{b}:lease"}


def test_one_load_at_a_time(bench: Bench) -> None:
    """A lease is granted to one token; the others are told to wait for it, its own may ask again."""
    first = lease(bench, "a", "one")
    other = ask(bench, "a", "two")
    assert isinstance(other, Wait)
    assert other.token == "one"
    assert 0 < other.seconds <= 3
    assert lease(bench, "a", "one") == first, "to ask again with the same token is safe: a reply may be lost"


def test_a_lease_is_renewed_by_its_own_load_alone(bench: Bench) -> None:
    """Renewing says whether the lease is still this load's, and touches nobody else's, nor one that is gone."""
    granted, name = lease(bench, "a", "mine"), Names(bench.namespace).lease("a")
    assert run_blocking(bench.store.renew(granted, 60_000)) is True
    bench.send("SET", name, "another", "PX", 1000)
    assert run_blocking(bench.store.renew(granted, 60_000)) is False
    left = bench.send("PTTL", name)
    assert isinstance(left, int)
    assert left <= 1000
    bench.send("DEL", name)
    assert run_blocking(bench.store.renew(granted, 60_000)) is False
    assert bench.send("EXISTS", name) == 0


def test_an_entry_that_came_meanwhile_is_returned(bench: Bench) -> None:
    """Whoever asks for a lease gets the entry that came since it looked, but not the one it would not have."""
    stored = put(bench, "a", "x", ("t",))
    found = ask(bench, "a", "one", tags=("t",))
    assert isinstance(found, Found)
    assert (found.stored, found.versions) == (stored, {"t": "word.word"})
    assert found.left_ms is not None
    assert isinstance(ask(bench, "a", "one", unwanted=ending(stored)), Lease)
    assert isinstance(ask(bench, "b", "one", unwanted="*"), Lease)


def test_a_load_that_lost_its_lease_stores_nothing(bench: Bench) -> None:
    """Withdrawn, evicted or run out: a lease that is not there any more, or is another's, stores nothing."""
    names = Names(bench.namespace)
    for lose in (
        lambda: run_blocking(bench.store.delete(("a",))),
        lambda: run_blocking(bench.store.soften(("a",))),
        lambda: bench.send("DEL", names.lease("a")),
        lambda: (bench.send("DEL", names.lease("a")), lease(bench, "a", "other")),
    ):
        granted = lease(bench, "a", "mine")
        lose()
        assert settle(bench, granted) is False
        assert run_blocking(bench.store.read("a")).stored is None
        run_blocking(bench.store.delete(("a",)))


@pytest.mark.parametrize("how", ["hard", "soft", "evicted"])
def test_a_load_whose_tag_moved_stores_nothing(bench: Bench, how: str) -> None:
    """A tag invalidated, softly too, or evicted since the lease was granted refuses the load; the lease is over."""
    granted = lease(bench, "a", "mine", tags=("t", "u"))
    assert granted.versions == {"t": "mine.mine", "u": "mine.mine"}
    if how == "evicted":
        bench.send("DEL", Names(bench.namespace).version("u"))
    else:
        run_blocking(bench.store.move(("u",), "moved", soft=how == "soft"))
    assert settle(bench, granted) is False
    assert run_blocking(bench.store.read("a")).stored is None
    assert isinstance(ask(bench, "a", "next"), Lease)


def test_a_put_withdraws_the_load_under_way(bench: Bench) -> None:
    """What was set during a load is not replaced by it."""
    granted = lease(bench, "a", "mine")
    stored = put(bench, "a", "set")
    assert settle(bench, granted, "loaded") is False
    assert run_blocking(bench.store.read("a")).stored == stored


def test_a_soft_move_keeps_the_hard_half(bench: Bench) -> None:
    """A tag's version is two words: a soft invalidation changes the second, a hard one both."""
    versions = []
    for word, soft in [("one", False), ("two", True), ("three", True), ("four", False)]:
        run_blocking(bench.store.move(("t",), word, soft=soft))
        versions.append(run_blocking(bench.store.read("a", ("t",))).versions["t"])
    assert versions == ["one.one", "one.two", "one.three", "four.four"]


def test_a_failed_load_keeps_the_others_away(bench: Bench) -> None:
    """After a failure nobody who has something to fall back on loads for a while; who has nothing does."""
    granted = lease(bench, "a", "mine")
    assert run_blocking(bench.store.settle(granted, "fail", 5000)) is True
    assert ask(bench, "a", "two", falls_back=True) == Failed(None, {})
    assert isinstance(ask(bench, "a", "three"), Lease)


def test_a_soft_invalidation_keeps_a_stand_in(bench: Bench) -> None:
    """A softly withdrawn entry comes with the lease; a hard invalidation, a put and a load each end it."""
    for end in (
        lambda: run_blocking(bench.store.delete(("a",))),
        lambda: put(bench, "a", "new"),
        lambda: settle(bench, lease(bench, "a", "loads")),
    ):
        stored = put(bench, "a", "x")
        assert run_blocking(bench.store.soften(("a",))) == 1
        assert run_blocking(bench.store.read("a")).stored is None
        granted = lease(bench, "a", "one")
        assert granted.old == stored
        run_blocking(bench.store.settle(granted, "release"))
        end()
        assert lease(bench, "a", "two", unwanted="*").old is None
        run_blocking(bench.store.delete(("a",)))


def test_the_end_of_a_load_wakes_those_who_wait(bench: Bench) -> None:
    """Whoever waits on a load's bell returns at once when it has rung, and all of them do."""
    granted = lease(bench, "a", "mine")
    load = ask(bench, "a", "two")
    assert isinstance(load, Wait)
    settle(bench, granted)
    for _ in range(3):
        run_blocking(bench.store.wait("a", load, 20))  # the test would not end in time if they slept
    left = bench.send("PTTL", Names(bench.namespace).wake("a", "mine"))
    assert isinstance(left, int)
    assert 0 < left <= 1000


def test_versions_outlive_the_entries_that_carry_them(bench: Bench) -> None:
    """Whatever touches a version keeps it for as long as its new entries need it."""
    name = Names(bench.namespace).version("t")
    touches: list[tuple[Callable[[], object], int]] = [
        (lambda: lease(bench, "a", "one", tags=("t",)), DAY),
        (lambda: lease(bench, "b", "one", tags=("t",)), DAY),
        (lambda: put(bench, "c", "x", ("t",)), DAY),
        (lambda: run_blocking(bench.store.move(("t",), "word", soft=False)), 30 * DAY),
        (lambda: run_blocking(bench.store.move(("t",), "word", soft=True)), 30 * DAY),
    ]
    for touch, most in touches:
        bench.send("PEXPIRE", name, 1000)  # nearly over
        touch()
        left = bench.send("PTTL", name)
        assert isinstance(left, int)
        assert most - 60_000 < left <= most


def test_a_script_is_sent_once_and_then_named(bench: Bench) -> None:
    """The first run carries the script's text, later ones its digest; a server that forgot it is told anew."""
    put(bench, "a", 1)
    put(bench, "a", 2)
    bench.port.before["set"] = lambda: bench.send("SCRIPT", "FLUSH")
    put(bench, "a", 3)
    assert [command[0] for command in bench.port.sent] == ["EVAL", "EVALSHA", "EVALSHA", "EVAL"]
    assert b'"value":3' in (run_blocking(bench.store.read("a")).stored or b"")


def test_a_prefix_finds_what_is_there_and_what_is_loading(bench: Bench) -> None:
    """A scan names each key that has a value, a load or a stand-in, and no other."""
    for key in ("search:1", "search:[x]*", "other"):
        put(bench, key, 1)
    put(bench, "search:old", 1)
    run_blocking(bench.store.soften(("search:old",)))
    lease(bench, "search:loading", "mine")

    async def found(prefix: str) -> set[str]:
        return {key async for keys in with_prefix(bench.store, prefix) for key in keys}

    assert run_blocking(found("search:")) == {"search:1", "search:[x]*", "search:old", "search:loading"}
    assert run_blocking(found("search:[")) == {"search:[x]*"}


def test_a_key_of_another_kind_is_refused(bench: Bench) -> None:
    """A list under the key is the server's refusal, told apart from its absence; a load may replace it."""
    bench.send("LPUSH", f"{bench.namespace}a", "x")
    with pytest.raises(CommandRefused) as refusal:
        run_blocking(bench.store.read("a"))
    assert refusal.value.code == "WRONGTYPE"
    assert settle(bench, lease(bench, "a", "one")) is True
    assert run_blocking(bench.store.read("a")).stored is not None


def test_a_command_without_an_answer_is_counted() -> None:
    """What was sent is counted, answered or not: it is what the call cost."""
    nowhere = BlockingNowhere()
    store = Store(Server(nowhere, Names(""), DirectReads(nowhere), nowhere.send_within, nowhere.send_within))
    with pytest.raises(CacheUnavailable):
        run_blocking(store.ping())
    assert store.commands == 1


def test_a_command_that_was_not_sent_is_not_counted() -> None:
    """A cache that is taken for dead is sent nothing, so nothing is counted, a wait no more than the others."""
    guarded = Guarded(BlockingNowhere(), Breaker(failures=1), HandClock(), lambda _: None)
    store = Store(Server(guarded, Names(""), DirectReads(guarded), guarded.send_within, guarded.send_within))
    with pytest.raises(CacheUnavailable):
        run_blocking(store.ping())
    for word in (store.ping(), store.wait("a", Wait("token", 3), 3)):
        with pytest.raises(CacheUnavailable, match="taken for dead"):
            run_blocking(word)
    assert store.commands == 1
