"""``dousell-cache compare``: two runs, two environments live, one with itself, or a run with its own history."""

import argparse
import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environments import NAMES
from ..errors import CacheError, ConfigurationError, MeasurementFailed
from .phases import teller
from .report import judge_by

if TYPE_CHECKING:
    from ..measure.live import Live, LivePlan
    from ..reporting.compared import CompareDocument
    from ..reporting.tables import Table

_OUT = "reports"
_FAILED, _UNREACHABLE = 3, 4
_RATE = 75.0  # requests per second of a live comparison; a test holds it to live.RATE
_MOST_SECONDS = 7 * 86_400.0
_PIPE_WIDTH = 132


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="compare two runs, two environments, or a run with its history",
        description="Compare two runs that were kept (an id, latest, a folder or a results.json; RUN:vercel for one of "
        "its environments), or two environments live, in turns A B B A, each pair of blocks asked the same. The same "
        "environment twice, or --aa, is an A/A comparison: it learns how often a difference would be a false alarm.",
        epilog="Exit codes: 0 B is no worse than A, 1 B is significantly worse in a figure that has a target, 2 wrong "
        "usage, or results of different machines, 3 the measurement failed, 4 an environment cannot be reached, "
        "5 inconclusive.",
    )
    parser.add_argument("a", metavar="A", help="a run, or an environment to measure: local, vercel or dedicated")
    parser.add_argument("b", metavar="B", nargs="?", help="what is judged, against A")
    parser.add_argument("--history", action="store_true", help="compare the run A with earlier runs like it")
    parser.add_argument(
        "--aa", type=int, metavar="PAIRS", help="measure the environment A against itself, so many pairs"
    )
    parser.add_argument(
        "--across-hosts", action="store_true", help="compare results of different machines all the same"
    )
    parser.add_argument("--out", default=_OUT, metavar="DIR", help="the folder of all runs; default %(default)s")
    parser.add_argument("--kpis", metavar="FILE", help="targets in TOML, over the usual ones")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    _add_live(parser.add_argument_group("live comparisons"))
    parser.set_defaults(run=run)


def _add_live(group: "argparse._ArgumentGroup") -> None:
    amount = group.add_mutually_exclusive_group()
    amount.add_argument(
        "--requests", type=int, metavar="N", help="of each environment, 20 for each pair at least; default 1,200"
    )
    amount.add_argument(
        "--seconds", type=float, metavar="S", help=f"of each environment, at {_RATE:g} requests a second"
    )
    group.add_argument("--pairs", type=int, metavar="N", help="blocks of each environment, 5 to 1,000; default 8")
    group.add_argument("--seed", type=int, metavar="N", help="of arrivals and pages; default 1")
    group.add_argument("--ttl", type=float, metavar="S", help="seconds an entry lives; default 300")
    group.add_argument("--keys", type=int, metavar="N", help="different pages; default 8")


def run(options: argparse.Namespace) -> int:
    """Compare, print it, and return the exit code."""
    judge_by(options.kpis)
    try:
        found = _compare(options)
    except MeasurementFailed as error:
        print(f"dousell-cache: the measurement failed: {error}", file=sys.stderr)
        return _FAILED
    except (CacheError, ModuleNotFoundError):
        raise
    except Exception:  # noqa: BLE001 - Python's own exit code, 1, would say that B is worse
        traceback.print_exc()
        return _FAILED
    if found is None:
        return _UNREACHABLE
    _print(found, options.json)
    return found.exit_code


def _compare(options: argparse.Namespace) -> "CompareDocument | None":
    live = options.a in NAMES
    _check(options, live)
    if not live:
        return _kept(options)
    b = options.a if options.aa is not None else options.b
    return _live(options.a, b, _plan(options), as_json=options.json)


def _kept(options: argparse.Namespace) -> "CompareDocument":
    from ..reporting.side_by_side import compare_kept, compare_with_history

    if options.history:
        return compare_with_history(options.a, Path(options.out))
    return compare_kept(options.a, options.b, Path(options.out), across_hosts=options.across_hosts)


def _check(options: argparse.Namespace, live: bool) -> None:
    """Refuse words that do not go together."""
    alone = options.history or options.aa is not None
    given = [
        name for name in ("requests", "seconds", "pairs", "seed", "ttl", "keys") if getattr(options, name) is not None
    ]
    problem = None
    if alone and options.b:
        problem = f"{'--history' if options.history else '--aa'} takes one word, not {options.a} and {options.b}"
    elif not alone and not options.b:
        problem = f"{options.a} is to be compared with what? Name a second, or say --history or --aa PAIRS"
    elif options.history and (live or options.aa is not None):
        problem = "--history is for a run that was kept, not for an environment"
    elif options.aa is not None and not live:
        problem = f"--aa measures an environment: {', '.join(NAMES)}, not {options.a}"
    elif live != (options.b in NAMES) and options.b:
        problem = f"{options.a} and {options.b}: two runs or two environments can be compared, not one of each"
    elif given and not live:
        problem = f"--{given[0]} is for live comparisons: what was kept is as it is"
    elif options.aa is not None and options.pairs is not None:
        problem = "--aa says how many pairs there are: leave --pairs out"
    if problem:
        raise ConfigurationError(problem)


