"""A run's page: one HTML file that needs nothing from outside and shows the numbers of ``results.json``.

It is made from the results, the kept notebooks and, for trends, the earlier runs of the same folder, so a page can
always be made again.
"""

from pathlib import Path

from ..languages import Language
from ..measure.history import FEWEST
from ..measure.kpis import Verdict
from ..measure.result import LatencyRow
from ..measure.stats import Interval
from . import formatting
from .charts import LogScale
from .judged import told_tally
from .record import TOGETHER, Results
from .sections import Section, section, within
from .series import trends
from .templating import templates
from .wording import Wording

BUDGET = 500_000
"""Bytes that a page should have at most: it is mailed, and opened on telephones."""


def render(results: Results, folder: Path, language: Language = "en") -> str:
    """Return the page of a run.

    Args:
        results: what was found.
        folder: the run's, where ``notebooks/<environment>/<name>.ipynb`` are; the earlier runs are beside it.
        language: of the page, the prose of this suite's notebooks included; default English, which they are written in.
    """
    wording, known = Wording(language), trends(results, folder.parent)
    parts = [section(name, record, folder, wording, known) for name, record in results.parts.items()]
    html = _rendered(results, parts, wording)
    if len(html.encode()) <= BUDGET:
        return html
    chapters = sum(len(chapter.html.encode()) for part in parts for chapter in part.chapters)
    return _rendered(results, within(parts, BUDGET - (len(html.encode()) - chapters)), wording)


def _rendered(results: Results, parts: list[Section], wording: Wording) -> str:
    sections = [part for part in parts if part.name != TOGETHER]
    return (
        templates(wording.language)
        .get_template("run.html.j2")
        .render(
            results=results,
            sections=sections,
            together=[part for part in parts if part.name == TOGETHER],
            places=_places(results),
            headline=headline(results, sections, wording),
            figures=_compared(results),
            ways=_ways(sections),
            scale=LogScale(row for part in sections for row in part.latency),
            samples=sum(record.samples for record in results.parts.values()),
            budget=BUDGET // 1000,
            fewest=FEWEST,
        )
    )


def headline(results: Results, sections: list[Section], wording: Wording) -> str:
    """Say in a few words what the run found."""
    verdicts = [verdict for part in sections for verdict in part.verdicts]
    missed = sum(verdict.word == "fail" for verdict in verdicts)
    if results.exit_code > 128:
        return wording.plain("headline.stopped")
    if results.verdict == "fail" and missed:
        return told_tally([verdict.word for verdict in verdicts], wording)
    if results.verdict == "unreachable":
        gone = [name for name, record in results.environments.items() if record.verdict == "unreachable"]
        return wording.plain("headline.unreachable", names=wording.plain("headline.and").join(gone))
    steps = any(part.steps for part in sections)
    return wording.plain(f"headline.{_found(results, verdicts, connected=steps)}")


def _found(results: Results, verdicts: list[Verdict], *, connected: bool) -> str:
    """Return what was found where no target was missed and everything could be reached."""
    match results.verdict:
        case "pass":
            return "pass" if verdicts else "connected" if connected else "measured"
        case "measured":
            return "measured"
        case "fail":
            return "disconnected"
        case "inconclusive":
            if results.together and results.together.verdict == "inconclusive":
                return "doubted"
            if any(verdict.doubt for verdict in verdicts):
                return "disturbed"
            return "inconclusive"
    return "error"


def _places(results: Results) -> list[str]:
    """Return the environments that were asked for, also when they were only compared."""
    records = results.together.notebooks.values() if results.together else ()
    compared = [name for record in records if record.result for name in record.result.environment.split(", ")]
    return list(dict.fromkeys([*results.environments, *compared]))


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
    for part in sections:
        for row in part.latency:
            ways.setdefault(row.path, []).append((part.name, row))
    return dict(sorted(ways.items(), key=lambda way: way[0] == "all reads"))
