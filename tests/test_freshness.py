"""How long an entry is served and how it is kept fresh: grace, back-off, early refresh, jitter, what is not stored."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dousell_cache import MISSING, AsyncCache, Cache, skip
from dousell_cache.events import Read, Write
from dousell_cache.flows import get_or_set, put
from dousell_cache.keys import Names
from dousell_cache.policy import resolved
from dousell_cache.runner import run_blocking
from dousell_cache.transport.tcp import BlockingTcp

from .bench import Bench
from .faces import Face, Loader, Visit, open_face

if TYPE_CHECKING:
    from .conftest import WaitUntil


@pytest.fixture
def bench(valkey_url: str) -> Iterator[Bench]:
    """Flows on a real Valkey, with chance and time in the test's hand."""
    transport = BlockingTcp(valkey_url, patience=5)
    yield Bench(transport, f"test-{uuid4().hex}:")
    transport.close()


async def make_stale(face: Face, value: object = "stale") -> None:
    """Store a value that is past its time and within its grace."""
    await face.set("a", value, ttl=0.001, grace=60)
    async with asyncio.timeout(20):
        while (await face.explain("a")).outcome != "stale":
            await asyncio.sleep(0.001)


class Held:
    """A loader that ends when a test says so."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.began, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> object:
        """Load."""
        self.began.set()
        assert self.may_end.wait(20)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


async def reading(face: Face, load: Callable[[], Any], **options: Any) -> Any:
    """Read in a thread or task of its own."""
    keep = {"ttl": 60, "grace": 60} | options
    if isinstance(face.cache, AsyncCache):
        return await face.cache.get_or_set("a", lambda: asyncio.to_thread(load), **keep)
    return await asyncio.to_thread(lambda: face.cache.get_or_set("a", load, **keep))


def outcomes(events: list[Any]) -> list[str]:
    """Return how the reads ended."""
    return [event.outcome for event in events if isinstance(event, Read)]


# --- grace


async def test_one_refreshes_and_the_rest_are_served_at_once(face: Face, other: Cache) -> None:
    """Within grace one caller loads; every other, in any process, gets the stale value and does not wait for it."""
    await make_stale(face)
    events, held = face.record(), Held("new")
    refreshing = asyncio.ensure_future(reading(face, held))
    assert await asyncio.to_thread(held.began.wait, 20)
    never = Loader(AssertionError("the loader was called"))
    for _ in range(3):
        assert await face.get_or_set("a", never, ttl=60, grace=60) == "stale"
        assert other.get_or_set("a", never, ttl=60, grace=60) == "stale"
    assert await face.get("a") == "stale"
    assert outcomes(events) == ["stale"] * 4
    held.may_end.set()
    assert await refreshing == "new"
    assert await face.get_or_set("a", never, ttl=60, grace=60) == other.get("a") == "new"
    assert outcomes(events)[4:] == ["miss", "hit"]


async def test_a_refresh_in_the_background_keeps_nobody_waiting(face: Face) -> None:
    """With background=True the one who found it due is served at once, too; the refresh is told as a write."""
    await make_stale(face)
    events, held = face.record(), Held("new")
    assert await reading(face, held, background=True) == "stale"
    assert await asyncio.to_thread(held.began.wait, 20)
    assert await reading(face, held, background=True) == "stale"
    held.may_end.set()
    async with asyncio.timeout(20):
        while not any(isinstance(event, Write) for event in events):
            await asyncio.sleep(0.01)
    assert await face.get("a") == "new"
    assert outcomes(events) == ["stale", "stale", "hit"]
    (write,) = [event for event in events if isinstance(event, Write)]
    assert (write.key, write.stored, write.commands) == ("a", True, 2)


async def test_a_failing_origin_is_spared_while_grace_lasts(face: Face, other: Cache) -> None:
    """The stale value is served in place of the error, and no process tries again before the back-off is over."""
    await make_stale(face)
    events, failing = face.record(), Loader(ValueError("origin"))
    for _ in range(4):
        assert await face.get_or_set("a", failing, ttl=60, grace=60) == "stale"
        assert other.get_or_set("a", failing, ttl=60, grace=60) == "stale"
    assert failing.calls == 1
    assert outcomes(events) == ["stale"] * 4


def test_a_failing_origin_is_tried_once_for_each_back_off(bench: Bench, wait_until: "WaitUntil") -> None:
    """When a back-off is over one caller tries again; an origin that is well again ends it."""
    bench.context = replace(bench.context, back_off_ms=30)
    grace = resolved(0.001, 60)
    calls = []

    def origin() -> object:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("origin")
        return "new"

    def read() -> object:
        return run_blocking(get_or_set(bench.call(), bench.asked("a", origin, resolved(60, 60))))

    run_blocking(put(bench.call(), {"a": "stale"}, grace, ()))
    wait_until(lambda: run_blocking(bench.store.read("a", timed=True)).left_ms in range(60_000))
    lease = Names(bench.namespace).lease("a")
    for tries in (1, 2):
        assert read() == "stale"
        assert len(calls) == tries
        wait_until(lambda: bench.send("EXISTS", lease) == 0)
    assert read() == "new"
    assert len(calls) == 3


async def test_a_refresh_that_is_asked_for_tries_at_once(face: Face) -> None:
    """refresh() loads now, also when the origin failed a moment ago and something could stand in."""
    await face.set("a", "old", ttl=60)
    await face.invalidate("a", soft=True)
    assert await face.get_or_set("a", Loader(ValueError("origin")), ttl=60) == "old"
    assert await face.refresh("a", Loader("new"), ttl=60) == "new"
    assert await face.get("a") == "new"


async def test_when_grace_is_over_the_origins_own_error_is_raised(face: Face) -> None:
    """With nothing to stand in for it, the very exception of the loader is the caller's, back-off or not."""
    await make_stale(face)
    assert await face.get_or_set("a", Loader(ValueError("first")), ttl=60, grace=60) == "stale"
    await face.send("DEL", f"{face.cache.namespace}a")  # the server lets go of it when its grace is over
    for _ in range(2):
        error = ValueError("origin")
        with pytest.raises(ValueError, match="origin") as caught:
            await face.get_or_set("a", Loader(error), ttl=60, grace=60)
        assert caught.value is error


