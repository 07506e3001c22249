"""What usually causes a missed target, of which what the run itself disproves is left out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from ..measure.kpis import Verdict
from ..measure.result import Result
from .wording import Wording

Cause = Literal["misses", "far", "busy", "uneven"]
"""``misses``: too many reads wait for the origin; ``far``: the way to the cache is long; ``busy``: neither is so, and
what is left is this machine or the client; ``uneven``: likewise, but round trips, short at best, usually took long."""

SPARED: Mapping[str, float] = {"p50_ms": 0.5, "p95_ms": 0.95}
"""The percentiles whose causes can be told apart, and from which hit rate on they are the time of a hit."""

_MOST_OF_IT = 0.5  # of a hit's time: a round trip that takes less explains less than is left to explain


@dataclass(frozen=True)
class Facts:
    """What a run knows of a slow percentile; None is what it does not know.

    Args:
        hit_rate: the lower end of its interval, or else the figure.
        hit_ms: what a hit took, at the same percentile.
        floor_ms: the shortest round trip to the cache.
        median_ms: the usual one.
    """

    hit_rate: float | None = None
    hit_ms: float | None = None
    floor_ms: float | None = None
    median_ms: float | None = None


def facts_of(result: Result, figure: str) -> Facts:
    """Return what a result knows of one of its percentiles."""
    hits, place = result.figures.get("hit_rate"), result.place
    took = next((row.p50 if figure == "p50_ms" else row.p95 for row in result.latency if row.path == "hit"), None)
    return Facts(
        hit_rate=None if hits is None else hits.value if hits.low is None else hits.low,
        hit_ms=took,
        floor_ms=place.rtt_floor_ms if place else None,
        median_ms=place.rtt_median_ms if place else None,
    )


def causes(facts: Facts, spared: float) -> list[Cause]:
    """Return what may have made a percentile slow, as far as the run does not speak against it.

    Args:
        facts: what the run knows.
        spared: the hit rate above which the percentile is a hit's time.
    """
    left: list[Cause] = []
    if facts.hit_rate is None or facts.hit_rate <= spared:
        left.append("misses")
    if facts.floor_ms is None or facts.hit_ms is None or facts.floor_ms >= _MOST_OF_IT * facts.hit_ms:
        left.append("far")
    if left:
        return left
    return ["uneven" if (facts.median_ms or 0.0) >= _MOST_OF_IT * (facts.hit_ms or 0.0) else "busy"]


def explained(figure: str, wording: Wording) -> bool:
    """Tell whether there is something to say about a figure that misses its target."""
    return figure in SPARED or wording.has(f"hint.{figure}")


def told_causes(verdict: Verdict, result: Result, wording: Wording) -> Markup:
    """Say what usually causes a missed target; of a slow percentile, what this run leaves of it."""
    name = verdict.kpi.name
    if name not in SPARED:
        return wording.say(f"hint.{name}")
    facts = facts_of(result, name)
    found = causes(facts, SPARED[name])
    if found[0] in {"busy", "uneven"}:
        times = {"hit": facts.hit_ms, "floor": facts.floor_ms, "median": facts.median_ms}
        return wording.say(f"cause.{found[0]}", **{name: wording.number(ms or 0.0, "ms") for name, ms in times.items()})
    named = {"misses": f"cause.misses_{name}", "far": "cause.far"}
    told = wording.say("cause.or").join(wording.say(named[cause]) for cause in found)
    return wording.say("cause.one" if len(found) == 1 else "cause.many", causes=told)
