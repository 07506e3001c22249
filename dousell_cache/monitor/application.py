"""Application figures: what all processes flushed in the last hours, merged, with intervals.

>>> from dousell_cache.monitor.application import read_application    # doctest: +SKIP
>>> read_application(cache, hours=24)[0].hit_rate
Interval(value=0.941, low=0.932, high=0.949, samples=81224)
"""

import math
import time
from collections.abc import Mapping, Sequence

from ..async_cache import AsyncCache
from ..cache import Cache
from ..errors import ConfigurationError
from ..histogram import OVERFLOW
from ..keys import Names
from ..measure.stats import Interval, zero_events
from ..recording import SLICE_MINUTES, hour
from ..runner import run_blocking
from ..transport.connect import blocking_transport
from ..transport.port import Port
from ..transport.replies import bulks
from .counts import OUTCOMES, EnvironmentCounts, FamilyCounts, gathered
from .figures import ALL, ApplicationFigures, LockFigures, ProcessFigures, Staleness
from .intervals import clustered_quantiles, clustered_share

MOST_HOURS = 7 * 24
"""Figures live for a week."""
_PATIENCE = 5.0


def read_application(cache: Cache | AsyncCache, hours: float = 24.0) -> list[ApplicationFigures]:
    """Return what all processes flushed in the last hours: for each environment all families together, then each.

    Args:
        cache: either face; it is asked where it is, and reads over a connection of its own, which blocks.
        hours: how far back; default a day, at most the week that figures live. One command is sent for each.

    Raises:
        ConfigurationError: hours make no sense.
        CacheUnavailable: no usable answer.
    """
    return application_figures(_read(cache, hours))


def read_staleness(cache: Cache | AsyncCache, hours: float = 24.0) -> list[Staleness]:
    """Return what the staleness probes of all processes found in the last hours; see :func:`read_application`."""
    return staleness_figures(_read(cache, hours))


def _read(cache: Cache | AsyncCache, hours: float) -> dict[str, EnvironmentCounts]:
    now = time.time()
    names = hours_back(now, hours)
    transport = blocking_transport(cache.environment, _PATIENCE)
    try:
        found = run_blocking(read_hours(transport, cache.namespace, names))
    finally:
        transport.close()
    return gathered(found, since(now, hours))


async def read_hours(port: Port, namespace: str, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Read the fields of these hours, in a command each."""
    found = {}
    for name in names:
        words = bulks(await port.send("HGETALL", Names(namespace).figures(name)) or [])
        pairs = zip(words[::2], words[1::2], strict=True)
        found[name] = {(field or b"").decode(): int(count or b"0") for field, count in pairs}
    return found


def hours_back(now: float, hours: float) -> list[str]:
    """Return the names of the hours that a window touches, the oldest first.

    Raises:
        ConfigurationError: the window is not more than nothing, or longer than figures live.
    """
    if not 0 < hours <= MOST_HOURS:
        message = f"hours must be more than 0 and at most {MOST_HOURS}, for figures live a week; not {hours!r}"
        raise ConfigurationError(message)
    first = math.floor((now - hours * 3600) / 3600)
    return [hour(number * 3600.0) for number in range(first, math.floor(now / 3600) + 1)]


def since(now: float, hours: float) -> str:
    """Return the slice that a window begins with, as :func:`.counts.gathered` takes it."""
    step = SLICE_MINUTES * 60
    began = math.floor((now - hours * 3600) / step) * step
    return f"{hour(began)}:{began // 60 % 60:02d}"


def application_figures(counts: Mapping[str, EnvironmentCounts]) -> list[ApplicationFigures]:
    """Return a row for all families of each environment, then one for each family, the most read first."""
    rows = []
    for environment, found in sorted(counts.items()):
        whole = _row(environment, ALL, found.together())
        rows += [whole] if whole.reads else []
        families = [_row(environment, name, family) for name, family in found.families.items()]
        rows += sorted((row for row in families if row.reads), key=lambda row: (-row.reads, row.family))
    return rows


def lock_figures(counts: Mapping[str, EnvironmentCounts]) -> list[LockFigures]:
    """Return a row for each family of locks."""
    rows = []
    for environment, found in sorted(counts.items()):
        for name, family in sorted(found.families.items()):
            outcomes = _under("lock.", family.counts)
            rows += [LockFigures(environment, name, outcomes)] if outcomes else []
    return rows


def process_figures(counts: Mapping[str, EnvironmentCounts]) -> list[ProcessFigures]:
    """Return a row for each environment."""
    return [_processes(environment, found) for environment, found in sorted(counts.items())]


def staleness_figures(counts: Mapping[str, EnvironmentCounts]) -> list[Staleness]:
    """Return a row for all families of each environment that was probed, then one for each family."""
    rows = []
    for environment, found in sorted(counts.items()):
        whole = found.together()
        probed = {name: one for name, one in sorted(found.families.items()) if _under("probe.", one.counts)}
        named = {ALL: whole, **probed} if probed else {}
        rows += [_staleness(environment, name, family) for name, family in named.items()]
    return rows


def _row(environment: str, name: str, family: FamilyCounts) -> ApplicationFigures:
    counts, answers, loads = family.counts, list(family.answers.values()), list(family.loads.values())
    outcomes = {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}
    p50, p95, p99 = clustered_quantiles(answers, 50, 95, 99)
    load_p50, load_p95 = clustered_quantiles(loads, 50, 95)
    return ApplicationFigures(
        environment=environment,
        family=name,
        outcomes=outcomes,
        near=counts["near"],
        undecodable=counts["undecodable"],
        failures=counts["failure"],
        commands=counts["commands"],
        hit_rate=clustered_share(family.parts("hit", OUTCOMES)) if outcomes else None,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        load_p50_ms=load_p50,
        load_p95_ms=load_p95,
        overflow=sum(times[OVERFLOW] for times in answers),
    )


def _processes(environment: str, found: EnvironmentCounts) -> ProcessFigures:
    totals = found.totals
    reads = sum(family.counts["commands"] for family in found.families.values())
    commands = {"read": reads, **_under("commands.", totals), "figures": totals["flushes"]}
    return ProcessFigures(
        environment=environment,
        flushes=totals["flushes"],
        commands=commands,
        writes=totals["write.stored"] + totals["write.refused"],
        writes_refused=totals["write.refused"],
        invalidations=totals["invalidation.delivered"] + totals["invalidation.undelivered"],
        invalidations_undelivered=totals["invalidation.undelivered"],
        breaker_opened=totals["breaker.opened"],
        breaker_open_seconds=totals["breaker.open_ms"] / 1000,
    )


_COMPARED = ("probe.same", "probe.stale")


def _staleness(environment: str, name: str, family: FamilyCounts) -> Staleness:
    checked = sum(family.counts[verdict] for verdict in _COMPARED)
    p50, p95 = clustered_quantiles(list(family.ages.values()), 50, 95)  # recorded as a thousandth: these are seconds
    share = clustered_share(family.parts("probe.stale", _COMPARED)) if checked else Interval(0.0)
    if checked and not family.counts["probe.stale"]:
        share = zero_events(checked)
    return Staleness(
        environment,
        name,
        checked,
        share,
        age_p50_s=p50,
        age_p95_s=p95,
        unknown=family.counts["probe.unknown"],
    )


def _under(start: str, counts: Mapping[str, int]) -> dict[str, int]:
    found = {name.removeprefix(start): count for name, count in sorted(counts.items()) if name.startswith(start)}
    return {name: count for name, count in found.items() if count}