async def test_the_server_keeps_an_entry_for_its_grace_too(face: Face) -> None:
    """What is stored lives for its time and its grace together, and a reader without grace minds the entry's own."""
    await face.get_or_set("a", Loader("x"), ttl=10, grace=50)
    left = await face.send("PTTL", f"{face.cache.namespace}a")
    assert 55_000 < left <= 60_000
    await make_stale(face)
    new = Loader("new")
    assert await face.get_or_set("a", new, ttl=60) == "new"
    assert new.calls == 1


async def test_cancelling_a_refresh_marks_no_origin_as_failed(valkey_url: str) -> None:
    """A cache closed in the middle of a refresh says nothing about the origin: the next caller tries it."""
    face = await open_face("asyncio", valkey_url)
    await make_stale(face)

    async def load() -> str:
        await face.cache._context.flights.close()  # type: ignore[attr-defined]  # TaskFlights has it
        return "never"

    with pytest.raises(Exception, match="closed"):
        await face.get_or_set("a", load, ttl=60, grace=60)
    assert await face.get_or_set("a", Loader("new"), ttl=60, grace=60) == "new"
    await face.close()


# --- early refresh


def early(bench: Bench, chance: float, value: object, **options: Any) -> object:
    """Read with early refresh, given what is drawn."""
    bench.chance = chance
    return run_blocking(get_or_set(bench.call(), bench.asked("a", value, resolved(2, early=1.0, **options))))


def test_a_lucky_caller_refreshes_early(bench: Bench) -> None:
    """An entry that took 250 ms and has 2 s left is refreshed by one caller in three thousand, told as a miss."""
    early(bench, 0.0, "old")
    assert early(bench, 0.9, "new") == "old"
    assert early(bench, 0.99999, "new") == "new"
    assert early(bench, 0.9, "newer") == "new"
    assert [event.outcome for event in bench.events if isinstance(event, Read)] == ["miss", "hit", "miss", "hit"]
    assert [event.commands for event in bench.events if isinstance(event, Read)] == [3, 1, 3, 1]


