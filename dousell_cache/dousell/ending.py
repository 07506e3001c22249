"""Changes that go on to their end when nobody waits for them any more: nothing is shown as it was before."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_UNDER_WAY: set["asyncio.Task[Any]"] = set()  # the loop itself would forget them


async def to_its_end(change: Coroutine[Any, Any, T]) -> T:
    """Make a change to its end, also if the caller is cancelled: who is, waits for it, unless cancelled again.

    Args:
        change: what writes to the ledger and withdraws what shows it. A loop that ends breaks it off all the same.

    Raises:
        asyncio.CancelledError: the caller was cancelled; how the change ended, nobody is told.
    """
    going = asyncio.get_running_loop().create_task(change)
    _UNDER_WAY.add(going)
    going.add_done_callback(_ended)
    try:
        await asyncio.wait([going])  # shield() would log, from Python 3.14 on, what it raises after the caller's end
    except asyncio.CancelledError:
        await asyncio.wait([going])
        raise
    return going.result()


def _ended(change: "asyncio.Task[Any]") -> None:
    _UNDER_WAY.discard(change)
    if not change.cancelled():
        change.exception()  # perhaps nobody waits for it any more
