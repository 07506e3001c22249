"""One open connection, for each face: send a command, and return its reply before a deadline.

redis-py connects, encrypts, authenticates and selects the database. From then on its socket is ours: redis-py gives
every piece of a reply its own timeout, so that a server which drips would hold a caller without end, and its streams
cost an asyncio command half as much again. Whoever got anything but a reply out of a link drops it.
"""

import asyncio
import selectors
import time
from typing import Any

from .resp import INCOMPLETE, Garbage, Received, Replies

_IDLE_SECONDS = 1.0  # a server may have closed what rested longer; below that, looking would cost more than it finds
_SLACK_SECONDS = 0.001
_PIECE = 65536
_CLOSED = "the server closed the connection"
_SILENT = "Timeout waiting for the reply"


def left(deadline: float) -> float:
    """Return the seconds left until a deadline of the monotonic clock.

    Raises:
        TimeoutError: none are.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError(_SILENT)
    return seconds


def _rests(socket: Any) -> bool:
    """Tell whether nothing waits to be read: neither the end of the connection nor what nobody asked for."""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(socket, selectors.EVENT_READ)
            return not selector.select(0)
    except (OSError, ValueError):  # closed on our side
        return False


class BlockingLink:
    """One connection, blocking the calling thread.

    Args:
        connection: redis-py's, connected.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket = connection._get_socket()  # noqa: SLF001 - the only way there is
        self._replies = Replies()
        self._timeout = -1.0
        self._used = time.monotonic()

    def ask(self, packed: bytes, deadline: float) -> Received:
        """Send a packed command and return its reply.

        Raises:
            OSError: no reply before the deadline, or none ever.
            Garbage: something else arrived.
        """
        try:
            self._bound(deadline)
            self._socket.sendall(packed)
            reply: Any = INCOMPLETE
            while reply is INCOMPLETE:
                self._bound(deadline)
                received = self._socket.recv(_PIECE)
                if not received:
                    raise ConnectionResetError(_CLOSED)
                reply = self._replies.feed(received)
        except TimeoutError:
            raise TimeoutError(_SILENT) from None
        self._used = time.monotonic()
        return reply  # type: ignore[no-any-return]  # hiredis has no types for it

    def usable(self) -> bool:
        """Tell whether a command may be sent."""
        return time.monotonic() - self._used < _IDLE_SECONDS or _rests(self._socket)

    def drop(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _bound(self, deadline: float) -> None:
        """Let the socket wait until a deadline; a millisecond more or less is not worth the system call each time."""
        seconds = left(deadline)
        if not 0 <= self._timeout - seconds <= _SLACK_SECONDS:
            self._timeout = seconds + _SLACK_SECONDS / 2
            self._socket.settimeout(self._timeout)


class AsyncLink(asyncio.Protocol):
    """One connection, suspending the calling task; made and used in one event loop.

    Args:
        connection: redis-py's, connected, with nothing to read.
    """

    def __init__(self, connection: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._transport: Any = connection._writer.transport  # noqa: SLF001 - the only way there is
        self._replies = Replies()
        self._used = time.monotonic()
        self._reply = self._loop.create_future()
        self._reply.cancel()  # nothing is asked for yet
        self.gone = self._loop.create_future()
        self._transport.set_protocol(self)

    async def ask(self, packed: bytes, deadline: float) -> Received:
        """Send a packed command and return its reply; see :meth:`BlockingLink.ask`."""
        self._reply = reply = self._loop.create_future()
        expiry = self._loop.call_later(left(deadline), self._fail, TimeoutError(_SILENT))
        try:
            self._transport.write(packed)
            received: Received = await reply
        finally:
            expiry.cancel()
        self._used = time.monotonic()
        return received

    def usable(self) -> bool:
        """Tell whether a command may be sent."""
        if self._transport.is_closing():
            return False
        rested = time.monotonic() - self._used
        return rested < _IDLE_SECONDS or _rests(self._transport.get_extra_info("socket"))

    def drop(self) -> None:
        """Close the connection at once, without flushing what a silent server would never take."""
        if not self._reply.cancel() and not self._reply.cancelled():
            self._reply.exception()  # whoever was cancelled just then did not see it, and asyncio would complain
        try:
            self._transport.abort()
            self._connection._close()  # noqa: SLF001 - its disconnect() must be awaited, and a cancelled task cannot
        except RuntimeError:  # the event loop is closed, and its sockets with it
            return

    def data_received(self, data: bytes) -> None:
        """Take in what arrived; the event loop calls it."""
        try:
            reply = self._replies.feed(data)
        except Garbage as error:
            return self._fail(error)
        if reply is INCOMPLETE:
            return None
        if self._reply.done():
            return self._transport.abort()  # type: ignore[no-any-return]  # nobody asked for it
        return self._reply.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection is over; the event loop calls it."""
        self._fail(error or ConnectionResetError(_CLOSED))
        if not self.gone.done():
            self.gone.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._reply.done():
            self._reply.set_exception(error)
