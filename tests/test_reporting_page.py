"""The page of a run: self-contained, and its numbers are those of ``results.json``."""

import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from dousell_cache.measure.place import Place
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import catalog, page, tables
from dousell_cache.reporting.catalog import read_notebook
from dousell_cache.reporting.record import EnvironmentRecord, Results, run_verdict
from dousell_cache.reporting.templating import WORDS

from .comparisons import row, together
from .reports import BAD, GOOD, NAME, VAGUE, Seen, failed, made_up, many, measured, save, v4

HOSTILE = '<script src="https://evil.example/x.js"></script>'
CASES: dict[str, tuple[dict[str, EnvironmentRecord], str]] = {
    "pass": ({"local": measured(GOOD), "vercel": measured(GOOD, emulated=["Upstash (4 ms)"])}, "Every target is met"),
    "fail": ({"local": measured(GOOD), "vercel": measured(BAD)}, "3 of 4 targets met, 1 missed"),
    "inconclusive": ({"local": measured(VAGUE)}, "Too few measurements to say"),
    "measured": ({"local": measured({})}, "Measured, not judged"),
    "unreachable": (
        {"local": measured(GOOD), "vercel": failed("unreachable", "nothing listens there")},
        "vercel could not be reached",
    ),
    "error": ({"local": failed("cell_error", f"cell 3: ValueError: {HOSTILE}")}, "The run failed"),
}


def shown(results: Results, folder: Path) -> Seen:
    """Return what a browser makes of the page of these results."""
    return Seen(page.render(results, folder))


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Seen, Results]:
    """A verdict, the page that shows it, and the results it shows."""
    results = made_up(CASES[request.param][0])
    return request.param, shown(results, tmp_path), results


def test_the_verdict_comes_first(case: tuple[str, Seen, Results]) -> None:
    """The headline is the first heading and says in words what was found; there is one main heading."""
    verdict, seen, results = case
    assert results.verdict == verdict
    assert [tag for tag, _ in seen.tags if tag == "h1"] == ["h1"]
    assert CASES[verdict][1] in seen.text
    assert WORDS[results.verdict] in seen.text


def test_nothing_is_fetched(case: tuple[str, Seen, Results]) -> None:
    """No script, no outside address in a tag or a style, whatever a reason holds."""
    _, seen, _ = case
    assert seen.fetched == []
    assert "script" not in {tag for tag, _ in seen.tags}
    assert not re.search(r"url\(|@import|https?:", seen.styles)


def test_every_figure_of_the_results_is_shown(case: tuple[str, Seen, Results]) -> None:
    """Each environment's figures and latencies are there, for people and, exactly, for programs."""
    _, seen, results = case
    for record in results.environments.values():
        for name, figure in record.figures.items():
            assert figure.value in seen.exact
            unit = {"hit_rate": "%", "p95_ms": "ms", "speedup": "×"}[name]
            assert tables.number(figure.value, unit) in seen.text
            assert tables.interval(figure, unit) in seen.text
        rows = [row for notebook in record.notebooks.values() if notebook.result for row in notebook.result.latency]
        assert {time for row in rows for time in (row.p50, row.p95)} <= set(seen.exact)
        assert f"{record.samples:,}" in seen.text


def test_every_exact_number_is_a_result(case: tuple[str, Seen, Results]) -> None:
    """The page shows no measured number that results.json does not hold."""
    _, seen, results = case
    held = {float(record.samples) for record in results.environments.values()}
    for record in results.environments.values():
        held |= {figure.value for figure in record.figures.values()}
        for notebook in record.notebooks.values():
            held |= {t for row in (notebook.result.latency if notebook.result else []) for t in (row.p50, row.p95)}
    assert set(seen.exact) <= held


def test_headings_go_down_step_by_step(case: tuple[str, Seen, Results]) -> None:
    """No level is skipped, and each landmark and id exists once."""
    _, seen, _ = case
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(lower <= upper + 1 for upper, lower in pairwise(levels))
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert [tag for tag, _ in seen.tags if tag in {"header", "main", "footer"} and tag != "header"] == [
        "main",
        "footer",
    ]


