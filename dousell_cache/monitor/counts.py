"""What processes flushed, sorted: from fields on the server to counts of an environment and its families. Pure.

A field is ``<environment>:<figure>:<minute>:<family>``; :mod:`dousell_cache.recording` writes them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeVar, get_args

from ..events import Outcome
from .intervals import Part

OUTCOMES: tuple[str, ...] = get_args(Outcome)

Key = TypeVar("Key")
Hours = Mapping[str, Mapping[str, int]]
"""Fields by hour, such as ``2026-11-28T13``."""


class Field(NamedTuple):
    """What a field counts: in which environment, what, in which slice of its hour, of which family."""

    environment: str
    figure: str
    minute: str
    family: str


@dataclass(slots=True)
class FamilyCounts:
    """The counts of one family; times by hour and bucket, what is a share by slice."""

    counts: Counter[str] = field(default_factory=Counter)
    slices: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    loads: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    ages: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def parts(self, meant: str, among: tuple[str, ...]) -> list[Part]:
        """Return, for each slice, how many counts are meant among how many."""
        return [Part(counts[meant], sum(counts[name] for name in among)) for counts in self.slices.values()]

    def add(self, other: "FamilyCounts") -> None:
        """Add another family's counts."""
        merge(self.counts, other.counts)
        for when, figures in other.slices.items():
            merge(self.slices[when], figures)
        for mine, theirs in ((self.answers, other.answers), (self.loads, other.loads), (self.ages, other.ages)):
            for when, times in theirs.items():
                merge(mine[when], times)


@dataclass(slots=True)
class EnvironmentCounts:
    """The counts of one environment: those of its families, and those of none."""

    families: dict[str, FamilyCounts] = field(default_factory=lambda: defaultdict(FamilyCounts))
    totals: Counter[str] = field(default_factory=Counter)

    def together(self) -> FamilyCounts:
        """Return all families as one."""
        whole = FamilyCounts()
        for counts in self.families.values():
            whole.add(counts)
        return whole


@lru_cache(maxsize=100_000)
def parsed(text: str) -> Field | None:
    """Return what a field counts; None if it is none of ours."""
    parts = text.split(":", 3)
    return Field(*parts) if len(parts) == len(Field._fields) else None


def gathered(hours: Hours, since: str = "") -> dict[str, EnvironmentCounts]:
    """Sort fields by environment and family.

    Args:
        hours: what was flushed.
        since: from which slice on counts are taken, such as ``2026-11-28T13:05``; default all. Times are known by the
            hour alone: those of the hour that this falls into are taken whole.
    """
    found: dict[str, EnvironmentCounts] = defaultdict(EnvironmentCounts)
    for hour, told, count in _told(hours):
        if told.minute and f"{hour}:{told.minute}" < since:
            continue
        environment = found[told.environment]
        if told.family:
            _count(environment.families[told.family], hour, told, count)
        else:
            environment.totals[told.figure] += count
    return dict(found)


def accumulated(hours: Hours) -> Counter[Field]:
    """Return what each field counts, over all hours and slices."""
    sums = Counter[Field]()
    for _, told, count in _told(hours):
        whole = _whole(told)
        sums[whole] = sums.get(whole, 0) + count
    return sums


@lru_cache(maxsize=100_000)
def _whole(told: Field) -> Field:
    return told._replace(minute="")


def _told(hours: Hours) -> Iterator[tuple[str, Field, int]]:
    for hour, fields in hours.items():
        for text, count in fields.items():
            told = parsed(text)
            if told:
                yield hour, told, count


def _count(family: FamilyCounts, hour: str, told: Field, count: int) -> None:
    figure, kind, place = told.figure, told.figure[:1], told.figure[1:]
    if figure.startswith("age"):
        family.ages[f"{hour}:{told.minute}"][int(figure[3:])] = count
    elif kind in "tl" and place.isdecimal():
        times = family.answers if kind == "t" else family.loads
        times[hour][int(place)] = count  # a field is there once
    else:
        merge(family.counts, {figure: count})
        family.slices[f"{hour}:{told.minute}"][figure] = count


def merge(into: dict[Key, int], counts: Mapping[Key, int]) -> None:
    """Add counts to others: as Counter.update does, which takes three times as long for it."""
    for key, count in counts.items():
        into[key] = into.get(key, 0) + count
