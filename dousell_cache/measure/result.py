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
from .host import identity, processor
from .kpis import Verdict
from .mixture import Mixture
from .place import Place
from .rates import Knee
from .rates import Step as RateStep
from .stats import Interval
from .warmup import WarmUp

RESULTS_FOLDER_VARIABLE = "DOUSELL_CACHE_RESULTS"
_STAMPED = ("dousell-cache", "redis", "upstash-redis", "supabase", "numpy", "pandas")


class LatencyRow(msgspec.Struct, frozen=True):
    """How long one way of being answered took, in milliseconds."""

    path: str
    samples: int
    mean: float
    p50: float
    p95: float
    p99: float | None = None


class ContentionRow(msgspec.Struct, frozen=True):
    """One level of contention in figures.

    Args:
        contenders: how many callers there were at once.
        fair: whether they asked for it with ``fair=True``.
        grants: how often the lock was granted.
        refused: how often it could not be had in time.
        grants_per_second: by the gaps between grants.
        wait_p50_ms: from asking to the grant.
        wait_p95_ms: of the slowest twentieth.
        hold_p50_ms: from the grant to the confirmed release.
        hold_p95_ms: of the slowest twentieth.
        longest_to_median: the longest wait ÷ the median wait.
        in_order: share of the grants that passed nobody over who had asked earlier.
        commands_per_grant: sent to the server, those of the waiting included.
    """

    contenders: int
    fair: bool
    grants: int
    refused: int
    grants_per_second: Interval
    wait_p50_ms: Interval
    wait_p95_ms: Interval
    hold_p50_ms: Interval
    hold_p95_ms: Interval
    longest_to_median: float
    in_order: Interval
    commands_per_grant: float


class ClickRow(msgspec.Struct, frozen=True):
    """Double clicks at one level of contention in figures.

    Args:
        contenders: how many clicks came at the same instant.
        clicks: how many in all.
        let_in: how many got the lock.
        rejected: how many were told that a payment is under way.
        no_answer: how many could not be told: the lock was unavailable.
        rejected_p50_ms: how long it took to tell them; None if there was none.
        rejected_p95_ms: of the slowest twentieth.
    """

    contenders: int
    clicks: int
    let_in: int
    rejected: int
    no_answer: int
    rejected_p50_ms: Interval | None = None
    rejected_p95_ms: Interval | None = None


class GuardRow(msgspec.Struct, frozen=True):
    """How often one rent was paid, behind one choice of guards.

    Args:
        setup: the guards, in words.
        stories: how often the rent of each story was paid.
        rents: how many there were in the random run.
        twice: how many of them were paid more than once.
        never: how many were not paid at all.
    """

    setup: str
    stories: dict[str, int]
    rents: int
    twice: int
    never: int


class EnvironmentRow(msgspec.Struct, frozen=True):
    """One environment in figures, of those that were measured side by side.

    Args:
        environment: its name.
        cache: its cache's address, without credentials.
        figures: hit rate, percentiles in ms, and speedup.
        hit_rates: by kind of page.
        outcomes: how many requests ended in each way.
        commands_per_1000: executed by the server for 1,000 reads, or sent to it where it does not tell.
        steps: how fast hits were at ever higher rates.
        knee: up to which rate they stayed fast.
        place: how far the cache was.
        failed: how many reads failed; they count in no percentile.
        doubt: why these figures say less than they seem to, such as a late generator or reads that failed; None when
            nothing speaks against them.
        emulated: a line for each part of it that was imitated on the measuring machine; empty when all was real.
    """

    environment: str
    cache: str
    figures: dict[str, Interval]
    hit_rates: dict[str, Interval]
    outcomes: dict[str, int]
    commands_per_1000: float
    steps: list[RateStep]
    knee: Knee
    place: Place | None = None
    failed: int = 0
    doubt: str | None = None
    emulated: list[str] = []


class Host(msgspec.Struct, frozen=True):
    """The machine and the versions a result was measured with; never its name or paths.

    Args:
        system: the kernel.
        machine: the processor's architecture.
        cpus: how many processors there are.
        python: its version.
        versions: of the packages that matter to a figure.
        id: what tells this machine from others, see :func:`.host.identity`; empty in results of before there was one.
        processor: its model.
    """

    system: str
    machine: str
    cpus: int
    python: str
    versions: dict[str, str]
    id: str = ""
    processor: str = ""


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
        mixture: what the figures of all reads are made of.
        warm_up: how long the reads took to settle, by MSER-5; it counts in every figure.
        verdicts: figures against their targets.
        steps: the connection test's steps.
        contention: a row for each number of callers at one lock.
        clicks: a row for each number of clicks at the same instant.
        guards: a row for each choice of guards before a payment.
        compared: a row for each of the environments that were measured side by side.
        host: which machine measured.
        place: how far its cache was, and over what.
        commit: the repository's, with ``-dirty`` when it had changes; None outside a repository.
        seed: of everything that was drawn; None where nothing is.
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
    mixture: Mixture | None = None
    warm_up: WarmUp | None = None
    verdicts: list[Verdict] = []
    steps: list[Step] = []
    contention: list[ContentionRow] = []
    clicks: list[ClickRow] = []
    guards: list[GuardRow] = []
    compared: list[EnvironmentRow] = []
    host: Host | None = None
    place: Place | None = None
    commit: str | None = None
    seed: int | None = None


def this_host() -> Host:
    """Describe this machine by what matters to a figure."""
    return Host(
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cpus=os.cpu_count() or 1,
        python=platform.python_version(),
        versions={name: version(name) for name in _STAMPED},
        id=identity(),
        processor=processor(),
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
