"""The port: everything above it knows a server as ``send``, and time as a clock.

A blocking transport's ``send`` never suspends, so :func:`dousell_cache.runner.run_blocking` finishes a flow over it in
one step; an asyncio transport's does. The two are separate types, since a blocking one inside a running loop would
stall every task in it.

Replies have one shape on every way: bulk strings and status lines are ``bytes``, integers ``int``, nothing ``None``,
arrays lists of these. An error reply is raised: :func:`dousell_cache.errors.refusal` sorts it.
"""

from typing import Literal, Protocol, TypeAlias

Argument: TypeAlias = str | bytes | int | float
Reply: TypeAlias = "bytes | int | list[Reply] | None"


class Port(Protocol):
    """What a flow may ask of a server."""

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply.

        Raises:
            CacheUnavailable: no usable answer within the transport's patience.
            CommandRefused: the server refused the command.
        """
        ...


class BlockingTransport(Port, Protocol):
    """A port whose ``send`` blocks the thread and never suspends."""

    blocking: Literal[True]

    def close(self) -> None:
        """Give connections back to the system."""


class AsyncTransport(Port, Protocol):
    """A port whose ``send`` suspends the task."""

    blocking: Literal[False]

    async def close(self) -> None:
        """Give connections back to the system."""


class Clock(Protocol):
    """Time as flows see it: it only ever moves forward."""

    def now(self) -> float:
        """Return monotonic seconds."""
        ...
