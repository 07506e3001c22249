"""A run's way through its parts: one after the other, or at once, each in a process of its own."""

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import collect
from .catalog import Notebook
from .folder import RunFolder
from .journal import Journal
from .record import TOGETHER, EnvironmentRecord
from .redact import redactor
from .request import Part, Request
from .spec import Progress
from .stopping import Halt, Stop
from .supervise import watch

_GIVEN_UP = Halt("interrupted", "the run failed")


@dataclass(frozen=True)
class Stage:
    """How far a run is, for a progress bar.

    Args:
        environment: the one that got further, or ``together``.
        notebook: under way there; empty while the environment is prepared.
        fraction: of all cells of the run.
    """

    environment: str
    notebook: str
    fraction: float


class Meter:
    """How far the parts of a run are, added up.

    Args:
        parts: their names.
        observe: told of each step.
    """

    def __init__(self, parts: Sequence[str], observe: Callable[[Stage], None]) -> None:
        self._fractions = dict.fromkeys(parts, 0.0)
        self._observe = observe
        self._turn = threading.Lock()

    def teller(self, part: Part) -> Callable[[Progress], None]:
        """Return what takes note of a part's progress."""
        tasks = part.spec.tasks
        cells = max(1, sum(task.cells for task in tasks))

        def tell(progress: Progress) -> None:
            before = sum(task.cells for task in tasks[: len(progress.outcomes)])
            under_way = progress.cell if len(progress.outcomes) < len(tasks) else 0
            with self._turn:
                self._fractions[part.name] = min(1.0, (before + under_way) / cells)
                fraction = sum(self._fractions.values()) / len(self._fractions)
                self._observe(Stage(part.name, progress.notebook, fraction))

        return tell

    def ended(self, part: Part) -> None:
        """Take note that a part is over, however far it came."""
        with self._turn:
            self._fractions[part.name] = 1.0


@dataclass
class Measuring:
    """One run's way through its parts.

    Args:
        request: what to do.
        folder: the run's.
        journal: told of every change.
        stop: whether to stop.
        observe: told how far it is.
        worker: starts the process of one environment.
        scratch: where the workers' own folders are.
    """

    request: Request
    folder: RunFolder
    journal: Journal
    stop: Stop
    observe: Callable[[Stage], None]
    worker: Sequence[str]
    scratch: Path

    def __post_init__(self) -> None:
        self._meter = Meter([part.name for part in self.request.parts], self.observe)

    def records(self) -> dict[str, EnvironmentRecord]:
        """Go through all parts and return what was found in each; what spans the environments comes after them."""
        parts = self.request.parts
        single = [part for part in parts if part.name != TOGETHER]
        with ThreadPoolExecutor(len(single) or 1 if self.request.parallel else 1) as turns:
            found = list(turns.map(self._turn, single))
            found += turns.map(self._turn, parts[len(single) :])
        return {part.name: record for part, record in zip(parts, found, strict=True)}

    def keep_samples(self) -> None:
        """Write all raw measurements into the run's folder."""
        folders = (self.scratch / part.name for part in self.request.parts)
        samples = [path for folder in folders for path in collect.samples_of(folder)]
        collect.write_samples(samples, self.folder.path / "samples.parquet", redactor())

    def _turn(self, part: Part) -> EnvironmentRecord:
        try:
            halt = self.stop()
            record = collect.not_started(part.spec, halt) if halt else self._record(part)
            self.journal.note(part.name, record.status)
        except BaseException:
            self.stop.halt = self.stop.halt or _GIVEN_UP  # nobody waits for the others any more
            raise
        self._meter.ended(part)
        return record

    def _record(self, part: Part) -> EnvironmentRecord:
        self.journal.note(part.name, "running")
        own = _prepared(self.scratch / part.name, part.notebooks)
        watched = watch(own, part.spec, stop=self.stop, observe=self._meter.teller(part), command=self.worker)
        record = collect.environment_record(own, part.spec, watched, redactor())
        kept = self.folder.path / "notebooks" / part.name
        collect.keep_notebooks(own, record.notebooks, kept, redactor())
        return record


def _prepared(own: Path, notebooks: Sequence[Notebook]) -> Path:
    """Make a worker's folder and return it."""
    for name in ("sources", "executed", "results", "runtime", "settings", "cwd"):
        (own / name).mkdir(parents=True)
    for number, notebook in enumerate(notebooks):
        (own / "results" / str(number)).mkdir()
        shutil.copyfile(notebook.path, own / "sources" / f"{number}.ipynb")
    return own
