"""Watching over a lock: it is renewed or told of, and whoever watches is gone before the release returns."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import Cache, connect
from dousell_cache.errors import LockLost
from dousell_cache.runner import run_blocking
from dousell_cache.testing.faults import FaultProxy

if TYPE_CHECKING:
    from .conftest import WaitUntil


def watching() -> list[threading.Thread]:
    """Return the threads that watch over a lock."""
    return [thread for thread in threading.enumerate() if thread.name == "dousell-cache lock"]


def expire(cache: Cache, name: str) -> None:
    """End a lock's time on the server."""
    run_blocking(cache._port.send("DEL", cache._context.server.names.lock(name, "").lock))


def test_nobody_watches_what_needs_no_watching(other: Cache) -> None:
    """A lock without ``renew`` and ``on_lost`` has no thread."""
    with other.lock("a"):
        assert watching() == []


@pytest.mark.parametrize("options", [{"renew": True}, {"on_lost": print}, {"renew": True, "on_lost": print}])
def test_the_watch_is_over_before_the_release_returns(other: Cache, options: dict[str, Any]) -> None:
    """One thread while it is held, none as soon as it is left, whatever the ttl."""
    for _ in range(20):
        with other.lock("a", 30, **options):
            assert len(watching()) == 1
        assert watching() == []


def test_it_is_told_once_when_time_is_over(other: Cache, wait_until: "WaitUntil") -> None:
    """``on_lost`` gets what was held, once, when the time of a lock that nobody renews is over, asked for or not."""
    told = list[Any]()
    held = other.lock("a", 0.1, on_lost=told.append).acquire()
    wait_until(lambda: bool(told))
    for ask in (held.ensure, held.extend, held.release):
        with pytest.raises(LockLost):
            ask()
    assert (told, held.lost, watching()) == ([held], True, [])


def test_it_is_told_when_a_renewal_finds_it_gone(other: Cache, wait_until: "WaitUntil") -> None:
    """A renewal that finds the lock gone tells at once, long before its time would be over."""
    told = threading.Event()
    held = other.lock("a", 0.6, renew=True, on_lost=lambda _: told.set()).acquire()
    until = time.monotonic() + held.remaining()
    expire(other, "a")
    assert told.wait(20)
    assert time.monotonic() < until
    wait_until(lambda: not watching())


@pytest.mark.parametrize("word", ["release", "ensure"])
def test_on_lost_may_use_the_lock(other: Cache, wait_until: "WaitUntil", word: str) -> None:
    """What is called in the watch's own thread may ask for the lock, or let go of it: nothing waits for itself."""
    errors = list[Exception]()

    def on_lost(held: Any) -> None:
        try:
            getattr(held, word)()
        except LockLost as error:
            errors.append(error)

    other.lock("a", 0.1, on_lost=on_lost).acquire()
    wait_until(lambda: bool(errors) and not watching())


def test_on_lost_that_raises_is_logged(other: Cache, wait_until: "WaitUntil", caplog: pytest.LogCaptureFixture) -> None:
    """An observer's own error goes to the log; the lock is lost all the same."""

    def on_lost(_: Any) -> None:
        message = "mine"
        raise RuntimeError(message)

    held = other.lock("a", 0.1, on_lost=on_lost).acquire()
    wait_until(lambda: held.lost and not watching())
    assert "on_lost raised" in caplog.text


def test_a_renewal_goes_on_through_an_outage(valkey_url: str, wait_until: "WaitUntil", namespace: str) -> None:
    """A server that is away for less than two thirds of the ttl costs nothing: the next try renews."""
    with (
        FaultProxy(valkey_url) as proxy,
        connect(proxy.url, namespace=namespace, lock_patience=0.1) as cache,  # its breaker opens: a held lock insists
        cache.lock("a", 1.2, renew=True) as held,
    ):
        proxy.inject("refuse")
        wait_until(lambda: held.remaining() < 0.7)  # a renewal was due at 0.8
        proxy.heal()
        wait_until(lambda: held.remaining() > 1.0)
        held.ensure()


def test_a_watch_needs_no_thread_of_another(other: Cache) -> None:
    """Locks of many names each have their own watch, and end in any order."""
    names = "abcde"
    held = {name: other.lock(name, 30, renew=True).acquire() for name in names}
    assert len(watching()) == len(names)
    release: Callable[[str], None] = lambda name: held[name].release()  # noqa: E731 - read once
    for count, name in enumerate(reversed(names), 1):
        release(name)
        assert len(watching()) == len(names) - count
