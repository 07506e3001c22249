"""Callers at one lock, on real servers: every grant is timed, and of each double click one is let in."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from dousell_cache.async_cache import AsyncCache
from dousell_cache.dousell.site import open_site
from dousell_cache.measure.contenders import Clicks, Contention, contend, double_click, levels
from dousell_cache.measure.lab_locks import open_bench


@pytest_asyncio.fixture(params=["local", "vercel"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[AsyncCache]:
    """A cache whose server grants the locks, over TCP and over REST."""
    async with open_site(request.param) as site, open_bench(site.environment) as bench:
        yield bench.cache


def grants(*times: tuple[float, float]) -> Contention:
    """Return what became of callers who asked and were granted at these times."""
    asked, granted = np.array(times).T
    return Contention(2, False, asked, granted, granted + 0.002, 4 * len(asked), 0)


async def test_every_grant_is_timed(cache: AsyncCache) -> None:
    """Grants follow each other, nobody holds the lock while another does, and each was asked for before."""
    met = await contend(cache, 3, 0.2, 0.001)
    assert len(met.asked_s) >= 3
    assert met.refused == 0
    assert np.all(met.wait_ms > 0)
    assert np.all(met.hold_ms >= 1)
    assert np.all(met.granted_s[1:] >= met.granted_s[:-1] + 0.001)
    assert met.commands >= 2 * len(met.asked_s)


async def test_one_caller_pays_two_commands(cache: AsyncCache) -> None:
    """Without contention a grant costs the published two commands: one to take, one to give back."""
    met = await contend(cache, 1, 0.1, 0.0)
    assert met.row(1.0).commands_per_grant == 2


async def test_of_each_double_click_one_is_let_in(cache: AsyncCache) -> None:
    """In every round one click gets the lock and all the others are told that a payment is under way."""
    clicks = await double_click(cache, 4, 5)
    assert sorted(clicks.answers) == ["already under way"] * 15 + ["let in"] * 5
    assert np.all(clicks.answer_ms > 0)
    row = clicks.row
    assert (row.contenders, row.clicks, row.let_in, row.rejected, row.no_answer) == (4, 20, 5, 15, 0)
    assert row.rejected_p50_ms is not None
    assert row.rejected_p50_ms.value == np.median(clicks.answer_ms[np.array(clicks.answers) == "already under way"])


async def test_clicks_without_a_server_get_no_answer() -> None:
    """Where nobody can say whose the lock is, no click is let in, and none is told that somebody else was."""
    async with open_site("local") as site, open_bench(site.environment) as bench:
        clicks = await asyncio.wait_for(double_click(bench.lost_cache, 2, 1), 20)
    assert clicks.answers == ["no answer"] * 2
    assert clicks.row.rejected_p50_ms is None


def test_being_passed_over_is_seen() -> None:
    """A grant is out of order if somebody who had asked earlier was still waiting, then or later."""
    served = grants((0.00, 0.01), (0.02, 0.03), (0.05, 0.06), (0.01, 0.07))
    assert served.in_order(1.0).tolist() == [True, False, False, True]
    assert grants((0.00, 0.01), (0.01, 0.03), (0.02, 0.06)).in_order(0.0).all()


def test_who_asks_at_the_same_instant_is_not_passed_over() -> None:
    """Two that asked within an instant of each other may be served either way round."""
    served = grants((0.0010, 0.01), (0.0005, 0.02))
    assert served.in_order(1.0).all()
    assert served.in_order(0.1).tolist() == [False, True]


def test_figures_follow_from_the_grants() -> None:
    """Waits, their longest against the median, grants a second and commands are those of the grants."""
    row = grants((0.0, 0.01), (0.0, 0.02), (0.0, 0.03), (0.0, 0.08)).row(1.0)
    assert (row.contenders, row.fair, row.grants, row.refused) == (2, False, 4, 0)
    assert row.wait_p50_ms.value == pytest.approx(25)
    assert row.longest_to_median == pytest.approx(80 / 25)
    assert row.grants_per_second.value == pytest.approx(3 / 0.07)
    assert row.hold_p50_ms.value == pytest.approx(2)
    assert row.commands_per_grant == 4


def test_clicks_that_were_all_let_in_have_no_rejections() -> None:
    """One click at a time is never rejected, and there is no figure of how long that takes."""
    assert Clicks(1, ["let in"] * 3, np.ones(3)).row.rejected_p50_ms is None


@pytest.mark.parametrize(
    ("most", "wanted"), [(1, [1]), (2, [1, 2]), (16, [1, 2, 4, 8, 16]), (12, [1, 2, 4, 8, 12]), (3, [1, 2, 3])]
)
def test_levels_are_powers_of_two_up_to_the_most(most: int, wanted: list[int]) -> None:
    """Contention is measured at each power of two, and at the level that was asked for."""
    assert levels(most) == wanted
