"""What a cache costs is arithmetic that can be done by hand, on prices that say where and when they were read."""

import math
from datetime import date
from pathlib import Path

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.measure.cost import (
    PRICES,
    Plan,
    Prices,
    Traffic,
    break_even,
    load_prices,
    prices_from,
    project,
    saved,
)

MONTH = Traffic(requests=3e6, commands_per_request=1.5, origin_calls_per_request=0.05, answer_kb=2, stored_gb=0.1)
PLAN = Plan(label="Mine", source="https://cache.example/prices", read=date(2026, 11, 1))


def cost(name: str, traffic: Traffic = MONTH) -> tuple[float | None, dict[str, float], list[str]]:
    """Return what a plan of the cache costs, with its parts and what does not fit."""
    plan = PRICES.cache[name]
    (found,) = project(traffic, Prices({name: plan}))
    assert found.plan == plan
    return found.usd, {what: amount for what, amount in found.parts.items() if amount}, found.over


def test_pay_as_you_go_is_paid_by_the_command() -> None:
    """4.5 million commands at 20 cents the hundred thousand are 9 dollars; 6 GB and 100 MB are within what is free."""
    usd, parts, over = cost("upstash_payg")
    assert usd == pytest.approx(9.0)
    assert parts == {"commands": pytest.approx(9.0)}
    assert over == []


def test_what_is_beyond_is_paid_for() -> None:
    """Of 300 GB sent, 100 cost 3 cents each; of 3 GB kept, 2 cost a quarter each."""
    big = Traffic(requests=3e6, commands_per_request=0, origin_calls_per_request=0, answer_kb=100, stored_gb=3)
    usd, parts, _ = cost("upstash_payg", big)
    assert parts == {"GB sent": pytest.approx(3.0), "GB kept": pytest.approx(0.5)}
    assert usd == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("traffic", "over"),
    [
        (MONTH, ["4,500,000 commands, 500,000 at most"]),
        (
            Traffic(requests=1e5, commands_per_request=1, origin_calls_per_request=0, answer_kb=200, stored_gb=0.3),
            ["20 GB sent, 10 at most", "0.3 GB kept, 0.256 at most"],
        ),
    ],
)
def test_what_does_not_fit_has_no_price(traffic: Traffic, over: list[str]) -> None:
    """The free tier is a limit, not a discount: beyond it there is no price, and what is too much is named."""
    assert cost("upstash_free", traffic) == (None, {}, over)


def test_the_free_tier_is_free_within_its_limits() -> None:
    """Exactly at its limits it still costs nothing."""
    full = Traffic(requests=5e5, commands_per_request=1, origin_calls_per_request=0, answer_kb=20, stored_gb=0.256)
    assert cost("upstash_free", full) == (0.0, {}, [])


def test_plans_come_cheapest_first_and_what_does_not_fit_last() -> None:
    """The order is that of the price; every plan of the table is there."""
    found = project(MONTH)
    prices = [one.usd for one in found if one.usd is not None]
    assert prices == sorted(prices)
    assert [one.usd is None for one in found] == sorted(one.usd is None for one in found)
    assert len(found) == len(PRICES.cache)


def test_what_the_origin_is_spared() -> None:
    """95 % of 3 million calls are saved; their 5.7 GB are worth money only beyond the 250 that are included."""
    found = saved(MONTH, PRICES.origin["supabase_pro"])
    assert found.calls == pytest.approx(2.85e6)
    assert found.gb == pytest.approx(5.7)
    assert found.usd_at_most == pytest.approx(5.7 * 0.09)
    none = Traffic(requests=1e6, commands_per_request=3, origin_calls_per_request=1.2)
    assert saved(none, PRICES.origin["supabase_pro"]).calls == 0


def test_where_a_fixed_plan_begins_to_pay() -> None:
    """10 dollars are five million commands: at 1.5 a request, from 3.33 million requests on."""
    metered, fixed = PRICES.cache["upstash_payg"], PRICES.cache["upstash_250mb"]
    at = break_even(MONTH, metered, fixed)
    assert at == pytest.approx(10 / 0.20 * 100_000 / 1.5)
    none = Traffic(requests=1, commands_per_request=0, origin_calls_per_request=0)
    assert break_even(none, metered, fixed) is None
    assert break_even(MONTH, fixed, fixed) is None


def test_every_price_says_where_and_when_it_was_read() -> None:
    """No price of this package is without an address and a date."""
    for plan in (*PRICES.cache.values(), *PRICES.origin.values()):
        assert plan.source.startswith("https://")
        assert date(2026, 1, 1) <= plan.read <= date(2100, 1, 1)
        assert plan.label


ROW = '[cache.mine]\nlabel = "Mine"\nsource = "https://cache.example"\nread = 2026-11-01\n'


def test_ones_own_prices_go_over_these(tmp_path: Path) -> None:
    """A row of a known name takes its place, whole; a new one is added; the others stay."""
    path = tmp_path / "prices.toml"
    path.write_text(ROW + ROW.replace("mine", "upstash_payg") + "monthly = 5\n")
    found = prices_from(path)
    assert found.cache["upstash_payg"] == Plan(
        label="Mine", source="https://cache.example", read=date(2026, 11, 1), monthly=5.0
    )
    assert set(found.cache) == {*PRICES.cache, "mine"}
    assert found.origin == PRICES.origin


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[cache.mine", "not TOML"),
        (ROW.replace("read = 2026-11-01\n", ""), "cache.mine must have label, source, read .*`read`"),
        (ROW.replace("2026-11-01", '"lately"'), "cache.mine must have .*date"),
        (ROW + "montly = 5\n", "cache.mine must have .*`montly`"),
        (ROW + 'monthly = "5"\n', "cache.mine must have .*monthly"),
        (ROW + "monthly = -5\n", "cache.mine: monthly must be a number from 0 upwards, not -5"),
        (ROW + "per_gb = inf\n", "cache.mine: per_gb must be a number from 0 upwards, not inf"),
        (ROW.replace("cache", "caches", 1), "a table caches: plans are"),
        ("cache = 5", "cache must hold plans"),
        ("[cache]\nmine = 5", "cache.mine must have"),
    ],
)
def test_a_wrong_price_file_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    """What is wrong is said in one sentence that names the plan; from a file, with its path."""
    with pytest.raises(ValueError, match=sentence) as refused:
        load_prices(text)
    assert "\n" not in str(refused.value)
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"prices\.toml: "):
        prices_from(tmp_path / "prices.toml")


def test_a_missing_price_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is a setting that makes no sense."""
    with pytest.raises(ConfigurationError, match=r"absent\.toml cannot be read: No such file"):
        prices_from(tmp_path / "absent.toml")


@pytest.mark.parametrize("value", [-1, math.inf, math.nan])
def test_traffic_that_makes_no_sense_is_refused(value: float) -> None:
    """A negative, infinite or missing number is named."""
    with pytest.raises(ValueError, match="requests must be a number from 0 upwards"):
        Traffic(requests=value, commands_per_request=1, origin_calls_per_request=1)
