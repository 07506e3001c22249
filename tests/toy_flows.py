"""Small flows that are right or wrong on purpose: what the explorer is tried on."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from dousell_cache.errors import CacheUnavailable
from dousell_cache.testing import (
    NO_FAULTS,
    Actor,
    Faults,
    FreshAfterInvalidation,
    NobodyStuck,
    OneInside,
    Scenario,
    World,
    changes,
    reads,
)

LEASE = """-- lease
local entry = redis.call('GET', KEYS[1])
if entry then return {'entry', entry} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {'wait'} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', 5000)
return {'lease'}
"""
GUARD = "redis.call('GET', KEYS[2]) ~= ARGV[1]"
WRITE = f"""-- write
if {GUARD} then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2], 'PX', 60000)
return 1
"""
Read = Callable[[World], Awaitable[int]]


async def naive_read(world: World) -> int:
    """Read around a cache with nothing to guard it."""
    found: Any = await world.port.send("GET", "k")
    if found is not None:
        return int(found)
    value: int = await world.origin.read()
    await world.port.send("SET", "k", value, "PX", 60_000)
    return value


async def leased_read(world: World) -> int:
    """Read with a lease that a withdrawal takes away."""
    try:
        value, token = await _entry_or_lease(world)
    except CacheUnavailable:
        return int(await world.origin.read())
    if value is not None:
        return value
    loaded: int = await world.origin.read()
    with suppress(CacheUnavailable):  # then the lease runs out
        await world.port.send("EVAL", WRITE, 2, "k", "k:lease", token, loaded)
    return loaded


async def _entry_or_lease(world: World) -> tuple[int | None, str]:
    token = world.token()
    while True:
        answer: Any = await world.port.send("EVAL", LEASE, 2, "k", "k:lease", token)
        if answer[0] != b"wait":
            return (int(answer[1]) if answer[0] == b"entry" else None), token
        await world.clock.sleep(0.1)


def reader(name: str, read: Read, process: str = "") -> Actor:
    """Return an actor that reads once."""

    async def start(world: World) -> None:
        await reads(world, lambda: read(world))

    return Actor(name, start, process)


def writer(*keys: str) -> Actor:
    """Return an actor that changes the origin and deletes keys."""

    async def start(world: World) -> None:
        await changes(world, lambda: world.port.send("DEL", *keys))

    return Actor("writer", start)


def naive(faults: Faults = NO_FAULTS) -> Scenario:
    """Return naive cache-aside while somebody withdraws."""
    actors = (reader("reader-1", naive_read), writer("k"), reader("reader-2", naive_read))
    return Scenario("naive cache-aside", actors, (FreshAfterInvalidation(), NobodyStuck()), faults)


def leased(faults: Faults = NO_FAULTS) -> Scenario:
    """Return cache-aside under a lease while somebody withdraws."""
    actors = (reader("reader-1", leased_read), writer("k", "k:lease"), reader("reader-2", leased_read))
    return Scenario("leased cache-aside", actors, (FreshAfterInvalidation(), NobodyStuck()), faults)


async def careless(world: World) -> None:
    """Hold a lock, and release it without a look at whose it is."""
    token = world.token()
    while await world.port.send("SET", "lock", token, "NX", "PX", 1000) is None:
        await world.clock.sleep(0.1)
    world.tell("enters")
    await world.origin.visit("works", lambda value: (None, value))
    world.tell("leaves")
    await world.port.send("DEL", "lock")


def lock(clients: int) -> Scenario:
    """Return careless lock clients, whose lock may expire once."""
    actors = tuple(Actor(f"client-{number + 1}", careless) for number in range(clients))
    faults = Faults(1, evictions=0, crashes=0, lost=0, refused=0)
    return Scenario("careless lock", actors, (OneInside("lock"), NobodyStuck()), faults)
