"""What a check is, and what checks are written with."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...errors import CommandRefused
from ...runner import run_blocking
from ...transport.port import Argument, AsyncTransport, BlockingTransport, Port

Transport: TypeAlias = BlockingTransport | AsyncTransport
Body: TypeAlias = Callable[[Any, str], Coroutine[Any, Any, None]]

TTL_MS = 60_000
DEADLINE = 20.0  # seconds: of a condition that comes true at once on an idle machine
_PAUSE = 0.01
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a transport must do.

    Args:
        name: what it is called.
        claim: what it claims, in one sentence.
        needs: the attribute of the transport without which it is not asked for; empty if it always is.
        body: the function that makes sure.
    """

    name: str
    claim: str
    needs: str
    body: Body = field(repr=False)

    def concerns(self, transport: Transport) -> bool:
        """Tell whether a transport says that it can do what is checked."""
        return not self.needs or bool(getattr(transport, self.needs))

    async def run(self, transport: Transport) -> None:
        """Run the check; over a blocking transport it never suspends, so ``run_blocking`` runs it.

        Args:
            transport: an open transport. The last check closes it.

        Raises:
            AssertionError: the transport does otherwise.
            CacheError: no server answered, or it refused what it should have run.
        """
        await self.body(transport, f"{{conformance-{secrets.token_hex(6)}}}:")


def check(needs: str = "") -> Callable[[Body], Check]:
    """Make a check of a function whose docstring is its claim, and which takes a transport and a key prefix.

    Args:
        needs: see :class:`Check`.
    """

    def make(body: Body) -> Check:
        return Check(body.__name__, " ".join((body.__doc__ or "").split()), needs, body)

    return make


def expect(seen: object, wanted: object) -> None:
    """Make sure that a reply is the one wanted, its types included."""
    if seen != wanted or types(seen) != types(wanted):
        message = f"the reply was {short(seen)} where it must be {short(wanted)}"
        raise AssertionError(message)


def types(reply: object) -> object:
    """Return the types in a reply."""
    return [types(part) for part in reply] if isinstance(reply, list) else type(reply)


def short(reply: object) -> str:
    """Return a reply as a message shows it."""
    told = repr(reply)
    return told if len(told) < _LONGEST_SHOWN else f"{told[:100]}…{told[-50:]}"


async def put(port: Port, key: str, value: Argument) -> None:
    """Store a value for a minute."""
    expect(await port.send("SET", key, value, "PX", TTL_MS), b"OK")


async def refused(port: Port, code: str, *command: Argument) -> None:
    """Make sure that a command is refused with the server's own code."""
    try:
        reply = await port.send(*command)
    except CommandRefused as error:
        expect(error.code, code)
        expect(str(error).partition(" ")[0], code)
    else:
        message = f"{command[0]!r} was answered {short(reply)} where it must be refused"
        raise AssertionError(message)


async def together(transport: Transport, calls: list[Callable[[], Awaitable[Any]]]) -> None:
    """Make calls at once: in threads over a blocking transport, else in tasks."""
    if not transport.blocking:
        await asyncio.gather(*(call() for call in calls))
        return
    with ThreadPoolExecutor(len(calls)) as threads:
        list(threads.map(lambda call: run_blocking(_as_flow(call)), calls))


async def _as_flow(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


async def until(transport: Transport, condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until a condition comes true."""
    deadline = time.monotonic() + DEADLINE
    while not await condition():
        if time.monotonic() > deadline:
            message = f"not true after {DEADLINE:g} s: {what}"
            raise AssertionError(message)
        if transport.blocking:
            time.sleep(_PAUSE)  # noqa: ASYNC251 - over a blocking transport there is no loop to hold up
        else:
            await asyncio.sleep(_PAUSE)
