"""``with_lock``: how a body that needed a lock came out, without an exception of ours."""

import asyncio
from typing import Any

import pytest

from dousell_cache import Cache, LockOutcome, connect
from dousell_cache.errors import ConfigurationError, LockBusy, LockLost
from dousell_cache.runner import run_blocking

from .faces import Face, open_face


async def test_it_ran(face: Face) -> None:
    """A body that ran alone is a success, with its value, and the lock is free again."""
    assert await face.with_lock("a", lambda: 7) == LockOutcome(success=True, value=7)
    assert await face.with_lock("a", lambda: None) == LockOutcome(success=True, value=None)


async def test_a_body_may_be_awaited() -> None:
    """Over asyncio the body may be asynchronous."""
    opened = await open_face("asyncio", "embedded")

    async def body() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await opened.with_lock("a", body) == LockOutcome(success=True, value="done")
    await opened.close()


async def test_it_was_busy(face: Face, other: Cache) -> None:
    """While another has the lock it is asked for once and so many times again, and the body does not run."""
    events, ran = face.record(), list[int]()
    held = other.lock("a").acquire()
    outcome = await face.with_lock("a", lambda: ran.append(1), retries=2, delay=0.001)
    assert outcome == LockOutcome(success=False, reason="busy")
    assert (len(events), ran) == (3, [])
    held.release()
    assert (await face.with_lock("a", lambda: ran.append(1))).success


async def test_it_was_lost(face: Face) -> None:
    """A lock that was gone by the end of the body says so, with what the body returned."""
    outcome = await face.with_lock("a", lambda: _forget(face))
    assert outcome == LockOutcome(success=False, value="returned", reason="lost")


def _forget(face: Face) -> str:
    with connect(face.cache.environment, patience=5) as administrator:
        run_blocking(administrator._port.send("DEL", face.cache._context.server.names.lock("a", "").lock))
    return "returned"


@pytest.mark.parametrize("error", [RuntimeError, LockBusy, LockLost])
async def test_a_bodys_error_comes_through(face: Face, error: type[Exception]) -> None:
    """What the body raises is its own, even if it is of a lock that it took itself; it is not run again."""
    ran = list[int]()

    def body() -> None:
        ran.append(1)
        message = "the body's own"
        raise error(message)

    with pytest.raises(error, match="the body's own"):
        await face.with_lock("a", body, retries=3, delay=0)
    assert ran == [1]
    assert (await face.with_lock("a", lambda: 1)).success, "the lock was given back"


@pytest.mark.parametrize(
    "options", [{"retries": -1}, {"retries": 1.5}, {"retries": True}, {"delay": -1}, {"delay": "1"}, {"delay": 10**6}]
)
async def test_tries_that_make_no_sense_are_refused(face: Face, options: dict[str, Any]) -> None:
    """They are refused by name, before the lock is asked for; so is a body that cannot be called."""
    events = face.record()
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        await face.with_lock("a", lambda: 1, **options)
    with pytest.raises(ConfigurationError, match="body"):
        await face.with_lock("a", "no function")
    assert events == []
