"""What a cache-aside is worth: the same pages read from the origin alone, and through the cache.

The reads are open-loop, one task each, and every one is timed from its intended start. The first read of each page
finds nothing, so a run contains its own cold start; it is shown, never cut.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..dousell.origin import Origin
from ..dousell.site import Site
from ..errors import MeasurementFailed
from ..policy import ttl_ms
from .kpis import Verdict, judge_all, kpis_in_force
from .load import LoadResult, run_open_loop
from .load_result import among_all
from .mixture import Mixture, mixture
from .page_reads import page_reader, read_in_workers
from .place import Place, survey
from .plans import check_profile
from .popularity import Zipf, zipf_ranks
from .progress import Watcher
from .provenance import commit
from .result import LatencyRow, Result, this_host, utc_now
from .stats import Interval, cold_start, percentile, ratio_of_means, share
from .workload import Schedule

_REQUESTS = {"quick": 1_000, "full": 22_000}
_RATE = 75.0  # requests per second: few enough that a small machine measures the cache and not itself
_ORIGIN_CALLS = {"quick": 40, "full": 400}
_ORIGIN_RATE = 20.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure; equal plans ask for the same pages at the same times.

    Args:
        requests: how many reads; None for what the profile says (1,000 quick, 22,000 full).
        ttl: seconds an entry lives.
        keys: how many different pages are asked for.
        skew: how much the reads concentrate on a few of them; 1 is typical of pages.
        seed: of the arrivals and of the choice of pages.
        profile: ``quick`` or ``full``.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    requests: int | None = None
    ttl: float = 300.0
    keys: int = 8
    skew: float = 1.0
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _REQUESTS)
        if self.requests is not None and self.requests < 1:
            message = f"requests must be 1 or more, or None for what the profile says, not {self.requests}"
            raise ValueError(message)
        ttl_ms(self.ttl)
        zipf_ranks(self.keys, 0, skew=self.skew, seed=self.seed)

    @property
    def schedule(self) -> Schedule:
        """When the reads start, Poisson arrivals, and which pages they ask for, by rank from 0, the most popular."""
        arrivals = Schedule.poisson(_RATE, seed=self.seed, requests=self.requests or _REQUESTS[self.profile])
        return arrivals.asking(Zipf([str(rank) for rank in range(self.keys)], self.skew), seed=self.seed)

    @property
    def origin_schedule(self) -> Schedule:
        """When the origin alone is read, as the base of the speedup."""
        return Schedule.poisson(_ORIGIN_RATE, seed=self.seed, requests=_ORIGIN_CALLS[self.profile])


@dataclass(frozen=True, eq=False)
class CacheAside:
    """A measured run.

    Args:
        site: where it was measured.
        plan: what was asked.
        started: UTC.
        seconds: how long it took.
        origin: the reads of the origin alone.
        reads: the reads through the cache.
        place: how far the cache was, and over what.
        workers: how many processes made them.
    """

    site: Site
    plan: Plan
    started: str
    seconds: float
    origin: LoadResult
    reads: LoadResult
    place: Place | None = None
    workers: int = 1

    @cached_property
    def answered_ms(self) -> NDArray[np.float64]:
        """Response times of the reads that were answered: one that failed is not a fast one."""
        answered: NDArray[np.float64] = self.reads.response_ms[~self.reads.failed]
        return answered

    @cached_property
    def cold(self) -> int:
        """How many of the first answered reads are the cold start, when most pages had to be loaded first."""
        return cold_start(self.answered_ms)

    @property
    def cold_reads(self) -> int:
        """How many of the first reads that is, those among them that failed included."""
        return among_all(self.cold, ~self.reads.failed)

    @property
    def figures(self) -> dict[str, Interval]:
        """Hit rate, percentiles of the response, speedup (origin mean ÷ mean of all reads), each with its interval."""
        hits, times = np.array(self.reads.outcomes) == "hit", self.answered_ms
        return {
            "hit_rate": share(hits, cold=self.cold_reads, keys=np.array(list(self.plan.schedule.keys or ()))),
            "p50_ms": percentile(times, 50, cold=self.cold),
            "p95_ms": percentile(times, 95, cold=self.cold),
            "p99_ms": percentile(times, 99, cold=self.cold),
            "speedup": ratio_of_means(self.origin.response_ms, times, cold=self.cold),
        }

    @property
    def latency(self) -> list[LatencyRow]:
        """A row for the origin alone, one for every outcome that occurred, and one for all reads."""
        outcomes = np.array(self.reads.outcomes)
        times = self.reads.response_ms
        rows = [_row("origin alone", self.origin.response_ms)]
        rows += [_row(outcome, times[outcomes == outcome]) for outcome in sorted(set(self.reads.outcomes))]
        return [*rows, _row("all reads", self.answered_ms)]

    @property
    def mixture(self) -> Mixture:
        """What the figures of the answered reads are made of, by how each was answered."""
        return mixture(self.answered_ms, np.array(self.reads.outcomes)[~self.reads.failed].tolist())

    @property
    def verdicts(self) -> list[Verdict]:
        """The figures against their targets; none passes once a read failed, none counts if it was started late."""
        flaw = "reads failed" if self.reads.failed.any() else None
        return judge_all(self.figures, kpis_in_force(), flaw=flaw, untrusted=self.reads.doubt or None)

    @property
    def reading(self) -> str:
        """What the run says, in plain sentences."""
        figures, counts = self.figures, self.reads.counts
        due = self.plan.schedule.times[-1]
        count = f"{len(self.reads.outcomes):,} reads of {self.plan.keys} pages in {due:.0f} s"
        hits, speedup = f"{figures['hit_rate'].value:.1%}", f"{figures['speedup'].value:.1f}"
        lines = [
            f"{count}, {self.site.environment.address} in front of {self.site.origin_name}.",
            f"{hits} were hits; on average a read was answered {speedup} times as fast as by the origin alone.",
        ]
        if self.workers > 1:
            lines.append(f"{self.workers} processes made the reads.")
        if self.cold:
            seconds = self.plan.schedule.times[self.cold_reads - 1]
            lines.append(f"The first {self.cold_reads:,} reads, in {seconds:.1f} s, were the cold start; they count.")
        settled = self.reads.warm_up
        if settled.samples and settled.settled:
            lines.append(f"They settled after {settled.seconds:.1f} s (MSER-5); nothing was cut.")
        if not settled.settled:
            lines.append("They did not settle in the first half: the run is too short to tell, or drifts.")
        if counts.get("bypass"):
            lines.append(f"The cache could not serve {counts['bypass']:,} of them: the origin answered instead.")
        if failure := self.reads.failure("reads"):
            lines.append(f"{failure}.")
        if self.reads.doubt:
            lines.append(f"This machine was too busy: {self.reads.doubt}.")
        lines += [f"Emulated on this machine: {part}." for part in self.site.emulated]
        return "\n".join(lines)

    @property
    def samples(self) -> pd.DataFrame:
        """Every request, a row each: path, intended start (s), response and service time (ms), outcome."""
        return pd.concat(
            [_frame("origin", self.plan.origin_schedule, self.origin), _frame("cache", self.plan.schedule, self.reads)],
            ignore_index=True,
        )

    @property
    def result(self) -> Result:
        """The run as it is published."""
        return Result(
            notebook="01_measure_cache_aside",
            environment=self.site.environment.name,
            cache=self.site.environment.address,
            origin=self.site.origin_name,
            emulated=list(self.site.emulated),
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters={
                **msgspec.structs.asdict(self.plan),
                "workers": self.workers,
                "schedule": self.plan.schedule.digest,
            },
            figures=self.figures,
            outcomes=self.reads.counts,
            latency=self.latency,
            mixture=self.mixture,
            warm_up=self.reads.warm_up,
            verdicts=self.verdicts,
            host=this_host(),
            place=self.place,
            commit=commit(),
            seed=self.plan.seed,
        )


async def measure_cache_aside(
    site: Site, plan: Plan, progress: Watcher | None = None, *, workers: int = 1, scheduler: str = ""
) -> CacheAside:
    """Read Dousell's property pages from the origin alone, then through the cache.

    Args:
        site: an open site; its cache is used under the site's own namespace.
        plan: what to ask for.
        progress: shown how far it is while the cache is read.
        workers: how many processes read through the cache; 1: this one. Each opens the site by its own variables.
        scheduler: the address of a Dask cluster whose workers they are; default: processes of this machine.

    Raises:
        ValueError: the plan asks for more pages than there are, or workers or scheduler makes no sense.
        MeasurementFailed: reads of the origin failed, so there is nothing to compare with; or every read did; or a
            worker failed, or reaches another cache than this process.
    """
    started, around = utc_now(), await survey(site.environment)
    clock = time.monotonic()
    pages = await site.origin.property_ids(plan.keys)
    if len(pages) < plan.keys:
        message = f"keys={plan.keys} asks for more pages than the origin has: {len(pages)}"
        raise ValueError(message)
    origin = await run_open_loop(plan.origin_schedule, _origin_reader(site.origin, pages))
    if failure := origin.failure("reads of the origin"):
        raise MeasurementFailed(failure)
    schedule = plan.schedule
    asked = [pages[int(rank)] for rank in schedule.keys or ()]
    if workers == 1 and not scheduler:
        with page_reader(site, asked, plan.ttl) as read:
            reads = await run_open_loop(schedule, read, progress=progress)
    else:
        reads = await read_in_workers(site, schedule, asked, plan.ttl, workers, scheduler, progress)
    if reads.failed.all():
        raise MeasurementFailed(reads.failure("reads"))
    seconds = time.monotonic() - clock
    return CacheAside(site, plan, started, seconds, origin, reads, around.until_now(), workers)


def _origin_reader(origin: Origin, pages: list[int]) -> Callable[[int], Any]:
    async def read(index: int) -> str:
        await origin.property(pages[index % len(pages)])
        return "origin"

    return read


def _row(path: str, times: Any) -> LatencyRow:
    p50, p95, p99 = (float(value) for value in np.percentile(times, [50, 95, 99]))
    return LatencyRow(path, len(times), float(times.mean()), p50, p95, p99)


def _frame(path: str, schedule: Schedule, load: LoadResult) -> pd.DataFrame:
    columns = {"path": path, "intended_s": schedule.times, "response_ms": load.response_ms}
    return pd.DataFrame({**columns, "service_ms": load.service_ms, "outcome": load.outcomes})
