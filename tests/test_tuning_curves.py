"""Curves: what the cache itself would have done, equal to an oracle that walks event by event."""

from typing import Any

import numpy as np
import pytest

from dousell_cache.tuning import playback
from dousell_cache.tuning.curves import Curve, curve
from dousell_cache.tuning.trace import Trace

from .tuning_oracle import oracle
from .tuning_traces import poisson_trace, random_trace

TTLS = (0.001, 0.5, 2.0, 1000.0)
COUNTS = ("hits", "misses", "coalesced", "stale", "refused", "outdated", "commands")
GENERATED = 500  # of each kind: 1,000 in all


def counted(played: Curve, place: int) -> dict[str, int]:
    """Return every figure of one TTL as whole numbers, times in microseconds."""
    counts = {name: int(getattr(played, name)[place]) for name in COUNTS}
    return counts | {
        "loads": int(played.origin_calls[place]),
        "age": round(played.mean_age[place] * 1e6 * max(counts["hits"] + counts["stale"], 1)),
        "lag": round(played.mean_lag[place] * 1e6 * max(counts["outdated"], 1)),
    }


def rules_of(generator: np.random.Generator) -> dict[str, Any]:
    """Return one way in which a cache may keep entries."""
    return {
        "grace": float(generator.choice([0, 0, 0.5, 3])),
        "jitter": float(generator.choice([0, 0, 0.5, 1])),
        "background": bool(generator.random() < 0.5),
        "invalidations": str(generator.choice(["sent", "ignored"])),
        "boundary": str(generator.choice(["hit", "miss"])),
    }


