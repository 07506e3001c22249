"""What a cache costs a month, and what it saves: pure arithmetic on measured use and dated prices.

What Upstash bills are the commands that are *executed*, in a pipeline or a transaction each one; ``INFO``, ``PING`` and
``AUTH`` are free (https://upstash.com/docs/redis/overall/billing). Of a script its own pages count the call and each
command that it makes: ``EVAL, INCR, PEXPIRE`` are three
(https://upstash.com/docs/redis/sdks/ratelimit-ts/costs). So the commands that a client sends are the least that is
billed, and those that the server executes the most that is to be expected: projections take the latter where the server
told them.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConfigurationError

FREE_OF_CHARGE = frozenset({"auth", "info", "ping", "quit", "command"})
"""Commands that Upstash does not bill; its page names some of them, and points to a list on its pricing page."""

_GB = 1e9  # bytes
_PER = 100_000  # commands have a price by the hundred thousand


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one plan costs.

    Args:
        label: its name for people.
        source: the address where its price was read.
        read: when it was read there.
        monthly: a fixed price, in US dollars.
        commands: how many commands a month are in it; None for any number.
        per_100k_commands: the price of each hundred thousand beyond; None when there are no more.
        gb: how many gigabytes may be sent a month; None for any number.
        per_gb: the price of each one beyond; None when there are no more.
        data_gb: how many gigabytes may be kept; None for any number.
        per_data_gb: the price of each one beyond, a month; None when there are no more.
        note: what else there is to know.
    """

    label: str
    source: str
    read: date
    monthly: float = 0.0
    commands: int | None = None
    per_100k_commands: float | None = None
    gb: float | None = None
    per_gb: float | None = None
    data_gb: float | None = None
    per_data_gb: float | None = None
    note: str = ""


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Plans by name: of the cache, and of the origin behind it."""

    cache: dict[str, Plan] = {}
    origin: dict[str, Plan] = {}


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What a month brings.

    Args:
        requests: reads a month.
        commands_per_request: executed on the cache's server, see :mod:`.usage`.
        origin_calls_per_request: how often the origin is asked all the same; 1 without a cache.
        answer_kb: kilobytes that one answer has, from cache or origin; a property page of Dousell's is 1.2 kB of JSON.
        stored_gb: gigabytes that the cache keeps.

    Raises:
        ValueError: a number makes no sense; the message names it.
    """

    requests: float
    commands_per_request: float
    origin_calls_per_request: float
    answer_kb: float = 1.5
    stored_gb: float = 0.05

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                message = f"{name} must be a number from 0 upwards, not {value}"
                raise ValueError(message)

    @property
    def commands(self) -> float:
        """Commands a month."""
        return self.requests * self.commands_per_request

    @property
    def gb(self) -> float:
        """Gigabytes that the cache sends a month: an answer for each read, those that are not found included."""
        return self.requests * self.answer_kb * 1000 / _GB


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one plan would cost a month.

    Args:
        plan: the plan, with the source and the date of its price.
        usd: US dollars a month; None when the traffic does not fit the plan.
        parts: what that consists of.
        over: what does not fit, a few words each.
    """

    plan: Plan
    usd: float | None
    parts: dict[str, float] = {}
    over: list[str] = []


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What the origin is spared a month.

    Args:
        plan: the origin's plan, with the source and the date of its price.
        calls: calls that are not made: the load that is taken off it. Supabase does not bill calls.
        gb: gigabytes that it need not send.
        usd_at_most: what these cost where all of them are beyond what the plan includes; 0 where they are within it.
    """

    plan: Plan
    calls: float
    gb: float
    usd_at_most: float


