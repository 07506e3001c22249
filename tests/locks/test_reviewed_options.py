"""What a review of the locks found in what they are given: bodies, ``on_lost``, patience, names."""

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import AsyncHeld, AsyncLock, Cache, Held, Lock, connect, connect_async
from dousell_cache.errors import ConfigurationError, LockLost
from dousell_cache.runner import run_blocking

from ..faces import FACES
from .parties import NAME, Scene, watchers

if TYPE_CHECKING:
    from ..conftest import WaitUntil


async def suspending(*_: object) -> None:
    """Be asynchronous."""
    await asyncio.sleep(0)


def disguised(*_: object) -> object:
    """Return what is to be awaited, without saying so."""
    return suspending()


class Suspending:
    """An object that is asynchronous where it is called."""

    async def __call__(self, *_: object) -> None:
        """Suspend."""
        await asyncio.sleep(0)


def expire(cache: Cache, name: str) -> None:
    """End a lock's time on the server."""
    run_blocking(cache._port.send("DEL", cache._context.server.names.lock(name, "").lock))


@pytest.mark.parametrize("body", [suspending, disguised, Suspending(), functools.partial(suspending, 1)])
def test_an_asynchronous_body_is_refused_by_the_blocking_face(other: Cache, body: Callable[[], object]) -> None:
    """A body that would never run is no success: it is refused, and the lock is free."""
    with pytest.raises(ConfigurationError, match="use AsyncCache"):
        other.with_lock("a", body)
    assert other.with_lock("a", lambda: "ran").value == "ran"


@pytest.mark.parametrize("on_lost", [suspending, functools.partial(suspending, 1)])
def test_an_asynchronous_on_lost_is_refused_by_the_blocking_face(other: Cache, on_lost: Any) -> None:
    """An ``on_lost`` that nobody could await is refused where it is given."""
    with pytest.raises(ConfigurationError, match="on_lost"):
        other.lock("a", on_lost=on_lost)
    with pytest.raises(ConfigurationError, match="on_lost"):
        other.with_lock("a", print, on_lost=on_lost)


DISGUISED = [disguised, Suspending()]


@pytest.mark.parametrize("on_lost", DISGUISED)
def test_a_disguised_on_lost_does_not_hide_the_loss(other: Cache, on_lost: Any) -> None:
    """An asynchronous ``on_lost`` in disguise is an error: whoever lets go is told of the loss all the same."""
    held = other.lock("a", on_lost=on_lost).acquire()
    expire(other, "a")
    with pytest.raises(LockLost):
        held.release()
    assert held.lost


@pytest.mark.parametrize("on_lost", DISGUISED)
def test_a_disguised_on_lost_does_not_break_the_watch(other: Cache, wait_until: "WaitUntil", on_lost: Any) -> None:
    """Told by the watch, it ends the watch's thread in peace; the lock is lost all the same."""
    held = other.lock("a", 0.5, on_lost=on_lost).acquire()
    wait_until(lambda: held.lost and not watchers())


async def opening(face: str, url: str, **options: Any) -> None:
    """Connect a face, and leave it."""
    if face == "blocking":
        connect(url, **options).close()
    else:
        await (await connect_async(url, **options)).close()


WRONG: list[dict[str, Any]] = [
    {"lock_patience": timedelta(seconds=1)},
    {"lock_patience": 250},
    {"lock_patience": 0},
    {"lock_patience": "0.25"},
    {"lock_patience": float("nan")},
    {"lock_patience": True},
    {"patience": "1"},
    {"patience": timedelta(seconds=1)},
    {"patience": float("nan")},
    {"patience": -1},
    {"patience": 600},
]


@pytest.mark.parametrize("options", WRONG, ids=str)
@pytest.mark.parametrize("face", FACES)
async def test_patience_that_makes_no_sense_is_refused(face: str, valkey_url: str, options: dict[str, Any]) -> None:
    """A patience that is no number of seconds, or milliseconds by mistake, is refused by its name where it is given."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        await opening(face, valkey_url, **options)


SHARED = ["{a}", "{a}b}", "{{}a}", "{é}", "{a}{b}", "{a}}"]  # each what another name becomes, between braces
APART = ["a", "42", "é", "ab", "{}", "{}a", "a{b}", "{a}b", "a}b", "{a", "a}", "{a}:{b}c"]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", SHARED)
async def test_a_name_that_another_lock_would_have_is_refused(face: str, valkey_url: str, name: str) -> None:
    """Two locks never are one: a name that is what another becomes on the server is refused."""
    with pytest.raises(ConfigurationError, match="would be the same"):
        await asking(face, valkey_url, name)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", APART)
async def test_any_other_name_is_a_locks(face: str, valkey_url: str, name: str) -> None:
    """Names of a letter or two, and braces that make no hash tag of the whole of it, are taken; without a namespace."""
    await asking(face, valkey_url, name)


async def asking(face: str, url: str, name: str) -> None:
    """Ask for a lock without a namespace; nothing is sent."""
    if face == "blocking":
        with connect(url) as cache:
            cache.lock(name)
    else:
        async with await connect_async(url) as cache_too:
            cache_too.lock(name)


async def test_what_is_held_has_a_public_name(scene: Scene) -> None:
    """A lock, what is held of it, and what ``on_lost`` is told are of types that annotations can name."""
    a, told = await scene.party(), list[Any]()
    lock: Any = a.cache.lock(NAME, on_lost=told.append)
    held = await a.call(lock.acquire)
    assert (type(lock), type(held)) == ((Lock, Held) if a.is_blocking else (AsyncLock, AsyncHeld))
    scene.expire()
    with pytest.raises(LockLost):
        await a.call(held.release)
    assert told == [held]
