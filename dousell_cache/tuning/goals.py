"""What a TTL is to achieve, and what one does achieve. Pure."""

import math
from dataclasses import dataclass, fields

DAY = 86_400.0


def _at_least_zero(name: str, number: float) -> None:
    if not 0 <= number < math.inf:
        message = f"{name} must be a number from 0 upwards, not {number:g}"
        raise ValueError(message)


@dataclass(frozen=True)
class Prices:
    """What things cost, in any one currency.

    Args:
        load: one call to the origin.
        command: one command to the cache; over REST it is one billed request.
        outdated: one read that was served what had changed.
    """

    load: float = 0.0
    command: float = 0.0
    outdated: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _at_least_zero(f"the price of {field.name}", getattr(self, field.name))


@dataclass(frozen=True)
class Goal:
    """What a TTL must achieve; None sets no bound.

    Args:
        hit_rate: the least share of reads that are hits. Nine in ten, as in the suite's KPIs.
        max_outdated: the largest share of reads that may be served what had changed.
        max_origin_rate: the most loads a second, on average.
        budget: the most that a day may cost, by ``prices``.
        prices: what things cost.

    Raises:
        ValueError: a share is not between 0 and 1, or another bound is below 0 or not a number.
    """

    hit_rate: float = 0.9
    max_outdated: float | None = None
    max_origin_rate: float | None = None
    budget: float | None = None
    prices: Prices = Prices()

    def __post_init__(self) -> None:
        for name in ("hit_rate", "max_outdated"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                message = f"{name} must be a share from 0 to 1, not {share:g}"
                raise ValueError(message)
        for name in ("max_origin_rate", "budget"):
            if getattr(self, name) is not None:
                _at_least_zero(name, getattr(self, name))


@dataclass(frozen=True)
class Point:
    """The figures of one TTL for one key family.

    Args:
        ttl: seconds.
        hit_rate: the share of reads that are hits.
        low: the lower end of its 95 % interval; None if the trace is too short to say.
        high: the upper end.
        outdated_share: the share of reads that would be served what had changed, by TTL alone; None if no change was
            recorded.
        worst_age: the most seconds since its load began that something was served.
        origin_rate: loads a second.
        commands_per_day: commands to the cache a day.
        cost_per_day: what that costs, by the goal's prices.
    """

    ttl: float
    hit_rate: float
    low: float | None
    high: float | None
    outdated_share: float | None
    worst_age: float
    origin_rate: float
    commands_per_day: float
    cost_per_day: float = 0.0
