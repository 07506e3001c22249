"""A run's page: one HTML file that needs nothing from outside and shows the numbers of ``results.json``.

It is made from the results and the kept notebooks alone, so a page can always be made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from .. import __version__
from ..check import Step
from ..measure.kpis import Verdict
from ..measure.result import LatencyRow, Result
from ..measure.stats import Interval
from . import formatting, prose, tables
from .charts import LogScale, bullet
from .record import TOGETHER, EnvironmentRecord, NotebookRecord, Results, RunVerdict

WORDS: Mapping[RunVerdict, str] = {
    "pass": "pass",
    "fail": "fail",
    "inconclusive": "inconclusive",
    "error": "failed to run",
    "unreachable": "unreachable",
}
_HINTS = {
    "hit_rate": "Usual causes: entries that expire before they are asked for again, more different pages than reads to "
    "fill them, or a run so short that the cold start weighs.",
    "p50_ms": "Usual causes: more than half of the reads miss, or the cache is far from where this ran.",
    "p95_ms": "Usual causes: more than one read in twenty waits for the origin, so look at the hit rate first; else a "
    "busy machine.",
    "double_payments": "This must not happen at all: the run's seed repeats it. See which guard let it through.",
    "double_bookings": "This must not happen at all: the run's seed repeats it. See which guard let it through.",
}
_NOT_FAILED = {"ok", "not_run"}


@dataclass(frozen=True)
class Chapter:
    """One notebook in one environment, as the page shows it.

    Args:
        name: the notebook's.
        title: its own heading.
        record: what became of it.
        html: its content; empty when none was kept.
    """

    name: str
    title: str
    record: NotebookRecord
    html: Markup


@dataclass(frozen=True)
class Section:
    """One environment, as the page shows it.

    Args:
        name: the environment's, or ``together``.
        record: what was found there.
        chapters: its notebooks, the failed ones first.
    """

    name: str
    record: EnvironmentRecord
    chapters: list[Chapter]

    @property
    def results(self) -> list[Result]:
        """What its notebooks published."""
        return [chapter.record.result for chapter in self.chapters if chapter.record.result]

    @property
    def verdicts(self) -> list[Verdict]:
        """Every figure against its target."""
        return [verdict for result in self.results for verdict in result.verdicts]

    @property
    def latency(self) -> list[LatencyRow]:
        """Every way of being answered."""
        return [row for result in self.results for row in result.latency]

    @property
    def steps(self) -> list[Step]:
        """The connection test."""
        return [step for result in self.results for step in result.steps]

    @property
    def doubts(self) -> list[str]:
        """Which of the environments that were compared are in doubt, and why."""
        return [f"{row.environment}: {row.doubt}" for one in self.results for row in one.compared if row.doubt]

    @property
    def cache(self) -> str:
        """Where the cache is, as the notebooks found it."""
        return next((result.cache for result in reversed(list(self.results))), "")

    @property
    def distance(self) -> str:
        """How far away the cache is, in words; empty where nobody measured it."""
        places = (result.place for result in reversed(self.results) if result.place)
        return next((formatting.distance(place) for place in places if place.rtt_floor_ms is not None), "")

    @property
    def origin(self) -> str:
        """What the loaders read."""
        return next((result.origin for result in self.results if result.origin), "")


def render(results: Results, folder: Path) -> str:
    """Return the page of a run.

    Args:
        results: what was found.
        folder: the run's, where ``notebooks/<environment>/<name>.ipynb`` are.
    """
    sections = [_section(name, record, folder) for name, record in results.environments.items()]
    together = [_section(TOGETHER, results.together, folder)] if results.together else []
    return (
        templates()
        .get_template("run.html.j2")
        .render(
            results=results,
            sections=sections,
            together=together,
            places=_places(results),
            headline=headline(results, sections),
            figures=_compared(results),
            ways=_ways(sections),
            scale=LogScale(row for section in sections for row in section.latency),
            has_samples=any(record.samples for record in results.parts.values()),
        )
    )


@cache
def templates() -> jinja2.Environment:
    """Return the page templates with what they call."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        words=WORDS,
        labels=formatting.LABELS,
        hints=_HINTS,
        bullet=bullet,
        number=tables.number,
        interval=tables.interval,
        target=tables.target,
        seen=tables.seen,
        when=formatting.when,
        duration=formatting.duration,
        seconds_between=formatting.seconds_between,
        unit_of=formatting.unit_of,
        version=__version__,
    )
    return environment


def headline(results: Results, sections: list[Section]) -> str:
    """Say in a few words what the run found."""
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    missed = sum(verdict.word == "fail" for verdict in verdicts)
    if results.exit_code > 128:
        return "The run was stopped"
    match results.verdict:
        case "pass":
            steps = any(section.steps for section in sections)
            return "Every target is met" if verdicts else "The connection test passed" if steps else "Measured"
        case "fail":
            return f"{missed} of {len(verdicts)} targets missed" if missed else "The connection test failed"
        case "inconclusive":
            if results.together and results.together.verdict == "inconclusive":
                return "What was compared is in doubt"
            return "Too few measurements to say" if verdicts else "Nothing was judged"
        case "unreachable":
            gone = [name for name, record in results.environments.items() if record.verdict == "unreachable"]
            return f"{' and '.join(gone)} could not be reached"
        case "error":
            return "The run failed"


def _places(results: Results) -> list[str]:
    """Return the environments that were asked for, also when they were only compared."""
    records = results.together.notebooks.values() if results.together else ()
    compared = [name for record in records if record.result for name in record.result.environment.split(", ")]
    return list(dict.fromkeys([*results.environments, *compared]))


def _section(name: str, record: EnvironmentRecord, folder: Path) -> Section:
    chapters = [
        _chapter(notebook, kept, folder / "notebooks" / name / f"{notebook}.ipynb")
        for notebook, kept in record.notebooks.items()
    ]
    return Section(name, record, sorted(chapters, key=lambda chapter: chapter.record.status in _NOT_FAILED))


def _chapter(name: str, record: NotebookRecord, path: Path) -> Chapter:
    rendered = prose.render(path, f"{path.parent.name}, {name}") if path.is_file() else prose.Rendered("", "")
    # Made inert by prose.fit_in; what remains are tags, which is what a notebook is here for.
    return Chapter(name, rendered.title or name, record, Markup(rendered.html))  # noqa: S704


def _compared(results: Results) -> list[tuple[str, dict[str, Interval]]]:
    """Return each figure that any environment has, and what it is in each of them."""
    records = results.environments
    names = dict.fromkeys([*formatting.LABELS, *(name for record in records.values() for name in record.figures)])
    rows = (
        (name, {environment: record.figures[name] for environment, record in records.items() if name in record.figures})
        for name in names
    )
    return [(name, by_environment) for name, by_environment in rows if by_environment]


def _ways(sections: list[Section]) -> dict[str, list[tuple[str, LatencyRow]]]:
    """Return each way of being answered with its row in each environment, all reads last."""
    ways: dict[str, list[tuple[str, LatencyRow]]] = {}
    for section in sections:
        for row in section.latency:
            ways.setdefault(row.path, []).append((section.name, row))
    return dict(sorted(ways.items(), key=lambda way: way[0] == "all reads"))
