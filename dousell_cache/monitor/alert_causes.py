"""The likely cause of an alert, and what to do next: a sentence each, chosen from the figures of one sample. Pure."""

from typing import NamedTuple

from .figures import ALL, ApplicationFigures, Sample

MUCH = 0.05
"""The share of reads from which on a way of being answered is named as the cause of a low hit rate."""

_MOST_OF_THEM = 0.5


class Advice(NamedTuple):
    """What a person who was woken reads first.

    Args:
        cause: why this is probably so.
        step: what to do next.
    """

    cause: str
    step: str


def percent(share: float) -> str:
    """Write a share as ``97.2 %``."""
    return f"{share * 100:.1f} %"


def low_hit_rate(sample: Sample) -> Advice:
    """Explain a low hit rate: the first cause in the order of what is most surely seen."""
    found = (look(sample) for look in (_evicting, _restarted, _bypassing, _withdrawing, _one_family))
    return next((advice for advice in found if advice), _everywhere(sample))


def evictions(sample: Sample) -> Advice:
    """Explain evictions: the limit, and the family that takes most of the memory if it was looked at."""
    policy = sample.server.total.words.get("maxmemory_policy", "") if sample.server else ""
    largest = max(sample.server.families, key=lambda family: family.bytes, default=None) if sample.server else None
    most = f"; the family {largest.family} takes the most of what was sampled" if largest else ""
    volatile = "; locks have a time to live, so this policy evicts held ones, too" if policy.startswith("vol") else ""
    return Advice(
        f"the memory is full, and the policy {policy or '(unknown)'} makes room{most}{volatile}",
        "raise maxmemory, or shorten the time to live of what is big and rarely read; "
        "dousell-cache monitor --families shows what takes the memory",
    )


def memory(sample: Sample) -> Advice:
    """Explain a full memory by what the server will do next."""
    policy = sample.server.total.words.get("maxmemory_policy", "") if sample.server else ""
    if policy == "noeviction":
        return Advice(
            "with the policy noeviction the next step is that every write is refused",
            "raise maxmemory now; writes of the cache are then lost, and no lock is granted",
        )
    return Advice(
        f"the next step is eviction ({policy or 'policy unknown'}), and with it a lower hit rate",
        "raise maxmemory, or look at dousell-cache monitor --families for what takes the memory",
    )


def breaker(sample: Sample) -> Advice:
    """Explain an open breaker."""
    bypass = _share(sample, "bypass")
    return Advice(
        "the cache did not answer in time, so processes left it alone and asked the origin"
        + (f": {percent(bypass)} of the reads" if bypass else ""),
        "dousell-cache check tells whether the server answers from here; the breaker's log lines tell why it opened",
    )


def lock_refusals(_sample: Sample) -> Advice:
    """Explain locks that nobody could grant."""
    return Advice(
        "nobody could say whether a lock was free, so it was not granted: payments and bookings were turned away",
        "dousell-cache check tells whether the server answers and what its settings mean for locks",
    )


def lost_locks(_sample: Sample) -> Advice:
    """Explain locks that were lost while they were held."""
    return Advice(
        "a holder outlived its time, or the server forgot the lock (eviction, restart, failover)",
        "see in the ledger that the fence refused what came late; then a longer ttl, renew=True, or a server of the "
        "locks' own with noeviction",
    )


def replication(_sample: Sample) -> Advice:
    """Explain a replica that lost its primary, or a primary that lost a replica."""
    return Advice(
        "the link between primary and replica is down, so a failover now loses what the replica did not get",
        "see INFO replication on both servers, and the network between them",
    )


def unexplained(sample: Sample) -> Advice:
    """Explain lookups that nobody of us made, with the words of the reconciliation."""
    cause = sample.reconciliation.cause.rstrip(".") if sample.reconciliation else ""
    return Advice(
        cause or "somebody else uses this database, or a process of yours does not hand in its figures",
        "see CLIENT LIST for who else is there; every process has to watch its cache for the figures to be whole",
    )


def unseen(_sample: Sample) -> Advice:
    """Explain a server that could not be seen; what the look met with is the figure itself."""
    return Advice(
        "it is down, the network between here and it is, or it has moved",
        "dousell-cache check tells at which step it fails; until then nothing is known of the other alerts",
    )


def _evicting(sample: Sample) -> Advice | None:
    evicted = sample.delta.counters.get("evicted_keys", 0) if sample.delta else 0
    if not evicted:
        return None
    return Advice(
        f"the memory is too small: {evicted:,.0f} entries were evicted since the last look",
        "raise maxmemory before anything else; dousell-cache monitor --families shows what takes the memory",
    )


def _restarted(sample: Sample) -> Advice | None:
    uptime = sample.server.total.uptime_seconds if sample.server else None
    if uptime is None or uptime > sample.hours * 3600:
        return None
    return Advice(
        f"the server restarted {uptime / 60:,.0f} minutes ago, and the cache is filling again",
        "wait until it has; if it restarts often, its own log says why. cache.warm fills it before the visitors do",
    )


def _bypassing(sample: Sample) -> Advice | None:
    bypass = _share(sample, "bypass")
    if bypass < MUCH:
        return None
    return Advice(
        f"{percent(bypass)} of the reads went to the origin because the cache could not serve",
        "look at the breaker and the server's latency: dousell-cache check tells whether it answers from here",
    )


def _withdrawing(sample: Sample) -> Advice | None:
    refused = _share(sample, "refused")
    if refused < MUCH:
        return None
    return Advice(
        f"{percent(refused)} of the reads were loads that an invalidation withdrew while they ran",
        "invalidate less: single keys or narrower tags in the place of a tag that is on everything",
    )


def _one_family(sample: Sample) -> Advice | None:
    """Name the family that has most of the misses, if one has."""
    rows = [row for row in sample.application if row.environment == sample.environment and row.family != ALL]
    worst = max(rows, key=_misses, default=None)
    everything = sum(_misses(row) for row in rows)
    if worst is None or len(rows) < 2 or _misses(worst) < _MOST_OF_THEM * everything:
        return None
    rate = percent(worst.outcomes.get("hit", 0) / worst.reads)
    return Advice(
        f"the family {worst.family} has {percent(_misses(worst) / everything)} of all misses, at a hit rate of {rate}: "
        "its time to live is too short for how seldom each key is read",
        f"give {worst.family} a longer ttl (dousell-cache tune tells what each would bring), or do not cache it",
    )


def _everywhere(_sample: Sample) -> Advice:
    return Advice(
        "misses come from every family: times to live are too short, or there are more keys than reads to fill them",
        "dousell-cache tune tells from a trace what each ttl would bring",
    )


def _misses(row: ApplicationFigures) -> int:
    return row.outcomes.get("miss", 0)


def _share(sample: Sample, outcome: str) -> float:
    row = sample.of()
    return (row.share(outcome) or 0.0) if row else 0.0
