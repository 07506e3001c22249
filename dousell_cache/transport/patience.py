"""Patience with a dead cache: after a few failures nobody waits for it any more, but one caller a window who tries.

:class:`Breaker` decides and remembers: it reads no clock, sends nothing and tells nobody. :class:`Guarded` is the port
that asks it, sends, and tells of its moves.
"""

import logging
import random
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from ..errors import CacheUnavailable, CommandRefused, ConfigurationError
from ..events import BreakerMoved
from .port import Argument, AsyncTransport, BlockingTransport, Clock, Port, Reply

State: TypeAlias = Literal["closed", "open", "half-open"]

FAILURES = 3
"""Failures that open the breaker: one may be a lost packet, three are a dead cache."""
WINDOW = 1.0
"""Seconds between two tries of a dead cache: what a recovery may go unnoticed."""

_MADE_UP_BY_A_SUCCESS = 0.5
_JITTER = 0.1  # so that processes that lost their cache together do not try it together
_LONGEST_TRY = 60.0  # seconds, the longest patience there is: a try that is not over by then was lost, in a fork say
_REMINDER = 60.0  # seconds between two warnings

logger = logging.getLogger("dousell_cache")


class Ticket(NamedTuple):
    """The permission to send one command: what its failure means depends on when it was given."""

    move: int
    is_probe: bool = False


