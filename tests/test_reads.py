"""Plain reads that meet share a reply, and nobody is given one that was on its way before it asked."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from dousell_cache.errors import CacheUnavailable, CommandRefused
from dousell_cache.reads import DirectReads, TaskReads, ThreadReads, Values
from dousell_cache.runner import run_blocking
from dousell_cache.transport.nowhere import AsyncNowhere
from dousell_cache.transport.port import Argument, CannotBlock, Reply
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

if TYPE_CHECKING:
    from .conftest import WaitUntil


class Gate(CannotBlock):
    """A port that passes commands on when a test says so, after an answer was fetched: replies are on their way.

    Args:
        port: a way to a real server.
    """

    def __init__(self, port: BlockingTcp) -> None:
        self._port = port
        self.sent: list[tuple[Argument, ...]] = []
        self.gates: list[threading.Event] = []
        self.failure: BaseException | None = None

    async def send(self, *command: Argument) -> Reply:
        """Fetch the reply, and hand it over when its gate opens."""
        gate = threading.Event()
        self.sent.append(command)
        reply = await self._port.send(*command)
        failure = self.failure
        self.gates.append(gate)
        assert gate.wait(20)
        if failure:
            raise failure
        return reply

    async def send_within(self, seconds: float, *command: Argument) -> Reply:  # noqa: ARG002 - the gate decides
        """Fetch the reply, and hand it over when its gate opens."""
        return await self.send(*command)


Reading = Callable[[], "Future[tuple[Values, int]]"]


class Threads:
    """Threads that read one name through a gate."""

    def __init__(self, port: BlockingTcp, name: str, wait_until: "WaitUntil") -> None:
        self.port, self.name, self.wait_until = port, name, wait_until
        self.gate = Gate(port)
        self.reads = ThreadReads(self.gate)
        self.pool = ThreadPoolExecutor(8)

    def read(self) -> "Future[tuple[Values, int]]":
        """Read in a thread, and return as soon as it has sent or waits."""
        asked, sent = self.asked(), len(self.gate.gates)
        reading = self.pool.submit(lambda: run_blocking(self.reads.read((self.name,))))
        self.wait_until(lambda: self.asked() > asked or len(self.gate.gates) > sent)
        return reading

    def asked(self) -> int:
        """Count the threads that wait for others: they are inside an Event."""
        rounds = [one for one in self.reads._under_way.values() if one]
        waiting = [len(event._cond._waiters) for one in rounds for event in (one.turn, one.over)]  # type: ignore[attr-defined]  # the only way to see a thread wait
        return sum(waiting)

    def write(self, value: str) -> None:
        """Store a value past the reads."""
        run_blocking(self.port.send("SET", self.name, value, "PX", 60_000))

    def let_go(self, number: int) -> None:
        """Hand over the reply to the command with this number."""
        self.wait_until(lambda: len(self.gate.gates) > number)
        self.gate.gates[number].set()


@pytest.fixture
def port(valkey_url: str) -> Iterator[BlockingTcp]:
    """A way to a real Valkey."""
    transport = BlockingTcp(valkey_url, patience=5)
    yield transport
    transport.close()


@pytest.fixture
def threads(port: BlockingTcp, wait_until: "WaitUntil") -> Iterator[Threads]:
    """Threads that read through a gate."""
    made = Threads(port, f"test-{uuid4().hex}", wait_until)
    yield made
    made.pool.shutdown()


@pytest.fixture
async def async_port(valkey_url: str) -> AsyncIterator[AsyncTcp]:
    """An asyncio way to a real Valkey."""
    transport = AsyncTcp(valkey_url, patience=5)
    yield transport
    await transport.close()


def test_a_read_alone_is_one_command(port: BlockingTcp) -> None:
    """One name is a GET, more are one MGET; names come back in their order, absent ones as nothing."""
    first, second = f"test-{uuid4().hex}", f"test-{uuid4().hex}"
    run_blocking(port.send("SET", first, "x", "PX", 60_000))
    for reads in (DirectReads(port), ThreadReads(port)):
        assert run_blocking(reads.read((first,))) == ([b"x"], 1)
        assert run_blocking(reads.read((second, first, first))) == ([None, b"x", b"x"], 1)


def test_a_thread_is_never_given_a_reply_to_an_older_command(threads: Threads) -> None:
    """Whoever asks while a reply is on its way waits for the next: it may have been told of a withdrawal meanwhile."""
    threads.write("old")
    first = threads.read()
    threads.write("new")
    later = [threads.read() for _ in range(5)]
    threads.let_go(0)
    assert first.result(20) == ([b"old"], 1)
    threads.let_go(1)
    assert [one.result(20)[0] for one in later] == [[b"new"]] * 5
    assert sorted(one.result()[1] for one in later) == [0, 0, 0, 0, 1], "five shared one command"
    assert len(threads.gate.sent) == 2


def test_a_failing_read_fails_those_who_wait(threads: Threads) -> None:
    """When the cache does not answer the first, those who wait are told the same at once: none of them tries again."""
    threads.gate.failure = CacheUnavailable("dead")
    waiting = [threads.read() for _ in range(4)]
    threads.let_go(0)
    for one in waiting:
        assert isinstance(one.exception(20), CacheUnavailable)
    assert len(threads.gate.sent) == 1
    threads.gate.failure = None
    again = threads.read()
    threads.let_go(1)
    assert again.result(20) == ([None], 1), "and the next read begins anew"


def test_a_refused_read_is_refused_to_those_it_was_sent_for(threads: Threads) -> None:
    """A server that is well and refuses one command, for a list under the name say, refuses the next one itself."""
    run_blocking(threads.port.send("LPUSH", threads.name, "x"))
    direct = ThreadReads(threads.port)
    with pytest.raises(CommandRefused):
        run_blocking(direct.read((threads.name,)))
    run_blocking(threads.port.send("DEL", threads.name))
    threads.gate.failure = CommandRefused("WRONGTYPE", "a list")
    waiting = [threads.read() for _ in range(3)]
    threads.gate.failure = None
    threads.let_go(0)
    assert isinstance(waiting[0].exception(20), CommandRefused)
    threads.let_go(1)
    assert [one.result(20)[0] for one in waiting[1:]] == [[None], [None]]


def test_an_interrupted_reader_leaves_nobody_waiting(threads: Threads) -> None:
    """When the thread that reads is stopped by Ctrl-C, those behind it read for themselves."""
    threads.gate.failure = KeyboardInterrupt()
    first = threads.read()
    waiting = [threads.read() for _ in range(3)]
    threads.gate.failure = None
    threads.let_go(0)
    assert isinstance(first.exception(20), KeyboardInterrupt)
    threads.let_go(1)
    assert [one.result(20)[0] for one in waiting] == [[None]] * 3


def test_an_interrupted_leader_of_those_who_wait_tells_them(threads: Threads) -> None:
    """When the one that was to read for the others is stopped at it, they are told that the cache did not serve."""
    first = threads.read()
    threads.gate.failure = KeyboardInterrupt()
    waiting = [threads.read() for _ in range(3)]
    threads.let_go(0)
    first.result(20)
    threads.let_go(1)
    kinds = sorted(type(one.exception(20)).__name__ for one in waiting)
    assert kinds == ["CacheUnavailable", "CacheUnavailable", "KeyboardInterrupt"]
    threads.gate.failure = None
    again = threads.read()
    threads.let_go(2)
    assert again.result(20) == ([None], 1)


class Stopped(Exception):
    """What a signal's handler raises, as Ctrl-C would."""


