"""One load in one process: who joins it, what a joiner may take, and what becomes of those whose leader is stopped."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache.errors import CacheUnavailable, ConfigurationError
from dousell_cache.flights import INTERRUPTED, Flight, Landing, TaskFlights, ThreadFlights
from dousell_cache.runner import run_blocking

from .faces import FACES, open_face

if TYPE_CHECKING:
    from .conftest import WaitUntil

VALUE = Landing("miss", b"x", proof=2)


class Load:
    """A load that a test lets go on: it counts itself, and the commands that it is told to send."""

    def __init__(self, landing: Landing | BaseException = VALUE) -> None:
        self.landing = landing
        self.calls = 0
        self.flight: Flight | None = None
        self.began = threading.Event()
        self.may_end = threading.Event()

    async def __call__(self, flight: Flight) -> Landing:
        """Load in a thread."""
        self._begin(flight)
        assert self.may_end.wait(20)
        return self._end()

    async def suspended(self, flight: Flight) -> Landing:
        """Load in a task."""
        self._begin(flight)
        while not self.may_end.is_set():
            await asyncio.sleep(0.001)
        return self._end()

    def send(self) -> None:
        """Count a command."""
        assert self.flight
        self.flight.sent += 1

    def _begin(self, flight: Flight) -> None:
        self.calls += 1
        self.flight = flight
        self.began.set()

    def _end(self) -> Landing:
        if isinstance(self.landing, BaseException):
            raise self.landing
        return self.landing


def share(flights: ThreadFlights, threads: ThreadPoolExecutor, load: Load) -> "Future[tuple[Landing, int | None]]":
    """Join or lead in a thread."""
    return threads.submit(lambda: run_blocking(flights.share("a", load)))


class CountingLock:
    """A lock that counts who has been through it."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.passed = 0

    def __enter__(self) -> None:
        self.lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self.lock.__exit__(*error)
        self.passed += 1


def joined(flights: ThreadFlights, threads: ThreadPoolExecutor, wait_until: "WaitUntil") -> "Future[Any]":
    """Join a load in a thread, and return as soon as it has joined."""
    counting = CountingLock(flights._lock)
    flights._lock = counting  # type: ignore[assignment]  # whoever joins goes through it

    async def never(flight: Flight) -> Landing:
        raise AssertionError(flight)

    waiting = threads.submit(lambda: run_blocking(flights.share("a", never)))
    wait_until(lambda: counting.passed > 0)
    flights._lock = counting.lock
    return waiting


def test_threads_share_one_load() -> None:
    """One thread loads, the others wait and get the same landing."""
    flights, load = ThreadFlights(), Load()
    with ThreadPoolExecutor(8) as threads:
        leader = share(flights, threads, load)
        assert load.began.wait(20)
        assert flights.under_way("a")
        others = [share(flights, threads, load) for _ in range(7)]
        load.may_end.set()
        answers = [waiting.result(20) for waiting in (leader, *others)]
    assert [landing for landing, _ in answers] == [VALUE] * 8
    assert answers[0][1] is None
    assert not flights.under_way("a")
    assert sum(number is None for _, number in answers) == load.calls


def test_a_joiner_remembers_what_had_been_sent(wait_until: "WaitUntil") -> None:
    """Each joiner is told how many commands the load had sent when it joined: the proof must be a later one."""
    flights, load = ThreadFlights(), Load()
    with ThreadPoolExecutor(8) as threads:
        leader = share(flights, threads, load)
        assert load.began.wait(20)
        waiting = []
        for _ in range(3):
            waiting.append(joined(flights, threads, wait_until))
            load.send()
        load.may_end.set()
        assert leader.result(20) == (VALUE, None)
        assert [one.result(20) for one in waiting] == [(VALUE, 0), (VALUE, 1), (VALUE, 2)]


