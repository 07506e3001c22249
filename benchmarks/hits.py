"""Reads of keys that are there: 1 KB and 50 KB, one caller and 32; and reads from a cache in the process itself."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from dousell_cache.measure.stats import Interval

from .contenders import ASYNC_BASE, ASYNC_HITS, BASE, BLOCKING_HITS, NEAR, NEAR_BASE, Contender
from .harness import Calm, Process, Round, Server, calm, median, processes, run_rounds
from .machine import cores, pin
from .tasks import Hits, HitsDone

ROUNDS = {"full": 15, "quick": 6}
SECONDS = {"full": 0.2, "quick": 0.1}
_WARM_SHARE = 0.25


class Shape(msgspec.Struct, frozen=True):
    """What is read: the size of its JSON, by how many threads or tasks, and how many keys they share among them."""

    size: str
    callers: int = 1
    keys: int = 1


ALONE = [Shape("1 KB"), Shape("50 KB")]
# One key for all shows who lets callers share a read; a key for each, what a read costs when nothing can be shared.
TOGETHER = [Shape("1 KB", 32, 32), Shape("50 KB", 32, 32), Shape("1 KB", 32, 1)]

Figure = Literal["p50_us", "p95_us", "per_second", "cpu_us"]


class Hit(msgspec.Struct, frozen=True):
    """One contender in one cell.

    Args:
        contender: as the tables call it.
        face: blocking or asyncio.
        shape: what was read, by how many.
        p50_us: of one read, with the caller's waiting for its turn on the processor.
        p95_us: likewise.
        per_second: reads of all callers.
        cpu_us: the client's processor time for one read.
        ratio: to the base of the same round: of P50 for one caller (less is better), of reads per second for more.
        loads: how many measured reads were no hits, all rounds together.
    """

    contender: str
    face: str
    shape: Shape
    p50_us: Interval
    p95_us: Interval
    per_second: Interval
    cpu_us: Interval
    ratio: Interval
    loads: int


class Cell(msgspec.Struct, frozen=True):
    """Those who took turns with one shape, and how calm the machine was."""

    rows: list[Hit]
    noise: Calm


class HitsReport(msgspec.Struct, frozen=True):
    """All cells, and the versions of what was measured."""

    cells: list[Cell]
    versions: dict[str, str]


def title(shape: Shape) -> str:
    """Name a shape as the tables do."""
    if shape.callers == 1:
        return f"{shape.size}, 1 caller"
    return f"{shape.size}, {shape.callers} callers" + (" of one key" if shape.keys == 1 else "")


def measure_hits(where: Server, profile: str) -> HitsReport:
    """Measure reads through the server, blocking and on asyncio."""
    blocking = _measure(where, BASE, BLOCKING_HITS, ALONE + TOGETHER, profile)
    asynchronous = _measure(where, ASYNC_BASE, ASYNC_HITS, ALONE + TOGETHER, profile)
    return HitsReport(blocking.cells + asynchronous.cells, asynchronous.versions)


def measure_near(where: Server, profile: str) -> HitsReport:
    """Measure reads that the process answers itself."""
    return _measure(where, NEAR_BASE, NEAR, ALONE, profile)


def _measure(
    where: Server, base: Contender, contenders: Sequence[Contender], shapes: Sequence[Shape], profile: str
) -> HitsReport:
    with processes(contenders, where.url) as (started, versions):
        cells = [_cell(where, started, base, shape, profile) for shape in shapes]
        return HitsReport(cells, versions)


def _cell(where: Server, started: Sequence[Process], base: Contender, shape: Shape, profile: str) -> Cell:
    _pin(where, started, shape.callers)
    rounds = _rounds(where, started, shape, profile)
    rows = [_row(rounds, process.contender, base, shape) for process in started]
    return Cell(rows, calm(f"{base.face}, {title(shape)}", rounds))


def _pin(where: Server, started: Sequence[Process], callers: int) -> None:
    """One caller and the server on one core, many callers on another."""
    available = cores()
    pin(where.pid, available[:1])
    for process in started:
        pin(process.pid, available[:1] if callers == 1 else available[1:2])


def _rounds(where: Server, started: Sequence[Process], shape: Shape, profile: str) -> list[Round[HitsDone]]:
    by_contender = {process.contender: process for process in started}
    seconds = SECONDS[profile]

    def visit(contender: Contender, _number: int) -> HitsDone:
        keys = [f"{contender.place}:{shape.size}:{number}".replace(" ", "") for number in range(shape.keys)]
        process = by_contender[contender]
        process.tell(Hits(keys, shape.size, shape.callers, seconds * _WARM_SHARE, seconds))
        return process.hear(HitsDone)

    pids = [where.pid, *(process.pid for process in started)]
    return run_rounds(visit, list(by_contender), ROUNDS[profile], pids)


def _row(rounds: list[Round[HitsDone]], contender: Contender, base: Contender, shape: Shape) -> Hit:
    def over_rounds(name: Figure) -> Interval:
        return median(rounds, lambda answers: getattr(answers[contender], name))

    compared: Figure = "p50_us" if shape.callers == 1 else "per_second"
    return Hit(
        contender.how,
        contender.face,
        shape,
        p50_us=over_rounds("p50_us"),
        p95_us=over_rounds("p95_us"),
        per_second=over_rounds("per_second"),
        cpu_us=over_rounds("cpu_us"),
        ratio=median(rounds, lambda answers: getattr(answers[contender], compared) / getattr(answers[base], compared)),
        loads=sum(one.answers[contender].loads for one in rounds),
    )
