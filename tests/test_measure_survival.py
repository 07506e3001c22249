"""A load through a cache that is killed, paused and slowed, on real servers without latency added."""

import asyncio
from typing import cast

import numpy as np
import pytest

from dousell_cache.dousell.site import Site, open_site
from dousell_cache.local import Cloud
from dousell_cache.measure.kpis import KPIS
from dousell_cache.measure.load_result import LoadResult
from dousell_cache.measure.phases import PHASES, Moved, phase_of
from dousell_cache.measure.survival import Survival, SurvivalPlan, measure_survival
from dousell_cache.reporting.survival_figures import failures_over_time, phase_table

PLAN = SurvivalPlan(seconds=0.6, rate=60, keys=4, seed=2)


@pytest.fixture(scope="module", params=["local", "vercel"])
def run(request: pytest.FixtureRequest, cloud: Cloud) -> Survival:  # noqa: ARG001 - joined, so that it is started once
    """A run over each protocol."""

    async def measured() -> Survival:
        async with open_site(request.param) as site:
            return await measure_survival(site, PLAN)

    return asyncio.run(measured())


def test_every_read_is_answered(run: Survival) -> None:
    """Whatever becomes of the cache, no read fails, and each belongs to one phase."""
    assert run.unanswered == 0
    assert sum(row.reads for row in run.rows) == len(run.load.outcomes) == len(PLAN.schedule.times)
    assert run.figures["unanswered"].value == 0


def test_a_killed_cache_is_passed_by(run: Survival) -> None:
    """While connections are refused, reads go to the origin, and the breaker is open."""
    killed = next(row for row, phase in zip(run.rows, PHASES, strict=True) if phase.fault == "refuse")
    assert killed.outcomes["bypass"] > 0
    assert run.openings
    assert len(run.costs["ill, breaker open"])


def by_hand(
    due: list[float], response_ms: list[float], costs: list[float], moves: list[Moved], *, failed: int = 0
) -> Survival:
    """Return a run in which this became of the reads; of the site nothing is asked."""
    times, response = np.array(due), np.array(response_ms)
    outcomes = ["error"] * failed + ["bypass"] * (len(due) - failed)
    load = LoadResult(response, response, np.zeros(len(due)), outcomes, [], times)
    return Survival(cast("Site", None), PLAN, "", 0.0, load, np.array(costs), moves, 0.1)


def test_a_read_that_trouble_meets_under_way_is_no_healthy_one() -> None:
    """What it waited for the cache is a dead cache's cost, though it was due while all was well."""
    run = by_hand([0.1, 0.55, 0.7], [5, 200, 150], [0.5, 100.0, 101.0], [])
    assert {name: list(costs) for name, costs in run.costs.items()} == {
        "well": [0.5],
        "ill, breaker closed": [100.0, 101.0],
        "ill, breaker open": [],
    }


OPENED = [Moved(0.7, "open"), Moved(4.0, "closed")]


@pytest.mark.parametrize(
    ("reads", "failed", "moves", "words"),
    [
        (301, 0, OPENED, ["pass"]),
        (300, 0, OPENED, ["inconclusive"]),
        (841, 1, OPENED, ["fail"]),
        (841, 0, [], ["inconclusive"]),
        (841, 1, [], ["fail"]),
    ],
)
def test_no_read_may_fail(reads: int, failed: int, moves: list[Moved], words: list[str]) -> None:
    """One fails; none passes where enough of them met a cache that failed, and it was seen to fail at all."""
    due = [*np.linspace(0.65, 1.1, reads), *np.linspace(1.3, 1.7, 500)]  # while connections are refused, and after
    run = by_hand(due, [5.0] * len(due), [0.5] * len(due), moves, failed=failed)
    assert run.tried.sum() == reads
    assert [verdict.word for verdict in run.verdicts] == words
    assert [verdict.kpi.name for verdict in run.verdicts] == ["unanswered"]


def test_the_quick_profile_reads_often_enough_to_pass() -> None:
    """Where none of its reads fails, it is surely fewer than the target says."""
    plan = SurvivalPlan()
    due = phase_of(plan.schedule.times, plan.phase_seconds, len(PHASES))
    while_it_fails = sum(bool(PHASES[phase].fault) for phase in due)
    assert 3 / while_it_fails < KPIS["unanswered"].target


def test_a_phase_without_reads_claims_nothing() -> None:
    """Neither a time of nought nor that none failed; and a run without any has a picture."""
    rows = phase_table(by_hand([0.1], [5], [0.5], []).rows).rows
    assert rows[0][3:] == ("✓ none", "5.00 ms", "5.00 ms", "5.00 ms")
    assert rows[1][1:] == ("0", "–", "–", "–", "–", "–")
    assert failures_over_time(by_hand([], [], [], [])).png


def test_the_result_says_what_was_imitated(run: Survival) -> None:
    """What is published names the failures as emulated, has a row for each phase, and no credentials."""
    result = run.result
    assert any("failures" in line for line in result.emulated)
    assert [verdict.kpi.name for verdict in result.verdicts] == ["unanswered"]
    assert [row.path for row in result.latency] == [phase.name for phase in PHASES]
    assert len(run.samples) == len(run.load.outcomes)


@pytest.mark.parametrize(("name", "value"), [("seconds", -1), ("rate", 0), ("keys", 0), ("profile", "slow")])
def test_a_plan_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """The message names the value that is wrong."""
    with pytest.raises(ValueError, match=name):
        SurvivalPlan(**{name: value})  # type: ignore[arg-type] # wrong on purpose
