"""Application figures: those of all processes together are those of every single read, pooled."""

import json
import math
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from dousell_cache import connect
from dousell_cache.histogram import RELATIVE_ERROR, bucket
from dousell_cache.monitor.application import (
    application_figures,
    hours_back,
    lock_figures,
    process_figures,
    read_application,
    read_hours,
    read_staleness,
    since,
    staleness_figures,
)
from dousell_cache.monitor.counts import Field, accumulated, gathered
from dousell_cache.monitor.figures import ALL
from dousell_cache.runner import run_blocking
from dousell_cache.transport.tcp import BlockingTcp

PROCESSES, READS = 8, 250
NOON = 1_800_000_000.0  # 2027-01-15T08:00, UTC
Seen = dict[str, list[tuple[str, float]]]


@pytest.fixture(scope="module")
def pooled(valkey_url: str) -> tuple[str, Seen]:
    """What eight processes saw, read by read, and the namespace that they flushed to."""
    namespace = "test-eight:"
    command = [sys.executable, "-m", "tests.reader", valkey_url, namespace]
    readers = [
        subprocess.Popen([*command, str(seed), str(READS)], stdout=subprocess.PIPE, text=True)
        for seed in range(1, PROCESSES + 1)
    ]
    seen: Seen = {}
    for reader in readers:
        told, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        for family, reads in json.loads(told).items():
            seen.setdefault(family, []).extend((outcome, seconds) for outcome, seconds in reads)
    return namespace, seen


def test_eight_processes_add_up_to_their_raw_data(valkey_url: str, pooled: tuple[str, Seen]) -> None:
    """Every count of every bucket and outcome is that of the pooled reads: nothing lost, nothing twice, none moved."""
    namespace, seen = pooled
    client = BlockingTcp(valkey_url, patience=5)
    names: Any = run_blocking(client.send("KEYS", f"{{{namespace}figures}}:*"))
    hours = sorted(name.decode().rpartition("}:")[2] for name in names if b"from:" not in name)
    flushed = accumulated(run_blocking(read_hours(client, namespace, hours)))
    client.close()
    for family, reads in seen.items():
        times = Counter(f"t{bucket(seconds)}" for _, seconds in reads)
        expected = times + Counter(outcome for outcome, _ in reads)
        figures = {field.figure: n for field, n in flushed.items() if field.family == family}
        assert {name: figures.get(name) for name in expected} == expected
        assert sum(n for name, n in figures.items() if name[0] == "t") == len(reads)
    assert sum(map(len, seen.values())) == PROCESSES * READS


def test_merged_quantiles_are_those_of_the_pooled_reads(valkey_url: str, pooled: tuple[str, Seen]) -> None:
    """P50, P95 and P99 of each family and of all are within the scheme's 0.8 % of the pooled raw times."""
    namespace, seen = pooled
    with connect(valkey_url, namespace=namespace) as cache:
        rows = {row.family: row for row in read_application(cache, hours=1)}
    everything = [read for reads in seen.values() for read in reads]
    for family, reads in [*seen.items(), (ALL, everything)]:
        row, times = rows[family], sorted(seconds for _, seconds in reads)
        assert row.reads == len(reads)
        assert row.hit_rate
        assert row.hit_rate.value == sum(outcome == "hit" for outcome, _ in reads) / len(reads)
        for percent, figure in ((50, row.p50_ms), (95, row.p95_ms), (99, row.p99_ms)):
            exact = times[math.ceil(len(times) * percent / 100) - 1] * 1000
            assert figure
            assert abs(figure.value - exact) <= max(exact * RELATIVE_ERROR, 0.0005) * 1.001


def test_a_window_begins_at_a_slice() -> None:
    """Counts from before it are left out; times, known by the hour, are those of the hours that it touches."""
    hours = {
        "2027-01-15T07": {"local:hit:28:a": 100, "local:hit:30:a": 10, "local:t5::a": 110},
        "2027-01-15T08": {"local:hit:00:a": 1, "local:miss:00:a": 1, "local:t5::a": 2},
    }
    (whole, row) = application_figures(gathered(hours, since(NOON, 0.5)))
    assert (whole.family, row.family) == ("", "a")
    assert row.outcomes == whole.outcomes == {"hit": 11, "miss": 1}
    assert row.p50_ms
    assert row.p50_ms.samples == 112
    assert hours_back(NOON, 0.5) == ["2027-01-15T07", "2027-01-15T08"]
    assert len(hours_back(NOON, 168)) == 169