@pytest.fixture
def stopping() -> Iterator[None]:
    """A signal whose handler stops the main thread wherever it waits."""

    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("stopping")
def test_one_stopped_before_its_turn_leaves_the_name_readable(threads: Threads) -> None:
    """Ctrl-C while a thread waits for its turn to read: those who counted on it are told, later readers read."""
    first = threads.read()
    main = threading.get_ident()

    def stop() -> "Future[tuple[Values, int]]":
        threads.wait_until(lambda: threads.asked() > 0)
        counting_on_it = threads.read()
        signal.pthread_kill(main, signal.SIGUSR1)
        return counting_on_it

    stopper = threads.pool.submit(stop)
    with pytest.raises(Stopped):
        run_blocking(threads.reads.read((threads.name,)))
    threads.let_go(0)
    assert first.result(20) == ([None], 1)
    assert isinstance(stopper.result(20).exception(20), CacheUnavailable)
    again = threads.read()
    threads.let_go(len(threads.gate.sent) - 1)
    assert again.result(20)[0] == [None]


# --- tasks


class Counted:
    """An asyncio port that writes down what it passes on, and may be slow."""

    can_block = False
    can_carry_bytes = True

    def __init__(self, port: AsyncTcp) -> None:
        self._port = port
        self.sent: list[tuple[Argument, ...]] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.slot = port.slot
        self.nodes = port.nodes
        self.block = port.block
        self.send_within = port.send_within

    async def send(self, *command: Argument) -> Reply:
        """Send, and hand the reply over when a test says so."""
        self.sent.append(command)
        reply = await self._port.send(*command)
        await self.may_go.wait()
        return reply


