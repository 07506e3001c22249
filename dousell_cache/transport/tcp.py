"""Redis or Valkey over TCP or a Unix socket, on connections that redis-py makes and this module keeps.

Patience is a deadline: waiting for a connection, connecting and every piece of the reply take no longer together.
Nothing is sent twice. A connection that got anything but a reply in time (an interruption, a timeout, garbage) is
dropped, so that no later command is given its reply. What takes longer to connect than its caller waits serves the
next.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, NoReturn, Self

from ..errors import CacheUnavailable
from .links import AsyncLink, BlockingLink
from .pools import async_pool, blocking_pool
from .port import Argument, Reply
from .redaction import Redaction
from .resp import Garbage, Received, Refused, pack
from .shelf import Outcome, Shelf
from .translation import FOREIGN, translated, unconnected
from .waiting import awaited, waited


class _Tcp:
    """What both faces share.

    Args:
        pool: a redis-py pool: what class its connections are of, their settings, how many there may be.
        patience: seconds a command may take.
    """

    can_block: bool = True
    can_carry_bytes: bool = True

    def __init__(self, pool: Any, patience: float) -> None:
        self.pool = pool
        self.patience = patience
        self._redaction = Redaction(*_passwords(pool))

    def slot(self, key: str) -> int:  # noqa: ARG002 - the port's; one server holds them all
        """Return 0: one server holds all keys."""
        return 0

    async def nodes(self) -> list[Self]:
        """Return itself: one server keeps all keys."""
        return [self]

    def _connection(self) -> Any:
        # What make_connection() does, without its counting of connections that never come back to the pool.
        return self.pool.connection_class(**self.pool.connection_kwargs)

    def _reply(self, received: Received, shelf: Shelf[Any]) -> Reply:
        if isinstance(received, Refused):
            if str(received).startswith("READONLY"):
                shelf.clear()  # the master became a replica: who connects anew may be led to the new one
            self._raise(received)
        return received

    def _raise(self, error: Exception) -> NoReturn:
        raise translated(error, self._redaction) from self._redaction.cause(error)


def _passwords(pool: Any) -> Iterator[str | None]:
    """Yield the passwords that connecting may quote: the server's, and those of the Sentinels that lead to it."""
    yield pool.connection_kwargs.get("password")
    watching = getattr(pool, "sentinel_manager", None)
    for sentinel in watching.sentinels if watching else ():
        yield sentinel.connection_pool.connection_kwargs.get("password")


