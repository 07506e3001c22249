"""The words flows speak to a server in: read, lease, settle, put, withdraw. Each word is one command.

In a Cluster a word costs one command for each hash slot that its names are in. A store is one flow's conversation: it
is made for a call, counts the commands that the call cost, and is dropped.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

from . import scripts
from .entries import Entry, encode_around_tags
from .errors import CacheError, CacheUnavailable, CommandRefused
from .keys import Names
from .policy import TAGS_LIVE_MS
from .reads import Reads, by_slot
from .scripts import Script
from .transport.port import Argument, Port, Reply
from .transport.replies import array, bulk, bulks, integer

Versions = dict[str, str | None]
"""Tags and the versions they have now; None where there is none."""

_NO_VERSIONS: Versions = {}


class Found(NamedTuple):
    """What a read found: the stored entry, the milliseconds it has left if asked for, the versions of tags."""

    stored: bytes | None
    left_ms: int | None
    versions: Versions


class Lease(NamedTuple):
    """The right to load a key: its token, the tags' versions as it was granted, and what may stand in for a failure."""

    key: str
    token: str
    versions: Versions
    old: bytes | None


class Failed(NamedTuple):
    """The last load failed and its back-off is not over; this may stand in, while the tags' versions allow it."""

    old: bytes | None
    versions: Versions


class Wait(NamedTuple):
    """Another load is under way: its token, and the seconds its lease has left."""

    token: str
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """What every conversation with one server shares.

    Args:
        port: how commands get there.
        names: what things are called there.
        reads: how plain reads get there: those that meet may travel together.
        insist: sends a command, given up after so many seconds if that is sooner than patience, even to a server that
            is taken for dead: what an invalidation, or the release of a lock, must at least try.
        hurry: sends a command, given up after so many seconds, without that being held against the server: what a lock
            asks for, while somebody waits at a button; ``insist=`` as above.
        ran: digests of the scripts that this process has run there.
        patience: seconds that a dead or slow server may cost one call before the origin is asked.
        now: returns monotonic seconds.
    """

    port: Port
    names: Names
    reads: Reads
    insist: Callable[..., Awaitable[Reply]]
    hurry: Callable[..., Awaitable[Reply]]
    ran: set[str] = field(default_factory=set)
    patience: float = math.inf
    now: Callable[[], float] = float


