"""The benchmarks of locks: what is counted, and how it is told. Nothing here is timed."""

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import redis

from benchmarks import harness
from benchmarks.__main__ import GROUPS, PARTS
from benchmarks.contenders import Contender
from benchmarks.harness import LOCKS, Process, Server, server
from benchmarks.locks import contenders, dead, hand_off, killed, lost
from benchmarks.locks.alone import AloneReport, AloneRow, commands_of_a_pair
from benchmarks.locks.contenders import BASE
from benchmarks.locks.hand_off import CROWDS, Crowd, PassingReport, PassingRow, hand_offs, overtaken, summed
from benchmarks.locks.lost import Pair
from benchmarks.locks.table import _PEERS, alone_table, hand_off_table
from benchmarks.locks.tasks import Grant
from benchmarks.tasks import Ready
from dousell_cache.measure.stats import Interval
from dousell_cache.testing.faults import FaultProxy

EVERYBODY = dict.fromkeys(
    chain.from_iterable(
        getattr(contenders, name)
        for name in ("ALONE", "ASYNC_ALONE", "HAND_OFF", "ASYNC_HAND_OFF", "KILLED", "DEAD", "LOST", "OVER_REST")
    )
)
FIGURE = Interval(1.0, 0.9, 1.1)

# A holds; B and C wait; D comes only after A began to leave, and is quicker than C.
A, B, D, C = Grant(0.0, 0.0, 1.0), Grant(0.5, 1.25, 2.0), Grant(2.25, 2.5, 3.0), Grant(0.75, 3.5, 4.0)


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server; contenders run with this Python, which has redis-py and no peers."""
    monkeypatch.setattr(harness, "PEERS_PYTHON", Path(sys.executable))
    with server() as started:
        yield started


@pytest.fixture
def process(where: Server) -> Iterator[Process]:
    """redis-py's lock in a process of its own."""
    with Process(BASE, where.url, LOCKS) as started:
        started.hear(Ready)
        yield started


@pytest.mark.parametrize("contender", EVERYBODY, ids=lambda contender: contender.place)
def test_every_contender_is_a_function_of_its_face(contender: Contender) -> None:
    """A contender names a function that exists, asynchronous exactly if it is listed so."""
    module, _, name = contender.place.partition(":")
    source = Path(contenders.__file__).with_name(f"{module}.py").read_text("utf-8")
    (asynchronous,) = re.findall(rf"^(async )?(?:def|class) {name}\b", source, re.MULTILINE)
    assert bool(asynchronous) == (contender.face == "asyncio")


def test_locks_is_every_part_about_locks() -> None:
    """`make bench ARGS=locks` measures all that there is about locks, and nothing else."""
    assert set(GROUPS["locks"]) == {name for name in PARTS if "lock" in name}
    assert len(GROUPS["locks"]) == 5


def test_a_hand_off_counts_where_somebody_waited() -> None:
    """From the beginning of leaving to the next grant, if the next one had asked by then."""
    assert list(hand_offs([A, B, D, C])) == [0.25, 0.5]


def test_who_comes_late_and_is_first_overtook() -> None:
    """One of three grants that followed another went past somebody who waited; alone, nobody is overtaken."""
    assert overtaken([A, B, D, C]) == 1 / 3
    assert overtaken([A, B, D]) == 0.0
    assert overtaken([A, B, C, D]) == 0.0


def test_grants_of_all_processes_are_summed_in_their_order() -> None:
    """Figures are for a grant; the longest wait is measured by the median one; two at once are counted."""
    passing = summed([[A, D], [B, C]], commands=20, cpu_seconds=0.004, seconds=2.0)
    assert (passing.p50_ms, passing.grants, passing.commands, passing.cpu_us) == (375.0, 2.0, 5.0, 1000.0)
    assert passing.longest == 2.75 / 0.5
    assert passing.overlaps == 0
    assert summed([[A, B], [Grant(0.5, 1.75, 3.0)]], 1, 1.0, 1.0).overlaps == 1


