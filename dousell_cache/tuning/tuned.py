"""A trace tuned: its curve, that of each key family, and advice; and all of it as one JSON document. Pure.

The document is what ``dousell-cache tune --json`` prints; ``docs/reference/tune.md`` explains every field.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .advice import Advice, Adviser, by_reads
from .analytic import from_rates
from .bounds import ceiling, clairvoyant, current_ceiling
from .curves import Curve, Figures, Invalidations, curve
from .goals import Goal
from .points import hit_interval
from .search import rungs
from .spread import MOST_BLOCKS
from .total import Total, shared
from .trace import Trace

VERSION = 1
"""Of the document; a field that goes, or means something else, makes it another."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a trace says of its TTLs.

    Args:
        trace: what was asked.
        goal: what a TTL was to achieve.
        invalidations: whether they are sent.
        curve: the figures of each TTL, all families together.
        families: the same for each key family, the most read first.
        by_ttl_alone: as ``families``, if no invalidation were sent.
        best: for each family, the hit rates that nobody beats; see :func:`.bounds.clairvoyant`.
        advice: for each family; longer TTLs than it would need alone where all together would exceed a bound.
        total: what that comes to, all families together; None if the goal bounds neither loads nor cost,
            or no TTL is advised.
    """

    trace: Trace
    goal: Goal
    invalidations: Invalidations
    curve: Curve
    families: Mapping[str, Curve]
    by_ttl_alone: Mapping[str, Curve]
    best: Mapping[str, Figures]
    advice: Sequence[Advice]
    total: Total | None


def tune(
    trace: Trace,
    goal: Goal | None = None,
    *,
    ttls: Sequence[float] | None = None,
    present: Mapping[str, float] | None = None,
    invalidations: Invalidations = "sent",
    observe: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> Tuned:
    """Play a trace at some TTLs, in all and for each key family, and advise.

    Args:
        trace: what was asked.
        goal: what a TTL must achieve; default: nine hits in ten reads.
        ttls: seconds, of the curves and to choose from. Default: the curves have round TTLs up to the trace's length,
            and any TTL of two digits may be advised.
        present: the TTL that each family has now.
        invalidations: whether they are sent.
        observe: told what is being done, in a few words.
        options: how the cache keeps entries, as for :func:`.curves.curve`.

    Raises:
        ValueError: the trace has no reads, or an argument makes no sense.
    """
    goal = goal or Goal()
    options = {"rate_seconds": trace.rate_seconds, **options}
    shown = sorted(ttls) if ttls else rungs(trace.seconds)
    observe("all families")
    whole = curve(trace, shown, invalidations=invalidations, blocks=MOST_BLOCKS, **options)
    curves, alone, best = {}, {}, {}
    adviser = Adviser(trace, ttls=ttls, present=present, invalidations=invalidations, **options)
    advised = adviser.advise(goal)
    advice: list[Advice] = []
    for family in by_reads(trace):
        (name,) = family.family_names
        observe(name)
        curves[name] = curve(family, shown, invalidations=invalidations, blocks=MOST_BLOCKS, **options)
        alone[name] = curve(family, shown, invalidations="ignored", **options)
        best[name] = clairvoyant(family, shown, fill=options.get("fill"), invalidations=invalidations)
        advice.append(next(advised))
    together, told = shared(advice, goal, adviser.advise)
    return Tuned(trace, goal, invalidations, whole, curves, alone, best, together, told)


def document(tuned: Tuned, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return what was found as one JSON document.

    Args:
        tuned: what was found.
        notes: what there is to know about the trace.
    """
    trace = tuned.trace
    return {
        "schema": "dousell-cache/tune",
        "version": VERSION,
        "trace": {
            "digest": trace.digest,
            "reads": trace.reads,
            "invalidations": len(trace) - trace.reads,
            "keys": len(trace.key_names),
            "seconds": trace.seconds,
            "notes": list(notes),
        },
        "goal": dataclasses.asdict(tuned.goal),
        "invalidations": tuned.invalidations,
        "bounds": {"ceiling": ceiling(trace), "current_ceiling": current_ceiling(trace)},
        "curve": rows(tuned.curve, formula=_formula(tuned)),
        "families": {
            name: {"curve": rows(played, best=tuned.best[name], by_ttl_alone=tuned.by_ttl_alone[name])}
            for name, played in tuned.families.items()
        },
        "advice": [_told(advice) for advice in tuned.advice],
        "total": tuned.total and dataclasses.asdict(tuned.total),
    }


def rows(
    played: Curve, *, formula: Figures | None = None, best: Figures | None = None, by_ttl_alone: Curve | None = None
) -> list[dict[str, float | int | None]]:
    """Return a curve as one row a TTL, None where nothing can be said.

    Args:
        played: the curve.
        formula: the hit rates that the Poisson forms give, to be shown beside it.
        best: the hit rates that nobody beats.
        by_ttl_alone: the curve if no invalidation were sent.
    """
    found = []
    for place, row in enumerate(played.to_frame().to_dict("records")):
        ends = hit_interval(played, place)
        more = {"low": ends and ends[0], "high": ends and ends[1]}
        if formula is not None:
            more["formula_hit_rate"] = float(formula[place])
        if best is not None:
            more["best_hit_rate"] = float(best[place])
        if by_ttl_alone is not None:
            more["outdated_share_by_ttl_alone"] = float(by_ttl_alone.outdated_share[place])
            more["hit_rate_by_ttl_alone"] = float(by_ttl_alone.hit_rate[place])
        found.append({str(name): _told_number(value) for name, value in (row | more).items()})
    return found


def _formula(tuned: Tuned) -> Figures | None:
    if not tuned.trace.seconds:
        return None
    return from_rates(tuned.trace, tuned.curve.ttls, invalidated=tuned.invalidations == "sent")


def _told(advice: Advice) -> dict[str, Any]:
    return dataclasses.asdict(advice) | {"ttl": advice.ttl}


def _told_number(value: Any) -> float | int | None:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value
