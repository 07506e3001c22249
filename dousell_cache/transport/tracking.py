"""The server's invalidation messages, followed over one connection of their own; TCP to one server only.

Over REST there is nothing to follow. In a Cluster every primary would need a listener of its own, so nothing is
followed there either: the near cache is then bounded by its age alone.

The connection's user needs ``client|id``, ``client|tracking``, ``subscribe``, ``ping`` and the channel
``__redis__:invalidate``. Where the server refuses these, the near cache stays off, and is tried again once a minute.
"""

import asyncio
import os
import random
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .invalidations import CHANNEL, PING_SECONDS, Follower, LostError, Subscription, tracking

_REFUSED_SECONDS: Final = 60.0
_CLOSING_SECONDS: Final = 5.0
_LOSSES: Final = (LostError, RedisError, OSError, RuntimeError)


def factory(pool: Any, patience: float) -> Callable[[], Any]:
    """Return what makes connections like those of a redis-py pool, though none of its own.

    Args:
        pool: either face's; it is only looked at.
        patience: seconds that connecting, or one answer, may take.
    """
    own = {"protocol": 2, "socket_timeout": patience, "socket_connect_timeout": patience}
    return lambda: pool.connection_class(**(pool.connection_kwargs | own))


class _Listener:
    """What both faces know.

    Args:
        connection: makes an unconnected redis-py connection of this face, see ``factory``.
        follower: who is told; distrusted whenever the connection is lost, and at the end.
        namespace: what stands before every key on the server.
        patience: seconds that the answer to a ping may take.
    """

    def __init__(self, connection: Callable[[], Any], follower: Follower, namespace: str, *, patience: float) -> None:
        self._make = connection
        self._follower = follower
        self._namespace = namespace
        self._patience = patience
        self._closed = False


class BlockingListener(_Listener):
    """Follow a server's invalidations from one daemon thread.

    After a fork the child has none, until its own first ``start``.
    """

    _thread: threading.Thread | None
    _lock: threading.Lock
    _stop: threading.Event

    def __init__(self, connection: Callable[[], Any], follower: Follower, namespace: str, *, patience: float) -> None:
        super().__init__(connection, follower, namespace, patience=patience)
        self._connection: Any = None
        self._begin()
        _in_this_process.add(self)

    def start(self) -> None:
        """Make sure that the thread runs: cheap, so call it at every read that the near cache did not answer."""
        if self._thread:
            return
        with self._lock:
            if not self._thread and not self._closed:
                self._thread = threading.Thread(target=self._run, name="dousell_cache-near", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread and its connection; the near cache is off from then on."""
        with self._lock:
            self._closed = True
        self._stop.set()
        with suppress(OSError):
            self._wake()
        if self._thread:
            self._thread.join(_CLOSING_SECONDS)  # a name that does not resolve holds it longer: it is a daemon
        self._follower.distrust()

    def after_fork(self) -> None:
        """Let go, in a child, of the thread that is not there and of the parent's socket."""
        connection, self._connection = _socket(self._connection), None
        if connection:
            connection.close()  # this process's hold on it: the parent's goes on
        self._begin()

    def _begin(self) -> None:
        self._thread = None
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def _wake(self) -> None:
        connection = _socket(self._connection)
        if connection:
            # The plain socket's, also under TLS: the thread that reads notices; what redis-py holds stays untouched.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _run(self) -> None:
        while not self._stop.is_set():
            error = self._attempt()
            self._follower.distrust()
            self._stop.wait(_pause(error))

    def _attempt(self) -> Exception | None:
        self._connection = self._make()
        try:
            self._connection.connect()
            self._follow(self._connection)
        except _LOSSES as error:
            return error
        finally:
            self._connection.disconnect()
        return None

    def _follow(self, connection: Any) -> None:
        _ask(connection, *tracking(_ask(connection, "CLIENT", "ID"), self._namespace))
        asked = time.monotonic()
        _ask(connection, "SUBSCRIBE", CHANNEL)
        subscription = Subscription(self._follower, self._patience, asked)
        while not self._stop.is_set():
            now = time.monotonic()
            if subscription.ping(now):
                connection.send_command("PING", check_health=False)
            reply = _read(connection, subscription.wait(now))
            if reply is None:
                subscription.silent(now)
            else:
                subscription.received(reply)


class AsyncListener(_Listener):
    """Follow a server's invalidations from one task of the running loop."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Make sure that the task runs: cheap, so call it at every read that the near cache did not answer."""
        if not self._closed and not self._runs_here():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="dousell_cache-near")

    async def close(self) -> None:
        """End the task and its connection; the near cache is off from then on."""
        self._closed = True
        if self._task and self._runs_here():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._follower.distrust()

    def _runs_here(self) -> bool:
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    async def _run(self) -> None:
        try:
            while not self._ending():
                error = await self._attempt()
                self._follower.distrust()
                await asyncio.sleep(_pause(error))
        finally:
            self._follower.distrust()

    def _ending(self) -> bool:
        # redis-py sends through asyncio.wait_for, which before Python 3.12 may swallow a cancellation.
        task = asyncio.current_task()
        return self._closed or (task is not None and task.cancelling() > 0)

    async def _attempt(self) -> Exception | None:
        connection = self._make()
        try:
            await connection.connect()
            await self._follow(connection)
        except _LOSSES as error:
            return error
        finally:
            with suppress(RedisError):
                await connection.disconnect()
        return None

    async def _follow(self, connection: Any) -> None:
        await _ask_async(connection, *tracking(await _ask_async(connection, "CLIENT", "ID"), self._namespace))
        asked = time.monotonic()
        await _ask_async(connection, "SUBSCRIBE", CHANNEL)
        subscription = Subscription(self._follower, self._patience, asked)
        while not self._ending():
            now = time.monotonic()
            if subscription.ping(now):
                await connection.send_command("PING", check_health=False)
            wait = subscription.wait(now)
            reply = await connection.read_response(disable_decoding=True, timeout=wait, disconnect_on_error=False)
            if reply is None:
                subscription.silent(now)
            else:
                subscription.received(reply)


def _pause(error: Exception | None) -> float:
    seconds = _REFUSED_SECONDS if isinstance(error, ResponseError) else PING_SECONDS
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - so that a fleet does not come back in step


def _ask(connection: Any, *command: str | bytes | int) -> Any:
    connection.send_command(*command, check_health=False)
    return connection.read_response(disable_decoding=True)


def _read(connection: Any, seconds: float) -> Any:
    try:
        return connection.read_response(disable_decoding=True, timeout=seconds, disconnect_on_error=False)
    except RedisTimeoutError:
        return None


async def _ask_async(connection: Any, *command: str | bytes | int) -> Any:
    await connection.send_command(*command, check_health=False)
    return await connection.read_response(disable_decoding=True, disconnect_on_error=False)


def _socket(connection: Any) -> Any:
    return getattr(connection, "_sock", None)  # redis-py has no public way to wake a thread that reads


_in_this_process = weakref.WeakSet[BlockingListener]()


def _begin_anew() -> None:
    for listener in _in_this_process:
        listener.after_fork()


os.register_at_fork(after_in_child=_begin_anew)
