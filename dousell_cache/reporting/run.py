"""A run: each environment in a process of its own, and one folder that tells what came of it.

One after the other, unless asked otherwise, because two measurements on one machine disturb each other's figures.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..measure.provenance import commit
from ..measure.result import this_host, utc_now
from . import index, page
from .folder import RunFolder, writing
from .journal import Journal
from .measuring import Measuring, Stage
from .record import EXIT_CODES, TOGETHER, EnvironmentRecord, Results, Run, encode, run_verdict
from .redact import redacted, redactor
from .request import Request
from .spec import write_atomically
from .stopping import Stop, Watch, stop_requests
from .supervise import WORKER


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
    watches: Sequence[Watch] = (),
) -> Finished:
    """Execute notebooks in environments and write the report.

    SIGTERM, SIGINT and the watches end the measuring; what there is by then is reported, and a second signal changes
    nothing.

    Args:
        request: what to do.
        out: the folder of all runs.
        observe: told how far it is, ten times a second.
        worker: starts the process of one environment, see :func:`.supervise.watch`.
        watches: what may end the run before its time, such as :func:`.stopping.time_limit`.

    Returns:
        What was found and where it is written.

    Raises:
        ConfigurationError: ``out`` cannot be written.
        ReportNotWritten: it could at first, and then no more.
    """
    folder = RunFolder(out)
    journal = Journal(folder, [part.name for part in request.parts])
    try:
        with writing(), stop_requests(watches) as stop:
            journal.write()
            (folder.path / "notebooks").mkdir()
            with tempfile.TemporaryDirectory(prefix="dousell-", ignore_cleanup_errors=True) as scratch:
                way = Measuring(request, folder, journal, stop, observe, worker, Path(scratch).resolve())
                records = way.records()
                way.keep_samples()
            results = redacted(_results(request, folder.id, journal.status.started, records, stop), redactor())
            write_atomically(folder.path / "results.json", encode(results))
            write_atomically(folder.path / "index.html", page.render(results, folder.path, request.language).encode())
            reason = stop.halt.reason if stop.halt else None
            journal.end("interrupted" if stop.halt else "finished", results.exit_code, reason)
            folder.complete()
            index.write(out, request.language)
    except BaseException as error:
        with suppress(OSError):  # the disk may be the very reason
            journal.end("failed", EXIT_CODES["error"], redactor()(str(error)))
        raise
    return Finished(results, folder.final)


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
        parallel=request.parallel and len(request.environments) > 1,
    )
    code = 128 + stop.signum if stop.signum else EXIT_CODES[verdict]
    together = records.pop(TOGETHER, None)
    return Results(run=facts, verdict=verdict, exit_code=code, environments=records, together=together)
