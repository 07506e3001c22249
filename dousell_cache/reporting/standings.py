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
from .tables import MARKS, Table, interval, number, target

_NO_RUNS = "There are no runs yet: make report measures two environments in about two minutes."
_NEXT = {
    "hit_rate": "keep entries longer, or withdraw less at once (notebook 04 says what a longer time to live is worth)",
    "p50_ms": "bring the cache nearer (notebook 02 compares where it may live)",
    "p95_ms": "raise the hit rate first, since the slowest reads are misses (notebooks 01 and 04)",
    "speedup": "ask whether these pages need a cache at all (notebook 01)",
    "double_payments": "stop taking payments until it is found out why (notebook 03)",
    "unanswered": "find out which read failed while its database answered (notebook 05)",
    "stale_reads": "withdraw after the change is in the database, and read through get_or_set (notebook 07)",
    "double_bookings": "stop giving out slots until it is found out why (notebook 03)",
}
_UNLIKE = "of another machine or profile than the newest"
_LONGER = "measure longer: dousell-cache report --profile full"


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
        without: how many runs of the folder are not among them, by the reason.
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
    def reading(self) -> str:
        """The whole in a few sentences."""
        if not self.standings:
            return _NO_RUNS
        words = [each.verdict for each in self.standings]
        met, read, known = words.count("pass"), self.comparable["run"].nunique(), self.runs["run"].nunique()
        without = {_UNLIKE: known - read, **self.without}
        of = f"{read:,} of {known + sum(self.without.values()):,} runs"
        lines = [f"{met} of {len(words)} targets are met, {words.count('fail')} missed, by {of}."]
        told = ", ".join(f"{count:,} {reason}" for reason, count in without.items() if count)
        lines += [f"Left out: {told}."] if told else []
        unsure = words.count("inconclusive")
        lines += [f"Of {unsure} nobody can say: too few samples."] if unsure else []
        if any(each.emulated for each in self.standings):
            lines.append("Figures of emulated environments tell how the parts compare, not what visitors will meet.")
        return "\n".join(lines)

    @property
    def next_steps(self) -> str:
        """What to do next, the most urgent first."""
        if not self.standings:
            return _NO_RUNS
        steps = list(dict.fromkeys(_steps(self.standings)))
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
    return Overview(chosen, _without(path, set(chosen["run"]), " or ".join(names)))


def _without(path: Path, read: set[str], environments: str) -> dict[str, int]:
    """Return how many runs of a folder were not read, by the reason; one that is being written is none yet."""
    others = [run for run in entries(path) if run.id not in read and run.state != "running"]
    reported = sum(run.summary is not None for run in others)
    return {f"without a figure of {environments}": reported, "without a report": len(others) - reported}


def standing_table(overview: Overview) -> Table:
    """Show where each target stands."""
    cells = [
        (
            each.environment + (" (emulated)" if each.emulated else ""),
            each.kpi.label,
            target(each.kpi),
            number(each.figure.value, each.kpi.unit),
            interval(each.figure, each.kpi.unit),
            f"{each.figure.samples:,}",
            f"{MARKS[each.verdict]} {each.verdict}",
            f"{each.started:%Y-%m-%d %H:%M}",
        )
        for each in overview.standings
    ]
    headers = ("environment", "target", "asked for", "measured", "95 % interval", "samples", "verdict", "when (UTC)")
    nothing = ("no runs yet", *("–" for _ in headers[1:]))
    return Table("Where each target stands, by the newest run", headers, cells or [nothing])


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


def _steps(standings: list[Standing]) -> Iterator[str]:
    for each in standings:
        if each.verdict == "fail":
            step = _NEXT.get(each.kpi.name, "look at its notebook")
            yield f"{each.environment}: {each.kpi.label} misses its target; {step}"
    if any(each.verdict == "inconclusive" for each in standings):
        names = sorted(
            {f"{each.kpi.label} ({each.environment})" for each in standings if each.verdict == "inconclusive"}
        )
        yield f"{', '.join(names)}: {_LONGER}"
    if any(each.emulated for each in standings):
        yield "Before a decision, measure where visitors are: set the real credentials and run the report again"
    elif all(each.verdict == "pass" for each in standings):
        yield "Nothing to do: run the report on a schedule, and look again when a trend bends"
