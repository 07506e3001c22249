"""Reports as markdown, and where they stand on the page of the documentation."""

import re
from collections.abc import Sequence
from pathlib import Path

from dousell_cache.measure.stats import Interval

from .cold_key import ColdReport, ColdRow
from .harness import Calm
from .hits import Hit, HitsReport, Shape, title

_PEERS = ("redis", "hiredis", "msgspec", "dogpile.cache", "Django", "django-redis", "cashews", "aiocache")


def hits_table(report: HitsReport) -> str:
    """A row a contender, two columns a cell: the figure, and its ratio to the base."""
    rows = [hit for cell in report.cells for hit in cell.rows]
    shapes = list(dict.fromkeys(hit.shape for hit in rows))
    head = ["contender"]
    for shape in shapes:
        head += [f"{title(shape)}: {'P50 / P95 µs' if shape.callers == 1 else 'reads/s'}", "× base"]
    lines = []
    by_face: dict[str, dict[str, dict[Shape, Hit]]] = {}
    for hit in rows:
        by_face.setdefault(hit.face, {}).setdefault(hit.contender, {})[hit.shape] = hit
    for face, contenders in by_face.items():
        lines.append([f"*{face}*"] + [""] * (len(head) - 1))
        for contender, measured in contenders.items():
            lines.append([contender, *(text for shape in shapes for text in _hit(measured[shape]))])
    missed = sum(hit.loads for hit in rows)
    note = f"\n† {missed} of the measured reads were no hits: the loader ran.\n" if missed else ""
    return markdown(head, lines) + note + noise([cell.noise for cell in report.cells]) + versions(report.versions)


def cold_table(report: ColdReport) -> str:
    """A row a contender."""
    head = ["contender", "face", "loads", "P95 s", "commands"]
    lines = [
        [row.contender, row.face, _loads(row), interval(row.p95_seconds, ".3f"), interval(row.commands, ".0f")]
        for row in report.rows
    ]
    return markdown(head, lines) + noise(report.noise) + versions(report.versions)


def place(page: Path, name: str, text: str) -> None:
    """Put a text between a page's two comments of that name.

    Raises:
        ValueError: the page has no such comments.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = page.read_text("utf-8")
    before, found, rest = old.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        message = f"{page} needs the comments {begin} and {end} for its figures to stand between"
        raise ValueError(message)
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", "utf-8")


def _hit(hit: Hit) -> tuple[str, str]:
    mark = " †" if hit.loads else ""
    if hit.shape.callers > 1:
        return f"{hit.per_second.value:,.0f}{mark}", interval(hit.ratio, ".2f")
    return f"{us(hit.p50_us.value)} / {us(hit.p95_us.value)}{mark}", interval(hit.ratio, ".2f")


def us(value: float) -> str:
    """Show a figure with about three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _loads(row: ColdRow) -> str:
    usual = f"{row.loads.value:.0f}"
    return usual if row.most_loads == row.loads.value else f"{usual} (at most {row.most_loads})"


def interval(figure: Interval, form: str) -> str:
    """Show a figure and its interval, where it has one that differs."""
    value = format(figure.value, form)
    if figure.low is None or figure.high is None:
        return value
    ends = format(figure.low, form), format(figure.high, form)
    return value if ends == (value, value) else f"{value} ({'–'.join(ends)})"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def noise(cells: Sequence[Calm]) -> str:
    """Say how calm the machine was."""
    rounds = re.sub(r"^(\d+)–\1$", r"\1", f"{min(c.counted for c in cells)}–{max(c.counted for c in cells)}")
    disturbed, all_rounds = sum(cell.disturbed for cell in cells), sum(cell.rounds for cell in cells)
    kept = [cell.what for cell in cells if cell.counted == cell.rounds and cell.disturbed]
    text = (
        f"\nRounds counted in each cell: {rounds}. Disturbed: {disturbed} of {all_rounds}. Other processes took at "
        f"most {max(cell.others for cell in cells):.0%} in a round that counted, other virtual machines "
        f"{max(cell.stolen for cell in cells):.0%}.\n"
    )
    return text + (f"Too few calm rounds, so all of them count: {'; '.join(kept)}.\n" if kept else "")


def versions(installed: dict[str, str], peers: Sequence[str] = _PEERS) -> str:
    """Name the peers' versions."""
    known = {name.lower(): version for name, version in installed.items()}
    return "\n" + ", ".join(f"{name} {known[name.lower()]}" for name in peers) + ".\n"
