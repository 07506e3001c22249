"""The real upstash-redis clients against the emulator: what Upstash's own suite asks of the service."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import upstash_redis
import upstash_redis.asyncio
from upstash_redis.errors import UpstashError

from dousell_cache.local import Cloud


@pytest.fixture
def client(cloud: Cloud) -> Iterator[Any]:
    """The blocking client as an application makes it, but for its retries."""
    with upstash_redis.Redis(cloud.upstash_url, cloud.upstash_token, rest_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(cloud: Cloud) -> AsyncIterator[Any]:
    """The asyncio client, likewise."""
    async with upstash_redis.asyncio.Redis(cloud.upstash_url, cloud.upstash_token, rest_retries=0) as client:
        yield client


@pytest.fixture
def key() -> str:
    """A key of this test's own."""
    return f"client-test:{uuid4()}"


# What a fresh key answers, call by call.
CONVERSATIONS: dict[str, list[tuple[Callable[[Any, str], Any], Any]]] = {
    "strings": [
        (lambda r, k: r.set(k, "Thiès 😀"), True),
        (lambda r, k: r.get(k), "Thiès 😀"),
        (lambda r, k: r.set(k, "no", nx=True), False),
        (lambda r, k: r.set(k, "next", get=True), "Thiès 😀"),
        (lambda r, k: r.append(k, "!"), 5),
        (lambda r, k: r.getrange(k, 0, 1), "ne"),
        (lambda r, k: r.strlen(k), 5),
        (lambda r, k: r.mset({k: "OK", k + "2": ""}), True),
        (lambda r, k: r.mget(k, k + "2", k + "3"), ["OK", "", None]),
        (lambda r, k: r.getdel(k), "OK"),
        (lambda r, k: r.get(k), None),
    ],
    "numbers": [
        (lambda r, k: r.set(k, 41), True),
        (lambda r, k: r.incr(k), 42),
        (lambda r, k: r.incrbyfloat(k, 0.5), 42.5),
        (lambda r, k: r.set(k, True), True),
        (lambda r, k: r.get(k), "true"),
        (lambda r, k: r.set(k, {"a": [1, None]}), True),
        (lambda r, k: r.get(k), '{"a": [1, null]}'),
        (lambda r, k: r.setbit(k, 1, 1), 1),
    ],
    "expiry": [
        (lambda r, k: r.set(k, "v", ex=100), True),
        (lambda r, k: r.ttl(k), 100),
        (lambda r, k: r.persist(k), True),
        (lambda r, k: r.ttl(k), -1),
        (lambda r, k: r.expire(k, 50, nx=True), True),
        (lambda r, k: r.pttl(k) > 49_000, True),
        (lambda r, k: r.exists(k, k), 2),
        (lambda r, k: r.type(k), "string"),
        (lambda r, k: r.scan(0, match=k, count=1_000_000) == (0, [k]), True),
        (lambda r, k: r.delete(k), 1),
        (lambda r, k: r.type(k), "none"),
    ],
    "hashes": [
        (lambda r, k: r.hset(k, "city", "Dakar", {"rooms": 3}), 2),
        (lambda r, k: r.hgetall(k), {"city": "Dakar", "rooms": "3"}),
        (lambda r, k: r.hmget(k, "rooms", "none"), ["3", None]),
        (lambda r, k: r.hincrby(k, "rooms", 2), 5),
        (lambda r, k: r.hexists(k, "none"), False),
        (lambda r, k: r.hscan(k, 0), (0, {"city": "Dakar", "rooms": "5"})),
        (lambda r, k: r.hdel(k, "city", "rooms"), 2),
        (lambda r, k: r.hgetall(k), {}),
    ],
    "lists and sets": [
        (lambda r, k: r.rpush(k, "a", "b", "c"), 3),
        (lambda r, k: r.lrange(k, 0, -1), ["a", "b", "c"]),
        (lambda r, k: r.lpop(k, 2), ["a", "b"]),
        (lambda r, k: r.delete(k), 1),
        (lambda r, k: r.sadd(k, "x"), 1),
        (lambda r, k: r.smembers(k), ["x"]),
        (lambda r, k: r.smismember(k, "x", "y"), [True, False]),
        (lambda r, k: r.delete(k), 1),
        (lambda r, k: r.zadd(k, {"low": 1, "high": 2.5}), 2),
        (lambda r, k: r.zrange(k, 0, -1, withscores=True), [("low", 1.0), ("high", 2.5)]),
        (lambda r, k: r.zscore(k, "none"), None),
    ],
    "streams and places": [
        (lambda r, k: r.xadd(k, "1-1", {"f": "v"}), "1-1"),
        (lambda r, k: r.xrange(k, "-", "+"), [["1-1", ["f", "v"]]]),
        (lambda r, k: r.xlen(k), 1),
        (lambda r, k: r.delete(k), 1),
        (lambda r, k: r.geoadd(k, (-17.44, 14.69, "Dakar"), (-16.93, 14.79, "Thiès")), 2),
        (lambda r, k: round(r.geodist(k, "Dakar", "Thiès", unit="KM")), 56),
    ],
    "publish": [(lambda r, k: r.publish(k, "m"), 0), (lambda r, _: r.ping(), "PONG"), (lambda r, _: r.echo("e"), "e")],
}


@pytest.mark.parametrize("encoding", ["base64", None])
@pytest.mark.parametrize("topic", CONVERSATIONS)
def test_the_blocking_client_is_answered_as_by_the_service(cloud: Cloud, key: str, topic: str, encoding: Any) -> None:
    """Every reply has the value and the type that the client makes of the service's."""
    with upstash_redis.Redis(cloud.upstash_url, cloud.upstash_token, rest_encoding=encoding, rest_retries=0) as client:
        for call, expected in CONVERSATIONS[topic]:
            assert call(client, key) == expected