def test_headers_have_a_scope(case: tuple[str, Seen, Results]) -> None:
    """Every header cell of every table says what it heads."""
    _, seen, _ = case
    headers = [attrs for tag, attrs in seen.tags if tag == "th"]
    assert all(attrs.get("scope") in {"col", "row", "rowgroup"} for attrs in headers)


def test_emulation_is_said_wherever_a_figure_rests_on_it(tmp_path: Path) -> None:
    """The headline, the environment's card, each of its verdicts and its column are marked; a real one is not."""
    emulated = measured(GOOD, emulated=["Upstash (4 ms ± 1 ms)"])
    text = shown(made_up({"vercel": emulated}), tmp_path).text
    assert "Upstash (4 ms ± 1 ms)" in text
    assert "emulated on the measuring machine" in text
    assert text.count("emulated") >= 3 + len(GOOD)
    assert "emulated on" not in shown(made_up({"local": measured(GOOD)}), tmp_path).text


def test_a_run_at_once_says_so(tmp_path: Path) -> None:
    """Environments that were measured at once disturbed each other: said among the first facts and in the method."""
    results = made_up({"local": measured(GOOD), "vercel": measured(GOOD)})
    in_turns = shown(results, tmp_path).text
    at_once = shown(replace(results, run=replace(results.run, parallel=True)), tmp_path).text
    assert "at once: each disturbs the others' figures" in at_once
    assert "The environments were measured at once" in at_once
    assert "at once" not in in_turns
    assert "Environments are measured one after the other" in in_turns


def test_an_unreachable_environment_is_a_section_of_words(tmp_path: Path) -> None:
    """It has its place among the others, with the reason, and in the comparison it says so too."""
    text = shown(made_up(CASES["unreachable"][0]), tmp_path).text
    assert "could not be reached: nothing listens there" in " ".join(text.split())
    assert "not reached" in text


def test_a_reason_cannot_become_markup(tmp_path: Path) -> None:
    """What an exception says is text, however it looks."""
    assert HOSTILE in shown(made_up(CASES["error"][0]), tmp_path).text


def test_a_hit_rate_far_off_is_an_alert(tmp_path: Path) -> None:
    """What is surely beyond its alert level is said first, with value and interval; what is merely missed is not."""
    text = " ".join(shown(made_up({"local": measured(BAD)}), tmp_path).text.split())
    assert "Alert: Hit rate is 62.3 %, surely below 80.0 % (95 % interval 60.0 to 65.0 %)" in text
    missed = {**BAD, "hit_rate": Interval(0.84, 0.82, 0.86, 2000)}
    assert "Alert" not in shown(made_up({"local": measured(missed)}), tmp_path).text


def test_where_nothing_was_judged_there_are_no_targets(tmp_path: Path) -> None:
    """No section of that name, no word of passing, a badge with a sign of its own; beside a target there is one."""
    nothing, judged = (page.render(made_up({"local": measured(figures)}), tmp_path) for figures in ({}, GOOD))
    assert "Targets" not in Seen(nothing).text
    assert '<span class="badge measured"><svg' in nothing
    assert 'class="badge pass"' not in nothing.partition('id="notebooks"')[0]
    assert "Targets" in Seen(judged).text


def test_the_head_has_no_empty_facts(tmp_path: Path) -> None:
    """A run that only read earlier ones, as an overview does, has neither environments nor measurements to name."""
    read = EnvironmentRecord(
        status="ok", reason=None, verdict="measured", emulated=[], figures={}, samples=0, notebooks={}
    )
    overview = replace(made_up({"local": read}), environments={}, together=read)
    for results, there in ((overview, False), (made_up({"local": measured(GOOD)}), True)):
        facts = page.render(results, tmp_path).partition('<dl class="facts">')[2].partition("</dl>")[0]
        assert [name in facts for name in ("Environments", "Measurements")] == [there, there]


