"""Pages in a real Chromium: opened from a file, in both themes, wide and narrow, on screen and on paper."""

from pathlib import Path

import pytest
from nbconvert.exporters import HTMLExporter

from dousell_cache.reporting.exporter import DousellExporter
from dousell_cache.reporting.page import BUDGET

from ..reports import NAME, save
from .chromium import Chromium, Look
from .pages import RUNS, index_page, notebook, run_page

DESCRIPTIONS = """[...document.querySelectorAll("img, svg[role=img]")]
  .map((one) => one.getAttribute("alt") || one.getAttribute("aria-label"))"""
SHOWN = """[...document.querySelectorAll("tbody[data-v]:not([hidden])")].map((one) => one.dataset.v)"""
FIRST_SCREEN = """(() => { const end = (what) => Math.max(...[...document.querySelectorAll(what)]
  .map((one) => one.getBoundingClientRect().bottom)); return [end("h1"), end(".facts"), end(".kpis")]; })()"""


def flaws(look: Look) -> object:
    """Return everything that is wrong with a page; nothing of it may be."""
    return look.requests, look.errors, look.overflow, look.violations


NONE: object = ([], [], 0, [])


@pytest.mark.parametrize("kind", list(RUNS))
def test_a_run_is_shown_without_a_flaw(browser: Chromium, tmp_path: Path, kind: str) -> None:
    """No request, no error, no overflow, no violation: light and wide, dark and as narrow as a telephone."""
    page, _ = run_page(tmp_path, kind)
    light = browser.look(page, script=DESCRIPTIONS)
    assert flaws(light) == NONE
    assert flaws(browser.look(page, width=390, scheme="dark")) == NONE
    assert light.value
    assert all(any(sign.isdigit() for sign in told) or told == "first run like it" for told in light.value)
    assert page.stat().st_size < BUDGET


def test_the_numbers_are_those_of_the_results(browser: Chromium, tmp_path: Path) -> None:
    """What a browser holds for programs is in results.json, to the last digit, and every figure is there."""
    page, results = run_page(tmp_path, "fail")
    script = "[...document.querySelectorAll('.kpis data')].map((one) => Number(one.value))"
    shown = browser.look(page, script=script, axe=False).value
    verdicts = [
        verdict.figure.value
        for record in results.environments.values()
        for kept in record.notebooks.values()
        for verdict in (kept.result.verdicts if kept.result else [])
    ]
    assert sorted(shown) == sorted(verdicts)


def test_the_first_screen_says_it_all(browser: Chromium, tmp_path: Path) -> None:
    """Verdict, facts and every figure with target, margin and trend are seen without scrolling."""
    page, _ = run_page(tmp_path, "fail")
    look = browser.look(page, script=FIRST_SCREEN, axe=False)
    assert all(end <= 900 for end in look.value)


def test_the_same_notebook_twice_is_two(browser: Chromium, tmp_path: Path) -> None:
    """A choice made in one environment's notebook leaves the other's alone, and what it shows follows it."""
    page, _ = run_page(tmp_path, "fail")
    script = """(() => { const labels = [...document.querySelectorAll("label")]; labels.at(-1).click();
      const weights = [...document.querySelectorAll("i.two")].map((one) => getComputedStyle(one).fontWeight);
      const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
      return [...weights, document.querySelectorAll("input:checked").length, ids.length - new Set(ids).size] })()"""
    assert browser.look(page, script=script, axe=False).value == ["400", "700", 2, 0]


def test_what_scrolls_sideways_shows_it(browser: Chromium, tmp_path: Path) -> None:
    """On a telephone a table that is wider than its place has a shadow at the edge, which none of its cells covers."""
    page, _ = run_page(tmp_path, "fail")
    script = """(() => { const wide = [...document.querySelectorAll(".scroll")]
        .filter((one) => one.scrollWidth > one.clientWidth);
      const bare = (one) => [...one.querySelectorAll("table, tr, th, td")]
        .every((part) => getComputedStyle(part).backgroundColor === "rgba(0, 0, 0, 0)");
      const how = new Set(wide.map((one) => getComputedStyle(one).backgroundAttachment));
      return [wide.length > 0, wide.every(bare), ...how]; })()"""
    found = browser.look(page, width=390, script=script, axe=False).value
    assert found == [True, True, "local, local, scroll, scroll"]


