"""A trace tuned, then confirmed on a real cache: what notebook 04 shows.

The replay takes the beginning of the trace, compressed in time. A machine that is too busy for it confirms nothing, and
the reason is told instead: the prediction does not depend on it.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec
import pandas as pd

from ..async_cache import AsyncCache
from ..connecting import connect_async
from ..dousell.site import cache_environment
from ..errors import MeasurementFailed
from ..measure.load import run_open_loop
from ..measure.plans import check_profile
from ..measure.result import Result, this_host, utc_now
from ..measure.workload import Schedule
from .advice import by_reads
from .curves import Figures, fill_times
from .demo import demo_trace
from .design import DESIGN_TTLS
from .experiment import AsyncExperiment
from .formats import examine
from .goals import Goal
from .namespaces import without_namespace
from .replay import Confirmation, replay
from .trace import READ, Trace
from .tuned import Tuned, tune
from .verdicts import Verdict

DEMO_FILL = 0.3
"""Seconds that a load takes where no trace tells: Dousell's distance from Supabase."""

_EVENTS = {"quick": 1_800, "full": 21_000}
_SECONDS = {"quick": 6.0, "full": 120.0}  # of a replay, for each TTL
_SHORT = 300.0  # a piece that is short anyway is compressed so much all the same
_TTLS = {"quick": (30.0, 120.0, 300.0), "full": (10.0, 30.0, 60.0, 120.0, 300.0)}
_PATIENCE = 5.0  # seconds
_ARMS = {"300 s": 300.0, "60 s": 60.0}


class TunePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to tune by.

    Args:
        trace: a file or folder that :func:`.formats.read_trace` reads; "" for the page mix of Dousell's site.
        unit: of its times, ``s`` or ``ms``; "" where it says so itself.
        writes: what its writes are, ``fills`` or ``changes``; "" where it has none.
        namespace: what stands before the families in all its keys; "" for nothing.
        target: the share of reads that are to be hits.
        max_outdated: the share of reads that may be out of date; 1 for any.
        hours: how long the page mix lasts.
        seed: of the page mix.
        profile: ``quick`` or ``full``: how much is replayed.
    """

    trace: str = ""
    unit: Literal["", "s", "ms"] = ""
    writes: Literal["", "fills", "changes"] = ""
    namespace: str = ""
    target: float = 0.9
    max_outdated: float = 1.0
    hours: float = 12.0
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _EVENTS)


@dataclass(frozen=True)
class TuneLab:
    """What was predicted, and what was measured.

    Args:
        cache: what confirmed it.
        plan: what it was tuned by.
        notes: what there is to know about the trace.
        tuned: the curves and the advice.
        confirmed: predicted beside measured; None if the machine was too busy, or the trace too sparse.
        compared: what a short A/B of two TTLs says.
        refusal: why nothing was confirmed; "" if it was.
        started: UTC, ISO 8601.
        seconds: how long it took.
    """

    cache: AsyncCache
    plan: TunePlan
    notes: tuple[str, ...]
    tuned: Tuned
    confirmed: Confirmation | None
    compared: list[Verdict]
    refusal: str
    started: str
    seconds: float

    @property
    def reading(self) -> str:
        """What was found, in sentences."""
        trace = self.tuned.trace
        lines = [f"{trace.reads:,} reads and {len(trace) - trace.reads:,} invalidations in {trace.seconds:,.0f} s."]
        lines += self.notes
        if self.confirmed:
            lines.append(
                f"Replayed on {self.cache.environment.name}, {self.confirmed.requests:,} requests at each of "
                f"{len(self.confirmed.rows)} TTLs: predictions were off by {self.confirmed.worst:.2f} points at most."
            )
        else:
            lines.append(f"Nothing was confirmed: {self.refusal}.")
        return "\n".join([*lines, *(f"Emulated on this machine: {part}." for part in self.emulated)])

    @property
    def emulated(self) -> list[str]:
        """A line for each part imitated on this machine."""
        made = [] if self.plan.trace else ["the trace is a page mix, drawn by chance"]
        return [*filter(None, [self.cache.environment.emulated]), *made, "loads are waits"]

    @property
    def samples(self) -> pd.DataFrame:
        """Every family's curve, a row a TTL."""
        frames = [played.to_frame().assign(family=name) for name, played in self.tuned.families.items()]
        return pd.concat(frames, ignore_index=True)

    @property
    def result(self) -> Result:
        """The run as it is published."""
        return Result(
            notebook="04_tune_ttl",
            environment=self.cache.environment.name,
            cache=self.cache.environment.address,
            origin="",
            emulated=self.emulated,
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters=msgspec.structs.asdict(self.plan),
            host=this_host(),
        )


