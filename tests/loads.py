"""What load workers open in tests: importable, since it is other processes that do."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dousell_cache.measure.stopwatch import Operation

DEADLY = 40  # the request at which a worker dies


@asynccontextmanager
async def telling() -> AsyncIterator[Operation]:
    """Answer with the index, and who was asked."""
    who = f"{os.getpid()}:{threading.get_ident()}"

    async def operation(index: int) -> str:
        await asyncio.sleep(0)
        if index % 10 == 3:
            raise ConnectionError(f"request {index}")
        return f"{index} {who}"

    yield operation


@asynccontextmanager
async def deadly() -> AsyncIterator[Operation]:
    """End the process, as a crash would, at one of the requests."""

    async def operation(index: int) -> str:
        if index == DEADLY:
            os._exit(9)
        return "hit"

    yield operation


@asynccontextmanager
async def late() -> AsyncIterator[Operation]:
    """Open for longer than there is time."""

    async def operation(_index: int) -> str:
        return "hit"

    await asyncio.sleep(0.3)
    yield operation


@asynccontextmanager
async def closed() -> AsyncIterator[Operation]:
    """Fail to open."""
    await asyncio.sleep(0)
    raise ConnectionRefusedError("nobody listens")
    yield
