"""One load of a key in one process: whoever comes while it is under way joins it.

What a joiner may take is what is proved to be no older than its question: a load, or an entry, that a command sent
after it joined still found in force (see docs/decisions/0006). So a flight counts its commands, a joiner remembers how
many had been sent when it joined, and a landing says which of them is its proof.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

import msgspec

from .errors import CacheUnavailable, ConfigurationError
from .events import Outcome
from .runner import run_blocking


class Landing(msgspec.Struct, frozen=True):
    """How a flight ended.

    Args:
        outcome: what its leader met.
        stored: the value in its stored form, if there is one.
        error: what the loader raised, if it did.
        trace: where it did.
        proof: which command of the flight proves the value to be in force: who joined before it was sent may take it.
        stand_in: whether ``stored`` is a softly withdrawn entry, the leader's only.
        load_seconds: how long the loader took.
    """

    outcome: Outcome
    stored: bytes | None = None
    error: BaseException | None = None
    proof: int = 0
    stand_in: bool = False
    load_seconds: float = 0.0
    trace: TracebackType | None = None


EVERYBODY = 2**62
"""A proof for whoever joined whenever: nobody can be asked, because the cache is down."""

INTERRUPTED = Landing("error")
"""The leader was stopped: those who joined begin anew."""


class Flight:
    """One load under way: how many commands it has sent, and how it landed."""

    __slots__ = ("failure", "landing", "leader", "over", "sent", "task")

    def __init__(self) -> None:
        self.sent = 0
        self.landing = INTERRUPTED
        self.failure: BaseException | None = None
        self.leader: int | None = None
        self.over: threading.Event | None = None
        self.task: asyncio.Task[None] | None = None


Lead = Callable[[Flight], Coroutine[Any, Any, Landing]]


class Flights(Protocol):
    """The loads under way in a process."""

    async def share(self, key: str, lead: Lead) -> tuple[Landing, int | None]:
        """Join the load of a key, or lead one.

        Returns:
            How it landed, and how many commands it had sent when this caller joined; None if this caller led.
        """
        ...

    def start(self, key: str, lead: Lead) -> None:
        """Lead a load of a key in the background, unless one is under way."""
        ...

    def under_way(self, key: str) -> bool:
        """Tell whether a load of a key is under way."""
        ...

    def leased(self, key: str) -> bool:
        """Tell whether a load of a key is under way that has asked the server for the right to."""
        ...

    def withdraw(self, keys: Iterable[str] | None) -> None:
        """Let nobody else join the loads of these keys, or of any."""
        ...


class _Known:
    """The flights that may be joined."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def under_way(self, key: str) -> bool:
        return key in self._flights

    def leased(self, key: str) -> bool:
        flight = self._flights.get(key)
        return flight is not None and flight.sent > 0

    def withdraw(self, keys: Iterable[str] | None) -> None:
        if keys is None:
            self._flights.clear()
        else:
            for key in keys:
                self._flights.pop(key, None)

    def _land(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            self._flights.pop(key, None)


_LED_HERE: ContextVar[tuple[Flight, ...]] = ContextVar("flights led by this task or what started it", default=())


def _asks_for_itself(key: str) -> ConfigurationError:
    return ConfigurationError(f"the loader of {key!r} asks for {key!r} itself, which would never end")


class ThreadFlights(_Known):
    """Loads shared by threads: the first caller's own thread loads, the others wait."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    async def share(self, key: str, lead: Lead) -> tuple[Landing, int | None]:
        """Join the load of a key, or lead one; see :class:`Flights`."""
        flight, joined = self._enter(key)
        if joined is None:
            return await self._fly(key, flight, lead), None
        if flight.over:
            flight.over.wait()
        return flight.landing, joined

    def start(self, key: str, lead: Lead) -> None:
        """Lead a load in a thread of its own, unless one is under way."""
        flight, joined = self._enter(key)
        if joined is None:
            flying = threading.Thread(
                target=lambda: run_blocking(self._fly(key, flight, lead)), name="dousell-cache refresh", daemon=True
            )
            try:
                flying.start()
            except RuntimeError:  # no thread to be had: the next caller tries again
                self._over(key, flight)

    def _enter(self, key: str) -> tuple[Flight, int | None]:
        with self._lock:
            flight = self._flights.get(key)
            if flight:
                if flight.leader == threading.get_ident():
                    raise _asks_for_itself(key)
                return flight, flight.sent
            flight = self._flights[key] = Flight()
            flight.over = threading.Event()
            return flight, None

    async def _fly(self, key: str, flight: Flight, lead: Lead) -> Landing:
        flight.leader = threading.get_ident()
        try:
            flight.landing = await lead(flight)
        finally:
            self._over(key, flight)
        return flight.landing

    def _over(self, key: str, flight: Flight) -> None:
        with self._lock:
            self._land(key, flight)
        if flight.over:
            flight.over.set()


class TaskFlights(_Known):
    """Loads shared by tasks: each in a task of its own, so that cancelling a caller leaves it and the others alone."""

    def __init__(self) -> None:
        super().__init__()
        self._flying: set[asyncio.Task[None]] = set()

    async def share(self, key: str, lead: Lead) -> tuple[Landing, int | None]:
        """Join the load of a key, or lead one; see :class:`Flights`."""
        flight, joined = self._enter(key, lead)
        if flight.task is None:
            return INTERRUPTED, joined
        await asyncio.wait((flight.task,))  # cancelled with its caller, which leaves the task alone
        if joined is None and flight.failure:
            raise flight.failure
        return flight.landing, joined

    def start(self, key: str, lead: Lead) -> None:
        """Lead a load behind everybody's back, unless one is under way."""
        self._enter(key, lead)

    async def close(self) -> None:
        """Stop every load that is still under way."""
        for task in tuple(self._flying):
            task.cancel()
        if self._flying:
            await asyncio.wait(tuple(self._flying))

    def _enter(self, key: str, lead: Lead) -> tuple[Flight, int | None]:
        flight = self._flights.get(key)
        if flight:
            if flight in _LED_HERE.get():
                raise _asks_for_itself(key)
            return flight, flight.sent
        flight = self._flights[key] = Flight()
        flight.task = asyncio.get_running_loop().create_task(self._fly(key, flight, lead))
        self._flying.add(flight.task)
        flight.task.add_done_callback(self._flying.discard)
        return flight, None

    async def _fly(self, key: str, flight: Flight, lead: Lead) -> None:
        _LED_HERE.set((*_LED_HERE.get(), flight))
        try:
            flight.landing = await lead(flight)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if not (task and task.cancelling()):
                flight.failure = error  # the loader's own: it awaited what somebody else cancelled
                return
            flight.failure = CacheUnavailable("the cache was closed during this load")
            raise
        except BaseException as error:  # noqa: BLE001 - its leader raises it, in the task of its own
            flight.failure = error
        finally:
            self._land(key, flight)
