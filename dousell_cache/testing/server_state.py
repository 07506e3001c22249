"""A real server as a function: from its data and a command to a reply and its next data.

One transaction puts the data back, runs the command and takes the data out again. Inside a transaction the server's
clock stands still, so remaining times come back to the millisecond, and the same question always has the same answer:
each is put to the server once.
"""

import shutil
import socket
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import hiredis

from ..local import valkey
from ..local.process import stop_all
from .replays import Refusal
from .world import Command

_DUMP = """
local found, names = {}, redis.call('KEYS', '*')
table.sort(names)
for _, key in ipairs(names) do
    found[#found + 1] = {key, redis.call('PTTL', key), redis.call('DUMP', key)}
end
return found
"""


class Key(NamedTuple):
    """One key on the server: its name, its milliseconds left (-1: no end), its content as DUMP gives it."""

    name: bytes
    ttl_ms: int
    content: bytes


class Server:
    """A server whose data an exploration may replace as it likes.

    Args:
        path: its unix socket; Redis 7.2, Valkey 7.2 or newer. **All its data is lost.**
    """

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._reader = hiredis.Reader()
        self._data: list[tuple[Key, ...]] = [()]
        self._numbers: dict[tuple[Key, ...], int] = {(): 0}
        self._answers: dict[tuple[int, Command], tuple[Hashable, int]] = {}
        self.commands = 0

    def keys(self, data: int) -> tuple[Key, ...]:
        """Return the keys of a data set by its number, in order of their names; number 0 is empty."""
        return self._data[data]

    def run(self, data: int, command: Command) -> tuple[Hashable, int]:
        """Return what the server, holding this data, answers to a command, and the data it holds afterwards."""
        question = (data, command)
        if question not in self._answers:
            self._answers[question] = self._run(*question)
        return self._answers[question]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _run(self, data: int, command: Command) -> tuple[Hashable, int]:
        self.commands += 1
        restored = [(b"RESTORE", key.name, max(key.ttl_ms, 0), key.content) for key in self.keys(data)]
        asked = [(b"MULTI",), (b"FLUSHDB",), *restored, command, (b"EVAL", _DUMP, 0), (b"EXEC",)]
        replies = self._exchange(asked)
        if isinstance(replies[-1], hiredis.ReplyError):  # the command was not even taken into the transaction
            return _frozen(replies[-3]), data
        *_, reply, dump = replies[-1]
        return _frozen(reply), self._number(tuple(Key(*key) for key in dump))

    def _number(self, keys: tuple[Key, ...]) -> int:
        if keys not in self._numbers:
            self._numbers[keys] = len(self._data)
            self._data.append(keys)
        return self._numbers[keys]

    def _exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        self._socket.sendall(b"".join(hiredis.pack_command(command) for command in commands))
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is False:
                received = self._socket.recv(1 << 16)
                if not received:
                    raise ConnectionError("the server under exploration closed the connection")
                self._reader.feed(received)
            else:
                replies.append(reply)
        return replies


def _frozen(reply: Any) -> Hashable:
    if isinstance(reply, list):
        return tuple(_frozen(item) for item in reply)
    return Refusal(str(reply)) if isinstance(reply, hiredis.ReplyError) else reply


@contextmanager
def private_server() -> Iterator[Server]:
    """Start a Valkey for explorations only, on a unix socket in a private folder; it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="dx-"))
    child = valkey.start(valkey.server_path(), folder, 0)
    try:
        valkey.wait_ready(child, folder)
        server = Server(str(valkey.socket_path(folder)))
        try:
            yield server
        finally:
            server.close()
    finally:
        stop_all([child])
        shutil.rmtree(folder)
