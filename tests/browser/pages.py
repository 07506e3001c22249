"""Pages as a browser meets them: made-up runs with real pictures, tables and code in their notebooks."""

from pathlib import Path

from matplotlib.figure import Figure

from dousell_cache.languages import Language
from dousell_cache.reporting import index, page
from dousell_cache.reporting.figures import picture
from dousell_cache.reporting.record import EnvironmentRecord, Results
from dousell_cache.reporting.tables import Table

from ..reports import BAD, GOOD, NAME, VAGUE, failed, finished, made_up, many, measured, save, v4

HOST = "5f0c81a9be77"
RUNS: dict[str, dict[str, EnvironmentRecord]] = {
    "pass": {"local": measured(GOOD, host=HOST), "vercel": measured(GOOD, host=HOST, emulated=["Upstash (4 ms)"])},
    "fail": {"local": measured(GOOD, host=HOST), "vercel": measured(BAD, host=HOST)},
    "inconclusive": {"local": measured(VAGUE, host=HOST)},
    "measured": {"local": measured({}, host=HOST)},
    "unreachable": {"local": measured(GOOD, host=HOST), "vercel": failed("unreachable", "nothing listens there")},
    "error": {"local": failed("cell_error", "cell 3: ValueError: no such thing")},
}
# What works without a script: a choice by radio buttons, and style that follows it; and a table as pandas has it.
CHOICE = """<style>#ttl-1:checked ~ .one, #ttl-2:checked ~ .two { font-weight: bold; }</style>
<input type="radio" name="ttl" id="ttl-1" checked><label for="ttl-1">60 s</label>
<input type="radio" name="ttl" id="ttl-2"><label for="ttl-2">300 s</label>
<b class="one">91 %</b> <i class="two">97 %</i>
<table><thead><tr><th scope="col"></th><th>hits</th></tr></thead>
<tbody><tr><th>0</th><td>91</td></tr></tbody></table>"""


def notebook() -> object:
    """Return an executed notebook with what is hard to show: a picture, a wide table, long code, an error, links."""
    figure = Figure(figsize=(8, 3.4), dpi=110)
    figure.subplots().plot([1, 4, 2, 3])
    drawn = picture(figure, "Four reads: 1, 4, 2 and 3 ms.", "The slowest read took 4 ms.")
    wide = Table("What it costs", ["plan", *(f"column {number}" for number in range(9)), "why"], [])
    row = [
        "Upstash, pay as you go",
        *("1,234.56 USD" for _ in range(9)),
        "each command is counted, whatever it does " * 3,
    ]
    wide = Table(wide.caption, wide.headers, [row])
    shown = [
        v4.new_output("display_data", {"text/html": html}) for html in (drawn._repr_html_(), wide._repr_html_(), CHOICE)
    ]
    failure = v4.new_output("error", ename="ValueError", evalue="no such thing", traceback=[])
    said = v4.new_output("stream", name="stderr", text="careful\n")
    source = f"import this  # {'a long remark ' * 20}\nvalue = 'text' if 1 + 1 == 2 else None"
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(
                "# What is it worth?\n\nSome *prose*, `code` and [a link](https://example.org).\n\n## More"
            ),
            v4.new_code_cell(source, execution_count=1, outputs=[said, *shown, failure]),
        ]
    )


def run_page(out: Path, kind: str, language: Language = "en") -> tuple[Path, Results]:
    """Write the page of a run among earlier ones; return it with what it shows."""
    many(out, [9.0, 4.4, 4.6, 4.5, 4.7, 4.4], environments=["local", "vercel"])
    results = made_up(RUNS[kind])
    folder = finished(out, results)
    for name in results.environments:
        save(notebook(), folder / "notebooks" / name / f"{NAME}.ipynb")  # type: ignore[arg-type] # typed in part
    (folder / "index.html").write_text(page.render(results, folder, language), "utf-8")
    return folder / "index.html", results


def index_page(out: Path, runs: int, language: Language = "en") -> Path:
    """Write the page over so many runs, some of them with a regression."""
    many(out, [20.0 if day % 9 == 8 else 4.0 + day / 50 for day in range(runs)], environments=["local", "vercel"])
    finished(out, made_up({"local": failed("interrupted", "stopped")}, exit_code=130))
    index.write(out, language)
    return out / "index.html"
