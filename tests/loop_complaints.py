"""What a running event loop complains of: what it would log, as an exception that nobody took."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect the complaints of the running loop for the length of a block."""
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def hear(_loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        heard.append(str(told["message"]))

    loop.set_exception_handler(hear)
    try:
        yield heard
    finally:
        loop.set_exception_handler(before)