class Breaker:
    """Decide whether a command may be sent: closed, open, or half-open while one caller tries; safe between threads.

    Args:
        failures: failures that open it, a success making up for half a one; a refused connection does at once. None:
            it never opens.
        window: seconds between two tries while it is open, ± 10 %.
        chance: returns numbers in [0, 1), for that jitter.
    """

    def __init__(
        self,
        failures: int | None = FAILURES,
        window: float = WINDOW,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._threshold, self._window = _checked(failures, window)
        self._chance = chance
        self._lock = threading.Lock()
        self._failures = 0.0
        self._next_try = 0.0
        self._since = ""
        self.state: State = "closed"
        self.ticket = Ticket(0)
        """What a command gets while :attr:`calm`."""
        self.calm = True
        """Closed, and no failure counts: neither :meth:`admit` nor :meth:`succeeded` is needed."""

    def admit(self, now: float, *, always: bool = False, may_probe: bool = True) -> Ticket | None:
        """Return the permission to send one command, or None: the cache is taken for dead.

        Args:
            now: monotonic seconds.
            always: never refuse; what becomes of the command counts as a try.
            may_probe: whether this command may be the one that tries.
        """
        with self._lock:
            if always or self.state == "closed":
                return self.ticket
            if not may_probe or now < self._next_try:
                return None
            self._move("half-open", now + _LONGEST_TRY)
            return self.ticket._replace(is_probe=True)

    def succeeded(self) -> BreakerMoved | None:
        """Take note that the server answered, and return the move that this made."""
        with self._lock:
            if self.state == "closed":
                # Not forgotten at once: a cache that answers only every other command in time is none either.
                self._failures = max(0.0, self._failures - _MADE_UP_BY_A_SUCCESS)
                self.calm = self._failures == 0
                return None
            self._failures = 0.0
            self._move("closed", 0.0)
            return BreakerMoved("closed", "the cache answers again")

    def failed(self, ticket: Ticket, now: float, error: CacheUnavailable) -> BreakerMoved | None:
        """Take note that a command got no usable answer, and return the move that this made."""
        with self._lock:
            if ticket.move != self.ticket.move or self._threshold is None:
                return None  # it was sent before the last move, which knew more
            self._failures, self.calm = self._failures + 1, False
            if self.state == "closed":
                if self._failures < self._threshold and not error.refused_connection:
                    return None
                self._since = "it refused a connection" if error.refused_connection else _last(round(self._failures))
            was = self.state
            self._move("open", self._after_a_window(now))
            return None if was == "open" else BreakerMoved("open", str(error))

    def abandoned(self, ticket: Ticket, now: float) -> BreakerMoved | None:
        """Take note that a command ended without a word about the server: its caller was cancelled."""
        with self._lock:
            if not ticket.is_probe or ticket.move != self.ticket.move:
                return None
            self._move("open", self._after_a_window(now))
            return BreakerMoved("open", "the try was given up by its caller")

    def refusal(self, now: float) -> CacheUnavailable:
        """Return what to raise instead of sending."""
        wait = f"next try in {max(0, self._next_try - now):.1f} s"
        if self.state == "half-open":
            wait = "a try is under way"
        return CacheUnavailable(f"the cache is taken for dead since {self._since}; {wait}", never_sent=True)

    def _move(self, state: State, next_try: float) -> None:
        self.state, self._next_try, self.calm = state, next_try, state == "closed"
        self.ticket = Ticket(self.ticket.move + 1)

    def _after_a_window(self, now: float) -> float:
        return now + self._window * (1 - _JITTER + 2 * _JITTER * self._chance())


class Guarded:
    """A port that raises at once, without touching the network, while its breaker is open.

    Args:
        port: what to send through.
        breaker: decides.
        clock: tells the time.
        on_move: gets an event for every move of the breaker, in the thread whose command made it.
    """

    def __init__(
        self,
        port: BlockingTransport | AsyncTransport,
        breaker: Breaker,
        clock: Clock,
        on_move: Callable[[BreakerMoved], None],
    ) -> None:
        self._port = port
        self._breaker = breaker
        self._clock = clock
        self._on_move = on_move
        self._log = _Log()
        self.blocking = port.blocking
        self.close = port.close

    @property
    def can_block(self) -> bool:
        """Whether :meth:`block` may be used."""
        return self._port.can_block

    @property
    def can_carry_bytes(self) -> bool:
        """Whether arguments and replies may be any bytes."""
        return self._port.can_carry_bytes

    def slot(self, key: str) -> int:
        """Return the Cluster slot of a key."""
        return self._port.slot(key)

    async def nodes(self) -> Sequence[Port]:
        """Return a port to each server that keeps keys; the breaker is not asked."""
        return await self._port.nodes()

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply; see :class:`~dousell_cache.transport.port.Port`."""
        breaker = self._breaker
        ticket = breaker.ticket if breaker.calm else self._admitted()
        try:  # as in _watched, without the price of one more coroutine: this is the way of every hit
            reply = await self._port.send(*command)
        except BaseException as error:
            self._ended(ticket, error)
            raise
        if not breaker.calm:
            self._tell(breaker.succeeded())
        return reply

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command, given up after so many seconds if that is sooner than the port's patience."""
        breaker = self._breaker
        if not breaker.calm:
            return await self._watched(self._admitted(), self._port.send_within(seconds, *command))
        ticket = breaker.ticket
        try:  # as in send()
            reply = await self._port.send_within(seconds, *command)
        except BaseException as error:
            self._ended(ticket, error)
            raise
        if not breaker.calm:
            self._tell(breaker.succeeded())
        return reply

    async def send_through(self, seconds: float, *command: Argument) -> Reply:
        """Send one command even while the breaker is open: what withdraws something always tries, as a try."""
        if self._breaker.calm:
            return await self.send_within(seconds, *command)
        return await self._watched(self._admitted(always=True), self._port.send_within(seconds, *command))

    async def send_briefly(self, seconds: float, *command: Argument, insist: bool = False) -> Reply:
        """Send one command, given up sooner than patience would: if that is all that happens, it is nobody's failure.

        Args:
            seconds: when it is given up.
            command: the command.
            insist: send it even while the breaker is open.
        """
        breaker, started = self._breaker, self._clock.now()
        ticket = breaker.ticket if breaker.calm else self._admitted(always=insist)
        try:
            reply = await self._port.send_within(seconds, *command)
        except CacheUnavailable as error:
            waited = self._clock.now() - started
            if not seconds <= waited < self._port.patience:  # it failed by itself, or had all the time it may take
                self._ended(ticket, error)
            elif ticket.is_probe:
                self._tell(breaker.abandoned(ticket, self._clock.now()))
            raise
        except BaseException as error:
            self._ended(ticket, error)
            raise
        if not breaker.calm:
            self._tell(breaker.succeeded())
        return reply

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits on the server; it never is the one that tries a dead cache, nor speaks against one.

        So many may wait at once that no connection is left for another: that says nothing about the server.
        """
        self._admitted(may_probe=False)
        return await self._port.block(seconds, *command)

    async def _watched(self, ticket: Ticket, sending: Coroutine[Any, Any, Reply]) -> Reply:
        try:
            reply = await sending
        except BaseException as error:
            self._ended(ticket, error)
            raise
        self._tell(self._breaker.succeeded())
        return reply

    def _ended(self, ticket: Ticket, error: BaseException) -> None:
        if isinstance(error, CommandRefused):  # by a server that is well
            self._tell(self._breaker.succeeded())
        elif isinstance(error, CacheUnavailable) and not error.never_sent:
            self._tell(self._breaker.failed(ticket, self._clock.now(), error))
        else:
            self._tell(self._breaker.abandoned(ticket, self._clock.now()))

    def _admitted(self, *, always: bool = False, may_probe: bool = True) -> Ticket:
        now = self._clock.now()
        ticket = self._breaker.admit(now, always=always, may_probe=may_probe)
        if ticket is None:
            raise self._breaker.refusal(now)
        if ticket.is_probe:
            self._tell(BreakerMoved("half-open", "a window is over: one caller tries the cache"))
        return ticket

    def _tell(self, move: BreakerMoved | None) -> None:
        if move:
            self._log.moved(move, self._clock.now())
            self._on_move(move)


class _Log:
    """A line when a cache dies, one a minute while it is dead, one when it is back; none for a call."""

    def __init__(self) -> None:
        self._last_warning = float("-inf")
        self._owes_an_end = False

    def moved(self, move: BreakerMoved, now: float) -> None:
        if move.state == "open" and now - self._last_warning >= _REMINDER:
            self._last_warning, self._owes_an_end = now, True
            logger.warning("the cache is taken for dead, reads go to their loaders: %s", move.reason)
        if move.state == "closed" and self._owes_an_end:
            self._owes_an_end = False
            logger.info("the cache serves again")


def _last(failures: int) -> str:
    return "its last failure" if failures == 1 else f"its last {failures} failures"


def _checked(failures: int | None, window: float) -> tuple[int | None, float]:
    if failures is not None and (isinstance(failures, bool) or not isinstance(failures, int) or failures < 1):
        message = f"the breaker's failures must be a whole number, 1 or more, or None for no breaker, not {failures!r}"
        raise ConfigurationError(message)
    if isinstance(window, bool) or not isinstance(window, (int, float)) or not 0 < window < _LONGEST_TRY:
        message = f"the breaker's window must be seconds, more than 0 and less than {_LONGEST_TRY:g}, not {window!r}"
        raise ConfigurationError(message)
    return failures, float(window)
