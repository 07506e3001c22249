"""A trace tuned and confirmed on a real cache, and what is told when the machine confirms nothing."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dousell_cache import connect_async
from dousell_cache.reporting.tuning_tables import confirmation_table, experiment_table
from dousell_cache.tuning import lab, replay
from dousell_cache.tuning.lab import TuneLab, TunePlan, tune_and_confirm

if TYPE_CHECKING:
    from .conftest import FreeValkey


async def run(valkey: "FreeValkey", plan: TunePlan) -> TuneLab:
    """Tune by a plan on a real cache."""
    async with await connect_async(valkey.url, namespace="lab:", patience=10) as cache:
        return await tune_and_confirm(cache, plan)


async def test_the_page_mix_is_confirmed(free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning of the trace is replayed on the real cache beside its prediction, and an A/B is told."""
    monkeypatch.setattr(replay, "MOST_DOUBT", math.inf)  # however late this machine is
    monkeypatch.setitem(lab._TTLS, "quick", (86_400.0,))
    monkeypatch.setitem(lab._EVENTS, "quick", 300)
    monkeypatch.setitem(lab._SECONDS, "quick", 2.0)
    told = await run(free_valkey, TunePlan(hours=0.5))
    assert told.refusal == ""
    assert told.confirmed
    (row,) = told.confirmed.rows
    assert told.confirmed.requests == 300
    assert sum(row.counts.values()) == lab._beginning(told.tuned.trace, 300).reads
    assert 0 < row.loads < 300
    assert "predictions were off by" in told.reading
    assert confirmation_table(told).rows[0][0] == "86,400 s"
    (verdict,) = told.compared
    assert (verdict.arm, verdict.control, verdict.finding) == ("60 s", "300 s", "undecided")
    assert experiment_table(told.compared).rows[0][:2] == ("60 s", "300 s")
    assert set(told.samples["family"]) == set(told.tuned.families)
    assert told.result.notebook == "04_tune_ttl"


async def test_what_cannot_be_replayed_is_predicted_all_the_same(free_valkey: "FreeValkey", tmp_path: Path) -> None:
    """A trace of a month is too sparse to be replayed in seconds: the reason is told, and the advice stands."""
    path = tmp_path / "trace.csv"
    path.write_text(
        "time,key,op\n" + "".join(f"{n * 3600},prod:home,{op}\n" for n in range(700) for op in ("get", "set")),
        encoding="utf-8",
    )
    told = await run(free_valkey, TunePlan(trace=str(path), unit="s", writes="fills", namespace="prod:"))
    assert told.notes == (
        "writes taken for the fills that follow misses, which nobody asked for, were left out: 700 set",
    )
    assert told.confirmed is None
    assert "are needed: compress" in told.refusal
    assert "Nothing was confirmed" in told.reading
    assert told.refusal in confirmation_table(told).caption
    assert told.tuned.advice[0].family == "home"


def test_a_profile_that_is_none_is_refused() -> None:
    """Only quick and full are profiles."""
    with pytest.raises(ValueError, match="there is no profile 'slow'; there are quick, full"):
        TunePlan(profile="slow")
