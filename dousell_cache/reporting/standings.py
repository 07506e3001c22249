"""What earlier runs say, for somebody who decides: where each target stands, how it moved, and what to do next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from ..environments import NAMES
from ..errors import ConfigurationError
from ..measure.kpis import Kpi, kpis_in_force
from ..measure.stats import Interval
from . import catalog
from .history import COLUMNS, read_runs
from .listing import entries
from .nearest import suggestion
from .tables import MARKS, Table
from .told import Told
from .wording import Wording

_COLUMNS = ("environment", "target", "asked", "measured", "interval", "samples", "verdict", "when")


@dataclass(frozen=True)
class Standing:
    """Where a target stands in one environment, by its newest run.

    Args:
        environment: its name.
        kpi: the target.
        figure: what was measured.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        run: the run's id.
        started: when that run began.
        emulated: whether a part of it was imitated.
    """

    environment: str
    kpi: Kpi
    figure: Interval
    verdict: str
    run: str
    started: pd.Timestamp
    emulated: bool


@dataclass(frozen=True, eq=False)
class Overview:
    """Runs, and what they say together.

    Args:
        runs: a row for each figure of each environment of each run, as :func:`.history.read_runs` has them.
        without: how many runs of the folder are not among them, by the reason, a word of the catalogue.
    """

    runs: pd.DataFrame
    without: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def comparable(self) -> pd.DataFrame:
        """The runs of each environment that are like its newest one: of its profile and its machine."""
        if self.runs.empty:
            return self.runs
        kept = [_like_the_newest(rows) for _, rows in self.runs.groupby("environment", sort=False)]
        return pd.concat(kept, ignore_index=True)

    @cached_property
    def standings(self) -> list[Standing]:
        """Where each target stands in each environment, failed ones first."""
        found = [standing for _, rows in self.comparable.groupby("environment") for standing in _standings(rows)]
        return sorted(found, key=lambda each: (["fail", "inconclusive", "pass"].index(each.verdict), each.environment))

    @property
    def reading(self) -> Told[str]:
        """The whole in a few sentences."""
        return Told(self._read)

    @property
    def next_steps(self) -> Told[str]:
        """What to do next, the most urgent first."""
        return Told(self._listed)

    def _read(self, wording: Wording) -> str:
        if not self.standings:
            return wording.text("overview.none")
        words = [each.verdict for each in self.standings]
        read, known = self.comparable["run"].nunique(), self.runs["run"].nunique()
        without = {"unlike": known - read, **self.without}
        runs = {"read": wording.whole(read), "runs": wording.whole(known + sum(self.without.values()))}
        counts = {"met": words.count("pass"), "all": len(words), "missed": words.count("fail")}
        lines = [wording.text("overview.met", **runs, **counts)]
        told = [wording.text(f"overview.{why}", n=wording.whole(count)) for why, count in without.items() if count]
        lines += [wording.text("overview.left_out", told=", ".join(told))] if told else []
        unsure = words.count("inconclusive")
        lines += [wording.text("overview.unsure", n=unsure)] if unsure else []
        lines += [wording.text("overview.emulated")] if any(each.emulated for each in self.standings) else []
        return "\n".join(lines)

    def _listed(self, wording: Wording) -> str:
        if not self.standings:
            return wording.text("overview.none")
        steps = dict.fromkeys(_steps(self.standings, wording))
        return "\n".join(f"{number_}. {step}." for number_, step in enumerate(steps, 1))


def read_overview(folder: str, environments: str) -> Overview:
    """Read the runs of a folder.

    Args:
        folder: of all runs; empty for the suite's own ``reports``. One that is not there has no runs.
        environments: which to look at, separated by commas.

    Raises:
        ConfigurationError: there is no such environment, or the folder cannot be read.
    """
    names = [name.strip() for name in environments.split(",")]
    for name in names:
        if name not in NAMES:
            message = f'there is no environment "{name}": {suggestion(name, NAMES)}'
            raise ConfigurationError(message)
    path = Path(folder) if folder else catalog.folder().parent / "reports"
    if not path.is_dir():
        return Overview(pd.DataFrame(columns=list(COLUMNS)))
    runs = read_runs(path)
    chosen = runs[runs["environment"].isin(names)].reset_index(drop=True)
    return Overview(chosen, _without(path, set(chosen["run"])))


def _without(path: Path, read: set[str]) -> dict[str, int]:
    """Return how many runs of a folder were not read, by the reason; one that is being written is none yet."""
    others = [run for run in entries(path) if run.id not in read and run.state != "running"]
    reported = sum(run.summary is not None for run in others)
    return {"unmeasured": reported, "unreported": len(others) - reported}


def standing_table(overview: Overview) -> Told[Table]:
    """Show where each target stands."""
    return Told(lambda wording: _table(overview.standings, wording))


def _table(standings: list[Standing], wording: Wording) -> Table:
    cells = [
        (
            wording.text("overview.imitated", name=each.environment) if each.emulated else each.environment,
            wording.kpi(each.kpi),
            wording.target(each.kpi),
            wording.number(each.figure.value, each.kpi.unit),
            wording.interval(each.figure, each.kpi.unit),
            wording.whole(each.figure.samples),
            f"{MARKS[each.verdict]} {wording.text(f'word.{each.verdict}')}",
            f"{each.started:%Y-%m-%d %H:%M}",
        )
        for each in standings
    ]
    headers = [wording.text(f"overview.{column}") for column in _COLUMNS]
    nothing = (wording.text("overview.no_runs"), *("–" for _ in headers[1:]))
    return Table(wording.text("overview.table"), headers, cells or [nothing])


def _like_the_newest(rows: pd.DataFrame) -> pd.DataFrame:
    newest = rows.iloc[-1]
    same_host = rows["host"].isna() if pd.isna(newest["host"]) else rows["host"] == newest["host"]
    alike: pd.DataFrame = rows[same_host & (rows["profile"] == newest["profile"])]
    return alike


def _standings(rows: pd.DataFrame) -> Iterator[Standing]:
    """Yield the newest row of each figure that has a target and was judged."""
    kpis = kpis_in_force()
    for name, found in rows[rows["verdict"].notna()].groupby("figure", sort=False):
        kpi = kpis.get(str(name))
        if kpi:
            row = found.iloc[-1]
            low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
            figure = Interval(float(row["value"]), low, high, int(row["samples"]))
            where = (row["run"], row["started"], bool(row["emulated"]))
            yield Standing(row["environment"], kpi, figure, row["verdict"], *where)


def _steps(standings: list[Standing], wording: Wording) -> Iterator[str]:
    for each in standings:
        if each.verdict == "fail":
            yield _missed(each, wording)
    unsure = [each for each in standings if each.verdict == "inconclusive"]
    if unsure:
        names = sorted({f"{wording.kpi(each.kpi)} ({each.environment})" for each in unsure})
        yield wording.text("overview.longer", names=", ".join(names))
    if any(each.emulated for each in standings):
        yield wording.text("overview.real")
    elif all(each.verdict == "pass" for each in standings):
        yield wording.text("overview.nothing")


def _missed(standing: Standing, wording: Wording) -> str:
    known = f"overview.next_{standing.kpi.name}"
    step = wording.text(known if wording.has(known) else "overview.next_other")
    return wording.text("overview.misses", name=standing.environment, label=wording.kpi(standing.kpi), step=step)
