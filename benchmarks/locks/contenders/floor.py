"""What a lock over this server costs at least: its two commands on a bare connection; a token that waiters pop."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import redis

from . import AsyncLock, Lock, NotGranted

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


def socket_lock(url: str) -> Lock:
    """``SET NX PX`` and a script that deletes its own token, on one socket: nobody can wait."""
    parts = urlsplit(url)
    connection = socket.create_connection((str(parts.hostname), parts.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    digest = _load(url)

    def ask(*command: str) -> bytes:
        connection.sendall(_packed(command))
        return connection.recv(4096)

    @contextmanager
    def lock(name: str, ttl: float, _wait: bool) -> Iterator[None]:
        token = uuid4().hex
        if ask("SET", name, token, "NX", "PX", str(int(ttl * 1000))) != b"+OK\r\n":
            raise NotGranted
        yield
        ask("EVALSHA", digest, "1", name, token)

    return lock


async def streams(url: str) -> AsyncLock:
    """The same on asyncio's streams."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    digest = _load(url)

    async def ask(*command: str) -> bytes:
        writer.write(_packed(command))
        return await reader.readuntil(b"\r\n")

    @asynccontextmanager
    async def lock(name: str, ttl: float, _wait: bool) -> AsyncIterator[None]:
        token = uuid4().hex
        if await ask("SET", name, token, "NX", "PX", str(int(ttl * 1000))) != b"+OK\r\n":
            raise NotGranted
        yield
        await ask("EVALSHA", digest, "1", name, token)

    return lock


def pop(url: str) -> Lock:
    """One token in a list: popping it is the lock, pushing it back the release; whoever dies with it keeps it."""
    client = redis.Redis.from_url(url, socket_timeout=None)
    known = set[str]()
    door = threading.Lock()

    @contextmanager
    def lock(name: str, _ttl: float, wait: bool) -> Iterator[None]:
        with door:
            if name not in known and client.set(f"{name}:made", 1, nx=True):
                client.rpush(name, "token")
            known.add(name)
        if not (client.blpop([name], 0) if wait else client.lpop(name)):
            raise NotGranted
        yield
        client.rpush(name, "token")

    return lock


def _load(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        return str(client.script_load(_RELEASE))


def _packed(command: tuple[str, ...]) -> bytes:
    parts = "".join(f"${len(part)}\r\n{part}\r\n" for part in command)
    return f"*{len(command)}\r\n{parts}".encode()
