"""Executing notebooks one after the other in this process, and writing down truthfully how each one ended.

What papermill notes in a notebook is no evidence: after a timeout or a dead kernel it calls every cell completed. Which
exception came out of it is.
"""

import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from ..measure.result import RESULTS_FOLDER_VARIABLE
from . import kernels
from .record import NotebookStatus
from .spec import Outcome, Progress, Spec, Task, write_atomically

_KERNEL_START_SECONDS = 60
_IOPUB_SECONDS = 30  # papermill gives up on a busy machine after 4


class Stopped(SystemExit):
    """Somebody asked this process to end. A SystemExit, because asyncio lets only that pass through its loop."""


def work(folder: Path, preflight: Callable[[str], str | None]) -> None:
    """Execute the notebooks of a folder's spec in order, unless their environment cannot be reached.

    Args:
        folder: the environment's own, see :mod:`.spec`; becomes the working folder.
        preflight: takes the environment's name, returns why it cannot be reached, or None.
    """
    spec = msgspec.json.decode((folder / "spec.json").read_bytes(), type=Spec)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    os.chdir(folder)
    os.environ.update(kernels.variables(folder))
    diary = Diary(folder / "progress.json")
    unreachable = preflight(spec.environment) if spec.environment else None
    if unreachable:
        diary.note(unreachable=unreachable)
    else:
        deadline = time.monotonic() + spec.seconds
        for number, task in enumerate(spec.tasks):
            _execute(number, task, Clock(deadline, spec.cell_seconds), diary)
    diary.note(done=True)


class Diary:
    """How far the worker is, written down at every step.

    Args:
        path: the progress file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.progress = Progress()

    def note(self, **changes: object) -> None:
        """Change the progress and write it."""
        self.progress = msgspec.structs.replace(self.progress, **changes)
        write_atomically(self._path, msgspec.json.encode(self.progress))

    def cell_started(self, cell: NotebookNode, cell_index: int) -> None:  # noqa: ARG002 - nbclient passes it by name
        """Count a code cell; nbclient calls this for every cell that it executes."""
        if cell.cell_type == "code":
            self.note(cell=self.progress.cell + 1)

    def ended(self, outcome: Outcome) -> None:
        """Write down how a notebook ended."""
        self.note(outcomes=[*self.progress.outcomes, outcome])


class Clock:
    """How long a cell may take: its own limit, or what is left of the environment's.

    Args:
        deadline: monotonic seconds at which the environment's time is over.
        cell_seconds: the limit of one cell.
    """

    def __init__(self, deadline: float, cell_seconds: float) -> None:
        self._deadline = deadline
        self._cell_seconds = cell_seconds
        self.limit = 0

    @property
    def over(self) -> bool:
        """Whether the environment's time is over."""
        return time.monotonic() >= self._deadline

    def for_cell(self, _cell: NotebookNode) -> int:
        """Return whole seconds, as nbclient wants them."""
        self.limit = max(1, math.ceil(min(self._cell_seconds, self._deadline - time.monotonic())))
        return self.limit


def _execute(number: int, task: Task, clock: Clock, diary: Diary) -> None:
    diary.note(notebook=task.name, cell=0)
    if clock.over:
        diary.ended(Outcome("not_run", "the environment's time was over before it"))
        return
    os.environ[RESULTS_FOLDER_VARIABLE] = str(Path("results", str(number)).absolute())
    began = time.monotonic()
    try:
        _papermill(number, task, clock, diary)
    except Stopped:
        diary.ended(Outcome("interrupted", f"stopped in cell {diary.progress.cell}", time.monotonic() - began))
        raise
    except Exception as error:  # noqa: BLE001 - whatever comes out of a notebook's execution is its outcome
        diary.ended(Outcome(*_diagnosis(error, diary.progress.cell, clock.limit), time.monotonic() - began))
    else:
        diary.ended(Outcome("ok", None, time.monotonic() - began))


def _papermill(number: int, task: Task, clock: Clock, diary: Diary) -> None:
    # Relative paths: papermill stores them in the notebook.
    executed = papermill.execute_notebook(
        f"sources/{number}.ipynb",
        f"executed/{number}.ipynb",
        parameters=task.parameters,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        cwd="cwd",
        start_timeout=_KERNEL_START_SECONDS,
        config=kernels.connection(Path.cwd(), number),
        timeout_func=clock.for_cell,
        iopub_timeout=_IOPUB_SECONDS,
        on_cell_start=diary.cell_started,
    )
    for cell in executed.cells:
        if any(output.get("ename") == "SystemExit" for output in cell.get("outputs", ())):
            # papermill calls this a success, though no later cell was run.
            raise PapermillExecutionError(0, cell.execution_count, "", "SystemExit", "the notebook left early", [])


def _diagnosis(error: Exception, cell: int, limit: int) -> tuple[NotebookStatus, str]:
    """Say how a notebook ended and why, in one line, by the exception that papermill let through."""
    match error:
        case PapermillExecutionError():
            said = str(error.evalue).strip().partition("\n")[0]
            return "cell_error", f"cell {cell}: {error.ename}: {said}".rstrip(": ")
        case CellTimeoutError():
            return "timeout", f"cell {cell} was stopped after {limit} s, its time limit"
        case DeadKernelError():
            return "dead_kernel", f"the kernel died in cell {cell}"
    return "dead_kernel", f"the kernel could not be used: {type(error).__name__}: {error}"
