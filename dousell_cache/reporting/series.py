"""The same measurement over the runs of a folder: what trends are drawn from. Reads, never writes.

Runs are alike when they measured the same on the same machine: environment, notebook, parameters, origin and emulated
parts (:func:`dousell_cache.measure.history.like`). Only the newest of them are read: machines and code change, and a
page must not take longer with every run that was made before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..measure.history import Past, among
from ..measure.kpis import Kpi, Verdict
from ..measure.stats import Interval
from .listing import HostId, names
from .record import SCHEMA, VERSION, Results, encode

MOST = 20
"""Earlier runs that a run is held against."""

READ = 300
"""Runs of a folder that are looked at, the newest first."""


class Found(msgspec.Struct, frozen=True):
    """What a trend needs of a notebook's result."""

    notebook: str
    origin: str
    emulated: list[str]
    started: str
    parameters: dict[str, Any]
    figures: dict[str, Interval] = {}
    verdicts: list[Verdict] = []
    host: HostId | None = None

    @property
    def kpis(self) -> dict[str, Kpi]:
        """Its targets by figure."""
        return {verdict.kpi.name: verdict.kpi for verdict in self.verdicts}


class _Notebook(msgspec.Struct, frozen=True):
    result: Found | None = None


class _Environment(msgspec.Struct, frozen=True):
    notebooks: dict[str, _Notebook] = {}


class _Facts(msgspec.Struct, frozen=True):
    id: str
    profile: str


class _File(msgspec.Struct, frozen=True):
    schema: str
    version: int
    run: _Facts
    environments: dict[str, _Environment]


@dataclass(frozen=True)
class Measured:
    """One measurement of one run.

    Args:
        run: the run's id.
        folder: the name of its folder.
        profile: ``quick`` or ``full``.
        environment: where it measured.
        found: what came of it.
    """

    run: str
    folder: str
    profile: str
    environment: str
    found: Found

    @property
    def host(self) -> str:
        """What tells its machine from others; empty where that was not noted."""
        return self.found.host.id if self.found.host else ""

    @property
    def key(self) -> bytes:
        """What runs that are alike share; empty where the machine was not noted, so that nobody knows."""
        found = self.found
        facts = (self.host, self.environment, found.notebook, found.parameters, found.origin, found.emulated)
        return msgspec.json.encode(facts, order="deterministic") if self.host else b""


@dataclass(frozen=True)
class Trend:
    """A figure over runs alike.

    Args:
        earlier: what it was in each, oldest first.
        past: where it is now among them.
    """

    earlier: Sequence[Interval]
    past: Past


def trends(results: Results, out: Path) -> dict[tuple[str, str], dict[str, Trend]]:
    """Return the trend of each figure that has a target, by environment and notebook of a run.

    Args:
        results: the run's; it need not lie in the folder.
        out: the folder of all runs.
    """
    now = list(_measured(encode(results), results.run.id))
    earlier = by_key(_newest(out, before=results.run.id))
    return {(one.environment, one.found.notebook): _trends(one.found, earlier.get(one.key, [])) for one in now}


def series(out: Path) -> list[list[Measured]]:
    """Return the measurements of the newest runs of a folder: those that are alike together, each oldest first."""
    return list(by_key(_newest(out)).values())


def by_key(measurements: Iterable[Measured]) -> dict[bytes, list[Measured]]:
    """Put together what is alike, oldest first; what is like nothing is left out."""
    alike: dict[bytes, list[Measured]] = {}
    for one in measurements:
        if one.key and one.found.verdicts:
            alike.setdefault(one.key, []).append(one)
    return {key: sorted(those, key=lambda one: one.found.started) for key, those in alike.items()}


def judged(measurements: Sequence[Measured]) -> list[dict[str, Past]]:
    """Return where the figures of each measurement lie among the ones before it.

    Args:
        measurements: alike, oldest first.
    """
    targets = [one.found.kpis for one in measurements]
    figures = [
        {name: one.found.figures[name] for name in kpis} for one, kpis in zip(measurements, targets, strict=True)
    ]
    return [
        {past.name: past for past in among(now, figures[max(0, place - MOST) : place], targets=set(now))}
        for place, now in enumerate(figures)
    ]


def _trends(now: Found, earlier: Sequence[Measured]) -> dict[str, Trend]:
    before = [one.found.figures for one in earlier[-MOST:]]
    wanted = {name: now.figures[name] for name in now.kpis if name in now.figures}
    pasts = among(wanted, before, targets=set(wanted))
    return {past.name: Trend(_of(past.name, before), past) for past in pasts}


def _of(name: str, runs: Sequence[Mapping[str, Interval]]) -> list[Interval]:
    return [figures[name] for figures in runs if name in figures]


def _newest(out: Path, before: str = "~") -> Iterator[Measured]:
    """Yield the measurements of the newest runs whose ids come before another's."""
    folders = [name for name in (names(out) if out.is_dir() else []) if not name.startswith(".") and name < before]
    for folder in folders[:READ]:
        try:
            yield from _measured((out / folder / "results.json").read_bytes(), folder)
        except (OSError, msgspec.MsgspecError):
            continue  # half gone, or of another time: no part of a trend


def _measured(document: bytes, folder: str) -> Iterator[Measured]:
    file = msgspec.json.decode(document, type=_File)
    if (file.schema, file.version) != (SCHEMA, VERSION):
        return
    for name, environment in file.environments.items():
        for notebook in environment.notebooks.values():
            if notebook.result:
                yield Measured(file.run.id, folder, file.run.profile, name, notebook.result)
