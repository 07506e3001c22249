"""Environments side by side, on real servers: the same reads in each, and what is published adds up."""

import asyncio
import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dousell_cache.dousell.pages import Pages
from dousell_cache.dousell.site import open_site
from dousell_cache.errors import ConfigurationError, MeasurementFailed
from dousell_cache.local.process import free_ports
from dousell_cache.measure import Progress, Result, SideBySide, SidePlan, measure_side_by_side, side_by_side, sides
from dousell_cache.measure.load_result import among_all
from dousell_cache.measure.sides import MONTH_SECONDS, WITHDRAWN, Side, sum_of
from dousell_cache.measure.steady import steady_hit_rate
from dousell_cache.measure.usage import Usage
from dousell_cache.measure.workload import INVALIDATE, READ

if TYPE_CHECKING:
    from .conftest import FreeValkey

PLAN = SidePlan(requests=300, properties=8, seed=5)


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Read faster, sweep over two rates only, and take no laden machine for a dead cache."""
    patch.setattr(side_by_side, "open_site", partial(open_site, patience=5))
    patch.setattr(sides, "RATE", 200.0)
    patch.setattr(sides, "_ORIGIN_RATE", 200.0)
    patch.setattr(side_by_side, "_RATES", {"quick": (400, 800)})
    patch.setattr(side_by_side, "_STEP_SECONDS", {"quick": 0.1})


@pytest.fixture
def short() -> Iterator[None]:
    """A hurried measurement."""
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        yield


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("error", [TimeoutError("too slow"), asyncio.CancelledError()])
async def test_an_origin_that_fails_alone_is_nothing_to_compare_with(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Whatever reads of the origin alone ended with, one sentence says so, and nothing is measured beside it."""

    async def read(*_: object) -> None:
        raise error

    monkeypatch.setattr(Pages, "read", read)
    with pytest.raises(
        MeasurementFailed, match=f"40 of 40 reads of the origin failed, the first with {type(error).__name__}"
    ):
        await measure_side_by_side("local", PLAN)


@pytest.fixture(scope="module")
def run() -> SideBySide:
    """Two environments on the local cloud, one of which cannot be reached."""
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        patch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_ports(1)[0]}")
        told: list[Progress] = []
        found = asyncio.run(measure_side_by_side("local, vercel,dedicated", PLAN, progress=told.append))
    done = [progress.done for progress in told]
    requests = sum(len(side.outcomes) + sum(step.requests for step in side.steps) for side in found.sides)
    assert done == sorted(done)
    assert told[-1].done == told[-1].scheduled == sum(told[-1].outcomes.values()) == requests + 40
    return found


def test_every_environment_is_asked_the_same(run: SideBySide) -> None:
    """Each has every request of one schedule, reads and withdrawals, in its order, and each is accounted for."""
    asked = 0 if run.schedule.operations is None else int(run.schedule.operations.sum())
    assert [side.name for side in run.sides] == ["local", "vercel"]
    for side in run.sides:
        assert side.keys.tolist() == list(run.schedule.keys or ())
        assert sum(side.counts.values()) == len(run.schedule) == 300 + asked
        assert side.counts.get(WITHDRAWN, 0) == asked
        assert side.usage.requests == 300


def test_what_cannot_be_reached_is_skipped_and_said(run: SideBySide) -> None:
    """An environment without a server costs a line, not the run."""
    assert list(run.skipped) == ["dedicated"]
    assert "Skipped: dedicated, because" in run.reading
    assert "Emulated on this machine: Upstash" in run.reading


def test_the_numbers_of_requests_add_up(run: SideBySide) -> None:
    """What is kept is said to be so many, and what the progress counted besides; each number is that of its thing."""
    swept = sum(step.requests for side in run.sides for step in side.steps)
    kept, every = len(run.samples), len(run.samples) + swept
    assert f"40 reads of the origin alone are the {kept:,} measurements kept; with {swept:,} hits" in run.reading
    assert f"they are all {every:,} requests." in run.reading


def test_where_nothing_changes_it_is_said_why(run: SideBySide) -> None:
    """A run too short for a change says how many were to be expected; one with changes does not."""
    assert ("No page happened to change" in run.reading) == (len(run.schedule) == 300)
    operations = np.array([INVALIDATE, *[READ] * (len(run.schedule) - 1)], np.uint8)
    changed = dataclasses.replace(run, schedule=dataclasses.replace(run.schedule, operations=operations))
    assert "No page happened" not in changed.reading
    still = dataclasses.replace(
        run, schedule=dataclasses.replace(run.schedule, operations=np.full_like(operations, READ))
    )
    share = len(run.schedule) / 300
    assert f"among so few reads {0.87 * share:.1f} changes are to be expected" in still.reading


def test_the_second_half_finds_what_the_first_one_left(run: SideBySide) -> None:
    """Both halves are one run on one cache: a page is loaded once, however the turns were taken."""
    for side in run.sides:
        if WITHDRAWN in side.counts:
            continue
        assert side.counts["miss"] == len(np.unique(side.keys))


