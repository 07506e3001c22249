"""What a review found in leaving locks: elsewhere, twice at once, from ``on_lost``, cancelled, interrupted."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import locking
from dousell_cache.errors import LockLost

from .parties import MEANWHILE, NAME, Party, Scene, watchers

if TYPE_CHECKING:
    from ..conftest import WaitUntil


class Pages:
    """A generator that holds a lock while it is suspended, as a framework's: entered by one thread or task.

    Args:
        party: whose face it is.
        lock: what it enters.
    """

    def __init__(self, party: Party, lock: Any) -> None:
        self._lock, self._is_blocking = lock, party.is_blocking
        self._pages: Any = self._blocking() if party.is_blocking else self._suspending()

    def _blocking(self) -> Iterator[Any]:
        with self._lock as held:
            yield held

    async def _suspending(self) -> AsyncIterator[Any]:
        async with self._lock as held:
            yield held

    async def enter(self) -> None:
        """Enter the lock, in a thread or task that the test is not."""

        async def first() -> None:
            await anext(self._pages)

        await (asyncio.to_thread(next, self._pages) if self._is_blocking else asyncio.create_task(first()))

    async def leave(self) -> None:
        """Leave the lock, here."""
        if self._is_blocking:
            self._pages.close()
        else:
            await self._pages.aclose()

    async def fail(self, error: Exception) -> None:
        """Raise an error in the body, here."""
        if self._is_blocking:
            self._pages.throw(error)
        else:
            await self._pages.athrow(error)


async def test_a_lock_may_be_left_by_another_than_entered_it(scene: Scene) -> None:
    """A generator that holds a lock is closed by another thread or task: it is given back, and nobody renews it."""
    a = await scene.party()
    pages = Pages(a, a.cache.lock(NAME, 30, renew=True))
    await pages.enter()
    assert scene.holder()
    await pages.leave()
    assert (scene.left(), watchers()) == (set(), [])


async def test_a_bodys_error_comes_through_wherever_it_is_left(scene: Scene) -> None:
    """What the body raises comes through when another thread or task than entered the lock leaves it so."""
    a = await scene.party()
    pages = Pages(a, a.cache.lock(NAME, 30))
    await pages.enter()
    with pytest.raises(ZeroDivisionError):
        await pages.fail(ZeroDivisionError())
    assert scene.left() == set()


async def test_who_waits_for_a_lock_has_not_entered_it(scene: Scene) -> None:
    """A lock object that one holds and another waits for, left elsewhere: the holder's is given back, and then had."""
    a = await scene.party()
    lock: Any = a.cache.lock(NAME, 30, wait=20, fair=True, renew=True)
    holder, waiter = Pages(a, lock), Pages(a, lock)
    await holder.enter()
    waiting = asyncio.ensure_future(waiter.enter())
    await scene.until(lambda: scene.ask("LLEN", scene.names().queue) == 1)
    first = scene.holder()
    await holder.leave()
    assert scene.holder() != first
    await waiting
    await waiter.leave()
    assert (scene.left(), watchers()) == (set(), [])


def letting_go(party: Party, errors: list[str]) -> Callable[[Any], Any]:
    """Return an ``on_lost`` that lets go of what is lost."""

    def blocking(held: Any) -> None:
        try:
            held.release()
        except LockLost as error:
            errors.append(type(error).__name__)

    async def suspending(held: Any) -> None:
        try:
            await held.release()
        except LockLost as error:
            errors.append(type(error).__name__)

    return blocking if party.is_blocking else suspending


def body_until(
    party: Party, condition: Callable[[], bool], scene: Scene, wait_until: "WaitUntil"
) -> Callable[..., Any]:
    """Return a body that goes on until a condition is true."""

    def blocking(_: Any) -> None:
        wait_until(condition)

    async def suspending(_: Any) -> None:
        await scene.until(condition)

    return blocking if party.is_blocking else suspending


async def test_on_lost_may_let_go(scene: Scene, wait_until: "WaitUntil") -> None:
    """Telling of a loss may let go of what is lost: neither it nor who leaves the body waits for the other."""
    a, errors = await scene.party(), list[str]()
    body = body_until(a, lambda: bool(errors), scene, wait_until)
    with pytest.raises(LockLost):
        await a.inside(body, ttl=0.5, on_lost=letting_go(a, errors))
    assert errors == ["LockLost"]
    await scene.until(lambda: not watchers())


