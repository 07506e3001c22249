"""Whether a sample of keys would do: compare its curves with the full run's before trusting one. Pure.

A few popular keys decide a hit rate, and a sample has them or has not. A tenth of the keys, at a TTL of 60 s, is wrong
by so many points in one of twenty samples (a steady 50 requests a second, 100,000 and 400,000 of them):

    keys asked for        Zipf 0.8    Zipf 1.2
    of 5,000                  11.6        28.2
    of 200,000                 7.0        32.1

So a recording's sample of fewer than 100,000 keys is refused unless it was validated here, on a full recording of the
same site; with more keys it is only noted, and worth validating all the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from .curves import curve
from .pseudonyms import kept
from .trace import Trace


def sampled(trace: Trace, share: float, *, seed: int = 0) -> Trace:
    """Return a trace with some of its keys, each with all its events.

    Args:
        trace: a full trace.
        share: of the keys, up to 1.
        seed: another one, other keys.

    Raises:
        ValueError: the share makes no sense, or no key is left.
    """
    if not 0 < share <= 1:
        message = f"share must be above 0 and up to 1, not {share!r}"
        raise ValueError(message)
    salt = str(seed).encode()
    wanted = [kept(blake2b(key.encode(), digest_size=8, salt=salt[:16]).hexdigest(), share) for key in trace.key_names]
    rows = np.array(wanted, np.bool_)[trace.key_codes]
    if not rows.any():
        message = f"a share of {share:g} of {len(trace.key_names):,} keys has none of them"
        raise ValueError(message)
    return replace(trace._where(rows), share=trace.share * share)  # noqa: SLF001 - a part of the same package


def sampling_error(
    trace: Trace, share: float, ttls: Sequence[float], *, samples: int = 20, fill: float | None = None
) -> float:
    """Return by how many points samples of a trace's keys err at worst, in nineteen of twenty samples.

    Args:
        trace: a full trace: all keys of the site.
        share: the share of keys that a sample would have.
        ttls: seconds; the worst of them counts.
        samples: how many samples to draw; default 20.
        fill: as in :func:`.curves.curve`.

    Raises:
        ValueError: an argument makes no sense, or a sample has no reads.
    """
    full = curve(trace, ttls, fill=fill).hit_rate
    errors = [
        float(np.abs(curve(sampled(trace, share, seed=seed), ttls, fill=fill).hit_rate - full).max()) * 100
        for seed in range(samples)
    ]
    return float(np.percentile(errors, 95))
