"""The port: everything above it knows a server as ``send``, and time as a clock.

A blocking transport's ``send`` never suspends, so :func:`dousell_cache.runner.run_blocking` finishes a flow over it in
one step; an asyncio transport's does. The two are separate types, since a blocking one inside a running loop would
stall every task in it.

Replies have one shape on every way: bulk strings and status lines are ``bytes``, integers ``int``, nothing ``None``,
arrays lists of these. An error reply is raised: :func:`dousell_cache.errors.refusal` sorts it.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, Self, TypeAlias

Argument: TypeAlias = str | bytes | int | float
Reply: TypeAlias = "bytes | int | list[Reply] | None"


class Port(Protocol):
    """What a flow may ask of a server."""

    @property
    def can_block(self) -> bool:
        """Whether :meth:`block` may be used."""
        ...

    @property
    def can_carry_bytes(self) -> bool:
        """Whether arguments and replies may be any bytes; else ``EncodingError`` refuses what is not UTF-8 text."""
        ...

    def slot(self, key: str) -> int:
        """Return the Cluster slot of a key; 0 wherever all keys may go together in one command."""
        ...

    async def nodes(self) -> "Sequence[Port]":
        """Return a port to each server that keeps keys: itself, or a Cluster's primaries, asked for anew.

        What concerns a server and not a key, such as ``SCAN``, is sent to each of them.
        """
        ...

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply.

        Raises:
            CacheUnavailable: no usable answer within the transport's patience.
            CommandRefused: the server refused the command.
        """
        ...

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply, given up after so many seconds if that is sooner than patience."""
        ...

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits on the server, on a connection that nobody else uses meanwhile.

        Args:
            seconds: how long the server may keep it waiting; it is given up after these and the transport's patience.
            command: the command, its own timeout included.

        Raises:
            CacheUnavailable: no usable answer within that time.
            CommandRefused: the server refused the command.
        """
        ...


class CannotBlock:
    """What the ways have in common that know neither blocking commands nor slots, and carry text."""

    can_block: bool = False
    can_carry_bytes: bool = False

    def slot(self, key: str) -> int:  # noqa: ARG002 - the port's; keys may go together
        """Return 0: all keys may go together."""
        return 0

    async def nodes(self) -> list[Self]:
        """Return itself."""
        return [self]

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Refuse: whoever wants to block asks ``can_block`` first."""
        message = f"there are no blocking commands here: {command[0]!r} was to wait {seconds:g} s"
        raise NotImplementedError(message)


class BlockingTransport(Port, Protocol):
    """A port whose ``send`` blocks the thread and never suspends.

    Attributes:
        patience: seconds that a command may take.
    """

    blocking: Literal[True]
    patience: float

    def close(self) -> None:
        """Give connections back to the system."""


class AsyncTransport(Port, Protocol):
    """A port whose ``send`` suspends the task.

    Attributes:
        patience: seconds that a command may take.
    """

    blocking: Literal[False]
    patience: float

    async def close(self) -> None:
        """Give connections back to the system."""


class Clock(Protocol):
    """Time as flows see it: it only ever moves forward."""

    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a blocking clock blocks the thread and never suspends."""
        ...
