"""Faults on purpose: a proxy in front of a real server that misbehaves while you tell it to.

It lets you see what your site does when its cache dies, with the cache and the site as they are::

    with FaultProxy("redis://127.0.0.1:6379/0") as proxy, connect(proxy.url) as cache:
        proxy.inject("silence")                      # accepts, and never answers
        cache.get_or_set("page", load, ttl=60)       # the loader answers, after patience
        proxy.heal()

The proxy has a thread and an event loop of its own, so it serves blocking and asyncio code alike, in this process or
any other. It needs no test framework.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from .answers import HTTP_ANSWERS, RESP_ERRORS
from .framing import http_end, resp_end
from .relay import Connection, Plan

T = TypeVar("T")

ON_THE_WAY = (
    "refuse",
    "silence",
    "reset",
    "reset-mid-reply",
    "garbage",
    "drip",
    "tls-stall",
    "delay",
    "lose-reply-and-close",
    "lose-reply-and-stall",
)
"""Faults of any connection:

- ``refuse``: nothing listens, and open connections are reset; until healed.
- ``silence``: the command arrives and is never answered, nor is anything else on that connection.
- ``reset``: the connection is reset (RST) when the command arrives.
- ``reset-mid-reply``: the server runs the command, half of its reply arrives, then the connection is reset.
- ``garbage``: the answer is of no protocol.
- ``drip``: the server's reply arrives byte by byte, ``seconds`` apart.
- ``tls-stall``: the answer is the beginning of a TLS handshake, and no more; connect with ``tls_url``.
- ``delay``: the command reaches the server ``seconds`` late, and so does its reply.
- ``lose-reply-and-close``, ``lose-reply-and-stall``: the server **runs the command**, its reply is lost, and the
  connection is closed, or stays open and silent.
"""

_CHUNK = 65536
_SECONDS = 10.0  # for the proxy's own thread to do what it was told: a deadline, never a wait


class FaultProxy:
    """Pass commands on to a Redis or Valkey, or treat them as told; a context manager.

    Args:
        target: ``redis://host:port/…``, or ``rediss://``, through which a piece of the stream counts as a command.

    Raises:
        ConfigurationError: the target is no such URL.
    """

    answers: ClassVar[Mapping[str, bytes]] = RESP_ERRORS
    faults: ClassVar[tuple[str, ...]] = (*ON_THE_WAY, *RESP_ERRORS)
    """What :meth:`inject` takes: :data:`ON_THE_WAY`, and the error codes that a server answers with."""

    _schemes: ClassVar[Mapping[str, int]] = {"redis": 6379, "rediss": 6379}
    _secure: ClassVar[str] = "rediss"

    def __init__(self, target: str) -> None:
        self._parts = urlsplit(target)
        if self._parts.scheme not in self._schemes:
            known = " or ".join(f"{scheme}://" for scheme in self._schemes)
            message = f"{type(self).__name__} stands before {known}, not {self._parts.scheme!r}"
            raise ConfigurationError(message)
        self.commands = 0
        """Commands that arrived, whatever became of them."""
        self.connections = 0
        """Connections that were accepted."""
        self._plan: Plan | None = None
        self._left: int | None = None
        self._listener: asyncio.Server | None = None
        self._open = set[Connection]()
        self._tasks = set[asyncio.Task[Any]]()
        self._port = 0

    @property
    def port(self) -> int:
        """The port it listens on, of 127.0.0.1; it stays the same."""
        return self._port

    @property
    def url(self) -> str:
        """The target's URL, by way of the proxy."""
        return self._url(self._parts.scheme)

    @property
    def tls_url(self) -> str:
        """The same over TLS, for ``tls-stall``."""
        return self._url(self._secure)

    def inject(self, fault: str, *, commands: int | None = None, seconds: float = 0.05) -> None:
        """Treat commands with a fault from now on, in place of any other.

        Args:
            fault: one of :attr:`faults`.
            commands: how many of the next commands; by default all until :meth:`heal`.
            seconds: how long a ``delay``, or the pause between two bytes of a ``drip``; default 0.05.

        Raises:
            ValueError: there is no such fault, or it cannot be counted.
        """
        if fault not in self.faults:
            message = f"there is no fault {fault!r} here, but {', '.join(self.faults)}"
            raise ConfigurationError(message)
        if commands is not None and (fault == "refuse" or commands < 1):
            message = f"commands must be 1 or more, and None for 'refuse', not {commands!r}"
            raise ConfigurationError(message)
        self._run(self._injected(Plan(fault, seconds), commands))

    def heal(self) -> None:
        """Pass everything on again, on the same port; a connection that fell silent stays so."""
        self._run(self._healed())

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self._run(self._closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _url(self, scheme: str) -> str:
        user = f"{self._parts.netloc.rpartition('@')[0]}@" if "@" in self._parts.netloc else ""
        return self._parts._replace(scheme=scheme, netloc=f"{user}127.0.0.1:{self._port}").geturl()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SECONDS)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _injected(self, plan: Plan, commands: int | None) -> None:
        await self._healed()
        if plan.fault == "refuse":
            await self._refuse()
        self._plan, self._left = plan, commands

    async def _healed(self) -> None:
        self._plan = None
        if self._listener is None:
            await self._listen()

    async def _closed(self) -> None:
        """Wait until nothing goes on: who was let in at the last moment is a task only some turns of the loop later."""
        await self._refuse()
        told = set[asyncio.Task[None]]()
        while asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._tasks - told:
                task.cancel()
            told |= self._tasks
            await asyncio.sleep(0)

    async def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener:
            for door in listener.sockets:
                asyncio.get_running_loop().remove_reader(door.fileno())
            await asyncio.sleep(
                0
            )  # who is half-way in gets in: asyncio would lose the socket, see python/cpython#109564
            listener.close()
        for connection in self._open:
            connection.reset()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        task = asyncio.current_task()
        if task:  # there always is one
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(connection)
        self.connections += 1
        if self._listener is None:
            connection.reset()
        try:
            await connection.run()
        except (OSError, asyncio.CancelledError):
            pass  # either end went away, or the proxy was closed
        finally:
            self._open.discard(connection)
            connection.close()

    def next_plan(self) -> Plan | None:
        """Count a command and return what is to become of it."""
        self.commands += 1
        plan = self._plan
        if plan and self._left is not None:
            self._left -= 1
            if not self._left:
                self._plan = None
        return plan

    def _end(self, data: bytes) -> int:
        return resp_end(data)

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the target."""
        port = self._parts.port or self._schemes[self._parts.scheme]
        return await asyncio.open_connection(self._parts.hostname, port)

    async def messages(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Yield one command or reply after the other."""
        received = b""
        while chunk := await reader.read(_CHUNK):
            received += chunk
            while received and (end := self._end(received)):
                message, received = received[:end], received[end:]
                yield message


class HttpFaultProxy(FaultProxy):
    """Pass requests on to an HTTP endpoint, such as Upstash's emulator, or treat them as told; a context manager.

    Args:
        target: ``http://host:port``; its responses must carry their length.
    """

    answers = HTTP_ANSWERS
    faults = (*ON_THE_WAY, *HTTP_ANSWERS)
    """What :meth:`inject` takes: :data:`ON_THE_WAY`, ``401``, ``429``, ``500``, ``html`` and ``truncated-json``."""

    _schemes: ClassVar[Mapping[str, int]] = {"http": 80}
    _secure = "https"

    def _end(self, data: bytes) -> int:
        return http_end(data)