def load_prices(text: str, over: Prices | None = None) -> Prices:
    """Read prices from TOML.

    Args:
        text: the TOML; see ``prices.toml``.
        over: plans that stay unless the text has one of the same name; default none.

    Raises:
        ValueError: it is not TOML, or a plan is not complete or makes no sense; the message names it.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"the price file is not TOML: {error}"
        raise ValueError(message) from error
    unknown = told.keys() - {"cache", "origin"}
    if unknown:
        message = f"the price file has a table {min(unknown)}: plans are [cache.NAME] or [origin.NAME]"
        raise ValueError(message)
    before = over or Prices()
    return Prices(before.cache | _plans("cache", told), before.origin | _plans("origin", told))


def _plans(kind: str, told: Mapping[str, Any]) -> dict[str, Plan]:
    rows = told.get(kind, {})
    if not isinstance(rows, dict):
        message = f"the price file's {kind} must hold plans, as [{kind}.NAME]"
        raise ValueError(message)
    return {name: _plan(f"{kind}.{name}", row) for name, row in rows.items()}


def _plan(name: str, row: Any) -> Plan:
    try:
        plan = msgspec.convert(row, Plan)
    except msgspec.ValidationError as error:
        message = f"the price file's {name} must have label, source, read (a date) and prices: {error}"
        raise ValueError(message) from error
    numbers = {field: getattr(plan, field) for field in _NUMBERS}
    wrong = next(
        (field for field, value in numbers.items() if value is not None and not 0 <= value < float("inf")), None
    )
    if wrong:
        message = f"the price file's {name}: {wrong} must be a number from 0 upwards, not {numbers[wrong]}"
        raise ValueError(message)
    return plan


_NUMBERS = ("monthly", "commands", "per_100k_commands", "gb", "per_gb", "data_gb", "per_data_gb")

PRICES = load_prices((files(__package__) / "prices.toml").read_text("utf-8"))
"""The prices that come with this package, each with its date."""


def prices_from(path: Path) -> Prices:
    """Return this package's prices under those of a file.

    Raises:
        ConfigurationError: the file cannot be read or makes no sense; the message says where.
    """
    try:
        return load_prices(path.read_text("utf-8"), PRICES)
    except OSError as error:
        message = f"the price file {path} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from error
    except ValueError as error:
        message = f"{path}: {error}"
        raise ConfigurationError(message) from error


def project(traffic: Traffic, prices: Prices = PRICES) -> list[Cost]:
    """Return what each plan of the cache would cost a month, the cheapest first, those that do not fit last.

    Args:
        traffic: what a month brings.
        prices: the plans.
    """
    costs = [_cost(plan, traffic) for plan in prices.cache.values()]
    return sorted(costs, key=lambda cost: (cost.usd is None, cost.usd or 0.0))


def _cost(plan: Plan, traffic: Traffic) -> Cost:
    wanted = (
        ("commands", traffic.commands, plan.commands, plan.per_100k_commands, _PER),
        ("GB sent", traffic.gb, plan.gb, plan.per_gb, 1),
        ("GB kept", traffic.stored_gb, plan.data_gb, plan.per_data_gb, 1),
    )
    over = [
        f"{_amount(need)} {what}, {_amount(included)} at most"
        for what, need, included, price, _ in wanted
        if included is not None and need > included and price is None
    ]
    if over:
        return Cost(plan=plan, usd=None, over=over)
    parts = {"fixed": plan.monthly} | {
        what: max(0.0, need - included) / unit * price
        for what, need, included, price, unit in wanted
        if included is not None and price is not None
    }
    return Cost(plan=plan, usd=sum(parts.values()), parts=parts)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def saved(traffic: Traffic, plan: Plan) -> Saved:
    """Return what a month with the cache spares the origin.

    Args:
        traffic: what a month brings.
        plan: the origin's.
    """
    calls = traffic.requests * max(0.0, 1 - traffic.origin_calls_per_request)
    gb = calls * traffic.answer_kb * 1000 / _GB
    return Saved(plan=plan, calls=calls, gb=gb, usd_at_most=gb * (plan.per_gb or 0.0))


def break_even(traffic: Traffic, metered: Plan, fixed: Plan) -> float | None:
    """Return from how many requests a month on a fixed plan is cheaper than a metered one; None if it never is.

    Only commands are compared: bandwidth and storage differ little between plans.
    """
    each = traffic.commands_per_request * (metered.per_100k_commands or 0.0) / _PER
    dearer = fixed.monthly - metered.monthly
    if each <= 0:
        return None
    return max(0.0, dearer / each + (metered.commands or 0) / traffic.commands_per_request)
