"""What a cache costs is shown with the date and the source of every price."""

from dousell_cache.measure.cost import PRICES, Traffic, project, saved
from dousell_cache.measure.usage import Usage
from dousell_cache.reporting.cost_tables import cost_table, saving_table, usage_table

MONTH = Traffic(requests=3e6, commands_per_request=1.5, origin_calls_per_request=0.05, answer_kb=2, stored_gb=0.1)


def test_every_price_is_shown_with_its_date() -> None:
    """Each plan's row ends with when and where its price was read; what does not fit has no amount."""
    table = cost_table(project(MONTH))
    rows = {row[0]: row for row in table.rows}
    assert len(rows) == len(PRICES.cache)
    assert rows["Upstash Redis, pay as you go"][1:3] == ("$9.00", "$9.00 commands")
    assert rows["Upstash Redis, free"][1:3] == ("does not fit", "4,500,000 commands, 500,000 at most")
    for plan in PRICES.cache.values():
        assert rows[plan.label][4:] == (f"{plan.read:%Y-%m-%d}", plan.source)


def test_a_saving_is_no_promise() -> None:
    """Calls saved are counted, their egress has a price only beyond what is included, and that is said."""
    plan = PRICES.origin["supabase_pro"]
    (row,) = saving_table([saved(MONTH, plan)]).rows
    assert row[:4] == (
        "Supabase Pro",
        "2,850,000",
        "5.70 GB",
        "$0.51, where the plan's 250 GB are used up; else nothing",
    )
    assert "API requests are not billed" in row[4]
    assert row[5:] == ("2026-11-28", plan.source)


def test_commands_are_shown_by_kind() -> None:
    """For 1,000 reads: each kind, all that was executed, and what of it the client sent."""
    usage = Usage(requests=500, sent=600, executed={"get": 600, "evalsha": 60, "set": 40}, origin_calls=25)
    assert usage_table(usage).rows == [
        ("GET", "1,200"),
        ("EVALSHA", "120"),
        ("SET", "80.0"),
        ("executed in all", "1,400"),
        ("of these sent by the client", "1,200"),
    ]
    untold = Usage(requests=500, sent=600, executed=None, origin_calls=25)
    assert usage_table(untold).rows == [("executed in all", "not told"), ("of these sent by the client", "1,200")]
