"""Comparisons as documents and as tables. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec

from ..measure.abba import FalseAlarms
from ..measure.compare import EXIT_CODES, Compared, Comparison, Scale, Side, Verdict, verdict
from ..measure.history import History, Past
from ..measure.stats import Interval
from .formatting import LABELS, unit_of
from .tables import Table, interval, number

SCHEMA = "dousell-cache/compare"
VERSION = 1

MARKS = {
    "better": "✓",
    "improved": "✓",
    "worse": "✗",
    "regressed": "✗",
    "not significant": "~",
    "within": "~",
    "cannot say": "?",
    "too few earlier runs": "?",
}

Mode = Literal["runs", "live", "a/a", "history"]

_PAIRED = "A and B are of all their reads; B against A is the mean over pairs of blocks, which need not be their ratio"


class FalseAlarmRate(msgspec.Struct, frozen=True):
    """How often two sides that are the same would be called different, see :mod:`dousell_cache.measure.abba`.

    Args:
        rate: share of the exchanges.
        exchanges: how many ways of exchanging blocks there were.
        pairs: of so many pairs.
    """

    rate: float
    exchanges: int
    pairs: int


class CompareDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of what ``dousell-cache compare --json`` prints.

    Args:
        schema: names the shape.
        version: raised when a reader would notice a change; new fields may come without.
        mode: what was compared.
        verdict: the word for all figures that have a target.
        exit_code: the command's.
        comparisons: results side by side.
        histories: runs against their history.
        false_alarms: in A/A mode.
    """

    schema: str = SCHEMA
    version: int = VERSION
    mode: Mode
    verdict: Verdict
    exit_code: int
    comparisons: list[Comparison] = []
    histories: list[History] = []
    false_alarms: FalseAlarmRate | None = None


def document(
    mode: Mode,
    *,
    comparisons: Sequence[Comparison] = (),
    histories: Sequence[History] = (),
    false_alarms: FalseAlarms | None = None,
) -> CompareDocument:
    """Return what was compared with its verdict: the worst of the figures that have a target."""
    figures: list[Compared | Past] = [one for each in comparisons for one in each.figures]
    figures += [one for each in histories for one in each.figures]
    word = verdict([one.word for one in figures if one.target])
    return CompareDocument(
        mode=mode,
        verdict=word,
        exit_code=EXIT_CODES[word],
        comparisons=list(comparisons),
        histories=list(histories),
        false_alarms=FalseAlarmRate(*false_alarms) if false_alarms else None,
    )


def comparison_table(comparison: Comparison) -> Table:
    """Show two results side by side: each figure, its effect with a 95 % interval, and the word for it."""
    first, second = comparison.a, comparison.b
    shared = _shared_notes(comparison)
    rows = [_compared(one, shared) for one in comparison.figures]
    if comparison.ranks:
        slower, p = comparison.ranks.slower, comparison.ranks.p
        rows.append(("a read of B is slower", "", "", _share(slower), chance(p), "by ranks, of all reads"))
    title = f"A = {_called(first)}; B = {_called(second)}"
    return Table(title, ("figure", "A", "B", "B against A (95 %)", "p", "B is"), rows)


def _called(one: Side) -> str:
    """Return what a side is called: a run and its environment, or an environment that was measured live."""
    return one.environment if one.name in {"A", "B"} else f"{one.name}, {one.environment}, {one.notebook}"


def history_table(history: History) -> Table:
    """Show a run among its earlier ones: where each figure was to be expected, and what it did."""
    rows = [_past(one) for one in history.figures]
    runs = f"{len(history.earlier)} earlier run{'s' if len(history.earlier) != 1 else ''} like it"
    title = f"{history.run.name}, {history.run.environment}, {history.run.notebook}, against {runs}"
    return Table(title, ("figure", "now", "usual (95 % of runs)", "runs", "p", "it is"), rows)


