"""Locks measured and payments tried end to end, on the real servers of the local cloud, without latency added."""

import asyncio
import dataclasses
import json
import re
from typing import Any

import msgspec
import numpy as np
import pytest

from dousell_cache.dousell.site import open_site
from dousell_cache.local import Cloud
from dousell_cache.measure import KPIS, LockContention, LockPlan, Result, lock_contention, measure_lock_contention
from dousell_cache.measure.stories import STORIES
from dousell_cache.reporting.lock_figures import lock_waits, story_timeline
from dousell_cache.reporting.lock_tables import click_table, fairness_table, guard_table, wait_table

PLAN = LockPlan(contenders=4, rents=8, seed=3)


async def measured(environment: str) -> LockContention:
    """Measure the plan in an environment."""
    async with open_site(environment) as site:
        return await measure_lock_contention(site, PLAN)


@pytest.fixture(scope="module")
def both(cloud: Cloud) -> dict[str, LockContention]:  # noqa: ARG001 - joined, so that it is started once
    """The same plan over TCP and over REST, shorter than any profile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, quick in (("_SECONDS", 0.2), ("_ROUNDS", 3), ("_TRIED", 4)):
            patch.setattr(lock_contention, name, {"quick": quick})
        return {name: asyncio.run(measured(name)) for name in ("local", "vercel")}


@pytest.fixture(params=["local", "vercel"])
def run(request: pytest.FixtureRequest, both: dict[str, LockContention]) -> LockContention:
    """The run in one environment."""
    return both[request.param]


def test_nothing_is_paid_or_given_twice(run: LockContention) -> None:
    """As shipped, every rent is paid once and every slot given once, although clicks were paused and cut off."""
    for kept in (run.rents, run.visits):
        assert (kept.wanted, kept.twice, kept.never) == (8, 0, 0)
        assert sum(kept.told.values()) == 3 * 8
        assert kept.paused > 0
    assert {"paid", "in_progress"} & run.rents.told.keys()
    assert run.visits.told["booked"] > 0


def test_too_few_rents_are_no_pass(run: LockContention) -> None:
    """None of eight paid twice bounds it at 3 ÷ 8, which is far from sure: inconclusive, never pass."""
    assert [(v.kpi.name, v.word) for v in run.verdicts] == [
        ("double_payments", "inconclusive"),
        ("double_bookings", "inconclusive"),
    ]
    assert run.figures["double_payments"].high == 3 / 8


@pytest.mark.parametrize(
    ("twice", "never", "word"), [(0, 0, "pass"), (1, 0, "fail"), (0, 1, "inconclusive"), (1, 1, "fail")]
)
def test_the_verdict_is_about_every_rent(run: LockContention, twice: int, never: int, word: str) -> None:
    """One rent paid twice fails; none of many passes, unless some were not paid at all."""
    rents = msgspec.structs.replace(run.rents, wanted=1_000, twice=twice, never=never)
    changed = dataclasses.replace(run, rents=rents)
    assert changed.verdicts[0].word == word
    assert changed.figures["double_payments"].value == twice / 1_000
    assert (f"{never} rents and 0 slots were left" in changed.reading) == bool(never)


def test_both_ways_meet_the_same_troubles(both: dict[str, LockContention]) -> None:
    """The same plan pauses, cuts off and forgets the same clicks over TCP and REST."""
    local, vercel = both["local"], both["vercel"]
    assert local.result.parameters == vercel.result.parameters == msgspec.structs.asdict(PLAN)
    for name in ("paused", "cut_off", "forgotten"):
        assert getattr(local.rents, name) == getattr(vercel.rents, name)
        assert getattr(local.visits, name) == getattr(vercel.visits, name)


def test_figures_are_those_of_the_most_callers(run: LockContention) -> None:
    """Waits, order and speed are those of the highest level; all figures have an interval around them, or too few."""
    assert [(row.contenders, row.fair) for row in run.contention_rows] == [
        (1, False),
        (2, False),
        (4, False),
        (4, True),
    ]
    assert [row.contenders for row in run.click_rows] == [1, 2, 4]
    figures, most = run.figures, run.contention[-1]
    assert figures["lock_wait_p50_ms"].value == np.median(most.wait_ms)
    assert figures["grants_per_second"].value == pytest.approx(1 / np.diff(most.granted_s).mean())
    assert figures["in_order_fair"].value == run.fair.in_order(run.instant_ms).mean()
    for figure in figures.values():
        assert figure.low is None or figure.high is None or figure.low <= figure.value <= figure.high


def test_every_setup_is_tried_in_every_story(run: LockContention) -> None:
    """There is a row for each choice of guards, as shipped first, with each story and the random run."""
    rows = run.guard_rows
    assert rows[0].setup == "lock, fence, unique row"
    assert all(list(row.stories) == list(STORIES) and row.rents == 4 for row in rows)
    assert set(rows[0].stories.values()) == {1}
    assert set(rows[-1].stories.values()) == {2}
    assert rows[0].twice == rows[0].never == 0
    naive, shipped = run.drawn
    assert (naive.payments, shipped.payments) == (2, 1)


def test_samples_hold_every_grant_and_click(run: LockContention) -> None:
    """The raw measurements have a row for each grant, with how long it was waited for and held, and for each click."""
    samples = run.samples
    grants = samples[samples["path"].str.startswith("lock")]
    assert len(grants) == sum(len(each.asked_s) for each in (*run.contention, run.fair))
    assert grants[["intended_s", "response_ms", "hold_ms"]].notna().all(axis=None)
    assert samples["path"].value_counts()["double click"] == 3 * (1 + 2 + 4)


def test_what_is_emulated_is_said(both: dict[str, LockContention]) -> None:
    """That the money is simulated is said everywhere, the emulated Upstash where it stands in; no origin is read."""
    assert [line.partition(" (")[0] for line in both["local"].result.emulated] == ["payments"]
    assert [line.partition(" (")[0] for line in both["vercel"].result.emulated] == ["Upstash", "payments"]
    for run in both.values():
        assert run.result.origin == ""
        assert all(f"Emulated on this machine: {line}." in run.reading for line in run.result.emulated)


def test_the_reading_repeats_the_figures(run: LockContention) -> None:
    """The sentences hold how many callers, rents and slots there were, and what became of a naive lock."""
    lines = run.reading.splitlines()
    assert lines[0].startswith(f"4 callers at one lock of {run.site.environment.address}: ")
    assert "0 of 8 rents were paid twice, 0 of 8 slots given twice, with " in run.reading
    assert re.search(r"A lock ended by bare DEL let \d of 4 rents be paid twice\.", run.reading)


def test_a_result_round_trips_and_keeps_secrets(both: dict[str, LockContention], cloud: Cloud) -> None:
    """A published result reads back equal, and holds no credential and no path of this machine."""
    for name, run in both.items():
        document = msgspec.json.encode(run.result)
        assert msgspec.json.decode(document, type=Result) == run.result
        assert run.result.environment == name
        text = json.dumps(json.loads(document))
        for secret in (cloud.upstash_token, cloud.supabase_service_key, cloud.postgres_url):
            assert secret not in text
        assert not re.search(r"[\s\"'(=]/\w", text)


def test_tables_have_a_row_for_each(run: LockContention) -> None:
    """Each level and each setup is a row; what is wrong is told by mark and word."""
    assert [row[0] for row in wait_table(run.contention_rows).rows] == ["1", "2", "4", "4, fair"]
    assert [row[0] for row in fairness_table(run.contention_rows).rows] == ["1", "2", "4", "4, fair"]
    clicks = click_table(run.click_rows).rows
    assert [row[:5] for row in clicks] == [
        ("1", "3", "3", "0", "0"),
        ("2", "6", "3", "3", "0"),
        ("4", "12", "3", "9", "0"),
    ]
    assert clicks[0][5:] == ("–", "–")
    guards = guard_table(run.guard_rows)
    assert guards.headers == ("guarded by", *STORIES, "random run")
    assert guards.rows[0] == ("lock, fence, unique row", *["✓ once"] * 6, "✓ 0 of 4")
    assert guards.rows[-1][1:7] == ("✗ twice",) * 6


def test_pictures_say_their_numbers(run: LockContention) -> None:
    """The alternative texts and captions state every median, and how each of the two drawn stories ended."""
    waits, story = lock_waits(run), story_timeline(*run.drawn)
    for row in run.contention_rows:
        assert f"{row.wait_p50_ms.value:.1f} ms" in waits.alt
    cache = run.site.environment.emulated
    assert (f"(emulated: {cache})" in waits.caption) is bool(cache)
    for text in (story.alt, story.caption):
        assert "With a naive lock the rent is paid twice" in text
        assert "with lock, fence and unique row it is paid once" in text
    assert story_timeline(*run.drawn[::-1]).png != story.png
    assert "naive lock the rent is paid once" in story_timeline(*run.drawn[::-1]).caption


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"contenders": 1}, "contenders must be between 2 and 64, not 1"),
        ({"contenders": 65}, "contenders must be between 2 and 64, not 65"),
        ({"body_ms": -1}, "body_ms must be between 0 and 1,000, not -1"),
        ({"rents": 0}, "rents must be between 1 and 100,000, not 0"),
        ({"profile": "quik"}, "no profile 'quik'; there are quick, full"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """Each value of a plan is checked when it is made, before any server is asked."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        LockPlan(**changes)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_a_profile_has_enough_rents_to_pass(profile: str) -> None:
    """What a profile asks for is documented, and without a case its bound is below the target."""
    rents = LockPlan(profile=profile).payments
    assert f"{rents:,}" in (LockPlan.__doc__ or "")
    assert 3 / rents < KPIS["double_payments"].target
    assert LockPlan(profile=profile, rents=7).payments == 7
