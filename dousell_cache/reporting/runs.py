"""Runs that were kept: found by what a user calls them, read back whole.

An environment counts wherever it was measured: by notebooks of its own, or as a row of those that compare several.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..environments import NAMES
from ..errors import ConfigurationError
from ..measure.kpis import judge_all, kpis_in_force
from ..measure.load_result import FAILED
from ..measure.result import EnvironmentRow, Result
from ..measure.sides import WITHDRAWN
from ..measure.stats import Samples
from .listing import find, names
from .nearest import suggestion
from .record import SCHEMA, VERSION, EnvironmentRecord, Results

_READS = "cache"  # the path of the reads through the cache, in the samples
_UNANSWERED = (*FAILED, WITHDRAWN)


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

    @property
    def environments(self) -> list[str]:
        """The environments that were asked for, and those that were compared."""
        beside = [row.environment for result in self._spanning.values() for row in result.compared]
        return list(dict.fromkeys([*self.results.environments, *beside]))

    def found(self, environment: str) -> dict[str, Result]:
        """Return what its notebooks found in an environment, by notebook; those without figures are left out."""
        rows = [(name, one, row) for name, one in self._spanning.items() for row in one.compared]
        beside = {name: _alone(one, row) for name, one, row in rows if row.environment == environment}
        own = _published(self.results.environments.get(environment))
        return {name: one for name, one in {**own, **beside}.items() if one.figures}

    def measured(self, environment: str) -> dict[str, Result]:
        """Return what :meth:`found` does, where there is something.

        Raises:
            ConfigurationError: the run has no such environment, or measured nothing there; the message says why.
        """
        if environment not in self.environments:
            message = f"run {self.id} has no environment {environment}: {suggestion(environment, self.environments)}"
            raise ConfigurationError(message)
        found = self.found(environment)
        if not found:
            record = self.results.environments.get(environment)
            reason = (record and record.reason) or "no notebook has figures"
            message = f"run {self.id} measured nothing in {environment}: {reason}"
            raise ConfigurationError(message)
        return found

    @property
    def _spanning(self) -> dict[str, Result]:
        return _published(self.results.together)

    def response_ms(self, environment: str, notebook: str) -> Samples:
        """Return the response times of the answered reads through the cache, in order; empty when they are not kept."""
        path = self.folder / "samples.parquet"
        own = [("environment", "=", environment), ("path", "=", _READS), ("notebook", "=", notebook)]
        beside = [("path", "=", environment), ("notebook", "=", notebook)]  # of several, a path is an environment
        try:
            rows = pq.read_table(path, columns=["response_ms", "outcome"], filters=[own, beside])
        except (OSError, pa.ArrowInvalid):
            return np.empty(0)
        answered = np.array([outcome not in _UNANSWERED for outcome in rows["outcome"].to_pylist()], dtype=bool)
        times: Samples = rows["response_ms"].to_numpy()[answered]
        return times


def _published(record: EnvironmentRecord | None) -> dict[str, Result]:
    return {name: one.result for name, one in record.notebooks.items() if one.result} if record else {}


def _alone(result: Result, row: EnvironmentRow) -> Result:
    """Return one of several environments that were measured side by side as a result of its own, with its doubt."""
    return msgspec.structs.replace(
        result,
        environment=row.environment,
        cache=row.cache,
        emulated=row.emulated,
        figures=row.figures,
        outcomes=row.outcomes,
        verdicts=judge_all(row.figures, kpis_in_force(), untrusted=row.doubt),
        compared=[],
        place=row.place,
    )


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