def test_an_early_refresh_that_fails_harms_nobody(bench: Bench) -> None:
    """The entry is still fresh, so it is served, as a hit."""
    early(bench, 0.0, "old")
    assert early(bench, 0.99999, ValueError("origin")) == "old"
    assert early(bench, 0.99999, ValueError("origin")) == "old", "and the back-off holds"
    assert [event.outcome for event in bench.events if isinstance(event, Read)] == ["miss", "hit", "hit"]


def test_an_early_refresh_withdraws_nothing(bench: Bench) -> None:
    """While one refreshes early the others still hit."""
    early(bench, 0.0, "old")
    seen = []

    def load() -> str:
        seen.append(early(bench, 0.99999, "never"))
        return "new"

    assert early(bench, 0.99999, load) == "new"
    assert seen == ["old"]


# --- jitter


def test_jitter_lets_entries_expire_apart(bench: Bench) -> None:
    """With jitter=0.1 an entry lives for 90 to 100 % of its time, as chance has it; without, for all of it."""
    for jitter, chance, most in [(0.1, 0.0, 60_000), (0.1, 0.5, 57_000), (0.1, 0.999, 54_006), (0.0, 0.999, 60_000)]:
        bench.chance = chance
        run_blocking(put(bench.call(), {"a": 1}, resolved(60, jitter=jitter), ()))
        left = bench.send("PTTL", f"{bench.namespace}a")
        assert isinstance(left, int)
        assert most - 2000 < left <= most


async def test_what_is_set_together_expires_apart(face: Face) -> None:
    """set_many jitters by a tenth unless told otherwise; a single set does not."""
    keys = [f"k{number}" for number in range(30)]
    await face.set_many(dict.fromkeys(keys, 1), ttl=1000)
    lefts = [await face.send("PTTL", f"{face.cache.namespace}{key}") for key in keys]
    assert len(set(lefts)) > 10
    assert 895_000 < min(lefts) < max(lefts) <= 1_000_000
    await face.set_many(dict.fromkeys(keys, 1), ttl=1000, jitter=0.0)
    lefts = [await face.send("PTTL", f"{face.cache.namespace}{key}") for key in keys]
    assert min(lefts) > 990_000


# --- what is not stored


@pytest.mark.parametrize("how", ["skip", "cache_if"])
async def test_a_value_that_is_not_to_be_stored(face: Face, how: str) -> None:
    """It reaches its caller, in its stored form, and the next read loads again; the lease is let go of at once."""
    events = face.record()
    for number in (1, 2):
        if how == "skip":
            answer = await face.get_or_set("a", Loader(skip((number,))), ttl=60)
        else:
            answer = await face.get_or_set("a", Loader((number,)), ttl=60, cache_if=lambda value: value == (9,))
        assert answer == [number]
        assert await face.send("EXISTS", f"{face.cache.namespace}a", Names(face.cache.namespace).lease("a")) == 0
    assert outcomes(events) == ["miss", "miss"]
    assert await face.get_or_set("a", Loader((9,)), ttl=60, cache_if=lambda value: value == (9,)) == [9]
    assert await face.get("a") == [9]


async def test_what_is_not_stored_leaves_a_stale_entry_alone(face: Face) -> None:
    """A refresh whose value is not to be stored hands it to its caller; the others still have the stale one."""
    await make_stale(face)
    assert await face.get_or_set("a", Loader(skip("once")), ttl=60, grace=60) == "once"
    assert await face.get("a") == "stale"


async def test_a_cache_if_that_raises_is_the_callers_error(face: Face) -> None:
    """An error in the decision is raised like the loader's own, and nothing is stored."""
    with pytest.raises(ZeroDivisionError):
        await face.get_or_set("a", Loader(1), ttl=60, cache_if=lambda _: 1 / 0 > 0)
    assert await face.get("a") is MISSING


async def test_none_is_a_value(face: Face) -> None:
    """A negative result is stored and found like any other."""
    nothing = Loader(None)
    for _ in range(3):
        assert await face.get_or_set("a", nothing, ttl=60, grace=60) is None
    assert nothing.calls == 1
    assert await face.get_many(["a", "b"]) == {"a": None}


# --- what does not decode


