"""One caller in one history: what it does is drawn from the seed, and it notes what it saw.

Written once for both faces: what a method of ``AsyncCache`` returns is awaited, what one of ``Cache`` returns is there.
"""

import inspect
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

import msgspec

from ..async_cache import AsyncCache
from ..cache import Cache
from ..clocks import AsyncClock, BlockingClock
from ..context import MISSING
from ..errors import CacheUnavailable
from ..events import Event as CacheEvent
from ..events import Outcome, Read
from ..keys import Names
from ..runner import run_blocking
from ..transport.port import AsyncTransport, BlockingTransport
from .history_checker import Event, Happening, Reading, Withdrawing
from .history_episode import Episode, Origin


class OriginFailed(Exception):
    """What a loader raises when its origin fails."""


class Desk(msgspec.Struct, frozen=True):
    """What the actors of one process share.

    Args:
        cache: the cache they call.
        transport: a way to the server past the cache.
        clock: the face's.
        origin: the truth.
        names: what things are called on the server.
        seed: the run's.
        number: the process's.
    """

    cache: Cache | AsyncCache
    transport: BlockingTransport | AsyncTransport
    clock: BlockingClock | AsyncClock
    origin: Origin
    names: Names
    seed: int
    number: int


_outcomes: ContextVar[dict[str, Outcome]] = ContextVar("how the reads of the call under way ended, by key")


def note(event: CacheEvent) -> None:
    """Remember how a read ended, for the actor whose call it was."""
    if isinstance(event, Read):
        _outcomes.get({})[event.key] = event.outcome