def remarks(comparison: Comparison, mode: Mode = "runs") -> list[str]:
    """Return what has to be said beside a table: notes of several figures, what is emulated, what to mind.

    Args:
        comparison: what was compared.
        mode: how; of blocks in pairs it is said what the columns are.
    """
    sides = {"A": comparison.a, "B": comparison.b}
    parts = dict.fromkeys(part for side in sides.values() for part in side.emulated)
    emulated = {part: [name for name, side in sides.items() if part in side.emulated] for part in parts}
    told = [f"emulated on the measuring machine in {' and '.join(names)}: {part}" for part, names in emulated.items()]
    noted = [f"{'; '.join(labels)}: {note}" for note, labels in _shared_notes(comparison).items()]
    paired = [_PAIRED] if mode in {"live", "a/a"} else []
    return [*noted, *paired, *told, *(f"mind: {caveat}" for caveat in comparison.caveats)]


def _shared_notes(comparison: Comparison) -> dict[str, list[str]]:
    """Return the notes that more than one figure has, said once below a table, and the figures they are of."""
    figures: dict[str, list[str]] = {}
    for one in comparison.figures:
        if one.note:
            figures.setdefault(one.note, []).append(LABELS.get(one.name, one.name))
    return {note: labels for note, labels in figures.items() if len(labels) > 1}


def left_out(history: History) -> list[str]:
    """Return which earlier runs a history does without, and why, a sentence each."""
    reasons = {
        "not like it, and left out": history.others,
        "in doubt, and left out": history.doubted,
    }
    return [
        f"mind: {count} earlier {'run was' if count == 1 else 'runs were'} {reason}"
        for reason, count in reasons.items()
        if count
    ]


def label(one: Compared | Past) -> str:
    """Return a figure's name for people; what has a target is marked."""
    return f"{LABELS.get(one.name, one.name)}{' *' if one.target else ''}"


def effect(found: Interval | None, scale: Scale) -> str:
    """Write how much B differs from A: ``×1.12 (1.05 to 1.19)``, or ``+0.4 pp (-1.0 to +1.8)``."""
    if found is None:
        return "no value"
    if scale == "ratio":
        ends = "" if found.low is None or found.high is None else f" ({found.low:.2f} to {found.high:.2f})"
        return f"×{found.value:.2f}{ends}"
    ends = "" if found.low is None or found.high is None else f" ({_points(found.low)} to {_points(found.high)})"
    return f"{_points(found.value)} pp{ends}"


def chance(p: float | None) -> str:
    """Write a p value."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _points(share: float) -> str:
    return f"{100 * share:+z.1f}"


def _share(found: Interval) -> str:
    told = f"in {found.value:.1%} of pairs"
    return told if found.low is None or found.high is None else f"{told} ({found.low:.1%} to {found.high:.1%})"


def _compared(one: Compared, said_below: Collection[str]) -> tuple[str, ...]:
    unit = unit_of(one.name)
    sides = (number(one.a.value, unit), number(one.b.value, unit))
    told = _told(one) if one.note not in said_below else _word(one)
    return (label(one), *sides, effect(one.effect, one.scale), chance(one.p_adjusted), told)


def _past(one: Past) -> tuple[str, ...]:
    unit = unit_of(one.name)
    usual = interval(one.usual, unit) if one.usual else "unknown"
    now = number(one.now.value, unit)
    return (label(one), now, usual, str(one.runs), chance(one.p_adjusted), _told(one))


def _told(one: Compared | Past) -> str:
    return f"{_word(one)}{f' ({one.note})' if one.note else ''}"


def _word(one: Compared | Past) -> str:
    return f"{MARKS[one.word]} {one.word}"


def sentence(found: CompareDocument) -> str:
    """Say in one line what came of it."""
    figures: Iterable[Compared | Past] = [
        *(one for each in found.comparisons for one in each.figures),
        *(one for each in found.histories for one in each.figures),
    ]
    bad = [LABELS.get(one.name, one.name) for one in figures if one.target and one.word in {"worse", "regressed"}]
    whom = "this run" if found.mode == "history" else "B"
    match found.verdict:
        case "worse":
            return f"{whom} is significantly worse: {', '.join(dict.fromkeys(bad))}"
        case "inconclusive":
            return "inconclusive: a figure that has a target could not be compared"
    return f"{whom} is no worse, as far as these samples can tell"
