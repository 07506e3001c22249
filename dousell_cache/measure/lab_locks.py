"""Ways to guard a payment, as they are met in the field: ours, and naive ones that each lack one thing.

The naive ones are correct in all but that one thing, and speak to the same server in the same way.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, cast

from ..async_cache import AsyncCache
from ..connecting import connect_async
from ..environments import Environment
from ..errors import CacheUnavailable, LockBusy, LockLost, LockUnavailable
from ..local.process import free_ports
from ..locks import AsyncHeld
from ..transport.connect import async_transport
from ..transport.port import AsyncTransport
from .lab_ledger import Guards

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_NOWHERE = "redis://127.0.0.1:{port}"
_AT_ONCE, _AT_ONCE_OVER_HTTP = 40, 12  # a request costs milliseconds of CPU: with more, the machine would be on trial
_PATIENCE = 2.0  # a busy machine is not on trial here


class Grant(Protocol):
    """The right to pay, as a lock gave it."""

    async def confirm(self) -> bool:
        """Have the last look before money moves: is it still ours, as far as can be known?"""
        ...

    async def fence(self) -> int:
        """Return the number to pay with; 0 if there is none."""
        ...

    async def leave(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class Bench:
    """What locks on trial are made from.

    Args:
        cache: grants our locks.
        port: to the same server, for the naive ones.
        lost_cache: as ``cache``, but nobody answers.
        lost_port: as ``port``, but nobody answers.
        namespace: of every name on the server.
    """

    cache: AsyncCache
    port: AsyncTransport
    lost_cache: AsyncCache
    lost_port: AsyncTransport
    namespace: str

    @property
    def at_once(self) -> int:
        """How many rents may be paid at the same time."""
        return _AT_ONCE_OVER_HTTP if self.cache.environment.kind == "rest" else _AT_ONCE

    async def forget(self, rent: str) -> None:
        """Let the server forget a lock, whoever took it, as a restart without persistence would."""
        names = [f"{{{self.namespace}{rent}}}:{word}" for word in ("lock", "fence", "queue", "turn")]
        with suppress(CacheUnavailable):
            await self.port.send("DEL", *names)


@asynccontextmanager
async def open_bench(environment: Environment) -> AsyncIterator[Bench]:
    """Connect to an environment's server, under a namespace of one's own; and to a port where nobody is."""
    namespace = f"dousell-lab:{secrets.token_hex(4)}:"
    (port,) = free_ports(1)
    nowhere = Environment("dedicated", "tcp", _NOWHERE.format(port=port))
    async with AsyncExitStack() as stack:
        caches, ports = [], []
        for place in (environment, nowhere):
            opened = await connect_async(place, namespace=namespace, patience=_PATIENCE, breaker=False)
            caches.append(await stack.enter_async_context(opened))
            ports.append(async_transport(place, _PATIENCE))
            stack.push_async_callback(ports[-1].close)
        yield Bench(caches[0], ports[0], caches[1], ports[1], namespace)


class Lock(Protocol):
    """A way to guard a payment."""

    async def take(self, bench: Bench, rent: str, ttl: float, *, reachable: bool) -> Grant | None:
        """Ask for the right to pay a rent; None if it is another's, or nobody can say.

        Args:
            bench: what it is asked of.
            rent: what is to be paid.
            ttl: seconds that the right lasts.
            reachable: whether this caller reaches the server.
        """
        ...


class Ours:
    """This package's lock."""

    async def take(self, bench: Bench, rent: str, ttl: float, *, reachable: bool) -> Grant | None:
        """Ask for the right to pay; see :class:`Lock`."""
        cache = bench.cache if reachable else bench.lost_cache
        try:
            return _Held(await cache.lock(rent, ttl).acquire())
        except (LockBusy, LockUnavailable):
            return None


@dataclass(frozen=True, slots=True)
class _Held:
    held: AsyncHeld

    async def confirm(self) -> bool:
        try:
            await self.held.ensure()
        except (LockLost, LockUnavailable):
            return False
        return True

    async def fence(self) -> int:
        return self.held.fence

    async def leave(self) -> None:
        with suppress(LockLost, LockUnavailable):
            await self.held.release()


class NoLock:
    """Nothing: everybody may."""

    async def take(self, bench: Bench, rent: str, ttl: float, *, reachable: bool) -> Grant | None:  # noqa: ARG002 - asks nobody
        """Let everybody pay."""
        return _Free()


class _Free:
    async def confirm(self) -> bool:
        return True

    async def fence(self) -> int:
        return 0

    async def leave(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class SetIfAbsent:
    """``SET name token NX PX ttl``, the lock of many a blog post.

    Args:
        deletes: whether it lets go with a bare DEL, whoever's lock that is.
        opens: whether it lets everybody pass when the server cannot be asked.
        draws: whether it draws its fence in a command of its own, when it pays.
    """

    deletes: bool = False
    opens: bool = False
    draws: bool = False

    async def take(self, bench: Bench, rent: str, ttl: float, *, reachable: bool) -> Grant | None:
        """Ask for the right to pay; see :class:`Lock`."""
        port = bench.port if reachable else bench.lost_port
        name, token = f"{{{bench.namespace}{rent}}}:lock", secrets.token_hex(16)
        try:
            granted = await port.send("SET", name, token, "NX", "PX", round(ttl * 1000))
        except CacheUnavailable:
            return _Free() if self.opens else None
        return _Set(self, port, name, token) if granted is not None else None


@dataclass(frozen=True, slots=True)
class _Set:
    lock: SetIfAbsent
    port: AsyncTransport
    name: str
    token: str

    async def confirm(self) -> bool:
        try:
            return await self.port.send("GET", self.name) == self.token.encode()
        except CacheUnavailable:
            return self.lock.opens

    async def fence(self) -> int:
        return cast("int", await self.port.send("INCR", f"{self.name}:drawn")) if self.lock.draws else 0

    async def leave(self) -> None:
        with suppress(CacheUnavailable):
            if self.lock.deletes:
                await self.port.send("DEL", self.name)
            else:
                await self.port.send("EVAL", _RELEASE, 1, self.name, self.token)


@dataclass(frozen=True, slots=True)
class Setup:
    """A lock before a ledger.

    Args:
        name: what it is called.
        lock: keeps callers apart.
        guards: by which the ledger decides.
    """

    name: str
    lock: Lock
    guards: Guards


SHIPPED = Setup("lock, fence, unique row", Ours(), Guards(fence=True, row=True))
"""As this package ships it."""

NAIVE = Setup("lock ended by bare DEL", SetIfAbsent(deletes=True), Guards())
"""The lock of many a blog post, alone."""

SETUPS: tuple[Setup, ...] = (
    SHIPPED,
    Setup("unique row, no lock", NoLock(), Guards(row=True)),
    Setup("lock and fence", Ours(), Guards(fence=True)),
    Setup("fence drawn too late", SetIfAbsent(draws=True), Guards(fence=True)),
    Setup("lock alone", Ours(), Guards()),
    NAIVE,
    Setup("lock that fails open", SetIfAbsent(opens=True), Guards()),
    Setup("nothing", NoLock(), Guards()),
)
"""What is put on trial: as shipped, then with ever less of it."""
