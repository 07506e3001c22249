"""The words flows speak to a server in: read, write, delete. Each word is one command.

A store is one flow's conversation: it is made for a call, counts the commands that the call cost, and is dropped.
"""

from typing import Any, cast

from .entries import Entry, decode
from .transport.port import Argument, Port, Reply


class Store:
    """Speak to a server about keys under a namespace.

    Args:
        port: how commands get there.
        namespace: put before every key, as it is.
    """

    __slots__ = ("_namespace", "_port", "commands")

    def __init__(self, port: Port, namespace: str) -> None:
        self._port = port
        self._namespace = namespace
        self.commands = 0

    async def read(self, key: str, type_: Any) -> Entry[Any] | None:
        """Return the entry under a key; None when there is none that decodes."""
        stored = await self._send("GET", self._namespace + key)
        return decode(cast("bytes", stored), type_) if stored is not None else None

    async def write(self, key: str, stored: bytes, ttl_ms: int) -> None:
        """Put an entry's stored form under a key, for so many milliseconds."""
        await self._send("SET", self._namespace + key, stored, "PX", ttl_ms)

    async def delete(self, keys: tuple[str, ...]) -> int:
        """Delete keys together and return how many were there."""
        deleted = await self._send("DEL", *(self._namespace + key for key in keys))
        return cast("int", deleted)

    async def ping(self) -> None:
        """Make sure that a server answers."""
        await self._send("PING")

    async def _send(self, *command: Argument) -> Reply:
        self.commands += 1
        return await self._port.send(*command)
