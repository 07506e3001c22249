"""Latency against offered rate: where the knee is, and when to stop looking for it."""

import numpy as np
import pytest

from dousell_cache.measure.load_result import LoadResult
from dousell_cache.measure.rates import Knee, Step, hopeless, knee, step, summed_up
from dousell_cache.measure.stats import Interval


def made(rate: float, p95: float, *, achieved: float = 1.0, hits: float = 1.0) -> Step:
    """A step of a rate, answered in this time."""
    return Step(
        rate=rate,
        achieved=rate * achieved,
        requests=200,
        hits=hits,
        p50_ms=Interval(p95 / 2, samples=200),
        p95_ms=Interval(p95, samples=200),
    )


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([made(100, 2), made(200, 2.1), made(400, 3.9)], Knee(rate=400, slow_at=None)),
        ([made(100, 2), made(200, 2.1), made(400, 4.1)], Knee(rate=200, slow_at=400)),
        ([made(100, 8), made(200, 3), made(400, 6.1)], Knee(rate=200, slow_at=400)),
        ([made(100, 2), made(200, 2, achieved=0.98), made(400, 2)], Knee(rate=100, slow_at=200)),
        ([made(100, 2), made(200, 2, hits=0.9)], Knee(rate=100, slow_at=200)),
        ([made(100, 2, achieved=0.5)], Knee(rate=None, slow_at=100)),
    ],
    ids=["never", "slow", "dozing", "generator", "misses", "at once"],
)
def test_the_knee_is_the_last_rate_that_was_fast(steps: list[Step], found: Knee) -> None:
    """Fast is at most twice the best so far, at the rate that was offered, with hits alone; one gap ends it."""
    assert knee(steps) == found


def test_a_knee_needs_a_step() -> None:
    """Without a step there is no knee to tell."""
    with pytest.raises(ValueError, match="at least one step"):
        knee([])


def test_higher_rates_are_given_up_when_they_show_nothing_new() -> None:
    """Five times slower than the best is hopeless; nothing measured, or merely slow, is not."""
    assert not hopeless([])
    assert not hopeless([made(100, 2), made(200, 9.9)])
    assert hopeless([made(100, 8), made(200, 2), made(400, 10.1)])


def test_a_load_becomes_a_step() -> None:
    """Rate, requests, hits and percentiles are the load's; a generator that fell behind lowers what was achieved."""
    times = np.arange(200) / 100
    lag = np.linspace(0, 2_000, 200)  # the last request starts two seconds late
    load = LoadResult(np.full(200, 3.0), np.full(200, 3.0), lag, ["hit"] * 150 + ["miss"] * 50, [], times)
    found = summed_up(100, load)
    assert (found.rate, found.requests, found.hits, found.p95_ms.value) == (100, 200, 0.75, 3.0)
    assert found.achieved == pytest.approx(100 * 1.99 / 3.99)
    assert found.doubt == load.doubt == "only 50 of 100 requests a second could be started"
    assert knee([made(50, 2), found]).doubt == found.doubt


async def test_a_step_has_requests_enough() -> None:
    """However low the rate and short the time, there are 120 requests, each asked once."""
    asked: list[int] = []

    async def operation(index: int) -> str:
        asked.append(index)
        return "hit"

    found = await step(10_000, 0.001, operation, seed=1)
    assert sorted(asked) == list(range(120))
    assert (found.requests, found.hits) == (120, 1.0)
