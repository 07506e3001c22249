"""Warming before a peak: which keys, what it saves, and that it does so on a real cache."""

from pathlib import Path
from typing import Any

import pytest

from dousell_cache.events import Read
from dousell_cache.tuning.formats import read_trace
from dousell_cache.tuning.peaks import Peak, find_peaks, plan_warm_up, run_plan
from dousell_cache.tuning.recorder import Recorder
from dousell_cache.tuning.trace import INVALIDATE, READ, Trace

from .faces import Face

SECRET = "a secret of these tests"
PEAK = Peak(100.0, 200.0, 0)


def trace(*events: tuple[float, str, int], load_ms: float | None = None) -> Trace:
    """Return a trace of events in order."""
    times, keys, operations = zip(*events, strict=True)
    loads = None if load_ms is None else [load_ms] * len(events)
    return Trace.of(times, keys, operations, load_ms=loads)


def reads(key: str, *times: float) -> list[tuple[float, str, int]]:
    """Return reads of a key."""
    return [(at, key, READ) for at in times]


def planned(*events: tuple[float, str, int], peaks: tuple[Peak, ...] = (PEAK,), **options: Any) -> dict[str, float]:
    """Return what is worth warming for a TTL of 50 s, and its chance."""
    plan = plan_warm_up(trace(*sorted(events)), 50.0, peaks=peaks, **options)
    return {one.key: one.chance for one in plan.keys}


@pytest.mark.parametrize(
    ("events", "worth"),
    [
        (reads("a", 10, 110), {"a": 1.0}),
        (reads("a", 80, 110), {}),  # still there
        (reads("a", 10, 160), {}),  # the warmed entry would be gone
        (reads("a", 110), {"a": 1.0}),
        ([*reads("a", 110), (105.0, "a", INVALIDATE)], {}),
        ([*reads("a", 80, 110), (90.0, "a", INVALIDATE)], {"a": 1.0}),
        (reads("a", 10), {}),
    ],
)
def test_a_key_is_worth_warming_if_its_first_visitor_would_wait(
    events: list[tuple[float, str, int]], worth: dict[str, float]
) -> None:
    """What is in the cache anyway, comes too late, or is withdrawn before it is read, is not warmed."""
    assert planned(*events) == worth


def test_a_key_that_seldom_comes_is_left_out() -> None:
    """Over several peaks, what saves a load in fewer than half of them is not worth one."""
    peaks = tuple(Peak(at, at + 50, 0) for at in (100.0, 300.0, 500.0))
    events = [*reads("always", 110, 310, 510), *reads("twice", 310, 510), *reads("once", 510)]
    assert planned(*events, peaks=peaks) == {"always": 1.0, "twice": 2 / 3}
    assert planned(*events, peaks=peaks, chance=0.1, most=3) == {"always": 1.0, "twice": 2 / 3, "once": 1 / 3}
    assert planned(*events, peaks=peaks, most=1) == {"always": 1.0}


def test_what_is_saved_is_said() -> None:
    """The plan counts the loads taken out of the peak, the seconds nobody waits, and the loads in vain."""
    peaks = (Peak(100.0, 150.0, 0), Peak(300.0, 350.0, 0))
    events = sorted([*reads("always", 110, 111, 310), *reads("once", 310), *reads("late", 160)])
    plan = plan_warm_up(trace(*events, load_ms=300.0), 50.0, peaks=peaks)
    assert (plan.saved_loads, plan.in_vain, plan.loads_at_peak) == (1.5, 0.5, 1.5)
    assert plan.saved_seconds == pytest.approx(0.45)
    assert [(one.key, one.reads, one.load_seconds) for one in plan.keys] == [("always", 1.5, 0.3), ("once", 0.5, 0.3)]
    assert str(plan) == (
        "warming 2 keys before each of 2 peaks takes 1.5 of 1.5 loads out of its first 50 s, 0.4 s that visitors would "
        "wait; 0.5 loads would be in vain"
    )
    assert plan.to_frame()["key"].tolist() == ["always", "once"]


def test_peaks_are_where_much_more_is_read() -> None:
    """Parts with twice the usual reads are peaks, neighbours are one, and a steady trace has none."""
    steady = [(at + 0.5, "a", READ) for at in range(100)]
    rush = [(at + 0.25 * part, "a", READ) for at in range(40, 60) for part in (1, 3)]
    assert find_peaks(trace(*steady), window=10) == ()
    assert find_peaks(trace(*sorted([*steady, *rush])), window=10) == (Peak(40.0, 60.0, 60),)
    assert find_peaks(trace((5.0, "a", READ)), window=10, factor=1.5) == ()


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: find_peaks(trace((0.0, "a", INVALIDATE))), "has no reads, so it has no peaks"),
        (lambda: find_peaks(trace((0.0, "a", READ)), window=0), "window must be seconds above 0"),
        (lambda: plan_warm_up(trace((0.0, "a", READ)), 0.0), "ttl must be above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(act: Any, sentence: str) -> None:
    """A trace without reads, a window or a TTL of nothing: one clear sentence."""
    with pytest.raises(ValueError, match=sentence):
        act()


async def test_a_recorded_peak_is_warmed(face: Face, tmp_path: Path) -> None:
    """From a recording to a warm cache: pseudonyms are given their keys back, and the next visitor's read is a hit."""
    with Recorder(tmp_path, secret=SECRET) as recorder:
        for key in ("detail:7", "detail:7", "detail:8", "gone:9"):
            recorder(Read(key, "miss", 0.1, 0.1, 3))
    recorded = read_trace(tmp_path)
    plan = plan_warm_up(recorded, 60.0, peaks=[Peak(recorded.times[0] - 1, recorded.times[-1], 4)])
    named = plan.named([f"detail:{number}" for number in range(100)], SECRET)
    assert [one.key for one in named.keys] == ["detail:7", "detail:8"]
    warming = run_plan(face.cache, named, lambda key: f"page of {key}", concurrency=2)
    warmed = await warming if hasattr(warming, "__await__") else warming
    assert warmed.loaded == ("detail:7", "detail:8")
    events = face.record()
    assert await face.get("detail:8") == "page of detail:8"
    assert isinstance(events[0], Read)
    assert events[0].outcome == "hit"
