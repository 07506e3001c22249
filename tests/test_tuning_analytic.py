"""Closed forms: within their stated error of the exact curve, where reads and changes are what they take them for."""

import numpy as np
import pytest

from dousell_cache.tuning import analytic
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.trace import Trace

from .tuning_traces import poisson_trace

TTLS = [1.0, 10.0, 30.0, 60.0]
HALF_A_SECOND = poisson_trace([0.5], 400_000, changes=0.02, seed=3)


def test_the_poisson_forms_are_those_of_one_key() -> None:
    """With 200,000 reads of one key: hit rate, load time and invalidation within 0.4 points of the exact curve."""
    reads = HALF_A_SECOND
    exact = curve(reads, TTLS, invalidations="ignored").hit_rate
    assert np.abs(analytic.poisson(0.5, TTLS) - exact).max() < 0.004
    exact = curve(reads, TTLS, invalidations="ignored", fill=0.8).hit_rate
    assert np.abs(analytic.poisson(0.5, TTLS, fill=0.8) - exact).max() < 0.004
    exact = curve(reads, TTLS).hit_rate
    assert np.abs(analytic.poisson_invalidated(0.5, TTLS, 0.02) - exact).max() < 0.004
    assert np.abs(analytic.from_rates(reads, TTLS) - exact).max() < 0.004


def test_staleness_by_ttl_alone_is_as_the_formula_has_it() -> None:
    """The share of hits that had changed is within one point of the exact curve, their lag within 0.4 s."""
    played = curve(HALF_A_SECOND, TTLS, invalidations="ignored")
    assert np.abs(analytic.outdated_of_hits(TTLS, 0.02) - played.outdated / played.hits).max() < 0.01
    lag = played.mean_lag * played.outdated / played.hits
    assert np.abs(analytic.lag_of_hits(TTLS, 0.02) - lag).max() < 0.4
    assert np.abs(played.mean_age - np.array(TTLS) / 2).max() < 0.1


def test_the_renewal_form_takes_any_gaps() -> None:
    """Of exponential gaps it is the Poisson form; of equal, uniform and clustered ones, what the exact curve gives."""
    generator = np.random.default_rng(1)
    assert analytic.renewal(generator.exponential(2, 20_000), 30) == pytest.approx(15 / 16, abs=0.002)
    visits = np.where(generator.random(50_000) < 0.5, 0.0, generator.exponential(4, 50_000))
    for gaps in (np.full(5_000, 2.0), generator.uniform(0, 4, 50_000), visits):
        exact = curve(Trace.of(np.cumsum(gaps), ["a"] * len(gaps)), [11.0]).hit_rate[0]
        assert analytic.renewal(gaps, 11.0) == pytest.approx(exact, abs=0.004)


def test_popularity_adds_up_over_keys() -> None:
    """Over Zipf's popularity with 300 keys the Poisson form is within 0.6 points of the exact curve."""
    rates = 20 / np.arange(1, 301) ** 0.8
    trace = poisson_trace(rates.tolist(), 2_000, seed=2)
    error = analytic.from_rates(trace, [1, 10, 60]) - curve(trace, [1, 10, 60]).hit_rate
    assert np.abs(error).max() < 0.006


def test_nothing_to_count_is_refused() -> None:
    """No gaps and no length of time are no process."""
    with pytest.raises(ValueError, match="at least one gap"):
        analytic.renewal([], 1)
    with pytest.raises(ValueError, match="reads at two times"):
        analytic.from_rates(Trace.of([1], ["a"]), [1])