@asynccontextmanager
async def open_cache(environment: str) -> AsyncIterator[AsyncCache]:
    """Open the cache of an environment, under a namespace of its own; no origin is read.

    It has more patience than a site's: a reply that this machine is too busy to take in time would count as a read that
    the cache did not answer.

    Args:
        environment: ``local``, ``vercel`` or ``dedicated``.

    Raises:
        ConfigurationError: there is no such environment, or its variables make no sense; the message names them.
    """
    place = await asyncio.to_thread(cache_environment, environment, os.environ)
    async with await connect_async(
        place, namespace=f"dousell-lab:{secrets.token_hex(4)}:", patience=_PATIENCE
    ) as cache:
        yield cache


async def tune_and_confirm(cache: AsyncCache, plan: TunePlan) -> TuneLab:
    """Tune a trace, then replay its beginning on a real cache.

    Args:
        cache: from :func:`open_cache`.
        plan: what to tune by.

    Raises:
        ValueError: the trace makes no sense.
    """
    started, clock = utc_now(), time.monotonic()
    trace, notes = await asyncio.to_thread(_trace_of, plan)
    fill = DEMO_FILL if trace.load_ms is None else None
    goal = Goal(plan.target, max_outdated=plan.max_outdated if plan.max_outdated < 1 else None)
    tuned = await asyncio.to_thread(lambda: tune(trace, goal, present=DESIGN_TTLS, fill=fill))
    piece = _beginning(trace, _EVENTS[plan.profile])
    compress = max(1.0, piece.seconds / _SECONDS[plan.profile], min(_SHORT, piece.seconds))
    confirmed, compared, refusal = None, [], ""
    try:
        confirmed = await replay(piece, cache, _TTLS[plan.profile], compress=compress, fill=fill)
        compared = await compare(cache, piece, _ARMS, compress=compress, fill=fill)
    except (MeasurementFailed, ValueError) as error:
        refusal = str(error)
    return TuneLab(cache, plan, notes, tuned, confirmed, compared, refusal, started, time.monotonic() - clock)


async def compare(
    cache: AsyncCache, trace: Trace, arms: Mapping[str, float], *, compress: float = 1.0, fill: float | None = None
) -> list[Verdict]:
    """Replay a trace while an experiment has the TTLs of its busiest family, and return the verdicts.

    Args:
        cache: a real cache.
        trace: what is asked.
        arms: seconds by arm, before compression; the first is what the others are compared with.
        compress: what gaps, TTLs and loads are divided by.
        fill: seconds that a load takes, before compression; default as recorded.
    """
    family = by_reads(trace)[0].family_names[0]
    shorter = {name: ttl / compress for name, ttl in arms.items()}
    experiment = AsyncExperiment(f"lab-{secrets.token_hex(4)}", shorter, cache, family=family, lead_in=0)
    await experiment.start()
    try:
        schedule = Schedule.replay((trace.times - trace.times[0]) / compress)
        await run_open_loop(schedule, _asking(cache, trace, experiment, fill_times(trace, fill) / 1e6 / compress))
    finally:
        await experiment.close()
    try:
        return experiment.verdicts()
    finally:
        await experiment.forget()


def _asking(
    cache: AsyncCache, trace: Trace, experiment: AsyncExperiment, fills: Figures
) -> Callable[[int], Coroutine[None, None, str]]:
    codes: list[int] = trace.key_codes.tolist()
    reads: list[bool] = (trace.operations == READ).tolist()

    async def ask(index: int) -> str:
        code = codes[index]
        key = trace.key_names[code]
        if not reads[index]:
            await cache.invalidate(key)
            return "invalidated"

        async def load() -> int:
            await asyncio.sleep(float(fills[code]))
            return code

        await cache.get_or_set(key, load, ttl=max(experiment.ttl(key), 0.001))
        return "read"

    return ask


def _trace_of(plan: TunePlan) -> tuple[Trace, tuple[str, ...]]:
    if not plan.trace:
        return demo_trace(plan.hours, seed=plan.seed), ()
    reading = examine(plan.trace, unit=plan.unit or None, writes=plan.writes or None)
    trace, more = without_namespace(reading.trace, plan.namespace or None)
    return trace, (*reading.notes, *more)


def _beginning(trace: Trace, events: int) -> Trace:
    return trace.between(0, float(trace.times[events])) if events < len(trace) else trace
