"""Where a run writes: ``OUT/.<id>.partial`` until it is complete, then ``OUT/<id>``. Nothing there is overwritten."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..errors import CacheError, ConfigurationError

PARTIAL = ".partial"


class ReportNotWritten(CacheError):
    """The machine's: a full disk, a folder that vanished; the message says which file."""


class RunFolder:
    """One run's folder, made for it alone.

    Args:
        out: the folder of all runs; made if need be.

    Raises:
        ConfigurationError: it is no folder, or nothing can be written into it.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        try:
            out.mkdir(parents=True, exist_ok=True)
            self.id = _claim(out)
        except OSError as error:
            message = f"--out {out} cannot be written: {error.strerror}"
            raise ConfigurationError(message) from error
        self.final = out / self.id
        self.path = out / f".{self.id}{PARTIAL}"

    def complete(self) -> None:
        """Give the folder its final name."""
        self.path.rename(self.final)
        self.path = self.final


def _claim(out: Path) -> str:
    """Make the folder of a new id and return the id; one that exists in any form is never taken."""
    while True:
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        try:
            (out / f".{run_id}{PARTIAL}").mkdir()
        except FileExistsError:
            continue
        if not (out / run_id).exists():
            return run_id
        (out / f".{run_id}{PARTIAL}").rmdir()


@contextmanager
def writing() -> Iterator[None]:
    """Turn an OSError in the body into one sentence.

    Raises:
        ReportNotWritten: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        where = f" {_shown(error.filename)}" if error.filename else ""
        message = f"the report could not be written:{where}: {error.strerror or error}".replace("::", ":")
        raise ReportNotWritten(message) from error


def _shown(path: object) -> str:
    return os.path.relpath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
