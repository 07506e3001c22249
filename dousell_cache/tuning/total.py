"""What the TTLs that are advised come to, all key families together: the origin and the bill know no families. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from .advice import Advice
from .goals import Goal
from .reasons import number


@dataclass(frozen=True)
class Total:
    """All families together, beside a goal's bounds on loads and cost.

    Args:
        origin_rate: loads a second.
        cost_per_day: by the goal's prices.
        left_out: families that no TTL is advised for, which these figures are without.
        met: whether the bounds are kept; None if only those of the families that are in it are.
        reason: one sentence.
    """

    origin_rate: float
    cost_per_day: float
    left_out: int
    met: bool | None
    reason: str


def total(advice: Sequence[Advice], goal: Goal) -> Total | None:
    """Add up what is advised, and judge it; None if the goal bounds neither loads nor cost.

    Args:
        advice: for each key family of a trace.
        goal: what was asked of each; its bounds hold for all together as well.
    """
    if goal.max_origin_rate is None and goal.budget is None:
        return None
    points = [one.point for one in advice if one.point and one.status == "met"]
    rate, cost = sum(point.origin_rate for point in points), sum(point.cost_per_day for point in points)
    bounds = [
        (rate, goal.max_origin_rate, f"{number(rate)} loads a second"),
        (cost, goal.budget, f"a cost of {number(cost)} a day"),
    ]
    asked = [(figure, most, words) for figure, most, words in bounds if most is not None]
    exceeded = any(figure > most for figure, most, _ in asked)
    left_out = len(advice) - len(points)
    return Total(
        origin_rate=rate,
        cost_per_day=cost,
        left_out=left_out,
        met=False if exceeded else None if left_out else True,
        reason=_reason(asked, len(points), left_out),
    )


def _reason(asked: Sequence[tuple[float, float, str]], families: int, left_out: int) -> str:
    judged = [
        f"{words}, {'more than' if figure > most else 'within'} the {number(most)} allowed"
        for figure, most, words in asked
    ]
    without = f"; {left_out} without an advised TTL {'is' if left_out == 1 else 'are'} not in it" if left_out else ""
    counted = "1 family" if families == 1 else f"{families} families"
    return f"The TTLs advised for {counted} come to {' and '.join(judged)}{without}."
