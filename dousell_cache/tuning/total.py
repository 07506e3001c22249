"""What the TTLs that are advised come to, all key families together: the origin and the bill know no families. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .advice import Advice
from .goals import Goal
from .reasons import apart

_HALVINGS = 12  # as far as a thousand families that ask for equal parts, and further
_STEPS = 4  # between two halvings, so that the part is within a sixteenth of the largest


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


def shared(
    advice: Sequence[Advice], goal: Goal, again: Callable[[Goal], Iterable[Advice]]
) -> tuple[Sequence[Advice], Total | None]:
    """Return advice that keeps the goal's bounds for all families together, and its total.

    The smallest TTLs may exceed them though longer ones would not. Then no family may have more than a part of what is
    exceeded: the largest part with which all together keep within it, as water fills a vessel.

    Args:
        advice: what each family would need alone; it stays so if that is enough, or if no part is small enough.
        goal: what was asked of each; its bounds hold for all together as well.
        again: advises the same families for another goal.
    """
    found = total(advice, goal)
    if found is None or found.met is not False:
        return advice, found
    exceeded = _exceeded(found, goal)

    def tightened(fallback: Sequence[Advice], part: float) -> list[Advice]:
        bounds: dict[str, Any] = {bound: most * part for bound, most in exceeded.items()}
        advised = again(replace(goal, **bounds))
        return [_longer(old, new) for old, new in zip(fallback, advised, strict=True)]

    looser, part = list(advice), 1.0
    for _ in range(_HALVINGS):
        part /= 2
        tighter = tightened(looser, part)
        if _kept(tighter, goal):
            together = _loosest(part, tighter, goal, partial(tightened, looser))
            return together, total(together, goal, advice)
        looser = tighter
    return advice, replace(found, reason=f"{found.reason[:-1]}; nor did longer TTLs keep that.")


def _exceeded(found: Total, goal: Goal) -> dict[str, float]:
    bounds = {"max_origin_rate": (found.origin_rate, goal.max_origin_rate), "budget": (found.cost_per_day, goal.budget)}
    return {name: most for name, (figure, most) in bounds.items() if most is not None and figure > most}


def _longer(old: Advice, new: Advice) -> Advice:
    """Return the new advice where there is one; the present TTL was judged by what was asked."""
    return replace(new, present_met=old.present_met) if old.status == new.status == "met" else old


def _kept(advice: Sequence[Advice], goal: Goal) -> bool:
    found = total(advice, goal)
    return found is not None and found.met is not False


def _loosest(part: float, tight: list[Advice], goal: Goal, tightened: Callable[[float], list[Advice]]) -> list[Advice]:
    """Return the advice for the largest part, between one that does and its double, which does not."""
    least, most = part, 2 * part
    for _ in range(_STEPS):
        middle = (least + most) / 2
        between = tightened(middle)
        if _kept(between, goal):
            tight, least = between, middle
        else:
            most = middle
    return tight


def total(advice: Sequence[Advice], goal: Goal, alone: Sequence[Advice] = ()) -> Total | None:
    """Add up what is advised, and judge it; None if the goal bounds neither, or no TTL is advised.

    Args:
        advice: for each key family of a trace.
        goal: what was asked of each; its bounds hold for all together as well.
        alone: what each family would need alone, if that was something else.
    """
    if goal.max_origin_rate is None and goal.budget is None:
        return None
    points = [one.point for one in advice if one.point and one.status == "met"]
    if not points:
        return None
    rate, cost = sum(point.origin_rate for point in points), sum(point.cost_per_day for point in points)
    bounds = [
        (rate, goal.max_origin_rate, "{} loads a second"),
        (cost, goal.budget, "a cost of {} a day"),
    ]
    asked = [(figure, most, words) for figure, most, words in bounds if most is not None]
    exceeded = any(figure > most for figure, most, _ in asked)
    left_out = len(advice) - len(points)
    longer = sum(one.ttl != was.ttl for one, was in zip(advice, alone or advice, strict=True))
    return Total(
        origin_rate=rate,
        cost_per_day=cost,
        left_out=left_out,
        met=False if exceeded else None if left_out else True,
        reason=_reason(asked, len(points), left_out, longer),
    )


def _reason(asked: Sequence[tuple[float, float, str]], families: int, left_out: int, longer: int) -> str:
    judged = [_judged(*one) for one in asked]
    without = f"; {left_out} without an advised TTL {'is' if left_out == 1 else 'are'} not in it" if left_out else ""
    counted = "1 family" if families == 1 else f"{families} families"
    more = f", {longer} of them longer than that family would need alone," if longer else ""
    return f"The TTLs advised for {counted}{more} come to {' and '.join(judged)}{without}."


def _judged(figure: float, most: float, words: str) -> str:
    told, allowed = apart(figure, most)
    return f"{words.format(told)}, {'more than' if figure > most else 'within'} the {allowed} allowed"
