"""Promise 2, one interleaving a test: once an invalidation has returned, no later read gives a value loaded before it.

What reads is either face; what invalidates is another cache on the same server, as another process would have it, and
it does so in the middle of the load.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import MISSING, AsyncCache, Cache, CacheUnavailable
from dousell_cache.events import Read
from dousell_cache.keys import Names
from dousell_cache.runner import run_blocking

from .faces import Face, Loader, open_face

if TYPE_CHECKING:
    from .conftest import WaitUntil

LATER = {"ttl": 60, "grace": 600}


async def server(face: Face, *command: str) -> Any:
    """Send a command past the caches."""
    return await face.send(*command)


Meanwhile = Callable[[Cache, Names], object]


def evict(name: Callable[[Names], str]) -> Meanwhile:
    """Return what makes the server forget one name, as an eviction would."""
    return lambda other, names: run(other, "DEL", name(names))


def run(cache: Cache, *command: str) -> Any:
    """Send a command past a blocking cache."""
    return run_blocking(cache._port.send(*command))


DURING_A_LOAD: dict[str, Meanwhile] = {
    "its key": lambda other, _: other.invalidate("a"),
    "its key, by delete": lambda other, _: other.delete("a"),
    "its key among others": lambda other, _: other.invalidate("b", "a", "c"),
    "its key, softly": lambda other, _: other.invalidate("a", soft=True),
    "its tag": lambda other, _: other.invalidate_tags("t"),
    "its other tag": lambda other, _: other.invalidate_tags("u", "v"),
    "its tag, softly": lambda other, _: other.invalidate_tags("t", soft=True),
    "its prefix": lambda other, _: other.invalidate_prefix("a"),
    "its prefix, softly": lambda other, _: other.invalidate_prefix("a", soft=True),
    "its lease evicted": evict(lambda names: names.lease("a")),
    "its tag's version evicted": evict(lambda names: names.version("t")),
}


@pytest.mark.parametrize("what", DURING_A_LOAD)
async def test_what_is_withdrawn_during_its_load_is_not_stored(
    face: Face, other: Cache, namespace: str, what: str
) -> None:
    """The load's own caller gets its value, told as refused; nothing is stored, and the next reader loads anew."""
    events = face.record()
    old = Loader("old", lambda: DURING_A_LOAD[what](other, Names(namespace)))
    assert await face.get_or_set("a", old, ttl=60, tags=["t", "u"]) == "old"
    assert [event.outcome for event in events if isinstance(event, Read)] == ["refused"]
    assert other.get("a") is MISSING
    assert await server(face, "EXISTS", f"{namespace}a") == 0
    assert await face.get_or_set("a", Loader("new"), ttl=60, tags=["t", "u"]) == "new"
    assert other.get("a") == "new"


@pytest.mark.parametrize("tags", [(), ("t",)])
async def test_what_is_set_during_a_load_stays(face: Face, other: Cache, tags: tuple[str, ...]) -> None:
    """A value that was set while another was being loaded is not replaced by it."""
    old = Loader("old", lambda: other.set("a", "set", tags=tags))
    assert await face.get_or_set("a", old, ttl=60, tags=tags) == "old"
    assert await face.get("a") == other.get("a") == "set"


async def test_a_withdrawn_entry_and_its_load_are_both_gone(face: Face, other: Cache) -> None:
    """An invalidation that meets an entry and the load that refreshes it withdraws both."""
    await face.set("a", "older", ttl=60)
    old = Loader("old", lambda: other.invalidate("a"))
    assert await face.refresh("a", old, ttl=60) == "old"
    assert (await face.get("a"), other.get("a")) == (MISSING, MISSING)


EVERY_READ: dict[str, Callable[[Face], Any]] = {
    "get": lambda face: face.get("a"),
    "get_many": lambda face: face.get_many(["a", "b"]),
    "get_or_set": lambda face: face.get_or_set("a", Loader("new"), ttl=60, tags=["t"]),
    "get_or_set without tags": lambda face: face.get_or_set("a", Loader("new"), ttl=60),
    "get_or_set with grace": lambda face: face.get_or_set("a", Loader("new"), tags=["t"], **LATER),
}


@pytest.mark.parametrize("how", [*EVERY_READ])
@pytest.mark.parametrize("what", ["tag", "soft tag", "evicted version", "key", "soft key"])
async def test_every_way_to_read_respects_a_withdrawal(
    face: Face, other: Cache, namespace: str, how: str, what: str
) -> None:
    """Whatever reads, and though the reader knew the entry before: what was withdrawn is served by none of the ways."""
    await face.set("a", "old", tags=["t"], **LATER)
    await EVERY_READ[how](face)
    withdrawals: dict[str, Callable[[], object]] = {
        "tag": lambda: other.invalidate_tags("t"),
        "soft tag": lambda: other.invalidate_tags("t", soft=True),
        "evicted version": lambda: run(other, "DEL", Names(namespace).version("t")),
        "key": lambda: other.invalidate("a"),
        "soft key": lambda: other.invalidate("a", soft=True),
    }
    withdrawals[what]()
    answer = await EVERY_READ[how](face)
    assert answer in ("new", MISSING, {})


