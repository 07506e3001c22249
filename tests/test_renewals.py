"""A loader slower than its lease keeps it; the renewals end with the load, and with a lease that was lost."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dousell_cache import MISSING, AsyncCache, connect
from dousell_cache.errors import CacheUnavailable
from dousell_cache.events import Read
from dousell_cache.keys import Names
from dousell_cache.renewals import TaskRenewals, ThreadRenewals

from .bench import word
from .faces import FACES, Face, open_face

if TYPE_CHECKING:
    from dousell_cache.transport.port import Argument, Reply

    from .conftest import WaitUntil

LEASE = 0.9  # seconds: long enough that a laden machine does not lose it


@pytest.fixture(params=FACES)
async def face(request: pytest.FixtureRequest, valkey_url: str, namespace: str) -> AsyncIterator[Face]:
    """Both faces, with a short lease."""
    opened = await open_face(request.param, valkey_url, namespace=namespace, lease=LEASE)
    yield opened
    await opened.close()


class Slow:
    """A loader in a thread that ends when a test says so, and the words that were sent meanwhile."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.may_end = threading.Event()
        self.error: Exception | None = None
        self.words: list[str] = []
        send = face.cache._port.send

        async def noted(*command: "Argument") -> "Reply":
            self.words.append(word(command))
            return await send(*command)

        face.cache._port.send = noted  # type: ignore[method-assign]  # the one place every command goes through

    def __call__(self) -> str:
        """Load."""
        assert self.may_end.wait(20)
        if self.error:
            raise self.error
        return "loaded"

    async def read(self) -> object:
        """Read with this loader, in a thread or task of its own."""
        if isinstance(self.face.cache, AsyncCache):
            return await self.face.cache.get_or_set("a", lambda: asyncio.to_thread(self), ttl=60)
        return await asyncio.to_thread(self.face.cache.get_or_set, "a", self, ttl=60)

    async def renewed(self, times: int) -> None:
        """Wait until the lease was renewed so many times."""
        async with asyncio.timeout(20):
            while self.words.count("renew") < times:
                await asyncio.sleep(0.01)


@pytest.fixture
def slow(face: Face) -> Iterator[Slow]:
    """A slow loader, which ends with the test at the latest."""
    loader = Slow(face)
    yield loader
    loader.may_end.set()


async def test_a_loader_slower_than_its_lease_keeps_it(face: Face, slow: Slow) -> None:
    """For longer than the lease lasts nobody else loads, and the value is stored at the end."""
    events = face.record()
    reading = asyncio.ensure_future(slow.read())
    await slow.renewed(4)  # at a third of the lease each
    assert await face.send("PTTL", Names(face.cache.namespace).lease("a")) > 0
    slow.may_end.set()
    assert await reading == "loaded"
    assert [event.outcome for event in events if isinstance(event, Read)] == ["miss"]
    assert await face.get("a") == "loaded"


@pytest.mark.parametrize("error", [None, ValueError("origin")])
async def test_renewals_end_with_the_load(face: Face, slow: Slow, error: Exception | None) -> None:
    """After the load nothing is renewed any more, whether it ended well or not."""
    slow.error = error
    reading = asyncio.ensure_future(slow.read())
    await slow.renewed(1)
    slow.may_end.set()
    await asyncio.wait((reading,))
    assert reading.exception() is error
    renewed = slow.words.count("renew")
    await asyncio.sleep(LEASE / 2)  # another would be due
    assert slow.words.count("renew") == renewed
    assert await face.send("EXISTS", Names(face.cache.namespace).lease("a")) == 0


async def test_a_lost_lease_is_not_renewed(face: Face, slow: Slow) -> None:
    """A lease that was withdrawn stays withdrawn: one renewal finds out, none follows, and nothing is stored."""
    events = face.record()
    reading = asyncio.ensure_future(slow.read())
    await slow.renewed(1)
    await face.send("DEL", Names(face.cache.namespace).lease("a"))
    renewed = slow.words.count("renew")
    await slow.renewed(renewed + 1)
    await asyncio.sleep(LEASE / 2)  # another would be due
    assert slow.words.count("renew") <= renewed + 1
    assert await face.send("EXISTS", Names(face.cache.namespace).lease("a")) == 0
    slow.may_end.set()
    assert await reading == "loaded"
    assert [event.outcome for event in events if isinstance(event, Read)] == ["refused"]
    assert await face.get("a") is MISSING