def test_waits_for_a_lock_are_not_compared_by_their_median(tmp_path: Path) -> None:
    """Side by side, a sentence says why a polled lock looks fast; where there is one environment it does not."""
    waits = measured({})
    waits = replace(waits, figures={**waits.figures, "lock_wait_p50_ms": Interval(8.85, 8.0, 9.5, 200)})
    said = "Waits for a lock do not compare by their P50"
    assert said in shown(made_up({"local": waits, "vercel": waits}), tmp_path).text
    assert said not in shown(made_up({"local": waits}), tmp_path).text
    assert said not in shown(made_up({"local": measured(GOOD), "vercel": measured(GOOD)}), tmp_path).text


def test_a_disturbed_measurement_is_not_called_a_short_one(tmp_path: Path) -> None:
    """Where every figure has its samples and a doubt, such as a generator that was late, the head says that."""
    record = measured(VAGUE)
    (notebook,) = record.notebooks.values()
    assert notebook.result
    doubted = [replace(one, word="inconclusive", doubt="requests started late") for one in notebook.result.verdicts]
    late = replace(notebook, result=replace(notebook.result, verdicts=doubted))
    for notebooks, headline in (({NAME: late}, "What was measured is in doubt"), ({NAME: notebook}, "Too few")):
        seen = shown(made_up({"local": replace(record, notebooks=notebooks)}), tmp_path)
        assert headline in seen.text


def test_the_distance_of_a_cache_is_shown(tmp_path: Path) -> None:
    """Where it was measured, how far the cache is stands beside its address."""
    record = measured(GOOD)
    (notebook,) = record.notebooks.values()
    assert notebook.result
    place = Place(kind="rest", tls=True, region="cdg1", rtt_floor_ms=4.2, rtt_median_ms=5.0, pings=20)
    result = msgspec.structs.replace(notebook.result, place=place)
    with_place = msgspec.structs.replace(record, notebooks={NAME: msgspec.structs.replace(notebook, result=result)})
    text = " ".join(shown(made_up({"local": with_place}), tmp_path).text.split())
    assert "a round trip takes at least 4.20 ms (20 pings, TLS, from cdg1)" in text


def test_a_missed_target_is_explained(tmp_path: Path) -> None:
    """Value, target and usual causes stand under the table."""
    text = " ".join(shown(made_up({"local": measured(BAD)}), tmp_path).text.split())
    assert "Hit rate is 62.3 %; the target is > 90.0 %. Usual causes: " in text


def test_what_must_never_be_is_counted(tmp_path: Path) -> None:
    """A rent paid twice is told as a count, with its bound and what to do; a run without one shows that it was none."""
    twice = measured({"double_payments": Interval(1 / 120, 0.0, 0.05, 120)})
    text = " ".join(shown(made_up({"local": twice}), tmp_path).text.split())
    assert "Rents paid twice is 1 of 120; the target is none, bound < 3.0 %. This must not happen at all" in text
    never = measured({"double_payments": Interval(0.0, 0.0, 0.025, 120)})
    assert "0 of 120" in shown(made_up({"local": never}), tmp_path).text


def test_a_figure_without_interval_is_not_a_pass(tmp_path: Path) -> None:
    """Too few samples are said to be too few."""
    few = measured({"hit_rate": Interval(1.0, None, None, 3)})
    seen = shown(made_up({"local": few}), tmp_path)
    assert "too few samples" in seen.text
    assert "Every target is met" not in seen.text


def test_the_run_can_be_repeated_from_the_page(tmp_path: Path) -> None:
    """Command and parameters are on it, as text; so are time, duration, commit and machine."""
    text = " ".join(shown(made_up({"local": measured(GOOD)}), tmp_path).text.split())
    for said in (
        "dousell-cache report --env local,vercel -p 'ttl=<300>'",
        "none: what the profile says",
        "22 November 2026, 19:30 UTC",
        "1 min 5 s",
        "0123456789, with changes",
        "Linux 6.1, x86_64, 2 CPUs",
    ):
        assert said in text


def test_a_stopped_run_says_so(tmp_path: Path) -> None:
    """However much was measured, the headline says that the run was stopped."""
    results = made_up({"local": measured(GOOD), "vercel": failed("interrupted", "the run was stopped")}, exit_code=143)
    assert "The run was stopped" in shown(results, tmp_path).text


