"""The overview of earlier runs: where targets stand, what is comparable, what to do next."""

import os
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from matplotlib.figure import Figure

from dousell_cache.errors import ConfigurationError
from dousell_cache.measure.kpis import KPIS
from dousell_cache.reporting.history import COLUMNS
from dousell_cache.reporting.overview_figures import _panel, figures_over_runs
from dousell_cache.reporting.standings import Overview, read_overview, standing_table
from dousell_cache.reporting.wording import ENGLISH, Wording

from .comparisons import keep_together
from .comparisons import row as row_of
from .reports import GOOD, finished, made_up, many, measured, unfinished


def row(
    run: int, environment: str, figure: str, value: float, verdict: str | None, **fields: object
) -> dict[str, object]:
    """Return a figure of a run, as the history has it."""
    usual = {"low": value * 0.98, "high": value * 1.02, "samples": 1_000, "emulated": False}
    where = {"profile": "quick", "host": "h", "commit": None, "started": pd.Timestamp(f"2026-11-0{run}", tz="UTC")}
    known = {"run": f"run{run}", "environment": environment, "figure": figure, "value": value, "verdict": verdict}
    return known | usual | where | fields


def overview(*rows: dict[str, object]) -> Overview:
    """Return an overview of made-up rows."""
    return Overview(pd.DataFrame(list(rows), columns=list(COLUMNS)))


BETTER = overview(
    row(1, "local", "hit_rate", 0.70, "fail"),
    row(2, "local", "hit_rate", 0.95, "pass"),
    row(2, "vercel", "hit_rate", 0.60, "fail", emulated=True),
    row(2, "vercel", "p95_ms", 9.0, "inconclusive", emulated=True, low=None, high=None),
)


def test_the_newest_run_decides_and_failures_come_first() -> None:
    """Each target stands once for each environment, as its newest run left it; what failed is told first."""
    found = [(each.environment, each.kpi.name, each.verdict, each.run) for each in BETTER.standings]
    assert found == [
        ("vercel", "hit_rate", "fail", "run2"),
        ("vercel", "p95_ms", "inconclusive", "run2"),
        ("local", "hit_rate", "pass", "run2"),
    ]
    assert "1 of 3 targets are met, 1 missed, by 2 of 2 runs." in str(BETTER.reading)
    assert "Left out" not in str(BETTER.reading)


def test_next_steps_are_in_the_order_of_their_urgency() -> None:
    """First what failed, then what nobody can say, then to measure for real what was emulated."""
    steps = str(BETTER.next_steps).splitlines()
    assert [step[:2] for step in steps] == ["1.", "2.", "3."]
    assert "keep entries longer" in steps[0]
    assert "measure longer" in steps[1]
    assert "real credentials" in steps[2]


def test_when_all_is_well_nothing_is_to_be_done() -> None:
    """With every target met on real services, the only advice is to go on looking."""
    assert "Nothing to do" in str(overview(row(1, "local", "hit_rate", 0.95, "pass")).next_steps)


def test_runs_of_another_machine_or_length_are_not_compared() -> None:
    """Only runs like the newest one of an environment are drawn, and told of."""
    mixed = overview(
        row(1, "local", "hit_rate", 0.5, "fail", host="other"),
        row(2, "local", "hit_rate", 0.6, "fail", profile="full"),
        row(3, "local", "hit_rate", 0.9, "pass"),
        row(4, "local", "hit_rate", 0.92, "pass"),
    )
    assert mixed.comparable["run"].tolist() == ["run3", "run4"]
    assert (
        "local: hit rate 92.0 %, 90.0 % the run before, comparable runs: 2" in figures_over_runs(mixed).say(ENGLISH).alt
    )


def test_a_single_run_is_drawn_in_the_middle() -> None:
    """Its axis has room on both sides and one whole number, and its mark is whole, however near it is to nought."""
    axes = Figure().subplots()
    _panel(axes, overview(row(1, "local", "p50_ms", 0.01, "pass")).runs, KPIS["p50_ms"], ENGLISH)
    assert axes.get_xlim() == (0.5, 1.5)
    assert not axes.lines[0].get_clip_on()
    assert [place for place in axes.get_xticks() if 0.5 <= place <= 1.5] == [1.0]
    assert axes.get_ylim()[1] > KPIS["p50_ms"].target


