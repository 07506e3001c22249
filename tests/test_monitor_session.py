"""Watching a cache for a while: to the end, stopped half-way, and with visitors of other processes only."""

import asyncio
from typing import TYPE_CHECKING

import pytest
import redis

from dousell_cache.dousell.site import open_site
from dousell_cache.local import Cloud
from dousell_cache.monitor import session
from dousell_cache.monitor.figures import Sample
from dousell_cache.monitor.session import Watched, WatchPlan, watch_cache

if TYPE_CHECKING:
    from .conftest import FreeValkey

PLAN = WatchPlan(seconds=0.8, every=0.4, traffic=60)


async def watched(
    plan: WatchPlan, *, stop_after: int | None = None, environment: str = "local"
) -> tuple[Watched, list[Sample], set[str]]:
    """Watch, interrupted after so many looks; return what came of it, what was shown, and the tasks left."""
    shown: list[Sample] = []

    def show(sample: Sample) -> None:
        shown.append(sample)
        if len(shown) == stop_after:
            watching.cancel()

    async with open_site(environment) as site:
        before = asyncio.all_tasks()
        watching = asyncio.create_task(watch_cache(site, plan, show))
        seen = await watching
        return seen, shown, {task.get_name() for task in asyncio.all_tasks() - before}


def test_it_ends_by_itself(cloud: Cloud) -> None:  # noqa: ARG001 - joined, so that it is started once
    """It looks as often as was asked, shows each look, sees the visitors' reads, and leaves no task behind."""
    seen, shown, left = asyncio.run(watched(PLAN))
    row = seen.samples[-1].of()
    assert (seen.samples, len(shown), seen.stopped, left) == (shown, PLAN.looks, False, set())
    assert row is not None
    assert row.reads == sum(seen.result.outcomes.values()) > 0


def test_it_goes_by_the_alerts(cloud: Cloud, free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - likewise
    """That there was none is only said where the rules were asked: of a full memory there is one."""
    with redis.Redis(port=free_valkey.port) as client:
        client.config_set("maxmemory", round(client.info("memory")["used_memory"] / 0.93))
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    plan = WatchPlan(seconds=0.2, every=0.2, traffic=0)
    seen, _, _ = asyncio.run(watched(plan, environment="dedicated"))
    assert "Alerts: memory." in seen.reading


def test_visitors_that_cannot_come_are_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - likewise
    """A failure of what was to read is the watch's own, and no cold cache."""

    def broken(*_: object, **__: object) -> None:
        message = "no such city"
        raise LookupError(message)

    monkeypatch.setattr(session, "Pages", broken)
    with pytest.raises(LookupError, match="no such city"):
        asyncio.run(watched(PLAN))


def test_stopped_it_keeps_what_it_saw(cloud: Cloud) -> None:  # noqa: ARG001 - likewise
    """Interrupted after its second look, it returns both, says so, and leaves no task behind."""
    seen, shown, left = asyncio.run(watched(WatchPlan(seconds=3_600, every=0.2), stop_after=2))
    assert (len(seen.samples), seen.samples, seen.stopped, left) == (2, shown, True, set())
    assert "until it was stopped" in seen.reading


def test_without_visitors_it_reads_nothing(cloud: Cloud) -> None:  # noqa: ARG001 - likewise
    """With no traffic of its own it shows the server, and that no process has flushed figures under that namespace."""
    seen, _, _ = asyncio.run(watched(WatchPlan(seconds=0.2, every=0.2, traffic=0, namespace="nobody:")))
    assert seen.samples[-1].server is not None
    assert "No process has flushed figures" in seen.reading
    assert not any("visitors" in line for line in seen.result.emulated)


@pytest.mark.parametrize(("name", "value"), [("every", 0), ("seconds", -1), ("traffic", -1), ("profile", "slow")])
def test_a_plan_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """The message names the value that is wrong."""
    with pytest.raises(ValueError, match=name):
        WatchPlan(**{name: value})  # type: ignore[arg-type] # wrong on purpose
