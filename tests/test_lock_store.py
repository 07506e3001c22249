"""The words of locks, each of one command: what they leave on the server, and what they make of nonsense."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from dousell_cache.errors import CacheError, CacheUnavailable
from dousell_cache.keys import Names
from dousell_cache.lock_store import Busy, Granted, LockStore
from dousell_cache.reads import DirectReads
from dousell_cache.runner import run_blocking
from dousell_cache.store import Server
from dousell_cache.terms import FENCES_LIVE_MS, TURN_MS, Terms
from dousell_cache.transport.tcp import BlockingTcp

from .servers import listening

TERMS, FAIR = Terms(30_000), Terms(30_000, fair=True)


async def _hurried(port: BlockingTcp, seconds: float, *command: Any, insist: bool) -> Any:
    assert insist in (True, False)
    return await port.send_within(seconds, *command)


@pytest.fixture
def server(valkey_url: str, namespace: str) -> Iterator[Server]:
    """A server, straight."""
    port = BlockingTcp(valkey_url, patience=20)
    yield Server(port, Names(namespace), DirectReads(port), port.send_within, partial(_hurried, port))
    port.close()


class Speaking:
    """One token's words, run at once."""

    def __init__(self, server: Server, token: str) -> None:
        self.server, self.names = server, server.names.lock("a", token)
        self.store = LockStore(server, self.names, token, math.inf)

    def acquire(self, terms: Terms = TERMS, queue_ms: int = 0, *, late: bool = False) -> Granted | Busy:
        """Ask for the lock."""
        return run_blocking(self.store.acquire(terms, queue_ms, late=late))

    def release(self, *, late: bool = False, queued: bool = False) -> bool:
        """Let go of it."""
        return run_blocking(self.store.release(late=late, queued=queued))

    def ask(self, *command: Any) -> Any:
        """Ask the server."""
        return run_blocking(self.server.port.send(*command))


def test_what_a_grant_leaves(server: Server) -> None:
    """A token for the lock's time, a counter for a day; released, the counter alone, for each word one command."""
    a = Speaking(server, "a")
    answer = a.acquire()
    assert isinstance(answer, Granted)
    assert a.ask("GET", a.names.lock) == b"a"
    assert 29_000 < a.ask("PTTL", a.names.lock) <= 30_000
    assert int(a.ask("GET", a.names.fence)) == answer.fence
    assert FENCES_LIVE_MS - 60_000 < a.ask("PTTL", a.names.fence) <= FENCES_LIVE_MS
    assert a.ask("EXISTS", a.names.queue, a.names.turn, a.names.bells + "a", a.names.gone) == 0
    assert a.release() is True
    assert a.ask("EXISTS", a.names.lock, a.names.queue, a.names.turn, a.names.gone) == 0
    assert a.store.store.commands == 2


def test_what_is_passed_on(server: Server) -> None:
    """A release gives the turn to the first that waits, for a second, and rings its bell; a grant clears both up."""
    a, b = Speaking(server, "a"), Speaking(server, "b")
    a.acquire()
    assert isinstance(b.acquire(queue_ms=5000), Busy)
    assert isinstance(b.acquire(queue_ms=5000), Busy)
    assert a.ask("LRANGE", a.names.queue, 0, -1) == [b"b"], "who asks again stays where it is"
    assert 4000 < a.ask("PTTL", a.names.queue) <= 5000
    a.release()
    assert a.ask("GET", a.names.turn) == b"b"
    assert 0 < a.ask("PTTL", a.names.turn) <= TURN_MS
    assert a.ask("LLEN", b.names.bells + "b") == 1
    assert run_blocking(b.store.listen(1)) is True
    assert isinstance(b.acquire(queue_ms=5000), Granted)
    assert b.ask("EXISTS", b.names.turn, b.names.queue, b.names.bells + "b") == 0
    b.release()


@pytest.mark.parametrize("queue_ms", [0, 5000])
def test_who_waited_leaves_nothing(server: Server, queue_ms: int) -> None:
    """One that had its turn, granted at its last ask or not at all, leaves neither turn nor bell to be waited for."""
    a, b, c = (Speaking(server, token) for token in "abc")
    a.acquire()
    b.acquire(queue_ms=5000)
    a.release()
    assert isinstance(b.acquire(queue_ms=queue_ms), Granted)
    b.release(queued=not queue_ms)
    assert isinstance(c.acquire(), Granted)
    c.release()


def test_a_sign_outlives_a_late_command(server: Server) -> None:
    """A token that was given up while a command was late is refused; one that was granted is not, until it is lost."""
    a, b = Speaking(server, "a"), Speaking(server, "b")
    assert a.release(late=True) is False
    with pytest.raises(CacheUnavailable):
        a.acquire()
    assert isinstance(b.acquire(late=True), Granted)
    assert isinstance(b.acquire(), Granted)
    b.ask("DEL", b.names.lock)
    with pytest.raises(CacheUnavailable):
        b.acquire()
    assert b.ask("EXISTS", b.names.lock) == 0


def test_a_lock_without_an_end_is_another_programs(server: Server) -> None:
    """A key that somebody set without a ttl is busy for ever, and is left alone."""
    a = Speaking(server, "a")
    a.ask("SET", a.names.lock, "somebody's")
    assert a.acquire() == Busy(math.inf)
    assert a.release() is False
    assert run_blocking(a.store.extend(1000, None)) is None
    a.ask("DEL", a.names.lock)


@pytest.mark.parametrize(
    "reply",
    [b"$-1\r\n", b":1\r\n", b"*0\r\n", b"*1\r\n$7\r\ngranted\r\n", b"*2\r\n$7\r\ngranted\r\n$1\r\nx\r\n", b"+OK\r\n"],
)
def test_nonsense_is_no_grant(reply: bytes, namespace: str) -> None:
    """A server that answers anything else than a grant grants nothing."""
    with listening(lambda _: reply) as listener:
        port = BlockingTcp(f"redis://{listener.address}", patience=5)
        server = Server(port, Names(namespace), DirectReads(port), port.send_within, partial(_hurried, port))
        with pytest.raises(CacheError):
            Speaking(server, "a").acquire()
        port.close()