class Store:
    """Hold one conversation with a server.

    Args:
        server: the server.
        deadline: when patience is over, in monotonic seconds; default never: each command has the port's own.
        hurried: whether that is sooner than the server may take.
    """

    __slots__ = ("commands", "deadline", "hurried", "server")

    def __init__(self, server: Server, deadline: float = math.inf, *, hurried: bool = False) -> None:
        self.server = server
        self.commands = 0
        self.deadline = deadline
        self.hurried = hurried

    @property
    def wakes(self) -> bool:
        """Tell whether a caller can be woken when another's load is over."""
        return self.server.port.can_block

    async def read(self, key: str, tags: tuple[str, ...] = (), timed: bool = False) -> Found:
        """Read an entry, with the versions of these tags, and with the time it has left if it matters."""
        if timed:
            return (await self.read_timed((key,), tags))[0]
        server = self.server
        name = server.names.value(key)
        if not tags:
            try:  # as in _read, without the price of one more coroutine: this is the way of every hit
                (stored,), commands = await server.reads.read((name,))
            except CacheError as error:
                self.commands += _sent(error)
                raise
            self.commands += commands
            return Found(stored, None, _NO_VERSIONS)
        now = await self._read((name, *map(server.names.version, tags)))
        return Found(now[0], None, _texts(tags, now[1:]))

    async def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read entries without their tags' versions or the time they have left."""
        return await self._read(tuple(map(self.server.names.value, keys)))

    async def read_timed(self, keys: tuple[str, ...], tags: tuple[str, ...]) -> list[Found]:
        """Read entries with the time they have left and the versions of these tags."""
        names = {self.server.names.value(key): key for key in keys}
        versions = {self.server.names.version(tag): tag for tag in tags}
        found: dict[str, tuple[bytes | None, int]] = {}
        current: Versions = {}
        for group in self._by_slot([*names, *versions]):
            entries, tagged = [name for name in group if name in names], [name for name in group if name in versions]
            reply = await self.run(scripts.READ, (*entries, *tagged), len(entries))
            stored, left, now = array(reply, 3)
            times = map(integer, array(left, len(entries)))
            found.update(zip((names[name] for name in entries), zip(bulks(stored), times, strict=True), strict=True))
            current |= _texts([versions[name] for name in tagged], bulks(now))
        return [Found(*found[key], current) for key in keys]

    async def lease(
        self,
        key: str,
        token: str,
        lease_ms: int,
        tags: tuple[str, ...],
        versions_ms: int,
        unwanted: str,
        falls_back: bool,
    ) -> Found | Lease | Failed | Wait:
        """Return what came meanwhile, or the right to load it, or who loads it; atomically.

        Args:
            key: the key.
            token: a word of this load's own; to ask again with it is safe.
            lease_ms: how long the right lasts unless renewed.
            tags: what the entry will be tagged with.
            versions_ms: how long their versions are to live.
            unwanted: the ending of the entry that will not do (see :func:`.entries.ending`); "" for none, "*" for any.
            falls_back: whether the caller has a value in hand if the origin is not to be asked now.
        """
        names = self.server.names
        beside, apart = self._near_and_far(key, tags)
        versions = await self._versions(apart, token, versions_ms)
        reply = await self.run(
            scripts.LEASE,
            (*self._all_of(key), names.waiting(key), *map(names.version, beside)),
            *(token, lease_ms, unwanted, versions_ms, int(falls_back), int(self.wakes)),
        )
        return _leased(key, token, beside, versions, array(reply))

    async def settle(
        self, lease: Lease, end: Literal["store", "release", "fail"], milliseconds: int = 0, stored: bytes = b""
    ) -> bool:
        """End a load and return whether nothing was withdrawn since its lease was granted.

        Args:
            lease: the load's lease.
            end: store what it brought; only let go of the lease; or let nobody try for a while.
            milliseconds: how long the entry is kept, or nobody is to try.
            stored: the entry.
        """
        names = self.server.names
        beside, apart = self._near_and_far(lease.key, tuple(lease.versions))
        settled = await self.run(
            scripts.SETTLE,
            (
                *self._all_of(lease.key),
                names.waiting(lease.key),
                names.wake(lease.key, lease.token),
                *map(names.version, beside),
            ),
            *(lease.token, end, milliseconds, stored),
            *(lease.versions[tag] or "" for tag in beside),
        )
        if not settled or not apart:
            return settled == 1
        now = _texts(apart, await self._read(tuple(map(names.version, apart))))
        return all(now[tag] == lease.versions[tag] for tag in apart)

    async def renew(self, lease: Lease, lease_ms: int) -> bool:
        """Keep a lease for longer and return whether it was still there."""
        return await self.run(scripts.RENEW, (self.server.names.lease(lease.key),), lease.token, lease_ms) == 1

    async def wait(self, key: str, load: Wait, seconds: float) -> None:
        """Wait until a load is over, at most so many seconds."""
        bell = self.server.names.wake(key, load.token)
        await self.block(seconds, "BLMOVE", bell, bell, "LEFT", "LEFT", seconds)

    async def put(
        self, values: Mapping[str, tuple[Entry[Any], int]], tags: tuple[str, ...], word: str, versions_ms: int
    ) -> None:
        """Store entries, each for its milliseconds, tagged with the versions now; loads under way are withdrawn."""
        names = self.server.names
        for group in self._keys_by_slot(values):
            beside, apart = self._near_and_far(group[0], tags)
            known = await self._versions(apart, word, versions_ms)
            parts: list[Argument] = []
            for key in group:
                entry, milliseconds = values[key]
                parts += (milliseconds, *encode_around_tags(entry))
            await self.run(
                scripts.SET,
                (*self._all_of(*group), *map(names.version, beside)),
                *(len(group), word, versions_ms, msgspec.json.encode(known)[1:-1], *parts),
                *map(msgspec.json.encode, beside),
            )

    async def delete(self, keys: Iterable[str], *, insist: bool = False) -> int:
        """Withdraw keys together with the loads under way, and return how much there was."""
        withdrawn = 0
        for group in self._keys_by_slot(keys):
            withdrawn += integer(await self._send("DEL", *self._all_of(*group), insist=insist))
        return withdrawn

    async def soften(self, keys: Iterable[str], *, insist: bool = False) -> int:
        """Withdraw keys but keep their entries for a failing origin, and return how many there were."""
        withdrawn = 0
        for group in self._keys_by_slot(keys):
            withdrawn += integer(await self.run(scripts.SOFTEN, self._all_of(*group), insist=insist))
        return withdrawn

    async def move(self, tags: Iterable[str], word: str, *, soft: bool, insist: bool = False) -> None:
        """Give tags new versions, which withdraws every entry that carries the older ones."""
        for group in self._by_slot(map(self.server.names.version, tags)):
            await self.run(scripts.INVALIDATE_TAGS, tuple(group), word, TAGS_LIVE_MS, int(soft), insist=insist)

    async def beside(self, key: str) -> tuple[bytes | None, bytes | None]:
        """Return who loads a key (a load's token, ``failed`` in a back-off, or None) and what may stand in for it."""
        names = self.server.names
        holder, old = await self._read((names.lease(key), names.old(key)))
        return holder, old

    async def ping(self) -> None:
        """Make sure that a server answers."""
        await self._send("PING")

    async def send(self, *command: Argument, insist: bool = False) -> Reply:
        """Send a command of another vocabulary: that of locks."""
        return await self._send(*command, insist=insist)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits on the server."""
        try:
            reply = await self.server.port.block(seconds, *command)
        except CacheError as error:
            self.commands += _sent(error)
            raise
        self.commands += 1
        return reply

    def _all_of(self, *keys: str) -> tuple[str, ...]:
        names = self.server.names
        return tuple(name for key in keys for name in (names.value(key), names.lease(key), names.old(key)))

    async def _read(self, names: tuple[str, ...]) -> list[bytes | None]:
        try:
            values, commands = await self.server.reads.read(names)
        except CacheError as error:
            self.commands += _sent(error)
            raise
        self.commands += commands
        return values

    async def _versions(self, tags: Sequence[str], word: str, versions_ms: int) -> Versions:
        """Read the versions of tags in other slots than the entry's, giving one to those that have none."""
        versions: Versions = {}
        named = {self.server.names.version(tag): tag for tag in tags}
        for group in self._by_slot(named):
            now = await self.run(scripts.VERSIONS, tuple(group), word, versions_ms)
            versions |= _texts([named[name] for name in group], bulks(now))
        return versions

    def _near_and_far(self, key: str, tags: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """Part the tags whose versions share the key's slot, which a script may touch, from the others."""
        port, names = self.server.port, self.server.names
        slot = port.slot(names.value(key))
        beside = [tag for tag in tags if port.slot(names.version(tag)) == slot]
        return beside, [tag for tag in tags if tag not in beside]

    def _by_slot(self, names: Iterable[str]) -> list[list[str]]:
        return by_slot(self.server.port, names)

    def _keys_by_slot(self, keys: Iterable[str]) -> Iterable[list[str]]:
        """Group keys by the slot that their entries are in."""
        named = {self.server.names.value(key): key for key in keys}
        return [[named[name] for name in group] for group in self._by_slot(named)]

    async def run(self, script: Script, names: tuple[str, ...], *arguments: Argument, insist: bool = False) -> Reply:
        """Run a script: by its digest, unless the server is new to it."""
        if script.sha in self.server.ran:
            try:
                return await self._send("EVALSHA", script.sha, len(names), *names, *arguments, insist=insist)
            except CommandRefused as error:
                if error.code != "NOSCRIPT":
                    raise
        # Running a script also teaches it: the first time costs bytes, but no command more.
        reply = await self._send("EVAL", script.text, len(names), *names, *arguments, insist=insist)
        self.server.ran.add(script.sha)
        return reply

    async def _send(self, *command: Argument, insist: bool = False) -> Reply:
        server = self.server
        try:
            if self.hurried:
                reply = await server.hurry(self._left(), *command, insist=insist)
            elif insist:
                reply = await server.insist(self._left(), *command)
            elif self.deadline == math.inf:
                reply = await server.port.send(*command)
            else:
                reply = await server.port.send_within(self._left(), *command)
        except CacheError as error:
            self.commands += _sent(error)
            raise
        self.commands += 1
        return reply

    def _left(self) -> float:
        left = self.deadline - self.server.now()
        if left <= 0:
            message = "the patience of this call is over"
            raise CacheUnavailable(message, never_sent=True)
        return left


def _sent(error: CacheError) -> bool:
    """Tell whether the command that an error tells of was sent: not if the server is taken for dead."""
    return not (isinstance(error, CacheUnavailable) and error.never_sent)


def _leased(
    key: str, token: str, tags: list[str], versions: Versions, reply: list[Reply]
) -> Found | Lease | Failed | Wait:
    """Make out what the script that grants leases answered."""
    word = reply[0] if reply else None
    if word == b"wait":
        _, holder, left = array(reply, 3)
        return Wait((bulk(holder) or b"").decode(), max(0, integer(left)) / 1000)
    if word == b"entry":
        _, entry, left, now = array(reply, 4)
        return Found(bulk(entry), integer(left), versions | _texts(tags, bulks(now)))
    _, old, now = array(reply, 3)
    versions |= _texts(tags, bulks(now))
    return Lease(key, token, versions, bulk(old)) if word == b"lease" else Failed(bulk(old), versions)


def _texts(tags: Sequence[str], versions: Sequence[bytes | None]) -> Versions:
    pairs = zip(tags, versions, strict=True)
    return {tag: None if version is None else version.decode() for tag, version in pairs}
