"""Runs that were kept: found by what a user calls them, read back whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..environments import NAMES
from ..errors import ConfigurationError
from ..measure.result import Result
from ..measure.stats import Samples
from .listing import find, names
from .nearest import suggestion
from .record import SCHEMA, VERSION, Results

_READS = "cache"  # the path of the reads through the cache, in the samples


@dataclass(frozen=True)
class Kept:
    """A run that was kept.

    Args:
        folder: where it is.
        results: what was found.
    """

    folder: Path
    results: Results

    @property
    def id(self) -> str:
        """Its own id, whatever its folder is called."""
        return self.results.run.id

    def measured(self, environment: str) -> dict[str, Result]:
        """Return what its notebooks found in an environment, by notebook; those without figures are left out.

        Raises:
            ConfigurationError: the run has no such environment, or measured nothing there; the message says why.
        """
        records = self.results.environments
        if environment not in records:
            message = f"run {self.id} has no environment {environment}: {suggestion(environment, records)}"
            raise ConfigurationError(message)
        record = records[environment]
        found = {name: one.result for name, one in record.notebooks.items() if one.result and one.result.figures}
        if not found:
            message = f"run {self.id} measured nothing in {environment}: {record.reason or 'no notebook has figures'}"
            raise ConfigurationError(message)
        return found

    def response_ms(self, environment: str, notebook: str) -> Samples:
        """Return the response times of the answered reads through the cache, in order; empty when they are not kept."""
        path = self.folder / "samples.parquet"
        wanted = [("environment", "=", environment), ("notebook", "=", notebook), ("path", "=", _READS)]
        try:
            rows = pq.read_table(path, columns=["response_ms", "outcome"], filters=wanted)
        except (OSError, pa.ArrowInvalid):
            return np.empty(0)
        answered = np.array([outcome != "error" for outcome in rows["outcome"].to_pylist()], dtype=bool)
        times: Samples = rows["response_ms"].to_numpy()[answered]
        return times


def split(word: str) -> tuple[str, str | None]:
    """Return what names a run and what names an environment in it: ``RUN:vercel``, or ``RUN`` alone."""
    run, colon, environment = word.rpartition(":")
    return (run, environment) if colon and run and environment in NAMES else (word, None)


def open_run(word: str, out: Path) -> Kept:
    """Return the run that a word means.

    Args:
        word: an id or its beginning, ``latest``, or the path of a run's folder or of its ``results.json``.
        out: the folder of all runs.

    Raises:
        ConfigurationError: there is no such run, or it cannot be read; the message has the nearest id.
    """
    for path in (Path(word), out / word):
        file = path / "results.json" if path.is_dir() else path
        if file.is_file():
            return _read(file)
    run = find(out, word, nor=", nor a file, nor an environment of that name")
    if not run.reported:
        message = f"run {run.id} has no report: {run.state}{run.reason and f', {run.reason}'}"
        raise ConfigurationError(message)
    return _read(out / run.folder / "results.json")


def all_runs(out: Path) -> Iterator[Kept]:
    """Yield every run of a folder that can be read, oldest first."""
    for name in reversed(names(out)) if out.is_dir() else ():
        if name.startswith("."):
            continue  # not complete
        try:
            yield _read(out / name / "results.json")
        except ConfigurationError:
            continue  # of another version, or half gone: no part of a history


def _read(file: Path) -> Kept:
    try:
        results = msgspec.json.decode(file.read_bytes(), type=Results)
    except (OSError, msgspec.MsgspecError) as error:
        message = f"{file} cannot be read as results: {error}"
        raise ConfigurationError(message) from error
    if (results.schema, results.version) != (SCHEMA, VERSION):
        message = f"{file} is {results.schema} version {results.version}; this package reads {SCHEMA} version {VERSION}"
        raise ConfigurationError(message)
    return Kept(file.parent, results)
