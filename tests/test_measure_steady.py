"""The hit rate of a page mix in the long run: the formula beside a simulation of the very cache."""

import numpy as np
import pytest

from dousell_cache.measure import PAGES, Schedule, page_mix
from dousell_cache.measure.pages import page_of
from dousell_cache.measure.steady import steady_hit_rate
from dousell_cache.measure.workload import INVALIDATE

SMALL = tuple(page._replace(keys=min(page.keys, 40)) for page in PAGES)


def simulated(rate: float, reads: int) -> float:
    """Play a page mix against a cache that keeps what was read for its time to live; the second half is counted."""
    schedule = page_mix(Schedule.poisson(rate, seed=3, requests=reads), seed=3, pages=SMALL)
    operations = np.zeros(len(schedule)) if schedule.operations is None else schedule.operations
    until: dict[str, float] = {}
    hits = []
    for time, key, operation in zip(schedule.times.tolist(), schedule.keys or (), operations.tolist(), strict=True):
        if operation == INVALIDATE:
            until.pop(key, None)
            continue
        hits.append(until.get(key, -1.0) >= time)
        if not hits[-1]:
            until[key] = time + page_of(key, SMALL).ttl
    return float(np.mean(hits[len(hits) // 2 :]))


@pytest.mark.parametrize("rate", [0.02, 0.4, 5.0])
def test_the_formula_is_what_a_cache_comes_to(rate: float) -> None:
    """At few and at many reads a second, updates included, formula and simulation are within two points."""
    assert steady_hit_rate(SMALL, rate) == pytest.approx(simulated(rate, 60_000), abs=0.02)


def test_one_page_that_nothing_changes() -> None:
    """Of a page that is read λ times a second and kept T seconds, λT of 1 + λT reads are hits."""
    (home,) = (page._replace(updates=0) for page in PAGES if page.kind == "home")
    assert steady_hit_rate([home], 0.01) == pytest.approx(3 / 4)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    """A rate is a positive number of reads per second, and the sentence shows what was given."""
    with pytest.raises(ValueError, match="rate must be a positive number of reads per second, not"):
        steady_hit_rate(PAGES, rate)