def test_the_notebook_is_on_the_page(tmp_path: Path) -> None:
    """What was executed is shown below its title, with a link to the file beside the page."""
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# What is it worth?\n\nThe *prose*.")])
    save(notebook, tmp_path / "notebooks" / "local" / f"{NAME}.ipynb")
    seen = shown(made_up({"local": measured(GOOD)}), tmp_path)
    assert "What is it worth?" in seen.text
    assert "The prose." in seen.text
    assert f"notebooks/local/{NAME}.ipynb" in seen.values("a", "href")


def test_the_page_is_small(tmp_path: Path) -> None:
    """Without its notebooks' pictures a page of two environments is well under 100 KB."""
    assert len(page.render(made_up(CASES["pass"][0]), tmp_path)) < 60_000


def test_margin_and_trend_stand_beside_a_figure(tmp_path: Path) -> None:
    """How much is left, what changed since the run before, and a drawing that tells its numbers."""
    many(tmp_path, [9.0, 4.4])
    results = made_up({"local": measured(GOOD, host="5f0c81a9be77")})
    seen = shown(results, tmp_path / results.run.id)
    rule = "The margin is the distance from that interval's worse end to the target."
    for said in ("5.10 points to spare", "40.2 ms to spare", "like the run before", rule):
        assert said in seen.text
    (drawn,) = [told for told in seen.values("svg", "aria-label") if told.startswith("P95 response")]
    assert drawn == (
        "P95 response over 3 runs alike, oldest first: 9.00 ms, 4.40 ms, 4.46 ms. "
        "The run before had 4.40 ms, this one has 4.46 ms. Like the run before."
    )


def test_head_and_lines_count_every_target(tmp_path: Path) -> None:
    """The headline of several environments and the line of each say what is met, missed and undecided: they add up."""
    mixed = {"hit_rate": BAD["hit_rate"], "p95_ms": VAGUE["p95_ms"]}
    seen = shown(made_up({"local": measured(GOOD), "vercel": measured(mixed)}), tmp_path)
    text = " ".join(seen.text.split())
    for said in (
        "2 of 4 targets met, 1 missed, 1 undecided",
        "2 of 2 targets met",
        "0 of 2 targets met, 1 missed, 1 u",
    ):
        assert said in text


def test_what_is_missed_comes_first(tmp_path: Path) -> None:
    """Among the figures of an environment, the missed ones stand above the met ones."""
    seen = shown(made_up({"local": measured({"p95_ms": GOOD["p95_ms"], "hit_rate": BAD["hit_rate"]})}), tmp_path)
    assert seen.exact[:2] == [BAD["hit_rate"].value, GOOD["p95_ms"].value]


def test_a_page_in_french(tmp_path: Path) -> None:
    """Words, numbers and moments are French; one's own notebook is what it was, and so are the numbers for programs."""
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# What is it worth?\n\nThe *prose*.")])
    save(notebook, tmp_path / "notebooks" / "local" / f"{NAME}.ipynb")
    results = made_up({"local": measured(BAD), "vercel": failed("unreachable", "nothing listens there")})
    seen = Seen(page.render(results, tmp_path, "fr"))
    text = " ".join(seen.text.split())
    assert seen.values("html", "lang") == ["fr"]
    for said in ("Injoignable : vercel", "62,3 %", "22 novembre 2026 à 19:30 UTC", "2 040", "Alerte : Taux de succès"):
        assert said in text
    assert "au pire 30,0 points de moins" in text
    assert seen.values("div", "lang") == ["en"]
    assert seen.exact == shown(results, tmp_path).exact


def test_what_stays_english_is_said_once(tmp_path: Path) -> None:
    """A French page says which of its parts are English, also where environments were only compared; no other does."""
    compared = msgspec.structs.replace(made_up({"local": together(row("local"))}), together=together(row("local")))
    only = msgspec.structs.replace(compared, environments={})
    for results in (made_up({"local": measured(GOOD)}), only):
        assert Seen(page.render(results, tmp_path, "fr")).text.count("Restent en anglais") == 1
        assert "Restent en anglais" not in shown(results, tmp_path).text


