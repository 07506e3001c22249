"""What the tests of comparisons share: made-up results, and runs that were kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.rates import Knee
from dousell_cache.measure.result import EnvironmentRow, Host, Result
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.record import EnvironmentRecord, NotebookRecord, encode, environment_verdict

from .reports import NAME, failed, made_up

SIDES = "02_compare_environments"
HOST = Host(
    system="Linux 6.1", machine="x86_64", cpus=2, python="3.11.7", versions={"redis": "8.1.0"}, id="5f0c81a9be77"
)
OTHER = msgspec.structs.replace(HOST, id="90bd00000000", processor="another")
FIGURES = {
    "hit_rate": Interval(0.95, 0.93, 0.965, 1_000),
    "p50_ms": Interval(2.0, 1.9, 2.1, 1_000),
    "p95_ms": Interval(8.0, 7.0, 9.0, 1_000),
    "speedup": Interval(20.0, 15.0, 26.0, 40),
}
PARAMETERS = {"environment": "local", "ttl": 300.0, "keys": 8, "seed": 1, "schedule": "4f2a"}


def result(figures: Mapping[str, Interval] | None = None, **changes: Any) -> Result:
    """Return a result that never was."""
    usual: dict[str, Any] = {
        "notebook": NAME,
        "environment": "local",
        "cache": "redis://127.0.0.1:6379",
        "origin": "Supabase",
        "emulated": [],
        "started": "2026-11-22T19:30:00+00:00",
        "seconds": 20.0,
        "parameters": PARAMETERS,
        "figures": dict(FIGURES if figures is None else figures),
        "host": HOST,
        "seed": 1,
    }
    return Result(**{**usual, **changes})


def times(figure: Interval, factor: float) -> Interval:
    """Return a figure with its interval, this factor as large."""
    low, high = figure.low, figure.high
    return Interval(figure.value * factor, low and low * factor, high and high * factor, figure.samples)


def slower(factor: float, **changes: Any) -> Result:
    """Return a result whose times are this factor of the usual ones."""
    scaled = {name: times(one, factor) if name.endswith("_ms") else one for name, one in FIGURES.items()}
    return result(scaled, **changes)


def keep(
    out: Path,
    run_id: str,
    results: Mapping[str, Result],
    samples: Mapping[str, "np.typing.NDArray[Any]"] | None = None,
    *,
    parallel: bool = False,
) -> Path:
    """Write a run with what it found in each environment, and its samples, and return its folder."""
    folder = out / run_id
    folder.mkdir(parents=True)
    whole = made_up({name: record(one) for name, one in results.items()}, run_id=run_id)
    at_once = msgspec.structs.replace(whole.run, parallel=parallel)
    (folder / "results.json").write_bytes(encode(msgspec.structs.replace(whole, run=at_once)))
    if samples is not None:
        frames = [
            pd.DataFrame({"path": path, "response_ms": values, "outcome": "hit", "environment": name, "notebook": NAME})
            for name, values in samples.items()
            for path in ("origin", "cache")
        ]
        pd.concat(frames).to_parquet(folder / "samples.parquet", index=False)
    return folder


def record(one: Result) -> EnvironmentRecord:
    """Return the record of an environment with one result."""
    verdicts = [judge(KPIS[name], figure) for name, figure in one.figures.items() if name in KPIS]
    whole = msgspec.structs.replace(one, verdicts=one.verdicts or verdicts)
    return EnvironmentRecord(
        status="ok",
        reason=None,
        verdict="pass",
        emulated=one.emulated,
        figures=one.figures,
        samples=0,
        notebooks={one.notebook: NotebookRecord(status="ok", seconds=1.0, result=whole)},
    )


def row(name: str, **changes: Any) -> EnvironmentRow:
    """Return the row of an environment that was measured beside others, but never was."""
    usual: dict[str, Any] = {
        "environment": name,
        "cache": "redis://127.0.0.1:6379",
        "figures": dict(FIGURES),
        "hit_rates": {},
        "outcomes": {"hit": 950, "miss": 50},
        "commands_per_1000": 1_200.0,
        "steps": [],
        "knee": Knee(rate=400.0, slow_at=None),
    }
    return EnvironmentRow(**{**usual, **changes})


def together(*rows: EnvironmentRow, **changes: Any) -> EnvironmentRecord:
    """Return the record of what compared environments by itself."""
    names = ", ".join(one.environment for one in rows)
    one = result({}, notebook=SIDES, environment=names, compared=list(rows), **changes)
    return msgspec.structs.replace(record(one), verdict=environment_verdict("ok", [one]))


def keep_together(out: Path, run_id: str, *rows: EnvironmentRow, **changes: Any) -> Path:
    """Write a run that only compared environments, and return its folder."""
    folder = out / run_id
    folder.mkdir(parents=True)
    part = together(*rows, **changes)
    whole = made_up({"local": part}, run_id=run_id)
    (folder / "results.json").write_bytes(encode(msgspec.structs.replace(whole, environments={}, together=part)))
    return folder


def unreachable() -> EnvironmentRecord:
    """Return the record of an environment where nothing was measured."""
    return failed("unreachable", "nothing listens there")