def test_renewals_run_in_threads_of_their_own(wait_until: "WaitUntil") -> None:
    """Renewals never run in the loader's thread, nor in the one that keeps the times; each goes on until it says no."""
    renewals, counts, threads = ThreadRenewals(), [0, 0, 0], set[str]()

    def renew(number: int, most: int) -> "object":
        async def renewal() -> bool:
            counts[number] += 1
            threads.add(threading.current_thread().name)
            return counts[number] < most

        return renewal

    ends = [renewals.keep(renew(number, 3), 0.01 * (number + 1)) for number in range(2)]  # type: ignore[arg-type]  # a coroutine function
    ends.append(renewals.keep(renew(2, 3), 60))  # type: ignore[arg-type]  # a coroutine function
    wait_until(lambda: counts == [3, 3, 0])
    assert {name.rpartition("_")[0] for name in threads} == {"dousell-cache renewal"}
    for end in ends:
        end()


async def test_a_failed_renewal_is_tried_again(face: Face, slow: Slow) -> None:
    """A renewal that got no answer says nothing about the lease: the next one is sent."""
    noted = face.cache._port.send
    failures = 1

    async def failing(*command: "Argument") -> "Reply":
        nonlocal failures
        if word(command) == "renew" and failures:
            failures -= 1
            raise CacheUnavailable("lost")
        return await noted(*command)

    face.cache._port.send = failing  # type: ignore[method-assign]  # as in Slow
    reading = asyncio.ensure_future(slow.read())
    await slow.renewed(1)
    assert failures == 0
    slow.may_end.set()
    assert await reading == "loaded"


async def test_a_task_renews_until_it_is_ended() -> None:
    """A renewal of the asyncio face ends at once, also in the middle of one that is under way."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def renew() -> bool:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return True

    end = TaskRenewals().keep(renew, 0.001)
    await began.wait()
    end()
    await asyncio.wait_for(ended.wait(), 20)


def test_a_closed_cache_leaves_no_thread(valkey_url: str, wait_until: "WaitUntil") -> None:
    """Caches that come and go, one for each request say, leave no renewing thread behind."""
    before = threading.active_count()
    for _ in range(5):
        with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as cache:
            cache.get_or_set("a", lambda: 1, ttl=60)
    wait_until(lambda: threading.active_count() <= before + 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_renews_for_itself(valkey_url: str) -> None:
    """A child has none of its parent's threads: its own loads start a thread that renews them."""
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5, lease=LEASE) as cache:
        cache.get_or_set("warm", lambda: 1, ttl=60)
        child = os.fork()
        if child == 0:
            seen = list[str]()
            cache.subscribe(lambda event: seen.append(getattr(event, "outcome", "")))
            cache.get_or_set("a", lambda: threading.Event().wait(1.5 * LEASE), ttl=60)
            os._exit(0 if seen == ["miss"] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_thread_that_cannot_be_had_is_started_later(monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil") -> None:
    """No thread to be had: the load goes on without renewals, and the next one starts the thread for both."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    renewals, renewed = ThreadRenewals(), set[str]()

    def renewing(name: str) -> Callable[[], Coroutine[Any, Any, bool]]:
        async def renew() -> bool:
            renewed.add(name)
            return False

        return renew

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        renewals.keep(renewing("first"), 0.01)
    renewals.keep(renewing("second"), 0.01)
    wait_until(lambda: renewed == {"first", "second"})


def test_a_renewal_that_raises_ends_no_other(wait_until: "WaitUntil", caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a renewal raises is logged and it is tried again; the others go on."""
    renewals, counts = ThreadRenewals(), [0, 0]

    async def raise_once() -> bool:
        counts[0] += 1
        if counts[0] == 1:
            raise ValueError("no cache error")
        return False

    async def renew() -> bool:
        counts[1] += 1
        return counts[0] < 2

    renewals.keep(raise_once, 0.01)
    renewals.keep(renew, 0.02)
    wait_until(lambda: counts[0] == 2 and counts[1] > 0)
    assert "could not be renewed" in caplog.text
