"""What the tests of locks speak to: several processes' caches (parties) on one server, by either face and way."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from dousell_cache import Cache
from dousell_cache.environments import Environment, from_url, rest
from dousell_cache.events import LockAsked, LockEnded
from dousell_cache.keys import LockNames, Names
from dousell_cache.testing.faults import FaultProxy, HttpFaultProxy

from ..faces import Face, open_face
from ..servers_redis import administrator

NAME = "rent:42"
MEANWHILE = 20.0  # seconds, a deadline for a laden machine, never a wait
_THREADS = 40


class Ways:
    """A server, and how the parties of a test reach it.

    Args:
        kind: ``tcp`` or ``rest``.
        url: the server's own address.
        endpoint: the emulator's address in front of it, over REST.
        token: the emulator's.
    """

    def __init__(self, kind: str, url: str, endpoint: str = "", token: str = "") -> None:
        self.kind, self.url, self.endpoint, self.token = kind, url, endpoint, token

    @property
    def target(self) -> Environment:
        """The straight way."""
        return from_url(self.url) if self.kind == "tcp" else rest(self.endpoint, self.token)

    def through(self, proxy: FaultProxy) -> Environment:
        """Return the way through a proxy."""
        return from_url(proxy.url) if self.kind == "tcp" else rest(proxy.url, self.token)

    @contextmanager
    def proxy(self) -> Iterator[FaultProxy]:
        """Put a proxy on the way."""
        with FaultProxy(self.url) if self.kind == "tcp" else HttpFaultProxy(self.endpoint) as proxy:
            yield proxy


class Grip:
    """A lock that a party holds, awaited whatever its face."""

    def __init__(self, party: "Party", held: Any) -> None:
        self.party, self.held = party, held

    @property
    def fence(self) -> int:
        """Its fence."""
        return int(self.held.fence)

    @property
    def lost(self) -> bool:
        """Whether it is known to be lost."""
        return bool(self.held.lost)

    def remaining(self) -> float:
        """Return the seconds it may be believed in."""
        return float(self.held.remaining())

    async def ensure(self) -> None:
        """Make sure that it is still ours."""
        await self.party.call(self.held.ensure)

    async def extend(self, *args: Any, **options: Any) -> None:
        """Let it last."""
        await self.party.call(self.held.extend, *args, **options)

    async def release(self) -> None:
        """Let go of it."""
        await self.party.call(self.held.release)


class Party:
    """One process's cache; over the blocking face what it does happens in a thread.

    Args:
        face: the cache.
        threads: where blocking calls run.
    """

    def __init__(self, face: Face, threads: ThreadPoolExecutor) -> None:
        self.face, self.cache, self.threads = face, face.cache, threads
        self.is_blocking = isinstance(face.cache, Cache)
        self.events = face.record()

    async def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call something of this face, and wait for what it brings."""
        if self.is_blocking:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.threads, lambda: function(*args, **options))
        answer = function(*args, **options)
        return await answer if inspect.isawaitable(answer) else answer

    async def take(self, ttl: float = 30, name: str = NAME, **options: Any) -> Grip:
        """Take a lock, to be let go of by hand."""
        return Grip(self, await self.call(self.cache.lock(name, ttl, **options).acquire))

    async def inside(self, body: Callable[[Any], object], ttl: float = 30, name: str = NAME, **options: Any) -> Any:
        """Run a body under a lock, by ``with``."""
        lock: Any = self.cache.lock(name, ttl, **options)

        def blocking() -> object:
            with lock as held:
                return body(held)

        async def suspending() -> object:
            async with lock as held:
                answer = body(held)
                return await answer if inspect.isawaitable(answer) else answer

        return await self.call(blocking if self.is_blocking else suspending)

    def asked(self) -> list[LockAsked]:
        """Return how its askings came out."""
        return [event for event in self.events if isinstance(event, LockAsked)]

    def commands(self) -> int:
        """Return what its locks cost so far."""
        return sum(event.commands for event in self.events if isinstance(event, LockAsked | LockEnded))

    def ended(self) -> list[LockEnded]:
        """Return how its locks came to their ends."""
        return [event for event in self.events if isinstance(event, LockEnded)]


class Scene:
    """One server, one namespace, and the parties of one face that meet there.

    Args:
        face: which face the parties are of.
        ways: how they reach the server.
    """

    def __init__(self, face: str, ways: Ways) -> None:
        self.face, self.ways = face, ways
        self.namespace = f"test-{uuid4().hex}:"
        self.threads = ThreadPoolExecutor(_THREADS)
        self._parties = list[Party]()
        self._admin = administrator(urlsplit(ways.url).port or 0)

    async def party(self, target: Environment | None = None, patience: float = 5, **options: Any) -> Party:
        """Open one more process's cache."""
        opened = await open_face(self.face, target or self.ways.target, patience, self.namespace, **options)
        self._parties.append(Party(opened, self.threads))
        return self._parties[-1]

    def ask(self, *command: Any) -> Any:
        """Ask the server, past every cache and proxy."""
        return self._admin.execute_command(*command)

    def names(self, token: str = "", name: str = NAME) -> LockNames:
        """Return what a lock is called on the server."""
        return Names(self.namespace).lock(name, token)

    def holder(self, name: str = NAME) -> str | None:
        """Return the token of the lock's holder."""
        token = self.ask("GET", self.names(name=name).lock)
        return None if token is None else str(token)

    def expire(self, name: str = NAME) -> None:
        """End a lock's time on the server, as its clock would."""
        self.ask("DEL", self.names(name=name).lock)

    def left(self) -> set[str]:
        """Return what lies in the namespace, but for fence counters and the signs of what was given up."""
        names = set(self._admin.scan_iter(match=f"*{self.namespace}*", count=1000))
        return {name for name in names if not name.endswith(":fence") and ":gone:" not in name}

    async def until(self, condition: Callable[[], object], seconds: float = MEANWHILE) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        """Let go of everything."""
        for party in self._parties:
            await party.face.close()
        self.threads.shutdown()
        self._admin.close()


class Ledger:
    """The payments of one rent: a row at most, by the highest fence; and, unguarded, all that a lock let through."""

    def __init__(self) -> None:
        self.rows, self.refused, self._highest = 0, 0, 0

    @property
    def unguarded(self) -> int:
        """How many rows there would be without the guard."""
        return self.rows + self.refused

    def pay(self, fence: int) -> bool:
        """Pay, unless somebody has, or the fence is an older one."""
        accepted = fence >= self._highest and not self.rows
        self._highest = max(self._highest, fence)
        self.rows += accepted
        self.refused += not accepted
        return accepted


def watchers() -> list[str]:
    """Return the threads, and the tasks of this loop, that watch over a lock."""
    names = [thread.name for thread in threading.enumerate()]
    with suppress(RuntimeError):  # there is no loop
        names += [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name == "dousell-cache lock"]
