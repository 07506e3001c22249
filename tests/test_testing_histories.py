"""Random histories: the checker judges hand-made ones, a run finds nothing, a cache without a guard is found out."""

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from dousell_cache import ConfigurationError, local
from dousell_cache.environments import from_url, rest
from dousell_cache.errors import MeasurementFailed
from dousell_cache.policy import BACK_OFF_SECONDS
from dousell_cache.testing import histories
from dousell_cache.testing.histories import run_histories
from dousell_cache.testing.history_checker import Event, Happening, Reading, Withdrawing, check
from dousell_cache.testing.history_crew import Crew
from dousell_cache.testing.history_worker import controls

if TYPE_CHECKING:
    from .conftest import FreeValkey, WaitUntil

BACK_OFF = round(BACK_OFF_SECONDS * 1e9)


def read(called: int, returned: int, version: int | None, **more: Any) -> Reading:
    """Make a read of ``k``."""
    usual = {"who": "p0.0", "what": "get_or_set", "key": "k", "of": "k", "outcome": "hit"}
    return Reading(called=called, returned=returned, version=version, **usual | more)


def withdrawn(called: int, returned: int, floor: int, **more: Any) -> Withdrawing:
    """Make a withdrawal of ``k`` with the origin at a version."""
    usual = {"who": "p1.0", "what": "invalidate k", "floors": {"k": floor}}
    return Withdrawing(called=called, returned=returned, **usual | more)


def failed(called: int, returned: int) -> Happening:
    """Make a load of ``k`` that failed."""
    return Happening("p0.0", called, returned, "failed to load", "k")


GOOD: dict[str, list[Event]] = {
    "the new version": [withdrawn(1, 2, 5), read(3, 4, 5)],
    "a newer one": [withdrawn(1, 2, 5), read(3, 4, 6)],
    "nothing": [withdrawn(1, 2, 5), read(3, 4, None)],
    "began before it returned": [withdrawn(1, 4, 5), read(3, 9, 4)],
    "began as it returned": [withdrawn(1, 3, 5), read(3, 9, 4)],
    "not acknowledged": [withdrawn(1, 2, 5, confirmed=False), read(3, 4, 4)],
    "of another key": [withdrawn(1, 2, 5, floors={"other": 5}), read(3, 4, 4)],
    "by a tag that the entry need not carry": [withdrawn(1, 2, 5, tag="t"), read(3, 4, 4, tags=("u",))],
    "past the cache": [withdrawn(1, 2, 5), read(3, 4, 4, outcome="bypass")],
    "set during the withdrawal": [
        withdrawn(1, 3, 5),
        withdrawn(0, 2, 4, puts=True),
        read(4, 5, 4),
    ],
    "set since": [withdrawn(1, 2, 5), withdrawn(3, 6, 4, puts=True), read(4, 5, 4)],
    "set some time after nobody answered": [
        withdrawn(-2, -1, 4, puts=True, confirmed=False),
        withdrawn(1, 2, 5),
        read(3, 4, 4),
    ],
    "a stand-in when the load failed": [withdrawn(1, 2, 5, soft=True), failed(3, 4), read(3, 5, 4, outcome="stale")],
    "a stand-in during the back-off": [withdrawn(3, 4, 5, soft=True), failed(1, 2), read(5, 6, 4, outcome="stale")],
}

