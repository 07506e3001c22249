"""What a process records: nothing counts twice, nothing is lost that can be kept, and it is bounded."""

import itertools
from collections.abc import Callable

import pytest

from dousell_cache.events import BreakerMoved, Event, Invalidation, LockAsked, LockEnded, Outcome, Read, Write
from dousell_cache.histogram import bucket
from dousell_cache.recording import EVERY_SECONDS, Batch, Recorder

NOON = 1_800_000_000.0  # 2027-01-15T08:00, UTC


class Bench:
    """A recorder whose time is ours."""

    def __init__(self, on_due: Callable[[], None] | None = None) -> None:
        self.now, self.wall = 100.0, NOON
        tokens = itertools.count()
        self.recorder = Recorder("vercel", lambda: self.now, lambda: self.wall, lambda: f"p{next(tokens)}", on_due)

    def take(self) -> dict[str, int]:
        """Return the fields of a batch that arrives."""
        batch = self.recorder.take()
        assert batch
        self.recorder.arrived(batch)
        return batch.fields


def read(
    key: str, outcome: Outcome = "hit", seconds: float = 0.004, load_seconds: float = 0.0, commands: int = 1
) -> Read:
    """Return the event of a read."""
    return Read(key, outcome, seconds, load_seconds, commands)


def test_reads_become_fields() -> None:
    """Outcomes are counted by family and slice of the hour, times by bucket."""
    bench = Bench()
    for event in (read("detail:7"), read("detail:8"), read("detail:9", "miss", 0.31, 0.3, 3), read("all_properties")):
        bench.recorder(event)
    bench.wall += 7 * 60
    assert bench.take() == {
        "vercel:hit:06:detail": 2,
        "vercel:miss:06:detail": 1,
        "vercel:commands:06:detail": 5,
        f"vercel:t{bucket(0.004)}::detail": 2,
        f"vercel:t{bucket(0.31)}::detail": 1,
        f"vercel:l{bucket(0.3)}::detail": 1,
        "vercel:hit:06:(no family)": 1,
        "vercel:commands:06:(no family)": 1,
        f"vercel:t{bucket(0.004)}::(no family)": 1,
        "vercel:flushes:06:": 1,
    }


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (Write("a:1", stored=True, seconds=0.1, commands=1), "vercel:write.stored:00:"),
        (Write("a:1", stored=False, seconds=0.1, commands=1), "vercel:write.refused:00:"),
        (Invalidation(("a:1",), True, 0.1, 1), "vercel:invalidation.delivered:00:"),
        (Invalidation(("a:1",), False, 0.1, 1), "vercel:invalidation.undelivered:00:"),
        (LockAsked("pay:1", "busy", 0.1, 1), "vercel:lock.busy:00:pay"),
        (LockEnded("pay:1", "lost", 0.1, 1, 5), "vercel:lock.lost:00:pay"),
        (Read("a:1", "hit", 0.1, 0.0, 0, near=True), "vercel:near:00:a"),
        (Read("a:1", "miss", 0.1, 0.0, 1, undecodable=True), "vercel:undecodable:00:a"),
        (Read("a:1", "error", 0.1, 0.0, 1, failure="OSError"), "vercel:failure:00:a"),
    ],
)
def test_every_event_has_its_field(event: Event, field: str) -> None:
    """Writes, withdrawals, locks and what is odd about a read are counted where a reader looks for them."""
    bench = Bench()
    bench.recorder(event)
    assert bench.take()[field] == 1


def test_the_breaker_counts_once_for_each_time_it_opens() -> None:
    """A try that failed opens it no second time, and the time it was open is told when it is over."""
    bench = Bench()
    for state in ("open", "half-open", "open", "half-open"):
        bench.recorder(BreakerMoved(state))
    bench.now += 3.5
    bench.recorder(BreakerMoved("closed"))
    fields = bench.take()
    assert (fields["vercel:breaker.opened:00:"], fields["vercel:breaker.open_ms:00:"]) == (1, 3500)


def test_a_batch_that_did_not_arrive_comes_again_as_it_was() -> None:
    """Newer counts wait for it: added to it under one number, they would be lost if the first had arrived after all."""
    bench = Bench()
    bench.recorder(read("a:1"))
    first = bench.recorder.take()
    assert isinstance(first, Batch)
    bench.recorder(read("a:1"))
    assert bench.recorder.take() is first
    bench.recorder.arrived(first)
    second = bench.recorder.take()
    assert second
    assert (second.number, second.fields["vercel:hit:00:a"]) == (first.number + 1, 1)


def test_a_batch_in_doubt_is_given_up_before_the_server_forgets_its_number() -> None:
    """What may have arrived an hour ago is not sent again; what surely did not is."""
    bench = Bench()
    bench.recorder(read("a:1"))
    first = bench.recorder.take()
    assert first
    bench.now += 7200
    assert bench.recorder.take() is first, "nobody doubts that it did not arrive"
    bench.recorder.doubted(first)
    bench.now += 3601
    assert bench.recorder.take() is None


def test_a_flush_is_due_once_in_ten_seconds() -> None:
    """Whoever is to flush is called by the first event after ten seconds, and not again for ten more."""
    calls = list[float]()
    bench = Bench(lambda: calls.append(bench.now))
    for _ in range(300):
        bench.now += 0.1
        bench.recorder(read("a:1"))
    assert len(calls) in (2, 3)
    assert all(later - earlier >= EVERY_SECONDS for earlier, later in itertools.pairwise(calls))


def test_a_forked_child_begins_with_nothing() -> None:
    """What the parent saw is the parent's to flush; the child has a name of its own."""
    bench = Bench()
    bench.recorder(read("a:1"))
    parent = bench.recorder.process
    bench.recorder.begin_anew()
    assert bench.recorder.take() is None
    assert bench.recorder.process != parent


def test_a_dead_server_costs_a_bounded_memory() -> None:
    """Sixty thousand keys, of as many families, leave so many fields and no more, and so has a batch."""
    bench = Bench()
    for number in range(20_000):
        bench.recorder(read(f"family{number}:{'x' * 10}", seconds=number / 1e4))
        bench.recorder(read(f"key {number}"))
        bench.recorder(read(f"{'long' * 100}{number}:1"))
    batches = list[dict[str, int]]()
    while batch := bench.recorder.take():
        bench.recorder.arrived(batch)
        batches.append(batch.fields)
    assert max(map(len, batches)) < 2_000 + 1_344 * 2 + 20
    assert sum(map(len, batches)) < 20_000
    assert max(len(field) for fields in batches for field in fields) < 120
    families = {field.rpartition(":")[2] for fields in batches for field in fields}
    assert len(families) <= 50 + 2
    assert sum(n for fields in batches for field, n in fields.items() if ":hit:" in field) == 60_000
