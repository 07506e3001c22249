"""What a report needs to be run by a machine: locks, a time limit, retention, a summary, a look beforehand."""

import argparse
import math
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .runs import age, count

if TYPE_CHECKING:
    from ..reporting.request import Request
    from ..reporting.retention import Rules
    from ..reporting.run import Finished
    from ..reporting.stopping import Watch

LOCKED = 75
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
_DONE, _UNREACHABLE = 0, 4


def add(parser: argparse.ArgumentParser) -> None:
    """Add what a scheduled run needs."""
    group = parser.add_argument_group("when a machine starts it")
    group.add_argument(
        "--time-limit", metavar="SECONDS", help="how long the whole run may take; default as long as its environments"
    )
    group.add_argument(
        "--parallel",
        action="store_true",
        help="all environments at once: sooner done, but on one machine they disturb each other's figures",
    )
    group.add_argument(
        "--lock-name",
        metavar="NAME",
        help="a lock in the cache of REDIS_URL or Upstash, beside that of --out, for runs on several machines",
    )
    group.add_argument("--keep", metavar="N", help="afterwards, keep at most the newest so many runs; see runs prune")
    group.add_argument("--max-age", metavar="AGE", help="afterwards, keep no run that began longer ago, such as 90d")
    group.add_argument(
        "--summary",
        metavar="FILE",
        default=os.environ.get(SUMMARY_VARIABLE),
        help=f"append the verdicts in Markdown to a file; default the one that {SUMMARY_VARIABLE} names",
    )
    group.add_argument(
        "--progress",
        action="store_true",
        help="say on stderr what begins, also where there is no terminal",
    )
    group.add_argument("--dry-run", action="store_true", help="say what would be run, and run nothing")


def seconds(option: str, text: str) -> float:
    """Read a duration from the command line.

    Raises:
        ConfigurationError: it is no number of seconds from 1 to a week.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value <= 7 * 86_400:
        message = f'{option} must be a number of seconds from 1 to a week, not "{text}"'
        raise ConfigurationError(message)
    return value


def limit(options: argparse.Namespace) -> float | None:
    """Return the whole run's time limit in seconds, or None."""
    return None if options.time_limit is None else seconds("--time-limit", options.time_limit)


def retention(options: argparse.Namespace) -> "Rules | None":
    """Return what to keep afterwards; None: everything.

    Raises:
        ConfigurationError: a number or an age makes no sense.
    """
    from ..reporting.retention import Rules

    keep, max_age = count("--keep", options.keep, least=1), age(options.max_age)
    return None if keep is None and max_age is None else Rules(keep, max_age)


def words(options: argparse.Namespace) -> list[str]:
    """Return those of these options that change what is measured, for the command that repeats a run."""
    parallel = ["--parallel"] if options.parallel else []
    return parallel + (["--time-limit", options.time_limit] if options.time_limit else [])


@contextmanager
def guarded(options: argparse.Namespace) -> "Iterator[list[Watch]]":
    """Hold the locks for a block, and yield what may end the run before its time; the clock starts here.

    Raises:
        ConfigurationError: ``--out`` cannot be written, or there is no cache for ``--lock-name``.
        RunLocked: another run holds one of the locks.
        CacheUnavailable: nobody could say who holds the lock in the cache.
    """
    from ..reporting.run_lock import cache_lock, folder_lock
    from ..reporting.stopping import time_limit

    allowed = limit(options)
    watches = [] if allowed is None else [time_limit(allowed)]
    with ExitStack() as stack:
        stack.enter_context(folder_lock(Path(options.out)))
        if options.lock_name is not None:
            watches.append(stack.enter_context(cache_lock(options.lock_name)))
        yield watches


def show_plan(request: "Request", options: argparse.Namespace) -> int:
    """Print what would be run; return the exit code: 4 when an environment is surely out of reach."""
    from ..reporting import plan

    told = plan.plan(request, Path(options.out), os.environ, time_limit=limit(options), lock_name=options.lock_name)
    print((plan.as_json if options.json else plan.as_text)(told))
    return _DONE if told.usable else _UNREACHABLE


def afterwards(finished: "Finished", shown: str, rules: "Rules | None", options: argparse.Namespace) -> None:
    """Write the summary and remove old runs. What goes wrong here is said, and changes no verdict.

    Args:
        finished: the run.
        shown: its page, as one would type it.
        rules: what to keep.
        options: those of the command.
    """
    from ..reporting import summary
    from ..reporting.redact import redactor
    from ..reporting.retention import NotRemoved, judge, look, remove

    out = Path(options.out)
    try:
        if options.summary:
            summary.append(Path(options.summary), finished.results, redactor()(shown), os.environ)
        if rules:
            remove(out, judge(look(out), rules, datetime.now(UTC)))
    except NotRemoved as error:
        print(f"dousell-cache: {error}", file=sys.stderr)
    except OSError as error:
        print(f"dousell-cache: --summary {options.summary} cannot be written: {error.strerror}", file=sys.stderr)
