"""What several environments were measured to be, side by side: the figures, costs and rows of notebook 02."""

from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..dousell.site import Site
from .cost import PRICES, Cost, Prices, Saved, Traffic, break_even, project, saved
from .load import FAILED, LoadResult
from .load_result import among_all
from .pages import Page, page_mix, page_of
from .place import Place
from .plans import check_bounds, check_profile
from .provenance import commit
from .rates import Knee, Step, knee
from .result import EnvironmentRow, Result, this_host
from .stats import Interval, cold_start, percentile, ratio_of_means, share
from .steady import steady_hit_rate
from .usage import Usage
from .workload import INVALIDATE, Schedule

_REQUESTS = {"quick": 600, "full": 20_000}
RATE = 40.0  # reads per second of each environment: few enough that a small machine measures the cache and not itself
_BOUNDS = {"requests": (100, 1_000_000), "properties": (1, 1_000), "seed": (0, 2**32 - 1)}  # as notebook 02 has them
_ORIGIN_CALLS = {"quick": 40, "full": 400}
_ORIGIN_RATE = 20.0
MONTH_SECONDS = 365.25 / 12 * 86_400
_SETTLING = 20  # rounds: each moves the number far less than the last
WITHDRAWN = "withdrawn"
"""How a request ended that told the cache of a change."""


class SidePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure; equal plans ask for the same pages at the same times.

    Args:
        requests: how many reads in each environment; None for what the profile says (600 quick, 20,000 full).
        properties: how many properties the site has; a tenth as many owners.
        seed: of arrivals, pages and changes.
        profile: ``quick`` or ``full``.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    requests: int | None = None
    properties: int = 100
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _REQUESTS)
        check_bounds(self, _BOUNDS)

    def schedule(self, pages: tuple[Page, ...]) -> Schedule:
        """Return which page is read or withdrawn when: Poisson arrivals."""
        arrivals = Schedule.poisson(RATE, seed=self.seed, requests=self.requests or _REQUESTS[self.profile])
        return page_mix(arrivals, seed=self.seed, pages=pages)

    @property
    def origin_schedule(self) -> Schedule:
        """When the origin alone is read, as the base of the speedup."""
        return Schedule.poisson(_ORIGIN_RATE, seed=self.seed, requests=_ORIGIN_CALLS[self.profile])


