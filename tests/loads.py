"""What load workers open in tests: importable, since it is other processes that do."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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


@asynccontextmanager
async def marked(folder: Path, fail: bool = False) -> AsyncIterator[Operation]:
    """Leave a file in a folder from the first request until the end.

    Args:
        folder: the folder.
        fail: whether all but the first to open fail to, once that one has its file.
    """
    mark = folder / f"{os.getpid()}:{threading.get_ident()}"
    if fail and not _is_first(folder):
        while not _is_marked(folder):
            await asyncio.sleep(0.01)
        raise ConnectionRefusedError("nobody listens")

    async def operation(_index: int) -> str:
        mark.touch()
        return "hit"

    try:
        yield operation
    finally:
        mark.unlink(missing_ok=True)


def _is_marked(folder: Path) -> bool:
    return any(folder.glob("*:*"))


def _is_first(folder: Path) -> bool:
    try:
        (folder / "first").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
