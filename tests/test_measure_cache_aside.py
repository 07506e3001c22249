"""A cache-aside measured end to end, on the real servers of the local cloud, without latency added."""

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pytest

from dousell_cache.async_cache import AsyncCache
from dousell_cache.dousell.origin import Origin, Row
from dousell_cache.dousell.site import Site, open_site
from dousell_cache.errors import MeasurementFailed
from dousell_cache.local import Cloud
from dousell_cache.measure import CacheAside, Plan, Result, cache_aside, measure_cache_aside, outcomes, page_reads
from dousell_cache.measure.stats import share
from dousell_cache.measure.workload import zipf_ranks

if TYPE_CHECKING:
    from .conftest import FreeValkey

PLAN = Plan(requests=200, keys=10, seed=3)


@dataclasses.dataclass
class Measured:
    """A run, and the keys that its cache was asked for, in order."""

    run: CacheAside
    keys: list[str]


async def measured(environment: str, patch: pytest.MonkeyPatch) -> Measured:
    """Measure the plan in an environment."""
    keys: list[str] = []
    read = AsyncCache.get_or_set

    def noting(cache: AsyncCache, key: str, *arguments: Any, **options: Any) -> Any:
        keys.append(key)
        return read(cache, key, *arguments, **options)

    patch.setattr(AsyncCache, "get_or_set", noting)
    async with open_site(environment, patience=5) as site:  # a laden machine is no dead cache
        run = await measure_cache_aside(site, PLAN)
    patch.setattr(AsyncCache, "get_or_set", read)
    return Measured(run, keys)


@pytest.fixture(scope="module", autouse=True)
def near(cloud: Cloud) -> Iterator[pytest.MonkeyPatch]:  # noqa: ARG001 - joined, so that it is started once
    """Ask faster than the defaults, since nothing is far away here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_aside, "_RATE", 250.0)
        patch.setattr(cache_aside, "_ORIGIN_RATE", 200.0)
        yield patch


@pytest.fixture(scope="module")
def both(near: pytest.MonkeyPatch) -> dict[str, Measured]:
    """The same plan over TCP and over REST."""
    return {name: asyncio.run(measured(name, near)) for name in ("local", "vercel")}


@pytest.fixture(params=["local", "vercel"])
def run(request: pytest.FixtureRequest, both: dict[str, Measured]) -> CacheAside:
    """The run in one environment."""
    return both[request.param].run


def test_both_ways_are_asked_the_same(both: dict[str, Measured]) -> None:
    """The same plan over TCP and REST has the same schedule and asks for the same keys in the same order."""
    local, vercel = both["local"], both["vercel"]
    assert local.run.result.parameters == vercel.run.result.parameters
    assert local.run.result.parameters["schedule"] == PLAN.schedule.digest
    assert local.keys == vercel.keys
    ranks = zipf_ranks(PLAN.keys, 200, skew=PLAN.skew, seed=PLAN.seed)
    pages = [int(key.removeprefix("detail:")) for key in local.keys]
    assert len(pages) == 200
    assert [sorted(set(pages))[rank] for rank in ranks] == pages


def test_every_read_is_counted(run: CacheAside) -> None:
    """Hits, misses and reads that waited for a miss add up to all; each page was loaded once, and most reads hit."""
    counts = run.reads.counts
    assert set(counts) <= {"hit", "miss", "coalesced"}
    assert sum(counts.values()) == 200
    asked = len(set(zipf_ranks(PLAN.keys, 200, skew=PLAN.skew, seed=PLAN.seed)))
    assert asked == counts["miss"] < counts["hit"]
    assert run.origin.counts == {"origin": 40}


def test_figures_follow_from_the_reads(run: CacheAside) -> None:
    """Hit rate, percentiles and speedup are those of the samples, each with an interval around it."""
    times, figures = run.reads.response_ms, run.figures
    assert {name: figure.value for name, figure in figures.items()} == {
        "hit_rate": run.reads.counts["hit"] / 200,
        "p50_ms": np.percentile(times, 50),
        "p95_ms": np.percentile(times, 95),
        "p99_ms": np.percentile(times, 99),
        "speedup": run.origin.response_ms.mean() / times.mean(),  # over all reads, misses included
    }
    assert figures["p99_ms"].low is None  # of 200 reads, two are slower
    given = {name: (f.low, f.value, f.high) for name, f in figures.items() if f.low is not None and f.high is not None}
    assert given.keys() >= {"hit_rate", "p50_ms", "speedup"}  # of P95 in clusters, 200 samples know too little
    assert all(low <= value <= high for low, value, high in given.values())
    assert [verdict.kpi.name for verdict in run.verdicts] == ["hit_rate", "p50_ms", "p95_ms"]


def test_the_latency_rows_cover_all_reads(run: CacheAside) -> None:
    """The rows are the origin alone, each outcome, and all reads; the outcomes' requests add up to all."""
    origin, *outcomes, every = run.latency
    assert (origin.path, origin.samples) == ("origin alone", 40)
    assert [row.path for row in outcomes] == sorted(run.reads.counts)
    assert sum(row.samples for row in outcomes) == every.samples == 200
    weighted = sum(row.mean * row.samples for row in outcomes) / 200
    assert every.mean == pytest.approx(weighted, abs=0.002)
    mixture = run.result.mixture
    assert mixture is not None
    assert sum(part.of_mean for part in mixture.parts) == pytest.approx(every.mean)
    assert [place.percent for place in mixture.quantiles] == [50, 95, 99]


