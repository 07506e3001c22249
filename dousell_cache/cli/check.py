"""``dousell-cache check``: the connection test and the start-up audit, a line a step and a finding."""

import argparse
import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from ..audit import Audit
from ..check import STEPS, Check, Step, summary
from ..environments import Environment
from .places import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED, FAILED, UNREACHABLE = 0, 1, 4

_MARKS = {"passed": ("✓", "ok  ", 32), "ok": ("✓", "ok  ", 32), "note": ("·", "note", 36)}
_MARKS |= {"warning": ("!", "WARN", 33), "failed": ("✗", "FAIL", 31)}
_NAME = 22


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="test the connection to the cache, audit its server",
        description="Test the connection to the cache: SET, GET, EXISTS, DEL, a miss and a hit, two payments racing "
        "for one slot. It touches only keys of its own and removes them. Then audit the server: what its eviction, "
        "persistence, replicas and version mean for locks. No finding changes the exit code.",
        epilog="Exit codes: 0 all passed, 1 a step failed, 2 a setting makes no sense, 4 the cache cannot be reached.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--env",
        metavar="NAME",
        help="local, vercel or dedicated; default: what the environment variables say. "
        "vercel without credentials means the local Upstash emulator.",
    )
    where.add_argument("--url", metavar="URL", help="test this redis:// address instead")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the test and print it; return the exit code."""
    place = place_of(options.env, options.url)
    test = Check(place)
    try:
        steps = test.steps()
        seen = list(steps) if options.json else _print_steps(place.environment, steps)
        found = test.audit() if seen[0].passed else None
    finally:
        test.close()
    if options.json:
        print(json.dumps(summary(place.environment, seen, found), indent=2))
    elif found:
        _print_audit(place.environment, found)
    if all(step.passed for step in seen):
        return PASSED
    return UNREACHABLE if not seen[0].passed else FAILED


def _print_steps(environment: Environment, steps: "Iterable[Step]") -> list[Step]:
    kinds = {"rest": "Upstash REST", "tcp": "TCP", "embedded": "embedded Valkey", "none": "no cache"}
    chosen = " (by --url)" if environment.source == "argument" else ""
    print(f"{environment.name}{chosen}: {kinds[environment.kind]} at {environment.address or 'nowhere'}")
    if environment.emulated:
        print(f"emulated: {environment.emulated}")
    seen = []
    for step in steps:
        seen.append(step)
        print(f"  {_mark('passed' if step.passed else 'failed')} {step.name:<{_NAME}} {step.detail}", flush=True)
    passed = sum(step.passed for step in seen)
    print(f"{passed} of {STEPS} passed" + ("" if len(seen) == STEPS else "; the rest was not tried"))
    return seen


def _print_audit(environment: Environment, found: Audit) -> None:
    whose = " (the emulator's, not the service's)" if environment.emulated else ""
    print(f"what the server means for locks and the cache{whose}:")
    for finding in found.findings:
        _print_wrapped(_mark(finding.level), finding.name, f"{finding.value}: {finding.meaning}")
    no_mark = " " * len(_symbol("ok"))
    _print_wrapped(no_mark, "so, for locks", found.guarantee.locks)
    _print_wrapped(no_mark, "so, for the cache", found.guarantee.cache)


def _print_wrapped(mark: str, name: str, text: str) -> None:
    """Print a line; on a terminal break it between words, so that it stays beside its name."""
    lines = [text]
    indent = len(_symbol("ok")) + _NAME + 4
    if sys.stdout.isatty():
        lines = textwrap.wrap(text, max(30, shutil.get_terminal_size().columns - indent), break_on_hyphens=False)
    print(f"  {mark} {name:<{_NAME}} " + f"\n{' ' * indent}".join(lines))


def _mark(outcome: str) -> str:
    shown = _symbol(outcome)
    return f"\033[{_MARKS[outcome][2]}m{shown}\033[0m" if sys.stdout.isatty() and len(shown) == 1 else shown


def _symbol(outcome: str) -> str:
    symbol, word, _ = _MARKS[outcome]
    try:
        "✓".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return word
    return symbol
