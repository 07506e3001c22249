"""Tables about locks: callers at one lock, double clicks, and how often a rent was paid behind which guards."""

from collections.abc import Sequence

from ..measure.result import ClickRow, ContentionRow, GuardRow
from ..measure.stats import Interval
from .tables import Table, interval, number

_TIMES = {0: "– not paid", 1: "✓ once"}


def wait_table(rows: Sequence[ContentionRow]) -> Table:
    """Show how long callers at one lock waited, by their number."""
    cells = [
        (
            _callers(row),
            f"{row.grants:,}",
            _with_interval(row.grants_per_second, "/s"),
            _with_interval(row.wait_p50_ms, "ms"),
            _with_interval(row.wait_p95_ms, "ms"),
            _with_interval(row.hold_p50_ms, "ms"),
        )
        for row in rows
    ]
    headers = ("callers", "grants", "grants a second", "wait, P50", "wait, P95", "held, P50")
    return Table("Callers at one lock (in brackets: 95 % intervals)", headers, cells)


def fairness_table(rows: Sequence[ContentionRow]) -> Table:
    """Show who was served when, and what that cost, by the number of callers."""
    cells = [
        (
            _callers(row),
            f"{row.grants:,}",
            number(row.longest_to_median, "×"),
            _with_interval(row.in_order, "%"),
            f"{row.commands_per_grant:.1f}",
            f"{row.refused:,}",
        )
        for row in rows
    ]
    headers = ("callers", "grants", "longest wait ÷ median", "in order of arrival", "commands a grant", "not granted")
    return Table("Fairness among callers at one lock (in brackets: 95 % intervals)", headers, cells)


def click_table(rows: Sequence[ClickRow]) -> Table:
    """Show what became of clicks that came at the same instant, by their number."""
    cells = [
        (
            f"{row.contenders}",
            f"{row.clicks:,}",
            f"{row.let_in:,}",
            f"{row.rejected:,}",
            f"{row.no_answer:,}",
            _with_interval(row.rejected_p50_ms, "ms"),
            _with_interval(row.rejected_p95_ms, "ms"),
        )
        for row in rows
    ]
    headers = ("clicks at once", "in all", "let in", "rejected", "no answer", "told after, P50", "told after, P95")
    return Table("Double clicks on “Payer”", headers, cells)


def guard_table(rows: Sequence[GuardRow]) -> Table:
    """Show how often a rent was paid in each story, and in the random run, by what guarded it."""
    cells = [(row.setup, *(_times(paid) for paid in row.stories.values()), _share_twice(row)) for row in rows]
    stories = list(rows[0].stories) if rows else []
    caption = "How often a rent was paid, by what guards it; last, rents paid twice in a random run"
    return Table(caption, ("guarded by", *stories, "random run"), cells)


def _times(paid: int) -> str:
    return _TIMES.get(paid, "✗ twice" if paid == 2 else f"✗ {paid} times")


def _share_twice(row: GuardRow) -> str:
    unpaid = f", {row.never} unpaid" if row.never else ""
    return f"{'✗' if row.twice else '✓'} {row.twice} of {row.rents}{unpaid}"


def _callers(row: ContentionRow) -> str:
    return f"{row.contenders}, fair" if row.fair else f"{row.contenders}"


def _with_interval(figure: Interval | None, unit: str) -> str:
    if figure is None:
        return "–"
    if figure.low is None:
        return f"{number(figure.value, unit)} (too few)"
    return f"{number(figure.value, unit)} ({interval(figure, unit).removesuffix(unit).strip()})"
