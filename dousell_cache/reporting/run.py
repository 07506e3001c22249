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
from .record import EXIT_CODES, EnvironmentRecord, Results, Run, encode, run_verdict
from .redact import redactor
from .spec import Progress, Spec, Task, write_atomically
from .stopping import Stop, stop_requests
from .supervise import WORKER, watch

SECONDS = {"quick": 180.0, "full": 3600.0}
"""How long one environment may take by default, by profile: several times what it needs."""

_CELL_SHARE = 0.5  # a cell that hangs must leave time for the notebooks after it


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

    def spec(self, environment: str) -> Spec:
        """Return what the worker of an environment has to do."""
        tasks = [self._task(notebook, environment) for notebook in self.notebooks]
        return Spec(environment, tasks, self.seconds, self.seconds * _CELL_SHARE)

    def _task(self, notebook: Notebook, environment: str) -> Task:
        parameters = dict(self.parameters[notebook.name])
        if "environment" in parameters:
            parameters["environment"] = environment
        injected = 1 if parameters else 0
        return Task(notebook.name, notebook.cells + injected, parameters)


@dataclass(frozen=True)
class Stage:
    """How far a run is, for a progress bar.

    Args:
        environment: under way.
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
    journal = Journal(folder, request.environments)
    try:
        with writing(), stop_requests() as stop:
            journal.write()
            (folder.path / "notebooks").mkdir()
            with tempfile.TemporaryDirectory(prefix="dousell-", ignore_cleanup_errors=True) as scratch:
                way = _Measuring(request, folder, journal, stop, observe, worker, Path(scratch).resolve())
                environments = way.environments()
                way.keep_samples()
            results = _results(request, folder.id, journal.status.started, environments, stop)
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
    """One run's way through its environments.

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

    def environments(self) -> dict[str, EnvironmentRecord]:
        """Go through all environments and return what was found in each."""
        records = {}
        for number, environment in enumerate(self.request.environments):
            spec = self.request.spec(environment)
            records[environment] = collect.not_started(spec) if self.stop() else self._environment(number, spec)
            self.journal.note(environment, records[environment].status)
        return records

    def keep_samples(self) -> None:
        """Write all raw measurements into the run's folder."""
        folders = (self.scratch / environment for environment in self.request.environments)
        samples = [path for folder in folders for path in collect.samples_of(folder)]
        collect.write_samples(samples, self.folder.path / "samples.parquet")

    def _environment(self, number: int, spec: Spec) -> EnvironmentRecord:
        self.journal.note(spec.environment, "running")
        own = _prepared(self.scratch / spec.environment, self.request)
        tell = _teller(number, len(self.request.environments), spec, self.observe)
        watched = watch(own, spec, stop=self.stop, observe=tell, command=self.worker)
        record = collect.environment_record(own, spec, watched, redactor())
        kept = self.folder.path / "notebooks" / spec.environment
        collect.keep_notebooks(own, record.notebooks, kept, redactor())
        return record


def _prepared(own: Path, request: Request) -> Path:
    """Make an environment's folder and return it."""
    for name in ("sources", "executed", "results", "runtime", "settings", "cwd"):
        (own / name).mkdir(parents=True)
    for number, notebook in enumerate(request.notebooks):
        (own / "results" / str(number)).mkdir()
        shutil.copyfile(notebook.path, own / "sources" / f"{number}.ipynb")
    return own


def _teller(number: int, environments: int, spec: Spec, observe: Callable[[Stage], None]) -> Callable[[Progress], None]:
    cells = max(1, sum(task.cells for task in spec.tasks))

    def tell(progress: Progress) -> None:
        before = sum(task.cells for task in spec.tasks[: len(progress.outcomes)])
        under_way = progress.cell if len(progress.outcomes) < len(spec.tasks) else 0
        fraction = min(1.0, (before + under_way) / cells)
        observe(Stage(spec.environment, progress.notebook, (number + fraction) / environments))

    return tell


def _results(
    request: Request, run_id: str, started: str, environments: dict[str, EnvironmentRecord], stop: Stop
) -> Results:
    verdict = run_verdict(environments.values())
    facts = Run(
        id=run_id,
        started=started,
        finished=utc_now(),
        profile=request.profile,
        notebooks=[notebook.name for notebook in request.notebooks],
        parameters=request.parameters,
        command=redactor()(request.command),
        host=this_host(),
        commit=commit(),
    )
    code = 128 + stop.signum if stop.signum else EXIT_CODES[verdict]
    return Results(run=facts, verdict=verdict, exit_code=code, environments=environments)