def test_samples_hold_every_request(run: CacheAside) -> None:
    """The raw samples are a row for each request, with path, intended start, times and outcome."""
    samples = run.samples
    assert list(samples) == ["path", "intended_s", "response_ms", "service_ms", "outcome"]
    assert samples["path"].value_counts().to_dict() == {"cache": 200, "origin": 40}
    through = samples[samples["path"] == "cache"]
    assert through["intended_s"].tolist() == PLAN.schedule.times.tolist()
    assert through["outcome"].tolist() == run.reads.outcomes


def test_what_is_emulated_is_said(both: dict[str, Measured]) -> None:
    """The stand-ins are named in the result and in the reading: Upstash and Supabase on vercel, Supabase locally."""
    upstash, supabase = "Upstash (no latency added)", "Supabase (no latency added)"
    assert both["vercel"].run.result.emulated == [upstash, supabase]
    assert both["local"].run.result.emulated == [supabase]
    assert f"Emulated on this machine: {upstash}." in both["vercel"].run.reading
    assert "Upstash" not in both["local"].run.reading


def test_the_reading_repeats_the_figures(run: CacheAside) -> None:
    """The sentences hold the number of reads, the hit rate and the speedup, and no failure where there was none."""
    figures, reading = run.figures, run.reading
    assert reading.startswith("200 reads of 10 pages in ")
    assert f"{figures['hit_rate'].value:.1%} were hits" in reading
    assert f"{figures['speedup'].value:.1f} times as fast as by the origin alone" in reading
    assert "failed" not in reading
    assert "could not serve" not in reading


def test_the_hit_rate_knows_its_pages(run: CacheAside) -> None:
    """When one page of ten misses all along, the interval is wider than time alone would have it."""
    keys = np.array(list(run.plan.schedule.keys or ()))
    outcomes = np.where(keys == "2", "miss", "hit").tolist()
    one_bad = dataclasses.replace(run, reads=dataclasses.replace(run.reads, outcomes=outcomes))
    by_key, by_time = one_bad.figures["hit_rate"], share(keys != "2")
    assert by_key.low is not None
    assert by_time.low is not None
    assert by_key.low < by_time.low


def test_the_warm_up_is_told_and_published(run: CacheAside) -> None:
    """How long the reads took to settle is in the result, and the reading says it, or that they did not."""
    settled = run.reads.warm_up
    assert run.result.warm_up == settled
    slow = np.where(np.arange(200) < 40, 300.0, 2.0) * np.random.default_rng(1).lognormal(0, 0.3, 200)
    late = dataclasses.replace(run, reads=dataclasses.replace(run.reads, response_ms=slow))
    assert "They settled after" in late.reading
    assert "(MSER-5); nothing was cut." in late.reading


