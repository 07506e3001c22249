"""Two environments measured in turns, here and now: what :mod:`.abba` judges.

Both caches stay open throughout, each under a namespace of its own, and each is as cold as the other when its first
block begins: the first pair holds both cold starts, and counts like any other.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..dousell.site import Site
from ..errors import MeasurementFailed
from ..policy import ttl_ms
from .abba import FEWEST, FalseAlarms, Turn, compare_pairs, false_alarms, turns
from .caveats import caveats
from .compare import Comparison, Ranked, side
from .load import LoadResult, run_open_loop
from .page_reads import page_reader
from .place import Place, survey
from .popularity import Keys
from .provenance import commit
from .result import Result, this_host, utc_now
from .significance import rank_test
from .stats import Interval, Samples, percentile, share
from .workload import Schedule, zipf_ranks

RATE = 75.0
"""Requests per second, as in notebook 01: few enough that a small machine measures the cache and not itself."""


_MOST = {"requests": 50_000_000, "keys": 1_000_000, "seed": 2**32 - 1}  # a week at this rate; more is a slip of the pen


class LivePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure in turns; equal plans ask for the same pages at the same times.

    Args:
        requests: of each environment, in all its blocks together.
        pairs: how many blocks each environment gets; 8 find what is a fifth slower, where blocks vary by 5 %.
        ttl: seconds an entry lives.
        keys: how many different pages are asked for.
        skew: how much the reads concentrate on a few of them.
        seed: of the arrivals and of the choice of pages; each pair draws its own.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    requests: int = 1_200
    pairs: int = 8
    ttl: float = 300.0
    keys: int = 8
    skew: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not FEWEST <= self.pairs <= 1_000:
            message = f"pairs must be from {FEWEST} to 1,000, for pairs to say how much they differ, not {self.pairs}"
            raise ValueError(message)
        if self.requests < 20 * self.pairs:
            message = (
                f"requests must be {20 * self.pairs} or more: 20 for each of {self.pairs} pairs, not {self.requests}"
            )
            raise ValueError(message)
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                message = f"{name} must be {most:,} or less, not {getattr(self, name):,}"
                raise ValueError(message)
        ttl_ms(self.ttl)
        zipf_ranks(self.keys, 0, skew=self.skew, seed=self.seed)

    @property
    def digest(self) -> str:
        """What tells by its equality that the same was asked: SHA-256 of the digests of all pairs, pages included."""
        asked = (self._asked(pair).digest for pair in range(self.pairs))
        return hashlib.sha256("".join(asked).encode()).hexdigest()

    def _asked(self, pair: int) -> Schedule:
        return replace(self.schedule(pair), keys=Keys.of([str(rank) for rank in self.ranks(pair)]))

    def schedule(self, pair: int) -> Schedule:
        """Return when the requests of both blocks of a pair start: Poisson arrivals."""
        return Schedule.poisson(RATE, seed=self.seed + pair, requests=self.requests // self.pairs)

    def ranks(self, pair: int) -> list[int]:
        """Return which page each request of a pair asks for, the most popular being 0."""
        count = self.requests // self.pairs
        return list(map(int, zipf_ranks(self.keys, count, skew=self.skew, seed=self.seed + pair)))


@dataclass(frozen=True, eq=False)
class Party:
    """One of two environments: where it is, and what its blocks were.

    Args:
        site: the open site.
        place: how far its cache is.
        blocks: what became of its requests, a block for each pair.
        asked: which page each of them asked for; None where nobody noted it.
    """

    site: Site
    place: Place
    blocks: list[LoadResult]
    asked: NDArray[np.int64] | None = None

    @property
    def answered_ms(self) -> Samples:
        """Response times of all reads that were answered, in order."""
        return np.concatenate([_answered(block) for block in self.blocks])

    @property
    def failed(self) -> int:
        """How many reads failed."""
        return int(sum(block.failed.sum() for block in self.blocks))

    @property
    def doubt(self) -> str:
        """Why one of the blocks says more about the generator than about the cache; empty when none does."""
        return next((block.doubt for block in self.blocks if block.doubt), "")

    @property
    def figures(self) -> dict[str, Interval]:
        """The figures of all blocks together."""
        hits = np.array([outcome == "hit" for block in self.blocks for outcome in block.outcomes])
        hit_rate, times = share(hits, keys=self.asked), self.answered_ms
        return {"hit_rate": hit_rate, "p50_ms": percentile(times, 50), "p95_ms": percentile(times, 95)}

    @property
    def by_pair(self) -> list[Mapping[str, float]]:
        """The figures of each block."""
        return [_figures(block) for block in self.blocks]


@dataclass(frozen=True, eq=False)
class Live:
    """Two environments that were measured in turns.

    Args:
        plan: what was asked.
        started: UTC.
        seconds: how long it took.
        a: the first environment.
        b: the second, of which the words speak.
        targets: the figures that have a target.
    """

    plan: LivePlan
    started: str
    seconds: float
    a: Party
    b: Party
    targets: frozenset[str]

    @cached_property
    def comparison(self) -> Comparison:
        """The two side by side, judged pair by pair."""
        first, second = self._result(self.a), self._result(self.b)
        found = rank_test(self.b.answered_ms, self.a.answered_ms)
        whole = (first.figures, second.figures)
        return Comparison(
            a=side(first, "A"),
            b=side(second, "B"),
            figures=compare_pairs(self.a.by_pair, self.b.by_pair, whole, targets=self.targets, doubt=self._doubt),
            ranks=Ranked(found.above, found.p),
            caveats=caveats(first, second),
        )

    @property
    def false_alarms(self) -> FalseAlarms:
        """How often two sides that are the same would be called different: to be asked only where they are."""
        return false_alarms(self.a.by_pair, self.b.by_pair, self.targets)

    @property
    def _doubt(self) -> str | None:
        """Why nothing may be concluded; None when nothing speaks against it."""
        if self.a.failed + self.b.failed:
            return "reads failed"
        late = self.a.doubt or self.b.doubt
        return f"this machine was too busy: {late}" if late else None

    def _result(self, party: Party) -> Result:
        return Result(
            notebook="compare",
            environment=party.site.environment.name,
            cache=party.site.environment.address,
            origin=party.site.origin_name,
            emulated=list(party.site.emulated),
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters={**msgspec.structs.asdict(self.plan), "schedule": self.plan.digest},
            figures=party.figures,
            host=this_host(),
            place=party.place,
            commit=commit(),
            seed=self.plan.seed,
        )


async def measure_live(
    a: Site,
    b: Site,
    plan: LivePlan,
    *,
    targets: frozenset[str],
    progress: Callable[[int, int], None] | None = None,
) -> Live:
    """Measure two environments in turns: A B, B A, A B, …, both blocks of a pair asked the same.

    Args:
        a: an open site.
        b: another; the same environment for A/A, but opened anew.
        plan: what to ask for.
        targets: the figures that have a target.
        progress: called with (blocks done, blocks in all).

    Raises:
        ValueError: the plan asks for more pages than there are.
        MeasurementFailed: every read of a block failed, so there is nothing to compare.
    """
    started, clock = utc_now(), time.monotonic()
    pages = await _pages(a, plan), await _pages(b, plan)
    sites, surveys = (a, b), [await survey(site.environment) for site in (a, b)]
    blocks: tuple[list[LoadResult], list[LoadResult]] = ([], [])
    order = turns(plan.pairs)
    for done, turn in enumerate(order):
        if progress:
            progress(done, len(order))
        blocks[turn.second].append(await _block(sites[turn.second], pages[turn.second], plan, turn))
    if progress:
        progress(len(order), len(order))
    asked = np.concatenate([plan.ranks(pair) for pair in range(plan.pairs)])
    places = [one.until_now() for one in surveys]
    first, second = (Party(*one, asked) for one in zip(sites, places, blocks, strict=True))
    return Live(plan, started, time.monotonic() - clock, first, second, targets)


async def _pages(site: Site, plan: LivePlan) -> list[int]:
    pages = await site.origin.property_ids(plan.keys)
    if len(pages) < plan.keys:
        message = f"keys={plan.keys} asks for more pages than the origin has: {len(pages)}"
        raise ValueError(message)
    return pages


async def _block(site: Site, pages: list[int], plan: LivePlan, turn: Turn) -> LoadResult:
    asked = [pages[rank] for rank in plan.ranks(turn.pair)]
    with page_reader(site, asked, plan.ttl) as read:
        block = await run_open_loop(plan.schedule(turn.pair), read)
    if block.failed.all():
        raise MeasurementFailed(block.failure(f"reads of {site.environment.name}"))
    return block


def _answered(block: LoadResult) -> Samples:
    answered: Samples = block.response_ms[~block.failed]
    return answered


def _figures(block: LoadResult) -> dict[str, float]:
    p50, p95 = np.percentile(_answered(block), (50, 95))
    hits = block.outcomes.count("hit") / len(block.outcomes)
    return {"hit_rate": hits, "p50_ms": float(p50), "p95_ms": float(p95)}
