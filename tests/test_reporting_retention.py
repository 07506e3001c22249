"""What may go goes, by age and number; the latest good run and whatever is being written never do."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dousell_cache.reporting.listing import Entry, EnvironmentSummary, RunFacts, State, Summary, entry
from dousell_cache.reporting.record import SCHEMA, VERSION, RunVerdict
from dousell_cache.reporting.retention import Found, Judged, NotRemoved, Rules, judge, look, remove

from .reports import BAD, GOOD, Seen, finished, made_up, measured, unfinished

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=300)


def found(
    days: float,
    verdict: RunVerdict = "fail",
    *,
    environments: Iterable[str] = ("local",),
    state: State = "finished",
    touched: datetime | None = None,
) -> Found:
    """Return a run that began so many days ago."""
    run_id = f"{NOW - timedelta(days=days):%Y%m%dT%H%M%SZ}-{round(days * 100):04x}"
    where = {name: EnvironmentSummary("ok", verdict, [], {}) for name in environments}
    summary = Summary("", 1, RunFacts(run_id, "", "quick"), verdict, 0, where)
    reported = state in {"finished", "stopped"}
    folder = run_id if reported or state in {"unreadable", "another version"} else f".{run_id}.partial"
    return Found(Entry(folder, state, summary=summary if reported else None), touched or NOW - timedelta(days=days))


def gone(judged: Iterable[Judged]) -> list[bool]:
    """Return whether each run goes."""
    return [one.removed for one in judged]


def test_the_newest_stay_and_the_old_go() -> None:
    """A run has to be among the newest so many and young enough: each limit by itself, and both."""
    runs = [found(1), found(2), found(50), found(100)]
    assert gone(judge(runs, Rules(keep=3), NOW)) == [False, False, False, True]
    assert gone(judge(runs, Rules(max_age=timedelta(days=50)), NOW)) == [False, False, False, True]
    assert gone(judge(runs, Rules(1, timedelta(days=90)), NOW)) == [False, True, True, True]


def test_the_latest_good_run_of_each_set_of_environments_stays() -> None:
    """Whatever the limits say, and only the latest; a stopped one is not good, and environments have no order."""
    runs = [
        found(1, "inconclusive"),
        found(2, "pass", state="stopped"),
        found(100, "pass"),
        found(101, "pass", environments=("local", "vercel")),
        found(102, "pass", environments=("vercel", "local")),
        found(103, "pass"),
    ]
    judged = judge(runs, Rules(1, timedelta(days=30)), NOW)
    assert gone(judged) == [False, True, False, False, True, True]
    assert judged[2].why == "kept: the latest good run of its environments"


def test_a_run_that_is_being_written_stays() -> None:
    """However old it looks; and the remains of a dead one go when nothing was written into them for eight days."""
    runs = [
        found(300, state="running"),
        found(300, state="killed"),
        found(300, state="failed"),
        found(300, state="unwritten"),
        found(300, state="killed", touched=NOW - timedelta(days=7)),
    ]
    assert gone(judge(runs, Rules(keep=1), NOW)) == [False, True, True, True, False]


def test_what_is_no_run_of_ours_stays() -> None:
    """A folder that no run named and a run of another version are left alone, and count towards no number."""
    example = Found(Entry("example", "finished", summary=found(1, "pass").run.summary), LONG_AGO)
    strange = Found(Entry(".strange.partial", "unwritten"), LONG_AGO)
    no_date = Found(Entry("20260100T000000Z-aaaa", "unreadable"), LONG_AGO)
    judged = judge(
        [example, strange, no_date, found(1, state="another version"), found(2), found(3, "pass")], Rules(2), NOW
    )
    assert gone(judged) == [False] * 6
    assert judged[-1].why == "kept: the latest good run of its environments"
    assert gone(judge([found(1), found(2, state="unreadable")], Rules(1), NOW)) == [False, True]


VERDICTS = st.sampled_from(["pass", "fail", "inconclusive"])
STATES = st.sampled_from(["finished", "stopped", "running", "killed"])


@settings(database=None, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 400), VERDICTS, STATES), max_size=30),
    st.integers(1, 40) | st.none(),
    st.integers(0, 400) | st.none(),
)
def test_no_rules_touch_the_latest_good_run(
    drawn: list[tuple[float, RunVerdict, State]], keep: int | None, days: int | None
) -> None:
    """Whatever lies there and whatever is asked for, the newest run that passed stays, and so does each writer."""
    runs = [found(age, verdict, state=state) for age, verdict, state in sorted(drawn)]
    rules = Rules(keep, None if days is None else timedelta(days=days))
    stay = [one for one in judge(runs, rules, NOW) if not one.removed]
    good = [one.run for one in runs if one.run.good]
    assert not good or good[0] in [one.run for one in stay]
    assert sum(one.run.state == "running" for one in runs) == sum(one.run.state == "running" for one in stay)


def test_removing_takes_folders_and_lines(tmp_path: Path) -> None:
    """What goes is gone from the disk and from the list of all runs; the rest, and what is no run, is untouched."""
    for number, figures in enumerate((GOOD, BAD, BAD)):
        finished(tmp_path, made_up({"local": measured(figures)}, run_id=f"2026011{number}T000000Z-aaaa"))
    dead = unfinished(tmp_path, "20260115T000000Z-aaaa", "failed", 1)
    for path in (dead / "status.json", dead):
        os.utime(path, (LONG_AGO.timestamp(),) * 2)
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / ".20251231T000000Z-aaaa.removed").mkdir()  # left by a call that was killed
    remove(tmp_path, judge(look(tmp_path), Rules(keep=1), NOW))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["20260110T000000Z-aaaa", "20260112T000000Z-aaaa", "README.md", "index.html"]
    page = Seen((tmp_path / "index.html").read_text("utf-8"))
    assert "2 runs, newest first" in page.text


def test_two_that_remove_at_once_are_no_problem(tmp_path: Path) -> None:
    """What another call took away meanwhile is gone, as was asked."""
    for number in range(3):
        finished(tmp_path, made_up({"local": measured(BAD)}, run_id=f"2026011{number}T000000Z-aaaa"))
    judged = judge(look(tmp_path), Rules(keep=1), NOW)
    remove(tmp_path, judged)
    remove(tmp_path, judged)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["20260112T000000Z-aaaa"]


def test_a_run_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    """One sentence says which folder and why, and the list shows what is left."""
    for number in range(3):
        finished(tmp_path, made_up({"local": measured(BAD)}, run_id=f"2026011{number}T000000Z-aaaa"))
    judged = judge(look(tmp_path), Rules(keep=1), NOW)
    obstacle = tmp_path / ".20260110T000000Z-aaaa.removed"
    obstacle.write_text("a file where the folder would go")
    with pytest.raises(NotRemoved, match="20260110T000000Z-aaaa cannot be removed"):
        remove(tmp_path, judged)
    assert "2 runs" in Seen((tmp_path / "index.html").read_text("utf-8")).text


def test_a_run_of_another_shape_is_of_another_version(tmp_path: Path) -> None:
    """Whatever else another version wrote, it is left alone: only its schema and version are looked at."""
    folder = tmp_path / "20260101T000000Z-abcd"
    folder.mkdir()
    other = {"schema": SCHEMA, "version": VERSION + 1, "run": {"id": "x"}, "verdict": "excellent"}
    (folder / "results.json").write_text(json.dumps(other), "utf-8")
    assert entry(tmp_path, folder.name).state == "another version"
