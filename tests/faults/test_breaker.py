"""The breaker, with a clock that is ticked by hand: when it opens, who tries, when it closes, what it tells."""

import logging
import threading
from typing import Any, Literal, Self

import pytest

from dousell_cache import CacheUnavailable, ConfigurationError
from dousell_cache.errors import CommandRefused
from dousell_cache.events import BreakerMoved
from dousell_cache.runner import run_blocking
from dousell_cache.transport.patience import Breaker, Guarded, Ticket
from dousell_cache.transport.port import Argument, Reply

DEAD = CacheUnavailable("no answer")
REFUSED = CacheUnavailable("nobody there", refused_connection=True)


class Ticked:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """Return the seconds it shows."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Show so many seconds more."""
        self.seconds += seconds


class Puppet:
    """A transport that answers, or raises, what it is told to."""

    blocking: Literal[True] = True
    can_block = True
    can_carry_bytes = True
    patience = 0.1

    def __init__(self) -> None:
        self.answer: Reply | BaseException = b"OK"
        self.sent: list[tuple[Argument, ...]] = []

    def slot(self, key: str) -> int:
        """Return something to recognise."""
        return len(key)

    async def nodes(self) -> list[Self]:
        """Return itself."""
        return [self]

    async def send(self, *command: Argument) -> Reply:
        """Take note and answer."""
        self.sent.append(command)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Take note and answer."""
        return await self.send(seconds, *command)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Take note and answer."""
        return await self.send(seconds, *command)

    def close(self) -> None:
        """Take note."""
        self.sent.append(("closed",))


class Rig:
    """A guarded puppet, with everything there is to look at."""

    def __init__(self, **options: Any) -> None:
        self.puppet, self.clock, self.moves = Puppet(), Ticked(), list[BreakerMoved]()
        self.breaker = Breaker(**{"chance": lambda: 0.5} | options)
        self.guarded = Guarded(self.puppet, self.breaker, self.clock, self.moves.append)

    def send(self, how: str = "send") -> object:
        """Send a command; return its reply or the type of what was raised."""
        arguments = ("GET", "a") if how != "block" else (1.0, "BLPOP", "a")
        try:
            return run_blocking(getattr(self.guarded, how)(*arguments))
        except BaseException as error:  # noqa: BLE001 - the test looks at what it is
            return type(error)

    def die(self, error: BaseException = DEAD) -> None:
        """Let the cache fail until the breaker has opened."""
        self.puppet.answer = error
        while self.breaker.state == "closed":
            self.send()
        self.puppet.sent.clear()

    def states(self) -> list[str]:
        """Return the moves so far."""
        return [move.state for move in self.moves]


@pytest.fixture
def rig() -> Rig:
    """A guarded puppet with the default options and no jitter."""
    return Rig()


def test_three_failures_open_it(rig: Rig) -> None:
    """A success makes up for half a failure; with three to the bad nothing is sent any more."""
    for answer in (DEAD, DEAD, b"OK", b"OK", b"OK", b"OK", b"OK", DEAD, b"OK", DEAD, b"OK", DEAD, b"OK"):
        rig.puppet.answer = answer
        rig.send()
    assert rig.moves == []
    for _ in range(2):
        rig.puppet.answer = DEAD
        rig.send()
    assert rig.send() is CacheUnavailable
    assert len(rig.puppet.sent) == 15
    assert rig.moves == [BreakerMoved("open", "no answer")]


def test_a_refused_connection_opens_it_at_once(rig: Rig) -> None:
    """Nothing listens: one failure is enough."""
    rig.puppet.answer = REFUSED
    rig.send()
    assert rig.breaker.state == "open"


def test_a_refused_command_is_an_answer(rig: Rig) -> None:
    """A server that says no is well: it starts the count again, and closes the breaker."""
    for answer in (DEAD, DEAD, CommandRefused("ERR", "no"), DEAD):
        rig.puppet.answer = answer
        rig.send()
    assert rig.breaker.state == "closed"
    rig.die()
    rig.clock.seconds += 1
    rig.puppet.answer = CommandRefused("ERR", "no")
    assert rig.send() is CommandRefused
    assert rig.breaker.state == "closed"


def test_one_caller_tries_when_the_window_is_over(rig: Rig) -> None:
    """Not before, and nobody else while the try is under way; its success closes the breaker for all."""
    rig.die()
    rig.clock.seconds += 0.99
    assert rig.send() is CacheUnavailable
    assert rig.puppet.sent == []
    rig.clock.seconds += 0.02
    probe = rig.breaker.admit(rig.clock.now())
    assert probe
    assert probe.is_probe
    assert rig.breaker.admit(rig.clock.now() + 50) is None
    assert rig.breaker.succeeded() == BreakerMoved("closed", "the cache answers again")
    rig.puppet.answer = b"OK"
    assert rig.send() == b"OK"


def test_a_failed_try_waits_another_window(rig: Rig) -> None:
    """One command a window reaches a dead server, whoever asks how often."""
    rig.die()
    for _ in range(12):
        rig.clock.seconds += 0.26
        rig.send()
    assert len(rig.puppet.sent) == 3
    assert rig.states() == ["open", *["half-open", "open"] * 3]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.9), (0.5, 1.0), (0.999, 1.0998)])
def test_windows_are_spread(chance: float, seconds: float) -> None:
    """A window is its length ± 10 %, by chance: processes do not try together."""
    rig = Rig(chance=lambda: chance)
    rig.die()
    rig.clock.seconds += seconds - 0.001
    rig.send()
    rig.clock.seconds += 0.002
    rig.send()
    assert len(rig.puppet.sent) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), TypeError()])
