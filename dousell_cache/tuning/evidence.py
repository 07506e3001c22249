"""What an experiment's sums prove, however often one looks. Pure, and without NumPy: it runs where the site does.

Arms differ by key, and keys differ much more from each other than from themselves: a popular page is a hit at any TTL.
So the keys of an arm are hashed into groups, and what differs between groups is the error (a ratio's, linearised;
Cochran, Sampling Techniques, 1977, chapter 6). A lead-in, in which every arm has the first one's TTL, tells how each
group differs anyway, and that is taken off (CUPED: Deng, Xu, Kohavi, Walker 2013).

Looks may be taken as often as one likes: intervals are those of a normal mixture (Robbins 1970), which hold at all
looks together. ``python -m benchmarks.experiment`` simulates it; docs/decisions/0014 has its figures.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from .arms import CLUSTERS, NOTHING, Phase, Sums, Table

Figure = Literal["reads", "hits", "stale", "loads", "errors"]
"""One of the sums; as a share it is per read."""

FEWEST_GROUPS = 20
"""Groups with reads, in each arm: fewer do not tell how much they differ."""


class Estimate(NamedTuple):
    """A figure and its variance.

    Args:
        value: the figure.
        variance: what its error squared is, on average.
    """

    value: float
    variance: float


class Bounds(NamedTuple):
    """A figure with an interval that holds the truth at all looks together.

    Args:
        value: the figure.
        low: the interval's lower end; -inf when nothing can be said yet.
        high: the upper one; inf likewise.
    """

    value: float
    low: float
    high: float


def bounds(estimate: Estimate | None, effect: float, alpha: float = 0.05) -> Bounds:
    """Return the interval that may be looked at as often as one likes.

    Args:
        estimate: a figure whose error is about normal; None: there is none yet.
        effect: the difference worth finding, which the interval is narrowest for; keep to it from look to look.
        alpha: in how many experiments the interval may fail at any look, as a share. Default 0.05.
    """
    if estimate is None:
        return Bounds(math.nan, -math.inf, math.inf)
    prior = effect**2
    variance = max(estimate.variance, 1e-12)
    total = variance + prior
    reach = math.sqrt(variance * total / prior * (math.log(total / variance) - 2 * math.log(alpha)))
    return Bounds(estimate.value, estimate.value - reach, estimate.value + reach)


def difference(table: Table, arm: int, figure: Figure, *, against: int = 0, times: float = 1.0) -> Estimate | None:
    """Return by how much a share of an arm's reads exceeds that of another; None while there are too few groups.

    Args:
        table: the sums; what it has of a lead-in is used.
        arm: the arm.
        figure: which of the sums.
        against: the arm to compare it with; default the first.
        times: how many times the other arm's share to compare it with; default 1.
    """
    mine, its = _groups(table, "during", arm), _groups(table, "during", against)
    before, its_before = _groups(table, "before", arm), _groups(table, "before", against)
    if min(_filled(mine), _filled(its)) < FEWEST_GROUPS:
        return None
    value = _share(mine, figure) - times * _share(its, figure)
    if min(_filled(before), _filled(its_before)) < FEWEST_GROUPS:
        return Estimate(value, _variance(_errors(mine, figure)) + times**2 * _variance(_errors(its, figure)))
    usual = _share([*before, *its_before], figure)
    known, its_known = _errors(before, figure), _errors(its_before, figure)
    slope, left = _regressed([*_errors(mine, figure), *_errors(its, figure)], [*known, *its_known])
    value -= slope * (_share(before, figure) - usual - times * (_share(its_before, figure) - usual))
    return Estimate(value, _variance(left[:CLUSTERS]) + times**2 * _variance(left[CLUSTERS:]))


def excess(table: Table, arm: int, figure: Figure, limit: float) -> Estimate | None:
    """Return by how much a share of an arm's reads exceeds a limit; None while there are too few groups."""
    mine = _groups(table, "during", arm)
    if _filled(mine) < FEWEST_GROUPS:
        return None
    return Estimate(_share(mine, figure) - limit, _variance(_errors(mine, figure)))


def total(table: Table, arm: int) -> Sums:
    """Return the sums of an arm since the lead-in."""
    sums = NOTHING
    for group in _groups(table, "during", arm):
        sums += group
    return sums


def _groups(table: Table, phase: Phase, arm: int) -> list[Sums]:
    return [table.get((phase, arm, cluster), NOTHING) for cluster in range(CLUSTERS)]


def _filled(groups: Sequence[Sums]) -> int:
    return sum(group.reads > 0 for group in groups)


def _share(groups: Sequence[Sums], figure: Figure) -> float:
    return _sum(groups, figure) / _sum(groups, "reads")


def _sum(groups: Sequence[Sums], figure: Figure) -> int:
    at = Sums._fields.index(figure)
    return sum(group[at] for group in groups)


def _errors(groups: Sequence[Sums], figure: Figure) -> list[float]:
    """Return by how much the share changes if a group is left out: the larger the group, the more it hides itself."""
    share, reads, at = _share(groups, figure), _sum(groups, "reads"), Sums._fields.index(figure)
    return [(group[at] - share * group.reads) / max(reads - group.reads, 1) for group in groups]


def _regressed(errors: Sequence[float], known: Sequence[float]) -> tuple[float, list[float]]:
    """Return how errors follow from what was known of each group before, and what is left of them.

    What is left is divided by the root of what the line leaves free, since a group that stands out draws the line to
    itself (HC2: MacKinnon and White 1985).
    """
    spread = sum(error * error for error in known) or 1.0
    slope = sum(error * before for error, before in zip(errors, known, strict=True)) / spread
    return slope, [
        (error - slope * before) / max(1 - before * before / spread, 0.01) ** 0.5
        for error, before in zip(errors, known, strict=True)
    ]


def _variance(errors: Sequence[float]) -> float:
    return (CLUSTERS - 1) / CLUSTERS * sum(error * error for error in errors)
