"""Results: what one notebook found out in one environment, frozen, stamped with where and on what.

A notebook ends by publishing its result. In a report run the worker names a folder in ``DOUSELL_CACHE_RESULTS`` and the
result lands there, the raw samples beside it as Parquet; in an interactive session it is simply shown.
"""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from ..check import Step
from .kpis import Verdict
from .stats import Interval

RESULTS_FOLDER_VARIABLE = "DOUSELL_CACHE_RESULTS"
_STAMPED = ("dousell-cache", "redis", "upstash-redis", "supabase", "numpy", "pandas")


class LatencyRow(msgspec.Struct, frozen=True):
    """How long one way of being answered took, in milliseconds."""

    path: str
    samples: int
    mean: float
    p50: float
    p95: float


class Host(msgspec.Struct, frozen=True):
    """The machine and the versions a result was measured with; never its name or paths."""

    system: str
    machine: str
    cpus: int
    python: str
    versions: dict[str, str]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one notebook found out in one environment.

    Args:
        notebook: its file name without the ending.
        environment: ``local``, ``vercel`` or ``dedicated``.
        cache: the cache's address, without credentials.
        origin: what the loaders read.
        emulated: a line for each part imitated on this machine; empty when all is real.
        started: UTC, ISO 8601.
        seconds: how long it measured.
        parameters: what it was asked.
        figures: measured figures by name (``hit_rate``, ``p50_ms``, ``p95_ms``, ``speedup``, …).
        outcomes: how many requests ended in each way.
        latency: a row for each way of being answered.
        verdicts: figures against their targets.
        steps: the connection test's steps.
        host: where it was measured.
    """

    notebook: str
    environment: str
    cache: str
    origin: str
    emulated: list[str]
    started: str
    seconds: float
    parameters: dict[str, Any]
    figures: dict[str, Interval] = {}
    outcomes: dict[str, int] = {}
    latency: list[LatencyRow] = []
    verdicts: list[Verdict] = []
    steps: list[Step] = []
    host: Host | None = None


def this_host() -> Host:
    """Describe this machine by what matters to a figure."""
    return Host(
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cpus=os.cpu_count() or 1,
        python=platform.python_version(),
        versions={name: version(name) for name in _STAMPED},
    )


def utc_now() -> str:
    """Return the time as results record it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def publish(result: Result, samples: pd.DataFrame | None = None) -> str:
    """Hand a notebook's result over to the run it belongs to, and say where it went.

    Args:
        result: what was found out.
        samples: raw measurements, a row each, for the run's ``samples.parquet``.
    """
    folder = os.environ.get(RESULTS_FOLDER_VARIABLE)
    if not folder:
        return "Not part of a report run: the result stays in this notebook."
    if samples is not None:
        labelled = samples.assign(environment=result.environment, notebook=result.notebook)
        labelled.to_parquet(Path(folder, f"{result.notebook}.parquet"), index=False)
    document = msgspec.json.format(msgspec.json.encode(result), indent=2)
    Path(folder, f"{result.notebook}.json").write_bytes(document)
    return "Handed over to the report."
