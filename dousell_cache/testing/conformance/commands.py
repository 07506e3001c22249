"""The commands that the cache and its locks are made of."""

from typing import cast

from ...transport.port import Port
from .check import TTL_MS, Transport, check, expect, put, until


@check()
async def conditional_sets(port: Port, prefix: str) -> None:
    """SET with NX, XX and GET stores only where it says so, and returns what it replaced."""
    key = f"{prefix}a"
    expect(await port.send("SET", key, "0", "XX", "PX", TTL_MS), None)
    expect(await port.send("SET", key, "1", "NX", "PX", TTL_MS), b"OK")
    expect(await port.send("SET", key, "2", "NX", "PX", TTL_MS), None)
    expect(await port.send("SET", key, "3", "NX", "GET", "PX", TTL_MS), b"1")
    expect(await port.send("SET", key, "4", "GET", "PX", TTL_MS), b"1")
    expect(await port.send("GET", key), b"4")


@check()
async def many_at_once(port: Port, prefix: str) -> None:
    """MGET answers in the order asked, twice for what is asked twice; DEL and EXISTS count the keys that were there."""
    a, b, none = (f"{prefix}{name}" for name in ("a", "b", "none"))
    await put(port, a, "1")
    await put(port, b, "2")
    expect(await port.send("MGET", b, none, a, b), [b"2", None, b"1", b"2"])
    expect(await port.send("EXISTS", a, none, a), 2)
    expect(await port.send("DEL", a, none, b), 2)
    expect(await port.send("DEL", a, none, b), 0)


@check()
async def remaining_time(port: Port, prefix: str) -> None:
    """PTTL is -2 for no key, -1 for one that never expires, else the milliseconds left."""
    key = f"{prefix}a"
    expect(await port.send("PTTL", key), -2)
    await put(port, key, "x")
    left = await port.send("PTTL", key)
    if not isinstance(left, int) or not 0 < left <= TTL_MS:
        message = f"PTTL was {left!r} where at most {TTL_MS} and more than 0 was left"
        raise AssertionError(message)
    expect(await port.send("PERSIST", key), 1)
    expect(await port.send("PTTL", key), -1)
    expect(await port.send("DEL", key), 1)


@check()
async def expiry_is_the_servers(port: Transport, prefix: str) -> None:
    """A key is gone once its time is over, and for the server itself too: no client has to look at a clock."""
    key = f"{prefix}a"
    expect(await port.send("SET", key, "x", "PX", 30), b"OK")

    async def gone() -> bool:
        return await port.send("GET", key) is None

    await until(port, gone, "the key has expired")
    expect(await port.send("EXISTS", key), 0)
    expect(await port.send("SET", key, "y", "NX", "PX", TTL_MS), b"OK")


@check()
async def scripts(port: Port, prefix: str) -> None:
    """EVAL runs a script over KEYS and ARGV, which are text; EVALSHA runs it again by its digest."""
    a, b = f"{prefix}a", f"{prefix}b"
    script = "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return {KEYS[1], KEYS[2], ARGV[1], #ARGV}"
    wanted = [a.encode(), b.encode(), "é".encode(), 2]
    expect(await port.send("EVAL", script, 2, a, b, "é", TTL_MS), wanted)
    digest = await port.send("EVAL", "return redis.sha1hex(ARGV[1])", 1, a, script)
    expect(await port.send("EVALSHA", cast("bytes", digest), 2, a, b, "é", TTL_MS), wanted)
    expect(await port.send("GET", a), "é".encode())


@check()
async def replies_of_scripts(port: Port, prefix: str) -> None:
    """Nothing, integers, text, a status and nested arrays come out of a script as out of a command."""
    key = f"{prefix}a"
    for script, wanted in (
        ("return false", None),
        ("return redis.call('GET', KEYS[1])", None),
        ("return 7", 7),
        ("return 3.9", 3),
        ("return true", 1),
        ("return 'text'", b"text"),
        ("return {ok = 'STATUS'}", b"STATUS"),
        ("return {1, 'two', false, {3, {}, {'four'}}}", [1, b"two", None, [3, [], [b"four"]]]),
    ):
        expect(await port.send("EVAL", script, 1, key), wanted)


CHECKS = (
    conditional_sets,
    many_at_once,
    remaining_time,
    expiry_is_the_servers,
    scripts,
    replies_of_scripts,
)
