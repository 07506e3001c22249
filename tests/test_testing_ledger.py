"""The chaos ledger: its checker judges hand-made logs, our lock stands a short run, and naive ones do not."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dousell_cache.errors import ConfigurationError, MeasurementFailed
from dousell_cache.testing import ledger, ledger_subjects
from dousell_cache.testing.ledger import judged, run_trial
from dousell_cache.testing.ledger_checker import Figures, check, count
from dousell_cache.testing.ledger_crew import Crew
from dousell_cache.testing.ledger_log import Began, Event, Log, LogWriter, Row, assembled, read_log
from dousell_cache.testing.ledger_subjects import CONTROLS, OURS, PLAIN, Subject
from dousell_cache.testing.ledger_worker import Fate

MS = 1_000_000
BEGAN = Began("by hand", 1, 2, ("rent",), ttl=0.3, linger=0.5)


def told(process: int, attempt: int, *story: tuple[float, str] | tuple[float, str, dict[str, Any]]) -> list[Event]:
    """Make the events of one attempt at ``rent``, at these milliseconds."""
    events = []
    for at, what, *more in story:
        fields = {"name": "rent", "process": process, "attempt": attempt, **(more[0] if more else {})}
        events.append(Event(round(at * MS), what, **fields))  # type: ignore[arg-type]
    return events


def payment(process: int, attempt: int, begins: float, fence: int, **more: Any) -> list[Event]:
    """Make an attempt that is granted, claims and pays within five milliseconds."""
    grant = {"fence": fence, "left": 0.29}
    return told(
        process,
        attempt,
        (begins, "asked", more),
        (begins + 1, "granted", grant | more),
        (begins + 2, "claimed", {"fence": fence} | more),
        (begins + 3, "paying", grant | more),
        (begins + 4, "paid", {"fence": fence} | more),
        (begins + 4.5, "releasing", more),
        (begins + 5, "released", more),
    )


def row(ledger: str, number: int, fence: int, process: int, attempt: int, period: int = 0) -> Row:
    """Make a row for ``rent``."""
    return Row(ledger, number, "rent", period, fence, process, attempt)  # type: ignore[arg-type]


def rows(number: int, fence: int, process: int, attempt: int, period: int = 0) -> list[Row]:
    """Make a row in each ledger."""
    ledgers = ("guarded", "fenced", "unguarded", "charged")
    return [row(ledger, number + at, fence, process, attempt, period) for at, ledger in enumerate(ledgers)]


SWEPT = [Event(10**12, "swept")]
PAID = payment(0, 0, 0, 7)

GOOD: dict[str, list[Event | Row]] = {
    "paid once": [*PAID, *SWEPT, *rows(1, 7, 0, 0)],
    "paid by one, seen paid by the next": [
        *PAID,
        *told(1, 0, (6, "asked"), (7, "granted", {"fence": 8, "left": 0.29}), (8, "releasing"), (9, "released")),
        *SWEPT,
        *rows(1, 7, 0, 0),
    ],
    "not paid yet, and not swept": [*told(0, 0, (0, "asked"), (1, "busy")), *PAID],
    "twice where only the lock decides": [*PAID, *payment(1, 0, 6, 8), *rows(1, 7, 0, 0), row("unguarded", 9, 8, 1, 0)],
    "the smaller fence is the later answer, but who was granted first is not certain": [
        *told(0, 0, (0, "asked"), (5, "granted", {"fence": 9}), (6, "releasing"), (7, "released")),
        *told(1, 0, (1, "asked"), (9, "granted", {"fence": 8}), (10, "releasing"), (11, "released")),
    ],
    "a lock without fences": [
        *told(0, 0, (0, "asked"), (1, "granted"), (2, "releasing"), (3, "released")),
        *told(1, 0, (4, "asked"), (5, "granted"), (6, "releasing"), (7, "released")),
    ],
    "two holders, but the server was wiped": [
        *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29})),
        Event(2 * MS, "wiping"),
        Event(3 * MS, "wiped"),
        *told(1, 0, (4, "asked"), (5, "granted", {"fence": 8, "left": 0.29})),
    ],
    "two holders while the server was being wiped": [
        Event(0, "wiping"),
        *told(0, 0, (1, "asked"), (2, "granted", {"fence": 7, "left": 0.29})),
        *told(1, 0, (4, "asked"), (5, "granted", {"fence": 8, "left": 0.29})),
        Event(9 * MS, "wiped"),
    ],
    "the next holder came after the first had given it back": [*PAID, *payment(1, 0, 4.6, 8, period=1)],
    "the next holder came after the first had run out": [
        *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29}), (2, "stopped")),
        *told(1, 0, (300, "asked"), (301, "granted", {"fence": 8, "left": 0.29})),
    ],
    "busy beside a holder": [
        *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29}), (9, "releasing"), (10, "released")),
        *told(1, 0, (2, "asked"), (3, "busy")),
    ],
    "busy after somebody was killed": [
        *told(0, 0, (0, "asked"), (1, "killed")),
        *told(1, 0, (400, "asked"), (401, "busy")),
    ],
    "busy beside one who stands still": [
        *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29}), (2, "stopped")),
        *told(1, 0, (900, "asked"), (901, "busy")),
    ],
    "settled with the fence that it was claimed with last": [
        *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7}), (2, "claimed", {"fence": 7}), (3, "killed")),
        *payment(1, 0, 400, 8),
        *SWEPT,
        *rows(1, 8, 1, 0),
    ],
}

BAD: dict[str, tuple[str, list[Event | Row]]] = {
    "two guarded rows": ("paid twice", [*PAID, *payment(1, 0, 6, 8), *rows(1, 7, 0, 0), row("guarded", 9, 8, 1, 0)]),
    "two fenced rows": ("paid twice", [*PAID, *payment(1, 0, 6, 8), *rows(1, 7, 0, 0), row("fenced", 9, 8, 1, 0)]),
    "two charges": ("paid twice", [*PAID, *payment(1, 0, 6, 8), *rows(1, 7, 0, 0), row("charged", 9, 8, 1, 0)]),
    "no row": ("never paid", [*PAID, *SWEPT]),
    "no row of one ledger": ("never paid", [*PAID, *SWEPT, row("guarded", 1, 7, 0, 0)]),
    "no row of another month": ("never paid", [*PAID, *payment(0, 1, 6, 8, period=1), *SWEPT, *rows(1, 7, 0, 0)]),
    "a fence that does not grow": ("fences grow", [*PAID, *payment(1, 0, 6, 6, period=1)]),
    "a fence twice": ("fences grow", [*PAID, *payment(1, 0, 6, 7, period=1)]),
    "a fence twice, at the same time": (
        "fences grow",
        [
            *told(0, 0, (0, "asked"), (5, "granted", {"fence": 9})),
            *told(1, 0, (1, "asked"), (6, "granted", {"fence": 9})),
        ],
    ),
    "a fence that does not grow across a wipe": (
        "fences grow",
        [*PAID, Event(6 * MS, "wiping"), Event(7 * MS, "wiped"), *payment(1, 0, 8, 1, period=1)],
    ),
    "a fence that is smaller than one before the last": (
        "fences grow",
        [*payment(0, 0, 0, 3), *payment(0, 1, 10, 9, period=1), *payment(1, 0, 20, 5, period=2)],
    ),
    "a smaller fence written after a larger one": (
        "order of writes",
        [
            *payment(0, 0, 0, 7, period=1),
            *payment(1, 0, 6, 8, period=2),
            row("fenced", 1, 8, 1, 0, period=2),
            row("fenced", 2, 7, 0, 0, period=1),
        ],
    ),
    "settled by an older claim": (
        "order of writes",
        [
            *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7}), (2, "claimed", {"fence": 7})),
            *told(1, 0, (400, "asked"), (401, "granted", {"fence": 8}), (402, "claimed", {"fence": 8})),
            *told(0, 0, (403, "paying", {"fence": 7}), (404, "paid", {"fence": 7})),
            row("guarded", 1, 7, 0, 0),
        ],
    ),
    "paid without a grant": (
        "no grant, no payment",
        [*told(0, 0, (0, "asked"), (1, "unavailable"), (2, "paying"), (3, "paid")), *rows(1, 0, 0, 0)],
    ),
    "paid by nobody": ("no grant, no payment", [*PAID, *rows(1, 7, 5, 5)]),
    "two holders": (
        "one holder",
        [
            *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29})),
            *told(1, 0, (2, "asked"), (3, "granted", {"fence": 8, "left": 0.29})),
        ],
    ),
    "two holders, and the server was wiped long before": (
        "one holder",
        [
            Event(-9 * MS, "wiping"),
            Event(-8 * MS, "wiped"),
            *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29})),
            *told(1, 0, (2, "asked"), (3, "granted", {"fence": 8, "left": 0.29})),
        ],
    ),
    "two holders, of which the first found its belief renewed": (
        "one holder",
        [
            *told(0, 0, (0, "asked"), (1, "granted", {"fence": 7, "left": 0.29})),
            *told(1, 0, (400, "asked"), (401, "granted", {"fence": 8, "left": 0.29})),
            *told(0, 0, (402, "paying", {"fence": 7, "left": 3600.0})),
        ],
    ),
    "busy, and nobody is there": ("busy with somebody", [*told(0, 0, (0, "asked"), (1, "busy"))]),
    "busy, and nobody is there any more": (
        "busy with somebody",
        [*PAID, *told(1, 0, (6, "asked"), (7, "busy"))],
    ),
    "busy, long after somebody was killed": (
        "busy with somebody",
        [*told(0, 0, (0, "asked"), (1, "killed")), *told(1, 0, (502, "asked"), (503, "busy"))],
    ),
}


def log_of(lines: list[Event | Row]) -> Log:
    """Make a log of events and rows."""
    return assembled([BEGAN, *lines])


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_said_against_a_log_without_fault(name: str) -> None:
    """What the rules allow is not objected to, whoever came first."""
    assert check(log_of(GOOD[name])) == []


@pytest.mark.parametrize("name", BAD)
def test_every_broken_rule_is_found(name: str) -> None:
    """A log that breaks one rule is objected to for that rule, whatever the order of its lines."""
    rule, lines = BAD[name]
    assert {objection.rule for objection in check(log_of(lines))} == {rule}
    random.Random(name).shuffle(lines)
    assert {objection.rule for objection in check(log_of(lines))} == {rule}


def test_an_objection_tells_the_story_of_the_lock() -> None:
    """The events of those concerned are marked, and others at the same lock are told beside them."""
    _, lines = BAD["two holders"]
    meanwhile = told(2, 0, (2.5, "asked"), (2.7, "busy"))
    (objection,) = check(log_of([*lines, *meanwhile]))
    assert objection.sentence == "two at once believed that rent was theirs"
    assert [line[0] for line in objection.story] == [">", ">", ">", " ", " ", ">"]
    assert objection.story[1].endswith("p0 attempt 0    granted, fence 7, alone for 290 ms more")


def test_a_log_is_counted() -> None:
    """Every figure of a report comes from the log alone."""
    lines: list[Event | Row] = [
        *PAID,
        *told(0, 1, (10, "asked"), (11, "granted", {"fence": 8}), (12, "stopped"), (500, "continued"), (501, "lost")),
        *told(1, 0, (10, "asked"), (11, "busy"), (12, "killed")),
        *told(1, 1, (20, "asked"), (21, "unavailable")),
        *told(1, 2, (400, "asked"), (401, "granted", {"fence": 9}), (402, "refused"), (403, "unavailable")),
        Event(13 * MS, "wiping"),
        Event(14 * MS, "wiped"),
        Event(15 * MS, "reply lost"),
        *rows(1, 7, 0, 0),
        row("unguarded", 9, 8, 0, 1),
        row("unguarded", 10, 9, 1, 2),
    ]
    figures = count(log_of(lines))
    assert figures == Figures(
        attempts=5,
        grants=3,
        busy=1,
        unavailable=1,
        lost=1,
        kills=1,
        pauses=1,
        inside=1,
        wipes=1,
        lost_replies=1,
        fence_refusals=1,
        rows=1,
        unguarded_doubles=2,
    )
    assert figures.bound_95 == 1.0
    assert (figures + Figures(grants=297)).bound_95 == pytest.approx(0.01)
    assert Figures().bound_95 == 1.0


def test_a_log_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What processes append, a line each, is read back sorted, and what is no log is refused in one sentence."""
    path = tmp_path / "log.jsonl"
    with LogWriter(path) as one, LogWriter(path) as other:
        one.put(BEGAN)
        other.put(PAID[1])
        one.put(PAID[0])
        one.put(row("guarded", 1, 7, 0, 0))
        other.note("wiped", detail="flushed")
    log = read_log(path)
    assert log.began == BEGAN
    assert log.events[:2] == (PAID[0], PAID[1])
    assert log.events[2].detail == "flushed"
    assert log.rows == (row("guarded", 1, 7, 0, 0),)
    for text in ('{"type": "event"}', "no JSON", '{"type": "event", "at": 1, "what": "wiped"}'):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="event log of a chaos ledger"):
            read_log(path)
    with pytest.raises(ConfigurationError, match=r"nowhere\.jsonl is no event log"):
        read_log(tmp_path / "nowhere.jsonl")


