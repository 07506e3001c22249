"""Reports about locks as markdown."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from dousell_cache.measure.stats import Interval

from ..table import interval, markdown, noise, us, versions
from .alone import AloneReport, AloneRow
from .dead import DeadReport, DeadRow
from .hand_off import PassingReport, PassingRow
from .killed import KilledReport
from .lost import LostReport, LostRow

_PEERS = ("redis", "hiredis", "redlock-ng", "python-redis-lock", "pottery", "portalocker", "coredis")


class _Row(Protocol):
    @property
    def face(self) -> str: ...


R = TypeVar("R", bound=_Row)


def alone_table(report: AloneReport) -> str:
    """A row a contender, by face."""
    head = ["contender", "P50 / P95 µs", "× base", "processor µs", "commands"]
    lines = _by_face(report.rows, len(head), _alone)
    return markdown(head, lines) + noise(report.noise) + versions(report.versions, _PEERS)


def hand_off_table(report: PassingReport) -> str:
    """Two tables: how soon a lock passes on; who has to wait how long for it."""
    head = ["contender", "8 processes: P50 / P95 ms", "8 in one process: P50 / P95 ms", "commands", "processor µs"]
    soon = [_soon(*rows) for rows in _of(report, "processes", "one process")]
    fair = ["contender", "8: longest ÷ median", "overtaken", "16: longest ÷ median", "overtaken", "grants/s"]
    longest = [_longest(*rows) for rows in _of(report, "8, tight", "16, tight")]
    twice = [f"{row.contender}, {row.face}, {row.crowd}: {row.overlaps}" for row in report.rows if row.overlaps]
    warning = f"\n**Held by two at once**: {'; '.join(twice)}.\n" if twice else "\nNever held by two at once.\n"
    tables = f"{markdown(head, soon)}\n{markdown(fair, longest)}"
    return tables + warning + noise(report.noise) + versions(report.versions, _PEERS)


def killed_table(report: KilledReport) -> str:
    """A row a contender."""
    head = ["contender", "TTL ms", "kills", "P50 ms", "P99 ms", "worst ms", "earliest ms"]
    lines = [
        [
            row.contender,
            f"{row.ttl * 1000:.0f}",
            str(row.kills),
            interval(row.p50_ms, ".1f"),
            interval(row.p99_ms, ".1f"),
            f"{row.worst_ms:.1f}",
            f"{row.earliest_ms:.1f}",
        ]
        for row in report.rows
    ]
    return markdown(head, lines) + versions(report.versions, _PEERS)


def dead_table(report: DeadReport) -> str:
    """A row a contender and fault, and what became of bodies."""
    head = [
        "contender",
        "face",
        "fault",
        "first call: median / worst ms",
        "later: P50 / P99 ms",
        "ends with",
        "bodies",
    ]
    tries = sum(report.tries.values())
    faults = ", ".join(report.tries)
    own = f"\nUnder {len(report.tries)} faults ({faults}), over TCP and REST, blocking and asyncio, "
    return markdown(head, [_dead(row) for row in report.rows]) + own + f"{report.bodies} of {tries:,} bodies ran.\n"


def lost_table(report: LostReport) -> str:
    """A row a contender and way of losing."""
    head = [
        "contender",
        "face",
        "connection",
        "pairs",
        "replies lost",
        "granted",
        "told right",
        "otherwise",
        "orphans",
    ]
    return markdown(head, [_lost(row) for row in report.rows])


def _alone(row: AloneRow) -> list[str]:
    return [
        row.contender,
        f"{us(row.p50_us.value)} / {us(row.p95_us.value)}",
        interval(row.ratio, ".2f"),
        us(row.cpu_us.value),
        f"{row.commands:.1f}",
    ]


def _soon(processes: PassingRow, one: PassingRow) -> list[str]:
    return [
        f"{processes.contender}, {processes.face}",
        f"{interval(processes.p50_ms, '.2f')} / {processes.p95_ms.value:.2f}",
        f"{interval(one.p50_ms, '.2f')} / {one.p95_ms.value:.2f}",
        interval(processes.commands, ".1f"),
        us(processes.cpu_us.value),
    ]


def _longest(eight: PassingRow, sixteen: PassingRow) -> list[str]:
    cells = [f"{eight.contender}, {eight.face}"]
    for row in (eight, sixteen):
        cells += [f"{us(row.longest.value)} (worst {us(row.longest_ever)})", f"{row.overtaken.value:.0%}"]
    return [*cells, f"{sixteen.grants.value:.0f}"]


def _dead(row: DeadRow) -> list[str]:
    return [
        row.contender,
        row.face,
        row.fault,
        f"{us(row.first_ms)} / {us(row.worst_ms)}",
        _two(row.later_ms, row.later_p99_ms),
        f"`{row.ending}`",
        f"{row.bodies} of {row.tries}",
    ]


def _two(middle: Interval | None, high: Interval | None) -> str:
    return f"{middle.value:.2f} / {high.value:.2f}" if middle and high else "–"


def _lost(row: LostRow) -> list[str]:
    otherwise = "; ".join(f"{what}: {count}" for what, count in row.wrong.items())
    connection = "closed or silent" if row.silent else "closed"
    counts = [f"{count:,}" for count in (row.pairs, row.lost, row.granted, row.right)]
    return [row.contender, row.face, connection, *counts, otherwise or "–", str(row.orphans)]


def _of(report: PassingReport, *crowds: str) -> list[list[PassingRow]]:
    """Return, for each contender, its rows of these crowds."""
    each = [[row for row in report.rows if row.crowd == crowd] for crowd in crowds]
    return [list(rows) for rows in zip(*each, strict=True)]


def _by_face(rows: Sequence[R], width: int, cells: Callable[[R], list[str]]) -> list[list[str]]:
    lines = list[list[str]]()
    for number, row in enumerate(rows):
        if number == 0 or row.face != rows[number - 1].face:
            lines.append([f"*{row.face}*"] + [""] * (width - 1))
        lines.append(cells(row))
    return lines
