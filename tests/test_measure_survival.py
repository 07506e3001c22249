"""A load through a cache that is killed, paused and slowed, on real servers without latency added."""

import asyncio

import pytest

from dousell_cache.dousell.site import open_site
from dousell_cache.local import Cloud
from dousell_cache.measure.phases import PHASES
from dousell_cache.measure.survival import Survival, SurvivalPlan, measure_survival

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


def test_the_result_says_what_was_imitated(run: Survival) -> None:
    """What is published names the failures as emulated, has a row for each phase, and no credentials."""
    result = run.result
    assert any("failures" in line for line in result.emulated)
    assert [row.path for row in result.latency] == [phase.name for phase in PHASES]
    assert len(run.samples) == len(run.load.outcomes)


@pytest.mark.parametrize(("name", "value"), [("seconds", -1), ("rate", 0), ("keys", 0), ("profile", "slow")])
def test_a_plan_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """The message names the value that is wrong."""
    with pytest.raises(ValueError, match=name):
        SurvivalPlan(**{name: value})  # type: ignore[arg-type] # wrong on purpose