def test_a_fate_comes_once_at_its_step() -> None:
    """A signal is due at a step by its number or its name, and never again."""
    by_number, by_name = Fate(signal.SIGSTOP, 2), Fate(signal.SIGSTOP, "paying")
    assert [by_number.due(step) for step in ("asked", "sending", "answered")] == [False, True, False]
    assert [by_name.due(step) for step in ("asked", "paying", "paying")] == [False, True, False]
    assert not any(Fate().due(step) for step in ("asked", "sending"))


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Servers and a nursery for this module's trials."""
    with Crew() as crew:
        yield crew


def test_our_lock_stands_a_short_run(crew: Crew, tmp_path: Path) -> None:
    """Killed, stopped, unanswered and forgotten, workers pay every rent once; the log says so again."""
    told: list[int] = []
    trial = run_trial(crew, OURS, 3, attempts=40, folder=tmp_path, progress=told.append)
    assert trial.objections == (), trial
    figures = trial.figures
    assert figures.rows >= 24
    assert figures.guarded_doubles == figures.fenced_doubles == 0
    assert min(figures.kills, figures.pauses, figures.lost_replies, figures.wipes, figures.inside) > 0
    assert told == sorted(told)
    assert told[-1] >= 8 * 40
    assert judged(Path(trial.log)) == trial
    whats = {event.what for event in read_log(Path(trial.log)).events}
    assert {"asked", "granted", "claimed", "charged", "paid", "killed", "stopped", "continued", "swept"} <= whats