async def test_an_entry_without_the_tag_is_not_served_to_who_names_it(face: Face, other: Cache) -> None:
    """An entry that was stored without a tag could not have been withdrawn by it: whoever names the tag loads anew."""
    await face.set("a", "untagged", ttl=60)
    other.invalidate_tags("t")
    assert await face.get_or_set("a", Loader("new"), ttl=60, tags=["t"]) == "new"
    other.invalidate_tags("t")
    assert await face.get("a") is MISSING


async def test_a_prefix_withdraws_loads_whose_entry_is_not_there_yet(face: Face, other: Cache) -> None:
    """Only what has the prefix goes, the load of a new key included; the answer counts values and loads."""
    await face.set("search:1", 1, ttl=60)
    await face.set("detail:1", 1, ttl=60)
    withdrawn = []
    await face.get_or_set("search:2", Loader("x", lambda: withdrawn.append(other.invalidate_prefix("search:"))), ttl=60)
    assert withdrawn == [2]
    assert await face.get_many(["search:1", "search:2", "detail:1"]) == {"detail:1": 1}


# --- joiners: callers of the same process as the load


async def joined(
    face: Face, during: Callable[[], object], new: Loader, tags: tuple[str, ...] = ("t",)
) -> tuple[Any, Any]:
    """Begin a load of "old", do something in its middle, begin a second read, end the load; return both answers."""
    loading, go_on = threading.Event(), threading.Event()

    def load() -> str:
        loading.set()
        assert go_on.wait(20)
        return "old"

    first = asyncio.ensure_future(reading(face, load, tags))
    assert await asyncio.to_thread(loading.wait, 20)
    await asyncio.to_thread(during)
    second = asyncio.ensure_future(reading(face, new, ("t",)))
    await asyncio.sleep(0.05)  # long enough to join the load if it would; what it may not have is the old value
    go_on.set()
    return await first, await second


async def reading(face: Face, load: Callable[[], Any], tags: tuple[str, ...]) -> Any:
    """Read in a thread or a task of its own; a blocking loader of the asyncio face runs in a thread."""
    if isinstance(face.cache, AsyncCache):
        return await face.cache.get_or_set("a", lambda: asyncio.to_thread(load), ttl=60, tags=tags)
    return await asyncio.to_thread(face.cache.get_or_set, "a", load, ttl=60, tags=tags)


@pytest.mark.parametrize("what", ["its key", "its key, softly", "its tag", "its prefix", "its lease evicted"])
@pytest.mark.parametrize("whose", ["own", "another's"])
async def test_a_joiner_after_an_invalidation_never_gets_the_old_value(
    face: Face, other: Cache, namespace: str, whose: str, what: str
) -> None:
    """A read that starts after an acknowledged invalidation does not share the load that began before it."""
    invalidator = face.cache if whose == "own" and isinstance(face.cache, Cache) else other
    new = Loader("new")

    def during() -> None:
        DURING_A_LOAD[what](invalidator, Names(namespace))

    answers = await joined(face, during, new)
    assert answers == ("old", "new")
    assert new.calls == 1
    assert other.get("a") == "new"


async def test_the_asyncio_face_does_not_share_what_it_withdrew_itself(valkey_url: str) -> None:
    """Its own invalidation parts the callers before and after it, in one loop."""
    face = await open_face("asyncio", valkey_url)
    go_on = asyncio.Event()
    loading = asyncio.Event()

    async def load() -> str:
        loading.set()
        await go_on.wait()
        return "old"

    first = asyncio.ensure_future(face.get_or_set("a", load, ttl=60))
    await loading.wait()
    await face.invalidate("a")
    assert await face.get_or_set("a", Loader("new"), ttl=60) == "new", "and it need not wait for the load either"
    go_on.set()
    assert await first == "old"
    assert await face.get("a") == "new"
    await face.close()


async def test_a_joiner_before_the_invalidation_may_share(face: Face) -> None:
    """Without an invalidation the second read shares the load: its own loader is not called."""
    new = Loader("new")
    assert await joined(face, lambda: None, new) == ("old", "old")
    assert new.calls == 0


async def test_a_joiner_does_not_share_a_load_that_lacks_its_tag(face: Face, other: Cache) -> None:
    """A load without a tag cannot be withdrawn by it: who names the tag, after an invalidation of it, loads anew."""
    new = Loader("new")
    answers = await joined(face, lambda: other.invalidate_tags("t"), new, tags=())
    assert answers == ("old", "new")


# --- stand-ins


