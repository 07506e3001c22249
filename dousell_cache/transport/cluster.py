"""A Redis or Valkey Cluster: each command goes to the server that holds its key's slot.

The map of slots is kept here, and each server is reached by :mod:`.tcp`, whose manners are a Cluster's too, then.
redis-py's own Cluster clients have no patience: within a call that failed they ask one server after another for a new
map, they sleep 250 ms on ``CLUSTERDOWN``, and they send up to 16 times on ``TRYAGAIN``. Here nothing is sent twice but
what a server redirected without running it (``MOVED``, ``ASK``).

A command's key is its first argument, a script's its third. Where that is wrong the server says who holds the key, and
the guess has cost one redirection.
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from ..addresses import several
from ..errors import CacheUnavailable, CommandRefused, ConfigurationError
from .port import Argument, Reply
from .replies import array, bulk, integer
from .tcp import AsyncTcp, BlockingTcp

_SCRIPTS = {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"}
_REDIRECTED = re.compile(r"(?:MOVED|ASK) (?P<slot>\d{1,5}) (?P<host>\S*):(?P<port>\d{1,5})(?: |$)")
_PORT = 6379
_MOST_REDIRECTIONS = 5  # a slot moves once; whoever is sent around more often runs in circles


class Redirection(NamedTuple):
    """Where a server says that a command should go.

    Args:
        asking: whether for this one command only (``ASK``); else the slot has moved for good (``MOVED``).
        slot: the key's slot.
        address: the host and port of the server that serves it.
    """

    asking: bool
    slot: int
    address: str


Node = TypeVar("Node", bound=BlockingTcp | AsyncTcp)


class _Cluster(Generic[Node]):
    """What both faces share: who holds which slot, and how that is found out."""

    can_block = True
    can_carry_bytes = True

    def __init__(self, url: str, build: Callable[[str], Node], patience: float) -> None:
        servers = several(url)
        if not servers or servers.way != "cluster":
            message = "a Cluster's URL must start with redis+cluster:// or rediss+cluster://"
            raise ConfigurationError(message)
        self._url = urlsplit(servers.urls[0])
        self._build: Callable[[str], Node] = build
        self.patience = patience
        self._nodes: dict[str, Node] = {}
        self._seeds = [_location(server) for server in servers.urls]
        self._order: list[str] = self._seeds  # whom to ask for the map, in turn
        self._holders = [self._order[0]] * REDIS_CLUSTER_HASH_SLOTS  # address by slot; a guess until a server says
        self._stale = True
        self._closed = False
        self._node(self._order[0])  # connects to nothing, but refuses options that make no sense now

    def slot(self, key: str) -> int:
        """Return the slot of a key: one command may only touch keys of one slot."""
        return key_slot(key.encode())

    async def nodes(self) -> list[Node]:
        """Return a port to each primary, from a map asked for now: what has no key, like ``SCAN``, is sent to each."""
        await self._learn()
        return [self._node(address) for address in dict.fromkeys(self._holders)]

    async def send(self, *command: Argument) -> Reply:
        """Send one command to the server that holds its key, and return its reply."""
        return await self.send_within(self.patience, *command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply; these seconds, or patience, are for the map and redirections too."""
        deadline = time.monotonic() + min(seconds, self.patience)
        return await self._follow(command, lambda node: node.send_within(_left(deadline), *command), 0)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits at the server that holds its key, on a connection of its own."""
        return await self._follow(command, lambda node: node.block(seconds, *command), seconds)

    async def _follow(
        self, command: tuple[Argument, ...], ask: Callable[[Node], Awaitable[Reply]], seconds: float
    ) -> Reply:
        if self._stale:
            await self._learn()
        address = self._holders[key_slot(_key(command))]
        for _ in range(_MOST_REDIRECTIONS):
            try:
                return await self._reply(address, ask)
            except CommandRefused as refused:
                redirection = _redirection(refused, address)
                if not redirection:
                    raise
            address = redirection.address
            if redirection.asking:
                return await self._node(address).alone(seconds, ("ASKING",), command)
            if self._holders[redirection.slot] != address:
                self._stale = True  # where one slot has moved, more have
        message = "the Cluster sends a command in circles"
        raise CacheUnavailable(message)

    async def _reply(self, address: str, ask: Callable[[Node], Awaitable[Reply]]) -> Reply:
        try:
            return await ask(self._node(address))
        except CacheUnavailable:
            self._stale = True  # perhaps another server has taken over: the next command asks first
            raise

    async def _learn(self) -> None:
        """Ask the servers in turn who holds which slot, until one answers or the patience of one call is spent."""
        started = time.monotonic()
        candidates: list[str] = list(self._order)
        self._stale = False  # now: while one caller asks, the others go by the old map
        for address in candidates:
            try:
                reply = await self._node(address).send("CLUSTER", "SLOTS")
            except CommandRefused as refused:
                self._stale = True
                message = f"the server tells no map of a Cluster: {refused}"
                raise CacheUnavailable(message) from refused
            except CacheUnavailable:
                self._stale = True
                self._order = [*(other for other in self._order if other != address), address]
                if address == candidates[-1] or time.monotonic() - started >= self.patience:
                    raise
            else:
                self._read(reply, address)
                break

    def _read(self, reply: Reply, asked: str) -> None:
        holders = [asked] * REDIS_CLUSTER_HASH_SLOTS
        servers = [asked]
        for part in array(reply):
            first, last, *replicated = array(part)
            addresses = [_served_at(server, asked) for server in replicated]
            low, high = integer(first), integer(last)
            holders[low : high + 1] = addresses[:1] * (high + 1 - low)
            servers += addresses
        if len(holders) != REDIS_CLUSTER_HASH_SLOTS:
            message = "the server's map of the Cluster makes no sense"
            raise CacheUnavailable(message)
        self._holders = holders
        self._order = list(dict.fromkeys([*servers, *self._seeds]))

    def _node(self, address: str) -> Node:
        if self._closed:
            message = "the client cannot send: it was closed"
            raise CacheUnavailable(message)
        if address not in self._nodes:
            credentials, at, _ = self._url.netloc.rpartition("@")
            url = self._url._replace(netloc=f"{credentials}{at}{address}").geturl()
            try:
                self._nodes.setdefault(address, self._build(url))  # of two threads, one builds in vain
            except ConfigurationError as error:
                if address in self._seeds:
                    raise  # the caller's own
                message = "the server names another one by an address that is none"
                raise CacheUnavailable(message) from error
        return self._nodes[address]


class BlockingCluster(_Cluster[BlockingTcp]):
    """Send commands to a Cluster, blocking the calling thread; safe to share between threads.

    Args:
        url: ``redis+cluster://[user:password@]host:port[,host:port…]``, or ``rediss+cluster://`` for TLS. One server
            that answers is enough: it names the others. Options follow a ``?``, as for a server that is alone.
        patience: seconds that one server may take, from connecting to the end of its reply.
    """

    blocking: Literal[True] = True

    def __init__(self, url: str, *, patience: float) -> None:
        super().__init__(url, lambda server: BlockingTcp(server, patience=patience), patience)

    def close(self) -> None:
        """Close every connection to every server."""
        self._closed = True
        for node in self._nodes.values():
            node.close()


class AsyncCluster(_Cluster[AsyncTcp]):
    """Send commands to a Cluster, suspending the calling task.

    Args:
        url: ``redis+cluster://…``; see :class:`BlockingCluster`.
        patience: seconds that one server may take, from connecting to the end of its reply.
    """

    blocking: Literal[False] = False

    def __init__(self, url: str, *, patience: float) -> None:
        super().__init__(url, lambda server: AsyncTcp(server, patience=patience), patience)

    async def close(self) -> None:
        """Close every connection to every server."""
        self._closed = True
        for node in self._nodes.values():
            await node.close()


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _key(command: tuple[Argument, ...]) -> bytes:
    position = 3 if str(command[0]).upper() in _SCRIPTS else 1
    key = command[position] if len(command) > position else b""
    return key if isinstance(key, bytes) else str(key).encode()


def _redirection(refused: CommandRefused, asked: str) -> Redirection | None:
    if refused.code not in {"MOVED", "ASK"}:
        return None
    told = _REDIRECTED.match(str(refused))
    if not told or int(told["slot"]) >= REDIS_CLUSTER_HASH_SLOTS:
        message = "the server sends a command elsewhere and does not say where"
        raise CacheUnavailable(message)
    return Redirection(refused.code == "ASK", int(told["slot"]), _address(told["host"], told["port"], asked))


def _served_at(server: Reply, asked: str) -> str:
    host, port, *_ = [*array(server), None, None]
    return _address(bulk(host), integer(port), asked)


def _location(url: str) -> str:
    parts = urlsplit(url)
    return _address(parts.hostname, parts.port or _PORT, "")


def _address(host: bytes | str | None, port: int | str, asked: str) -> str:
    """Return host and port as a URL has them; a server that knows no name for itself is the one that was asked."""
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "?":
        name = asked.rpartition(":")[0].strip("[]")
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
