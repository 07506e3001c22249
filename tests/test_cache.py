"""Cache and AsyncCache as their users meet them: over TCP, over REST and embedded, blocking and asyncio."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dousell_cache import (
    MISSING,
    ConfigurationError,
    EncodingError,
)
from dousell_cache.environments import Environment, rest
from dousell_cache.events import Counters, Invalidation, Read
from dousell_cache.local import Cloud
from dousell_cache.transport.tcp import AsyncTcp

from .faces import FACES, Face, Loader, Visit, open_face
from .servers import self_signed

WAYS = ["tcp", "rest", "embedded"]


@pytest.fixture(autouse=True)
def few_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one certificate: reading all that there are takes longer than a test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path / "authority.pem")))


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
async def tcp(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Face]:
    """Both faces over TCP alone."""
    opened = await open_face(request.param, valkey_url)
    yield opened
    await opened.close()


async def test_a_miss_then_a_hit(cache: Face) -> None:
    """The first read calls the loader and stores, the second does not call it, and both give the value."""
    loader = Loader([{"id": 7, "city": "Thiès"}])
    events = cache.record()
    for _ in range(2):
        assert await cache.get_or_set("list:all", loader, ttl=60) == [{"id": 7, "city": "Thiès"}]
    assert loader.calls == 1
    assert [(e.key, e.outcome, e.commands) for e in events if isinstance(e, Read)] == [
        ("list:all", "miss", 3),
        ("list:all", "hit", 1),
    ]
    assert cache.counters() == Counters(
        hits=1, misses=1, commands=4, families={"list": Counters(hits=1, misses=1, commands=4)}
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
        ("get_or_set", ("a", Loader(1)), {}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "tags": "t"}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "tags": [""]}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "grace": -1}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "jitter": 2}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "early": -1}),
        ("get_or_set", ("a", Loader(1)), {"ttl": 60, "cache_if": True}),
        ("refresh", ("a", Loader(1)), {"ttl": 0}),
        ("get_many", (["a", ""],), {}),
        ("get_many", (["a"],), {"type": 123}),
        ("set_many", ({"a": 1, "": 1},), {"ttl": 60}),
        ("set_many", ({"a": 1},), {"ttl": 60, "tags": "t"}),
        ("warm", ({"a": Loader(1)},), {"ttl": 0}),
        ("invalidate_tags", ("t", ""), {}),
        ("invalidate_prefix", ("",), {}),
        ("explain", ("",), {}),
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
    """A wrong key, tag or option is a ValueError before anything is sent, loaded or counted."""
    events = tcp.record()
    with pytest.raises(ValueError, match=r"key|ttl|type|tag|grace|jitter|early|cache_if|prefix"):
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


async def test_options_of_the_cache_hold_for_its_calls(valkey_url: str) -> None:
    """What connect() was given is what calls go by unless they say otherwise; wrong ones are refused there."""
    for face in FACES:
        opened = await open_face(face, valkey_url, ttl=100, grace=50, jitter=0.0)
        await opened.get_or_set("a", Loader(1))
        await opened.set("b", 1, ttl=10, grace=0)
        for key, most in [("a", 150_000), ("b", 10_000)]:
            assert most - 5_000 < await opened.send("PTTL", f"{opened.cache.namespace}{key}") <= most
        await opened.close()
        for option, wrong in [("ttl", 0), ("grace", -1), ("jitter", 2), ("early", -1), ("lease", 0), ("near", (0, 1))]:
            options: dict[str, Any] = {option: wrong}
            with pytest.raises(ConfigurationError, match=option):
                await open_face(face, valkey_url, **options)


async def test_an_option_that_does_not_exist_is_named(tcp: Face) -> None:
    """A misspelt option is a TypeError, as for any function, and nothing is loaded."""
    loader = Loader(1)
    with pytest.raises(TypeError, match="'grase' is no option"):
        await tcp.get_or_set("a", loader, ttl=60, grase=60)
    assert loader.calls == 0


# --- withdrawals


async def test_invalidate_withdraws_all_keys_at_once(cache: Face) -> None:
    """Any number of keys go in one command; the answer is how many values and loads were there."""
    for key in ("a", "b", "c"):
        await cache.set(key, 1, ttl=60)
    events = cache.record()
    assert await cache.invalidate("a", "b", "absent") == 2
    (event,) = events
    assert isinstance(event, Invalidation)
    assert (event.keys, event.delivered, event.commands) == (("a", "b", "absent"), True, 1)
    assert [await cache.get(key) for key in ("a", "b", "c")] == [MISSING, MISSING, 1]


async def test_a_load_under_way_counts_as_something(cache: Face) -> None:
    """Withdrawing a key that is only being loaded withdraws the load, and says so."""
    deleted = []
    other = await open_face("blocking", cache.cache.environment, namespace=cache.cache.namespace)
    await cache.get_or_set("a", Loader(1, lambda: deleted.append(other.cache.delete("a"))), ttl=60)
    await other.close()
    assert deleted == [True]
    assert await cache.get("a") is MISSING


async def test_delete_says_whether_it_was_there(cache: Face) -> None:
    """Deleting a key says whether there was one."""
    await cache.set("a", None, ttl=60)
    assert (await cache.delete("a"), await cache.delete("a")) == (True, False)


async def test_invalidating_nothing_sends_nothing(tcp: Face) -> None:
    """Without keys or tags nothing is sent: a DEL without keys would be an error."""
    assert await tcp.invalidate() == 0
    assert await tcp.invalidate_tags() is None
    assert await tcp.set_many({}, ttl=60) is True
    assert await tcp.get_many([]) == {}
    assert tcp.counters() == Counters()
