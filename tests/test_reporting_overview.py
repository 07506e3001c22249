"""What the page over all runs draws."""

from pathlib import Path

from dousell_cache.reporting.overview import WINDOW, cards, regressions
from dousell_cache.reporting.series import series
from dousell_cache.reporting.wording import ENGLISH

from .reports import many

JUMP = [4.0, 4.1, 3.9, 4.05, 4.0, 20.0, 4.0]


def test_a_card_tells_what_it_draws(tmp_path: Path) -> None:
    """First and last value, the extremes, the target and what was worse than usual stand in its text."""
    many(tmp_path, JUMP)
    card = next(card for card in cards(series(tmp_path), ENGLISH) if card.kpi.name == "p95_ms")
    assert card.told == (
        "P95 response in local over 7 runs, oldest first: from 4.00 ms to 4.00 ms; lowest 3.90 ms, highest 20.0 ms; "
        "target < 50.0 ms. One run was worse than usual: 6 October 2026, 06:00 UTC, 20.0 ms."
    )
    assert card.regressed == [5]
    assert (card.runs, card.word, card.link) == (7, "pass", "20261007T060000Z-0007/index.html")


def test_runs_that_were_worse_are_named(tmp_path: Path) -> None:
    """A regression belongs to a run, an environment and a figure."""
    many(tmp_path, JUMP, environments=["local", "vercel"])
    worse = regressions(series(tmp_path))
    run = "20261006T060000Z-0006"
    assert worse == {(run, "local"): ["p95_ms"], (run, "vercel"): ["p95_ms"]}


def test_each_figure_and_environment_has_a_card(tmp_path: Path) -> None:
    """Hit rate and P95 of two environments are four cards; a single run is drawn as one point."""
    many(tmp_path, [4.0], environments=["local", "vercel"])
    found = cards(series(tmp_path), ENGLISH)
    assert [(card.environment, card.kpi.name) for card in found] == [
        ("local", "hit_rate"),
        ("local", "p95_ms"),
        ("vercel", "hit_rate"),
        ("vercel", "p95_ms"),
    ]
    assert [len(card.plot.dots) for card in found] == [1, 1, 1, 1]
    assert found[1].told == "P95 response in local in one run: 4.00 ms; target < 50.0 ms. One run: no trend yet."


def test_a_few_runs_have_no_usual_figure(tmp_path: Path) -> None:
    """Where no run had enough others before it nobody says that none was worse than usual; from then on one does."""
    many(tmp_path, [4.0, 4.1, 3.9, 4.2, 4.0])
    assert "5 runs: too few for a trend yet." in cards(series(tmp_path), ENGLISH)[1].told
    (tmp_path / "more").mkdir()
    many(tmp_path / "more", [4.0, 4.1, 3.9, 4.2, 4.0, 4.1])
    assert "No run was worse than usual." in cards(series(tmp_path / "more"), ENGLISH)[1].told


def test_a_drawing_has_room_for_so_many(tmp_path: Path) -> None:
    """Of many runs the newest are drawn."""
    many(tmp_path, [4.0] * 28)
    (hit_rate, _) = cards([those * 3 for those in series(tmp_path)], ENGLISH)
    assert hit_rate.runs == WINDOW
