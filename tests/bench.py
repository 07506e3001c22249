"""Flows without a face: a real server, a clock that only the test moves, and every command written down or cut into."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from dousell_cache import scripts
from dousell_cache.context import Call, Context
from dousell_cache.events import Event, Read
from dousell_cache.flights import ThreadFlights
from dousell_cache.keys import Names
from dousell_cache.loading import Asked
from dousell_cache.policy import Policy, resolved
from dousell_cache.reads import DirectReads
from dousell_cache.renewals import Renew
from dousell_cache.runner import run_blocking
from dousell_cache.store import Server, Store
from dousell_cache.transport.port import Argument, BlockingTransport, Port, Reply

MINUTE = resolved(60)

_SCRIPTS = [getattr(scripts, name) for name in scripts.__all__ if name.isupper()]
_NAMES = {known: script.name for script in _SCRIPTS for known in (script.text, script.sha)}


class HandClock:
    """A clock moved by hand, and by whoever sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        """Return the time it was set to."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Move it."""
        self.seconds += seconds


class Recorder:
    """A port that writes down what it passes on, and lets a test step in before or after a command.

    Args:
        port: where the commands go.
        can_block: whether waiters may be woken.
    """

    def __init__(self, port: BlockingTransport, can_block: bool = True) -> None:
        self._port = port
        self.can_block = can_block
        self.can_carry_bytes = True
        self.sent: list[tuple[Argument, ...]] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    @property
    def words(self) -> list[str]:
        """Name what was sent: commands by their name, scripts by their file's."""
        return [word(command) for command in self.sent]

    def slot(self, key: str) -> int:
        """Return the slot of a key."""
        return self._port.slot(key)

    async def nodes(self) -> Sequence[Port]:
        """Return itself."""
        return [self]

    async def send(self, *command: Argument) -> Reply:
        """Note the command and send it; what a test put before or after it runs once."""
        self.sent.append(command)
        self.before.pop(word(command), _nothing)()
        reply = await self._port.send(*command)
        self.after.pop(word(command), _nothing)()
        return reply

    async def send_within(self, seconds: float, *command: Argument) -> Reply:  # noqa: ARG002 - tests hold commands up
        """Note the command and send it."""
        return await self.send(*command)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Note the command and wait on the server."""
        self.sent.append(command)
        self.before.pop(word(command), _nothing)()
        return await self._port.block(seconds, *command)


class NoRenewals:
    """Renewals of nothing: a test's load is over before a lease could be."""

    def keep(self, renew: Renew, seconds: float) -> Callable[[], None]:  # noqa: ARG002 - the protocol's
        """Renew nothing."""
        return _nothing


class Bench:
    """Runs flows against one port and keeps what they told.

    Args:
        transport: a blocking way to a server.
        namespace: put before every key.
        can_block: whether waiters may be woken.
    """

    def __init__(self, transport: BlockingTransport, namespace: str = "", can_block: bool = True) -> None:
        self.port = Recorder(transport, can_block)
        self.namespace = namespace
        self.clock = HandClock()
        self.events: list[Event] = []
        self.chance = 0.0
        numbers = itertools.count()
        self.context = Context(
            server=Server(
                self.port, Names(namespace), DirectReads(self.port), self.port.send_within, self.port.send_within
            ),
            clock=self.clock,
            flights=ThreadFlights(),
            renewals=NoRenewals(),
            emit=self._keep,
            chance=lambda: self.chance,
            token=lambda: f"{namespace}{next(numbers)}",
        )

    def _keep(self, event: Event) -> None:
        # Without the bytes of an entry, which the digits of its marks change.
        self.events.append(msgspec.structs.replace(event, size=0) if isinstance(event, Read) else event)

    @property
    def store(self) -> Store:
        """A conversation with the server."""
        return Store(self.context.server)

    def call(self) -> Call:
        """Return what a new call works with."""
        return Call(self.context)

    def loader(self, value: object, seconds: float = 0.25) -> Callable[[], Awaitable[object]]:
        """Return a loader that takes this long and then returns the value, or raises it if it is an exception."""

        async def load() -> object:
            self.clock.seconds += seconds
            if isinstance(value, BaseException):
                raise value
            return value() if callable(value) else value

        return load

    def asked(self, key: str, value: object, policy: Policy = MINUTE, **options: Any) -> Asked:
        """Return what is asked for: a key, loaded in a quarter of a second as this value."""
        return Asked(key, self.loader(value), policy, **options)

    def send(self, *command: Argument) -> Reply:
        """Send a command past the flows."""
        return run_blocking(self.port._port.send(*command))


def word(command: tuple[Argument, ...]) -> str:
    """Name a command: by itself, or by the script that it runs."""
    return _NAMES.get(str(command[1]), "?") if command[0] in ("EVAL", "EVALSHA") else str(command[0])


def _nothing() -> None:
    return None
