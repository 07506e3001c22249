"""Warming loads what is missing, a few at a time, and says what became of each key."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest

from dousell_cache import MISSING, AsyncCache, ConfigurationError

from .faces import Face, Loader, Visit


async def warm(face: Face, loaders: Mapping[str, Callable[[], Any]], **options: Any) -> Any:
    """Warm in a thread, so that a test goes on meanwhile, or await it."""
    if isinstance(face.cache, AsyncCache):
        return await face.cache.warm(loaders, **({"ttl": 60} | options))
    return await asyncio.to_thread(lambda: face.cache.warm(loaders, **({"ttl": 60} | options)))


async def test_what_is_missing_is_loaded(face: Face) -> None:
    """Keys that have a value are left alone, the others are loaded and stored, failures are told and stop nobody."""
    await face.set("there", 1, ttl=60)
    error = ValueError("origin")
    loaders = {"there": Loader(2), "a": Loader("x"), "bad": Loader(error), "none": Loader(None)}
    warmed = await warm(face, loaders)
    assert (warmed.loaded, warmed.present, dict(warmed.failed)) == (("a", "none"), ("there",), {"bad": error})
    assert [loader.calls for loader in loaders.values()] == [0, 1, 1, 1]
    assert await face.get_many(loaders) == {"there": 1, "a": "x", "none": None}
    again = await warm(face, loaders)
    assert (again.loaded, again.present, set(again.failed)) == ((), ("there", "a", "none"), {"bad"})


async def test_a_key_that_somebody_else_loaded_meanwhile_is_present(face: Face) -> None:
    """What came between the look and the load is not loaded again."""

    def first() -> str:
        asyncio.run(come()) if isinstance(face.cache, AsyncCache) else face.cache.set("b", "theirs", ttl=60)
        return "x"

    async def come() -> None:
        return None

    if isinstance(face.cache, AsyncCache):

        async def first_async() -> str:
            await face.set("b", "theirs", ttl=60)
            return "x"

        loaders: dict[str, Callable[[], Any]] = {"a": first_async, "b": Loader("never")}
    else:
        loaders = {"a": first, "b": Loader("never")}
    warmed = await warm(face, loaders, concurrency=1)
    assert (warmed.loaded, warmed.present) == (("a",), ("b",))
    assert await face.get("b") == "theirs"


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_so_many_load_at_once_and_no_more(face: Face, concurrency: int) -> None:
    """The loads under way are as many as asked for: all of these meet, and none beyond them joins."""
    lock, running, most = threading.Lock(), 0, 0
    meeting = threading.Barrier(concurrency)

    def load() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait(20)  # broken, and so an error, unless so many are here at once
        with lock:
            running -= 1
        return 1

    loader = (lambda: asyncio.to_thread(load)) if isinstance(face.cache, AsyncCache) else load
    warmed = await warm(face, {f"k{number}": loader for number in range(9)}, concurrency=concurrency)
    assert (len(warmed.loaded), dict(warmed.failed)) == (9, {})
    assert most == concurrency


async def test_progress_is_told_key_by_key(face: Face) -> None:
    """After each key: how many are done, of how many, and which, those that were there first."""
    await face.set("there", 1, ttl=60)
    told = list[tuple[int, int, str]]()
    loaders = {"a": Loader(1), "there": Loader(1), "bad": Loader(ValueError()), "b": Loader(1)}
    await warm(face, loaders, progress=lambda *progress: told.append(progress))
    assert [(done, of) for done, of, _ in told] == [(number, 4) for number in (1, 2, 3, 4)]
    assert told[0] == (1, 4, "there")
    assert {key for _, _, key in told} == set(loaders)


class Stopped(Exception):
    """What ends a warm-up."""


async def test_a_warm_up_that_is_stopped_stops_loading(face: Face) -> None:
    """When the progress callback raises, that is the caller's exception, and what was not begun is not loaded."""
    calls = list[int]()

    def load() -> int:
        calls.append(1)
        return 1

    def stop(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        await warm(face, {f"k{number}": load for number in range(100)}, concurrency=1, progress=stop)
    assert len(calls) < 50


async def test_options_hold_for_every_key(face: Face) -> None:
    """Options are those of get_or_set; entries expire up to a tenth apart unless told otherwise."""
    visit = Visit(1, date(2025, 1, 2))
    keys = [f"k{number}" for number in range(20)]
    await warm(face, {key: Loader(visit) for key in keys}, tags=["t"], type=Visit, ttl=1000)
    assert await face.get_many(keys, type=Visit) == dict.fromkeys(keys, visit)
    lefts = [await face.send("PTTL", f"{face.cache.namespace}{key}") for key in keys]
    assert len(set(lefts)) > 10
    assert 895_000 < min(lefts) < max(lefts) <= 1_000_000
    await face.invalidate_tags("t")
    assert await face.get_many(keys) == {}
    await warm(face, {key: Loader(1) for key in keys}, ttl=1000, jitter=0.0)
    lefts = [await face.send("PTTL", f"{face.cache.namespace}{key}") for key in keys]
    assert min(lefts) > 990_000


async def test_nothing_to_warm(face: Face) -> None:
    """No keys, no commands."""
    warmed = await warm(face, {})
    assert (warmed.loaded, warmed.present, dict(warmed.failed)) == ((), (), {})
    assert face.counters().commands == 0


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"concurrency": 1.5}, {"concurrency": True}, {"ttl": 0}])
async def test_options_that_make_no_sense(face: Face, options: dict[str, Any]) -> None:
    """A wrong option is refused by name before anything is sent or loaded."""
    loader = Loader(1)
    with pytest.raises(ConfigurationError, match=r"^(concurrency|ttl) must be"):
        await warm(face, {"a": loader}, **options)
    assert (loader.calls, face.counters().commands) == (0, 0)
    assert await face.get("a") is MISSING
