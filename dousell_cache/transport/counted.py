"""A transport whose commands are looked at once they are answered: who wants to know what they looked up, is told."""

from collections.abc import Callable, Sequence
from typing import Any

from .port import Argument, AsyncTransport, BlockingTransport, Port, Reply

Look = Callable[[tuple[Argument, ...], Reply], None]


class Counted:
    """A port that shows each command and its reply to a function.

    Args:
        port: what to send through.
        look: gets what was answered, in the caller's thread; never what was refused, or had no answer.
    """

    def __init__(self, port: Port, look: Look) -> None:
        self._port = port
        self._look = look
        self.can_block = port.can_block
        self.can_carry_bytes = port.can_carry_bytes
        self.slot = port.slot

    async def nodes(self) -> Sequence[Port]:
        """Return a port to each server that keeps keys, looked at likewise."""
        return [Counted(node, self._look) for node in await self._port.nodes()]

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        reply = await self._port.send(*command)
        self._look(command, reply)
        return reply

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply, given up after so many seconds if that is sooner than patience."""
        reply = await self._port.send_within(seconds, *command)
        self._look(command, reply)
        return reply

    async def block(self, seconds: float, *command: Argument) -> Reply:
        """Send a command that waits on the server: such a one looks nothing up."""
        return await self._port.block(seconds, *command)


class CountedTransport(Counted):
    """A transport that shows each command and its reply to a function; see :class:`Counted`.

    Args:
        transport: what to send through.
        look: gets what was answered.
    """

    def __init__(self, transport: BlockingTransport | AsyncTransport, look: Look) -> None:
        super().__init__(transport, look)
        self.blocking: Any = transport.blocking
        self.patience = transport.patience
        self.close: Any = transport.close