def test_a_late_generator_is_said(run: CacheAside) -> None:
    """When this process itself started reads late, the reading says by how much, and no target is met or missed."""
    for lag, said in ((809.0, True), (0.1, False)):
        late = dataclasses.replace(run, reads=dataclasses.replace(run.reads, lag_ms=np.full(200, lag)))
        assert ("This machine was too busy: requests started up to 809 ms late (P99)" in late.reading) == said
        assert [verdict.word for verdict in late.verdicts if verdict.doubt] == ["inconclusive"] * 3 * said


def test_a_result_round_trips_and_keeps_secrets(both: dict[str, Measured], cloud: Cloud) -> None:
    """A published result reads back equal, and holds no credential and no path of this machine."""
    for name, each in both.items():
        document = msgspec.json.encode(each.run.result)
        assert msgspec.json.decode(document, type=Result) == each.run.result
        assert each.run.result.environment == name
        texts = list(strings(json.loads(document)))
        for secret in (cloud.upstash_token, cloud.supabase_anon_key, cloud.postgres_url):
            assert not any(secret in text for text in texts)
        assert not [text for text in texts if re.search(r"(^|[\s\"'(=])/\w", text)]


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.items():
            yield from strings(list(part))
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


async def test_a_second_run_on_a_site_finds_the_pages_there() -> None:
    """What the first run stored, the second hits; and no run leaves its observer behind."""
    async with open_site("vercel") as site:
        await measure_cache_aside(site, msgspec.structs.replace(PLAN, requests=50, skew=0.0))
        again = await measure_cache_aside(site, msgspec.structs.replace(PLAN, requests=40, skew=5.0))
        assert again.reads.counts == {"hit": 40}
        assert again.figures["hit_rate"].high == 1
        outcomes._OUTCOME.set("untouched")
        await site.cache.get("anything")
        assert outcomes._OUTCOME.get() == "untouched"


class Failing:
    """An origin that after some reads refuses to show one page."""

    def __init__(self, site: Site, refused: int, after: int, error: BaseException | None = None) -> None:
        self._error = error or ConnectionError("the origin hung up")
        self._origin = site.origin
        self._refused = refused
        self._well = after

    async def property_ids(self, count: int) -> list[int]:
        """Return the ids."""
        return await self._origin.property_ids(count)

    async def property(self, property_id: int) -> Row:
        """Return a page, or fail."""
        self._well -= 1
        if property_id == self._refused and self._well < 0:
            raise self._error
        return await self._origin.property(property_id)


async def test_failed_reads_are_errors_and_counted() -> None:
    """When the origin fails for a page, its reads are errors, all still add up, and the reading says why."""
    async with open_site("vercel") as site:
        refused = (await site.origin.property_ids(1))[0]
        failing = Failing(site, refused, after=len(PLAN.origin_schedule))
        run = await measure_cache_aside(dataclasses.replace(site, origin=cast("Origin", failing)), PLAN)
    asked = zipf_ranks(PLAN.keys, 200, skew=PLAN.skew, seed=PLAN.seed)
    assert run.reads.counts["error"] == (asked == 0).sum()
    assert sum(run.reads.counts.values()) == 200
    failed = f"{run.reads.counts['error']} of 200 reads failed, the first with ConnectionError: the origin hung up."
    assert failed in run.reading.splitlines()
    assert run.samples.query("outcome == 'error'").shape[0] == run.reads.counts["error"]
    assert len(run.answered_ms) == 200 - run.reads.counts["error"]
    assert {verdict.word for verdict in run.verdicts} <= {"inconclusive", "fail"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionError("it hung up"), "ConnectionError: it hung up"),
        (asyncio.CancelledError(), "CancelledError: it was cancelled from within"),
    ],
)
async def test_an_origin_that_fails_alone_is_nothing_to_compare_with(error: BaseException, told: str) -> None:
    """When reads of the origin alone fail, there is no speedup of anything: one sentence, no figures."""
    async with open_site("vercel") as site:
        refused = (await site.origin.property_ids(1))[0]
        failing = dataclasses.replace(site, origin=cast("Origin", Failing(site, refused, after=0, error=error)))
        with pytest.raises(MeasurementFailed, match=f"4 of 40 reads of the origin failed, the first with {told}"):
            await measure_cache_aside(failing, PLAN)


