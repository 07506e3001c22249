"""What the page over all runs draws: figures over runs alike, and which runs were worse than usual. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..measure.kpis import Kpi
from ..measure.stats import Interval
from .charts import Plot
from .series import Measured, judged
from .wording import Wording

WINDOW = 60
"""Runs that a drawing shows, and in which regressions are looked for: the newest."""

WIDTH, HEIGHT = 340.0, 96.0

Regressions = Mapping[tuple[str, str], list[str]]
"""The figures that were worse than usual, by a run's folder and environment."""


@dataclass(frozen=True)
class Card:
    """One figure in one environment over runs alike.

    Args:
        kpi: its target.
        label: what it is called.
        environment: where it was measured.
        notebook: what measured it.
        profile: ``quick`` or ``full``.
        host: what tells the machine from others.
        emulated: whether a part was imitated.
        runs: how many are drawn.
        latest: the newest.
        link: the page of the newest.
        word: the newest's verdict.
        plot: the drawing.
        regressed: the places in the drawing of the runs that were worse than usual.
        told: what the drawing shows, with its numbers.
    """

    kpi: Kpi
    label: str
    environment: str
    notebook: str
    profile: str
    host: str
    emulated: bool
    runs: int
    latest: str
    link: str
    word: str
    plot: Plot
    regressed: Sequence[int]
    told: str


def cards(series: Sequence[Sequence[Measured]], wording: Wording) -> list[Card]:
    """Return a card for each figure that has a target; of measurements that changed their parameters, the newest kind.

    Args:
        series: measurements that are alike together, each oldest first.
        wording: of the page.
    """
    newest: dict[tuple[str, ...], Sequence[Measured]] = {}
    for those in sorted(series, key=lambda those: those[-1].found.started):
        last = those[-1]
        newest[last.environment, last.found.notebook, last.profile, last.host] = those
    found = [card for those in newest.values() for card in _cards(those[-WINDOW:], wording)]
    return sorted(found, key=lambda card: (card.notebook, card.environment, card.host, card.profile))


def regressions(series: Sequence[Sequence[Measured]]) -> Regressions:
    """Return which figures of which runs were worse than the runs before would have led one to expect."""
    worse: dict[tuple[str, str], list[str]] = {}
    for those in series:
        for one, pasts in zip(those[-WINDOW:], judged(those[-WINDOW:]), strict=True):
            names = [past.name for past in pasts.values() if past.word == "regressed"]
            if names:
                worse.setdefault((one.folder, one.environment), []).extend(names)
    return worse


def _cards(those: Sequence[Measured], wording: Wording) -> list[Card]:
    pasts = judged(those)
    return [
        _card(kpi, those, [past[name].word for past in pasts if name in past], wording)
        for name, kpi in those[-1].found.kpis.items()
    ]


def _card(kpi: Kpi, those: Sequence[Measured], words: Sequence[str], wording: Wording) -> Card:
    having = [one for one in those if kpi.name in one.found.kpis and kpi.name in one.found.figures]
    figures = [one.found.figures[kpi.name] for one in having]
    worse = [place for place, word in enumerate(words) if word == "regressed"]
    last = having[-1]
    return Card(
        kpi=kpi,
        label=wording.kpi(kpi),
        environment=last.environment,
        notebook=last.found.notebook,
        profile=last.profile,
        host=last.host,
        emulated=bool(last.found.emulated),
        runs=len(having),
        latest=wording.number(figures[-1].value, kpi.unit),
        link=f"{last.folder}/index.html",
        word=next(verdict.word for verdict in last.found.verdicts if verdict.kpi.name == kpi.name),
        plot=Plot(figures, WIDTH, HEIGHT, kpi.target if kpi.direction != "none" else None),
        regressed=worse,
        told=_told(kpi, having, figures, _told_trend(kpi, having, figures, words, wording), wording),
    )


def _told(kpi: Kpi, having: Sequence[Measured], figures: Sequence[Interval], trend: str, wording: Wording) -> str:
    values = [figure.value for figure in figures]
    first, last, low, high = (
        wording.number(value, kpi.unit) for value in (values[0], values[-1], min(values), max(values))
    )
    return wording.plain(
        "index.drawn" if len(values) > 1 else "index.drawn_one",
        label=wording.kpi(kpi),
        environment=having[-1].environment,
        n=len(values),
        first=first,
        last=last,
        low=low,
        high=high,
        target=wording.target(kpi),
        regressions=trend,
    )


def _told_trend(
    kpi: Kpi, having: Sequence[Measured], figures: Sequence[Interval], words: Sequence[str], wording: Wording
) -> str:
    """Say which runs were worse than usual; where no run had enough others before it, that nobody can tell."""
    worse = [place for place, word in enumerate(words) if word == "regressed"]
    if not {"improved", "regressed", "within"} & set(words):
        return wording.count("index.trendless_", len(having))
    if not worse:
        return wording.plain("index.no_regression")
    when, value = wording.moment(having[worse[-1]].found.started), wording.number(figures[worse[-1]].value, kpi.unit)
    run = wording.plain("index.regressed_run", when=when, value=value)
    return wording.plain(f"index.regressions_{'one' if len(worse) == 1 else 'many'}", n=len(worse), runs=run)
