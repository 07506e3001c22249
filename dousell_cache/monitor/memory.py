"""What a monitor remembers between two runs, for cron: without it, each run's look would be its first."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ..errors import ConfigurationError
from .figures import Lookups, ServerFigures

SCHEMA, VERSION = "dousell-cache/monitor-state", 1


class Look(msgspec.Struct, frozen=True):
    """What one look saw of what only grows.

    Args:
        at: seconds since 1970.
        server: the server's figures.
        sums: what the application's figures add up to, by figure.
        own: what the monitor itself had looked up by then.
    """

    at: float
    server: ServerFigures
    sums: dict[str, int]
    own: Lookups


class Memory(msgspec.Struct, frozen=True):
    """What a monitor of one environment remembers.

    Args:
        first: the look that the reconciliation begins with.
        middle: the one that it will begin with when that is too long ago.
        last: the look before the next one.
        own: what the monitor has looked up in all.
        past: sums of hours that have left its window.
        hours: sums of those that have not.
    """

    first: Look
    middle: Look
    last: Look
    own: Lookups
    past: dict[str, int]
    hours: dict[str, dict[str, int]]


class _File(msgspec.Struct, frozen=True):
    schema: str
    version: int
    monitors: dict[str, Memory]


def recall(path: Path) -> dict[str, Memory]:
    """Return what is remembered, by monitor; nothing where there is no file yet.

    Raises:
        ConfigurationError: the file is of another kind, or cannot be read.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        message = f"{path} holds no state of a monitor: {error}; name another file, or remove it"
        raise ConfigurationError(message) from error
    if (kept.schema, kept.version) != (SCHEMA, VERSION):
        message = f"{path} is {kept.schema} version {kept.version}; this package knows {SCHEMA} version {VERSION}"
        raise ConfigurationError(message)
    return kept.monitors


def remember(path: Path, monitors: Mapping[str, Memory]) -> None:
    """Write what is to be remembered; whoever reads meanwhile sees the old file or the new one.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    document = msgspec.json.encode(_File(SCHEMA, VERSION, dict(monitors)))
    try:
        with _beside(path) as (descriptor, name):
            with os.fdopen(descriptor, "wb") as file:
                file.write(document)
            Path(name).replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise ConfigurationError(message) from error


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[tuple[int, str]]:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        yield descriptor, name
    finally:
        Path(name).unlink(missing_ok=True)
