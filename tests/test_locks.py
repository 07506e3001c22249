"""Locks as their callers see them, on both faces: what is asked for, what is held, and what they say of themselves."""

import inspect
import pickle
from typing import Any

import pytest

from dousell_cache import AsyncCache, Cache
from dousell_cache.errors import ConfigurationError, LockBusy, LockLost
from dousell_cache.events import LockAsked, LockEnded

from .faces import Face


async def done(answer: Any) -> Any:
    """Return an answer, awaited where it has to be."""
    return await answer if inspect.isawaitable(answer) else answer


def made(face: Face, name: str = "a", *arguments: Any, **options: Any) -> Any:
    """Return a lock of a face."""
    return face.cache.lock(name, *arguments, **options)


async def test_a_lock_tells_what_it_is(face: Face) -> None:
    """Name, fence and time left are told, by repr as well; a fence is a positive whole number."""
    held = await done(made(face, "rent", 20).acquire())
    assert (held.name, type(held.fence), held.lost) == ("rent", int, False)
    assert held.fence > 0
    assert 19 < held.remaining() <= 20 * 0.99
    assert f"('rent', fence={held.fence}, remaining=19." in repr(held)
    assert "'rent'" in repr(made(face, "rent"))
    await done(held.release())
    assert (held.remaining(), held.lost) == (0.0, False)


async def test_a_lock_that_was_given_back_is_not_lost(face: Face) -> None:
    """After its release a lock can be released again; ensured or extended it says that it was given back."""
    held = await done(made(face).acquire())
    await done(held.release())
    await done(held.release())
    for word in (held.ensure, held.extend):
        with pytest.raises(LockLost, match="given back"):
            await done(word())
    assert not held.lost


async def test_what_is_held_is_a_context_of_its_own(face: Face) -> None:
    """What acquire() returned may be left by ``with`` too; and the same lock may be used again and again."""
    lock = made(face)
    fences = []
    for _ in range(3):
        held = await done(lock.acquire())
        if isinstance(face.cache, Cache):
            with held as same:
                fences.append(same.fence)
        else:
            async with held as same:
                fences.append(same.fence)
        assert same is held
    assert fences == sorted(set(fences))


async def test_locks_of_other_names_are_other_locks(face: Face, other: Cache) -> None:
    """Names do not hinder each other, nor do an entry and a lock of one name."""
    one, two = await done(made(face, "a").acquire()), other.lock("b").acquire()
    assert await face.set("a", 1, ttl=60)
    assert await face.get("a") == 1
    assert await face.invalidate("a") == 1
    await done(one.ensure())
    two.ensure()
    await done(one.release())
    two.release()


async def test_busy_tells_for_how_long(face: Face, other: Cache) -> None:
    """LockBusy names the lock and the time that its holder has left."""
    with other.lock("a", 20), pytest.raises(LockBusy, match="'a' is another's") as busy:
        await done(made(face).acquire())
    assert 15 < busy.value.seconds_left <= 20


async def test_observers_are_told(face: Face, other: Cache) -> None:
    """Each asking and each ending is one event, with what it cost; counters add the commands up."""
    events = face.record()
    before = face.counters().commands
    held = await done(made(face).acquire())
    await done(held.extend())
    with pytest.raises(LockBusy):
        await done(made(face).acquire())
    await done(held.release())
    granted, busy, released = events
    assert (granted, busy.outcome) == (LockAsked("a", "granted", granted.seconds, 1, held.fence), "busy")  # type: ignore[union-attr]
    assert released == LockEnded("a", "released", released.seconds, 2, held.fence)  # type: ignore[union-attr]
    assert face.counters().commands - before == 4
    assert other.counters().commands == 0


@pytest.mark.parametrize("name", ["", 7, None, b"a", "\ud800"])
async def test_a_name_is_text(face: Face, name: Any) -> None:
    """A lock's name is a non-empty string."""
    with pytest.raises(ConfigurationError, match="lock"):
        made(face, name)


async def test_options_are_known(face: Face) -> None:
    """An option that there is not is refused with those that there are; on_lost must be callable."""
    with pytest.raises(TypeError, match=r"'timeout' is no option of a lock; the options are fair, max_ttl"):
        made(face, "a", timeout=3)
    with pytest.raises(ConfigurationError, match="on_lost"):
        made(face, "a", on_lost="nothing")


async def test_an_extension_has_the_bounds_of_its_lock(face: Face) -> None:
    """A ttl that the lock would not take is refused on extension too; without one it is the lock's own."""
    held = await done(made(face, "a", 20).acquire())
    with pytest.raises(ConfigurationError):
        await done(held.extend(1000))
    with pytest.raises(ConfigurationError):
        await done(held.extend(fence_above=-1))
    await done(held.extend(60))
    assert held.remaining() > 50
    fence = held.fence
    await done(held.extend(fence_above=fence))
    assert held.fence > fence
    await done(held.release())


async def test_a_lock_cannot_be_carried_away(face: Face) -> None:
    """What is held belongs to its process: it cannot be pickled into another."""
    held = await done(made(face).acquire())
    with pytest.raises((TypeError, AttributeError)):
        pickle.dumps(held)
    await done(held.release())


def test_the_faces_are_alike() -> None:
    """Both faces take the same options."""
    for name in ("lock", "with_lock"):
        one, other = (inspect.signature(getattr(face, name)).parameters for face in (Cache, AsyncCache))
        assert list(one) == list(other)
        assert [parameter.default for parameter in one.values()] == [parameter.default for parameter in other.values()]
