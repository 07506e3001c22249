"""``dousell-cache check``: the connection test, a line a step."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from ..check import STEPS, Check, Step, summary
from ..environments import NAMES, Environment
from ..errors import ConfigurationError
from ..transport.connect import Place, locate

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED, FAILED, UNREACHABLE = 0, 1, 4


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="test the connection to the cache",
        description="Test the connection to the cache: SET, GET, EXISTS, DEL, a miss and a hit, two payments racing "
        "for one slot. It touches only keys of its own and removes them.",
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
    place = _place(options)
    test = Check(place)
    try:
        steps = test.steps()
        seen = list(steps) if options.json else _print_steps(place.environment, steps)
    finally:
        test.close()
    if options.json:
        print(json.dumps(summary(place.environment, seen), indent=2))
    if all(step.passed for step in seen):
        return PASSED
    return UNREACHABLE if not seen[0].passed else FAILED


def _place(options: argparse.Namespace) -> Place:
    if options.env is None:
        return locate(options.url)
    if options.env not in NAMES:
        from ..reporting.nearest import suggestion

        message = f'there is no environment "{options.env}": {suggestion(options.env, NAMES)}'
        raise ConfigurationError(message)
    from ..dousell.site import cache_environment

    return locate(cache_environment(options.env, os.environ))


def _print_steps(environment: Environment, steps: "Iterable[Step]") -> list[Step]:
    kinds = {"rest": "Upstash REST", "tcp": "TCP", "embedded": "embedded Valkey", "none": "no cache"}
    print(f"{environment.name}: {kinds[environment.kind]} at {environment.address or 'nowhere'}")
    if environment.emulated:
        print(f"emulated: {environment.emulated}")
    seen = []
    for step in steps:
        seen.append(step)
        print(f"  {_mark(step.passed)} {step.name:<22} {step.detail}", flush=True)
    passed = sum(step.passed for step in seen)
    print(f"{passed} of {STEPS} passed" + ("" if len(seen) == STEPS else "; the rest was not tried"))
    return seen


def _mark(passed: bool) -> str:
    mark, plain = ("✓", "ok  ") if passed else ("✗", "FAIL")
    encoding = sys.stdout.encoding or "ascii"
    try:
        mark.encode(encoding)
    except UnicodeEncodeError:
        return plain
    if not sys.stdout.isatty():
        return mark
    return f"\033[{32 if passed else 31}m{mark}\033[0m"
