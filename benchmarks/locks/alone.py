"""A lock that nobody else wants: what getting it and giving it back takes, in time and in commands."""

from collections.abc import Sequence

import msgspec
import redis

from dousell_cache.measure.stats import Interval

from ..cold_key import watched
from ..contenders import Contender
from ..harness import LOCKS, Calm, Process, Round, Server, calm, median, processes, run_rounds
from ..machine import cores, pin
from .contenders import ALONE, ASYNC_ALONE
from .tasks import Alone, AloneDone

ROUNDS = {"full": 15, "quick": 6}
SECONDS = {"full": 0.2, "quick": 0.1}
_WARM_SHARE = 0.25


class AloneRow(msgspec.Struct, frozen=True):
    """One contender.

    Args:
        contender: as the tables call it.
        face: blocking or asyncio.
        p50_us: of getting the lock and giving it back; the median round.
        p95_us: likewise.
        cpu_us: the client's processor time for one pair.
        ratio: of P50 to the base's in the same round.
        commands: that the client sent for a pair, not those inside scripts.
    """

    contender: str
    face: str
    p50_us: Interval
    p95_us: Interval
    cpu_us: Interval
    ratio: Interval
    commands: float


class AloneReport(msgspec.Struct, frozen=True):
    """Both faces, and how calm the machine was."""

    rows: list[AloneRow]
    noise: list[Calm]
    versions: dict[str, str]


def measure_alone(where: Server, profile: str) -> AloneReport:
    """Measure both faces, each against redis-py's lock of that face."""
    faces = [_face(where, contenders, profile) for contenders in (ALONE, ASYNC_ALONE)]
    return AloneReport(
        [row for face in faces for row in face.rows],
        [noise for face in faces for noise in face.noise],
        faces[0].versions,
    )


def _face(where: Server, contenders: Sequence[Contender], profile: str) -> AloneReport:
    """The first contender is the base. One caller and the server share a core, as they do for reads."""
    base, seconds = contenders[0], SECONDS[profile]
    with processes(contenders, where.url, LOCKS) as (started, versions):
        for pid in (where.pid, *(process.pid for process in started)):
            pin(pid, cores()[:1])
        by_contender = {process.contender: process for process in started}
        commands = {contender: commands_of_a_pair(where, process) for contender, process in by_contender.items()}

        def visit(contender: Contender, _number: int) -> AloneDone:
            return _one(by_contender[contender], seconds * _WARM_SHARE, seconds)

        pids = [where.pid, *(process.pid for process in started)]
        rounds = run_rounds(visit, contenders, ROUNDS[profile], pids)
    rows = [_row(rounds, contender, base, commands[contender]) for contender in contenders]
    return AloneReport(rows, [calm(f"{base.face}, alone", rounds)], versions)


def _one(process: Process, warm_seconds: float, seconds: float) -> AloneDone:
    process.tell(Alone(f"alone:{process.contender.place}", warm_seconds, seconds))
    return process.hear(AloneDone)


def commands_of_a_pair(where: Server, process: Process) -> float:
    """Count on a connection that is warm: what connecting takes is not a pair's."""
    _one(process, 0.0, 0.02)
    with redis.Redis.from_url(where.url) as ours:
        ours.ping()
        with watched(ours) as commands_so_far:
            done = _one(process, 0.0, 0.05)
            return commands_so_far() / done.pairs


def _row(rounds: list[Round[AloneDone]], contender: Contender, base: Contender, commands: float) -> AloneRow:
    def over_rounds(name: str) -> Interval:
        return median(rounds, lambda answers: getattr(answers[contender], name))

    return AloneRow(
        contender.how,
        contender.face,
        p50_us=over_rounds("p50_us"),
        p95_us=over_rounds("p95_us"),
        cpu_us=over_rounds("cpu_us"),
        ratio=median(rounds, lambda answers: answers[contender].p50_us / answers[base].p50_us),
        commands=commands,
    )
