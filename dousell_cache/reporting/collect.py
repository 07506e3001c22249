"""From what a worker left in its folder to an environment's record, its cleaned notebooks and its samples.

Whatever is read here may be missing, cut off or not what it should be: worker and notebooks may have failed anywhere.
"""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ..measure.kpis import alerts
from ..measure.result import Result
from .record import EnvironmentRecord, NotebookRecord, Status, environment_verdict
from .spec import Spec, write_atomically
from .stopping import Halt
from .supervise import Ending, Watched

EndedAs = Literal["interrupted", "timeout", "dead_kernel"]

_REASON_LENGTH = 300
_ENDED_AS: Mapping[Ending, EndedAs] = {"stopped": "interrupted", "overran": "timeout", "died": "dead_kernel"}
_PRIVATE_METADATA = ("input_path", "output_path", "environment_variables")


def environment_record(folder: Path, spec: Spec, watched: Watched, redact: Callable[[str], str]) -> EnvironmentRecord:
    """Return what was found in one environment.

    Args:
        folder: the worker's.
        spec: what it had to do.
        watched: how it ended.
        redact: takes credentials and private paths out of a text.
    """
    notebooks = {task.name: _notebook_record(folder, number, watched, redact) for number, task in enumerate(spec.tasks)}
    results = [record.result for record in notebooks.values() if record.result]
    status, reason = _status(watched, notebooks)
    return EnvironmentRecord(
        status=status,
        reason=_line(reason, redact),
        verdict=environment_verdict(status, results),
        emulated=list(dict.fromkeys(line for result in results for line in result.emulated)),
        figures={name: figure for result in results for name, figure in result.figures.items()},
        samples=sum(pq.read_metadata(path).num_rows for path in samples_of(folder)),
        notebooks=notebooks,
        alerts=alerts(verdict for result in results for verdict in result.verdicts),
    )


def not_started(spec: Spec, halt: Halt) -> EnvironmentRecord:
    """Return the record of an environment whose turn never came, because the run had to end."""
    reason = f"{halt.reason} before it"
    notebooks = {task.name: NotebookRecord(status="not_run", reason=reason) for task in spec.tasks}
    return EnvironmentRecord(
        status=halt.status, reason=reason, verdict="error", emulated=[], figures={}, samples=0, notebooks=notebooks
    )


def _notebook_record(folder: Path, number: int, watched: Watched, redact: Callable[[str], str]) -> NotebookRecord:
    outcomes = watched.progress.outcomes
    if number > len(outcomes):
        return NotebookRecord(status="not_run", reason=_line(_why(watched), redact))
    if number == len(outcomes):
        return _unfinished(watched, redact)
    outcome = outcomes[number]
    record = NotebookRecord(
        status=outcome.status, seconds=round(outcome.seconds, 3), reason=_line(outcome.reason, redact)
    )
    try:
        return msgspec.structs.replace(record, result=_result(folder, number, redact))
    except msgspec.MsgspecError as error:
        reason = record.reason or f"what it published cannot be read: {error}"
        return msgspec.structs.replace(record, status="cell_error", reason=_line(reason, redact))


def _unfinished(watched: Watched, redact: Callable[[str], str]) -> NotebookRecord:
    """Return the record of the notebook after the last one that ended: under way when all was over, or not begun."""
    begun = watched.progress.cell > 0 and not watched.progress.done
    return NotebookRecord(status=_ended_as(watched) if begun else "not_run", reason=_line(_why(watched), redact))


def _status(watched: Watched, notebooks: dict[str, NotebookRecord]) -> tuple[Status, str | None]:
    if watched.progress.unreachable:
        return "unreachable", watched.progress.unreachable
    if watched.ending != "finished":
        return _ended_as(watched), _why(watched)
    for name, record in notebooks.items():
        if record.status == "not_run":  # the worker came to its end, so it ran out of time before this one
            return "timeout", f"{name}: {record.reason}"
        if record.status != "ok":
            return record.status, f"{name}: {record.reason}"
    return "ok", None


