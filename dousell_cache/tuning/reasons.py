"""Why a TTL is advised, or none is: one sentence each, with the figures that decide. Pure."""

from collections.abc import Callable

from .goals import Goal, Point
from .spread import FEWEST_BLOCKS

_MOST_DIGITS = 12


def too_few(reads: int, fewest: int) -> str:
    """Say that there are too few reads."""
    return f"{reads:,} {'read is' if reads == 1 else 'reads are'} too few to say anything: record {fewest:,} at least."


def one_moment(reads: int) -> str:
    """Say that no time passes in a trace."""
    return f"{reads:,} reads of one moment cannot tell a TTL from another: record longer."


def met(point: Point, longer: Point | None, *, invalidated: bool) -> str:
    """Say what a TTL gives, and what a longer one would add."""
    sentence = f"{seconds(point.ttl)} already gives {_rate(point)}"
    if longer:
        more = (longer.hit_rate - point.hit_rate) * 100
        sentence += f"; {seconds(longer.ttl)} would add {more:.1f} points and {_older(point, longer)}"
    if invalidated and point.outdated_share:
        sentence += f"; without invalidation {percent(point.outdated_share)} of the reads would be outdated"
    return sentence + "."


def non_stationary(point: Point, halves: tuple[float, float]) -> str:
    """Say that the halves of a trace disagree."""
    first, second = halves
    return (
        f"With {seconds(point.ttl)} the first half of the trace gives {percent(first)} and the second "
        f"{percent(second)}: it changed on the way, so neither speaks for tomorrow; record a longer or a typical time."
    )


def no_change(point: Point) -> str:
    """Say that a trace without changes tells nothing of staleness."""
    return (
        f"{seconds(point.ttl)} gives {_rate(point)}, but the trace holds no change of these keys, so nothing can be "
        "said of what would be outdated: record the invalidations, or when the data change."
    )


def inconclusive(point: Point, goal: Goal, length: float) -> str:
    """Say that a TTL may do, but that this trace cannot tell."""
    if point.low is None:
        return (
            f"{seconds(point.ttl)} gives {percent(point.hit_rate)} here, but {seconds(length)} of trace are too short "
            f"to tell by how much that varies: record {FEWEST_BLOCKS} times the TTL at least."
        )
    return (
        f"{seconds(point.ttl)} gives {_rate(point)}, so whether it keeps {percent(goal.hit_rate)} cannot be told: "
        "record longer."
    )


def unreachable(point: Point, goal: Goal, kept: Goal, ceiling: float, current_ceiling: float) -> str:
    """Say what keeps every TTL from meeting the goal.

    Args:
        point: the smallest TTL that keeps as much of the goal as can be kept, or the one with the most hits.
        goal: what was asked.
        kept: what of it can be kept.
        ceiling: the hit rate that first reads leave.
        current_ceiling: what, besides, first reads after changes leave, where those are told.
    """
    if ceiling < goal.hit_rate:
        most, asked = apart(ceiling, goal.hit_rate, percent)
        return f"No TTL gives {asked}: each key must be loaded once, which alone leaves {most} of these reads."
    if current_ceiling < goal.hit_rate:
        most, asked = apart(current_ceiling, goal.hit_rate, percent)
        return f"No TTL gives {asked}: keys change so often between reads that at most {most} can be hits."
    if point.hit_rate < goal.hit_rate:
        most, asked = apart(point.hit_rate, goal.hit_rate, percent)
        return f"None of these TTLs gives {asked}: the best, {seconds(point.ttl)}, gives {most}{_spread(point)}."
    return f"{_in_words(kept)} takes {seconds(point.ttl)}, but then {_breach(point, goal)}."


def _in_words(kept: Goal) -> str:
    bounds = [percent(kept.hit_rate)]
    if kept.max_origin_rate is not None:
        bounds.append(f"at most {number(kept.max_origin_rate)} loads a second")
    if kept.budget is not None:
        bounds.append(f"a day for at most {number(kept.budget)}")
    return " and ".join(bounds)


def _breach(point: Point, goal: Goal) -> str:
    if goal.max_origin_rate is not None and point.origin_rate > goal.max_origin_rate:
        loads, most = apart(point.origin_rate, goal.max_origin_rate)
        return f"the origin answers {loads} loads a second, more than {most}"
    if goal.budget is not None and point.cost_per_day > goal.budget:
        cost, most = apart(point.cost_per_day, goal.budget)
        return f"a day costs {cost}, more than {most}"
    outdated, most = apart(point.outdated_share or 0, goal.max_outdated or 0, percent)
    return f"{outdated} of the reads are outdated, more than {most}"


def _older(point: Point, longer: Point) -> str:
    if point.outdated_share is None or longer.outdated_share is None:
        return f"serve what is up to {seconds(round(longer.worst_age, 1))} old"
    if not point.outdated_share:
        return f"bring the share of outdated reads from 0 to {percent(longer.outdated_share)}"
    times = longer.outdated_share / point.outdated_share
    return f"{'double' if 1.9 <= times <= 2.1 else f'multiply by {times:.1f}'} the share of outdated reads"


def _rate(point: Point) -> str:
    return percent(point.hit_rate) + _spread(point)


def _spread(point: Point) -> str:
    return "" if point.low is None or point.high is None else f" ± {(point.high - point.low) * 50:.1f}"


def number(figure: float, more: int = 0) -> str:
    """Return a figure in words, to three digits at least, and so many more."""
    digits = 3 + more
    rounded = float(f"{figure:.{digits}g}")
    if rounded < 1000:
        return f"{figure:.{digits}g}"
    return f"{figure:,.{max(0, digits - len(str(int(rounded))))}f}"


def percent(share: float, more: int = 0) -> str:
    """Return a share in words, to one decimal and so many more; never rounded up to all of them."""
    decimals = 1 + more
    return f"{min(share * 100, 100 - 10**-decimals) if share < 1 else 100:.{decimals}f} %"


def apart(figure: float, bound: float, told: Callable[[float, int], str] = number) -> tuple[str, str]:
    """Return two figures in words, with as many digits as it takes to tell one from the other."""
    pairs = ((told(figure, more), told(bound, more)) for more in range(_MOST_DIGITS))
    first = next(pairs)
    return first if figure == bound else next((pair for pair in (first, *pairs) if pair[0] != pair[1]), first)


def seconds(time: float) -> str:
    """Return seconds in words."""
    return f"{time:,.0f} s" if time >= 10 else f"{time:g} s"