@pytest.mark.parametrize("steps", [playback._LONG, 0])
@pytest.mark.parametrize("changes", [False, True])
def test_curves_equal_the_oracle(changes: bool, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 1,000 random traces, by both boundary rules, with and without changes, grace, jitter, fill: every figure.

    Whether all chains take their steps together, or each is followed by itself from its first load on.
    """
    monkeypatch.setattr(playback, "_LONG", steps)
    generator = np.random.default_rng(1)
    for seed in range(GENERATED):
        trace, rules = random_trace(generator, changes=changes), rules_of(generator)
        fill = float(generator.choice([0, 0, 0.3, 1.0, 2.5]))
        played = curve(trace, TTLS, fill=fill, seed=seed, blocks=3, **rules)
        chances = np.random.default_rng(seed).random(len(trace))
        for place, ttl in enumerate(TTLS):
            told, worst = oracle(trace, ttl, fill=fill, chances=chances, **rules)
            figures = counted(played, place)
            assert figures == {name: told[name] for name in figures}, (seed, ttl, rules, fill)
            assert round(played.worst_age[place] * 1e6) == worst


@pytest.mark.parametrize("grace", [0.0, 0.4])
@pytest.mark.parametrize("invalidations", ["sent", "ignored"])
def test_long_chains_equal_the_oracle(invalidations: Any, grace: float) -> None:
    """One key, read so long that its loads are followed one by one, and loads withdrawn on the way: every figure."""
    times = np.arange(0, 1_500, 0.5)
    changes = np.random.default_rng(1).uniform(0, 1_500, 100).round(3)
    operations = np.repeat([0, 1], [len(times), len(changes)])
    trace = Trace.of(np.concatenate([times, changes]), ["a"] * len(operations), operations, sort=True)
    rules: dict[str, Any] = {"fill": 0.8, "jitter": 0.3, "grace": grace, "invalidations": invalidations}
    played = curve(trace, [0.6, 1.2], seed=1, **rules)
    chances = np.random.default_rng(1).random(len(trace))
    for place, ttl in enumerate([0.6, 1.2]):
        told, _ = oracle(trace, ttl, chances=chances, **rules)
        figures = counted(played, place)
        assert figures == {name: told[name] for name in figures}
        assert figures["loads"] > 600


@pytest.mark.parametrize("boundary", ["hit", "miss"])
def test_a_longer_ttl_never_misses_more(boundary: Any) -> None:
    """Misses do not grow with the TTL, with and without changes (instant loads, no jitter, no grace)."""
    generator = np.random.default_rng(2)
    ttls = np.geomspace(0.001, 100, 60)
    for changes in (False, True):
        for _ in range(100):
            loads = curve(random_trace(generator, changes=changes), ttls, boundary=boundary).origin_calls
            assert np.all(np.diff(loads) <= 0)


def test_each_read_is_answered_in_one_way() -> None:
    """Hits, misses, coalesced, stale and refused add up to the reads, in all and in each part of the time."""
    trace = poisson_trace([5, 1, 0.1], 200, changes=0.05)
    played = curve(trace, TTLS, fill=0.4, grace=1, jitter=0.2, blocks=7)
    answered = played.hits + played.misses + played.coalesced + played.stale + played.refused
    assert answered.tolist() == [trace.reads] * len(TTLS)
    assert played.blocks["reads"].sum(axis=1).tolist() == answered.tolist()
    assert played.blocks["hits"].sum(axis=1).tolist() == played.hits.tolist()


@pytest.mark.parametrize(
    ("times", "options", "hits"),
    [
        ([0, 1.0], {}, 1),  # at its end: Redis serves it
        ([0, 1.0], {"boundary": "miss"}, 0),
        ([0, 1.001], {}, 0),
        ([0, 1.0], {"grace": 5}, 0),  # with grace it is stale by then
        ([0, 1.2], {"fill": 0.3}, 1),  # its time begins when it is stored
        ([0, 1.3], {"fill": 0.3}, 1),
        ([0, 1.302], {"fill": 0.3}, 0),
        ([0.0005, 1.0009], {}, 1),  # servers count whole milliseconds
        ([0, 0.6, 1.2], {}, 1),  # a read does not prolong
        ([1_700_000_000.001, 1_700_000_001.001], {}, 1),  # at today's clock, too
    ],
)
def test_an_entry_lives_from_its_storing_by_whole_milliseconds(
    times: list[float], options: dict[str, Any], hits: int
) -> None:
    """The boundary, the beginning and the end of an entry of one second are the server's."""
    assert curve(Trace.of(times, ["a"] * len(times)), [1], **options).hits.tolist() == [hits]


def test_who_waits_for_a_load_that_is_withdrawn_asks_again() -> None:
    """Its leader is refused; of those who had joined, one loads anew when it is over and the others wait for that."""
    trace = Trace.of([0, 0.1, 0.2, 0.3, 3], ["a"] * 5, [0, 0, 0, 1, 0])
    played = curve(trace, [10], fill=1.0)
    outcomes = [int(column[0]) for column in (played.refused, played.misses, played.coalesced, played.hits)]
    assert outcomes == [1, 1, 1, 1]
    assert played.commands.tolist() == [3 + 1 + 2 + 1 + 1]  # leader; both ask again; one loads; hit; DEL


def test_what_changed_is_outdated_only_if_nobody_is_told() -> None:
    """Sent, an invalidation costs a miss; ignored, it costs reads that are outdated, and by how long."""
    trace = Trace.of([0, 1, 2, 3, 4], ["a"] * 5, [0, 0, 1, 0, 0])
    sent, ignored = (curve(trace, [60], invalidations=way) for way in ("sent", "ignored"))
    assert (sent.hits.tolist(), sent.outdated.tolist()) == ([2], [0])
    assert (ignored.hits.tolist(), ignored.outdated.tolist(), ignored.mean_lag.tolist()) == ([3], [2], [1.5])


def test_loads_take_what_the_trace_tells_of_their_family() -> None:
    """The fill time is the median of a family's recorded loads, unless it is given."""
    trace = Trace.of(
        [0, 0.2, 0, 0.2], ["slow:1", "slow:1", "fast:1", "fast:1"], load_ms=[300, np.nan, 100, np.nan], sort=True
    )
    assert curve(trace, [1]).coalesced.tolist() == [1]
    assert curve(trace, [1], fill=0).coalesced.tolist() == [0]


def test_keys_do_not_meet() -> None:
    """Many keys at once give what each gives alone."""
    trace = poisson_trace([3, 2, 1, 0.5], 100, changes=0.02)
    alone = [curve(trace._where(trace.key_codes == key), TTLS, fill=0.2) for key in range(4)]
    together = curve(trace, TTLS, fill=0.2)
    for name in (*COUNTS, "origin_calls"):
        assert getattr(together, name).tolist() == sum(getattr(one, name) for one in alone).tolist()


def test_parts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played in parts of few keys, a trace gives what it gives as a whole."""
    trace = poisson_trace([3, 2, 1, 0.5, 0.1], 100, changes=0.02)
    options: dict[str, Any] = {"fill": 0.4, "grace": 0.5, "jitter": 0.2, "blocks": 3}
    whole = curve(trace, TTLS, **options)
    monkeypatch.setattr(playback, "_ROWS", 150)
    parts = curve(trace, TTLS, **options)
    assert [counted(parts, place) for place in range(4)] == [counted(whole, place) for place in range(4)]
    assert parts.worst_age.tolist() == whole.worst_age.tolist()
    assert parts.blocks["hits"].tolist() == whole.blocks["hits"].tolist()


@pytest.mark.parametrize(
    ("trace", "hits"),
    [
        (Trace.of([5], ["a"]), 0),
        (Trace.of([0, 1, 2], ["a", "b", "c"]), 0),
        (Trace.of([3, 3, 3], ["a", "a", "a"]), 2),
        (Trace.of([0, 9e9], ["a", "a"]), 0),
        (Trace.of([0, 1], ["a", "a"], [1, 0]), 0),
    ],
)
def test_odd_traces_are_answered(trace: Trace, hits: int) -> None:
    """One read, one read a key, one time for all, 285 years, a change first: the right answer."""
    assert curve(trace, [0.001, 86_400]).hits.tolist()[1] == hits


@pytest.mark.parametrize(
    ("trace", "ttls", "options", "sentence"),
    [
        (Trace.of([], []), [1], {}, "the trace has no reads"),
        (Trace.of([0], ["a"], [1]), [1], {}, "the trace has no reads"),
        (Trace.of([0], ["a"]), [], {}, "give at least one ttl"),
        (Trace.of([0], ["a"]), [1, 0], {}, "a ttl must be between 0.001 and 315360000 seconds, not 0.0"),
        (Trace.of([0], ["a"]), [float("nan")], {}, "a ttl must be between"),
        (Trace.of([0], ["a"]), [1], {"grace": -1}, "a grace must be between"),
        (Trace.of([0], ["a"]), [1], {"fill": -1}, "a fill must be between"),
        (Trace.of([0], ["a"]), [1], {"jitter": 2}, "jitter must be a number from 0 to 1, not 2"),
    ],
)
def test_what_makes_no_sense_is_refused(
    trace: Trace, ttls: list[float], options: dict[str, Any], sentence: str
) -> None:
    """A trace without reads, no TTL, and times that are none are told in a sentence."""
    with pytest.raises(ValueError, match=sentence):
        curve(trace, ttls, **options)


def test_a_table_has_one_row_a_ttl() -> None:
    """The frame holds the figures by their names; no change recorded is not the same as none outdated."""
    frame = curve(Trace.of([0, 1], ["a", "a"]), [0.5, 5]).to_frame()
    assert frame["ttl"].tolist() == [0.5, 5.0]
    assert frame["hit_rate"].tolist() == [0.0, 0.5]
    assert frame["outdated_share"].isna().all()
