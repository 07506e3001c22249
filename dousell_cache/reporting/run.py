"""A run: environments one after the other, each in a process of its own, and one folder that tells what came of it.

One after the other, because two measurements on one machine would disturb each other's figures.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..measure.provenance import commit
from ..measure.result import this_host, utc_now
from . import collect, index, page
from .catalog import Notebook
from .folder import RunFolder, writing
from .journal import Journal
from .parameters import Value
from .record import EXIT_CODES, TOGETHER, EnvironmentRecord, Results, Run, encode, run_verdict
from .redact import redacted, redactor
from .spec import Progress, Spec, Task, write_atomically
from .stopping import Stop, stop_requests
from .supervise import WORKER, watch

SECONDS = {"quick": 180.0, "full": 3600.0}
"""How long one environment may take by default, by profile: several times what it needs."""

_CELL_SHARE = 0.5  # a cell that hangs must leave time for the notebooks after it


@dataclass(frozen=True)
class Part:
    """What one worker has to do.

    Args:
        name: the environment's, or ``together``.
        notebooks: in order.
        spec: what is written down for the worker.
    """

    name: str
    notebooks: Sequence[Notebook]
    spec: Spec


@dataclass(frozen=True)
class Request:
    """What a run is asked for, everything checked.

    Args:
        environments: their names, in order.
        notebooks: in order.
        parameters: of each notebook, by its name.
        profile: ``quick`` or ``full``.
        seconds: how long one environment may take; one cell, half of it.
        command: what repeats the run.
    """

    environments: Sequence[str]
    notebooks: Sequence[Notebook]
    parameters: dict[str, dict[str, Value]]
    profile: str
    seconds: float
    command: str = ""

    @property
    def parts(self) -> list[Part]:
        """What each worker has to do: one for each environment, and a last one for the notebooks that span them."""
        single = [notebook for notebook in self.notebooks if not notebook.spanning]
        spanning = [notebook for notebook in self.notebooks if notebook.spanning]
        parts = [self._part(name, single, [name]) for name in self.environments] if single else []
        return [*parts, *([self._part(TOGETHER, spanning, self.environments)] if spanning else [])]

    def _part(self, name: str, notebooks: Sequence[Notebook], environments: Sequence[str]) -> Part:
        own = {"environment": environments[0], "environments": ",".join(environments)}
        tasks = [self._task(notebook, own) for notebook in notebooks]
        seconds = self.seconds * len(environments)
        return Part(name, notebooks, Spec("" if name == TOGETHER else name, tasks, seconds, seconds * _CELL_SHARE))

    def _task(self, notebook: Notebook, own: dict[str, str]) -> Task:
        parameters: dict[str, Value] = {
            name: own.get(name, value) for name, value in self.parameters[notebook.name].items()
        }
        injected = 1 if parameters else 0
        return Task(notebook.name, notebook.cells + injected, parameters)


@dataclass(frozen=True)
class Stage:
    """How far a run is, for a progress bar.

    Args:
        environment: under way, or ``together``.
        notebook: under way; empty while the environment is prepared.
        fraction: of all cells of the run.
    """

    environment: str
    notebook: str
    fraction: float


@dataclass(frozen=True)
class Finished:
    """A run that came to its end, well or not.

    Args:
        results: what ``results.json`` holds.
        folder: where it is.
    """

    results: Results
    folder: Path

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.folder / "index.html"


def run(
    request: Request,
    out: Path,
    *,
    observe: Callable[[Stage], None] = lambda _stage: None,
    worker: Sequence[str] = WORKER,
) -> Finished:
    """Execute notebooks in environments and write the report.

    SIGTERM and SIGINT end the measuring; what there is by then is reported, and a second signal changes nothing.

    Args:
        request: what to do.
        out: the folder of all runs.
        observe: told how far it is, ten times a second.
        worker: starts the process of one environment, see :func:`.supervise.watch`.

    Returns:
        What was found and where it is written.

    Raises:
        ConfigurationError: ``out`` cannot be written.
        ReportNotWritten: it could at first, and then no more.
    """
    folder = RunFolder(out)
    journal = Journal(folder, [part.name for part in request.parts])
    try:
        with writing(), stop_requests() as stop:
            journal.write()
            (folder.path / "notebooks").mkdir()
            with tempfile.TemporaryDirectory(prefix="dousell-", ignore_cleanup_errors=True) as scratch:
                way = _Measuring(request, folder, journal, stop, observe, worker, Path(scratch).resolve())
                records = way.records()
                way.keep_samples()
            results = redacted(_results(request, folder.id, journal.status.started, records, stop), redactor())
            write_atomically(folder.path / "results.json", encode(results))
            write_atomically(folder.path / "index.html", page.render(results, folder.path).encode())
            journal.end("interrupted" if stop.signum else "finished", results.exit_code)
            folder.complete()
            index.write(out)
    except BaseException as error:
        with suppress(OSError):  # the disk may be the very reason
            journal.end("failed", EXIT_CODES["error"], redactor()(str(error)))
        raise
    return Finished(results, folder.final)


@dataclass
class _Measuring:
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

    def records(self) -> dict[str, EnvironmentRecord]:
        """Go through all parts and return what was found in each."""
        records = {}
        for number, part in enumerate(self.request.parts):
            records[part.name] = collect.not_started(part.spec) if self.stop() else self._record(number, part)
            self.journal.note(part.name, records[part.name].status)
        return records

    def keep_samples(self) -> None:
        """Write all raw measurements into the run's folder."""
        folders = (self.scratch / part.name for part in self.request.parts)
        samples = [path for folder in folders for path in collect.samples_of(folder)]
        collect.write_samples(samples, self.folder.path / "samples.parquet")

    def _record(self, number: int, part: Part) -> EnvironmentRecord:
        self.journal.note(part.name, "running")
        own = _prepared(self.scratch / part.name, part.notebooks)
        tell = _teller(number, len(self.request.parts), part, self.observe)
        watched = watch(own, part.spec, stop=self.stop, observe=tell, command=self.worker)
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


def _teller(number: int, parts: int, part: Part, observe: Callable[[Stage], None]) -> Callable[[Progress], None]:
    tasks = part.spec.tasks
    cells = max(1, sum(task.cells for task in tasks))

    def tell(progress: Progress) -> None:
        before = sum(task.cells for task in tasks[: len(progress.outcomes)])
        under_way = progress.cell if len(progress.outcomes) < len(tasks) else 0
        fraction = min(1.0, (before + under_way) / cells)
        observe(Stage(part.name, progress.notebook, (number + fraction) / parts))

    return tell


def _results(request: Request, run_id: str, started: str, records: dict[str, EnvironmentRecord], stop: Stop) -> Results:
    verdict = run_verdict(records.values())
    facts = Run(
        id=run_id,
        started=started,
        finished=utc_now(),
        profile=request.profile,
        notebooks=[notebook.name for notebook in request.notebooks],
        parameters=request.parameters,
        command=request.command,
        host=this_host(),
        commit=commit(),
    )
    code = 128 + stop.signum if stop.signum else EXIT_CODES[verdict]
    together = records.pop(TOGETHER, None)
    return Results(run=facts, verdict=verdict, exit_code=code, environments=records, together=together)