async def test_nobody_waits_for_on_lost(scene: Scene, wait_until: "WaitUntil") -> None:
    """An ``on_lost`` that takes its time, or waits for the body's own task, keeps nobody from leaving."""
    a, begun, left = await scene.party(), threading.Event(), list[bool]()
    over: Any = threading.Event() if a.is_blocking else asyncio.Event()

    def blocking(_: Any) -> None:
        begun.set()
        left.append(over.wait(MEANWHILE))

    async def suspending(_: Any) -> None:
        begun.set()
        async with asyncio.timeout(MEANWHILE):
            left.append(await over.wait())

    on_lost: Any = blocking if a.is_blocking else suspending
    with pytest.raises(LockLost):
        await a.inside(body_until(a, begun.is_set, scene, wait_until), ttl=0.5, on_lost=on_lost)
    assert left == []
    over.set()
    await scene.until(lambda: left and not watchers())
    assert left == [True]


async def test_releases_at_once_are_one_release(scene: Scene) -> None:
    """Three threads or tasks that let go of a lock at once all succeed; nobody is told of a loss, and it ends once."""
    told = list[Any]()
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy))
        for _ in range(4):
            grip = await a.take(on_lost=told.append)
            proxy.inject("delay", seconds=0.03)  # all are on their way before the first is answered
            await asyncio.gather(*(grip.release() for _ in range(3)))
            proxy.heal()
    assert [event.outcome for event in a.ended()] == ["released"] * 4
    assert (told, scene.left(), watchers()) == ([], set(), [])


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("scene", ["blocking"], indirect=True)
async def test_interrupted_while_its_watch_starts(scene: Scene, monkeypatch: pytest.MonkeyPatch, by_hand: bool) -> None:
    """Ctrl-C while the thread that watches a lock is being started leaves neither the lock nor the thread."""
    a, start = await scene.party(), threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "dousell-cache lock":
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    lock: Any = a.cache.lock(NAME, 30, renew=True)
    with pytest.raises(KeyboardInterrupt):
        lock.acquire() if by_hand else lock.__enter__()
    assert (scene.left(), watchers()) == (set(), [])


async def nothing(_: Any) -> None:
    """Be a body."""


def cleaning_up() -> set["asyncio.Task[Any]"]:
    """Return the tasks that let go of a lock."""
    return {task for task in asyncio.all_tasks() if "_let_go" in repr(task.get_coro())}


async def cancelled_in_cleaning_up(scene: Scene, task: "asyncio.Task[Any]", times: int) -> None:
    """Cancel what lets go of a task's lock, so many times, and wait for the task's end."""
    seen = set[asyncio.Task[Any]]()
    while len(seen) < times:
        await scene.until(lambda: cleaning_up() - seen or task.done())
        assert not task.done()
        for one in cleaning_up() - seen:
            one.cancel()
            seen.add(one)
    await asyncio.wait([task])


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("scene", ["asyncio"], indirect=True)
async def test_cancelled_itself_a_clean_up_is_begun_anew(scene: Scene, times: int) -> None:
    """A clean-up whose own task is cancelled is done all the same; cancelled again, its caller is not left in peace."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy))
        await (await a.take(name="other")).release()  # connected, and known to the server's scripts
        proxy.inject("delay", seconds=0.05)
        task = asyncio.ensure_future(a.inside(nothing))
        await cancelled_in_cleaning_up(scene, task, times)
        proxy.heal()
        assert task.cancelled() == (times == 2)
        assert times == 2 or scene.left() == set()


@pytest.mark.parametrize("scene", ["asyncio"], indirect=True)
async def test_when_all_tasks_are_cancelled_locks_are_given_back(scene: Scene) -> None:
    """Whoever ends a program by cancelling all tasks there are, the clean-up's included, leaves no lock held."""
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy))
        await (await a.take(name="other")).release()
        proxy.inject("delay", seconds=0.05)
        task = asyncio.ensure_future(a.inside(nothing, renew=True))
        await scene.until(cleaning_up)
        for one in asyncio.all_tasks() - {asyncio.current_task()}:
            one.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (scene.left(), watchers()) == (set(), [])


async def test_who_gave_up_is_counted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter that is cancelled or interrupted is told of once, as abandoned, with the command that took it back."""
    a, b = await scene.party(), await scene.party()
    interruption = KeyboardInterrupt if a.is_blocking else asyncio.CancelledError

    async def interrupted(*_: object) -> None:
        raise interruption

    monkeypatch.setattr(locking._Waiting, "wait", interrupted)
    grip = await a.take()
    with pytest.raises(interruption):
        await b.take(wait=20, fair=True)
    assert [(event.outcome, event.commands, event.fence) for event in b.asked()] == [("abandoned", 2, 0)]
    assert b.ended() == []
    await grip.release()
    assert scene.left() == set()
