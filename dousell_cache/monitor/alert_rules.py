"""What somebody should wake up for: one table of rules over a sample. Pure.

A rule looks at one sample and says ``beyond``, ``back`` or neither. A figure with an interval is beyond its limit when
all of the interval is, and back when all of it is; one without has two limits with room between them; what is counted
is back when it was quiet for a while. So an alert cannot flap where nobody can tell on which side the figure is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..measure.kpis import Kpi
from . import alert_causes as causes
from .alert_causes import Advice, percent
from .figures import MOST_POINTS, NodeFigures, Sample

Word = Literal["beyond", "back", "between", "unknown"]
"""``between``: on neither side for sure; ``unknown``: the sample does not tell. Both leave an alert as it is."""

Severity = Literal["critical", "warning"]

UNSEEN = "unseen"
"""The name of the rule that freezes all others: whoever cannot see the server knows nothing of them."""

_QUIET = 600.0  # seconds: ten looks of a monitor that looks once a minute


class Finding(NamedTuple):
    """What a rule says of a sample.

    Args:
        word: on which side of the limit.
        figure: what was seen, in words.
        kept: what the rule wants to be told at the next sample.
    """

    word: Word
    figure: str = ""
    kept: float | None = None


UNKNOWN = Finding("unknown")
Look = Callable[[Sample, float | None], Finding]
Explain = Callable[[Sample], Advice]


@dataclass(frozen=True)
class Rule:
    """Something to wake up for.

    Args:
        name: what it is called in files and labels.
        label: what is wrong when it fires, in a few words.
        severity: ``critical``: now; ``warning``: today.
        look: judges a sample, given what it kept of the last one.
        explain: chooses likely cause and next step from the figures.
        quiet: seconds for which it has to be back without a break before it is resolved.
    """

    name: str
    label: str
    severity: Severity
    look: Look
    explain: Explain
    quiet: float = 0.0


@dataclass(frozen=True)
class Limits:
    """Where alerts begin and end.

    Args:
        hit_rate: fires when the whole interval is below; the KPI file's alert level.
        memory: the share of maxmemory above which it fires; the usual 90 %.
        memory_back: the share below which it is resolved: five points of room, for what comes and goes in between.
        points: percentage points between server and application that nobody explains.
        points_back: those below which it is resolved.
    """

    hit_rate: float = 0.80
    memory: float = 0.90
    memory_back: float = 0.85
    points: float = MOST_POINTS
    points_back: float = MOST_POINTS / 2


def limits_of(kpis: Mapping[str, Kpi]) -> Limits:
    """Return the limits that a KPI file has, and the usual ones where it has none.

    Args:
        kpis: the targets, see :func:`.kpis.kpis_in_force`.
    """
    level = kpis["hit_rate"].alert if "hit_rate" in kpis else None
    return Limits() if level is None else Limits(hit_rate=level)


def rules(limits: Limits | None = None) -> tuple[Rule, ...]:
    """Return the table of rules, the one that freezes the others first."""
    at = limits or Limits()
    return (
        Rule(UNSEEN, "The server cannot be seen", "critical", _unseen, causes.unseen),
        Rule("hit_rate", "Hit rate too low", "warning", _hit_rate(at.hit_rate), causes.low_hit_rate),
        Rule("evictions", "Entries are evicted", "warning", _evictions, causes.evictions, _QUIET),
        Rule("memory", "Memory nearly full", "critical", _memory(at.memory, at.memory_back), causes.memory),
        Rule("breaker", "Processes leave the cache alone", "critical", _breaker, causes.breaker),
        Rule("lock_refusals", "Locks cannot be granted", "critical", _locks("unavailable"), causes.lock_refusals),
        Rule("lost_locks", "Locks were lost while held", "critical", _locks("lost"), causes.lost_locks),
        Rule("replication", "Replication is down", "critical", _replication, causes.replication),
        Rule(
            "unexplained",
            "The server's hits are not ours",
            "warning",
            _unexplained(at.points, at.points_back),
            causes.unexplained,
        ),
    )


def _unseen(sample: Sample, _kept: float | None) -> Finding:
    if sample.problem or sample.server is None:
        return Finding("beyond", sample.problem or "the server did not answer")
    return Finding("back", "it answers")


def _hit_rate(limit: float) -> Look:
    def look(sample: Sample, _kept: float | None) -> Finding:
        row = sample.of()
        rate = row.hit_rate if row else None
        if rate is None or rate.low is None or rate.high is None:
            return UNKNOWN
        word: Word = "beyond" if rate.high < limit else "back" if rate.low >= limit else "between"
        figure = (
            f"{percent(rate.value)} ({rate.low * 100:.1f} to {percent(rate.high)}, {rate.samples:,} reads in "
            f"{sample.hours:g} h), alert below {percent(limit)}"
        )
        return Finding(word, figure)

    return look


def _evictions(sample: Sample, _kept: float | None) -> Finding:
    evicted = sample.delta.counters.get("evicted_keys") if sample.delta else None
    if sample.delta is None or evicted is None:
        return UNKNOWN
    return Finding("beyond" if evicted else "back", f"{evicted:,.0f} in {sample.delta.seconds:,.0f} s")


def _memory(limit: float, back: float) -> Look:
    def look(sample: Sample, _kept: float | None) -> Finding:
        nodes = sample.server.nodes if sample.server else ()
        shares = [share for node in nodes if (share := _share_of_memory(node)) is not None]
        if not shares:
            return UNKNOWN
        worst = max(shares)
        word: Word = "beyond" if worst > limit else "back" if worst < back else "between"
        return Finding(word, f"{percent(worst)} of maxmemory on the fullest node, alert above {percent(limit)}")

    return look


def _share_of_memory(node: NodeFigures) -> float | None:
    """Return used memory ÷ its limit, 0 where there is none, None where it is not told."""
    return 0.0 if node.gauges.get("maxmemory") == 0 else node.memory_share


def _breaker(sample: Sample, _kept: float | None) -> Finding:
    rows = [row for row in sample.processes if row.environment == sample.environment]
    if not rows:
        return UNKNOWN
    opened, seconds = sum(row.breaker_opened for row in rows), sum(row.breaker_open_seconds for row in rows)
    figure = f"opened {opened} times for {seconds:,.0f} s in {sample.hours:g} h, all processes together"
    return Finding("beyond" if opened else "back", figure)


def _locks(outcome: str) -> Look:
    def look(sample: Sample, _kept: float | None) -> Finding:
        rows = [row for row in sample.locks if row.environment == sample.environment]
        if not rows and not sample.processes:
            return UNKNOWN
        by_family = {row.family: row.outcomes[outcome] for row in rows if row.outcomes.get(outcome)}
        told = ", ".join(f"{family} {count:,}" for family, count in by_family.items()) or "none"
        return Finding("beyond" if by_family else "back", f"{outcome} in {sample.hours:g} h: {told}")

    return look


def _replication(sample: Sample, kept: float | None) -> Finding:
    """Look at replicas' links to their primary, and whether primaries have as many replicas as they had."""
    nodes = sample.server.nodes if sample.server else ()
    cut = [node.node or sample.cache for node in nodes if node.role == "slave" and node.gauges.get("link_up") == 0]
    if cut:
        return Finding("beyond", f"no link to the primary from {', '.join(cut)}", kept)
    replicas = _replicas(nodes)
    if replicas is None:
        return UNKNOWN._replace(kept=kept) if not any(node.role == "slave" for node in nodes) else Finding("back")
    if kept is not None and replicas < kept:
        return Finding("beyond", f"{replicas:.0f} of {kept:.0f} replicas are connected", kept)
    return Finding("back", f"{replicas:.0f} replicas are connected", replicas)


def _replicas(nodes: Sequence[NodeFigures]) -> float | None:
    told = [node.gauges["connected_slaves"] for node in nodes if "connected_slaves" in node.gauges]
    return sum(told) if told else None


def _unexplained(limit: float, back: float) -> Look:
    def look(sample: Sample, _kept: float | None) -> Finding:
        points = sample.reconciliation.points if sample.reconciliation else None
        if points is None:
            return UNKNOWN
        word: Word = "beyond" if abs(points) > limit else "back" if abs(points) < back else "between"
        return Finding(word, f"{points:+.1f} percentage points between server and application, alert above {limit:g}")

    return look
