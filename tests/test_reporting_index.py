"""The list of all runs: whatever lies in the folder, it stands."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import index, spec

from .reports import BAD, GOOD, Seen, failed, finished, made_up, many, measured, unfinished


def listed(out: Path) -> Seen:
    """Write the list and return what a browser makes of it."""
    index.write(out)
    return Seen((out / "index.html").read_text("utf-8"))


def run_ids(seen: Seen) -> list[str]:
    """Return the runs on the list, in order; the links above it have a class."""
    links = [attrs["href"] for tag, attrs in seen.tags if tag == "a" and list(attrs) == ["href"]]
    return [href.partition("/")[0] for href in links if href.endswith("/index.html")]


def test_no_run_is_no_problem(tmp_path: Path) -> None:
    """An empty folder has a page that says how to make a run."""
    assert "There is no run yet" in listed(tmp_path).text


def test_a_run_is_shown_with_its_figures(tmp_path: Path) -> None:
    """Each environment has a line with hit rate, P95 and speedup, linked to the run's page."""
    environments = {"local": measured(GOOD, emulated=["x"]), "vercel": failed("unreachable", "no")}
    finished(tmp_path, made_up(environments))
    seen = listed(tmp_path)
    assert run_ids(seen) == ["20261122T193000Z-3f2a"]
    assert seen.exact == [0.9715, 4.462, 12.34]
    for said in ("97.2 %", "4.46 ms", "12.3×", "unreachable", "not reached", "emulated", "1 run,", "quick"):
        assert said in seen.text
    assert seen.fetched == []


def test_the_newest_is_first(tmp_path: Path) -> None:
    """Runs stand in the order of their times, those under way among them."""
    for run_id in ("20260101T000000Z-aaaa", "20270101T000000Z-aaaa", "20260601T000000Z-aaaa"):
        finished(tmp_path, made_up({"local": measured(BAD)}, run_id=run_id))
    unfinished(tmp_path, "20260801T000000Z-aaaa", "running", os.getpid())
    text = listed(tmp_path).text
    places = [text.index(f"{moment}T000000Z") for moment in ("20270101", "20260801", "20260601", "20260101")]
    assert places == sorted(places)


def test_runs_that_did_not_finish_are_shown(tmp_path: Path) -> None:
    """Running, killed and failed are told apart by state and process, and a stopped one is called stopped."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    unfinished(tmp_path, "20260101T000000Z-aaaa", "running", os.getpid())
    assert "running" in listed(tmp_path).text
    assert "killed" not in listed(tmp_path).text
    unfinished(tmp_path, "20260102T000000Z-aaaa", "running", ended.pid)
    unfinished(tmp_path, "20260103T000000Z-aaaa", "failed", ended.pid)
    finished(tmp_path, made_up({"local": failed("interrupted", "no")}, exit_code=130))
    text = listed(tmp_path).text
    for said in ("killed", "No space left", "stopped", "4 runs"):
        assert said in text


@pytest.mark.parametrize(
    ("content", "said"), [(b"{", "unreadable"), (b'{"schema": 3}', "unreadable"), (None, "another version")]
)
def test_a_run_that_cannot_be_read_is_listed_all_the_same(tmp_path: Path, content: bytes | None, said: str) -> None:
    """A damaged file, or one of another version, hides no other run and is itself not hidden."""
    newer = msgspec.structs.replace(made_up({"local": measured(GOOD)}, run_id="20270101T000000Z-bbbb"), version=2)
    finished(tmp_path, newer)
    if content:
        (tmp_path / newer.run.id / "results.json").write_bytes(content)
    finished(tmp_path, made_up({"local": measured(GOOD)}))
    seen = listed(tmp_path)
    assert said in seen.text
    assert run_ids(seen) == [newer.run.id, "20261122T193000Z-3f2a"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """What is no run is neither listed nor touched."""
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "example").mkdir()
    (tmp_path / ".strange.partial").mkdir()
    assert "There is no run yet" in listed(tmp_path).text
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".strange.partial",
        "README.md",
        "example",
        "index.html",
    ]


def test_a_thousand_runs_are_a_page(tmp_path: Path) -> None:
    """The list of a thousand runs is complete and still a page that one can open."""
    environments = {"local": measured(GOOD), "vercel": measured(BAD)}
    for number in range(1000):
        finished(tmp_path, made_up(environments, run_id=f"20261122T193000Z-{number:04x}"))
    seen = listed(tmp_path)
    assert len(run_ids(seen)) == 1000
    assert "1,000 runs" in seen.text
    assert (tmp_path / "index.html").stat().st_size < 2_000_000


def test_a_run_that_ends_meanwhile_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes the list looks once more, so two runs that end together are both on it."""
    finished(tmp_path, made_up({"local": measured(GOOD)}))
    write = spec.write_atomically

    def slow(path: Path, content: bytes) -> None:
        if not (tmp_path / "20270101T000000Z-bbbb").exists():
            finished(tmp_path, made_up({"local": measured(GOOD)}, run_id="20270101T000000Z-bbbb"))
        write(path, content)

    monkeypatch.setattr(index, "write_atomically", slow)
    assert len(run_ids(listed(tmp_path))) == 2