def test_todays_target_decides() -> None:
    """A figure kept with the verdict of another target is judged again; one that its run doubted stays undecided."""
    slow = overview(
        row(1, "local", "p50_ms", 300.0, "pass"),
        row(1, "local", "hit_rate", 0.95, "fail", low=0.94, high=0.96),
        row(1, "vercel", "hit_rate", 0.95, "inconclusive", low=0.94, high=0.96),
    )
    assert [(each.environment, each.kpi.name, each.verdict) for each in slow.standings] == [
        ("local", "p50_ms", "fail"),
        ("vercel", "hit_rate", "inconclusive"),
        ("local", "hit_rate", "pass"),
    ]


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    """Of how many runs it speaks, and why not of the others; the one that is being written is none of them."""
    many(tmp_path, [4.0, 4.1, 4.2])
    full = made_up({"local": measured(GOOD)}, run_id="20260901T060000Z-ffff", started="2026-09-01T06:00:00+00:00")
    finished(tmp_path, msgspec.structs.replace(full, run=msgspec.structs.replace(full.run, profile="full")))
    keep_together(tmp_path, "20261001T070000Z-2222", row_of("local"))
    unfinished(tmp_path, "20261002T070000Z-aaaa", "failed", os.getpid())
    unfinished(tmp_path, "20261002T080000Z-aaaa", "running", os.getpid())
    lines = str(read_overview(str(tmp_path), "local,vercel").reading).splitlines()
    unlike, without = "1 of another machine or profile than the newest", "1 without a figure of these environments"
    assert lines[0] == "2 of 2 targets are met, 0 missed, by 3 of 6 runs."
    assert lines[1] == f"Left out: {unlike}, {without}, 1 without a report."


def test_without_runs_it_says_how_to_make_one(tmp_path: Path) -> None:
    """A folder that is empty, or is not there, has no runs; nothing fails, and the next step is the first report."""
    for folder in (tmp_path, tmp_path / "absent"):
        empty = read_overview(str(folder), "local,vercel")
        assert "make report" in str(empty.reading)
        assert "make report" in str(empty.next_steps)
        assert "no runs yet" in repr(standing_table(empty))
        assert "no runs yet" in str(figures_over_runs(empty))


def test_it_is_all_said_in_french_too() -> None:
    """Sentences, steps, table and picture have no English left, and the same numbers in the same places."""
    french = Wording("fr")
    lines = [f"{told.say(french)}".replace("\xa0", " ").splitlines() for told in (BETTER.reading, BETTER.next_steps)]
    assert lines[0][:2] == [
        "Objectifs atteints : 1 sur 3, manqués : 1 ; rapports lus : 2 sur 2.",
        "Pour 1, nul ne peut trancher : trop peu de mesures.",
    ]
    assert lines[0][2].startswith("Les chiffres d'environnements émulés")
    assert [line[:2] for line in lines[1]] == ["1.", "2.", "3."]
    assert "vercel : Taux de succès du cache, objectif manqué ; gardez les entrées plus longtemps" in lines[1][0]
    english, table = standing_table(BETTER).say(ENGLISH), standing_table(BETTER).say(french)
    assert [len(row) for row in table.rows] == [len(row) for row in english.rows]
    assert set(english.headers) & set(table.headers) == {"verdict"}
    (failed, *_) = ([cell.replace("\xa0", " ") for cell in row] for row in table.rows)
    assert failed[:5] == ["vercel (émulé)", "Taux de succès du cache", "> 90,0 %", "60,0 %", "58,8 à 61,2 %"]
    assert failed[6:] == ["✗ échec", "2026-11-02 00:00"]
    picture = figures_over_runs(BETTER).say(french)
    assert picture.caption.replace("\xa0", " ") == (
        "local : taux de succès 95,0 %, 70,0 % au rapport précédent, rapports comparables : 2 ; "
        "vercel : taux de succès 60,0 %, rapports comparables : 1."
    )
    assert picture.png != figures_over_runs(BETTER).say(ENGLISH).png


def test_an_unknown_environment_is_refused(tmp_path: Path) -> None:
    """The message has the name, and those there are."""
    with pytest.raises(ConfigurationError, match='no environment "lokal"'):
        read_overview(str(tmp_path), "lokal")