class Actor:
    """One caller in one history.

    Args:
        desk: its process's.
        number: the history's.
        actor: its own among those of its process.
    """

    def __init__(self, desk: Desk, number: int, actor: int) -> None:
        self._desk = desk
        self._cache = desk.cache
        self._who = f"p{desk.number}.{actor}"
        self._episode = Episode(desk.seed, number)
        self._chance = random.Random(f"{desk.seed} {number} {self._who}")  # noqa: S311 - nothing secret
        self._events: list[Event] = []

    async def play(self) -> list[Event]:
        """Make a few calls and return what happened."""
        for _ in range(self._chance.randint(3, 5)):
            await self._desk.clock.sleep(self._chance.expovariate(500))
            (step,) = self._chance.choices(_STEPS, _WEIGHTS)
            await step(self)
        return self._events

    async def get_or_set(self, method: str = "get_or_set") -> None:
        """Read through the cache, by ``get_or_set`` or ``refresh``."""
        key, chance = self._key(), self._chance
        tags = self._tags(key)
        options = {
            "ttl": chance.choice((0.01, 0.1, 60)),
            "grace": chance.choice((0, 0, 0, 0.05, 60)),
            "early": chance.choice((0, 0, 0, 3)),
            # A refresh behind everybody's back may fail after its actor has told its story.
            "background": not self._episode.failing and chance.random() < 0.5,
        }
        call = partial(getattr(self._cache, method), key, self._loader(key), tags=tags, **options)
        await self._read(method, {key: tags}, call)

    async def refresh(self) -> None:
        """Load whatever is there."""
        await self.get_or_set("refresh")

    async def get(self) -> None:
        """Look at one key."""
        key = self._key()
        await self._read("get", {key: self._always(key)}, partial(self._cache.get, key))

    async def get_many(self) -> None:
        """Look at all keys."""
        keys = {key: self._always(key) for key in self._episode.places}
        await self._read("get_many", keys, partial(self._cache.get_many, keys))

    async def set(self) -> None:
        """Change the origin and store the new value."""
        key = self._key()
        version = self._change(key)
        tags, ttl = self._tags(key), self._chance.choice((0.1, 60))
        call = partial(self._cache.set, key, [key, version], tags=tags, ttl=ttl)
        await self._withdraw(f"set {key}", call, {key: version}, puts=True)

    async def invalidate(self) -> None:
        """Change a key and withdraw it, softly or for good."""
        key, soft = self._key(), self._chance.random() < 0.3
        self._change(key)
        call = partial(self._cache.invalidate, key, soft=soft)
        await self._withdraw(f"invalidate {key}", call, self._now([key]), soft=soft)

    async def invalidate_tags(self) -> None:
        """Change what carries a tag and withdraw it, softly or for good."""
        tag, soft = self._chance.choice(self._episode.all_tags), self._chance.random() < 0.3
        tagged = [key for key, tags in self._episode.tags.items() if tag in tags]
        for key in tagged:
            self._change(key)
        call = partial(self._cache.invalidate_tags, tag, soft=soft)
        await self._withdraw(f"invalidate_tags {tag}", call, self._now(tagged), tag=tag, soft=soft)

    async def invalidate_prefix(self) -> None:
        """Change a key and withdraw all of this history."""
        prefix = self._episode.prefix
        self._change(self._key())
        call = partial(self._cache.invalidate_prefix, prefix)
        await self._withdraw(f"invalidate_prefix {prefix}", call, self._now(self._episode.places))

    async def evict(self) -> None:
        """Have the server lose one of its names, as one that is short of memory does."""
        name = self._chance.choice(self._episode.names(self._desk.names))
        called = time.monotonic_ns()
        if await self._desk.transport.send("DEL", name):
            self._happened("evicted", called, name)

    async def _read(self, what: str, keys: Mapping[str, tuple[str, ...]], call: Callable[[], Any]) -> None:
        outcomes: dict[str, Outcome] = {}
        _outcomes.set(outcomes)
        called = time.monotonic_ns()
        try:
            answer = await _settled(call())
        except OriginFailed:
            answer = MISSING
        returned = time.monotonic_ns()
        values = answer if isinstance(answer, dict) else dict.fromkeys(keys, answer)
        for key, tags in keys.items():
            of, version = values.get(key, MISSING) or ("", None)
            self._events.append(
                Reading(self._who, called, returned, what, key, version, of, outcomes.get(key, "error"), tags)
            )

    async def _withdraw(self, what: str, call: Callable[[], Any], floors: Mapping[str, int], **how: Any) -> None:
        called, confirmed = time.monotonic_ns(), True
        try:
            confirmed = await _settled(call()) is not False
        except CacheUnavailable:
            confirmed = False
        what += " softly" if how.get("soft") else ""
        self._events.append(
            Withdrawing(self._who, called, time.monotonic_ns(), what, floors, confirmed=confirmed, **how)
        )

    def _loader(self, key: str) -> Callable[[], Any]:
        chance, clock, origin = self._chance, self._desk.clock, self._desk.origin
        before, after = (chance.expovariate(share / self._episode.seconds) for share in (4, 1))
        fails = chance.random() < self._episode.failing

        async def load() -> list[Any]:
            called = time.monotonic_ns()
            await clock.sleep(before)
            version = origin.version(self._episode.places[key])
            await clock.sleep(after)
            if fails:
                self._happened("failed to load", called, key)
                raise OriginFailed
            self._happened("loaded", called, key, version)
            return [key, version]

        return (lambda: run_blocking(load())) if isinstance(self._cache, Cache) else load

    def _key(self) -> str:
        return self._chance.choices(tuple(self._episode.places), (5, 2, 1))[0]

    def _tags(self, key: str) -> tuple[str, ...]:
        leaves_out = self._episode.mixed and self._chance.random() < 0.5
        return () if leaves_out else self._episode.tags[key]

    def _always(self, key: str) -> tuple[str, ...]:
        """Return the tags that every entry of a key carries."""
        return () if self._episode.mixed else self._episode.tags[key]

    def _now(self, keys: Iterable[str]) -> dict[str, int]:
        return {key: self._desk.origin.version(self._episode.places[key]) for key in keys}

    def _change(self, key: str) -> int:
        called = time.monotonic_ns()
        version = self._desk.origin.change(self._episode.places[key])
        self._happened("changed", called, key, version)
        return version

    def _happened(self, what: Any, called: int, name: str, version: int | None = None) -> None:
        self._events.append(Happening(self._who, called, time.monotonic_ns(), what, name, version))


_PROGRAM = {
    Actor.get_or_set: 50,
    Actor.refresh: 4,
    Actor.get: 12,
    Actor.get_many: 6,
    Actor.set: 4,
    Actor.invalidate: 10,
    Actor.invalidate_tags: 8,
    Actor.invalidate_prefix: 1,
    Actor.evict: 7,
}
_STEPS, _WEIGHTS = tuple(_PROGRAM), tuple(_PROGRAM.values())


async def _settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