async def test_tasks_of_one_turn_read_together(async_port: AsyncTcp) -> None:
    """The reads of one turn of the loop are one MGET that names each once, counted for the first of them."""
    names = [f"test-{uuid4().hex}" for _ in range(3)]
    await async_port.send("SET", names[0], "x", "PX", 60_000)
    port = Counted(async_port)
    reads = TaskReads(port)
    answers = await asyncio.gather(
        *(reads.read((names[number % 3],)) for number in range(30)), reads.read(tuple(names))
    )
    assert port.sent == [("MGET", *names)]
    assert [values for values, _ in answers] == [*[[b"x"], [None], [None]] * 10, [b"x", None, None]]
    assert [commands for _, commands in answers] == [1, *[0] * 30]


async def test_a_task_alone_sends_a_get(async_port: AsyncTcp) -> None:
    """One name, asked for by many, is a GET."""
    port, name = Counted(async_port), f"test-{uuid4().hex}"
    reads = TaskReads(port)
    await asyncio.gather(*(reads.read((name,)) for _ in range(5)))
    assert port.sent == [("GET", name)]


async def test_a_task_is_never_given_a_reply_to_an_older_command(async_port: AsyncTcp) -> None:
    """Whoever asks when a command is on its way travels with the next one."""
    port, name = Counted(async_port), f"test-{uuid4().hex}"
    await async_port.send("SET", name, "old", "PX", 60_000)
    port.may_go.clear()
    reads = TaskReads(port)
    first = asyncio.ensure_future(reads.read((name,)))
    while not port.sent:
        await asyncio.sleep(0)
    await async_port.send("SET", name, "new", "PX", 60_000)
    second = asyncio.ensure_future(reads.read((name,)))
    await asyncio.sleep(0)
    port.may_go.set()
    assert (await second)[0] == [b"new"]
    assert len(port.sent) == 2
    assert (await first)[1] == 1


async def test_cancelling_one_task_leaves_the_others(async_port: AsyncTcp) -> None:
    """A reader that gives up, the first one too, takes nobody's reply away."""
    port, name = Counted(async_port), f"test-{uuid4().hex}"
    await async_port.send("SET", name, "x", "PX", 60_000)
    port.may_go.clear()
    reads = TaskReads(port)
    tasks = [asyncio.ensure_future(reads.read((name,))) for _ in range(4)]
    while not port.sent:
        await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    port.may_go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, tuple, asyncio.CancelledError, tuple]
    assert [answer[0] for answer in answers if isinstance(answer, tuple)] == [[b"x"]] * 2
    assert len(port.sent) == 1


async def test_a_failure_reaches_every_task_of_the_turn() -> None:
    """When the command fails all who travelled with it are told, and the next turn begins anew."""
    reads = TaskReads(AsyncNowhere())
    for _ in range(2):
        answers = await asyncio.gather(*(reads.read((name,)) for name in "abc"), return_exceptions=True)
        assert [type(answer) for answer in answers] == [CacheUnavailable] * 3


async def test_a_list_under_one_name_spoils_nobody_elses_read(async_port: AsyncTcp) -> None:
    """A name that holds no string is nothing when it travels with others, and refused when alone."""
    name, good = f"test-{uuid4().hex}", f"test-{uuid4().hex}"
    await async_port.send("LPUSH", name, "x")
    await async_port.send("SET", good, "x", "PX", 60_000)
    reads = TaskReads(async_port)
    answers = await asyncio.gather(reads.read((name,)), reads.read((good,)))
    assert [values for values, _ in answers] == [[None], [b"x"]]
    with pytest.raises(CommandRefused):
        await reads.read((name,))
    await async_port.send("DEL", name)