def test_a_failed_withdrawal_is_no_failed_read(run: SideBySide) -> None:
    """A withdrawal that failed leaves every figure as it is; a failed read shifts no cold start."""
    side = run.sides[0]
    reads = side.reads.copy()
    reads[np.flatnonzero(side.outcomes == "hit")[-20:]] = False  # let some have been withdrawals
    done, failed = (_ended(side, ~reads, outcome, reads) for outcome in (WITHDRAWN, "error"))
    assert failed.figures(run.origin) == done.figures(run.origin)
    assert failed.hit_rates(run.pages) == done.hit_rates(run.pages)
    assert "0 reads and 20 withdrawals failed, the first with Gone" in dataclasses.replace(run, sides=[failed]).reading
    assert among_all(2, np.array([True, False, True, True])) == 3


def _ended(side: Side, which: NDArray[np.bool_], outcome: str, reads: NDArray[np.bool_]) -> Side:
    """Return a side of which some requests ended in another way."""
    outcomes = np.where(which, outcome, side.outcomes).tolist()
    middle = len(side.loads[0].outcomes)
    parts = (outcomes[:middle], outcomes[middle:])
    loads = [
        dataclasses.replace(load, outcomes=part, errors=["Gone"]) for load, part in zip(side.loads, parts, strict=True)
    ]
    return dataclasses.replace(side, loads=loads, reads=reads)


def test_what_is_published_adds_up(run: SideBySide) -> None:
    """Rows and samples repeat the figures, survive JSON, and carry the digest of what was asked."""
    result = msgspec.json.decode(msgspec.json.encode(run.result), type=Result)
    assert [row.environment for row in result.compared] == ["local", "vercel"]
    assert result.parameters["schedule"] == run.schedule.digest
    for row, side in zip(result.compared, run.sides, strict=True):
        assert row.figures == side.figures(run.origin)
        assert row.outcomes == side.counts
        assert [step.rate for step in row.steps] == [400, 800]
        samples = run.samples.query("path == @row.environment")
        assert len(samples) == len(run.schedule)
        assert (samples["outcome"] == "hit").sum() == row.outcomes["hit"]
    assert len(run.samples.query("path == 'origin'")) == 40


async def test_prices_of_ones_own_are_read_first(tmp_path: Path) -> None:
    """A price file that makes no sense is a sentence, before anything is measured."""
    path = tmp_path / "prices.toml"
    path.write_text("[cache.mine]\nlabel = 3\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"prices\.toml: the price file's cache\.mine must have label"):
        await measure_side_by_side("local", PLAN, prices=str(path))


def test_the_cost_rests_on_what_the_server_executed(run: SideBySide) -> None:
    """Commands inside scripts are in the projection, for the misses of that rate; the sentence names a dated price."""
    assert run.usage.executed is not None
    assert run.usage.billed > run.usage.sent
    misses = 1 - steady_hit_rate(run.pages, 1_000_000 / MONTH_SECONDS)
    beyond = (run.usage.billed - 300) / run.usage.origin_calls
    sentences = run.cost_reading(1_000_000)
    assert f"{1_000_000 * (1 + beyond * misses):,.0f} commands" in sentences
    assert "by its price of 20" in sentences
    assert 0.5 < run.answer_kb < 20
    assert run.costs(1_000)[0].usd == 0


@pytest.mark.usefixtures("short")
async def test_nothing_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no environment answers there is nothing to compare, and the reasons are given."""
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(MeasurementFailed, match="no environment could be reached: dedicated: "):
        await measure_side_by_side("dedicated", PLAN)


@pytest.mark.usefixtures("short")
async def test_a_real_server_alone_is_measured_too(free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """One environment is a comparison with the origin alone; nothing of it is labelled but what is emulated."""
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    found = await measure_side_by_side("dedicated", SidePlan(requests=100, properties=3))
    assert list(found.figures) == ["dedicated"]
    assert found.emulated == ["Supabase (no latency added)"]


@pytest.mark.parametrize("names", ["", " , ", "local,local"])
async def test_names_that_make_no_sense_are_refused(names: str) -> None:
    """No environment, or one twice, is a sentence that shows what would be right."""
    with pytest.raises(ValueError, match="environments must name each of them once, such as local,vercel"):
        await measure_side_by_side(names, PLAN)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"profile": "slow"}, "there is no profile 'slow'; there are quick, full"),
        ({"requests": 5}, "requests must be between 100 and 1,000,000, not 5"),
        ({"requests": 10**12}, "requests must be between 100 and 1,000,000, not"),
        ({"properties": 0}, "properties must be between 1 and 1,000, not 0"),
        ({"properties": 10**9}, "properties must be between 1 and 1,000, not 1,000,000,000"),
        ({"seed": -1}, "seed must be between 0 and 4,294,967,295, not -1"),
        ({"seed": 2**32}, "seed must be between 0 and 4,294,967,295, not 4,294,967,296"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(given: dict[str, object], sentence: str) -> None:
    """Each value is checked where it is given."""
    with pytest.raises(ValueError, match=sentence):
        msgspec.structs.replace(PLAN, **given)


def test_uses_add_up() -> None:
    """Halves of a run are summed by kind; one server that does not tell makes the sum untold."""
    one = Usage(requests=2, sent=3, executed={"get": 4}, origin_calls=1)
    two = Usage(requests=5, sent=6, executed={"get": 1, "set": 2}, origin_calls=0)
    assert sum_of([one, two]) == Usage(requests=7, sent=9, executed={"get": 5, "set": 2}, origin_calls=1)
    assert sum_of([one, msgspec.structs.replace(two, executed=None)]).executed is None