def test_the_prose_of_the_suites_notebooks_is_french_too(tmp_path: Path) -> None:
    """On a French page it is French and marked as such; a cell that its reader has changed is as they wrote it."""
    notebook = read_notebook(catalog.find("01").path)
    edited = next(cell for cell in notebook.cells if cell.source.startswith("## Where the time goes"))
    edited.source += "\n\nMine: 4 ms."
    notebook.cells.append(v4.new_code_cell("1", outputs=[v4.new_output("stream", name="stdout", text="1 read")]))
    path = tmp_path / "notebooks" / "local" / f"{NAME}.ipynb"
    save(notebook, path)
    kept = path.read_bytes()
    french = Seen(page.render(made_up({"local": measured(GOOD)}), tmp_path, "fr"))
    text = " ".join(french.text.split())
    for said in ("Que vaut le cache ?", "est le démarrage à froid", "Where the time goes", "Mine: 4 ms.", "1 read"):
        assert said in text
    prose = [attrs for tag, attrs in french.tags if tag == "div" and attrs.get("class") == "prose"]
    assert [attrs.get("lang") for attrs in prose].count(None) == 1
    assert {attrs.get("lang") for attrs in prose} == {"fr", None}
    assert "What is the cache worth?" not in text
    assert "What is the cache worth?" in shown(made_up({"local": measured(GOOD)}), tmp_path).text
    assert path.read_bytes() == kept


def test_what_makes_a_page_too_large_is_left_to_its_file(tmp_path: Path) -> None:
    """A page stays within its budget: what failed is on it, then what comes first; the rest is linked, and said so."""
    large = v4.new_notebook(cells=[v4.new_markdown_cell("# Large\n\n" + "Words and words. " * 25_000)])
    small = v4.new_notebook(cells=[v4.new_markdown_cell("# Small\n\nA few words.")])
    for name, notebook in {"local": small, "vercel": large, "dedicated": large}.items():
        save(notebook, tmp_path / "notebooks" / name / f"{NAME}.ipynb")
    records = {"local": measured(GOOD), "vercel": measured(GOOD), "dedicated": failed("cell_error", "no")}
    html = page.render(made_up(records), tmp_path)
    text = " ".join(Seen(html).text.split())
    assert len(html.encode()) <= page.BUDGET
    assert html.count("Words and words. Words") > 0
    assert "A few words." in text
    assert "This page would be larger than 500 KB with this notebook's content" in text
    assert Seen(html).values("a", "href").count(f"notebooks/vercel/{NAME}.ipynb") == 2
    assert Seen(html).values("a", "href").count(f"notebooks/dedicated/{NAME}.ipynb") == 1


def test_parts_that_are_still_read_shimmer(tmp_path: Path) -> None:
    """A line, a card and a chart have each their placeholder, which no screen reader meets."""
    html = page.render(made_up({"local": measured(GOOD)}), tmp_path)
    style = Seen(html).styles
    for kind in ("line", "card", "chart"):
        assert f".skeleton.{kind}" in style
    hidden = [attrs for tag, attrs in Seen(html).tags if tag == "div" and "skeleton" in attrs.get("class", "")]
    assert hidden
    assert all(attrs["aria-hidden"] == "true" for attrs in hidden)
    assert "animation: shimmer" in style.partition("prefers-reduced-motion: no-preference) { .skeleton {")[2][:80]


def test_a_comparison_in_doubt_is_no_plain_pass(tmp_path: Path) -> None:
    """Where a row that was compared is in doubt the head says so, with the environment and why; else nothing of it."""
    sound, doubted = row("local"), row("vercel", doubt="12 reads failed", failed=12)
    for rows, verdict in (((sound, doubted), "inconclusive"), ((sound,), "measured")):
        part = together(*rows)
        assert part.verdict == verdict
        results = made_up({"local": measured(GOOD)})
        results = msgspec.structs.replace(results, together=part, verdict=run_verdict([measured(GOOD), part]))
        seen = shown(results, tmp_path)
        in_doubt = verdict == "inconclusive"
        assert ("What was compared is in doubt" in seen.text) is in_doubt
        assert ("vercel: 12 reads failed" in seen.text) is in_doubt
