"""``dousell-cache runs``: what earlier reports found, and which of them to keep."""

import argparse
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environments import NAMES
from ..errors import ConfigurationError
from . import compare

if TYPE_CHECKING:
    from ..reporting.listing import Entry

_OUT = "reports"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_DONE, _FAILED = 0, 3


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand with its own."""
    parser = commands.add_parser(
        "runs",
        help="list, show and prune the runs that reports left",
        description="What earlier reports found, and which of them to keep.",
        epilog="Exit codes: 0 done, 2 wrong usage, 3 a run could not be removed.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_list(actions)
    _add_show(actions)
    compare.add(actions)
    _add_prune(actions)


def _action(actions: Any, name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text.partition(":")[0], description=text)
    parser.add_argument("--out", default=_OUT, metavar="DIR", help="the folder of all runs; default %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)
    return parser


def _add_list(actions: Any) -> None:
    text = (
        "list the runs, newest first: verdict, main figures, and whether each lies beyond (↑ ↓) the comparable run "
        "before it, by whole intervals, or not (→)"
    )
    parser = _action(actions, "list", list_runs, text)
    parser.add_argument("--env", metavar="NAMES", help="only runs in these environments, separated by commas")
    parser.add_argument("--last", metavar="N", help="only the newest so many")


def _add_show(actions: Any) -> None:
    parser = _action(actions, "show", show_run, "show one run: its figures with intervals, targets and verdicts")
    parser.add_argument("id", metavar="RUN", help="its id, the beginning of it, latest, or its folder")


def _add_prune(actions: Any) -> None:
    text = (
        "remove old runs: never the latest good one of a set of environments, never one that is being written; the "
        "remains of runs whose process is gone go when they are eight days old"
    )
    parser = _action(actions, "prune", prune_runs, text)
    parser.add_argument("--keep", metavar="N", help="keep at most the newest so many")
    parser.add_argument("--max-age", metavar="AGE", help="keep none that began longer ago, such as 90d, 12h or 8w")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def list_runs(options: argparse.Namespace) -> int:
    """Print the runs of a folder; return the exit code."""
    environments = _environments(options.env)
    last = count("--last", options.last, least=1)
    from ..reporting.listing import entries
    from ..reporting.trends import trends
    from . import runs_text

    everything = list(entries(Path(options.out)))
    paired = zip(everything, trends(everything), strict=True)
    chosen = [(run, moved) for run, moved in paired if not environments or environments & _environments_of(run)][:last]
    print((runs_text.list_json if options.json else runs_text.list_text)(options.out, chosen))
    return _DONE


def show_run(options: argparse.Namespace) -> int:
    """Print one run; return the exit code."""
    from ..reporting.runs import open_run
    from . import runs_text

    kept = open_run(options.id, Path(options.out))
    written = (kept.folder / "results.json").read_text("utf-8")
    print(written.rstrip() if options.json else runs_text.show_text(kept.results, kept.folder / "index.html"))
    return _DONE


def prune_runs(options: argparse.Namespace) -> int:
    """Remove what need not be kept and say what was done; return the exit code."""
    keep, max_age = count("--keep", options.keep, least=1), age(options.max_age)
    if keep is None and max_age is None:
        message = "say what to keep: --keep N for the newest so many, --max-age 90d for none that is older, or both"
        raise ConfigurationError(message)
    from ..reporting.retention import NotRemoved, Rules, judge, look, remove
    from . import runs_text

    out = Path(options.out)
    judged = judge(look(out), Rules(keep, max_age), datetime.now(UTC))
    try:
        if not options.dry_run:
            remove(out, judged)
    except NotRemoved as error:
        print(f"dousell-cache: {error}", file=sys.stderr)
        return _FAILED
    tell = runs_text.pruned_json if options.json else runs_text.pruned_text
    print(tell(options.out, judged, dry_run=options.dry_run))
    return _DONE


def _environments(text: str | None) -> set[str]:
    from ..reporting.nearest import suggestion

    names = [name.strip() for name in text.split(",")] if text is not None else []
    for name in names:
        if name not in NAMES:
            message = f'there is no environment "{name}": {suggestion(name, NAMES)}'
            raise ConfigurationError(message)
    return set(names)


def _environments_of(run: "Entry") -> set[str]:
    return run.summary.places if run.summary else set()


def count(option: str, text: str | None, *, least: int) -> int | None:
    """Read a whole number from the command line.

    Raises:
        ConfigurationError: it is none, or too small.
    """
    if text is None:
        return None
    if not text.isdecimal() or int(text) < least:
        message = f'{option} must be a whole number from {least}, not "{text}"'
        raise ConfigurationError(message)
    return int(text)


def age(text: str | None) -> timedelta | None:
    """Read ``--max-age`` from the command line.

    Raises:
        ConfigurationError: it is no age.
    """
    if text is None:
        return None
    written = _AGE.fullmatch(text)
    if not written or not int(written[1]):
        message = f'--max-age must be a number and a unit (s, m, h, d, w), such as 90d, not "{text}"'
        raise ConfigurationError(message)
    return timedelta(**{_UNITS[written[2]]: int(written[1])})