FOREIGN = {
    "text": ("SET", "plain text"),
    "other JSON": ("SET", '{"rows": []}'),
    "a list": ("LPUSH", "x"),
    "a hash": ("HSET", "field", "x"),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("options", [{}, {"grace": 60}, {"tags": ["t"]}, {"early": 1.0}])
async def test_what_is_no_entry_is_one_counted_miss(face: Face, what: str, options: dict[str, Any]) -> None:
    """Whatever lies under a key: the read says that it was undecodable, replaces it, and the next one hits."""
    command, *arguments = FOREIGN[what]
    await face.send(command, f"{face.cache.namespace}a", *arguments)
    events, loader = face.record(), Loader("x")
    for _ in range(2):
        assert await face.get_or_set("a", loader, ttl=60, **options) == "x"
    assert outcomes(events) == ["miss", "hit"]
    assert loader.calls == 1
    unseen = command != "SET" and "tags" in options  # MGET does not tell a list from nothing
    assert [event.undecodable for event in events if isinstance(event, Read)] == [not unseen, False]


@pytest.mark.parametrize("what", FOREIGN)
async def test_what_is_no_entry_can_be_overwritten_and_withdrawn(face: Face, what: str) -> None:
    """Setting, invalidating (softly too) and explaining such a key raise nothing."""
    command, *arguments = FOREIGN[what]
    name = f"{face.cache.namespace}a"
    for act in ("set", "delete", "invalidate", "soft", "explain", "get", "get_many"):
        await face.send("DEL", name)
        await face.send(command, name, *arguments)
        if act == "set":
            await face.set("a", 1, ttl=60)
            assert await face.get("a") == 1
        elif act == "soft":
            await face.invalidate("a", soft=True)
            with pytest.raises(ValueError, match="origin"):
                await face.get_or_set("a", Loader(ValueError("origin")), ttl=60)
        elif act == "explain":
            assert (await face.explain("a")).outcome == "miss"
        elif act == "get_many":
            assert await face.get_many(["a", "b"]) == {}
        else:
            assert await getattr(face, act)("a") in (True, 1, MISSING)


async def test_an_entry_of_another_type_is_one_counted_miss(face: Face) -> None:
    """After a deployment that changed a type, an old entry is undecodable once, fresh or stale."""
    await make_stale(face, {"id": 1})
    events, loader = face.record(), Loader([1])
    for _ in range(2):
        assert await face.get_or_set("a", loader, ttl=60, grace=60, type=list[int]) == [1]
    assert outcomes(events) == ["miss", "hit"]
    assert [event.undecodable for event in events if isinstance(event, Read)] == [True, False]


async def test_a_back_off_without_a_stand_in_is_over(face: Face, other: Cache) -> None:
    """When what stood in for a failing origin was withdrawn for good, the next caller loads and stores, for all."""
    await face.set("a", "old", ttl=60, tags=["t"])
    other.invalidate("a", soft=True)
    assert await face.get_or_set("a", Loader(ValueError("origin")), ttl=60, tags=["t"]) == "old"
    other.invalidate_tags("t")
    events, loader = face.record(), Loader("new")
    assert await face.get_or_set("a", loader, ttl=60, tags=["t"]) == "new"
    assert await face.get_or_set("a", loader, ttl=60, tags=["t"]) == other.get("a") == "new"
    assert (loader.calls, outcomes(events)) == (1, ["miss", "hit"])


async def test_who_joins_a_load_of_another_type_loads(face: Face) -> None:
    """What landed does not fit the joiner's type: it gets a value of its own, as it would have alone."""
    held = Held({"name": "no visit"})
    flights = face.cache._context.flights
    enter = flights._enter  # type: ignore[attr-defined]  # both kinds have it

    def entered(*arguments: Any) -> Any:
        flight, joined = enter(*arguments)
        if joined is not None:
            held.may_end.set()
        return flight, joined

    leading = asyncio.ensure_future(reading(face, held))
    assert await asyncio.to_thread(held.began.wait, 20)
    flights._enter = entered  # type: ignore[attr-defined]  # as above
    visit = Visit(1, date(2026, 3, 1))
    assert await reading(face, Loader(visit), type=Visit) == visit
    assert await leading == {"name": "no visit"}