def _ended_as(watched: Watched) -> EndedAs:
    return watched.halt.status if watched.halt else _ENDED_AS[watched.ending]


def _why(watched: Watched) -> str:
    """Say why a worker did not come to its end."""
    if watched.progress.unreachable:
        return "the environment could not be reached"
    if watched.halt:
        return watched.halt.reason
    if watched.ending == "overran":
        return "the environment's time was over"
    if watched.code < 0:
        return f"the process that ran the notebooks was killed by {signal.Signals(-watched.code).name}"
    return f"the process that ran the notebooks failed: {watched.last_words or f'exit code {watched.code}'}"


def _result(folder: Path, number: int, redact: Callable[[str], str]) -> Result | None:
    published = sorted((folder / "results" / str(number)).glob("*.json"))
    if not published:
        return None
    text = redact(published[0].read_text("utf-8", errors="replace"))
    return msgspec.json.decode(text, type=Result)


def _line(text: str | None, redact: Callable[[str], str]) -> str | None:
    """Return a reason as one line without credentials, of bounded length."""
    if text is None:
        return None
    line = " ".join(redact(text).split())
    return line if len(line) <= _REASON_LENGTH else f"{line[: _REASON_LENGTH - 1]}…"


def samples_of(folder: Path) -> list[Path]:
    """Return the raw measurements that an environment's notebooks published."""
    return [path for path in sorted((folder / "results").glob("*/*.parquet")) if _is_parquet(path)]


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return False  # cut off by the end of its kernel
    return True


def write_samples(sources: list[Path], target: Path, redact: Callable[[str], str]) -> None:
    """Write several notebooks' raw measurements as one Parquet file; none when there are none.

    Columns that only some of them have are empty for the others. What pandas notes beside the columns is left out: a
    frame's attributes may hold anything, such as the address that its figures came from.

    Args:
        sources: the notebooks' files.
        target: the one to write.
        redact: takes credentials and private paths out of a text.
    """
    if sources:
        tables = [_redacted(pq.read_table(path), redact) for path in sources]
        pq.write_table(pa.concat_tables(tables, promote_options="permissive"), target, compression="zstd")


def _redacted(table: pa.Table, redact: Callable[[str], str]) -> pa.Table:
    """Return a table whose texts are redacted, cells and names of columns; without what pandas noted about them."""
    columns = [_redacted_column(column, redact) for column in table.columns]
    return pa.table(columns, names=[redact(name) for name in table.column_names])


def _redacted_column(column: Any, redact: Callable[[str], str]) -> Any:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    encoded = column.combine_chunks().dictionary_encode()  # few texts, many rows
    texts = pa.array([redact(text) for text in encoded.dictionary.to_pylist()], column.type)
    return pa.DictionaryArray.from_arrays(encoded.indices, texts).cast(column.type)


def keep_notebooks(
    folder: Path, records: Mapping[str, NotebookRecord], target: Path, redact: Callable[[str], str]
) -> None:
    """Write the executed notebooks, the failed ones too, without credentials and private paths.

    Args:
        folder: the worker's.
        records: what became of each, in the order of the tasks; noted in the notebook, whose own marks may be wrong.
        target: where they go, under their names; made here.
        redact: takes credentials and private paths out of a text.
    """
    target.mkdir()
    for number, (name, record) in enumerate(records.items()):
        notebook = _readable(folder / "executed" / f"{number}.ipynb")
        if notebook is None:
            continue
        for private in _PRIVATE_METADATA:
            notebook["metadata"].get("papermill", {}).pop(private, None)
        notebook["metadata"]["dousell_cache"] = {"status": record.status, "reason": record.reason}
        text = json.dumps(notebook, ensure_ascii=False, indent=1)
        write_atomically(target / f"{name}.ipynb", f"{redact(text)}\n".encode())


def _readable(path: Path) -> dict[str, Any] | None:
    """Return a notebook, or None: a worker that was killed may have left none, or half of one."""
    try:
        notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return notebook
