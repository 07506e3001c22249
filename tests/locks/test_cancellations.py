"""Cancelled anywhere (S16, S17, A9): whatever a task awaits when it is cancelled, nothing of its lock is left."""

import asyncio
import os
import types
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from dousell_cache import connect_async

from .parties import MEANWHILE, NAME, Party, Scene, watchers

FAR = 10_000 if os.environ.get("DOUSELL_CACHE_REPEATS") else 60  # turns of the loop after which a flow is surely over
pytestmark = pytest.mark.parametrize("scene", ["asyncio"], indirect=True)


class Cancelled:
    """A coroutine whose task is cancelled where it suspends for the n-th time.

    Args:
        flow: the coroutine.
        number: n, from 0.
    """

    def __init__(self, flow: Coroutine[Any, Any, Any], number: int) -> None:
        self.flow, self.left = flow, number
        self.was_cancelled = False

    @types.coroutine
    def run(self) -> Generator[Any, Any, Any]:
        """Run it."""
        resume, argument = self.flow.send, None
        while True:
            try:
                awaited = resume(argument)
            except StopIteration as finished:
                return finished.value
            self._suspended()
            try:
                resume, argument = self.flow.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001 - it is the flow's to handle
                resume, argument = self.flow.throw, error

    def _suspended(self) -> None:
        task = asyncio.current_task()
        if not self.left and task and not self.was_cancelled:
            self.was_cancelled = task.cancel()
        self.left -= 1


async def held(party: Party, **options: Any) -> None:
    """Do everything that can be done with a lock."""
    lock: Any = party.cache.lock(NAME, 30, renew=True, **options)
    async with lock as grip:
        await grip.ensure()
        await grip.extend(20)
        await asyncio.sleep(0)


async def by_hand(party: Party) -> None:
    """Take a lock and let go of it, without ``with``."""
    lock: Any = party.cache.lock(NAME, 30)
    grip = await lock.acquire()
    try:
        await asyncio.sleep(0)
    finally:
        await grip.release()


async def nothing_is_left(scene: Scene, party: Party) -> None:
    """Make sure that neither server nor loop knows of the lock any more, and that the next one gets it."""
    assert scene.left() == set()
    assert watchers() == []
    grip = await party.take()
    await grip.ensure()
    await grip.release()


@pytest.mark.parametrize("flow", [held, by_hand])
async def test_s17_cancelled_at_every_await_point(scene: Scene, flow: Any) -> None:
    """At whatever await point a task is cancelled, its lock is gone by the time it has ended, and so is its watch."""
    party, number, reached = await scene.party(), 0, True
    while reached:
        cancelled = Cancelled(flow(party), number)
        task = asyncio.ensure_future(cancelled.run())
        await asyncio.wait([task])
        reached = cancelled.was_cancelled
        assert task.cancelled() or not reached, f"cancelled at await point {number}, and went on: {task}"
        await nothing_is_left(scene, party)
        number += 1
    assert number > 3


async def turns(number: int) -> None:
    """Let the loop turn so many times."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_s16_cancelled_while_it_takes_the_lock(scene: Scene) -> None:
    """Cancelled while the grant is on its way, at any turn of the loop, a task leaves no key."""
    party = await scene.party()
    await (await party.take()).release()
    for number in range(0, FAR, 3):
        task = asyncio.ensure_future(party.take())
        await turns(number)
        if not task.cancel():
            await task.result().release()
            break
        with pytest.raises(asyncio.CancelledError):
            await task
        await nothing_is_left(scene, party)


@pytest.mark.parametrize("first", [1, 4, 9])
async def test_s17_cancelled_again_while_it_cleans_up(scene: Scene, first: int) -> None:
    """A second and a third cancellation, while the lock is being given back, change nothing: it is given back."""
    party = await scene.party()
    for second in range(0, 40, 3):
        task = asyncio.ensure_future(held(party))
        for number in (first, second, 1):
            await turns(number)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        await nothing_is_left(scene, party)


async def test_s17_a_waiter_that_is_cancelled_leaves_the_queue(scene: Scene) -> None:
    """At whatever await point of its waiting a task is cancelled, the lock passes it by, and nobody waits for it."""
    a, b, number, reached = await scene.party(), await scene.party(), 0, True
    while reached:
        grip = await a.take()
        cancelled = Cancelled(held(b, wait=20, fair=True), number)
        task = asyncio.ensure_future(cancelled.run())
        await scene.until(lambda task=task: task.done() or scene.ask("LLEN", scene.names().queue))  # type: ignore[misc]
        await asyncio.sleep(0.005)  # it may be cancelled while it waits, and may not: both are to be seen
        await grip.release()
        await asyncio.wait([task])
        reached = cancelled.was_cancelled
        await nothing_is_left(scene, b)
        number += 1
    assert number > 4


async def test_s17_a_loop_that_ends_lets_go(scene: Scene) -> None:
    """A loop that ends, as at Ctrl-C, cancels what still runs in it: a lock held there is given back first."""
    seen = list[str | None]()

    async def holding(inside: asyncio.Event) -> None:
        async with (
            await connect_async(scene.ways.target, namespace=scene.namespace, patience=5) as cache,
            cache.lock(NAME, 30, renew=True),
        ):
            seen.append(scene.holder())
            inside.set()
            await asyncio.sleep(MEANWHILE)

    async def ending() -> None:
        inside = asyncio.Event()
        task = asyncio.ensure_future(holding(inside))
        await inside.wait()
        assert not task.done()

    await asyncio.to_thread(asyncio.run, ending())
    assert seen[0]
    assert scene.left() == set()