@pytest.mark.parametrize(
    ("pair", "wrong"),
    [
        (Pair("", "", held=True, kept=False, lost=1), ""),
        (Pair("LockUnavailable", "", held=False, kept=False, lost=2), ""),
        (Pair("ConnectionError", "", held=True, kept=True, lost=1), "ConnectionError, key left"),
        (Pair("", "", held=False, kept=False, lost=1), "granted, no key"),
        (Pair("", "LockNotOwnedError", held=True, kept=False, lost=1), "LockNotOwnedError, yet gone"),
        (Pair("", "", held=True, kept=True, lost=1), "released, key left"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pair_is_right_if_client_and_server_agree(pair: Pair, wrong: str) -> None:
    """What the client says of a lock is held against what the server has."""
    assert pair.wrong == wrong


def test_a_pair_of_redis_py_costs_two_commands(where: Server, process: Process) -> None:
    """Commands are counted on a warm connection, at the server, without what scripts do."""
    assert commands_of_a_pair(where, process) == 2.0


def test_contenders_pass_a_lock_on(where: Server, process: Process) -> None:
    """Grants of threads that want one lock are told, and never overlap."""
    with redis.Redis.from_url(where.url) as ours:
        ours.ping()
        passing = hand_off.measured(ours, [process], Crowd(1, 3, 0.005, 0.0), "lock", 0.2)
    assert passing.grants >= 5
    assert passing.overlaps == 0
    assert passing.commands >= 2


def test_a_killed_holder_keeps_its_lock_until_the_ttl_is_over(where: Server, process: Process) -> None:
    """The lock of a process that was killed passes to who waits for it, not before its time."""
    with Process(BASE, where.url, LOCKS) as waiter:
        waiter.hear(Ready)
        kill = killed.one_kill(process, waiter, 0.3, 1)
    assert kill.asked < kill.granted < kill.next_granted
    assert kill.next_granted >= kill.asked + 0.3 - 0.005


def test_a_dead_server_is_met_after_a_lock_was_had(where: Server) -> None:
    """What a client's first call under a fault ends with is told by name, and no body runs."""
    with FaultProxy(where.url) as proxy, Process(BASE, proxy.url, LOCKS) as started:
        started.hear(Ready)
        row = dead.suffer(started, proxy, "refuse", "quick")
    assert (row.ending, row.bodies, row.later_ms) == ("ConnectionError", 0, None)


def test_replies_are_lost_and_what_is_left_behind_is_found(where: Server) -> None:
    """redis-py, which does not ask again, calls locks that it has not had, and leaves their keys."""
    with (
        FaultProxy(where.url) as proxy,
        Process(BASE, proxy.url, LOCKS) as started,
        redis.Redis.from_url(where.url) as client,
    ):
        started.hear(Ready)
        row = lost.lose(started, proxy, client, ["lose-reply-and-close"], 20)
        assert row.pairs == 20
        assert 0 < row.orphans == row.wrong["ConnectionError, key left"]
        assert row.right == 20 - sum(row.wrong.values())
        assert client.dbsize() == 0


def test_tables_have_a_row_for_everybody() -> None:
    """Faces stand under their names; a lock that two had at once is called so."""
    installed = dict.fromkeys(_PEERS, "1")
    rows = [AloneRow(*one, FIGURE, FIGURE, FIGURE, FIGURE, 2.0) for one in [("x", "blocking"), ("y", "asyncio")]]
    lines = alone_table(AloneReport(rows, [_CALM], installed)).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == ["*blocking*", "x", "*asyncio*", "y"]
    report = PassingReport([_passing(crowd, 0) for crowd in CROWDS], [_CALM], installed)
    assert "Never held by two at once." in hand_off_table(report)
    report = PassingReport([_passing(crowd, 2) for crowd in CROWDS], [_CALM], installed)
    assert "**Held by two at once**: x, blocking, processes: 2;" in hand_off_table(report)


_CALM = harness.Calm("a cell", rounds=6, disturbed=0, counted=6, stolen=0.0, others=0.0)


def _passing(crowd: str, overlaps: int) -> PassingRow:
    return PassingRow("x", "blocking", crowd, FIGURE, FIGURE, FIGURE, FIGURE, FIGURE, FIGURE, 2.0, FIGURE, overlaps)
