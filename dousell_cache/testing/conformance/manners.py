"""How a transport behaves: many callers at once, slots and servers, waiting, closing."""

from functools import partial
from typing import Any

from ...errors import CacheUnavailable, CommandRefused
from ...transport.port import Port, Reply
from .check import DEADLINE, Transport, check, expect, put, refused, short, together, until

_CALLERS = 32


@check()
async def nobody_gets_anothers_reply(port: Transport, prefix: str) -> None:
    """Of many callers at once, each gets the reply to what it sent, whatever the size, errors included."""
    await _talk_at_once(port, prefix)


async def _talk_at_once(port: Transport, prefix: str) -> None:
    await put(port, f"{prefix}text", "x")
    await together(port, [partial(_talk, port, prefix, number) for number in range(_CALLERS)])


async def _talk(port: Port, prefix: str, number: int) -> None:
    key, value = f"{prefix}{number}", f"{number}," * (1 + number % 7 * 500)
    for _ in range(5):
        await put(port, key, value)
        expect(await port.send("GET", key), value.encode())
        await refused(port, "WRONGTYPE", "LPUSH", f"{prefix}text", number)
        expect(await port.send("EVAL", "return {KEYS[1], ARGV[1]}", 1, key, number), [key.encode(), b"%d" % number])


@check()
async def slots(port: Port, prefix: str) -> None:
    """The slot of a key is the server's own, or 0 for every key: any keys then go together in one command."""
    names = ("a", "b", "user:{7}:name", "user:{7}:age", "{}x", "{", "clé 🏠", "", f"{prefix}a")
    told = [port.slot(name) for name in names]
    if any(told):
        expect(told, [await port.send("CLUSTER", "KEYSLOT", name) for name in names])
    else:
        expect(await port.send("EXISTS", *(f"{name}{prefix[1:-2]}" for name in names)), 0)


@check()
async def keys_of_one_slot_go_together(port: Port, prefix: str) -> None:
    """Keys anywhere are reached one by one, and those of one slot by one command."""
    names = [f"{prefix[1:-2]}:{number}" for number in range(24)]  # without the braces: spread over the slots
    for name in names:
        await put(port, name, name)
        expect(await port.send("GET", name), name.encode())
    by_slot: dict[int, list[str]] = {}
    for name in names:
        by_slot.setdefault(port.slot(name), []).append(name)
    for group in by_slot.values():
        expect(await port.send("MGET", *group), [name.encode() for name in group])
        expect(await port.send("DEL", *group), len(group))


@check()
async def every_node_can_be_searched(port: Port, prefix: str) -> None:
    """SCAN sent to each of ``nodes()`` finds every key, wherever it is kept."""
    names = {f"{prefix[1:-2]}:{number}" for number in range(24)}
    for name in names:
        await put(port, name, "x")
    found: list[str] = []
    for node in await port.nodes():
        found += await _scanned(node, f"{prefix[1:-2]}:*")
    expect(set(found), names)
    for name in names:
        expect(await port.send("DEL", name), 1)


async def _scanned(node: Port, pattern: str) -> list[str]:
    found, cursor = list[str](), b"0"
    while True:
        reply: Any = await node.send("SCAN", cursor, "MATCH", pattern, "COUNT", 500)
        cursor, names = reply
        found += [name.decode() for name in names]
        if cursor == b"0":
            return found


@check("can_block")
async def a_blocked_command_wakes(port: Transport, prefix: str) -> None:
    """A command that waits on the server ends when there is something, and holds nobody else up meanwhile."""
    key, seen = f"{prefix}queue", list[Reply]()

    async def wait() -> None:
        seen.append(await port.block(DEADLINE, "BLPOP", key, DEADLINE))

    async def push() -> None:
        await until(port, lambda: _waits(port), "the server holds the command back")
        await _talk_at_once(port, prefix)
        expect(seen, [])
        expect(await port.send("RPUSH", key, "x"), 1)

    await together(port, [wait, push])
    expect(seen, [[key.encode(), b"x"]])


async def _waits(port: Port) -> bool:
    for node in await port.nodes():
        listing = await node.send("CLIENT", "LIST")
        if isinstance(listing, bytes) and b"cmd=blpop" in listing:
            return True
    return False


@check("can_block")
async def a_blocked_command_times_out(port: Port, prefix: str) -> None:
    """A command that waited in vain answers None, and the next one is answered as ever."""
    expect(await port.block(0.05, "BLPOP", f"{prefix}none", 0.05), None)
    expect(await port.send("PING"), b"PONG")


@check("can_block")
async def a_blocked_command_may_be_refused(port: Port, prefix: str) -> None:
    """A command that waits is refused like any other."""
    await put(port, f"{prefix}a", "text")
    try:
        await port.block(1, "BLPOP", f"{prefix}a", 1)
    except CommandRefused as refused:
        expect(refused.code, "WRONGTYPE")
    else:
        message = "BLPOP of a text was not refused"
        raise AssertionError(message)


@check()
async def a_closed_transport_refuses(port: Transport, prefix: str) -> None:
    """Once closed, it raises CacheUnavailable and reaches nothing; closing again does nothing."""
    expect(await port.send("PING"), b"PONG")
    for _ in range(2):
        closing = port.close()
        if closing is not None:
            await closing
    try:
        reply = await port.send("GET", f"{prefix}a")
    except CacheUnavailable:
        return
    message = f"a closed transport answered {short(reply)}"
    raise AssertionError(message)


CHECKS = (
    nobody_gets_anothers_reply,
    slots,
    keys_of_one_slot_go_together,
    every_node_can_be_searched,
    a_blocked_command_wakes,
    a_blocked_command_times_out,
    a_blocked_command_may_be_refused,
    a_closed_transport_refuses,
)
