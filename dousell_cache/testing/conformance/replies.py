"""What comes back: shapes, values, keys and refusals."""

from ...errors import EncodingError
from ...transport.port import Port
from .check import TTL_MS, check, expect, put, refused


@check()
async def replies(port: Port, prefix: str) -> None:
    """Status lines and bulk strings are bytes, integers int, nothing is None, arrays are lists of these."""
    key, others = f"{prefix}a", f"{prefix}list"
    expect(await port.send("PING"), b"PONG")
    expect(await port.send("GET", key), None)
    expect(await port.send("SET", key, "x", "PX", TTL_MS), b"OK")
    expect(await port.send("GET", key), b"x")
    expect(await port.send("EXISTS", key), 1)
    expect(await port.send("RPUSH", others, "1", "2"), 2)
    expect(await port.send("LRANGE", others, 0, -1), [b"1", b"2"])
    expect(await port.send("LRANGE", f"{prefix}none", 0, -1), [])
    expect(await port.send("DEL", key, others), 2)


@check()
async def a_value_that_looks_like_a_reply(port: Port, prefix: str) -> None:
    """What looks like a status, an error, a number or JSON comes back as the bytes that were stored."""
    for value in (b"OK", b"-ERR no", b"+PONG", b"$-1\r\n", b"7", b"1.50", b"null", b"true", b'{"a": [1, "x"]}', b'"'):
        await put(port, f"{prefix}a", value)
        expect(await port.send("GET", f"{prefix}a"), value)


@check()
async def arguments(port: Port, prefix: str) -> None:
    """Text, bytes, integers and floats are sent as their plain text."""
    for argument, stored in (
        ("é", "é".encode()),
        (b"x", b"x"),
        (-7, b"-7"),
        (0.25, b"0.25"),
        (10**15, b"1000000000000000"),
    ):
        await put(port, f"{prefix}a", argument)
        expect(await port.send("GET", f"{prefix}a"), stored)


@check()
async def text(port: Port, prefix: str) -> None:
    """UTF-8 text of every plane, control characters and line ends come back unchanged."""
    for value in ("été 🏠 𝄞 你好 \u202e", "a\r\nb\n\tc\x00d\x7f", "\ufeff \ufffd \u2028", '\\u00e9 \\ "quoted"'):
        await put(port, f"{prefix}a", value.encode())
        expect(await port.send("GET", f"{prefix}a"), value.encode())


@check()
async def empty_values(port: Port, prefix: str) -> None:
    """An empty value is a value: it differs from nothing."""
    await put(port, f"{prefix}a", "")
    expect(await port.send("MGET", f"{prefix}a", f"{prefix}none"), [b"", None])


@check()
async def large_values(port: Port, prefix: str) -> None:
    """A value of 1 MB comes back whole."""
    value = b"0123456789abcdef" * 62_500
    await put(port, f"{prefix}a", value)
    if await port.send("GET", f"{prefix}a") != value:
        message = "1 MB did not come back as it was stored"
        raise AssertionError(message)


@check("can_carry_bytes")
async def any_bytes(port: Port, prefix: str) -> None:
    """Bytes that are no text come back unchanged."""
    value = bytes(range(256))
    await put(port, f"{prefix}a", value)
    expect(await port.send("GET", f"{prefix}a"), value)


@check()
async def no_bytes_are_mangled(port: Port, prefix: str) -> None:
    """Bytes that are no text are carried, or refused by EncodingError before anything is stored."""
    try:
        await put(port, f"{prefix}a", b"\xff\xfe")
    except EncodingError:
        expect(await port.send("GET", f"{prefix}a"), None)
    else:
        expect(await port.send("GET", f"{prefix}a"), b"\xff\xfe")


@check()
async def keys(port: Port, prefix: str) -> None:
    """Spaces, line ends, quotes, braces, wildcards and letters beyond ASCII in a key make keys of their own."""
    names = [f"{prefix}{name}" for name in ("a b", "a\nb", "a\r\nb", "a", "A", 'a"b', "a*", "a?", "{x}", "clé 🏠", "")]
    for name in names:
        await put(port, name, f"value of {name}")
    expect(await port.send("MGET", *names), [f"value of {name}".encode() for name in names])
    expect(await port.send("DEL", *names), len(names))


@check()
async def refusals(port: Port, prefix: str) -> None:
    """A command that the server refuses raises CommandRefused with the server's own code, and the next is answered."""
    await put(port, f"{prefix}a", "text")
    await refused(port, "WRONGTYPE", "LPUSH", f"{prefix}a", "x")
    await refused(port, "NOSCRIPT", "EVALSHA", "f" * 40, 1, f"{prefix}a")
    await refused(port, "ERR", "NONSENSE", f"{prefix}a")
    await refused(port, "ERR", "GET")
    await refused(port, "ERR", "INCR", f"{prefix}a")
    await refused(port, "CUSTOM", "EVAL", "return {err = 'CUSTOM went wrong'}", 1, f"{prefix}a")
    expect(await port.send("GET", f"{prefix}a"), b"text")


CHECKS = (
    replies,
    a_value_that_looks_like_a_reply,
    arguments,
    text,
    empty_values,
    large_values,
    any_bytes,
    no_bytes_are_mangled,
    keys,
    refusals,
)
