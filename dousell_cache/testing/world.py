"""What a flow under exploration sees: a port, a clock, an origin, all of which pause it and say what it waits for.

Nothing here runs anything. A paused flow hands out a request; whoever drives it decides when the answer comes, which
one, and whether it ever does. No time passes: a sleep ends at once, and only the flow's own clock moves.
"""

from collections.abc import Callable, Coroutine, Generator, Hashable
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, NamedTuple, TypeAlias

from ..errors import CacheError, CommandRefused
from ..transport.port import Argument, Reply

Command: TypeAlias = tuple[bytes, ...]


class Send(NamedTuple):
    """A request: this command, to the server."""

    arguments: tuple[Argument, ...]

    @property
    def command(self) -> Command:
        """Return the command as it travels: most replays only pass it by, and need not."""
        return tuple(map(as_bytes, self.arguments))


class Visit(NamedTuple):
    """A request: this change to the origin, which gives an answer and the origin's next value."""

    label: str
    change: Callable[[Any], tuple[Hashable, Hashable]]


class Wait(NamedTuple):
    """A request: go on when this event of the same process is set."""

    event: "Event"


class Nap(NamedTuple):
    """A request that is granted at once: time is no part of an exploration."""

    seconds: float


Request: TypeAlias = Send | Visit | Wait | Nap


class Interrupted(BaseException):
    """What a flow is interrupted with; it ends its actor as part of the story."""


class Told(NamedTuple):
    """Something that checkers may want to know: who, what, and a value."""

    actor: str
    what: str
    value: Hashable = None


@coroutine
def _ask(request: Request) -> Generator[Request, Any, Any]:
    return (yield request)


@dataclass(frozen=True)
class Actor:
    """One flow of an exploration.

    Args:
        name: what stories call it.
        start: makes its coroutine.
        process: actors of one process share ``World.memory`` and crash together; by default each has its own.
        may_raise: exceptions that end it as part of the story; any other is a mistake, and ends the exploration.
    """

    name: str
    start: "Callable[[World], Coroutine[Any, Any, object]]"
    process: str = ""
    may_raise: tuple[type[Exception], ...] = (CacheError,)


@dataclass
class Process:
    """What the flows of one process share during one replay."""

    name: str
    memory: dict[str, Any] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    spawned: list[tuple[str, Coroutine[Any, Any, object]]] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0
    over: bool = False

    async def ask(self, request: Request) -> Any:
        """Pause the flow until its request is answered."""
        if self.over:  # its `finally` runs because the replay is thrown away: whoever crashed sends nothing
            raise GeneratorExit
        return await _ask(request)


class Event:
    """A flag that flows of one process wait for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.is_set = False

    def set(self) -> None:
        """Let those who wait go on."""
        self.is_set = True

    async def wait(self) -> None:
        """Pause until it is set."""
        if not self.is_set:
            await self._process.ask(Wait(self))


class ExploredPort:
    """A port whose every command is a step of the exploration.

    A script is always sent whole: EVALSHA is answered NOSCRIPT on the spot, since whether the server knows a script
    is no business of a flow.
    """

    can_carry_bytes = True

    def __init__(self, process: Process, clock: "ExploredClock", *, can_block: bool = False) -> None:
        self._process = process
        self._clock = clock
        self.can_block = can_block

    def slot(self, key: str) -> int:  # noqa: ARG002 - the port's own signature
        """Return 0: all keys may go together."""
        return 0

    async def nodes(self) -> "list[ExploredPort]":
        """Return itself."""
        return [self]

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        if command[0] == "EVALSHA":
            raise CommandRefused("NOSCRIPT", "NOSCRIPT No matching script.")
        reply: Reply = await self._process.ask(Send(command))
        return reply

    async def send_within(self, seconds: float, *command: Argument) -> Reply:  # noqa: ARG002 - nothing takes time here
        """Send one command and return its reply."""
        return await self.send(*command)

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits; without an answer at once, its time is over."""
        reply = await self.send(*command)
        if reply is None:
            await self._clock.sleep(seconds)
        return reply


class ExploredClock:
    """A clock that moves by its own process's sleeps only."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        """Return the seconds this process has slept."""
        return self._process.seconds

    async def sleep(self, seconds: float) -> None:
        """Let others go first."""
        self._process.seconds += seconds
        await self._process.ask(Nap(seconds))


class Origin:
    """The slow truth behind the cache: one value, a counter unless the scenario says otherwise."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self) -> Any:
        """Return its value."""
        return await self.visit("reads the origin", lambda value: (value, value))

    async def write(self) -> int:
        """Count it up and return its new value."""
        version: int = await self.visit("changes the origin", lambda value: (value + 1, value + 1))
        return version

    async def visit(self, label: str, change: Callable[[Any], tuple[Hashable, Hashable]]) -> Any:
        """Do anything to it in one step.

        Args:
            label: what stories and checkers call the step.
            change: takes the value, gives an answer and the next value; both hashable, and nothing else is touched.
        """
        return await self._process.ask(Visit(label, change))


class World:
    """What one actor works with.

    Args:
        name: the actor's.
        process: what it shares with the other actors of its process.
        can_block: whether its port offers ``block``.
    """

    def __init__(self, name: str, process: Process, *, can_block: bool = False) -> None:
        self.name = name
        self._process = process
        self.memory = process.memory
        self.clock = ExploredClock(process)
        self.port = ExploredPort(process, self.clock, can_block=can_block)
        self.origin = Origin(process)

    def token(self) -> str:
        """Return the process's next token: the same ones in every replay."""
        self._process.tokens += 1
        return f"{self._process.name}-{self._process.tokens}"

    def chance(self) -> float:
        """Return one half: chance would keep equal states apart."""
        return 0.5

    def event(self) -> Event:
        """Return a new flag for the flows of this process."""
        return Event(self._process)

    def spawn(self, what: str, flow: Coroutine[Any, Any, object]) -> None:
        """Run a flow beside this one in the same process."""
        self._process.spawned.append((f"{self.name}'s {what}", flow))

    def tell(self, what: str, value: Hashable = None) -> None:
        """Let the checkers know something."""
        self._process.told.append(Told(self.name, what, value))


def as_bytes(argument: Argument) -> bytes:
    """Return an argument as it travels."""
    return argument if isinstance(argument, bytes) else str(argument).encode()
