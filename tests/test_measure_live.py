"""Two environments measured in turns, on the real servers of the local cloud, without latency added."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from dousell_cache.async_cache import AsyncCache
from dousell_cache.dousell.site import Site, open_site
from dousell_cache.errors import MeasurementFailed
from dousell_cache.local import Cloud
from dousell_cache.measure import live
from dousell_cache.measure.live import Live, LivePlan, Party, measure_live

TARGETS = frozenset({"hit_rate", "p50_ms", "p95_ms"})
PLAN = LivePlan(requests=200, pairs=5, keys=4, seed=3)


@pytest.fixture(scope="module", autouse=True)
def near(cloud: Cloud) -> Iterator[None]:  # noqa: ARG001 - joined, so that it is started once
    """Ask faster than usual, since nothing is far away here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "RATE", 400.0)
        yield


class Asked:
    """Two environments that were measured, and which of them was asked for what, in order."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, str]] = []
        self.blocks: list[tuple[int, int]] = []

    async def measured(self, a: str, b: str) -> Live:
        """Measure two environments in turns."""
        read = AsyncCache.get_or_set

        def noting(cache: AsyncCache, key: str, *arguments: Any, **options: Any) -> Any:
            self.keys.append((cache.namespace, key))
            return read(cache, key, *arguments, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(AsyncCache, "get_or_set", noting)
            async with open_site(a) as first, open_site(b) as second:
                return await measure_live(
                    first, second, PLAN, targets=TARGETS, progress=lambda *seen: self.blocks.append(seen)
                )


@pytest.fixture(scope="module")
def both(near: None) -> tuple[Asked, Live]:  # noqa: ARG001 - first, so that it is fast
    """The local cache and the emulated Upstash, in turns."""
    asked = Asked()
    return asked, lagging(asyncio.run(asked.measured("local", "vercel")), 0.0)


def lagging(found: Live, ms: float) -> Live:
    """Return what was measured as if every request of B's last block had started so late, and all others in time."""

    def late(party: Party, last: float) -> Party:
        lags = [0.0] * (len(party.blocks) - 1) + [last]
        blocks = [replace(block, lag_ms=np.full(40, lag)) for block, lag in zip(party.blocks, lags, strict=True)]
        return replace(party, blocks=blocks)

    return replace(found, a=late(found.a, 0.0), b=late(found.b, ms))


def test_blocks_alternate_and_pairs_are_asked_the_same(both: tuple[Asked, Live]) -> None:
    """The order is A B B A …, and both blocks of a pair ask for the same pages, each from its own cache."""
    asked, found = both
    first, second = found.a.site.cache.namespace, found.b.site.cache.namespace
    size = 40
    blocks = [asked.keys[at : at + size] for at in range(0, len(asked.keys), size)]
    assert [{namespace for namespace, _ in block} for block in blocks] == [
        {first}, {second}, {second}, {first}, {first}, {second}, {second}, {first}, {first}, {second},
    ]  # fmt: skip
    for one, other in zip(blocks[::2], blocks[1::2], strict=True):
        assert [key for _, key in one] == [key for _, key in other]
    assert blocks[0] != blocks[3]
    assert asked.blocks == [(done, 10) for done in range(11)]


def test_the_comparison_follows_from_the_blocks(both: tuple[Asked, Live]) -> None:
    """Every read counts on its side; the figures are those of all blocks, the effect has one value a pair."""
    _, found = both
    compared = {one.name: one for one in found.comparison.figures}
    assert set(compared) == TARGETS
    assert {one.effect.samples for one in compared.values() if one.effect} == {5}
    assert compared["hit_rate"].a.samples == compared["hit_rate"].b.samples == 200
    hits = [sum(block.outcomes.count("hit") for block in party.blocks) / 200 for party in (found.a, found.b)]
    assert [compared["hit_rate"].a.value, compared["hit_rate"].b.value] == hits
    assert all(one.target and one.p is not None for one in compared.values())


def test_the_two_sides_are_told_apart(both: tuple[Asked, Live]) -> None:
    """Each side says its environment, distance, machine and emulated parts; the plan differs in nothing."""
    comparison = both[1].comparison
    assert (comparison.a.environment, comparison.b.environment) == ("local", "vercel")
    assert comparison.a.host == comparison.b.host
    assert comparison.a.place is not None
    assert comparison.b.place is not None
    assert (comparison.a.place.kind != "rest", comparison.b.place.kind) == (True, "rest")
    assert any("Upstash" in part for part in comparison.b.emulated)
    assert not any("Upstash" in part for part in comparison.a.emulated)
    assert comparison.ranks is not None
    assert any("other parts are emulated in A than in B" in caveat for caveat in comparison.caveats)


