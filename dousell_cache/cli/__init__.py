"""The ``dousell-cache`` command. Each subcommand has a module of its own, which adds itself and imports its parts late.

Exit codes: 0 all KPIs pass; 1 a KPI or a step failed; 2 wrong usage or parameter; 3 the run failed; 4 an environment
cannot be reached; 5 inconclusive; 75 another run holds the lock; 130 and 143 for signals.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..env_file import load_env_file
from ..errors import CacheUnavailable, ConfigurationError, installing
from . import check, compare, local, monitor, prove, report, runs, tune

USAGE, UNREACHABLE, INTERRUPTED = 2, 4, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parser().parse_args(arguments)
    _never_fail_over_a_character()
    load_env_file()
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except ConfigurationError as error:
        return _complain(str(error), USAGE)
    except ModuleNotFoundError as error:
        needs = f"dousell-cache {options.command} needs the extra [lab], {error.name} first of all"
        return _complain(f"{needs}: {installing('lab')}", USAGE)
    except CacheUnavailable as error:
        return _complain(str(error), UNREACHABLE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not our failure, and nothing must try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    top = argparse.ArgumentParser(
        prog="dousell-cache",
        description="Measure, tune and watch a cache-aside on Redis, Valkey or Upstash.",
        epilog="Exit codes: 0 pass or measured, 1 fail, 2 usage, 3 run failed, 4 unreachable, 5 inconclusive, "
        "75 locked, 130 and 143 for signals.",
    )
    top.add_argument("--version", action="version", version=f"dousell-cache {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for command in (check, report, compare, tune, runs, monitor, prove, local):
        command.add(commands)
    return top


def _never_fail_over_a_character() -> None:
    """Let a terminal or pipe that knows no "±" or "é" show an escape in its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(sentence: str, code: int) -> int:
    print(f"dousell-cache: {sentence}", file=sys.stderr)
    return code