class BlockingTcp(_Tcp):
    """Send commands over kept connections, blocking the calling thread; safe to share between threads and after a fork.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        patience: seconds a command may take, from the call to the end of its reply.
        pool: a redis-py pool to take the connections' class and settings from instead of the URL: a Sentinel's, for
            instance.
    """

    blocking: Literal[True] = True

    def __init__(self, url: str, *, patience: float, pool: Any = None) -> None:
        super().__init__(pool or blocking_pool(url, patience), patience)
        self._shelf = Shelf[BlockingLink](self._start, self.pool.max_connections)
        self._waiting_shelf = Shelf[BlockingLink](self._start, self.pool.max_connections)

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        return self._ask(self._shelf, self.patience, command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply, given up after so many seconds if that is sooner than patience."""
        return self._ask(self._shelf, min(seconds, self.patience), command)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits on the server, and return its reply; given up after these seconds and patience."""
        return self._ask(self._waiting_shelf, seconds + self.patience, command)

    async def alone(self, seconds: float, *commands: tuple[Argument, ...]) -> Reply:
        """Send commands in a row on one connection, as for :meth:`block`, and return the last reply."""
        return self._ask(self._waiting_shelf, seconds + self.patience, *commands)

    def close(self) -> None:
        """Close every connection; commands are refused from now on."""
        self._shelf.close()
        self._waiting_shelf.close()

    def _ask(self, shelf: Shelf[BlockingLink], seconds: float, *commands: tuple[Argument, ...]) -> Reply:
        started = time.monotonic()
        packed = [pack(command) for command in commands]
        try:
            link = shelf.take() or waited(shelf, started + min(seconds, self.patience))
            deadline = started + seconds if shelf is self._shelf else time.monotonic() + seconds
            try:
                for one in packed:
                    received = link.ask(one, deadline)
            except BaseException as error:
                shelf.discard(link, error)
                raise
        except FOREIGN as error:
            self._raise(error)
        shelf.give(link)  # not inside the try: what was given back is no longer ours to drop
        return self._reply(received, shelf)

    def _start(self, shelf: Shelf[BlockingLink]) -> None:
        # In a thread: looking up a name, or a server that drips its greeting, keeps to no deadline.
        try:
            threading.Thread(target=self._open, args=(shelf,), daemon=True).start()
        except RuntimeError as error:
            shelf.opened(error)

    def _open(self, shelf: Shelf[BlockingLink]) -> None:
        try:
            connection = self._connection()
            connection.connect()
            outcome: Outcome[BlockingLink] = BlockingLink(connection)
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for the connection
            outcome = unconnected(error, self._redaction)
        shelf.opened(outcome)


class AsyncTcp(_Tcp):
    """Send commands over kept connections, suspending the calling task; for the event loop that sends first.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        patience: seconds a command may take, from the call to the end of its reply.
        pool: one of redis-py's asyncio pools to take the connections' class and settings from instead of the URL.
    """

    blocking: Literal[False] = False

    def __init__(self, url: str, *, patience: float, pool: Any = None) -> None:
        super().__init__(pool or async_pool(url, patience), patience)
        self._shelf = Shelf[AsyncLink](self._start, self.pool.max_connections)
        self._waiting_shelf = Shelf[AsyncLink](self._start, self.pool.max_connections)
        self._openers = set[asyncio.Task[None]]()

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        return await self._ask(self._shelf, self.patience, command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply, given up after so many seconds if that is sooner than patience."""
        return await self._ask(self._shelf, min(seconds, self.patience), command)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits on the server, and return its reply; given up after these seconds and patience."""
        return await self._ask(self._waiting_shelf, seconds + self.patience, command)

    async def alone(self, seconds: float, *commands: tuple[Argument, ...]) -> Reply:
        """Send commands in a row on one connection, as for :meth:`block`, and return the last reply."""
        return await self._ask(self._waiting_shelf, seconds + self.patience, *commands)

    async def close(self) -> None:
        """Close every connection; commands are refused from now on."""
        ending: list[asyncio.Future[None]] = [*self._openers]
        for opener in self._openers:
            opener.cancel()
        for shelf in (self._shelf, self._waiting_shelf):
            ending += [link.gone for link in shelf.free]
            shelf.close()
        if ending and ending[0].get_loop() is asyncio.get_running_loop():
            await asyncio.wait(ending, timeout=self.patience)

    async def _ask(self, shelf: Shelf[AsyncLink], seconds: float, *commands: tuple[Argument, ...]) -> Reply:
        started = time.monotonic()
        packed = [pack(command) for command in commands]
        try:
            _own(shelf)
            link = shelf.take() or await awaited(shelf, started + min(seconds, self.patience))
            deadline = started + seconds if shelf is self._shelf else time.monotonic() + seconds
            try:
                for one in packed:
                    received = await link.ask(one, deadline)
            except BaseException as error:
                shelf.discard(link, error)
                raise
        except FOREIGN as error:
            self._raise(error)
        shelf.give(link)
        return self._reply(received, shelf)

    def _start(self, shelf: Shelf[AsyncLink]) -> None:
        # In a task: redis-py connects through asyncio.wait_for, which before Python 3.12 may swallow a cancellation.
        opener = asyncio.get_running_loop().create_task(self._open(shelf))
        self._openers.add(opener)
        opener.add_done_callback(self._openers.discard)

    async def _open(self, shelf: Shelf[AsyncLink]) -> None:
        connection = self._connection()
        outcome: Outcome[AsyncLink] = CacheUnavailable("the client cannot send: its event loop ended")
        try:
            await connection.connect()
            if await connection.can_read():  # before anything was asked: an error, or the end
                await connection.read_response()
                raise Garbage("it spoke before it was asked")
            outcome = AsyncLink(connection)
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for the connection
            outcome = unconnected(error, self._redaction)
        finally:
            if isinstance(outcome, Exception):
                await connection.disconnect(nowait=True)
            shelf.opened(outcome)


def _own(shelf: Shelf[AsyncLink]) -> None:
    loop = asyncio.get_running_loop()
    if shelf.owner is None:
        shelf.owner = loop
    if shelf.owner is not loop:
        message = "it belongs to another event loop"
        raise RuntimeError(message)