@pytest.mark.parametrize("what", ["soft key", "soft tag"])
async def test_a_softly_withdrawn_value_stands_in_for_a_failing_origin_only(
    face: Face, other: Cache, what: str
) -> None:
    """It is served when the loader fails, told as stale, and at no other time."""
    await face.set("a", "old", ttl=60, tags=["t"])
    other.invalidate("a", soft=True) if what == "soft key" else other.invalidate_tags("t", soft=True)
    assert (await face.get("a"), other.get("a")) == (MISSING, MISSING)
    events = face.record()
    failing = Loader(ValueError("origin"))
    for _ in range(3):
        assert await face.get_or_set("a", failing, ttl=60, tags=["t"]) == "old"
    assert failing.calls == 1, "and nobody tries again before the back-off is over"
    assert [event.outcome for event in events if isinstance(event, Read)] == ["stale"] * 3
    assert other.get("a") is MISSING


@pytest.mark.parametrize("soft", ["key", "tag"])
@pytest.mark.parametrize("hard", ["key", "tag", "prefix", "evicted version"])
async def test_there_is_no_stand_in_after_a_hard_invalidation(
    face: Face, other: Cache, namespace: str, soft: str, hard: str
) -> None:
    """What was withdrawn softly and then for good stands in for nothing: the origin's own error is raised."""
    await face.set("a", "old", ttl=60, tags=["t"])
    other.invalidate("a", soft=True) if soft == "key" else other.invalidate_tags("t", soft=True)
    if hard == "key":
        other.invalidate("a")
    if hard == "tag":
        other.invalidate_tags("t")
    if hard == "prefix":
        other.invalidate_prefix("a")
    if hard == "evicted version":
        run(other, "DEL", Names(namespace).version("t"))
    error = ValueError("origin")
    with pytest.raises(ValueError, match="origin") as caught:
        await face.get_or_set("a", Loader(error), ttl=60, tags=["t"])
    assert caught.value is error


async def test_an_invalidation_in_the_back_off_is_respected(face: Face, other: Cache) -> None:
    """While a failing origin is spared, a hard invalidation ends the stand-in and the sparing."""
    await face.set("a", "old", ttl=60)
    other.invalidate("a", soft=True)
    assert await face.get_or_set("a", Loader(ValueError("origin")), ttl=60) == "old"
    other.invalidate("a")
    assert await face.get_or_set("a", Loader("new"), ttl=60) == "new"


async def test_a_stale_refresh_that_was_withdrawn_is_not_stored(
    face: Face, other: Cache, wait_until: "WaitUntil"
) -> None:
    """A refresh in the background that an invalidation met stores nothing, and the stale value is gone as well."""
    await face.set("a", "stale", ttl=0.02, grace=60)
    await wait_until_stale(other, wait_until)
    loading = threading.Event()

    def meanwhile() -> None:
        other.invalidate("a")
        loading.set()

    events = face.record()
    assert await face.get_or_set("a", Loader("old", meanwhile), ttl=60, grace=60, background=True) == "stale"
    assert await asyncio.to_thread(loading.wait, 20)
    while len(events) < 2:
        await asyncio.sleep(0.01)
    assert (await face.get("a"), other.get("a")) == (MISSING, MISSING)


async def wait_until_stale(cache: Cache, wait_until: "WaitUntil") -> None:
    """Wait until the server's time says that the entry is stale."""
    await asyncio.to_thread(wait_until, lambda: cache.explain("a").outcome == "stale")


@pytest.mark.parametrize("lost", [1, 2], ids=["the look", "the question for the lease"])
async def test_a_load_without_a_lease_is_not_shared_with_whom_the_cache_serves(
    face: Face, other: Cache, lost: int
) -> None:
    """One lost command makes a load that no invalidation can stop: who comes after one loads for itself."""
    send, sent = face.cache._raw_port.send, 0
    began, may_end = threading.Event(), threading.Event()

    async def lose_one(*command: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == lost:
            raise CacheUnavailable("lost")
        return await send(*command)

    async def lose_one_within(seconds: float, *command: Any) -> Any:  # noqa: ARG001 - the port's
        return await lose_one(*command)

    def old() -> str:
        began.set()
        assert may_end.wait(20)
        return "old"

    flights = face.cache._context.flights
    enter = flights._enter  # type: ignore[attr-defined]  # both kinds have it

    def entered(*arguments: Any) -> Any:
        flight, joined = enter(*arguments)
        if joined is not None:
            may_end.set()  # it waits: let it see what it gets
        return flight, joined

    face.cache._raw_port.send = lose_one  # type: ignore[method-assign]  # where every command goes through
    face.cache._raw_port.send_within = lose_one_within  # type: ignore[method-assign]  # or here
    leading = asyncio.ensure_future(in_the_background(face, old))
    assert await asyncio.to_thread(began.wait, 20)
    other.invalidate("a")
    flights._enter = entered  # type: ignore[attr-defined]  # as above
    assert await in_the_background(face, lambda: "new") == "new"
    may_end.set()
    assert await leading == "old"
    assert other.get("a") != "old"


async def in_the_background(face: Face, load: Callable[[], str]) -> Any:
    """Read with a loader that may stand still, in a thread."""
    if isinstance(face.cache, AsyncCache):
        return await face.cache.get_or_set("a", lambda: asyncio.to_thread(load), ttl=60)
    return await asyncio.to_thread(face.cache.get_or_set, "a", load, ttl=60)