def test_an_interval_needs_five_clusters() -> None:
    """With four slices a hit rate has no ends, with five it has; so have times with five hours."""
    hours = {
        f"2027-01-15T0{h}": {"local:hit:00:a": 90 + h, "local:miss:00:a": 10, "local:t99::a": 100} for h in range(5)
    }
    few = application_figures(gathered({name: hours[name] for name in list(hours)[:4]}))[0]
    enough = application_figures(gathered(hours))[0]
    assert few.hit_rate
    assert (few.hit_rate.low, few.hit_rate.high) == (None, None)
    assert enough.hit_rate
    assert enough.hit_rate.low
    assert enough.hit_rate.high
    assert enough.hit_rate.low < 0.902 < enough.hit_rate.high
    assert enough.p95_ms
    assert enough.p95_ms.high


def test_environments_stay_apart() -> None:
    """Those that share a server each have their rows, the one for all families first, then the most read."""
    hours = {"h": {"vercel:hit:00:a": 1, "vercel:hit:00:b": 5, "local:miss:00:a": 2, "local:flushes:00:": 3}}
    rows = application_figures(gathered(hours))
    assert [(row.environment, row.family, row.reads) for row in rows] == [
        ("local", "", 2),
        ("local", "a", 2),
        ("vercel", "", 6),
        ("vercel", "b", 5),
        ("vercel", "a", 1),
    ]


def test_what_is_no_read_has_rows_of_its_own() -> None:
    """Locks by family; breaker, writes and withdrawals by environment; what the probes found with a bound."""
    counts = gathered(
        {
            "h": {
                "local:lock.granted:00:pay": 4,
                "local:lock.busy:00:pay": 1,
                "local:breaker.opened:00:": 2,
                "local:breaker.open_ms:00:": 1500,
                "local:write.stored:00:": 3,
                "local:write.refused:00:": 1,
                "local:invalidation.undelivered:00:": 2,
                "local:commands.lock:00:": 9,
                "local:probe.same:00:detail": 300,
                "local:probe.unknown:00:detail": 2,
                "local:probe.same:00:list": 8,
                "local:probe.stale:00:list": 2,
                f"local:age{bucket(0.09)}:00:list": 2,
            }
        }
    )
    (locks,) = lock_figures(counts)
    assert (locks.family, locks.outcomes) == ("pay", {"granted": 4, "busy": 1})
    assert application_figures(counts) == [], "no reads, no rows"
    (row,) = process_figures(counts)
    assert (row.breaker_opened, row.breaker_open_seconds, row.writes, row.writes_refused) == (2, 1.5, 4, 1)
    assert (row.invalidations, row.invalidations_undelivered, row.commands["lock"]) == (2, 2, 9)
    whole, detail, listed = staleness_figures(counts)
    assert (whole.family, whole.checked, whole.unknown) == ("", 310, 2)
    assert (detail.stale.value, detail.stale.low, detail.stale.high) == (0.0, 0.0, 3 / 300)
    assert (listed.stale.value, listed.stale.low) == (0.2, None)
    assert listed.age_p95_s
    assert abs(listed.age_p95_s.value - 90) < 1


def test_what_is_not_ours_is_left_out() -> None:
    """A field that somebody else wrote, or of a later version, is no figure and no failure."""
    assert accumulated({"h": {"nonsense": 1, "a:b": 2}}) == Counter()
    assert accumulated({"h": {"local:hit:00:a:b": 1}}) == Counter({Field("local", "hit", "", "a:b"): 1})


@pytest.mark.parametrize("hours", [0, -1, 169, float("nan")])
def test_a_window_is_a_week_at_most(valkey_url: str, hours: float) -> None:
    """Figures live for a week, so nobody can ask for more, or for none."""
    with connect(valkey_url) as cache, pytest.raises(ValueError, match="more than 0 and at most 168"):
        read_application(cache, hours=hours)


def test_without_figures_there_are_no_rows(valkey_url: str, namespace: str) -> None:
    """Where nobody flushed there is nothing, not a row of noughts."""
    with connect(valkey_url, namespace=namespace) as cache:
        assert read_application(cache) == []
        assert read_staleness(cache) == []
