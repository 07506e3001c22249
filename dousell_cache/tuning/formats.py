"""Read a trace, whatever wrote it: this package's recorder, somebody's CSV file, or ``MONITOR``."""

import logging
import os
from pathlib import Path

from .foreign import Unit, read_foreign
from .monitor_log import looks_like_monitor, read_monitor
from .recordings import Reading, read_recordings, recordings_in
from .rows import MARK
from .trace import Trace
from .writes import WRITES, Writes

__all__ = ["Reading", "examine", "read_trace"]

logger = logging.getLogger("dousell_cache")


def read_trace(
    path: str | os.PathLike[str],
    *,
    unit: Unit | None = None,
    writes: Writes | None = None,
    sort: bool = False,
    allow_sample: bool = False,
) -> Trace:
    """Return the trace that a file or a folder holds; what :func:`examine` notes is logged.

    Args:
        path: a folder of recordings; one recording, CSV or Parquet; a CSV file with the columns ``time,key[,op]``; or
            what ``MONITOR`` printed.
        unit: of the times of a foreign CSV file, ``"s"`` or ``"ms"``; default: as its head line says (``time_s``,
            ``time_ms``), else what they can only be.
        writes: what the writes of a foreign file are: ``"fills"`` that follow misses, which are left out, or
            ``"changes"`` of the data, which are invalidations; default: there are none, or the file is refused.
        sort: whether to put a foreign file in the order of its times; default no: what is out of order usually has a
            fault of its own. Recordings are put together in order in any case.
        allow_sample: whether to take recordings of a sample of fewer than 100,000 keys; default no.

    Returns:
        The trace; its times are seconds, counted from where the file counts: 1970, for recordings and ``MONITOR``.

    Raises:
        ValueError: there is nothing to read, or a line makes no sense; the message says where and what would be right.
    """
    reading = examine(path, unit=unit, writes=writes, sort=sort, allow_sample=allow_sample)
    for note in reading.notes:
        logger.warning("%s: %s", path, note)
    return reading.trace


def examine(
    path: str | os.PathLike[str],
    *,
    unit: Unit | None = None,
    writes: Writes | None = None,
    sort: bool = False,
    allow_sample: bool = False,
) -> Reading:
    """Return a trace together with what was left out of it, and what was taken for what; see :func:`read_trace`."""
    if unit not in (None, "s", "ms"):
        message = f"unit must be 's' or 'ms', not {unit!r}"
        raise ValueError(message)
    if writes not in (None, *WRITES):
        message = f"writes must be 'fills' or 'changes', not {writes!r}"
        raise ValueError(message)
    place = Path(path)
    if place.is_dir():
        return read_recordings(recordings_in(place), allow_sample=allow_sample)
    if not place.is_file():
        message = f"there is no trace at {place}"
        raise ValueError(message)
    if place.suffix == ".parquet" or _begins(place, MARK.encode()):
        return read_recordings([place], allow_sample=allow_sample)
    if place.stat().st_size == 0:
        message = f"{place} is empty"
        raise ValueError(message)
    if looks_like_monitor(place):
        return read_monitor(place, writes, sort=sort)
    return read_foreign(place, unit, writes, sort=sort)


def _begins(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark
