"""The files of a recording: appended to, finished by size and age, the oldest deleted. The disk's errors are raised.

The file being written ends in ``.csv.part``. Each batch is added by one write, so that a crash loses what was not yet
handed over and nothing else; finished, it gets its name in one step. Files of several processes share a folder.
"""

import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from ..errors import ConfigurationError, installing

Format = Literal["csv", "parquet"]
FORMATS = get_args(Format)
PART = ".csv.part"

_OURS = re.compile(r"^trace-\d{8}T\d{6}\.\d{6}Z-\d+(\.csv|\.csv\.part|\.parquet)$")


def finished_as(part: Path, suffix: str) -> Path:
    """Return what a file is called once it is finished."""
    return part.with_name(part.name.removesuffix(PART) + suffix)


def is_ours(path: Path) -> bool:
    """Tell whether a file's name is one that a recorder gives."""
    return _OURS.match(path.name) is not None


class Files:
    """The files that one process records to.

    Args:
        folder: where they are; made when the first is begun.
        head: what each begins with.
        format: what finished files are.
        rotate_bytes: a file is finished when it is longer.
        rotate_seconds: and when it is older.
        keep: how many finished files stay in the folder, whoever wrote them.
    """

    def __init__(
        self, folder: Path, head: bytes, format: Format, rotate_bytes: float, rotate_seconds: float, keep: int
    ) -> None:
        self.folder = folder
        self._head = head
        self._format = format
        self._rotate_bytes = rotate_bytes
        self._rotate_seconds = rotate_seconds
        self._keep = keep
        self._file: BinaryIO | None = None
        self._part = folder
        self._begun = 0.0
        self._written = 0

    def append(self, text: bytes) -> None:
        """Add whole rows.

        Raises:
            OSError: the disk did not take all of them; then it has none.
        """
        file = self._file or self._begin()
        try:
            _write_all(file, text)
        except OSError:
            self._abandon(file)
            raise
        self._written += len(text)

    def finish_if_due(self) -> None:
        """Finish the file if it is long or old enough; see :meth:`finish`."""
        if self._file and (
            self._written >= self._rotate_bytes or time.monotonic() - self._begun >= self._rotate_seconds
        ):
            self.finish()

    def finish(self) -> None:
        """Give the file its final name and form, and delete the oldest of too many.

        Raises:
            OSError: the disk refused; the file stays, and can be read, as it is.
        """
        if self._file is None:
            return
        self._file.close()
        self._file, part = None, self._part
        if self._format == "csv":
            part.replace(finished_as(part, ".csv"))
        else:
            _as_parquet(part)
        self._delete_the_oldest()

    def forget(self) -> None:
        """Let go of the file, which is the parent's, in a forked child."""
        if self._file:
            self._file.close()  # nothing is buffered, so this writes nothing
        self._file = None

    def _begin(self) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        self._part = self.folder / f"trace-{now:%Y%m%dT%H%M%S.%f}Z-{os.getpid()}{PART}"
        file = self._part.open("xb", buffering=0)
        self._file, self._begun, self._written = file, time.monotonic(), 0
        self.append(self._head)
        return file

    def _abandon(self, file: BinaryIO) -> None:
        with suppress(OSError):  # at worst its last line is cut off, which readers expect of such a file
            file.truncate(self._written)
        with suppress(OSError):
            file.close()
        self._file = None

    def _delete_the_oldest(self) -> None:
        dead = time.time() - 2 * self._rotate_seconds  # a process that lives finishes its files sooner
        ours = sorted(path for path in self.folder.iterdir() if is_ours(path))
        finished = [path for path in ours if not path.name.endswith(PART) or _modified(path) < dead]
        for path in finished[: -self._keep]:
            path.unlink(missing_ok=True)  # another process may have been quicker


def check_parquet() -> None:
    """Make sure that Parquet files can be written.

    Raises:
        ConfigurationError: what it takes is not installed.
    """
    try:
        import pyarrow as pa  # noqa: F401 - only whether it is there
    except ModuleNotFoundError:
        message = f'format="parquet" needs pyarrow: take format="csv", or {installing("lab")}'
        raise ConfigurationError(message) from None


def _write_all(file: BinaryIO, text: bytes) -> None:
    left = memoryview(text)
    while left:
        left = left[file.write(left) :]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _as_parquet(part: Path) -> None:
    from .tables import read_table, write_parquet  # here: a process that records CSV need not have pyarrow

    made = finished_as(part, ".parquet.tmp")
    write_parquet(*read_table(part), made)
    made.replace(finished_as(part, ".parquet"))
    part.unlink()