def test_sections_keep_their_distance(browser: Chromium, tmp_path: Path) -> None:
    """Wide and on a telephone, the targets stand as far below the head as every section below the one before it."""
    page, _ = run_page(tmp_path, "fail")
    script = """[...new Set([...document.querySelectorAll("main section[id]")]
      .map((one) => getComputedStyle(one).paddingTop))].length"""
    assert [browser.look(page, width=width, script=script, axe=False).value for width in (1280, 390)] == [1, 1]


def test_paper_shows_what_the_screen_shows(browser: Chromium, tmp_path: Path) -> None:
    """Printed, the page is as wide as the paper, its pictures are there, its placeholders are not."""
    page, _ = run_page(tmp_path, "fail")
    script = """Promise.all([...document.images].map((one) => one.decode())).then(() => [
      [...document.images].every((one) => one.naturalWidth > 0),
      [...document.querySelectorAll("div.skeleton")].some((one) => one.offsetHeight > 0)])"""
    look = browser.look(page, width=794, media="print", script=script)
    assert flaws(look) == NONE
    assert look.value == [True, False]


def test_a_french_page_is_without_a_flaw(browser: Chromium, tmp_path: Path) -> None:
    """Longer words break no layout, wide or narrow, and no rule."""
    page, _ = run_page(tmp_path, "fail", "fr")
    inside = "document.querySelector('.kpis').scrollWidth <= document.querySelector('.board').clientWidth"
    look = browser.look(page, scheme="dark", script=inside)
    assert flaws(look) == NONE
    assert look.value
    assert flaws(browser.look(page, width=390, axe=False)) == NONE


def test_the_index_is_without_a_flaw(browser: Chromium, tmp_path: Path) -> None:
    """The page over all runs keeps to the same rules, and each of its drawings states its numbers."""
    page = index_page(tmp_path, 20)
    look = browser.look(page, script=DESCRIPTIONS)
    assert flaws(look) == NONE
    assert flaws(browser.look(page, width=390, scheme="dark")) == NONE
    assert len(look.value) == 4
    assert all("worse than usual" in told and any(sign.isdigit() for sign in told) for told in look.value)


def test_the_index_can_be_narrowed(browser: Chromium, tmp_path: Path) -> None:
    """A choice hides the runs that do not match and counts those that do; reset shows all again."""
    page = index_page(tmp_path, 9)
    choose = f"""(async () => {{ const form = document.getElementById("filters"), seen = () => {SHOWN};
      const all = seen().length; form.verdict.value = "error"; form.dispatchEvent(new Event("change"));
      const failed = [seen(), form.querySelector("output").textContent]; form.environment.value = "vercel";
      form.dispatchEvent(new Event("change")); const none = seen().length; form.reset();
      await new Promise((done) => setTimeout(done)); return [all, ...failed, none, seen().length]; }})()"""
    assert browser.look(page, script=choose, axe=False).value == [10, ["error"], "1 of 10 runs shown", 0, 10]


def test_a_thousand_runs_are_all_there(browser: Chromium, tmp_path: Path) -> None:
    """A thousand runs are listed in a file of bounded size; how fast it opens, benchmarks/pages.py tells."""
    page = index_page(tmp_path, 28)
    row = page.read_text("utf-8")
    body = row[row.index("<tbody data-v") : row.rindex("</tbody>") + len("</tbody>")]
    page.write_text(row.replace(body, body * 36), "utf-8")
    look = browser.look(page, script=f"{SHOWN}.length", axe=False)
    assert (look.value, look.requests, look.errors) == (29 * 36, [], [])


def test_a_notebook_alone_is_without_a_flaw(browser: Chromium, tmp_path: Path) -> None:
    """A page that nbconvert makes with our exporter keeps to the same rules, where its own does not."""
    source, own, usual = tmp_path / f"{NAME}.ipynb", tmp_path / "own.html", tmp_path / "usual.html"
    save(notebook(), source)  # type: ignore[arg-type] # typed in part
    exporters = (DousellExporter(), HTMLExporter())  # type: ignore[no-untyped-call] # theirs
    for exporter, target in zip(exporters, (own, usual), strict=True):
        target.write_text(exporter.from_filename(str(source))[0], "utf-8")
    assert flaws(browser.look(own)) == NONE
    assert flaws(browser.look(own, width=390, scheme="dark")) == NONE
    assert browser.look(usual, axe=False).requests != []
