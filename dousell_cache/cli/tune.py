"""``dousell-cache tune``: what each time to live would have given on a trace, and which to choose."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .phases import one_line

if TYPE_CHECKING:
    from ..tuning.advice import Advice
    from ..tuning.goals import Goal
    from ..tuning.trace import Trace
    from ..tuning.tuned import Tuned

MET, MISSED, INCONCLUSIVE = 0, 1, 5
_MARKS = {"met": "✓", "unreachable": "✗", "inconclusive": "?", "non-stationary": "?"}
_NOW = {True: "✓", False: "✗", None: "?"}
_MOST_FAMILIES = 20


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tune",
        help="say which time to live to choose, from a trace of what was read",
        description="Play a trace of reads and invalidations at many times to live, exactly as the cache would, and "
        "advise the smallest that does, for each key family.",
        epilog="Exit codes: 0 a TTL meets the targets in every family, 1 in one there is none, or the present one "
        "misses them, or all together exceed a bound on loads or cost, 2 wrong usage or a trace that makes no sense, "
        "5 the trace is too short to say, of the present one, too.",
    )
    parser.add_argument(
        "--trace",
        required=True,
        metavar="FILE",
        help="a recording, a folder of them, a CSV file with time,key[,op], or what MONITOR printed",
    )
    parser.add_argument(
        "--unit",
        choices=("s", "ms"),
        help="of the times of a CSV file; needed unless the column is named time_s or time_ms, or they count from 1970",
    )
    parser.add_argument(
        "--writes",
        choices=("fills", "changes"),
        help="what the writes of a CSV file or of MONITOR are: fills that follow misses, or changes of the data; "
        "needed where there are any",
    )
    parser.add_argument("--sort", action="store_true", help="put a CSV file in the order of its times first")
    parser.add_argument(
        "--namespace",
        metavar="PREFIX",
        help="what stands before the families in all keys, such as prod:v3:, to be taken off; other keys are left out",
    )
    _add_goal(parser)
    _add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.set_defaults(run=run)


def _add_goal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ttl", metavar="S[,S…]", help="seconds to choose from; default: any, and curves at round ones"
    )
    parser.add_argument("--target", type=float, default=0.9, metavar="SHARE", help="of hits; default %(default)g")
    parser.add_argument("--max-stale", type=float, metavar="SHARE", help="the most reads that may be out of date")
    parser.add_argument(
        "--max-origin", type=float, metavar="N", help="the most loads a second, on average, of each family and of all"
    )
    parser.add_argument("--budget", type=float, metavar="N", help="the most that a day may cost, each family and all")
    for name, of in (("load", "one load"), ("command", "one command to the cache"), ("stale", "one read out of date")):
        parser.add_argument(f"--{name}-price", type=float, default=0.0, metavar="N", help=f"of {of}; default 0")
    parser.add_argument(
        "--present",
        action="append",
        default=[],
        metavar="FAMILY=S",
        help="the TTL that a key family has now, to be judged; may be repeated; dousell: the site's own design",
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fill", type=float, metavar="S", help="seconds of a load; default: as recorded, else 0")
    parser.add_argument("--grace", type=float, default=0.0, metavar="S", help="as the cache's option; default 0")
    parser.add_argument("--jitter", type=float, default=0.0, metavar="SHARE", help="as the cache's option; default 0")
    parser.add_argument(
        "--background", action="store_true", help="refresh behind the caller, as the cache's option of that name"
    )
    parser.add_argument("--ttl-only", action="store_true", help="judge as if no invalidation were sent")


def run(options: argparse.Namespace) -> int:
    """Tune and print; return the exit code."""
    from ..tuning.formats import examine
    from ..tuning.namespaces import without_namespace
    from ..tuning.tuned import document, tune

    try:
        with one_line(quiet=True) as observe:
            observe(f"reading {options.trace}")
            reading = examine(options.trace, unit=options.unit, writes=options.writes, sort=options.sort)
            trace, more = without_namespace(reading.trace, options.namespace)
            tuned = tune(
                trace,
                _goal(options),
                ttls=_ttls(options.ttl),
                present=_present(options.present, trace),
                invalidations="ignored" if options.ttl_only else "sent",
                observe=observe,
                fill=options.fill,
                grace=options.grace,
                jitter=options.jitter,
                background=options.background,
            )
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    notes = (*reading.notes, *more)
    if options.json:
        print(json.dumps(document(tuned, notes), indent=2, allow_nan=False))
    else:
        _print(tuned, notes)
    return verdict(tuned)


def verdict(tuned: "Tuned") -> int:
    """Return the exit code of what was found: what is missed counts before what nobody can say."""
    if any(one.status == "unreachable" or one.present_met is False for one in tuned.advice):
        return MISSED
    if tuned.total and tuned.total.met is False:
        return MISSED
    told = all(one.status == "met" and (one.present is None or one.present_met) for one in tuned.advice)
    return MET if told else INCONCLUSIVE


def _goal(options: argparse.Namespace) -> "Goal":
    from ..tuning.goals import Goal, Prices

    for option, share in (("--target", options.target), ("--max-stale", options.max_stale)):
        if share is not None and not 0 <= share <= 1:
            message = f"{option} must be a share from 0 to 1, such as 0.9, not {share:g}"
            raise ConfigurationError(message)
    prices = Prices(load=options.load_price, command=options.command_price, outdated=options.stale_price)
    return Goal(options.target, options.max_stale, options.max_origin, options.budget, prices)


def _ttls(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        message = f"--ttl must be seconds with commas between, such as 1,10,60, not {text!r}"
        raise ConfigurationError(message) from None


def _present(given: list[str], trace: "Trace") -> dict[str, float]:
    from ..tuning.advice import by_reads
    from ..tuning.design import DESIGN_TTLS

    present: dict[str, float] = {}
    there = [family.family_names[0] for family in by_reads(trace)] if given else []
    for text in given:
        if text == "dousell":
            _refuse_absent("any family of the site", not DESIGN_TTLS.keys() & there, there)
            present |= DESIGN_TTLS
            continue
        family, _, seconds = text.rpartition("=")
        try:
            present[family] = float(seconds)
        except ValueError:
            family = ""
        if not family:
            message = f"--present must be FAMILY=SECONDS, such as detail=3600, or dousell, not {text!r}"
            raise ConfigurationError(message)
        _refuse_absent(repr(family), family not in there, there)
    return present


def _refuse_absent(wanted: str, absent: bool, there: "Sequence[str]") -> None:
    if absent:
        shown = ", ".join(there[:_MOST_FAMILIES]) + (", …" if len(there) > _MOST_FAMILIES else "")
        message = f"--present: the trace has no reads of {wanted}; its families are {shown}"
        raise ConfigurationError(message)


def _print(tuned: "Tuned", notes: Sequence[str]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    trace = tuned.trace
    console.print(
        f"{trace.reads:,} reads, {len(trace) - trace.reads:,} invalidations of {len(trace.key_names):,} keys in "
        f"{trace.seconds:,.0f} s",
        markup=False,
    )
    for note in notes:
        console.print(f"note: {note}", markup=False)
    console.print(_curve_table(tuned))
    console.print(_advice_table(tuned.advice[:_MOST_FAMILIES]))
    for one in tuned.advice[:_MOST_FAMILIES]:
        console.print(f"{_MARKS[one.status]} {one.family}: {one.reason}", markup=False)
    hidden = len(tuned.advice) - _MOST_FAMILIES
    if hidden > 0:
        console.print(f"and {hidden:,} families more, which --json has", markup=False)
    if tuned.total:
        console.print(f"{_NOW[tuned.total.met]} all families: {tuned.total.reason}", markup=False)


def _curve_table(tuned: "Tuned") -> Any:
    from ..tuning.tuned import rows

    table = _table("All families", "TTL, s", "hits", "loads/s", "outdated", "oldest, s", "commands")
    for row in rows(tuned.curve):
        table.add_row(
            f"{row['ttl']:g}",
            _hits(row["hit_rate"], row["low"], row["high"]),
            "–" if row["origin_rate"] is None else f"{row['origin_rate']:.3g}",
            _percent(row["outdated_share"]),
            f"{row['worst_age']:,.1f}",
            f"{row['commands']:,}",
        )
    return table


def _advice_table(advice: "Sequence[Advice]") -> Any:
    from rich.markup import escape

    table = _table("Advice", "family", "reads", "TTL, s", "hits", "outdated*", "at most", "now, s", "hits now")
    for one in advice:
        point, now = one.point, one.present
        table.add_row(
            escape(f"{_MARKS[one.status]} {one.family}"),
            f"{one.reads:,}",
            "–" if one.ttl is None else f"{one.ttl:g}",
            "–" if point is None else _hits(point.hit_rate, point.low, point.high),
            _percent(None if point is None else point.outdated_share),
            _percent(one.current_ceiling),
            "–" if now is None else f"{now.ttl:g}",
            "–" if now is None else f"{_NOW[one.present_met]} {_percent(now.hit_rate)}",
        )
    table.caption = "* by TTL alone: if no invalidation were sent"
    return table


def _table(title: str, *headers: str) -> Any:
    from rich.table import Table

    table = Table(title=title, box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, no_wrap=True, justify="left" if header == "family" else "right")
    return table


def _hits(share: float | None, low: float | None, high: float | None) -> str:
    return _percent(share) if low is None or high is None else f"{_percent(share)} ± {(high - low) * 50:.1f}"


def _percent(share: float | None) -> str:
    from ..tuning.reasons import percent

    return "–" if share is None else percent(share)
