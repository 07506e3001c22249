"""What a cache costs, as tables: no price without its date."""

from collections.abc import Iterable

from ..measure.cost import Cost, Saved
from ..measure.usage import Usage
from .tables import Table, number


def cost_table(costs: Iterable[Cost]) -> Table:
    """Show what each plan would cost a month, with the date and the source of its price."""
    rows = [
        (
            cost.plan.label,
            "does not fit" if cost.usd is None else dollars(cost.usd),
            "; ".join(cost.over) or _parts(cost),
            cost.plan.note,
            f"{cost.plan.read:%Y-%m-%d}",
            cost.plan.source,
        )
        for cost in costs
    ]
    return Table("What it would cost", ("plan", "a month", "of that", "mind", "price read", "at"), rows)


def saving_table(savings: Iterable[Saved]) -> Table:
    """Show what the origin is spared a month, with the date and the source of its price."""
    rows = [
        (
            one.plan.label,
            f"{one.calls:,.0f}",
            number(one.gb, "GB"),
            f"{dollars(one.usd_at_most)}, where the plan's {one.plan.gb or 0:,.0f} GB are used up; else nothing",
            one.plan.note,
            f"{one.plan.read:%Y-%m-%d}",
            one.plan.source,
        )
        for one in savings
    ]
    headers = ("origin", "calls saved a month", "sent less", "worth at most", "mind", "price read", "at")
    return Table("What the origin is spared", headers, rows)


def usage_table(usage: Usage) -> Table:
    """Show the commands of 1,000 reads, by kind."""
    rows = [(name.upper(), number(count, "")) for name, count in usage.per_thousand.items()]
    rows.append(("executed in all", number(1000 * usage.billed / usage.requests, "") if usage.executed else "not told"))
    rows.append(("of these sent by the client", number(1000 * usage.sent / usage.requests, "")))
    return Table("Commands for 1,000 reads", ("command", "for 1,000 reads"), rows)


def dollars(amount: float) -> str:
    """Write US dollars."""
    return f"${amount:,.2f}"


def _parts(cost: Cost) -> str:
    return ", ".join(f"{dollars(amount)} {what}" for what, amount in cost.parts.items() if amount)
