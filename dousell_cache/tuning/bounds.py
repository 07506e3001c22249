"""What no TTL, and nobody who knows the future, can beat on a trace. Pure."""

from collections.abc import Sequence

import numpy as np

from .curves import Figures, Invalidations, curve, fill_times
from .trace import READ, Trace


def ceiling(trace: Trace) -> float:
    """Return the hit rate that the first read of each key leaves: 1 - keys read ÷ reads.

    Raises:
        ValueError: the trace has no reads.
    """
    _needs_reads(trace)
    return 1 - len(np.unique(trace.key_codes[trace.operations == READ])) / trace.reads


def current_ceiling(trace: Trace) -> float:
    """Return the hit rate of whoever loads at the first read of each key and at the first after each change.

    So much is left when nothing out of date is ever served; for a key of Poisson reads and changes, λ ÷ (λ + μ).

    Raises:
        ValueError: the trace has no reads.
    """
    _needs_reads(trace)
    order = np.argsort(trace.key_codes, kind="stable")
    keys, is_read = trace.key_codes[order], trace.operations[order] == READ
    follows_a_read = np.zeros(len(trace), bool)
    follows_a_read[1:] = is_read[:-1] & (keys[1:] == keys[:-1])
    return 1 - int(np.count_nonzero(is_read & ~follows_a_read)) / trace.reads


def clairvoyant(
    trace: Trace,
    ttls: Sequence[float] | Figures,
    *,
    fill: float | None = None,
    invalidations: Invalidations = "sent",
) -> Figures:
    """Return the hit rates that nobody beats who loads on misses only and keeps nothing for longer than each TTL.

    A load answers reads from its beginning until its TTL after its end. Covering a key's reads with the fewest
    stretches of one length is done best from the left, each beginning at the first read that is not covered: just so
    are entries stored. Knowing the future does not help, then; what a real cache loses against this bound are the reads
    that wait for a load, jitter, and loads that are withdrawn.

    Args:
        trace: what was asked.
        ttls: seconds.
        fill: seconds that a load takes; default as for :func:`.curves.curve`, the longest of all families.
        invalidations: ``"sent"``: it also serves nothing that had changed; ``"ignored"``: it may.

    Raises:
        ValueError: as for :func:`.curves.curve`.
    """
    _needs_reads(trace)
    stretches = np.asarray(ttls, np.float64) + np.ceil(fill_times(trace, fill).max() / 1e3) / 1e3
    return curve(trace, stretches, fill=0.0, invalidations=invalidations).hit_rate


def _needs_reads(trace: Trace) -> None:
    if not trace.reads:
        message = "the trace has no reads, so nothing bounds its hit rate"
        raise ValueError(message)
