"""The contract between a run and the process that executes one environment's notebooks: what to do, and how far it is.

Both sides read and write whole files, replaced atomically, in a folder that belongs to that environment alone:
``spec.json``, ``progress.json``, ``sources/N.ipynb``, ``executed/N.ipynb``, ``results/N/``. Notebooks go by number in
there, because papermill takes a brace in a path for a placeholder.
"""

import os
from pathlib import Path

import msgspec

from .parameters import Value
from .record import NotebookStatus


class Task(msgspec.Struct, frozen=True):
    """One notebook to execute.

    Args:
        name: what it is called.
        cells: how many code cells it has, the injected one included.
        parameters: what it is given.
    """

    name: str
    cells: int
    parameters: dict[str, Value]


class Spec(msgspec.Struct, frozen=True):
    """What one worker has to do.

    Args:
        environment: where; empty when the notebooks go to the environments by themselves.
        tasks: in this order.
        seconds: how long all of it may take.
        cell_seconds: how long one cell may take.
    """

    environment: str
    tasks: list[Task]
    seconds: float
    cell_seconds: float


class Outcome(msgspec.Struct, frozen=True):
    """How one notebook ended."""

    status: NotebookStatus
    reason: str | None
    seconds: float = 0.0


class Progress(msgspec.Struct, frozen=True):
    """How far a worker is.

    Args:
        notebook: the one under way.
        cell: its code cell under way, from 1.
        outcomes: one for each notebook that ended, in the order of the tasks.
        unreachable: why the environment cannot be reached.
        done: whether the worker came to its end.
    """

    notebook: str = ""
    cell: int = 0
    outcomes: list[Outcome] = []
    unreachable: str | None = None
    done: bool = False


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
