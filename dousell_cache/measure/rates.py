"""Latency against offered rate: up to which rate answers stay as fast as when there is little to do.

One point says little of a server, and less of two. Rates go up in steps until answers are slow; the knee is the last
rate before. Beyond it an open loop's queue grows for as long as the step lasts, so those times only say: too much.
"""

import math
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from .load import LoadResult, run_open_loop
from .progress import Watcher
from .stats import Interval
from .workload import Schedule

SLOWER = 2.0
"""The knee is passed when P95 is more than this many times the best of the rates below."""

_HOPELESS = 5.0  # so many times slower than the best, and higher rates would only take longer to say the same
_ENOUGH = 0.99  # of the rate, as for every load: less, and it is the generator that was measured; and of hits
_FEWEST = 120  # requests in a step, for its P95 to have an interval where they do not come in clusters


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One offered rate.

    Args:
        rate: requests per second offered.
        achieved: requests per second that could be started; less than 99 % of the rate, and the generator was too slow.
        requests: how many there were.
        hits: share of them that were hits; where it is less than 99 %, the cache itself gave in.
        p50_ms: median response.
        p95_ms: that of the slowest twentieth.
        doubt: why this says more about the generator than about the cache; empty when it does not.
    """

    rate: float
    achieved: float
    requests: int
    hits: float
    p50_ms: Interval
    p95_ms: Interval
    doubt: str = ""


class Knee(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers begin to wait for each other.

    Args:
        rate: the highest rate offered at which they did not yet; None if they did at the lowest.
        slow_at: the next one, at which they did; None if they never did: then the knee is above ``rate``.
        doubt: why that may be the generator's limit and not the cache's; empty when it is the cache's.
    """

    rate: float | None
    slow_at: float | None
    doubt: str = ""


def knee(steps: Sequence[Step]) -> Knee:
    """Find the knee of steps in ascending order of their rates.

    A step is fast when its rate was achieved, its answers were hits, and its P95 is at most twice the best of the steps
    before it: an idle machine dozes off between few requests, so the lowest rate is not the fastest.

    Raises:
        ValueError: there is no step.
    """
    if not steps:
        message = "a knee needs at least one step"
        raise ValueError(message)
    last, best = None, math.inf
    for step in steps:
        best = min(best, step.p95_ms.value)
        complete = step.achieved >= _ENOUGH * step.rate and step.hits >= _ENOUGH
        if step.p95_ms.value > SLOWER * best or not complete:
            return Knee(rate=last, slow_at=step.rate, doubt=step.doubt)
        last = step.rate
    return Knee(rate=last, slow_at=None)


def hopeless(steps: Sequence[Step]) -> bool:
    """Tell whether the last step was so slow that a higher rate would show nothing new."""
    times = [step.p95_ms.value for step in steps]
    return bool(times) and times[-1] > _HOPELESS * min(times)


def requests_of(rate: float, seconds: float) -> int:
    """Return how many requests a step has: those of its time, but at least 120, of which P95 says something."""
    return max(_FEWEST, round(rate * seconds))


async def step(
    rate: float,
    seconds: float,
    operation: Callable[[int], Awaitable[str]],
    *,
    seed: int,
    progress: Watcher | None = None,
) -> Step:
    """Offer one rate.

    Args:
        rate: requests per second, Poisson.
        seconds: how long, but at least for 120 requests.
        operation: as for :func:`.load.run_open_loop`.
        seed: of the arrivals.
        progress: shown how far it is.
    """
    schedule = Schedule.poisson(rate, seed=seed, requests=requests_of(rate, seconds))
    return summed_up(rate, await run_open_loop(schedule, operation, progress=progress))


def summed_up(rate: float, load: LoadResult) -> Step:
    """Return a load as a step."""
    return Step(
        rate=rate,
        achieved=rate * min(1.0, load.achieved_rate / load.offered_rate),
        requests=len(load.outcomes),
        hits=load.outcomes.count("hit") / len(load.outcomes),
        p50_ms=load.percentile(50),
        p95_ms=load.percentile(95),
        doubt=load.doubt,
    )