def test_the_controls_are_made_from_a_lock_without_fault(crew: Crew, tmp_path: Path) -> None:
    """What is found against a control comes from what is wrong with it: the lock it is made from stands the same."""
    pressure = replace(CONTROLS["DEL without token"].pressure, stop=0.2, lose=0.1, wipe=0.5)
    trial = run_trial(crew, replace(PLAIN, pressure=pressure), 3, attempts=20, folder=tmp_path)
    assert trial.objections == (), trial
    assert trial.figures.grants > 0


def test_a_naive_lock_is_found_out(crew: Crew, tmp_path: Path) -> None:
    """A lock whose callers share one token lets two in at once: that is seen at once, and the trial ends there."""
    trial = run_trial(crew, CONTROLS["token per instance"], 3, seconds=60, folder=tmp_path, until_caught=True)
    assert trial.objections
    assert trial.again in str(trial)
    assert trial.figures.guarded_doubles == 0  # the functions that ship stand even this
    assert "swept" not in {event.what for event in read_log(Path(trial.log)).events}


def test_who_never_pays_is_found_out_by_the_sweep(crew: Crew, tmp_path: Path) -> None:
    """A lock that is left for ever by a killed holder keeps its rent from being paid, in peace as well."""
    pressure = replace(CONTROLS["SET, then PEXPIRE"].pressure, kill=1.0)
    trial = run_trial(crew, replace(CONTROLS["SET, then PEXPIRE"], pressure=pressure), 3, attempts=4, folder=tmp_path)
    assert "never paid" in {objection.rule for objection in trial.objections}


