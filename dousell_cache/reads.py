"""Plain reads that meet travel together: between the tasks of a loop as one ``MGET``, between threads name by name.

A caller is only ever given what a command brought that was sent after it asked: whoever shares a reply that was on its
way already could be told of a value that was withdrawn before it asked.
"""

import asyncio
import threading
from collections.abc import Iterable, Sequence
from typing import Protocol

from .errors import CacheError, CacheUnavailable
from .transport.port import Port
from .transport.replies import bulk, bulks

Values = list[bytes | None]


class Reads(Protocol):
    """How plain reads get to a server."""

    async def read(self, names: tuple[str, ...]) -> tuple[Values, int]:
        """Return what is stored under names, and how many commands that cost this caller.

        Raises:
            CacheUnavailable: no usable answer.
            CommandRefused: the server refused: a name holds no string, for instance.
        """
        ...


def by_slot(port: Port, names: Iterable[str]) -> list[list[str]]:
    """Group names by the Cluster slot they are in: one command may touch those of one."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(port.slot(name), []).append(name)
    return list(groups.values())


class DirectReads:
    """Send each read by itself.

    Args:
        port: how commands get there.
    """

    def __init__(self, port: Port) -> None:
        self._port = port

    async def read(self, names: tuple[str, ...]) -> tuple[Values, int]:
        """Return what is stored under names, and the number of commands that took."""
        if len(names) == 1:
            return [bulk(await self._port.send("GET", names[0]))], 1
        groups = by_slot(self._port, names)
        found: dict[str, bytes | None] = {}
        for group in groups:
            values = bulks(await self._port.send("MGET", *group), len(group))
            found.update(zip(group, values, strict=True))
        return [found[name] for name in names], len(groups)


class ThreadReads:
    """Let threads that ask for the same while it is being read share the next reply.

    A hot key asked for by many threads then costs two commands at a time, however many they are; so does a cold one.

    Args:
        port: a blocking port.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._direct = DirectReads(port)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, ...], _Round | None] = {}  # and who waits for it to be over

    async def read(self, names: tuple[str, ...]) -> tuple[Values, int]:
        """Return what is stored under names, and how many commands that cost this thread."""
        mine = None
        with self._lock:
            if names not in self._under_way:
                self._under_way[names] = None
            else:
                mine = self._under_way[names]
                leads = mine is None
                mine = self._under_way[names] = mine or _Round()
        if mine:
            if not leads:
                return mine.shared(), 0
            self._await_turn(names, mine)
            if mine.failure:
                mine.over.set()
                raise mine.failure
        dead: CacheUnavailable | None = None
        try:
            if len(names) == 1:  # the way of every hit: one coroutine less
                values, commands = [bulk(await self._port.send("GET", names[0]))], 1
            else:
                values, commands = await self._direct.read(names)
            if mine:
                mine.found = values
        except CacheError as error:
            if mine:
                mine.failure = error
            dead = error if isinstance(error, CacheUnavailable) else None
            raise
        finally:
            with self._lock:
                following = self._under_way.pop(names)
                if following:
                    self._hand_over(names, following, dead)
            if mine:
                mine.over.set()
        return values, commands

    def _await_turn(self, names: tuple[str, ...], mine: "_Round") -> None:
        try:
            mine.turn.wait()
        except BaseException:  # Ctrl-C: those who wait for this thread must not wait for ever
            with self._lock:
                if self._under_way.get(names) is mine:
                    self._under_way[names] = None
                elif not mine.failure:  # its turn had come
                    following = self._under_way.pop(names)
                    if following:
                        self._hand_over(names, following, None)
            mine.over.set()
            raise

    def _hand_over(self, names: tuple[str, ...], following: "_Round", dead: CacheUnavailable | None) -> None:
        """Let those who waited send, unless they would only find out again, and too late, what is dead."""
        following.failure = dead
        if not dead:
            self._under_way[names] = None
        following.turn.set()


class _Round:
    """Threads that wait for the same read: its leader for its turn, the others for it to be over."""

    __slots__ = ("failure", "found", "over", "turn")

    def __init__(self) -> None:
        self.turn = threading.Event()
        self.over = threading.Event()
        self.found: Values | None = None
        self.failure: CacheError | None = None

    def shared(self) -> Values:
        self.over.wait()
        if self.found is None:
            raise self.failure or CacheUnavailable("the thread that read for this one was interrupted")
        return self.found


class TaskReads:
    """Let the reads of one turn of the event loop travel as one ``MGET``, each name once.

    Args:
        port: an asyncio port.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._direct = DirectReads(port)
        self._batch: _Batch | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def read(self, names: tuple[str, ...]) -> tuple[Values, int]:
        """Return what is stored under names, and how many commands that cost this task."""
        loop = asyncio.get_running_loop()
        batch = self._batch
        opened = batch is None or batch.loop is not loop
        if batch is None or opened:
            batch = self._batch = _Batch(loop)
            sending = loop.create_task(self._send(batch))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        waiter: asyncio.Future[tuple[Values, int]] = loop.create_future()
        batch.waiting.append((names, waiter))
        values, commands = await waiter
        return values, commands if opened else 0

    async def _send(self, batch: "_Batch") -> None:
        if self._batch is batch:
            self._batch = None  # sealed: who asks from now on travels in the next one
        names = tuple(dict.fromkeys(name for asked, _ in batch.waiting for name in asked))
        groups = by_slot(self._port, names)
        try:
            replies = await self._replies(groups)
        except BaseException:  # the loop is ending
            for _, waiter in batch.waiting:
                waiter.cancel()
            raise
        found = dict[str, bytes | None]()
        failures = dict[str, BaseException]()
        for group, reply in zip(groups, replies, strict=True):
            if isinstance(reply, BaseException):
                failures |= dict.fromkeys(group, reply)
            else:
                found.update(zip(group, reply, strict=True))
        for asked, waiter in batch.waiting:
            failure = next((failures[name] for name in asked if name in failures), None)
            if waiter.done():
                continue
            if failure:
                waiter.set_exception(failure)
            else:
                waiter.set_result(([found[name] for name in asked], len(groups)))

    async def _replies(self, groups: list[list[str]]) -> Sequence[Values | BaseException]:
        """Read names, slot by slot; in a Cluster side by side, and each slot fails for itself."""
        if len(groups) > 1:
            return await asyncio.gather(*map(self._read, groups), return_exceptions=True)
        try:
            return [await self._read(groups[0])]
        except CacheError as error:
            return [error]

    async def _read(self, names: list[str]) -> Values:
        values, _ = await self._direct.read(tuple(names))
        return values


class _Batch:
    """The reads of one turn of one loop."""

    __slots__ = ("loop", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: list[tuple[Sequence[str], asyncio.Future[tuple[Values, int]]]] = []
