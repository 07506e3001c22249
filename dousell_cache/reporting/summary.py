"""A run in a few lines of Markdown, for the page that GitHub Actions shows of a job. Pure but for the writing."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..measure.kpis import Verdict
from .record import EnvironmentRecord, Results
from .tables import MARKS, interval, seen, target

_HEADERS = ("environment", "KPI", "target", "measured", "95 % interval", "samples", "verdict")


def append(path: Path, results: Results, page: str, environ: Mapping[str, str]) -> None:
    """Put a run's summary behind what a file holds already.

    Args:
        path: the file, such as that of ``GITHUB_STEP_SUMMARY``.
        results: the run's.
        page: where its page is.
        environ: tells, on GitHub, where the job's artefacts are.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write(markdown(results, page, _artefacts(environ)))


def markdown(results: Results, page: str, artefacts: str = "") -> str:
    """Return a run's verdict, targets, alerts and failures.

    Args:
        results: the run's.
        page: where its page is.
        artefacts: the address of the job that keeps it; empty where there is none.
    """
    kept = f", among the [artefacts of this job]({artefacts})" if artefacts else ""
    lines = [f"## dousell-cache: {results.verdict}", "", *_table(results), *_remarks(results)]
    return "\n".join([*lines, f"Page: `{page}`{kept}.", "", ""])


def _artefacts(environ: Mapping[str, str]) -> str:
    server, repository, run = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}#artifacts" if server and repository and run else ""


def _table(results: Results) -> list[str]:
    rows = [_row(name, verdict) for name, part in results.parts.items() for verdict in _verdicts(part)]
    if not rows:
        return []
    return [f"| {' | '.join(_HEADERS)} |", f"|{'---|' * len(_HEADERS)}", *rows, ""]


def _verdicts(part: EnvironmentRecord) -> Iterator[Verdict]:
    for notebook in part.notebooks.values():
        yield from notebook.result.verdicts if notebook.result else ()


def _row(environment: str, verdict: Verdict) -> str:
    figure, kpi = verdict.figure, verdict.kpi
    cells = (kpi.label, target(kpi), seen(verdict), interval(figure, kpi.unit), f"{figure.samples:,}")
    return f"| {environment} | {' | '.join(map(_plain, cells))} | {MARKS[verdict.word]} {verdict.word} |"


def _remarks(results: Results) -> Iterator[str]:
    remarks = []
    for name, part in results.parts.items():
        remarks += [f"- **{name}: {part.status}**: {_plain(part.reason)}"] if part.reason else []
        remarks += [f"- **{name}: ALERT** for {_plain(alert.kpi.label)}" for alert in part.alerts]
        remarks += [f"- {name}: emulated: {_plain(line)}" for line in part.emulated]
    yield from [*remarks, ""] if remarks else []


def _plain(text: str) -> str:
    """Return a text that no Markdown can be made of."""
    escaped = "".join(f"\\{letter}" if letter in r"\`*_[]<>|" else letter for letter in text)
    return " ".join(escaped.split())
