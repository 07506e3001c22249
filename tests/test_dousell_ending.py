"""What goes on to its end when nobody waits for it any more: who was cancelled waits, and nothing is logged of it."""

import asyncio
from typing import Any

import pytest

from dousell_cache.dousell.ending import to_its_end

from .loop_complaints import complaints


@pytest.mark.parametrize("fails", [False, True])
async def test_whoever_is_cancelled_waits_for_the_end(fails: bool) -> None:
    """However the change ends then, the caller is cancelled, and the loop has nothing to complain of."""
    ended, go_on = [], asyncio.Event()

    async def change() -> None:
        await go_on.wait()
        ended.append("ended")
        if fails:
            raise ConnectionError

    with complaints() as heard:
        caller = asyncio.create_task(to_its_end(change()))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
    assert (ended, heard) == (["ended"], [])


async def test_how_a_change_ends_is_told() -> None:
    """Whoever waits has what it returns, what it raises, and that it was broken off."""

    async def change(ending: Any) -> str:
        if isinstance(ending, BaseException):
            raise ending
        return str(ending)

    assert await to_its_end(change("paid")) == "paid"
    with pytest.raises(ConnectionError):
        await to_its_end(change(ConnectionError()))
    with pytest.raises(asyncio.CancelledError):
        await to_its_end(change(asyncio.CancelledError()))
