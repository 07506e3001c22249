"""Recordings as Arrow tables: how rows lie in a file, and nothing about what they mean. Needs the extra ``[lab]``."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from .files import PART, finished_as
from .rows import COLUMNS, MARK, Head

Table = Any
"""A ``pyarrow.Table``, which has no type to be told."""

_NUMBERS = {"time_ms": pa.float64(), "load_ms": pa.float64(), "size": pa.int64()}
_TYPES = {name: _NUMBERS.get(name, pa.string()) for name in COLUMNS}
_HEAD = MARK[1:].encode()


def read_table(path: Path) -> tuple[Head, Table]:
    """Return a recording's head and rows; one that was being written and is finished by now is found all the same.

    Raises:
        ValueError: it is no recording, or was changed; the message names the file.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        finished = [one for suffix in (".csv", ".parquet") if (one := finished_as(path, suffix)).exists()]
        if not path.name.endswith(PART) or not finished:
            raise
        return _read(finished[0])
    except (pa.ArrowInvalid, ValueError, UnicodeDecodeError) as error:
        message = f"{path} is no recording of this package: {str(error).splitlines()[0]}"
        raise ValueError(message) from None


def write_parquet(head: Head, table: Table, path: Path) -> None:
    """Write a recording as Parquet."""
    marked = table.replace_schema_metadata({_HEAD: str(head).encode()})
    pyarrow.parquet.write_table(marked, path, compression="zstd")


def _read(path: Path) -> tuple[Head, Table]:
    return _of_parquet(path) if path.suffix == ".parquet" else _of_csv(path)


def _of_parquet(path: Path) -> tuple[Head, Table]:
    table = pyarrow.parquet.read_table(path)
    head = Head.of((table.schema.metadata or {}).get(_HEAD, b"").decode())
    return head, table.select(COLUMNS).cast(pa.schema(_TYPES))


def _of_csv(path: Path) -> tuple[Head, Table]:
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1] if path.name.endswith(PART) else text  # the rest of a line is yet to come
    first, _, rows = whole.partition(b"\n")
    head = Head.of(first.decode())
    if rows.count(b"\n") <= 1:
        return head, pa.table({name: pa.array([], kind) for name, kind in _TYPES.items()})
    convert = pyarrow.csv.ConvertOptions(
        column_types=_TYPES, include_columns=list(COLUMNS), null_values=[""], strings_can_be_null=False
    )
    return head, pyarrow.csv.read_csv(io.BytesIO(rows), convert_options=convert)