def test_the_list_can_be_narrowed(tmp_path: Path) -> None:
    """Each run carries what it can be chosen by; the choices are those that occur, and wait for JavaScript."""
    finished(tmp_path, made_up({"local": measured(GOOD), "vercel": measured(BAD)}))
    seen = listed(tmp_path)
    (form,) = [attrs for tag, attrs in seen.tags if tag == "form"]
    assert "hidden" in form
    assert seen.values("select", "name") == ["environment", "verdict", "profile", "host"]
    assert seen.values("option", "value") == ["", "local", "vercel", "", "fail", "", "quick", "", "?"]
    (run,) = [attrs for tag, attrs in seen.tags if tag == "tbody"]
    assert run == {"data-v": "fail", "data-p": "quick", "data-h": "?", "data-e": "local vercel"}
    assert "hidden" not in run


def test_trends_and_regressions_are_shown(tmp_path: Path) -> None:
    """Each figure with a target has a drawing that tells its numbers; what was worse than usual is marked twice."""
    many(tmp_path, [4.0, 4.1, 3.9, 4.05, 4.0, 20.0, 4.0])
    seen = listed(tmp_path)
    drawn = [told for told in seen.values("svg", "aria-label") if told.startswith("P95 response in local over 7 runs")]
    assert len(drawn) == 1
    assert "One run was worse than usual: 6 October 2026, 06:00 UTC, 20.0 ms." in drawn[0]
    assert seen.values("path", "class").count("worse") == 1
    assert seen.text.count("20.0 ms worse than usual") == 1


def test_a_regression_without_a_column_is_named(tmp_path: Path) -> None:
    """What was worse than usual and has no column stands beside the environment."""
    for day, value in enumerate([4.0, 4.1, 3.9, 4.05, 4.0, 9.0], start=1):
        started = f"2026-10-{day:02d}T06:00:00+00:00"
        record = measured({"p50_ms": Interval(value, value * 0.9, value * 1.1, 2000)}, host="5f", started=started)
        finished(tmp_path, made_up({"local": record}, run_id=f"202610{day:02d}T060000Z-aaaa", started=started))
    assert "local P50 response worse than usual" in " ".join(listed(tmp_path).text.split())


def test_verdicts_are_a_strip(tmp_path: Path) -> None:
    """The last runs stand side by side, oldest first, each a mark with moment and verdict that leads to its page."""
    many(tmp_path, [4.0, 90.0])
    unfinished(tmp_path, "20261003T060000Z-aaaa", "running", os.getpid())
    marks = [attrs["aria-label"] for _, attrs in listed(tmp_path).tags if "title" in attrs]
    assert marks == [
        "1 October 2026, 06:00 UTC: pass",
        "2 October 2026, 06:00 UTC: fail",
        "22 November 2026, 19:30 UTC: running",
    ]


def test_a_list_in_french(tmp_path: Path) -> None:
    """Words, numbers and months are French."""
    many(tmp_path, [4.0])
    index.write(tmp_path, "fr")
    seen = Seen((tmp_path / "index.html").read_text("utf-8"))
    for said in ("1 rapport.", "octobre 2026", "97,2\u00a0%", "réussi", "Taux de succès"):
        assert said in seen.text
