"""Samples of keys: whole keys, and an error that is measured before one is trusted."""

import numpy as np
import pytest

from dousell_cache.measure.workload import zipf_ranks
from dousell_cache.tuning.sampling import sampled, sampling_error
from dousell_cache.tuning.trace import Trace


def zipf(keys: int, requests: int, skew: float) -> Trace:
    """Return requests at a steady pace for keys as Zipf has them."""
    ranks = zipf_ranks(keys, requests, skew=skew, seed=3).tolist()
    return Trace.of(np.arange(requests) / 50, [f"detail:{rank}" for rank in ranks])


def test_a_sample_has_whole_keys() -> None:
    """Each key is in a sample with all its events or not at all; another seed takes other keys."""
    trace = zipf(1000, 20_000, 0.8)
    half, other = sampled(trace, 0.5), sampled(trace, 0.5, seed=1)
    assert all(trace.keys.count(key) == half.keys.count(key) for key in half.key_names[:20])
    assert 0.4 < len(half.key_names) / len(trace.key_names) < 0.6
    assert set(half.key_names) != set(other.key_names)
    assert sampled(trace, 1.0).digest == trace.digest


def test_small_sets_of_keys_are_not_to_be_sampled() -> None:
    """A tenth of 5,000 Zipf keys errs by several points, half of many alike by little: sampling is told from luck."""
    assert sampling_error(zipf(5000, 20_000, 1.2), 0.1, [60.0]) > 5
    assert sampling_error(zipf(5000, 100_000, 0.0), 0.5, [60.0]) < 1


def test_a_sample_without_sense_is_refused() -> None:
    """A share that is none, or that leaves no key, is refused in one sentence."""
    with pytest.raises(ValueError, match="share must be above 0 and up to 1, not 0"):
        sampled(zipf(10, 100, 1.0), 0)
    with pytest.raises(ValueError, match=r"a share of 1e-09 of 10 keys has none of them"):
        sampled(zipf(10, 100, 1.0), 1e-9)
