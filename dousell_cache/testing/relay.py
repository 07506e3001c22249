"""One client's connection through a fault proxy: commands one way, replies the other, each treated as planned."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

_GARBAGE = b"\x00\xffno protocol at all\r\n\r\n"
_HELLO = b"\x16\x03\x03\x00\x7a\x02"  # a TLS record of 122 bytes begins
_RESET = struct.pack("ii", 1, 0)  # closing then discards what was not sent, and says so with RST


class Plan(NamedTuple):
    """What is to become of a command."""

    fault: str
    seconds: float


class Proxy(Protocol):
    """What a connection asks of the proxy that it goes through."""

    @property
    def answers(self) -> Mapping[str, bytes]:
        """The faults that are an answer of the protocol."""
        ...

    def next_plan(self) -> Plan | None:
        """Count a command and return what is to become of it."""
        ...

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server."""
        ...

    def messages(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Yield one command or reply after the other."""
        ...


class Connection:
    """One client's connection, and the one to the server behind it: commands one way, replies the other."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._server: asyncio.StreamWriter | None = None
        self._replies: asyncio.Task[None] | None = None
        self._plans = deque[Plan | None]()  # of the commands that the server is yet to answer
        self._deaf = False  # what else arrives is for nobody

    async def run(self) -> None:
        """Serve the client until it goes."""
        async for command in self._proxy.messages(self._reader):
            plan = self._proxy.next_plan()
            if self._deaf:
                continue
            if plan is None or not self._treated(plan):
                if plan and plan.fault == "delay":
                    await asyncio.sleep(plan.seconds)
                await self._forward(command, plan)

    def _treated(self, plan: Plan) -> bool:
        """Do what keeps a command from the server; return False if it is to reach it."""
        answers = {**self._proxy.answers, "garbage": _GARBAGE, "tls-stall": _HELLO}
        if plan.fault in answers:
            self._writer.write(answers[plan.fault])
        elif plan.fault == "reset":
            self.reset()
        elif plan.fault != "silence":
            return False
        self._deaf = plan.fault in ("silence", "tls-stall", "reset")
        return True

    async def _forward(self, command: bytes, plan: Plan | None) -> None:
        if self._server is None:
            reader, self._server = await self._proxy.reach()
            self._replies = asyncio.ensure_future(self._pass_back(reader))
        self._plans.append(plan)
        self._deaf = plan is not None and plan.fault == "lose-reply-and-stall"
        self._server.write(command)
        await self._server.drain()

    async def _pass_back(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):  # the client went away
            async for reply in self._proxy.messages(reader):
                await self._deliver(reply, self._plans.popleft() if self._plans else None)
        self._writer.close()

    async def _deliver(self, reply: bytes, plan: Plan | None) -> None:
        fault = plan.fault if plan else None
        if fault == "lose-reply-and-stall":
            return
        if fault == "lose-reply-and-close":
            self._writer.close()
        elif fault == "reset-mid-reply":
            self._writer.write(reply[: len(reply) // 2])
            await asyncio.sleep(0)  # it is on its way: nothing stood before it
            self.reset()
        elif plan and fault == "drip":
            await self._drip(reply, plan.seconds)
        else:
            self._writer.write(reply)
            await self._writer.drain()

    async def _drip(self, reply: bytes, seconds: float) -> None:
        for byte in reply:
            self._writer.write(bytes([byte]))
            await self._writer.drain()
            await asyncio.sleep(seconds)

    def reset(self) -> None:
        """Drop the client's connection with RST."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        with suppress(OSError):  # it is closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()

    def close(self) -> None:
        """Let go of both ends."""
        if self._replies:
            self._replies.cancel()
        for writer in (self._writer, self._server):
            if writer:
                writer.close()
