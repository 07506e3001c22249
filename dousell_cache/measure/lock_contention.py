"""What a lock does under contention, and what it takes that no rent is paid twice.

Callers at one lock are timed; then money is on trial: deterministic stories and a random run with ever fewer guards,
and Dousell's payments and visits as shipped. Locks are the environment's; ledger and provider are on this machine.
"""

import asyncio
import time
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd

from ..dousell.site import Site, shared_cloud
from ..errors import MeasurementFailed
from .contenders import Clicks, Contention, contend, double_click, levels
from .kpis import Verdict, judge_all, kpis_in_force
from .lab_ledger import LabLedger, open_lab_ledger
from .lab_locks import NAIVE, SETUPS, SHIPPED, Bench, Setup, open_bench
from .place import Place, survey
from .plans import check_bounds, check_profile
from .provenance import commit
from .result import ClickRow, ContentionRow, GuardRow, Result, this_host, utc_now
from .shipped import Kept, book_visits, open_lab, pay_rents
from .stats import Interval, never
from .stories import DRAWN, STORIES, Told, tell
from .trial import Tried, try_out

_SECONDS = {"quick": 0.8, "full": 20.0}  # of asking, at each level of contention
_ROUNDS = {"quick": 20, "full": 300}  # of double clicks, at each level
_RENTS = {"quick": 105, "full": 1_500}  # and as many slots; 3 ÷ 105 is below the target
_BOUNDS = {"contenders": (2, 64), "body_ms": (0, 1_000), "rents": (1, 100_000)}
_TRIED = {"quick": 12, "full": 100}  # rents in the random run of each setup
_LEDGER = "payments (PayDunya simulated, their ledger in PostgreSQL on this machine)"


class LockPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure; equal plans meet the same troubles.

    Args:
        contenders: the most callers at once; fewer are measured too, in powers of two.
        body_ms: how long each of them holds the lock.
        rents: how many rents are paid, and slots booked, as shipped; None for what the profile says (105 quick, 1,500
            full).
        seed: of the troubles.
        profile: ``quick`` or ``full``.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    contenders: int = 16
    body_ms: float = 2.0
    rents: int | None = None
    seed: int = 1
    profile: str = "quick"

    def __post_init__(self) -> None:
        check_profile(self.profile, _SECONDS)
        check_bounds(self, _BOUNDS)

    @property
    def payments(self) -> int:
        """How many rents are paid, and slots booked."""
        return self.rents or _RENTS[self.profile]


@dataclass(frozen=True, eq=False)
class LockContention:
    """A measured run.

    Args:
        site: where it was measured.
        plan: what was asked.
        started: UTC.
        seconds: how long it took.
        contention: callers at one lock, from one to the most.
        fair: the most callers at a lock that is asked for with ``fair=True``.
        clicks: double clicks, from one to the most.
        told: every story with every setup.
        tried: the random run of every setup.
        rents: payments as shipped.
        visits: bookings as shipped.
        place: how far the locks' server was, and over what.
    """

    site: Site
    plan: LockPlan
    started: str
    seconds: float
    contention: list[Contention]
    fair: Contention
    clicks: list[Clicks]
    told: list[Told]
    tried: list[Tried]
    rents: Kept
    visits: Kept
    place: Place | None = None

    @cached_property
    def instant_ms(self) -> float:
        """What an uncontended lock takes at the median: who asks within it of another asks at the same instant."""
        return float(np.median(self.contention[0].wait_ms))

    @cached_property
    def contention_rows(self) -> list[ContentionRow]:
        """Each level of contention in figures, that of ``fair=True`` last."""
        return [each.row(self.instant_ms) for each in (*self.contention, self.fair)]

    @property
    def click_rows(self) -> list[ClickRow]:
        """Double clicks at each level of contention in figures."""
        return [clicks.row for clicks in self.clicks]

    @property
    def guard_rows(self) -> list[GuardRow]:
        """What each setup came to: as shipped first."""
        return [self._guard_row(tried) for tried in self.tried]

    @property
    def drawn(self) -> tuple[Told, Told]:
        """The story that is drawn: with a naive lock, and as shipped."""
        naive, shipped = (
            next(told for told in self.told if told.story == DRAWN and told.setup == setup.name)
            for setup in (NAIVE, SHIPPED)
        )
        return naive, shipped

    @property
    def figures(self) -> dict[str, Interval]:
        """What must never be, and what the most callers at once met, each with its interval."""
        most, fair, clicks = self.contention_rows[-2], self.contention_rows[-1], self.click_rows[-1]
        figures = {
            "double_payments": _never(self.rents),
            "double_bookings": _never(self.visits),
            "lock_wait_p50_ms": most.wait_p50_ms,
            "lock_wait_p95_ms": most.wait_p95_ms,
            "lock_hold_p50_ms": most.hold_p50_ms,
            "grants_per_second": most.grants_per_second,
            "in_order": most.in_order,
            "in_order_fair": fair.in_order,
        }
        return figures | ({"rejected_click_p50_ms": clicks.rejected_p50_ms} if clicks.rejected_p50_ms else {})

    @property
    def verdicts(self) -> list[Verdict]:
        """The figures against their targets; a run that left rents unpaid cannot pass."""
        flaw = "rents or slots were left" if self.rents.never + self.visits.never else None
        return judge_all(self.figures, kpis_in_force(), flaw=flaw)

    @property
    def reading(self) -> str:
        """What the run says, in plain sentences."""
        rents, visits, most = self.rents, self.visits, self.contention_rows[-2]
        callers = f"{most.contenders} callers at one lock of {self.site.environment.address}"
        grants = f"{most.grants_per_second.value:,.0f} grants a second"
        lines = [f"{callers}: {grants}, at the median after {most.wait_p50_ms.value:.1f} ms."]
        refused = sum(row.refused for row in self.contention_rows)
        if refused:
            lines.append(f"{refused:,} times the contended lock could not be had.")
        paid = f"{rents.twice} of {rents.wanted:,} rents were paid twice"
        lines.append(f"{paid}, {visits.twice} of {visits.wanted:,} slots given twice, with {self._troubles()}.")
        if rents.never or visits.never:
            lines.append(f"{rents.never} rents and {visits.never} slots were left, although they were tried again.")
        naive = next(row for row in self.guard_rows if row.setup == NAIVE.name)
        lines.append(f"A {NAIVE.name} let {naive.twice} of {naive.rents} rents be paid twice.")
        return "\n".join([*lines, *(f"Emulated on this machine: {part}." for part in self.emulated)])

    @property
    def emulated(self) -> list[str]:
        """A line for each part imitated on this machine; no origin is read here."""
        return [*filter(None, [self.site.environment.emulated]), _LEDGER]

    @property
    def samples(self) -> pd.DataFrame:
        """Every grant and every click, a row each."""
        waits = [_grants(each, "lock") for each in self.contention] + [_grants(self.fair, "lock, fair")]
        return pd.concat([*waits, *(_clicked(each) for each in self.clicks)], ignore_index=True)

    @property
    def result(self) -> Result:
        """The run as it is published."""
        return Result(
            notebook="03_measure_lock_contention",
            environment=self.site.environment.name,
            cache=self.site.environment.address,
            origin="",
            emulated=self.emulated,
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters=msgspec.structs.asdict(self.plan),
            figures=self.figures,
            outcomes=self.rents.told,
            verdicts=self.verdicts,
            contention=self.contention_rows,
            clicks=self.click_rows,
            guards=self.guard_rows,
            host=this_host(),
            place=self.place,
            commit=commit(),
            seed=self.plan.seed,
        )

    def _troubles(self) -> str:
        rents, visits = self.rents, self.visits
        paused = f"{rents.paused + visits.paused:,} clicks paused past their lock's time"
        cut_off = f"{rents.cut_off + visits.cut_off:,} cut off from its server"
        return f"{paused}, {cut_off}, {rents.forgotten + visits.forgotten:,} locks forgotten by it"

    def _guard_row(self, tried: Tried) -> GuardRow:
        stories = {told.story: told.payments for told in self.told if told.setup == tried.setup}
        return GuardRow(tried.setup, stories, tried.rents, tried.twice, tried.never)


