"""All runs of a folder as tables: one call, and pandas has every figure of every run, or every single measurement."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ConfigurationError
from .listing import Entry, EnvironmentSummary, Summary, entries

COLUMNS = (
    "run",
    "started",
    "environment",
    "figure",
    "value",
    "low",
    "high",
    "samples",
    "verdict",
    "emulated",
    "profile",
    "host",
    "commit",
)
"""The columns of :func:`read_runs`, documented for readers in ``docs/how-to/history.md``."""


def read_runs(out: str | Path = "reports") -> pd.DataFrame:
    """Return a row for each figure of each environment of each run that has a report, oldest run first.

    Figures of different machines or profiles are not comparable: choose by ``host`` and ``profile`` first.

    Args:
        out: the folder of all runs; default the one that ``dousell-cache report`` writes to.

    Returns:
        A table with the columns of :data:`COLUMNS`. ``started`` is a moment in UTC; ``low`` and ``high``, the ends of
        the 95 % interval, are missing where there were too few samples for one, ``verdict`` where the figure has no
        target, ``host`` and ``commit`` where the run did not note them.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be read.
    """
    rows = [row for run in _reported(Path(out)) for row in _rows(run)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["started"] = pd.to_datetime(table["started"], utc=True)
    return table.astype({"value": float, "low": float, "high": float, "samples": int, "emulated": bool})


def read_samples(
    out: str | Path = "reports",
    *,
    runs: Collection[str] | None = None,
    environments: Collection[str] | None = None,
    columns: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return every single measurement of several runs, oldest run first, with the run's id in the column ``run``.

    Args:
        out: the folder of all runs; default the one that ``dousell-cache report`` writes to.
        runs: the ids of those to read; default every run that kept its measurements.
        environments: those to read; default all.
        columns: those to read beside ``run``; default all. What a run has not is missing in its rows.

    Raises:
        ConfigurationError: there is no such folder or run, or a file of measurements is damaged.
    """
    known = {run.id: run for run in _reported(Path(out))}
    unknown = [run for run in runs or () if run not in known]
    if unknown:
        message = f'there is no run "{unknown[0]}" with a report in {out}: dousell-cache runs list shows what there is'
        raise ConfigurationError(message)
    chosen = [run for run in known if runs is None or run in runs]
    files = ((run, Path(out) / known[run].folder / "samples.parquet") for run in chosen)
    tables = [_measured(run, file, environments, columns) for run, file in files if file.is_file()]
    if not tables:
        return pd.DataFrame({"run": pd.Series(dtype=str)})
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    return frame


def _reported(out: Path) -> list[Entry]:
    """Return the runs that have a report, oldest first."""
    return [run for run in entries(out) if run.summary][::-1]


def _rows(run: Entry) -> Iterator[tuple[object, ...]]:
    summary = run.summary
    if summary:
        for name, environment in summary.environments.items():
            yield from _environment_rows(run.id, summary, name, environment)


def _environment_rows(
    run: str, summary: Summary, name: str, environment: EnvironmentSummary
) -> Iterator[tuple[object, ...]]:
    facts, verdicts = summary.run, environment.verdicts
    for figure, seen in environment.figures.items():
        ends = (seen.value, seen.low, seen.high, seen.samples, verdicts.get(figure))
        where = (bool(environment.emulated), facts.profile, facts.host.id or None, facts.commit)
        yield (run, facts.started, name, figure, *ends, *where)


def _measured(run: str, file: Path, environments: Iterable[str] | None, columns: Collection[str] | None) -> Any:
    try:
        there = pq.read_schema(file).names
        wanted = [name for name in there if columns is None or name in columns]
        chosen = [("environment", "in", list(environments))] if environments is not None else None
        table = pq.read_table(file, columns=wanted, filters=chosen)
    except (pa.ArrowInvalid, OSError) as error:
        message = f"the measurements of run {run} cannot be read, name the others with runs=: {file}: {error}"
        raise ConfigurationError(message) from error
    return table.add_column(0, "run", pa.array([run] * len(table), pa.string()))