class Broken:
    """A lock that nobody can make."""

    def __init__(self, _bench: object) -> None:
        raise RuntimeError("made to fail")


def test_a_worker_that_fails_fails_the_trial(crew: Crew, tmp_path: Path) -> None:
    """A bug of the harness or of a lock ends the trial and is named, and the next trial is not harmed."""
    subject = Subject("broken", "cannot be made", Broken, ledger_subjects.Pressure(processes=1))  # type: ignore[arg-type]
    with pytest.raises(MeasurementFailed, match="process 0 failed: RuntimeError: made to fail"):
        run_trial(crew, subject, 1, attempts=1, folder=tmp_path)
    pressure = replace(PLAIN.pressure, processes=1, rents=1, calendars=1, restart=False)
    assert run_trial(crew, replace(PLAIN, pressure=pressure), 1, attempts=2, folder=tmp_path).objections == ()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nobody_is_left_when_the_run_is_stopped(how: signal.Signals, tmp_path: Path) -> None:
    """Killed or interrupted in the middle of a trial, a run leaves no process behind, also none that stands still."""
    temporary = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))  # short, for the unix socket
    temporary.chmod(0o711)  # open to the user that root's PostgreSQL runs as
    command = [sys.executable, "-m", "dousell_cache.testing.ledger", "--attempts", "100000", "--out", str(tmp_path)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, env=environment)
    log = tmp_path / "dousell-cache-1.jsonl"
    try:
        _wait_for(lambda: log.exists() and b'"stopped"' in log.read_bytes())
        run.send_signal(how)
        run.wait(30)
        _wait_for(lambda: not _in_session(run.pid))
        assert how == signal.SIGKILL or not list(temporary.iterdir())  # what is killed cannot tidy up
    finally:
        run.kill()
        shutil.rmtree(temporary, ignore_errors=True)


def test_the_command_prints_each_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand a run is one command, whose exit code says whether anything was objected to."""
    options = ["--attempts", "20", "--processes", "4", "--seeds", "2", "--subject", "token per instance"]
    assert ledger.main([*options, "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    for seed in (1, 2):
        assert f"token per instance, seed {seed}, " in told
        assert f"again: dousell-cache prove --check {tmp_path}/token-per-instance-{seed}.jsonl" in told
    assert told.splitlines()[-1].startswith("2 seeds: ")


def test_there_is_no_run_without_processes() -> None:
    """Nobody to pay is wrong usage, said in one sentence."""
    with pytest.raises(ConfigurationError, match="at least 1 process, not 0"):
        ledger.pressed(OURS, 0)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _in_session(session: int) -> list[int]:
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            if os.getsid(pid) == session and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
                found.append(pid)
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found