def test_a_try_that_was_given_up_is_made_again(rig: Rig, error: BaseException) -> None:
    """A cancelled try says nothing about the server: the breaker is open, and the next window has its own try."""
    rig.die()
    rig.clock.seconds += 1.01
    rig.puppet.answer = error
    assert rig.send() is type(error)
    assert rig.breaker.state == "open"
    rig.puppet.answer = b"OK"
    assert rig.send() is CacheUnavailable
    rig.clock.seconds += 1.01
    assert rig.send() == b"OK"


def test_a_try_that_was_lost_is_made_again(rig: Rig) -> None:
    """Half-open without anybody trying, as in a child forked during a try: a minute later somebody may."""
    rig.die()
    rig.clock.seconds += 1.01
    assert rig.breaker.admit(rig.clock.now())
    rig.clock.seconds += 60
    rig.puppet.answer = b"OK"
    assert rig.send() == b"OK"


def test_a_cancelled_command_is_no_failure(rig: Rig) -> None:
    """While closed, what its caller gave up is not counted."""
    rig.puppet.answer = GeneratorExit()
    for _ in range(5):
        rig.send()
    assert rig.breaker.calm


def test_old_failures_say_nothing(rig: Rig) -> None:
    """What was sent before the last move and fails after it moves nothing: a burst that hung opens it once."""
    tickets = [rig.breaker.admit(rig.clock.now()) for _ in range(5)]
    moves = [rig.breaker.failed(ticket, rig.clock.now(), DEAD) for ticket in tickets if ticket]
    assert [move and move.state for move in moves] == [None, None, "open", None, None]
    rig.breaker.succeeded()
    assert rig.breaker.failed(Ticket(0), rig.clock.now(), REFUSED) is None
    assert rig.breaker.calm


def test_an_invalidation_is_always_sent(rig: Rig) -> None:
    """Sent through an open breaker, its success closes it; its failure begins a new window."""
    rig.die()
    rig.clock.seconds += 0.6
    assert rig.send("send_through") is CacheUnavailable
    assert len(rig.puppet.sent) == 1
    rig.clock.seconds += 0.6
    rig.send()
    assert len(rig.puppet.sent) == 1, "the window began anew with the failure"
    rig.puppet.answer = b"OK"
    assert rig.send("send_through") == b"OK"
    assert rig.breaker.state == "closed"


def test_a_wait_on_the_server_is_never_the_one_that_tries(rig: Rig) -> None:
    """It could take seconds to say that the server is dead: refused while open, and never counted."""
    for _ in range(4):
        rig.puppet.answer = DEAD
        assert rig.send("block") is CacheUnavailable
    assert rig.breaker.state == "closed"
    rig.die()
    sent = len(rig.puppet.sent)
    rig.clock.seconds += 5
    assert rig.send("block") is CacheUnavailable
    assert len(rig.puppet.sent) == sent


def test_what_a_refused_caller_is_told(rig: Rig) -> None:
    """Since when, and when it is tried again."""
    rig.die()
    rig.clock.seconds += 0.3
    told = "the cache is taken for dead since its last 3 failures; next try in 0.7 s"
    with pytest.raises(CacheUnavailable, match=f"^{told}$"):
        run_blocking(rig.guarded.send("GET", "a"))
    rig.breaker.succeeded()
    rig.die(REFUSED)
    assert str(rig.breaker.refusal(rig.clock.now())).endswith("since it refused a connection; next try in 1.0 s")
    rig.clock.seconds += 2
    rig.breaker.admit(rig.clock.now())
    assert str(rig.breaker.refusal(rig.clock.now())).endswith("a try is under way")


def test_log_lines_are_few(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """One warning when it opens, one a minute while it is dead, one line when it is back; none for a call."""
    caplog.set_level(logging.DEBUG, "dousell_cache")
    rig.die()
    for _ in range(100):
        rig.clock.seconds += 0.9
        rig.send()
    rig.clock.seconds += 2
    rig.puppet.answer = b"OK"
    rig.send()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


def test_a_cache_that_comes_and_goes_does_not_fill_the_log(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Dead and back every second: one warning a minute, and an end only where a beginning was told."""
    caplog.set_level(logging.DEBUG, "dousell_cache")
    for _ in range(20):
        rig.die()
        rig.clock.seconds += 1.01
        rig.puppet.answer = b"OK"
        assert rig.send() == b"OK"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_without_a_breaker_everything_is_sent() -> None:
    """None switches it off: no number of failures keeps a command back."""
    rig = Rig(failures=None)
    for error in (REFUSED, DEAD, DEAD, DEAD):
        rig.puppet.answer = error
        assert rig.send() is CacheUnavailable
    assert len(rig.puppet.sent) == 4
    assert rig.moves == []


def test_the_rest_of_the_port_passes_through(rig: Rig) -> None:
    """A guarded transport can be asked what the transport itself can be asked."""
    assert (rig.guarded.blocking, rig.guarded.can_block, rig.guarded.slot("abc")) == (True, True, 3)
    assert rig.send("block") == b"OK"
    rig.guarded.close()
    assert rig.puppet.sent == [(1.0, "BLPOP", "a"), ("closed",)]


def test_one_thread_of_many_tries(rig: Rig) -> None:
    """However many ask at the same moment, one gets the permission."""
    rig.die()
    rig.clock.seconds += 2
    begin, tickets = threading.Barrier(16), list[Ticket | None]()

    def ask() -> None:
        begin.wait(10)
        tickets.append(rig.breaker.admit(rig.clock.now()))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([ticket for ticket in tickets if ticket]) == 1


@pytest.mark.parametrize(
    "options", [{"failures": 0}, {"failures": True}, {"failures": 2.5}, {"window": 0}, {"window": float("nan")}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    """They are refused by name."""
    with pytest.raises(ConfigurationError, match=f"the breaker's {next(iter(options))} must be"):
        Breaker(**options)
