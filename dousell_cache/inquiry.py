"""Asking a server about itself: three harmless commands, none of which has to be answered.

What it tells is kept as it was told; :mod:`dousell_cache.audit` says what it means.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from .errors import CacheError
from .transport.port import Port, Reply

_NUMBER = re.compile(rb"\d{1,15}")
# By name: CONFIG GET * would tell passwords too.
_SETTINGS = ("maxmemory", "maxmemory-policy", "appendfsync", "save")


class Told(msgspec.Struct, frozen=True):
    """What a server told.

    Args:
        figures: the fields of INFO, and settings by their names with ``_`` for ``-``; what is missing was not told.
        ahead: seconds by which the server's clock is ahead of ours; None where it was not told.
        unanswered: the commands that were refused, or not answered.
        primaries: how many servers keep keys; the first of them was asked.
    """

    figures: Mapping[str, str]
    ahead: float | None = None
    unanswered: tuple[str, ...] = ()
    primaries: int = 1


async def ask(transport: Port, left: Callable[[], float], now: Callable[[], float]) -> Told:
    """Ask a server about itself with three commands, to which a Cluster adds one for its map.

    Args:
        transport: the way to it.
        left: seconds that are left for all answers together.
        now: our wall clock.

    Returns:
        What it told. That a command is refused or not answered is no error here.
    """
    servers = await _servers(transport)
    unanswered = list[str]()

    async def reply(name: str, *words: str) -> Reply:
        try:
            return await servers[0].send_within(left(), *name.split(), *words)
        except CacheError:
            unanswered.append(name)
            return None

    before = now()
    clock = _seconds(await reply("TIME"))
    ahead = None if clock is None else clock - (before + now()) / 2
    figures = fields(await reply("INFO"))
    settings = _settings(await reply("CONFIG GET", *_SETTINGS))
    return Told(settings | figures, ahead, tuple(unanswered), len(servers))


async def _servers(transport: Port) -> list[Port]:
    try:
        return list(await transport.nodes())
    except CacheError:
        return [transport]


def _seconds(reply: Reply) -> float | None:
    match reply:
        case [bytes(seconds), bytes(microseconds)] if _NUMBER.fullmatch(seconds) and _NUMBER.fullmatch(microseconds):
            return int(seconds) + int(microseconds) / 1e6
    return None


def fields(reply: Reply) -> dict[str, str]:
    """Return the fields of INFO by name, none if the reply is no text."""
    lines = [shown(line) for line in reply.splitlines()] if isinstance(reply, bytes) else []
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _settings(reply: Reply) -> dict[str, str]:
    parts = reply if isinstance(reply, list) else []
    words = [shown(part) for part in parts if isinstance(part, bytes)]
    return {name.replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=False)}


def shown(told: bytes) -> str:
    """Return what may be shown on a terminal: a server's control characters are not obeyed."""
    return "".join(letter if letter.isprintable() else "?" for letter in told.decode(errors="replace"))
