"""``dousell-cache prove``: what the locks stand, and what naive ones do not."""

import argparse
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ConfigurationError, MeasurementFailed
from .phases import one_line

if TYPE_CHECKING:
    from ..testing.evidence import Control, Evidence
    from ..testing.ledger import Trial

HOLDS, VIOLATED, FAILED = 0, 1, 3
_SECONDS = 60.0
_OUT = "reports/prove"
_ANY_SEED = 10_000
_WIDTH = 24


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "prove",
        help="prove the locks: every schedule, chaos, and naive locks beside them",
        description="Explore every schedule of the lock's flows; then let processes pay rents and book visits under "
        "naive locks, and under ours, while they are killed and stopped, replies are lost and the server forgets. The "
        "explorer takes a third of the time at most, naive locks a second or two each, chaos with our lock the rest. "
        "It uses servers of its own.",
        epilog="Exit codes: 0 nothing violated and everything naive caught, 1 otherwise, 2 wrong usage, 3 a process "
        "failed.",
    )
    parser.add_argument("--seconds", type=float, default=_SECONDS, metavar="N", help="in all; default %(default)g")
    parser.add_argument("--seed", type=int, metavar="S", help="what chaos is drawn from; default: any, and it is told")
    parser.add_argument("--out", type=Path, default=_OUT, metavar="FOLDER", help="for event logs; default %(default)s")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a name of --list; may be repeated")
    parser.add_argument("--list", action="store_true", help="list what can be run, and run nothing")
    parser.add_argument("--check", type=Path, metavar="LOG", help="judge an event log again, and run nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Gather the evidence and print it; return the exit code."""
    from ..testing import evidence, ledger

    if options.list:
        return _list(evidence.names())
    if options.check:
        return _say_trial(_whole(ledger.judged(options.check)), as_json=options.json)
    signal.signal(signal.SIGTERM, _end)
    seed = random.randrange(_ANY_SEED) if options.seed is None else options.seed  # noqa: S311 - nothing secret
    try:
        with one_line(quiet=options.json) as observe:
            found = evidence.gather(options.seconds, seed, folder=options.out, only=options.only, observe=observe)
    except OSError as error:
        raise ConfigurationError(f"--out {options.out} cannot be written to: {error.strerror or error}") from error
    except MeasurementFailed as error:
        print(f"dousell-cache: {error}", file=sys.stderr)
        return FAILED
    print(msgspec.json.format(msgspec.json.encode(document(found))).decode() if options.json else table(found))
    return HOLDS if found.holds else VIOLATED


def _whole(trial: "Trial") -> "Trial":
    if not trial.figures.rows and not trial.objections:
        message = f"{trial.log} ends before the ledgers were read: it was cut, or its run was stopped"
        raise ConfigurationError(message)
    return trial


def _end(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)  # on the way out servers are stopped and folders removed


def document(found: "Evidence") -> dict[str, Any]:
    """Return the evidence as the JSON document of this command."""
    from ..testing.ledger_checker import Figures

    figures = found.chaos.figures if found.chaos else Figures()
    return {
        "schema": "dousell-cache/prove",
        "version": 1,
        "seed": found.seed,
        "seconds": found.seconds,
        "holds": found.holds,
        "schedules": found.schedules,
        "violations": len(found.violations),
        "stories": found.violations,
        "explored": found.explored,
        "left_out": found.left_out,
        "controls": [_control(control) for control in found.controls],
        **msgspec.structs.asdict(figures),
        "bound_95": figures.bound_95,
        "log": found.chaos.log if found.chaos else None,
    }


def _control(control: "Control") -> dict[str, Any]:
    told: dict[str, Any] = msgspec.structs.asdict(control)
    trial: Trial | None = told.pop("trial")
    return told | ({"seed": trial.seed, "log": trial.log, "figures": trial.figures} if trial else {})


def table(found: "Evidence") -> str:
    """Return the evidence as a small table."""
    return "\n".join(
        [
            f"seed {found.seed}, {found.seconds:.0f} s",
            *_explored(found),
            *_chaos(found),
            *_naive(found),
            *_verdict(found),
        ]
    )


def _explored(found: "Evidence") -> Iterator[str]:
    if not found.explored:
        return
    stories = sum(len(one.violations) for one in found.explored)
    yield _row("explorer", f"{found.schedules:,} schedules of {len(found.explored)} scenarios, {stories} violations")
    short = _unfinished(found)
    if short:
        yield _row("", f"no time to finish {len(short)}: {'; '.join(short)}; give it more --seconds")
    guards = [control for control in found.controls if control.by == "explorer"]
    missed = [control.name for control in guards if not control.caught]
    yield _row(
        "guards switched off",
        f"{len(guards) - len(missed)} of {len(guards)} caught" + "".join(f"; NOT {name}" for name in missed),
    )


def _chaos(found: "Evidence") -> Iterator[str]:
    if not found.chaos:
        return
    figures = found.chaos.figures
    yield _row(
        "chaos",
        f"{figures.attempts:,} attempts, {figures.grants:,} grants, {figures.kills} processes killed, {figures.pauses} "
        f"paused past their lock ({figures.inside} of both inside)",
    )
    yield _row("", f"{figures.lost_replies} commands or replies lost, {figures.wipes} losses of the server's memory")
    yield _row(
        "guarded ledger",
        f"{figures.rows:,} rows, {figures.guarded_doubles} paid twice; {figures.fence_refusals} writes refused",
    )
    yield _row("the fence alone", f"{figures.fenced_doubles} paid twice")
    alone = "what no lock over one server can help" if figures.unguarded_doubles else "luck, which no lock can promise"
    yield _row("the lock alone", f"{figures.unguarded_doubles} paid twice: {alone}")
    yield _row(
        "bound",
        f"seen 0 times in {figures.grants:,} grants: less often than once in {1 / figures.bound_95:,.0f} (95 % sure)",
    )
    yield _row("event log", found.chaos.log)


def _naive(found: "Evidence") -> Iterator[str]:
    naive = [control for control in found.controls if control.trial]
    if naive:
        yield ""
        yield f"{'naive locks':<{_WIDTH}}{'caught':<10}{'paid twice by fence, lock':<28}by what"
    for control in naive:
        trial = control.trial
        doubles = f"{trial.figures.fenced_doubles}, {trial.figures.unguarded_doubles}" if trial else ""
        caught = f"{control.seconds:.1f} s" if control.caught else "NO"
        yield f"{control.name:<{_WIDTH}}{caught:<10}{doubles:<28}{control.objection}"


def _verdict(found: "Evidence") -> Iterator[str]:
    yield ""
    yield from found.violations
    missed = [control.name for control in found.controls if not control.caught]
    if missed:
        yield f"not caught, so this run proves nothing: {', '.join(missed)}"
    caught = "and everything naive was caught" if found.controls else "and no controls were run"
    held = "nothing was violated" if found.explored or found.chaos else "our lock was not tried"
    if _unfinished(found):
        held += " in what was finished"
    yield f"{held}, {caught}" if found.holds else "this does NOT hold"


def _unfinished(found: "Evidence") -> list[str]:
    return [*(one.scenario for one in found.explored if not one.complete), *found.left_out]


def _row(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"


def _say_trial(trial: "Trial", *, as_json: bool) -> int:
    print(msgspec.json.format(msgspec.json.encode(trial)).decode() if as_json else trial)
    return VIOLATED if trial.objections else HOLDS


def _list(names: dict[str, tuple[str, ...]]) -> int:
    for part, inside in names.items():
        print("\n  ".join((part, *inside)))
    return HOLDS