async def test_the_async_client_is_answered_as_by_the_service(async_client: Any, key: str) -> None:
    """The same, for the calls whose result the table does not work upon."""
    for topic in ("strings", "hashes", "lists and sets", "publish"):
        for call, expected in CONVERSATIONS[topic]:
            assert await call(async_client, f"{key}:{topic}") == expected


def fill(batch: Any, key: str) -> None:
    """Queue some commands on a pipeline or a transaction."""
    batch.incr(key).incr(key)
    batch.hset(key + ":h", "f", "v")
    batch.hgetall(key + ":h")
    batch.get(key)
    batch.get(key + ":none")


@pytest.mark.parametrize("kind", ["pipeline", "multi"])
async def test_batches_return_every_reply_in_order(client: Any, async_client: Any, key: str, kind: str) -> None:
    """Pipelines and transactions alike, in both clients."""
    batch, async_batch = getattr(client, kind)(), getattr(async_client, kind)()
    fill(batch, key)
    fill(async_batch, key + ":async")
    expected = [1, 2, 1, {"f": "v"}, "2", None]
    assert batch.exec() == expected
    assert await async_batch.exec() == expected


@pytest.mark.parametrize("kind", ["pipeline", "multi"])
def test_a_failure_inside_a_batch_is_raised_and_the_rest_is_run(client: Any, key: str, kind: str) -> None:
    """The client raises the first error; the commands around it have been run."""
    batch = getattr(client, kind)()
    batch.set(key, "text").incr(key).append(key, "!")
    with pytest.raises(UpstashError, match=r"^ERR value is not an integer"):
        batch.exec()
    assert client.get(key) == "text!"


async def test_a_script_falls_back_from_its_hash_to_its_text(client: Any, async_client: Any, key: str) -> None:
    """NOSCRIPT is recognisable; once evaluated, the hash is known to both clients."""
    script = f"return {{KEYS[1], ARGV[1], 7, {{'{key}'}}}}"
    sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    with pytest.raises(UpstashError, match=r"^NOSCRIPT No matching script"):
        client.evalsha(sha, keys=[key], args=["a"])
    expected = [key, "a", 7, [key]]
    assert client.eval(script, keys=[key], args=["a"]) == expected
    assert client.evalsha(sha, keys=[key], args=["a"]) == expected
    assert await async_client.evalsha(sha, keys=[key], args=["a"]) == expected
    assert client.script_exists(sha) == [True]


def test_errors_come_with_their_code(client: Any, key: str) -> None:
    """What the client raises begins with the server's own word."""
    client.set(key, "text")
    with pytest.raises(UpstashError, match=r"^WRONGTYPE Operation against a key"):
        client.lpush(key, "x")
    with pytest.raises(UpstashError, match=r"^ERR wrong number of arguments for 'get' command$"):
        client.execute(["GET"])
    with pytest.raises(UpstashError, match=r"^ERR Command is not available: 'JSON.GET'"):
        client.json.get(key)


@pytest.mark.parametrize("kind", ["pipeline", "multi"])
def test_a_wrong_token_writes_nothing(cloud: Cloud, client: Any, key: str, kind: str) -> None:
    """Alone the client says so; in a batch it trips over the answer, but nothing has been run."""
    with upstash_redis.Redis(cloud.upstash_url, "wrong", rest_retries=0) as intruder:
        with pytest.raises(UpstashError, match=r"^WRONGPASS invalid or missing auth token"):
            intruder.set(key, "stolen")
        with pytest.raises(AttributeError):
            getattr(intruder, kind)().set(key, "stolen").exec()
    assert client.get(key) is None


def test_values_that_are_no_text_are_lost_as_on_the_service(cloud: Cloud, client: Any, key: str) -> None:
    """Bytes cannot be sent; what another client stored as bytes cannot be decoded, or only with U+FFFD."""
    with pytest.raises(TypeError):
        client.set(key, b"\xff")
    client.set(key, "")
    client.setbit(key, 0, 1)
    with pytest.raises(UnicodeDecodeError):
        client.get(key)
    with upstash_redis.Redis(cloud.upstash_url, cloud.upstash_token, rest_encoding=None) as plain:
        assert plain.get(key) == "\N{REPLACEMENT CHARACTER}"


async def test_large_and_many(async_client: Any, key: str) -> None:
    """A megabyte passes, and fifty requests at once each get their own answer."""
    large = "x" * 1_000_000
    assert await async_client.set(key, large) is True
    assert await async_client.get(key) == large
    echoes = await asyncio.gather(*(async_client.echo(str(number)) for number in range(50)))
    assert echoes == [str(number) for number in range(50)]


async def test_each_write_moves_the_sync_token(client: Any, async_client: Any, key: str) -> None:
    """Single commands, pipelines, transactions and scripts alike, as read-your-writes needs it."""
    seen = [client._sync_token]
    writes: list[Callable[[], Any]] = [
        lambda: client.set(key, "1"),
        lambda: client.pipeline().set(key, "2").exec(),
        lambda: client.multi().set(key, "3").exec(),
        lambda: client.eval("return redis.call('set', KEYS[1], 4)", keys=[key]),
    ]
    for write in writes:
        write()
        seen.append(client._sync_token)
    await async_client.set(key, "5")
    assert len({*seen, async_client._sync_token}) == len(seen) + 1