def _plan(options: argparse.Namespace) -> "LivePlan":
    """Return what to measure live.

    Raises:
        ConfigurationError: a value makes no sense.
    """
    from ..measure.live import LivePlan

    requests = options.requests if options.seconds is None else _requests(options.seconds)
    asked = {"requests": requests, "pairs": options.aa if options.aa is not None else options.pairs}
    asked |= {name: getattr(options, name) for name in ("seed", "ttl", "keys")}
    try:
        return LivePlan(**{name: value for name, value in asked.items() if value is not None})
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(str(error)) from error


def _requests(seconds: float) -> int:
    if not 0 < seconds <= _MOST_SECONDS:
        message = f"--seconds must be a number of seconds up to a week, not {seconds:g}"
        raise ConfigurationError(message)
    return round(seconds * _RATE)


def _live(a: str, b: str, plan: "LivePlan", *, as_json: bool) -> "CompareDocument | None":
    from ..dousell.site import cache_environment, preflight
    from ..dousell.stand_in import kept_running
    from ..reporting.compared import document

    with _progress(quiet=as_json) as observe, kept_running([a, b]):
        for environment in dict.fromkeys((a, b)):
            cache_environment(environment, os.environ)  # a variable that is not set is wrong usage, as for `check`
            with _unlogged():
                reason = preflight(environment)
            if reason:
                print(f"dousell-cache: {environment} cannot be reached: {reason}", file=sys.stderr)
                return None
        live = asyncio.run(_measured(a, b, plan, observe))
    alarms = live.false_alarms if a == b else None
    return document("a/a" if a == b else "live", comparisons=[live.comparison], false_alarms=alarms)


async def _measured(a: str, b: str, plan: "LivePlan", observe: Callable[[int, int], None]) -> "Live":
    from ..dousell.site import open_site
    from ..measure.kpis import kpis_in_force
    from ..measure.live import measure_live

    targets = frozenset(kpis_in_force())
    try:
        async with open_site(a) as first, open_site(b) as second:
            return await measure_live(first, second, plan, targets=targets, progress=observe)
    except ConfigurationError:
        raise
    except ValueError as error:  # more pages than there are
        raise ConfigurationError(str(error)) from error


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what the library would log of a dead cache to itself: the sentence that follows says it better."""
    logger, silence = logging.getLogger("dousell_cache"), logging.NullHandler()
    logger.addHandler(silence)
    try:
        yield
    finally:
        logger.removeHandler(silence)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how many blocks are done: a bar when somebody looks at it, else a line when one begins."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    tell = teller(quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("getting ready", total=None)

        def observe(done: int, blocks: int) -> None:
            bar.update(task, completed=done, total=blocks, description="measuring in turns, block")
            tell(f"measuring in turns, block {min(done + 1, blocks)} of {blocks}")

        yield observe


def _print(found: "CompareDocument", as_json: bool) -> None:
    import msgspec

    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    from ..reporting.compared import comparison_table, history_table, left_out, remarks, sentence

    for comparison in found.comparisons:
        _show(comparison_table(comparison), remarks(comparison, found.mode))
    for history in found.histories:
        _show(history_table(history), left_out(history))
    if found.false_alarms:
        alarms = found.false_alarms
        ways = f"{alarms.exchanges:,} ways of exchanging the blocks of {alarms.pairs} pairs"
        print(f"A/A: of {ways}, {alarms.rate:.1%} would have been called different; the rule promises 5 % on average")
    print(f"{sentence(found)} (* has a target)")


def _show(table: "Table", remarks: list[str]) -> None:
    """Print a table: drawn, and coloured on a terminal; without one as wide as it needs to be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    console.print(Text(table.caption, style="bold"), soft_wrap=True)
    drawn = Drawn(*table.headers, box=box.SIMPLE_HEAD)
    for row in table.rows:
        drawn.add_row(*map(Text, row[:-1]), Text(row[-1], style=_STYLES.get(row[-1][:1], "")))
    console.print(drawn)
    for remark in remarks:
        console.print(Text(f"  {remark}", style="dim"), soft_wrap=True)


_STYLES = {"✓": "green", "✗": "bold red", "?": "yellow"}