async def measure_lock_contention(site: Site, plan: LockPlan) -> LockContention:
    """Measure locks under contention, then put payments on trial.

    Args:
        site: an open site, whose server grants the locks; its origin is left alone.
        plan: what to measure.

    Raises:
        MeasurementFailed: a lock was never granted often enough to say anything about it.
    """
    started, around = utc_now(), await survey(site.environment)
    clock = time.monotonic()
    server_url = (await asyncio.to_thread(shared_cloud)).postgres_url
    async with open_bench(site.environment) as bench:
        contention, fair = await _contend(bench, plan)
        rounds = _ROUNDS[plan.profile]
        clicks = [await double_click(bench.cache, level, rounds) for level in levels(plan.contenders)]
        async with open_lab_ledger(server_url) as ledger:
            told = await _tell_all(bench, ledger)
            tried = await _try_all(bench, ledger, plan)
        async with open_lab(bench, server_url, plan.seed) as lab:
            rents, visits = await asyncio.gather(
                pay_rents(lab, plan.payments, plan.seed), book_visits(lab, plan.payments, plan.seed)
            )
    taken, place = time.monotonic() - clock, around.until_now()
    return LockContention(site, plan, started, taken, contention, fair, clicks, told, tried, rents, visits, place)


async def _contend(bench: Bench, plan: LockPlan) -> tuple[list[Contention], Contention]:
    seconds, body = _SECONDS[plan.profile], plan.body_ms / 1000
    contention = [await contend(bench.cache, level, seconds, body) for level in levels(plan.contenders)]
    fair = await contend(bench.cache, plan.contenders, 2 * seconds, body, fair=True)
    for each in (*contention, fair):
        if len(each.asked_s) < 2:
            message = f"{each.contenders} callers got one lock {len(each.asked_s)} times, and {each.refused} times not"
            raise MeasurementFailed(message)
    return contention, fair


async def _tell_all(bench: Bench, ledger: LabLedger) -> list[Told]:
    room = asyncio.Semaphore(bench.at_once)  # a story must be over before its locks are

    async def one(setup: Setup, story: str) -> Told:
        async with room:
            return await tell(bench, ledger, setup, story)

    return await asyncio.gather(*(one(setup, story) for setup in SETUPS for story in STORIES))


async def _try_all(bench: Bench, ledger: LabLedger, plan: LockPlan) -> list[Tried]:
    count, room = _TRIED[plan.profile], asyncio.Semaphore(bench.at_once)
    return await asyncio.gather(*(try_out(bench, ledger, setup, count, plan.seed, room) for setup in SETUPS))


def _never(kept: Kept) -> Interval:
    return never(np.arange(kept.wanted) < kept.twice)


def _grants(contention: Contention, path: str) -> pd.DataFrame:
    times = {"intended_s": contention.asked_s, "response_ms": contention.wait_ms, "hold_ms": contention.hold_ms}
    return pd.DataFrame({"path": path, "contenders": contention.contenders, **times, "outcome": "granted"})


def _clicked(clicks: Clicks) -> pd.DataFrame:
    columns = {"path": "double click", "contenders": clicks.contenders, "response_ms": clicks.answer_ms}
    return pd.DataFrame({**columns, "outcome": clicks.answers})