@dataclass(frozen=True, eq=False)
class Side:
    """One environment, measured.

    Args:
        site: where it was measured.
        place: how far its cache is.
        keys: of each request, in order.
        reads: which requests are reads; the others tell the cache of a change.
        loads: what became of them, the two halves.
        usages: what each half took.
        sizes: bytes of each answer, as the cache keeps it.
        steps: the sweep over rates.
    """

    site: Site
    place: Place
    keys: NDArray[np.str_]
    reads: NDArray[np.bool_]
    loads: list[LoadResult] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.site.environment.name

    @property
    def label(self) -> str:
        """Its name, with a word where part of it is emulated: what it is called in pictures and tables."""
        return f"{self.name} (emulated)" if self.site.emulated else self.name

    @cached_property
    def outcomes(self) -> NDArray[np.str_]:
        """How each request ended, in order."""
        return np.concatenate([np.array(load.outcomes) for load in self.loads])

    @cached_property
    def response_ms(self) -> NDArray[np.float64]:
        """How long each request took, from its intended start."""
        return np.concatenate([load.response_ms for load in self.loads])

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """Which requests were reads that were answered."""
        return self.reads & ~self.failed

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Which requests failed, reads or not."""
        return np.isin(self.outcomes, FAILED)

    @cached_property
    def answered_ms(self) -> NDArray[np.float64]:
        """Response times of the reads that were answered."""
        times: NDArray[np.float64] = self.response_ms[self.answered]
        return times

    @property
    def counts(self) -> dict[str, int]:
        """How many requests ended in each way."""
        names, numbers = np.unique(self.outcomes, return_counts=True)
        return dict(zip(names.tolist(), numbers.tolist(), strict=True))

    @property
    def late(self) -> str:
        """Why one of the halves says more about the generator than about the cache; empty when none does."""
        return next((load.doubt for load in self.loads if load.doubt), "")

    @property
    def doubt(self) -> str | None:
        """Why its figures say less than they seem to; None when nothing speaks against them."""
        if self.late:
            return f"this machine was too busy: {self.late}"
        return f"{self.failures} failed" if self.failed.any() else None

    @property
    def failures(self) -> str:
        """How many reads and how many withdrawals failed, in words."""
        withdrawals = int((self.failed & ~self.reads).sum())
        told = f"{int((self.failed & self.reads).sum()):,} reads"
        return f"{told} and {withdrawals:,} withdrawals" if withdrawals else told

    @property
    def usage(self) -> Usage:
        """The commands of both halves."""
        return sum_of(self.usages)

    @property
    def knee(self) -> Knee:
        """Up to which rate its hits stay fast."""
        return knee(self.steps)

    def figures(self, origin: LoadResult) -> dict[str, Interval]:
        """Return hit rate, percentiles and speedup, each with its interval.

        Args:
            origin: the reads of the origin alone.
        """
        times, read = self.answered_ms, self.reads
        cold, hits = cold_start(times), self.outcomes[read] == "hit"
        return {
            "hit_rate": share(hits, cold=among_all(cold, self.answered[read]), keys=self.keys[read]),
            "p50_ms": percentile(times, 50, cold=cold),
            "p95_ms": percentile(times, 95, cold=cold),
            "p99_ms": percentile(times, 99, cold=cold),
            "speedup": ratio_of_means(origin.response_ms, times, cold=cold),
        }

    def hit_rates(self, pages: tuple[Page, ...]) -> dict[str, Interval]:
        """Return the hit rate of each kind of page that was read."""
        read = self.reads
        kinds = np.array([page_of(key, pages).kind for key in self.keys])
        present = [page.kind for page in pages if np.any(read & (kinds == page.kind))]
        chosen = {kind: read & (kinds == kind) for kind in present}
        return {kind: share(self.outcomes[mine] == "hit", keys=self.keys[mine]) for kind, mine in chosen.items()}


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Several environments, measured side by side.

    Args:
        plan: what was asked.
        pages: of which kinds, with their times to live.
        schedule: which page was read or withdrawn when, in each of them.
        started: UTC.
        seconds: how long it took.
        origin: the reads of the origin alone.
        sides: the environments, in the order asked for.
        skipped: those that could not be reached, and why.
        prices: what a month's use is multiplied with.
    """

    plan: SidePlan
    pages: tuple[Page, ...]
    schedule: Schedule
    started: str
    seconds: float
    origin: LoadResult
    sides: list[Side]
    skipped: dict[str, str]
    prices: Prices = PRICES

    @cached_property
    def figures(self) -> dict[str, dict[str, Interval]]:
        """Each environment's figures, by its name."""
        return {side.name: side.figures(self.origin) for side in self.sides}

    @property
    def emulated(self) -> list[str]:
        """A line for each part that is imitated on this machine."""
        return list(dict.fromkeys(line for side in self.sides for line in side.site.emulated))

    @property
    def origin_label(self) -> str:
        """What reads of the origin alone are called in pictures, with a word where it is emulated."""
        return "origin alone (emulated)" if self.sides[0].site.origin_emulated else "origin alone"

    @property
    def usage(self) -> Usage:
        """The commands of the first environment whose server tells them; the others execute the same."""
        return next((side.usage for side in self.sides if side.usage.executed is not None), self.sides[0].usage)

    @property
    def answer_kb(self) -> float:
        """Mean kilobytes of an answer, as the caches keep it."""
        return float(np.mean([size for side in self.sides for size in side.sizes] or [0])) / 1_000

    def traffic(self, requests_per_month: float) -> Traffic:
        """Return what a month of such reads brings, by the hit rate of that many reads and the commands measured.

        A hit is one command. What a miss takes beyond that is what was measured; how many there are is not: a run asks
        far more often than most sites, so :func:`.steady.steady_hit_rate` says it for the month's own rate.
        """
        usage, misses = self.usage, 1 - steady_hit_rate(self.pages, requests_per_month / MONTH_SECONDS)
        beyond = (usage.billed - usage.requests) / max(1, usage.origin_calls)
        return Traffic(
            requests=requests_per_month,
            commands_per_request=1 + beyond * misses,
            origin_calls_per_request=misses,
            answer_kb=self.answer_kb,
        )

    def costs(self, requests_per_month: float) -> list[Cost]:
        """Return what a month would cost, by plan, the cheapest first."""
        return project(self.traffic(requests_per_month), self.prices)

    def savings(self, requests_per_month: float) -> list[Saved]:
        """Return what the origin would be spared a month."""
        return [saved(self.traffic(requests_per_month), plan) for plan in self.prices.origin.values()]

    def cost_reading(self, requests_per_month: float) -> str:
        """Say what a month costs, and from where on a server of one's own is the cheaper way, in plain sentences."""
        traffic, rate = self.traffic(requests_per_month), requests_per_month / MONTH_SECONDS
        hits = f"{1 - traffic.origin_calls_per_request:.1%} hits"
        lines = [
            f"{requests_per_month:,.0f} reads a month are {rate:,.3g} a second on average; this run made {RATE:g}.",
            f"At that rate, by the formula for independent reads, they are {hits}: {traffic.commands:,.0f} commands.",
        ]
        cheapest = next((cost for cost in self.costs(requests_per_month) if cost.usd is not None), None)
        if cheapest:
            price = f"${cheapest.usd:,.2f} a month, by its price of {cheapest.plan.read:%Y-%m-%d}"
            lines.append(f"The cheapest plan that this fits is {cheapest.plan.label}: {price}.")
        lines += self._break_even(requests_per_month)
        return "\n".join(lines)

    def _break_even(self, requests_per_month: float) -> list[str]:
        metered, own = self.prices.cache.get("upstash_payg"), self.prices.cache.get("dedicated")
        if not (metered and own):
            return []
        even: float | None = requests_per_month
        for _ in range(_SETTLING):  # more reads are cheaper each, which moves the number
            even = break_even(self.traffic(max(1.0, even or 0.0)), metered, own)
        return [f"From some {even:,.0f} reads a month on, {own.label} is cheaper than {metered.label}."] if even else []

    @property
    def reading(self) -> str:
        """What was measured, and what speaks against it, in plain sentences."""
        reads = self.plan.requests or _REQUESTS[self.plan.profile]
        kinds = ", ".join(page.kind for page in self.pages)
        names = ", ".join(side.name for side in self.sides)
        asked = f"{reads:,} reads ({kinds}) and {len(self.schedule) - reads:,} withdrawals"
        lines = [
            f"{asked} in {names}, the same in each, in {self.schedule.times[-1]:.0f} s.",
            self._counted,
            *self._unchanged,
            f"Schedule {self.schedule.digest[:12]}, seed {self.plan.seed}.",
        ]
        lines += [f"Skipped: {name}, because {reason}." for name, reason in self.skipped.items()]
        for side in self.sides:
            lines += [f"In {side.name} this machine was too busy: {side.late}."] if side.late else []
            first = next((error for load in side.loads for error in load.errors), "")
            failed = f"In {side.name} {side.failures} failed, the first with {first}."
            lines += [failed] if side.failed.any() else []
        lines += [f"Emulated on this machine: {part}." for part in self.emulated]
        return "\n".join(lines)

    @property
    def _counted(self) -> str:
        """What the numbers of requests count, so that they add up: those shown on the way, and those that are kept."""
        each, alone = len(self.schedule) * len(self.sides), len(self.plan.origin_schedule)
        swept = sum(step.requests for side in self.sides for step in side.steps)
        kept = f"These and {alone:,} reads of the origin alone are the {each + alone:,} measurements kept"
        return f"{kept}; with {swept:,} hits at ever higher rates they are all {each + alone + swept:,} requests."

    @property
    def _unchanged(self) -> list[str]:
        """Why there was no withdrawal, where there was none."""
        reads, weights = len(self.schedule), sum(page.weight for page in self.pages)
        if self.schedule.operations is not None and np.any(self.schedule.operations == INVALIDATE):
            return []
        expected = sum(page.updates / 1_000 * page.weight / weights * reads for page in self.pages)
        return [f"No page happened to change: among so few reads {expected:.1f} changes are to be expected."]

    @property
    def samples(self) -> pd.DataFrame:
        """Every request, a row each: environment, intended start (s), key's kind, response (ms), outcome."""
        frames = [
            pd.DataFrame(
                {
                    "path": side.name,
                    "intended_s": self.schedule.times,
                    "kind": [page_of(key, self.pages).kind for key in side.keys],
                    "response_ms": side.response_ms,
                    "outcome": side.outcomes,
                }
            )
            for side in self.sides
        ]
        alone = {"path": "origin", "intended_s": self.plan.origin_schedule.times, "outcome": self.origin.outcomes}
        return pd.concat([pd.DataFrame({**alone, "response_ms": self.origin.response_ms}), *frames], ignore_index=True)

    @property
    def rows(self) -> list[EnvironmentRow]:
        """What is published of each environment."""
        return [
            EnvironmentRow(
                environment=side.name,
                cache=side.site.environment.address,
                figures=self.figures[side.name],
                hit_rates=side.hit_rates(self.pages),
                outcomes=side.counts,
                commands_per_1000=1000 * side.usage.billed / side.usage.requests,
                steps=side.steps,
                knee=side.knee,
                place=side.place,
                failed=int(side.failed.sum()),
                doubt=side.doubt,
                emulated=list(side.site.emulated),
            )
            for side in self.sides
        ]

    @property
    def result(self) -> Result:
        """The comparison as it is published."""
        return Result(
            notebook="02_compare_environments",
            environment=", ".join(side.name for side in self.sides),
            cache=", ".join(side.site.environment.address for side in self.sides),
            origin=self.sides[0].site.origin_name,
            emulated=self.emulated,
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters={**msgspec.structs.asdict(self.plan), "schedule": self.schedule.digest},
            compared=self.rows,
            host=this_host(),
            commit=commit(),
            seed=self.plan.seed,
        )


def sum_of(usages: list[Usage]) -> Usage:
    """Return the use of several stretches together."""
    told = [usage.executed for usage in usages if usage.executed is not None]
    kinds = sorted({name for executed in told for name in executed})
    executed = {name: sum(one.get(name, 0) for one in told) for name in kinds}
    return Usage(
        requests=sum(usage.requests for usage in usages),
        sent=sum(usage.sent for usage in usages),
        executed=executed if len(told) == len(usages) else None,
        origin_calls=sum(usage.origin_calls for usage in usages),
    )