def test_a_flight_that_was_withdrawn_takes_nobody_in() -> None:
    """After a withdrawal the next caller leads a load of its own; the former load ends without disturbing it."""
    for withdrawn in (["a"], None):
        flights, first, second = ThreadFlights(), Load(), Load(Landing("miss", b"new", proof=2))
        with ThreadPoolExecutor(8) as threads:
            leading = share(flights, threads, first)
            assert first.began.wait(20)
            flights.withdraw(["b"])
            assert flights.under_way("a")
            flights.withdraw(withdrawn)
            leading_too = share(flights, threads, second)
            assert second.began.wait(20)
            first.may_end.set()
            assert leading.result(20) == (VALUE, None)
            assert flights.under_way("a"), "the end of the first is not the end of the second"
            second.may_end.set()
            assert leading_too.result(20)[0].stored == b"new"
        assert not flights.under_way("a")


def test_threads_whose_leader_is_interrupted_are_told(wait_until: "WaitUntil") -> None:
    """A leader stopped by Ctrl-C leaves nobody waiting: the others learn that they must begin anew."""
    flights, load = ThreadFlights(), Load(KeyboardInterrupt())
    with ThreadPoolExecutor(8) as threads:
        leader = share(flights, threads, load)
        assert load.began.wait(20)
        others = [joined(flights, threads, wait_until) for _ in range(3)]
        load.may_end.set()
        assert isinstance(leader.exception(20), KeyboardInterrupt)
        assert [waiting.result(20)[0] is INTERRUPTED for waiting in others] == [True] * 3
    assert not flights.under_way("a")