BAD: dict[str, list[Event]] = {
    "an older version": [withdrawn(1, 2, 5), read(3, 4, 4)],
    "in whatever order it is told": [read(3, 4, 4), withdrawn(1, 2, 5)],
    "by a tag": [withdrawn(1, 2, 5, tag="t"), read(3, 4, 4, tags=("t", "u"))],
    "older than what was set": [withdrawn(1, 2, 5, puts=True), read(3, 4, 4)],
    "another version was set since": [withdrawn(1, 2, 5), withdrawn(3, 9, 3, puts=True), read(4, 5, 4)],
    "it was invalidated since, not set": [withdrawn(1, 2, 5), withdrawn(3, 9, 4), read(4, 5, 4)],
    "it was set before": [withdrawn(-2, -1, 4, puts=True), withdrawn(1, 2, 5), read(3, 4, 4)],
    "it was set only later": [withdrawn(1, 2, 5), read(3, 4, 4), withdrawn(5, 6, 4, puts=True)],
    "softly, and the origin is well": [withdrawn(1, 2, 5, soft=True), read(3, 4, 4, outcome="stale")],
    "softly, and the load failed too late": [
        withdrawn(1, 2, 5, soft=True),
        read(3, 4, 4, outcome="stale"),
        failed(3, 5),
    ],
    "softly, and the back-off is over": [
        failed(-1, 0),
        withdrawn(1, 2, 5, soft=True),
        read(BACK_OFF, BACK_OFF + 1, 4, outcome="stale"),
    ],
    "a stand-in served as a hit": [withdrawn(1, 2, 5, soft=True), failed(3, 4), read(3, 5, 4)],
    "for good, and the origin fails": [withdrawn(1, 2, 5), failed(3, 4), read(3, 5, 4, outcome="stale")],
    "the value of another key": [read(3, 4, 4, of="other")],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_right_history_is_right(history: list[Event]) -> None:
    """What the promise allows is no breach."""
    assert check(history) == []


@pytest.mark.parametrize("history", BAD.values(), ids=BAD)
def test_a_wrong_history_is_wrong(history: list[Event]) -> None:
    """What the promise rules out is one breach, told by the read concerned."""
    (breach,) = check(history)
    assert isinstance(breach.reading, Reading)
    assert any(line.startswith(">") for line in breach.story)


def test_a_story_tells_what_is_concerned() -> None:
    """A story has the load that brought the old version, the change, the withdrawal and the read; nothing of others."""
    history: list[Event] = [
        Happening("p0.0", 0, 9_000_000, "loaded", "k", 4),
        Happening("p1.0", 1_000_000, 1_000_000, "changed", "k", 5),
        withdrawn(2_000_000, 3_000_000, 5),
        withdrawn(2_000_000, 3_000_000, 5, what="invalidate other", floors={"other": 5}),
        read(10_000_000, 11_000_000, 4),
        read(10_000_000, 11_000_000, 7, key="other", of="other"),
        Happening("p1.0", 12_000_000, 13_000_000, "evicted", "{k}:lease"),
    ]
    (breach,) = check(history)
    assert breach.story == (
        "      0.000 to     9.000 ms  p0.0  loaded k: version 4",
        "      1.000 to     1.000 ms  p1.0  changed k: version 5",
        ">     2.000 to     3.000 ms  p1.0  invalidate k → confirmed (k at version 5)",
        ">    10.000 to    11.000 ms  p0.0  get_or_set k → version 4 of k (hit)",
    )


def test_no_read_is_too_old(valkey_url: str) -> None:
    """Four processes play 150 histories; every kind of event occurs, and no read is older than it may be."""
    report = run_histories(150, (1,), target=valkey_url)
    assert report.breaches == ()
    assert (report.histories, report.unjudged, report.unconfirmed) == (150, 0, 0)
    assert min(report.reads, report.invalidations, report.loads, report.failures, report.evictions, report.pauses) > 0
    assert {"hit", "miss", "coalesced", "refused", "stale"} <= report.outcomes.keys()


def test_no_read_is_too_old_over_rest(cloud: local.Cloud) -> None:
    """The same holds over REST."""
    environment = rest(cloud.upstash_url, cloud.upstash_token, emulated="Upstash (emulated)")
    report = run_histories(32, (3,), target=environment, processes=2)
    assert report.breaches == ()
    assert report.environment == "Upstash (emulated)"
    assert report.invalidations > 0


@pytest.mark.parametrize("guard", ["write", "versions"])
def test_a_guard_switched_off_is_found_out(guard: str, valkey_url: str) -> None:
    """A cache that stores without its lease, or does not compare tags, is caught, and the story names two events."""
    report = run_histories(96, (1,), target=valkey_url, without=guard)
    assert report.breaches
    _, _, breach = report.breaches[0]
    assert breach.withdrawal
    assert sum(line.startswith(">") for line in breach.story) == 2
    assert "seed 1, history " in str(report)


def test_a_run_leaves_nothing_behind(free_valkey: "FreeValkey", wait_until: "WaitUntil") -> None:
    """What was played is removed from the server, the versions of tags included; bells run out within a second."""
    with redis.Redis.from_url(free_valkey.url) as client:
        client.set("yours", "stays")
        run_histories(48, (1,), target=free_valkey.url, processes=2)
        wait_until(lambda: client.keys() == [b"yours"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"histories": 0}, "histories, processes and seeds must be at least 1"),
        ({"seeds": ()}, "histories, processes and seeds must be at least 1"),
        ({"without": "nonsense"}, "there is no guard 'nonsense' to switch off, but write"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], said: str) -> None:
    """An argument that makes no sense is named before anything starts."""
    with pytest.raises(ConfigurationError, match=said):
        run_histories(**arguments)


def test_a_process_that_ends_early_fails_the_run() -> None:
    """A run whose processes cannot play says so instead of reporting nothing wrong."""
    with Crew(from_url("redis://127.0.0.1:1/0"), 1, 4, 2) as crew, pytest.raises(MeasurementFailed, match="ended"):
        list(crew.play())


def test_the_command_line(valkey_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the report as JSON and tells by its exit code whether reads were too old."""
    code = histories.main(["--histories", "8", "--seeds", "1", "--processes", "2", "--url", valkey_url, "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert (code, printed["histories"], printed["seeds"], printed["breaches"]) == (0, 8, [1], [])
    assert "write" in controls()
