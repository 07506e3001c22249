"""Raw RESP2 to one Valkey over its unix socket: replies as they came, error texts byte for byte.

A Redis client library would not do: redis-py strips the code from an error ("NOSCRIPT No matching script…" arrives as
"No matching script…"), and the callers of a gateway fall back from EVALSHA to EVAL by that very word. Nothing is sent
twice here: whether a command whose reply was lost has run, only its sender can find out.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import hiredis

__all__ = ["Command", "Reply", "ReplyError", "ValkeyPool"]

Command = Sequence[bytes]
Reply = Any  # bytes, int, None, ReplyError, or a list of these

_CHUNK = 65536
# hiredis's own annotation takes a tuple for a tuple of one.
_pack: Callable[[tuple[bytes, ...]], bytes] = cast("Any", hiredis.pack_command)


class ReplyError(Exception):
    """An error that Valkey replied with; its text is the reply's, unchanged."""


class ValkeyPool:
    """Hand out connections to one Valkey, each to one caller at a time; lost ones are replaced when next needed.

    Args:
        path: the unix socket.
        size: most connections open at once; further callers wait for a free one.
    """

    def __init__(self, path: str, size: int = 16) -> None:
        self._path = path
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Connection] = []

    async def send(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one write on one connection and return their replies, in order.

        Raises:
            OSError: Valkey is not there, or went away before the last reply.
        """
        if not commands:
            return []
        async with self._free:
            connection = await self._connection()
            try:
                replies = await connection.exchange(commands)
            except BaseException:
                connection.close()  # replies may still be on their way: the next caller must not get them
                raise
            self._idle.append(connection)
            return replies

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.alive:
                return connection
            connection.close()
        return _Connection(*await asyncio.open_unix_connection(self._path, limit=_CHUNK))


class _Connection:
    def __init__(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._replies = hiredis.Reader(replyError=ReplyError, notEnoughData=...)

    @property
    def alive(self) -> bool:
        return not self._incoming.at_eof()

    def close(self) -> None:
        self._outgoing.close()

    async def exchange(self, commands: Iterable[Command]) -> list[Reply]:
        packed = [_pack(tuple(command)) for command in commands]
        self._outgoing.write(b"".join(packed))
        return [await self._next() for _ in packed]

    async def _next(self) -> Reply:
        while (reply := self._replies.gets()) is ...:
            received = await self._incoming.read(_CHUNK)
            if not received:
                raise ConnectionResetError("Valkey closed the connection before its reply")
            self._replies.feed(received)
        return reply