async def test_tasks_share_one_load() -> None:
    """One load runs in a task of its own, and every task gets its landing."""
    flights, load = TaskFlights(), Load()
    tasks = [asyncio.ensure_future(flights.share("a", load.suspended)) for _ in range(8)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    load.send()
    late = asyncio.ensure_future(flights.share("a", load.suspended))
    await asyncio.sleep(0)
    load.may_end.set()
    answers = await asyncio.gather(*tasks, late)
    assert answers == [(VALUE, None), *[(VALUE, 0)] * 7, (VALUE, 1)]
    assert load.calls == 1


@pytest.mark.parametrize("who", ["the leader", "a joiner"])
async def test_cancelling_a_caller_leaves_the_load_and_the_others(who: str) -> None:
    """A caller that gives up, the first one too, stops neither the load nor the others."""
    flights, load = TaskFlights(), Load()
    tasks = [asyncio.ensure_future(flights.share("a", load.suspended)) for _ in range(3)]
    while not load.began.is_set():
        await asyncio.sleep(0)
    given_up = tasks.pop(0 if who == "the leader" else 1)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert flights.under_way("a")
    load.may_end.set()
    assert [landing for landing, _ in await asyncio.gather(*tasks)] == [VALUE, VALUE]
    assert load.calls == 1


async def test_a_load_that_nobody_waits_for_any_more_still_lands() -> None:
    """When every caller has given up, the load goes on: its value is worth storing."""
    flights, load = TaskFlights(), Load()
    task = asyncio.ensure_future(flights.share("a", load.suspended))
    while not load.began.is_set():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (flying,) = flights._flying
    assert flights.under_way("a")
    load.may_end.set()
    await flying
    assert not flights.under_way("a")


async def test_closing_stops_the_loads_and_tells_the_joiners() -> None:
    """A closed cache leaves no task behind; whoever waited is not left waiting."""
    flights, load = TaskFlights(), Load()
    tasks = [asyncio.ensure_future(flights.share("a", load.suspended)) for _ in range(2)]
    while not load.began.is_set():
        await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(CacheUnavailable, match="closed during this load"):
        await tasks[0]
    assert await tasks[1] == (INTERRUPTED, 0)
    assert flights._flying == set()


async def test_what_stops_a_load_reaches_its_leader_alone() -> None:
    """What is no answer for anybody, Ctrl-C for instance, is raised by the one who led; the others begin anew."""
    flights, load = TaskFlights(), Load(KeyboardInterrupt())

    async def lead() -> None:
        with pytest.raises(KeyboardInterrupt):
            await flights.share("a", load.suspended)

    leading, joining = asyncio.ensure_future(lead()), asyncio.ensure_future(flights.share("a", load.suspended))
    while not load.began.is_set():
        await asyncio.sleep(0)
    load.may_end.set()
    assert await joining == (INTERRUPTED, 0)
    await leading


def test_a_load_that_asks_for_itself_is_refused() -> None:
    """A loader that reads its own key would wait for itself: one sentence instead, in threads and in tasks."""
    threads, tasks = ThreadFlights(), TaskFlights()

    async def again(_: Flight) -> Landing:
        await threads.share("a", again)
        return VALUE

    async def again_in_tasks(_: Flight) -> Landing:
        await asyncio.ensure_future(tasks.share("a", again_in_tasks))
        return VALUE

    with pytest.raises(ConfigurationError, match=r"^the loader of 'a' asks for 'a' itself"):
        run_blocking(threads.share("a", again))
    with pytest.raises(ConfigurationError, match=r"^the loader of 'a' asks for 'a' itself"):
        asyncio.run(tasks.share("a", again_in_tasks))
    assert not threads.under_way("a")
    assert not tasks.under_way("a")


def test_a_thread_loads_behind_everybodys_back(wait_until: "WaitUntil") -> None:
    """A load that was started is joined like any other, and not started twice."""
    flights, load = ThreadFlights(), Load()
    flights.start("a", load)
    assert load.began.wait(20)
    flights.start("a", load)
    with ThreadPoolExecutor(1) as threads:
        waiting = joined(flights, threads, wait_until)
        load.may_end.set()
        assert waiting.result(20) == (VALUE, 0)
    wait_until(lambda: not flights.under_way("a"))
    assert load.calls == 1


async def test_a_task_loads_behind_everybodys_back() -> None:
    """The same for tasks."""
    flights, load = TaskFlights(), Load()
    flights.start("a", load.suspended)
    flights.start("a", load.suspended)
    load.may_end.set()
    assert await flights.share("a", load.suspended) == (VALUE, 0)
    assert load.calls == 1


@pytest.mark.parametrize("face", FACES)
async def test_the_same_exception_reaches_all_who_wait(face: str, valkey_url: str, wait_until: "WaitUntil") -> None:
    """A failing load is called once, the very object reaches every caller, and the next one tries anew."""
    opened, error, may_end = await open_face(face, valkey_url), ValueError("origin"), threading.Event()
    calls = []

    def load() -> str:
        calls.append(1)
        assert may_end.wait(20)
        raise error

    if face == "asyncio":
        reads = [
            asyncio.ensure_future(opened.get_or_set("a", lambda: asyncio.to_thread(load), ttl=60)) for _ in range(8)
        ]
        while not calls:
            await asyncio.sleep(0.001)
    else:
        flights = opened.cache._context.flights
        flights._lock = counting = CountingLock(flights._lock)  # type: ignore[attr-defined]  # ThreadFlights has one
        reads = [asyncio.ensure_future(asyncio.to_thread(opened.cache.get_or_set, "a", load, ttl=60)) for _ in range(4)]
        await asyncio.to_thread(wait_until, lambda: counting.passed >= 4)
    may_end.set()
    caught = await asyncio.gather(*reads, return_exceptions=True)
    assert [one is error for one in caught] == [True] * len(reads)
    assert len(calls) == 1
    assert opened.counters().errors == len(reads)
    assert await opened.get_or_set("a", lambda: "well again", ttl=60) == "well again"
    await opened.close()


def test_a_load_that_no_thread_can_fly_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread to be had for a load behind everybody's back: it is given up, and the next caller leads its own."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    flights, load = ThreadFlights(), Load()
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        flights.start("a", load)
    assert (flights.under_way("a"), load.calls) == (False, 0)
    load.may_end.set()
    assert run_blocking(flights.share("a", load)) == (VALUE, None)
