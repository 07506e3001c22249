"""What the tests of reports share: small notebooks, made-up results, and what a browser would make of a page."""

import sys
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import nbformat

from dousell_cache.measure.kpis import KPIS, alerts, judge
from dousell_cache.measure.result import Host, LatencyRow, Result
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.record import (
    EXIT_CODES,
    EnvironmentRecord,
    NotebookRecord,
    Results,
    Run,
    RunStatus,
    State,
    Status,
    encode,
    environment_verdict,
    run_verdict,
)

v4: Any = nbformat.v4  # typed in part only
NAME = "01_measure_cache_aside"
STARTED = "2026-11-22T19:30:00+00:00"
HOST = Host(system="Linux 6.1", machine="x86_64", cpus=2, python="3.11.7", versions={"redis": "8.1.0"})
GOOD = {"hit_rate": Interval(0.9715, 0.951, 0.983, 2000), "p95_ms": Interval(4.462, 2.7, 9.81, 2000)}
BAD = {"hit_rate": Interval(0.6234, 0.60, 0.65, 2000), "p95_ms": Interval(4.462, 2.7, 9.81, 2000)}
VAGUE = {"hit_rate": Interval(0.9512, None, None, 4), "p95_ms": Interval(48.1, 40.0, 61.0, 60)}


def worker(preflight: str) -> list[str]:
    """Return the command of a worker whose preflight is this Python expression over ``environment``."""
    program = (
        "import sys, pathlib\n"
        "from dousell_cache.reporting.worker import watched\n"
        f"watched(pathlib.Path(sys.argv[1]), lambda environment: {preflight})"
    )
    return [sys.executable, "-P", "-c", program]


def write_notebook(path: Path, *cells: str, parameters: str = "") -> Path:
    """Write a notebook of code cells, under a title, after a parameters cell if there are parameters."""
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(f"# About {path.stem}\n\nSome *prose*.")])
    if parameters:
        notebook.cells.append(v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    notebook.cells += [v4.new_code_cell(cell) for cell in cells]
    save(notebook, path)
    return path


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(v4.writes(notebook), "utf-8")


def made_up(
    environments: Mapping[str, EnvironmentRecord],
    *,
    exit_code: int | None = None,
    run_id: str = "20261122T193000Z-3f2a",
    started: str = STARTED,
) -> Results:
    """Return the results of a run that never was."""
    run = Run(
        id=run_id,
        started=started,
        finished="2026-11-22T19:31:05+00:00",
        profile="quick",
        notebooks=[NAME],
        parameters={NAME: {"environment": "local", "requests": None, "ttl": 300.0}},
        command="dousell-cache report --env local,vercel -p 'ttl=<300>'",
        host=HOST,
        commit="0123456789abcdef0123456789abcdef01234567-dirty",
    )
    verdict = run_verdict(environments.values())
    code = EXIT_CODES[verdict] if exit_code is None else exit_code
    return Results(run=run, verdict=verdict, exit_code=code, environments=dict(environments))


def measured(
    figures: Mapping[str, Interval], *, emulated: Sequence[str] = (), host: str = "", started: str = STARTED
) -> EnvironmentRecord:
    """Return the record of an environment whose one notebook published these figures, perhaps on a known machine."""
    result = Result(
        notebook=NAME,
        environment="any",
        cache="redis://127.0.0.1:6379",
        origin="Supabase",
        emulated=list(emulated),
        started=started,
        host=msgspec.structs.replace(HOST, id=host),
        seconds=20.0,
        parameters={},
        figures={**figures, "speedup": Interval(12.34, 10.1, 15.2, 40)},
        latency=[
            LatencyRow("origin alone", 40, 322.1, 318.7, 402.9),
            LatencyRow("hit", 1943, 1.5, 1.337, 2.974),
            LatencyRow("miss", 57, 330.5, 312.3, 364.8),
            LatencyRow("all reads", 2000, 11.1, 1.371, 4.462),
        ],
        verdicts=[judge(KPIS[name], figure) for name, figure in figures.items()],
    )
    notebooks = {NAME: NotebookRecord(status="ok", seconds=22.5, result=result)}
    return EnvironmentRecord(
        status="ok",
        reason=None,
        verdict=environment_verdict("ok", [result]),
        emulated=list(emulated),
        figures=result.figures,
        samples=2040,
        notebooks=notebooks,
        alerts=alerts(result.verdicts),
    )


def failed(status: Status, reason: str) -> EnvironmentRecord:
    """Return the record of an environment where nothing was found out."""
    notebook = NotebookRecord(status="not_run" if status == "unreachable" else status, seconds=3.0, reason=reason)
    return EnvironmentRecord(
        status=status,
        reason=reason,
        verdict=environment_verdict(status, []),
        emulated=[],
        figures={},
        samples=0,
        notebooks={NAME: notebook},
    )


def many(out: Path, p95_ms: Sequence[float], *, environments: Sequence[str] = ("local",)) -> list[Results]:
    """Leave a run a day on one machine, each with its P95 and a hit rate that stays; return them, oldest first."""
    left = []
    for day, value in enumerate(p95_ms, start=1):
        started = f"2026-10-{day:02d}T06:00:00+00:00"
        figures = {**GOOD, "p95_ms": Interval(value, value * 0.9, value * 1.1, 2000)}
        records = {name: measured(figures, host="5f0c81a9be77", started=started) for name in environments}
        left.append(made_up(records, run_id=f"202610{day:02d}T060000Z-{day:04x}", started=started))
        finished(out, left[-1])
    return left


def finished(out: Path, results: Results) -> Path:
    """Leave a finished run in the folder of all runs, and return its own."""
    folder = out / results.run.id
    folder.mkdir()
    (folder / "results.json").write_bytes(encode(results))
    return folder


def unfinished(out: Path, run_id: str, state: State, pid: int) -> Path:
    """Leave an unfinished run in the folder of all runs, and return its own."""
    folder = out / f".{run_id}.partial"
    folder.mkdir()
    started = "2026-11-22T19:30:00+00:00"
    status = RunStatus(id=run_id, state=state, environments={}, pid=pid, started=started, reason="No space left")
    (folder / "status.json").write_bytes(encode(status))
    return folder


class Seen(HTMLParser):
    """What a browser makes of a page: its text, its tags, and what it would fetch."""

    _LOADS = ("src", "srcset", "poster", "data", "background", "action", "formaction", "xlink:href")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.styles = ""
        self._in_style = False
        self.feed(page)
        self.close()

    @property
    def fetched(self) -> list[str]:
        """Addresses that a browser would ask for; ``data:`` is no request."""
        wanted = [attrs[name] for _, attrs in self.tags for name in self._LOADS if name in attrs]
        wanted += [
            attrs["href"] for tag, attrs in self.tags if tag in {"link", "base", "use", "image"} and "href" in attrs
        ]
        return [address for address in wanted if not address.startswith(("data:", "#"))]

    @property
    def exact(self) -> list[float]:
        """The exact values of the numbers shown."""
        return [float(attrs["value"]) for tag, attrs in self.tags if tag == "data"]

    def values(self, tag: str, attribute: str) -> list[str]:
        """Return an attribute of every tag of a kind that has it."""
        return [attrs[attribute] for name, attrs in self.tags if name == tag and attribute in attrs]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """Note that a style sheet ends."""
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Note text, apart from style sheets."""
        if self._in_style:
            self.styles += data
        else:
            self.text += data
