"""Stories of two payments, on real servers and a real ledger: which guard keeps which of them from being paid twice."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from dousell_cache.dousell.site import open_site
from dousell_cache.local import Cloud
from dousell_cache.measure.lab_ledger import Guards, LabLedger, open_lab_ledger
from dousell_cache.measure.lab_locks import NAIVE, SETUPS, SHIPPED, Bench, open_bench
from dousell_cache.measure.stories import DRAWN, STORIES, tell
from dousell_cache.measure.trial import try_out

# How often the rent is paid: double click, paused, both inside, late release, cut off, forgotten.
PAYMENTS = {
    "lock, fence, unique row": [1, 1, 1, 1, 1, 1],
    "unique row, no lock": [1, 1, 1, 1, 1, 1],
    "lock and fence": [1, 1, 2, 1, 1, 1],
    "fence drawn too late": [1, 2, 2, 1, 1, 2],
    "lock alone": [1, 2, 2, 1, 1, 2],
    "lock ended by bare DEL": [1, 2, 2, 2, 1, 2],
    "lock that fails open": [1, 2, 2, 1, 2, 2],
    "nothing": [2, 2, 2, 2, 2, 2],
}


@pytest_asyncio.fixture(params=["local", "vercel"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """What locks are made from, over TCP and over REST."""
    async with open_site(request.param) as site, open_bench(site.environment) as opened:
        yield opened


@pytest_asyncio.fixture
async def ledger(cloud: Cloud) -> AsyncIterator[LabLedger]:
    """A ledger of this test's own."""
    async with open_lab_ledger(cloud.postgres_url) as opened:
        yield opened


async def test_each_guard_keeps_what_it_promises(bench: Bench, ledger: LabLedger) -> None:
    """Every story ends with every setup as the notebook says: as shipped always once, with less at times twice."""
    room = asyncio.Semaphore(8)

    async def payments(setup: str, story: str) -> int:
        async with room:
            guarded = next(each for each in SETUPS if each.name == setup)
            return (await tell(bench, ledger, guarded, story)).payments

    for setup, wanted in PAYMENTS.items():
        assert await asyncio.gather(*(payments(setup, story) for story in STORIES)) == wanted, setup
    assert [setup.name for setup in SETUPS] == list(PAYMENTS)


async def test_the_drawn_story_is_told_step_by_step(bench: Bench, ledger: LabLedger) -> None:
    """What is drawn is what happened: the same steps with both, in order of time, and one word apart at the end."""
    naive, shipped = await asyncio.gather(*(tell(bench, ledger, setup, DRAWN) for setup in (NAIVE, SHIPPED)))
    for told in (naive, shipped):
        assert [(step.who, step.step) for step in told.happened] == list(STORIES[DRAWN])
        assert [step.ms for step in told.happened] == sorted(step.ms for step in told.happened)
        assert [step.word for step in told.happened][:-1] == ["let in", "unpaid", "", "let in", "unpaid", "paid", ""]
    assert (naive.happened[-1].word, naive.payments) == ("paid", 2)
    assert (shipped.happened[-1].word, shipped.payments) == ("fence too small", 1)


async def test_a_random_run_finds_the_weak_and_leaves_nothing_unpaid(bench: Bench, ledger: LabLedger) -> None:
    """Without any guard rents are paid twice, as shipped none is; and in both every rent is paid."""
    room, weak = asyncio.Semaphore(bench.at_once), SETUPS[-1]
    shipped = await try_out(bench, ledger, SHIPPED, 12, 1, room)
    nothing = await try_out(bench, ledger, weak, 12, 1, room)
    assert (shipped.rents, shipped.twice, shipped.never) == (12, 0, 0)
    assert nothing.twice > 0
    assert nothing.never == 0


@pytest.mark.parametrize(
    ("guards", "words"),
    [
        (Guards(), ["paid", "paid", "paid"]),
        (Guards(fence=True), ["paid", "fence too small", "paid"]),
        (Guards(row=True), ["paid", "row is there", "row is there"]),
        (Guards(fence=True, row=True), ["paid", "fence too small", "row is there"]),
    ],
)
async def test_a_ledger_decides_by_its_guards(ledger: LabLedger, guards: Guards, words: list[str]) -> None:
    """A smaller fence than one seen is refused by the fence, a second row by the row, and each by nothing else."""
    assert [await ledger.pay("rent", fence, guards) for fence in (7, 6, 8)] == words
    assert await ledger.times() == {"rent": words.count("paid")}
    assert await ledger.is_paid("rent")
    assert not await ledger.is_paid("another")


async def test_a_ledger_leaves_nothing_behind(cloud: Cloud) -> None:
    """When a trial is over, its tables are gone, and another's are untouched."""
    async with open_lab_ledger(cloud.postgres_url) as kept:
        await kept.pay("rent", 1, Guards())
        async with open_lab_ledger(cloud.postgres_url) as other:
            assert await other.times() == {}
        assert await kept.times() == {"rent": 1}
    with psycopg.connect(cloud.postgres_url) as connection:
        assert connection.execute("select nspname from pg_namespace where nspname like 'lab%'").fetchall() == []
