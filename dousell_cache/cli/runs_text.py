"""What ``dousell-cache runs`` prints: lines for people, documents for programs. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..measure.stats import Interval
from ..reporting.formatting import LABELS, duration, seconds_between, unit_of, when
from ..reporting.index import word_of
from ..reporting.listing import Entry, EnvironmentSummary
from ..reporting.record import EnvironmentRecord, Results
from ..reporting.retention import Judged
from ..reporting.tables import Table, interval, number, verdict_table
from ..reporting.templating import WORDS
from ..reporting.trends import MARKS, Trend, Trends

_FIGURES = {"hit_rate": "hit rate", "p95_ms": "P95", "speedup": "speedup"}


def list_json(out: str, chosen: Sequence[tuple[Entry, Trends]]) -> str:
    """Return the list of runs as the JSON document of ``runs list``."""
    runs = [_run_document(run, moved) for run, moved in chosen]
    return json.dumps({"schema": "dousell-cache/runs", "version": 1, "out": out, "runs": runs}, indent=2)


def _run_document(run: Entry, moved: Trends) -> dict[str, Any]:
    summary = run.summary
    facts = summary.run if summary else None
    found = summary.parts.items() if summary else ()
    return {
        "id": run.id,
        "started": run.started or None,
        "state": run.state,
        "reason": run.reason or None,
        "verdict": summary.verdict if summary else None,
        "exit_code": summary.exit_code if summary else None,
        "profile": facts.profile if facts else None,
        "host": (facts.host.id or None) if facts else None,
        "commit": facts.commit if facts else None,
        "environments": {name: _environment_document(record, moved.get(name, {})) for name, record in found},
    }


def _environment_document(record: EnvironmentSummary, moved: Mapping[str, Trend]) -> dict[str, Any]:
    return {
        "status": record.status,
        "verdict": record.verdict,
        "emulated": record.emulated,
        "figures": msgspec.to_builtins(record.figures),
        "verdicts": record.verdicts,
        "trends": dict(moved),
    }


def list_text(out: str, chosen: Sequence[tuple[Entry, Trends]]) -> str:
    """Return the list of runs as a table with a line for each environment."""
    rows = [row for run, moved in chosen for row in _rows(run, moved)]
    caption = f"{len(chosen)} run{'' if len(chosen) == 1 else 's'} in {out}, newest first"
    headers = ("run", "when (UTC)", "verdict", "environment", *_FIGURES.values(), "")
    return _table(Table(caption, headers, rows))


def _table(table: Table) -> str:
    return "\n".join(line.rstrip() for line in repr(table).splitlines())


def _rows(run: Entry, moved: Trends) -> Iterator[tuple[str, ...]]:
    named = (run.id, run.started[:16].replace("T", " "), word_of(run))
    if not run.summary:
        yield (*named, "", *("" for _ in _FIGURES), run.reason)
        return
    for name, record in run.summary.parts.items():
        notes = [run.summary.run.profile, *(["emulated"] if record.emulated else [])]
        notes += [] if record.status == "ok" else [record.status]
        yield (*named, name, *_figures(record, moved.get(name, {})), ", ".join(notes))
        named = ("", "", "")


def _figures(record: EnvironmentSummary, moved: Mapping[str, Trend]) -> Iterator[str]:
    for figure in _FIGURES:
        seen = record.figures.get(figure)
        yield f"{number(seen.value, unit_of(figure))} {MARKS[moved.get(figure, 'unknown')]}" if seen else "–"


def show_text(results: Results, page: Path) -> str:
    """Return one run in lines: its facts, then a table for each environment."""
    facts, host = results.run, results.run.host
    took = duration(seconds_between(facts.started, facts.finished))
    lines = [
        f"run {facts.id}: {'stopped' if results.exit_code > 128 else WORDS[results.verdict]}",
        f"{when(facts.started)}, {took}, profile {facts.profile}",
        f"{host.system}, {host.machine}, {host.cpus} cores, Python {host.python}; commit {facts.commit or 'unknown'}",
        f"$ {facts.command}",
        *(line for name, record in results.parts.items() for line in _environment_lines(name, record)),
        "",
        f"page: {page}",
    ]
    return "\n".join(lines)


def _environment_lines(name: str, record: EnvironmentRecord) -> Iterator[str]:
    yield ""
    yield f"{name}: {record.verdict}" + (f": {record.reason}" if record.reason else "")
    yield from (f"emulated: {line}" for line in record.emulated)
    results = [notebook.result for notebook in record.notebooks.values() if notebook.result]
    verdicts = [verdict for result in results for verdict in result.verdicts]
    if verdicts:
        table = verdict_table(verdicts)
        yield _table(Table(f"{record.samples:,} measurements", table.headers, table.rows))
    elif record.figures:
        yield _figure_table(f"{record.samples:,} measurements, without a target", record.figures)
    for row in (row for result in results for row in result.compared):
        yield _figure_table(
            f"{row.environment}, compared{f', in doubt: {row.doubt}' if row.doubt else ''}", row.figures
        )


def _figure_table(caption: str, figures: Mapping[str, Interval]) -> str:
    rows = [
        (LABELS.get(name, name), number(one.value, unit_of(name)), interval(one, unit_of(name)), f"{one.samples:,}")
        for name, one in figures.items()
    ]
    return _table(Table(caption, ("figure", "measured", "95 % interval", "samples"), rows))


def pruned_json(out: str, judged: Sequence[Judged], *, dry_run: bool) -> str:
    """Return what became of each run as the JSON document of ``runs prune``."""
    runs = [{"id": one.run.id, "removed": one.removed, "why": one.why.partition(": ")[2]} for one in judged]
    head = {"schema": "dousell-cache/runs-prune", "version": 1, "out": out, "dry_run": dry_run}
    return json.dumps({**head, "runs": runs}, indent=2)


def pruned_text(out: str, judged: Sequence[Judged], *, dry_run: bool) -> str:
    """Return what went, what stays, and each run for which that is not plain from the limits."""
    gone = sum(one.removed for one in judged)
    word = "would be removed" if dry_run else "removed"
    told = [one for one in judged if one.removed or one.why != "kept: within both limits"]
    head = f"{gone} {word}, {len(judged) - gone} kept in {out}"
    return "\n".join([head, *(f"  {one.run.id}  {one.why}" for one in told)])
