"""What a run's page is made of: a section for each environment, with its figures, and a chapter for each notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from ..check import Step
from ..measure.kpis import Verdict
from ..measure.place import Place
from ..measure.result import LatencyRow, Result
from . import prose
from .judged import Judged
from .record import EnvironmentRecord, NotebookRecord
from .series import Trend
from .wording import Wording

_NOT_FAILED = {"ok", "not_run"}

Trends = Mapping[tuple[str, str], Mapping[str, Trend]]
"""By environment and notebook, then by figure."""


@dataclass(frozen=True)
class Chapter:
    """One notebook in one environment, as the page shows it.

    Args:
        name: the notebook's.
        title: its own heading.
        record: what became of it.
        html: its content; empty when none was kept, or when it is left to the file beside the page.
        outside: whether that is so.
    """

    name: str
    title: str
    record: NotebookRecord
    html: Markup
    outside: bool = False


@dataclass(frozen=True)
class Section:
    """One environment, as the page shows it.

    Args:
        name: the environment's, or ``together``.
        record: what was found there.
        chapters: its notebooks, the failed ones first.
        trends: its figures over earlier runs, by notebook.
    """

    name: str
    record: EnvironmentRecord
    chapters: list[Chapter]
    trends: Mapping[str, Mapping[str, Trend]] = field(default_factory=dict)

    @property
    def results(self) -> list[Result]:
        """What its notebooks published."""
        return [chapter.record.result for chapter in self.chapters if chapter.record.result]

    @property
    def judged(self) -> list[Judged]:
        """Every figure that has a target: what is missed first, what is met last."""
        found = [
            Judged(verdict, self.trends.get(result.notebook, {}).get(verdict.kpi.name))
            for result in self.results
            for verdict in result.verdicts
        ]
        return sorted(found, key=lambda one: ("fail", "inconclusive", "pass").index(one.verdict.word))

    @property
    def verdicts(self) -> list[Verdict]:
        """Every figure against its target."""
        return [one.verdict for one in self.judged]

    def told_of(self, verdict: Verdict) -> Result:
        """Return the result that a verdict is from."""
        return next(result for result in self.results if verdict in result.verdicts)

    @property
    def latency(self) -> list[LatencyRow]:
        """Every way of being answered."""
        return [row for result in self.results for row in result.latency]

    @property
    def doubts(self) -> list[str]:
        """Which of the environments that were compared are in doubt, and why."""
        return [f"{row.environment}: {row.doubt}" for one in self.results for row in one.compared if row.doubt]

    @property
    def steps(self) -> list[Step]:
        """The connection test."""
        return [step for result in self.results for step in result.steps]

    @property
    def passed(self) -> int:
        """How many steps of it passed."""
        return sum(step.passed for step in self.steps)

    @property
    def cache(self) -> str:
        """Where the cache is, as the notebooks found it."""
        return next((result.cache for result in reversed(self.results)), "")

    @property
    def place(self) -> Place | None:
        """How far away the cache is; None where nobody measured it."""
        places = (result.place for result in reversed(self.results) if result.place)
        return next((place for place in places if place.rtt_floor_ms is not None), None)

    @property
    def origin(self) -> str:
        """What the loaders read."""
        return next((result.origin for result in self.results if result.origin), "")


def section(
    name: str, record: EnvironmentRecord, folder: Path, wording: Wording, trends: Trends, *, chapters: bool = True
) -> Section:
    """Return an environment's section.

    Args:
        name: the environment's, or ``together``.
        record: what was found there.
        folder: the run's.
        wording: of the page.
        trends: of all environments.
        chapters: whether what the notebooks showed is wanted; default yes.
    """
    paths = {notebook: folder / "notebooks" / name / f"{notebook}.ipynb" for notebook in record.notebooks}
    found = [
        _chapter(notebook, kept, paths[notebook], wording) if chapters else Chapter(notebook, notebook, kept, Markup())
        for notebook, kept in record.notebooks.items()
    ]
    own = {notebook: figures for (environment, notebook), figures in trends.items() if environment == name}
    return Section(name, record, sorted(found, key=lambda chapter: chapter.record.status in _NOT_FAILED), own)


def within(sections: list[Section], budget: int) -> list[Section]:
    """Return sections whose chapters together are no larger than a page may be; the others are left to their files.

    What failed comes first, then the first environments and notebooks: whoever is given too little sees what matters.

    Args:
        sections: of the page.
        budget: bytes of HTML that all chapters together may take.
    """
    chapters = [(place, chapter) for place, one in enumerate(sections) for chapter in one.chapters]
    kept: set[tuple[int, str]] = set()
    for place, chapter in sorted(chapters, key=lambda pair: pair[1].record.status in _NOT_FAILED):
        size = len(chapter.html.encode())
        if size <= budget:
            kept.add((place, chapter.name))
            budget -= size
    return [_without(one, {name for where, name in kept if where == place}) for place, one in enumerate(sections)]


def _without(one: Section, kept: set[str]) -> Section:
    chapters = [
        chapter
        if chapter.name in kept
        else Chapter(chapter.name, chapter.title, chapter.record, Markup(), outside=True)
        for chapter in one.chapters
    ]
    return Section(one.name, one.record, chapters, one.trends)


def _chapter(name: str, record: NotebookRecord, path: Path, wording: Wording) -> Chapter:
    rendered = prose.render(path, f"{path.parent.name}, {name}", wording) if path.is_file() else prose.Rendered("", "")
    # Made inert by prose.fit_in; what remains are tags, which is what a notebook is here for.
    return Chapter(name, rendered.title or name, record, Markup(rendered.html))  # noqa: S704
