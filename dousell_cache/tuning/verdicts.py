"""What to say of an experiment's arms: a verdict with its interval, and which arm a guardrail stops. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigurationError
from .arms import Table
from .evidence import Bounds, Estimate, Figure, bounds, difference, excess, total

_ORIGIN_EFFECT = 0.1  # calls a read: what the guardrail's interval is narrowest for

Finding = Literal["undecided", "alike", "better", "worse", "stopped"]
"""``alike``: within the margin; ``better`` and ``worse``: a higher or lower hit rate; ``stopped``: by a guardrail."""


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What stops an arm: each as soon as it is proved, at whatever look.

    Of stale reads and errors it must be proved as well that the arm has more of them than the first one: an outage that
    all arms share is no arm's fault, and stops none.

    Args:
        stale: the most of its reads that may be answered past their time; default 0.05.
        origin: how many times the first arm's origin calls a read it may make; default 2.
        errors: the most of its reads whose load may fail; default 0.01.

    Raises:
        ConfigurationError: one of them is not above 0.
    """

    stale: float = 0.05
    origin: float = 2.0
    errors: float = 0.01

    def __post_init__(self) -> None:
        for name in ("stale", "origin", "errors"):
            if not getattr(self, name) > 0:
                message = f"the guardrail {name} must be above 0, not {getattr(self, name)!r}"
                raise ConfigurationError(message)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one arm beside the first, and will not be taken back by looking again.

    Args:
        arm: its name.
        control: the first one's.
        finding: what was found.
        points: its hit rate less the first one's, in points of 100, with an interval that holds at all looks.
        origin: how many times the first arm's origin calls a read it makes; NaN while there are none.
        reads: how often its keys were read since the lead-in.
        reason: which guardrail stopped it; "" if none did.
    """

    arm: str
    control: str
    finding: Finding
    points: Bounds
    origin: float
    reads: int
    reason: str = ""

    def __str__(self) -> str:
        if self.finding == "stopped":
            return f"{self.arm} was stopped: {self.reason}"
        if math.isinf(self.points.low):
            return f"{self.arm} against {self.control}: too few keys were read to say ({self.reads:,} reads)"
        said = {
            "undecided": f"{self.arm} against {self.control}: undecided yet",
            "alike": f"{self.arm} keeps the hit rate of {self.control} within the margin",
            "better": f"{self.arm} has a higher hit rate than {self.control}",
            "worse": f"{self.arm} has a lower hit rate than {self.control}",
        }[self.finding]
        value, low, high = self.points
        return f"{said}: {value:+.1f} points ({low:+.1f} to {high:+.1f}), with {self.origin:.2f} times its origin calls"


def judged(table: Table, arms: Sequence[str], margin: float, stopped: Mapping[str, str]) -> list[Verdict]:
    """Return a verdict for each arm but the first.

    Args:
        table: the sums of all processes.
        arms: their names.
        margin: the difference in hit rate that does not matter, as a share of the reads.
        stopped: why, of those that were stopped.
    """
    return [_judged(table, arms, number, margin, stopped) for number in range(1, len(arms))]


def _judged(table: Table, arms: Sequence[str], number: int, margin: float, stopped: Mapping[str, str]) -> Verdict:
    interval = bounds(difference(table, number, "hits"), margin, 0.05 / (len(arms) - 1))
    mine, its = total(table, number), total(table, 0)
    origin = mine.loads / mine.reads / (its.loads / its.reads) if mine.reads and its.loads else math.nan
    reason = stopped.get(arms[number], "")
    finding: Finding = "stopped" if reason else _found(interval, margin)
    return Verdict(arms[number], arms[0], finding, Bounds(*(100 * end for end in interval)), origin, mine.reads, reason)


def _found(interval: Bounds, margin: float) -> Finding:
    if -margin < interval.low and interval.high < margin:
        return "alike"
    if interval.low > 0:
        return "better"
    return "worse" if interval.high < 0 else "undecided"


def tripped(table: Table, arms: Sequence[str], guardrails: Guardrails) -> dict[str, str]:
    """Return the arms of which it is proved that they break a guardrail, and which."""
    alpha = 0.05 / (3 * (len(arms) - 1))
    found: dict[str, str] = {}
    for number, arm in enumerate(arms[1:], 1):
        for sentence, effect, estimates in _limits(table, number, arms[0], guardrails):
            if all(bounds(estimate, effect, alpha).low > 0 for estimate in estimates):
                found.setdefault(arm, sentence)
    return found


def _limits(
    table: Table, number: int, control: str, guardrails: Guardrails
) -> Iterator[tuple[str, float, list[Estimate | None]]]:
    """Yield what may be said against an arm, the effect to look for, and what must all be above 0 to say so.

    Of two estimates that must both be proved, each may be tested at the whole level (Berger 1982): the limit alone says
    what is too much, the difference from the first arm that it is the arm's, and no outage that all of them share.
    """
    shares: tuple[tuple[Figure, str], ...] = (("stale", "are stale"), ("errors", "fail"))
    for figure, happens in shares:
        limit: float = getattr(guardrails, figure)
        sentence = f"more than {limit:.1%} of its reads {happens}, and more than of those of {control}"
        yield sentence, limit, [excess(table, number, figure, limit), difference(table, number, figure)]
    calls = difference(table, number, "loads", times=guardrails.origin)
    yield f"more than {guardrails.origin:g} times the origin calls of {control}", _ORIGIN_EFFECT, [calls]