async def test_a_run_without_an_answer_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """When every read was cancelled from within there are no figures, and the one sentence says so."""

    @contextmanager
    def broken(*_: object) -> Iterator[Callable[[int], Any]]:
        async def read(_index: int) -> str:
            raise asyncio.CancelledError

        yield read

    monkeypatch.setattr(cache_aside, "page_reader", broken)
    async with open_site("vercel") as site:
        with pytest.raises(MeasurementFailed, match="200 of 200 reads failed, the first with CancelledError: it was"):
            await measure_cache_aside(site, PLAN)


async def test_workers_read_the_same_cache(near: pytest.MonkeyPatch) -> None:
    """Two processes make the same reads of the same cache: no page is missed that was stored before by this one."""
    near.setattr(page_reads, "_OPENING_SECONDS", 1.0)
    async with open_site("vercel", patience=5) as site:
        alone = await measure_cache_aside(site, PLAN)
        together = await measure_cache_aside(site, PLAN, workers=2)
    counts = together.reads.counts
    assert sum(counts.values()) == 200
    assert set(counts) == {"hit"}
    assert together.result.parameters == {**alone.result.parameters, "workers": 2}
    assert "2 processes made the reads." in together.reading


async def test_a_worker_with_another_cache_is_refused(
    free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose variables lead to another cache than the measured one is an error, not a second cold cache."""
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    with pytest.raises(MeasurementFailed, match="a worker reaches another cache than the one that is measured: redis"):
        async with page_reads.open_reader("dedicated", "dousell-lab:there:", [], 60):
            pass


async def test_a_dead_cache_is_bypassed_and_said(free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """When the cache dies, the origin answers every read, none fails, and the reading says so."""
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    async with open_site("dedicated") as site:
        free_valkey.kill()
        run = await measure_cache_aside(site, msgspec.structs.replace(PLAN, requests=50))
    assert run.reads.counts == {"bypass": 50}
    assert "The cache could not serve 50 of them: the origin answered instead." in run.reading
    assert run.figures["hit_rate"].value == 0


async def test_more_pages_than_there_are_is_refused() -> None:
    """A plan for more pages than the origin offers is refused with both numbers, before anything is measured."""
    async with open_site("vercel") as site:
        pages = len(await site.origin.property_ids(5_000))
        with pytest.raises(ValueError, match=rf"keys=5000 asks for more pages than the origin has: {pages}"):
            await measure_cache_aside(site, Plan(keys=5_000))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"requests": 0}, "requests must be 1 or more, or None .*, not 0"),
        ({"requests": -1}, "requests must be 1 or more"),
        ({"profile": "quik"}, "no profile 'quik'; there are quick, full"),
        ({"ttl": 0}, "ttl must be between"),
        ({"keys": 0}, "at least one key"),
        ({"skew": -1}, "skew .* not -1"),
        ({"seed": -1}, "seed .* not -1"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """Each value of a plan is checked when it is made, before any server is asked."""
    with pytest.raises(ValueError, match=sentence):
        Plan(**changes)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_the_profile_says_how_many(profile: str) -> None:
    """Without a number of its own a plan asks for what its profile says, as documented; with one, for that."""
    reads = len(Plan(profile=profile).schedule)
    assert f"{reads:,} {profile}" in (Plan.__doc__ or "")
    assert len(Plan(profile=profile).origin_schedule) >= 40  # fewer leave the speedup without an interval
    assert len(Plan(profile=profile, requests=7).schedule) == 7