def test_a_late_generator_leaves_it_open(both: tuple[Asked, Live]) -> None:
    """One block whose requests started late is enough for nothing to be concluded: that is the note, and no caveat."""
    comparison = lagging(both[1], 10_000.0).comparison
    told = {(one.word, one.note.partition(" up to")[0], one.p) for one in comparison.figures}
    assert told == {("cannot say", "this machine was too busy: requests started", None)}
    assert not any("too busy" in caveat for caveat in comparison.caveats)


def test_equal_plans_ask_the_same() -> None:
    """The same seed asks for the same pages at the same times, another pair or seed for others."""
    assert PLAN.schedule(1).digest == LivePlan(requests=200, pairs=5, keys=4, seed=3).schedule(1).digest
    assert PLAN.ranks(1) == LivePlan(requests=200, pairs=5, keys=4, seed=3).ranks(1)
    assert PLAN.schedule(1).digest != PLAN.schedule(2).digest
    assert PLAN.ranks(1) != PLAN.ranks(2)
    assert PLAN.digest == LivePlan(requests=200, pairs=5, keys=4, seed=3).digest
    assert len({PLAN.digest, *(structs.replace(PLAN, **{name: 6}).digest for name in ("keys", "seed", "pairs"))}) == 4


def test_each_side_says_what_was_asked(both: tuple[Asked, Live]) -> None:
    """Seed, every parameter of the plan and the digest of what was asked stand on both sides: it can be asked again."""
    for one in (both[1].comparison.a, both[1].comparison.b):
        assert one.seed == 3
        assert one.parameters == {**structs.asdict(PLAN), "schedule": PLAN.digest}
        assert LivePlan(**{name: one.parameters[name] for name in structs.asdict(PLAN)}) == PLAN


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pairs": 4}, "pairs must be from 5 to 1,000"),
        ({"pairs": 5, "requests": 99}, "requests must be 100 or more: 20 for each of 5 pairs, not 99"),
        ({"ttl": 0}, "ttl"),
        ({"keys": 0}, "at least one key"),
        ({"seed": -1}, "a seed must be"),
        ({"seed": 2**32}, "seed must be 4,294,967,295 or less, not 4,294,967,296"),
        ({"requests": 10**12}, "requests must be 50,000,000 or less, not 1,000,000,000,000"),
        ({"keys": 10**12}, "keys must be 1,000,000 or less, not 1,000,000,000,000"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """What is wrong is named before anything is measured."""
    with pytest.raises(ValueError, match=sentence):
        LivePlan(**changes)


async def failing(site: Site, times: int, error: BaseException | None = None) -> Live:
    """Measure a site against itself while the origin fails so many times."""
    left = times
    real = site.origin.property

    async def broken(page: int) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise error or OSError("the origin is out")
        return await real(page)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(site.origin), "property", lambda _self, page: broken(page))
        return await measure_live(site, site, PLAN, targets=TARGETS)


async def test_reads_that_failed_leave_it_open() -> None:
    """A side whose reads failed is not called better or worse: the failure is the note."""
    async with open_site("local") as site:
        found = await failing(site, 1)
    assert {(one.word, one.note) for one in found.comparison.figures} == {("cannot say", "reads failed")}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("the origin is out"), "OSError: the origin is out"),
        (asyncio.CancelledError(), "CancelledError: it was cancelled from within"),
    ],
)
async def test_a_block_without_an_answer_is_no_measurement(error: BaseException, told: str) -> None:
    """When every read of a block failed there is nothing to compare, and the first failure is named."""
    async with open_site("local") as site:
        with pytest.raises(MeasurementFailed, match=f"reads of local failed, the first with {told}"):
            await failing(site, 10**9, error)


async def test_more_pages_than_there_are_is_refused() -> None:
    """A plan that asks for more pages than the origin has is refused with their number."""
    plan = LivePlan(requests=200, pairs=5, keys=10**6)
    async with open_site("local") as site:
        with pytest.raises(ValueError, match="keys=1000000 asks for more pages than the origin has"):
            await measure_live(site, site, plan, targets=TARGETS)
